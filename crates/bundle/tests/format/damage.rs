//! Accidents and tampering: all of it is found, and most of it is named.

use vestibule_bundle::{Place, verify};

use super::*;

#[test]
fn every_changed_byte_is_found() {
    let key = cheap_key();
    let (bytes, _) = bundle_with(&key, &[3, 1]);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        // Every bit has its turn somewhere in every kind of place.
        damaged[at] ^= 1 << (at % 8);
        let error = check(&damaged, &key).expect_err(&format!("byte {at}"));
        assert!(
            matches!(
                error,
                BundleError::Damaged { .. }
                    | BundleError::NotABundle
                    | BundleError::Truncated { .. }
            ),
            "byte {at}: {error}"
        );
    }
}

#[test]
fn damage_is_located() {
    let key = cheap_key();
    let (bytes, _) = bundle_with(&key, &[2, 2]);
    let entries = entries(&bytes);
    let places = [
        Place::Header,
        Place::Part(0),
        Place::Part(1),
        Place::Manifest,
    ];
    for (at, place) in places.into_iter().enumerate() {
        for offset in [0, 300] {
            let mut damaged: Vec<Vec<u8>> = entries.iter().map(|entry| entry.1.clone()).collect();
            damaged[at][512 + offset] ^= 1;
            let error = check(&put_together(&damaged), &key).unwrap_err();
            assert!(
                matches!(error, BundleError::Damaged { part } if part == place),
                "{place}: {error}"
            );
        }
    }
    let mut damaged = bytes.clone();
    let last = damaged.len() - 1;
    damaged[last] = 1;
    assert!(matches!(
        check(&damaged, &key),
        Err(BundleError::Damaged { part: Place::End })
    ));
}

#[test]
fn every_truncation_is_found() {
    let key = cheap_key();
    let (bytes, _) = bundle_with(&key, &[3, 1]);
    let mut places = Vec::new();
    for length in 1..bytes.len() {
        let error = check(&bytes[..length], &key).expect_err(&format!("{length} bytes"));
        places.extend(error.place());
        assert!(
            matches!(error, BundleError::Truncated { .. }),
            "{length} bytes: {error}"
        );
    }
    // Each is located.
    assert_eq!(places.len(), bytes.len() - 1);
    places.dedup();
    let expected = [
        Place::Header,
        Place::Part(0),
        Place::Part(1),
        Place::Part(2),
        Place::Manifest,
        Place::End,
    ];
    assert_eq!(places, expected);
    assert!(matches!(check(&[], &key), Err(BundleError::NotABundle)));
}

#[test]
fn anything_behind_the_end_is_found() {
    let key = cheap_key();
    let (bytes, _) = bundle_with(&key, &[1]);
    for more in [&[0][..], b"x", &[0; 512], &bytes] {
        let longer = [&bytes, more].concat();
        assert!(matches!(
            check(&longer, &key),
            Err(BundleError::TrailingData)
        ));
    }
}

#[test]
fn parts_have_their_places() {
    let key = cheap_key();
    let (bytes, _) = bundle_with(&key, &[1, 1, 1]);
    let entries = entries(&bytes);
    let order = |order: &[usize]| {
        let bytes = put_together(order.iter().map(|at| &entries[*at].1));
        check(&bytes, &key).expect_err("another order")
    };
    // Entries: header, parts 0 to 2, manifest.
    for (given, expected, found) in [
        (&[0, 2, 1, 3, 4][..], Place::Part(0), Place::Part(1)),
        (&[0, 2, 3, 4], Place::Part(0), Place::Part(1)),
        (&[0, 1, 3, 4], Place::Part(1), Place::Part(2)),
        (&[0, 1, 2, 4], Place::Part(2), Place::Manifest),
        (&[0, 4], Place::Part(0), Place::Manifest),
        (&[0, 1, 1, 2, 3, 4], Place::Part(1), Place::Part(0)),
        (&[0, 1, 2, 3, 3, 4], Place::Part(3), Place::Part(2)),
        (&[0, 0, 1, 2, 3, 4], Place::Part(0), Place::Header),
        (&[0, 4, 1, 2, 3], Place::Part(0), Place::Manifest),
    ] {
        let error = order(given);
        assert!(
            matches!(error, BundleError::OutOfOrder { expected: e, found: f } if e == expected && f == found),
            "{given:?}: {error}"
        );
    }
    assert!(matches!(
        order(&[0, 1, 2, 3]),
        BundleError::Truncated { .. }
    ));
    assert!(matches!(order(&[1, 2, 3, 4]), BundleError::NotABundle));
    assert!(matches!(
        order(&[0, 1, 2, 3, 4, 4]),
        BundleError::Damaged { part: Place::End }
    ));
}

#[test]
fn renaming_does_not_move_a_part() {
    let key = cheap_key();
    let (bytes, _) = bundle_with(&key, &[2, 2]);
    let entries = entries(&bytes);
    // The same bytes under the neighbour's name.
    let moved = |from: usize, to: usize| {
        let mut archive = tar::Archive::new(entries[from].1.as_slice());
        let mut body = Vec::new();
        let mut read = archive.entries().unwrap().next().unwrap().unwrap();
        std::io::Read::read_to_end(&mut read, &mut body).unwrap();
        entry(&entries[to].0, body.len(), &body)
    };
    assert_eq!(moved(1, 1), entries[1].1);
    let swapped = put_together([&entries[0].1, &moved(2, 1), &moved(1, 2), &entries[3].1]);
    assert!(matches!(
        check(&swapped, &key),
        Err(BundleError::Damaged {
            part: Place::Part(0)
        })
    ));
    let posing = put_together([&entries[0].1, &entries[1].1, &moved(3, 2), &entries[3].1]);
    assert!(matches!(
        check(&posing, &key),
        Err(BundleError::Damaged {
            part: Place::Part(1)
        })
    ));
}

#[test]
fn bundles_with_one_key_do_not_mix() {
    let key = cheap_key();
    let (first, _) = bundle_with(&key, &[2, 2]);
    let (second, _) = bundle_with(&key, &[2, 2]);
    let (first, second) = (entries(&first), entries(&second));
    for at in 1..4 {
        let mut mixed: Vec<_> = first.iter().map(|entry| &entry.1).collect();
        mixed[at] = &second[at].1;
        assert!(matches!(
            check(&put_together(mixed), &key),
            Err(BundleError::Damaged { .. })
        ));
    }
}

#[test]
fn a_changed_header_is_never_taken_for_a_wrong_secret() {
    let random = SystemRandom::new();
    let created = Timestamp::from_millis(CREATED);
    let writer = BundleWriter::new(Vec::new(), SECRET, source(), created, &random).unwrap();
    let (bytes, _) = writer.finish().unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let salt = text.find("\"salt\":\"").unwrap() + 8;
    let mut damaged = bytes.clone();
    damaged[salt] = if damaged[salt] == b'0' { b'1' } else { b'0' };
    assert!(matches!(
        verify(damaged.as_slice(), SECRET),
        Err(BundleError::Damaged {
            part: Place::Header
        })
    ));
}

#[test]
fn nothing_comes_after_an_error() {
    let key = cheap_key();
    let (bytes, _) = bundle_with(&key, &[1, 1]);
    let mut entries = entries(&bytes);
    entries[1].1[600] ^= 1;
    let damaged = put_together(entries.iter().map(|entry| &entry.1));
    let mut reader = BundleReader::open_with_key(damaged.as_slice(), key).unwrap();
    assert!(reader.next_part().is_err());
    assert!(matches!(reader.next_part(), Err(BundleError::Io(_))));
    assert!(reader.next().is_none());
    assert!(reader.manifest().is_none());
}

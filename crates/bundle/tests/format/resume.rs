//! Going on: exports after a crash, imports from a record in the middle.

use std::io::{self, Cursor, Write};

use vestibule_bundle::{Place, WriterState};

use super::*;

#[test]
fn an_export_goes_on_at_every_part() {
    let key = cheap_key();
    let random = SystemRandom::new();
    let (_, straight) = bundle_with(&key, &[2, 1, 3]);
    for crash_after in 0..=3 {
        let created = Timestamp::from_millis(CREATED);
        let mut writer =
            BundleWriter::with_key(Vec::new(), key.clone(), source(), created, &random).unwrap();
        let mut stored = writer.state().clone();
        let mut numbers = 0..;
        for size in [2, 1, 3].into_iter().take(crash_after) {
            for number in numbers.by_ref().take(size) {
                writer.write(&person(number)).unwrap();
            }
            stored = writer.end_part().unwrap().clone();
        }
        // The crash: some people more, and some bytes that reached the file but no state.
        writer.write(&person(99)).unwrap();
        assert_eq!(writer.state(), &stored);
        writer.end_part().unwrap();
        let mut file = std::mem::take(writer.get_mut());
        drop(writer);
        let json = serde_json::to_string(&stored).unwrap();
        assert!(!json.contains("example.org"));
        let stored: WriterState = serde_json::from_str(&json).unwrap();

        file.truncate(usize::try_from(stored.bytes()).unwrap());
        assert_eq!(stored.parts(), crash_after);
        let done = u8::try_from(stored.records()).unwrap();
        let mut writer =
            BundleWriter::resume_with_key(&mut file, key.clone(), stored, &random).unwrap();
        for number in done..6 {
            writer.write(&person(number)).unwrap();
        }
        let (_, manifest) = writer.finish().unwrap();
        assert_eq!(manifest.content_digest, straight.content_digest);
        assert_eq!(manifest.counts, straight.counts);
        assert_eq!(check(&file, &key).unwrap(), manifest);
    }
}

#[test]
fn going_on_takes_the_same_secret() {
    let random = SystemRandom::new();
    let created = Timestamp::from_millis(CREATED);
    let mut writer = BundleWriter::new(Vec::new(), SECRET, source(), created, &random).unwrap();
    writer.write(&person(1)).unwrap();
    let state = writer.end_part().unwrap().clone();
    assert_eq!(state.counts().people, 1);
    let mut file = std::mem::take(writer.get_mut());
    let other = BundleWriter::resume(Vec::new(), "other", state.clone(), &random);
    assert!(matches!(other, Err(BundleError::WrongSecret)));
    let other = BundleWriter::resume_with_key(Vec::new(), cheap_key(), state.clone(), &random);
    assert!(matches!(other, Err(BundleError::WrongSecret)));
    let writer = BundleWriter::resume(&mut file, SECRET, state, &random).unwrap();
    let (_, manifest) = writer.finish().unwrap();
    assert_eq!(
        vestibule_bundle::verify(file.as_slice(), SECRET).unwrap(),
        manifest
    );
}

/// Takes so many bytes and then no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("full"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_failed_writes_no_more() {
    let random = SystemRandom::new();
    let created = Timestamp::from_millis(CREATED);
    let mut writer =
        BundleWriter::with_key(Full(1600), cheap_key(), source(), created, &random).unwrap();
    writer.write(&person(1)).unwrap();
    assert!(matches!(writer.end_part(), Err(BundleError::Io(_))));
    assert_eq!(writer.state().records(), 0);
    writer.get_mut().0 = 1_000_000;
    assert!(matches!(writer.write(&person(1)), Err(BundleError::Io(_))));
    assert!(matches!(writer.finish(), Err(BundleError::Io(_))));
    let refused = BundleWriter::with_key(Full(9), cheap_key(), source(), created, &random);
    assert!(matches!(refused, Err(BundleError::Io(_))));
}

#[test]
fn an_import_goes_on_at_every_record() {
    let key = cheap_key();
    let (bytes, manifest) = bundle_with(&key, &[2, 1, 3]);
    for record in 0..8 {
        let first = match record {
            0 | 1 => 0,
            2 => 2,
            3..6 => 3,
            _ => 6,
        };
        let mut reading = BundleReader::open_with_key(bytes.as_slice(), key.clone()).unwrap();
        assert_eq!(reading.skip_to(&manifest, record).unwrap(), first);
        let mut seeking = BundleReader::open_with_key(Cursor::new(&bytes), key.clone()).unwrap();
        assert_eq!(seeking.seek_to(&manifest, record).unwrap(), first);
        let mut expected = first;
        while let Some(part) = reading.next_part().unwrap() {
            assert_eq!(part.first_record(), expected);
            let same = seeking.next_part().unwrap().unwrap();
            assert_eq!(same.number(), part.number());
            for record in part.records() {
                assert_eq!(record.person, &person(u8::try_from(record.index).unwrap()));
                expected += 1;
            }
        }
        assert_eq!(expected, 6);
        assert!(seeking.next_part().unwrap().is_none());
        assert_eq!(reading.manifest(), Some(&manifest));
        assert_eq!(seeking.manifest(), Some(&manifest));
    }
}

#[test]
fn what_follows_a_skip_is_checked_as_always() {
    let key = cheap_key();
    let (bytes, manifest) = bundle_with(&key, &[1, 1, 1]);
    let entries = entries(&bytes);
    for (at, found) in [(1, false), (2, true), (3, true), (4, true)] {
        let mut damaged: Vec<Vec<u8>> = entries.iter().map(|entry| entry.1.clone()).collect();
        damaged[at][600] ^= 1;
        let damaged = put_together(&damaged);
        let mut reader = BundleReader::open_with_key(damaged.as_slice(), key.clone()).unwrap();
        reader.skip_to(&manifest, 1).unwrap();
        assert_eq!(reader.verify().is_err(), found, "entry {at}");
    }
    let cut = &bytes[..entries[0].1.len() + 700];
    let mut reader = BundleReader::open_with_key(cut, key.clone()).unwrap();
    assert!(matches!(
        reader.skip_to(&manifest, 1),
        Err(BundleError::Truncated { .. })
    ));
    let mut reader = BundleReader::open_with_key(Cursor::new(cut), key.clone()).unwrap();
    reader.seek_to(&manifest, 1).unwrap();
    assert!(matches!(
        reader.next_part(),
        Err(BundleError::Truncated { .. })
    ));
    // The same bundle cut short before it was verified.
    let short = put_together([&entries[0].1, &entries[1].1, &entries[4].1]);
    let mut reader = BundleReader::open_with_key(short.as_slice(), key).unwrap();
    reader.skip_to(&manifest, 1).unwrap();
    assert!(matches!(
        reader.next_part(),
        Err(BundleError::OutOfOrder {
            expected: Place::Part(1),
            found: Place::Manifest
        })
    ));
}

#[test]
fn only_the_bundle_that_was_verified_is_skipped_in() {
    let key = cheap_key();
    let (bytes, manifest) = bundle_with(&key, &[1, 1]);
    let (_, other) = bundle_with(&key, &[1, 1]);
    let mut reader = BundleReader::open_with_key(bytes.as_slice(), key.clone()).unwrap();
    assert!(matches!(
        reader.skip_to(&other, 1),
        Err(BundleError::OtherBundle)
    ));
    // Nor in the middle.
    reader.next_part().unwrap();
    assert!(matches!(
        reader.skip_to(&manifest, 1),
        Err(BundleError::OtherBundle)
    ));
    assert_eq!(reader.verify().unwrap(), manifest);
}

//! What goes in comes out.

use proptest::prelude::*;
use serde_json::Value;
use vestibule_bundle::{Hex, limits, verify};
use vestibule_crypto::content_digest::ContentDigest;

use super::*;

#[test]
fn a_bundle_says_what_is_in_it() {
    let key = cheap_key();
    let (bytes, manifest) = bundle_with(&key, &[5, 1, 4]);
    assert_eq!(check(&bytes, &key).unwrap(), manifest);
    assert_eq!(manifest.source, source());
    assert_eq!(manifest.created, Timestamp::from_millis(CREATED));
    let sizes: Vec<u32> = manifest.parts.iter().map(|part| part.records).collect();
    assert_eq!(sizes, [5, 1, 4]);
    let counts = manifest.counts;
    assert_eq!(
        (counts.people, counts.directory, counts.with_password),
        (10, 6, 3)
    );
    assert_eq!((counts.known, counts.future, counts.identities), (7, 2, 9));

    // The content digest is of the lines, whatever their order.
    let mut digest = ContentDigest::EMPTY;
    for number in (0..10).rev() {
        digest.add_record(&person(number).to_line().unwrap());
    }
    assert_eq!(manifest.content_digest, digest);

    // The digest of the whole is of the header and the parts.
    let entries = entries(&bytes);
    let header = entries[0].1[512..].split(|byte| *byte == 0).next().unwrap();
    let mut whole = Sha256::of(header).to_vec();
    for part in &manifest.parts {
        whole.extend_from_slice(&part.sha256.0);
    }
    assert_eq!(manifest.digest, Hex(Sha256::of(&whole)));

    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "vestibule-bundle.json",
            "people/00000.ndjson.zst.sealed",
            "people/00001.ndjson.zst.sealed",
            "people/00002.ndjson.zst.sealed",
            "manifest.json.sealed",
        ]
    );
}

#[test]
fn both_ends_move_between_threads() {
    fn movable<T: Send>() {}
    movable::<BundleWriter<'static, Vec<u8>>>();
    movable::<BundleReader<&'static [u8]>>();
}

#[test]
fn parts_come_with_lines_and_numbers() {
    let key = cheap_key();
    let (bytes, manifest) = bundle_with(&key, &[2, 3]);
    let mut reader = BundleReader::open_with_key(bytes.as_slice(), key).unwrap();
    assert_eq!(reader.id(), manifest.bundle);
    let mut index = 0;
    while let Some(part) = reader.next_part().unwrap() {
        assert!(reader.manifest().is_none());
        for record in part.records() {
            assert_eq!(record.index, u64::from(index));
            assert_eq!(record.person, &person(index));
            assert_eq!(record.line, person(index).to_line().unwrap());
            index += 1;
        }
    }
    assert_eq!(index, 5);
    assert_eq!(reader.manifest(), Some(&manifest));
    assert!(reader.next_part().unwrap().is_none());
}

#[test]
fn the_secret_opens_it_and_another_does_not() {
    let random = SystemRandom::new();
    for people in [0, 3] {
        let created = Timestamp::from_millis(CREATED);
        let mut writer = BundleWriter::new(Vec::new(), SECRET, source(), created, &random).unwrap();
        for number in 0..people {
            writer.write(&person(number)).unwrap();
        }
        let (bytes, manifest) = writer.finish().unwrap();
        assert_eq!(manifest.counts.people, u64::from(people));
        assert_eq!(verify(bytes.as_slice(), SECRET).unwrap(), manifest);
        for wrong in ["", "Correct horse battery staple"] {
            assert!(matches!(
                verify(bytes.as_slice(), wrong),
                Err(BundleError::WrongSecret)
            ));
        }
        assert!(matches!(
            check(&bytes, &cheap_key()),
            Err(BundleError::WrongSecret)
        ));
    }
}

#[test]
fn two_bundles_of_the_same_people_share_nothing() {
    let random = SystemRandom::new();
    let make = || {
        let created = Timestamp::from_millis(CREATED);
        let mut writer = BundleWriter::new(Vec::new(), SECRET, source(), created, &random).unwrap();
        writer.write(&person(1)).unwrap();
        let salt = writer.key().salt();
        (salt, writer.finish().unwrap().1)
    };
    let ((first_salt, first), (second_salt, second)) = (make(), make());
    assert_ne!(first_salt, second_salt);
    assert_ne!(first.bundle, second.bundle);
    assert_ne!(first.parts[0].sha256, second.parts[0].sha256);
    assert_eq!(first.content_digest, second.content_digest);
}

#[test]
fn parts_are_cut_by_size_and_by_number() {
    let random = SystemRandom::new();
    let key = cheap_key();
    let created = Timestamp::from_millis(CREATED);
    let mut writer =
        BundleWriter::with_key(Vec::new(), key.clone(), source(), created, &random).unwrap();
    let mut big = person(1);
    let profile = big.profile.as_mut().unwrap();
    profile.name = Some("x".repeat(1_000_000));
    for _ in 0..9 {
        writer.write(&big).unwrap();
    }
    // What is refused leaves the writer as it was.
    let mut too_big = big.clone();
    too_big.profile.as_mut().unwrap().name = Some("x".repeat(limits::RECORD_BYTES));
    assert!(matches!(
        writer.write(&too_big),
        Err(BundleError::TooLarge { what: "a record" })
    ));
    let nobody = Person {
        directory: None,
        profile: None,
    };
    assert!(matches!(
        writer.write(&nobody),
        Err(BundleError::Record { .. })
    ));
    assert_eq!(writer.end_part().unwrap().records(), 9);
    for _ in 0..=limits::PART_RECORDS {
        writer.write(&person(0)).unwrap();
    }
    let (bytes, manifest) = writer.finish().unwrap();
    let sizes: Vec<u32> = manifest.parts.iter().map(|part| part.records).collect();
    assert_eq!(sizes, [8, 1, 10_000, 1]);
    assert_eq!(check(&bytes, &key).unwrap(), manifest);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn object() -> impl Strategy<Value = RawObject> {
    prop::collection::hash_map(".{0,8}", json(), 0..4)
        .prop_map(|members| RawObject::from_value(&members.into_iter().collect()).unwrap())
}

fn moment() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn directory() -> impl Strategy<Value = DirectoryRecord> {
    let state = (any::<[u8; 16]>(), any::<bool>(), any::<bool>());
    let password = prop::option::of(".*".prop_map(HashNotation::new));
    let optional = || prop::option::of(moment());
    let original = prop::option::of(".*");
    let later = (prop::option::of(object()), prop::option::of(object()));
    (
        state,
        object(),
        password,
        (optional(), optional(), optional()),
        original,
        (moment(), moment()),
        later,
    )
        .prop_map(
            |(state, user, password_hash, times, original_id, stamps, later)| DirectoryRecord {
                id: DirectoryUserId::from_random_bytes(state.0),
                user,
                status: if state.1 {
                    UserStatus::Confirmed
                } else {
                    UserStatus::Pending
                },
                active: state.2,
                locked_until: times.0,
                password_hash,
                password_changed_at: times.1,
                original_id,
                last_login: times.2,
                created: stamps.0,
                modified: stamps.1,
                mfa: later.0,
                password_history: later.1,
            },
        )
}

fn profile() -> impl Strategy<Value = ProfileRecord> {
    let identity = (".*", ".*", object()).prop_map(|(provider, subject, body)| IdentityRecord {
        provider,
        subject,
        body,
    });
    (
        any::<[u8; 16]>(),
        prop_oneof![Just(ProfileState::Known), Just(ProfileState::Future)],
        (prop::option::of(".*"), prop::option::of(".*")),
        (object(), object()),
        prop::collection::vec(identity, 0..3),
        prop::collection::btree_set(".*", 0..3),
        (moment(), moment()),
    )
        .prop_map(
            |(id, kind, (name, email), (body, attributes), identities, roles, stamps)| {
                ProfileRecord {
                    id: ProfileId::from_random_bytes(id),
                    kind,
                    name,
                    email,
                    body,
                    attributes,
                    identities,
                    roles: roles.into_iter().collect(),
                    created: stamps.0,
                    modified: stamps.1,
                }
            },
        )
}

fn people() -> impl Strategy<Value = Vec<Person>> {
    let person = (prop::option::of(directory()), prop::option::of(profile()))
        .prop_filter("somebody", |(directory, profile)| {
            directory.is_some() || profile.is_some()
        })
        .prop_map(|(directory, profile)| Person { directory, profile });
    prop::collection::vec(person, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn arbitrary_people_round_trip(people in people(), cuts in any::<u16>()) {
        let key = cheap_key();
        let random = SystemRandom::new();
        let created = Timestamp::from_millis(CREATED);
        let mut writer =
            BundleWriter::with_key(Vec::new(), key.clone(), source(), created, &random).unwrap();
        for (at, person) in people.iter().enumerate() {
            writer.write(person).unwrap();
            if cuts & (1 << at) != 0 {
                writer.end_part().unwrap();
            }
        }
        let (bytes, manifest) = writer.finish().unwrap();
        let mut reader = BundleReader::open_with_key(bytes.as_slice(), key).unwrap();
        let mut read = Vec::new();
        while let Some(part) = reader.next_part().unwrap() {
            read.extend(part.into_people());
        }
        prop_assert!(read == people);
        prop_assert_eq!(reader.manifest(), Some(&manifest));
    }
}

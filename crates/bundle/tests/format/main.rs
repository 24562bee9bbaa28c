//! The format as a whole: what is written is read, and nothing else is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod damage;
mod hostile;
mod resume;
mod round_trip;
mod sample;

use std::sync::Arc;

use vestibule_bundle::{
    BundleError, BundleReader, BundleWriter, DirectoryRecord, HashNotation, IdentityRecord,
    Manifest, Person, ProfileRecord, ProfileState, Source,
};
use vestibule_crypto::{
    bundle::{BundleKey, KeyCost, Sha256},
    random::SystemRandom,
};
use vestibule_model::{
    directory::UserStatus,
    id::{DirectoryUserId, ProfileId, TenantId},
    object::RawObject,
    time::Timestamp,
};

const SECRET: &str = "correct horse battery staple";
const CREATED: i64 = 1_795_467_480_123;

fn source() -> Source {
    Source {
        instance: TenantId::parse("7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6").unwrap(),
        name: String::from("Shop"),
        region: String::from("eu-de"),
        version: String::from("0.1.0"),
        predicate: None,
    }
}

/// A key that costs nothing, as the format allows: so that thousands of bundles can be opened.
fn cheap_key() -> Arc<BundleKey> {
    let cost = KeyCost {
        memory: 8,
        passes: 1,
        lanes: 1,
    };
    Arc::new(BundleKey::derive(SECRET, [3; 16], cost).unwrap())
}

fn person(number: u8) -> Person {
    let object = |text: &str| RawObject::parse(text).unwrap();
    let directory = DirectoryUserId::from_random_bytes([number; 16]);
    Person {
        directory: (!number.is_multiple_of(3)).then(|| DirectoryRecord {
            id: directory,
            user: object(&format!(
                r#"{{"emails":[{{"value":"user{number}@example.org","primary":true}}],"name":{{"givenName":"Ün"}}}}"#
            )),
            status: UserStatus::Confirmed,
            active: true,
            locked_until: None,
            password_hash: (number % 2 == 1)
                .then(|| HashNotation::new(String::from("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"))),
            password_changed_at: Some(Timestamp::from_millis(1)),
            original_id: None,
            last_login: None,
            created: Timestamp::from_millis(i64::from(number)),
            modified: Timestamp::from_millis(-1),
            mfa: None,
            password_history: None,
        }),
        profile: (number % 4 != 2 || number.is_multiple_of(3)).then(|| ProfileRecord {
            id: ProfileId::from_random_bytes([number; 16]),
            kind: if number.is_multiple_of(5) {
                ProfileState::Future
            } else {
                ProfileState::Known
            },
            name: Some(format!("User {number}")),
            email: None,
            body: object(r#"{"picture":"p","n":1.10}"#),
            attributes: object(r#"{"points":12345678901234567890123}"#),
            identities: vec![IdentityRecord {
                provider: String::from("cloud_directory"),
                subject: directory.to_string(),
                body: object("{}"),
            }],
            roles: vec![String::from("admin"), String::from("reader")],
            created: Timestamp::from_millis(3),
            modified: Timestamp::from_millis(4),
        }),
    }
}

/// A bundle with the cheap key, divided into parts of these sizes.
fn bundle_with(key: &Arc<BundleKey>, sizes: &[u8]) -> (Vec<u8>, Manifest) {
    let random = SystemRandom::new();
    let created = Timestamp::from_millis(CREATED);
    let mut writer =
        BundleWriter::with_key(Vec::new(), key.clone(), source(), created, &random).unwrap();
    let mut number = 0;
    for size in sizes {
        for _ in 0..*size {
            writer.write(&person(number)).unwrap();
            number += 1;
        }
        writer.end_part().unwrap();
    }
    writer.finish().unwrap()
}

fn check(bytes: &[u8], key: &Arc<BundleKey>) -> Result<Manifest, BundleError> {
    BundleReader::open_with_key(bytes, key.clone())?.verify()
}

/// A bundle taken apart: names and whole blocks of its entries. The blocks of zeros are left out.
fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(bytes);
    let mut starts = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        starts.push((name, usize::try_from(entry.raw_header_position()).unwrap()));
    }
    let ends: Vec<_> = starts.iter().skip(1).map(|(_, start)| *start).collect();
    let end = bytes.len() - 1024;
    starts
        .into_iter()
        .zip(ends.into_iter().chain([end]))
        .map(|((name, start), end)| (name, bytes[start..end].to_vec()))
        .collect()
}

fn put_together<'a>(entries: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    let mut out: Vec<u8> = entries.into_iter().flatten().copied().collect();
    out.extend_from_slice(&[0; 1024]);
    out
}

/// An entry made by hand, as docs/formats/bundle.md says.
fn entry(name: &str, claim: usize, body: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 512];
    let seconds = CREATED / 1000;
    for (at, text) in [
        (0, name.to_owned()),
        (100, String::from("0000600")),
        (108, String::from("0000000")),
        (116, String::from("0000000")),
        (124, format!("{claim:011o}")),
        (136, format!("{seconds:011o}")),
        (148, String::from("        ")),
        (156, String::from("0")),
        (257, String::from("ustar\u{0}00")),
        (329, String::from("0000000")),
        (337, String::from("0000000")),
    ] {
        block[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut out = block.to_vec();
    out.extend_from_slice(body);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

/// What a part is sealed with, made by hand.
fn context(header_entry: &[u8], kind: u8, number: u32) -> Vec<u8> {
    let text = header_entry[512..].split(|byte| *byte == 0).next().unwrap();
    let mut context = b"vestibule bundle v1".to_vec();
    context.extend_from_slice(&Sha256::of(text));
    context.push(kind);
    context.extend_from_slice(&number.to_be_bytes());
    context
}

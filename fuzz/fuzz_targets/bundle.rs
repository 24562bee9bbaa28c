//! Bundles and what is in them: whatever comes in, the answer is people or an error, in bounded memory.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use vestibule_bundle::{BundleReader, BundleWriter, Manifest, Part, Person, Source};
use vestibule_crypto::{
    bundle::{BundleKey, KeyCost},
    random::Random,
};
use vestibule_model::{id::TenantId, time::Timestamp};

/// Cheap on purpose, and derived once.
static KEY: LazyLock<Arc<BundleKey>> = LazyLock::new(|| {
    let cost = KeyCost {
        memory: 8,
        passes: 1,
        lanes: 1,
    };
    Arc::new(BundleKey::derive("secret", [7; 16], cost).expect("a key"))
});

/// The same each time, so that what is found can be repeated.
struct Constant;

impl Random for Constant {
    fn fill(&self, out: &mut [u8]) {
        out.fill(5);
    }
}

/// Lines of people, a part each.
const PEOPLE: [&str; 3] = [
    r#"{"profile":{"id":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed","kind":"known","name":"Ada","body":{},"attributes":{"plan":"pro"},"identities":[{"provider":"google","subject":"1","body":{"provider":"google","id":"1"}}],"roles":["reader"],"created":1,"modified":2}}"#,
    r#"{"profile":{"id":"2b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed","kind":"future","body":{},"attributes":{},"identities":[],"roles":[],"created":1,"modified":2}}"#,
    r#"{"profile":{"id":"3b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed","kind":"known","body":{"locale":"de"},"attributes":{},"identities":[],"roles":[],"created":3,"modified":4}}"#,
];

/// A whole bundle.
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let source = Source {
        instance: TenantId::from_random_bytes([1; 16]),
        name: String::from("Shop"),
        region: String::from("local"),
        version: String::from("1"),
        predicate: None,
    };
    let created = Timestamp::from_millis(1_795_467_480_123);
    let mut writer =
        BundleWriter::with_key(Vec::new(), Arc::clone(&KEY), source, created, &Constant)
            .expect("a header");
    for line in PEOPLE {
        let person = Person::from_line(line.as_bytes()).expect("a person");
        writer.write(&person).expect("a record");
        writer.end_part().expect("a part");
    }
    writer.finish().expect("a manifest").0
});

const BLOCK: usize = 512;

/// Changes a bundle as somebody would who does not know the secret: bytes, its end, whole blocks, with the sums of tar headers made right again.
fn damage(bundle: &mut Vec<u8>, changes: &[u8]) {
    for change in changes.chunks_exact(4) {
        let &[what, a, b, value] = change else {
            continue;
        };
        let at = usize::from(u16::from_le_bytes([a, b])) % bundle.len().max(1);
        let block = |n: u8| usize::from(n) % (bundle.len() / BLOCK).max(1) * BLOCK;
        let (from, to) = (block(a), block(b));
        match what % 5 {
            0 => bundle[at] = value,
            1 => bundle[at] ^= 1 << (value % 8),
            2 => bundle.truncate(at.max(BLOCK)),
            3 if from != to && from.max(to) + BLOCK <= bundle.len() => {
                let moved = bundle[from..from + BLOCK].to_vec();
                bundle.splice(to..to, moved);
            }
            _ if from + BLOCK <= bundle.len() && bundle.len() > BLOCK => {
                bundle.drain(from..from + BLOCK);
            }
            _ => {}
        }
    }
    for header in bundle.chunks_exact_mut(BLOCK) {
        if header[257..262] == *b"ustar" {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

/// Whatever was changed: people who come out are those who went in, in their order, and all of them if the end is reached.
fn only_what_went_in(bundle: &[u8]) {
    let mut people = 0;
    let Ok(mut reader) = BundleReader::open_with_key(bundle, Arc::clone(&KEY)) else {
        return;
    };
    loop {
        match reader.next_part() {
            Ok(Some(part)) => {
                for person in part.people() {
                    let line = person.to_line().expect("a line");
                    assert_eq!(
                        Some(line.as_slice()),
                        PEOPLE.get(people).map(|line| line.as_bytes())
                    );
                    people += 1;
                }
            }
            Ok(None) => break assert_eq!(people, PEOPLE.len()),
            Err(_) => break,
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    match which % 5 {
        0 => {
            if let Ok(mut reader) = BundleReader::open_with_key(data, Arc::clone(&KEY)) {
                while let Ok(Some(part)) = reader.next_part() {
                    assert!(!part.people().is_empty());
                }
            }
        }
        // What is behind the seal, as whoever knows the secret could write it.
        1 => {
            if let Ok(part) = Part::decode(0, 0, data) {
                assert_eq!(part.records().count(), part.people().len());
            }
        }
        2 => drop(Manifest::parse(data)),
        3 => {
            let mut bundle = WHOLE.clone();
            damage(&mut bundle, data);
            only_what_went_in(&bundle);
        }
        _ => {
            if let Ok(person) = Person::from_line(data) {
                let line = person.to_line().expect("a line");
                let again = Person::from_line(&line).expect("the same person");
                assert_eq!(again.to_line().expect("a line"), line);
            }
        }
    }
});

//! Bundles and what is in them: whatever comes in, the answer is people or an error, in bounded memory.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use vestibule_bundle::{BundleReader, Manifest, Part, Person};
use vestibule_crypto::bundle::{BundleKey, KeyCost};

/// Cheap on purpose, and derived once.
static KEY: LazyLock<Arc<BundleKey>> = LazyLock::new(|| {
    let cost = KeyCost {
        memory: 8,
        passes: 1,
        lanes: 1,
    };
    Arc::new(BundleKey::derive("secret", [7; 16], cost).expect("a key"))
});

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    match which % 4 {
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
        _ => {
            if let Ok(person) = Person::from_line(data) {
                let line = person.to_line().expect("a line");
                let again = Person::from_line(&line).expect("the same person");
                assert_eq!(again.to_line().expect("a line"), line);
            }
        }
    }
});

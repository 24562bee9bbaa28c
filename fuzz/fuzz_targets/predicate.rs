//! Predicates: no text makes the reader or an evaluation fail, and the same text says the same of a record again.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use vestibule_engine::moving::predicate::{Partition, Predicate};

static RECORDS: LazyLock<[Value; 2]> = LazyLock::new(|| {
    [
        json!({
            "id": "x", "name": "Ada", "email": "a@example.de", "roles": ["adult", "editor"],
            "attributes": {
                "country": "DE", "points": 150, "rate": 2.5, "none": null, "since": "2024-02-03T04:05:06Z",
                "list": (0..40).collect::<Vec<u32>>(), "orders": [{"sum": 10}, {"sum": 70}], "text": "ab".repeat(500),
            },
            "identities": [{"provider": "google", "id": "1"}],
        }),
        json!({
            "scimUser": {
                "originalId": "2", "userName": "bob", "active": true, "status": "PENDING",
                "emails": [{"value": "bob@example.com", "primary": true}],
                "meta": {"created": "2024-03-01T00:00:00.000Z", "lastModified": "9999-12-31T23:59:59.999Z"},
            },
            "profile": {"attributes": {"country": "AT"}},
        }),
    ]
});

fuzz_target!(|text: &str| {
    match Predicate::parse(text) {
        Ok(predicate) => {
            for record in &*RECORDS {
                assert_eq!(predicate.holds(record), predicate.holds(record));
            }
            let again = Predicate::parse(text).into_iter().collect();
            let partition = Partition::new(again);
            for record in &*RECORDS {
                assert_eq!(partition.part_of(record) == 0, predicate.holds(record));
            }
        }
        Err(error) => {
            assert!(!error.message.is_empty());
            if let Some((line, column)) = error.position {
                assert!(line >= 1 && column >= 1);
                assert!(
                    line <= text.matches('\n').count() + 1,
                    "{error} of {text:?}"
                );
            }
        }
    }
});

//! A bundle made by version 1 of the format. It is never made anew: every later version of the program must read it.

use vestibule_bundle::verify;

use super::*;

const SAMPLE: &[u8] = include_bytes!("../fixtures/version-1.vbundle");

#[test]
fn version_1_is_read_forever() {
    let manifest = verify(SAMPLE, SECRET).unwrap();
    assert_eq!(manifest.version, 1);
    assert_eq!(manifest.source, source());
    assert_eq!(manifest.created, Timestamp::from_millis(CREATED));
    assert_eq!(manifest.counts.people, 12);
    assert_eq!(manifest.parts.len(), 3);
    let reader = BundleReader::open(SAMPLE, SECRET).unwrap();
    let people: Vec<Person> = reader
        .flat_map(|part| part.unwrap().into_people())
        .collect();
    let expected: Vec<Person> = (0..12).map(sample_person).collect();
    assert_eq!(people, expected);
}

/// Everything that a record of version 1 can hold.
fn sample_person(number: u8) -> Person {
    let mut person = person(number);
    if let Some(directory) = &mut person.directory {
        let object = |text: &str| RawObject::parse(text).unwrap();
        directory.locked_until = Some(Timestamp::from_millis(253_402_300_799_999));
        directory.original_id = Some(String::from("an older id"));
        directory.last_login = Some(Timestamp::from_millis(CREATED));
        directory.mfa = Some(object(r#"{"channels":[{"type":"email"}]}"#));
        directory.password_history = Some(object(r#"{"hashes":[]}"#));
        if number == 7 {
            directory.status = UserStatus::Pending;
            directory.active = false;
        }
    }
    person
}

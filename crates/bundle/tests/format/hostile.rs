//! Files that somebody made to do harm, with and without the secret.

use proptest::prelude::*;
use vestibule_bundle::{Part, Place, limits};

use super::*;

/// A bundle whose only part is sealed properly, but holds these bytes.
fn with_part(key: &Arc<BundleKey>, compressed: &[u8]) -> Vec<u8> {
    let (bytes, _) = bundle_with(key, &[]);
    let entries = entries(&bytes);
    let context = context(&entries[0].1, 1, 0);
    let sealed = key.seal(&context, compressed, &SystemRandom::new());
    put_together([
        &entries[0].1,
        &entry("people/00000.ndjson.zst.sealed", sealed.len(), &sealed),
        &entries[1].1,
    ])
}

#[test]
fn bombs_and_nonsense_in_a_sealed_part_are_refused() {
    let key = cheap_key();
    let bomb = zstd::bulk::compress(&vec![b'\n'; 64 * 1024 * 1024], 1).unwrap();
    assert!(matches!(
        check(&with_part(&key, &bomb), &key),
        Err(BundleError::TooLarge { what: "a part" })
    ));
    assert!(matches!(
        check(&with_part(&key, b"no frame"), &key),
        Err(BundleError::Damaged {
            part: Place::Part(0)
        })
    ));
    let line = [person(1).to_line().unwrap(), b"\n{}\n".to_vec()].concat();
    let error = check(
        &with_part(&key, &zstd::bulk::compress(&line, 1).unwrap()),
        &key,
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            BundleError::Record {
                part: 0,
                line: 2,
                ..
            }
        ),
        "{error}"
    );
    // A proper part that the manifest does not know.
    let line = [person(1).to_line().unwrap(), b"\n".to_vec()].concat();
    let unknown = with_part(&key, &zstd::bulk::compress(&line, 1).unwrap());
    assert!(matches!(
        check(&unknown, &key),
        Err(BundleError::Damaged {
            part: Place::Manifest
        })
    ));
}

#[test]
fn a_manifest_that_contradicts_what_was_read_is_refused() {
    let key = cheap_key();
    let (bytes, manifest) = bundle_with(&key, &[2]);
    let entries = entries(&bytes);
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = serde_json::to_value(&manifest).unwrap();
        change(&mut json);
        let context = context(&entries[0].1, 2, 0);
        let sealed = key.seal(&context, json.to_string().as_bytes(), &SystemRandom::new());
        let last = entry("manifest.json.sealed", sealed.len(), &sealed);
        check(&put_together([&entries[0].1, &entries[1].1, &last]), &key)
    };
    assert_eq!(with(&|_| {}).unwrap(), manifest);
    // Members of later versions are ignored.
    let later = with(&|json| {
        json["later"] = serde_json::json!({"x": [1]});
        json["counts"]["groups"] = 7.into();
        json["parts"][0]["kind"] = "people".into();
        json["source"]["node"] = "n".into();
    });
    assert_eq!(later.unwrap(), manifest);
    let changes: [&dyn Fn(&mut serde_json::Value); 9] = [
        &|json| json["version"] = 2.into(),
        &|json| json["format"] = "other".into(),
        &|json| json["bundle"] = "00".repeat(16).into(),
        &|json| json["created"] = 0.into(),
        &|json| json["counts"]["people"] = 3.into(),
        &|json| json["parts"][0]["records"] = 3.into(),
        &|json| json["parts"] = serde_json::json!([]),
        &|json| json["digest"] = "00".repeat(32).into(),
        &|json| json["contentDigest"] = "00".repeat(32).into(),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        assert!(
            matches!(
                with(change),
                Err(BundleError::Damaged {
                    part: Place::Manifest
                })
            ),
            "change {at}"
        );
    }
}

#[test]
fn claims_cost_nothing() {
    let key = cheap_key();
    let (bytes, _) = bundle_with(&key, &[1]);
    let entries = entries(&bytes);
    let gibibyte = 1 << 30;
    let part = "people/00000.ndjson.zst.sealed";
    for (name, what) in [(part, "a part"), ("manifest.json.sealed", "the manifest")] {
        let claim = entry(name, gibibyte, b"x");
        let error = check(&[entries[0].1.as_slice(), &claim].concat(), &key).unwrap_err();
        assert!(
            matches!(error, BundleError::TooLarge { what: w } if w == what),
            "{error}"
        );
    }
    let error = check(&entry("vestibule-bundle.json", gibibyte, b"{}"), &key).unwrap_err();
    assert!(matches!(
        error,
        BundleError::TooLarge { what: "the header" }
    ));
    // A size that is allowed but not there.
    let claim = entry(part, limits::SEALED_PART_BYTES, b"x");
    let error = check(&[entries[0].1.as_slice(), &claim].concat(), &key).unwrap_err();
    assert!(matches!(error, BundleError::Truncated { .. }));
}

#[test]
fn versions_are_told_before_anything_else() {
    let header = |covered: &str| {
        let sum: String = Sha256::of(covered.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let text = format!("{covered},\"checksum\":\"{sum}\"}}\n");
        entry("vestibule-bundle.json", text.len(), text.as_bytes())
    };
    let newer = header(r#"{"format":"vestibule-bundle","version":7,"anything":true"#);
    let error = vestibule_bundle::verify(newer.as_slice(), SECRET).unwrap_err();
    assert!(matches!(error, BundleError::NewerFormat { found: 7 }));
    assert!(error.to_string().contains("version 7"), "{error}");
    let foreign = header(r#"{"format":"another","version":1"#);
    assert!(matches!(
        check(&foreign, &cheap_key()),
        Err(BundleError::NotABundle)
    ));
}

#[test]
fn other_files_are_no_bundles() {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_cksum();
    archive
        .append_data(&mut header, "users.json", &b"[]"[..])
        .unwrap();
    let archive = archive.into_inner().unwrap();
    for bytes in [
        b"{\"users\": []}".as_slice(),
        b"PK\x03\x04",
        &[0; 4096],
        &archive,
    ] {
        assert!(matches!(
            check(bytes, &cheap_key()),
            Err(BundleError::NotABundle)
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let key = cheap_key();
        prop_assert!(check(&bytes, &key).is_err());
        prop_assert!(check(&with_part(&key, &bytes), &key).is_err());
        prop_assert!(Part::decode(0, u64::MAX, &zstd::bulk::compress(&bytes, 1).unwrap()).is_err());
        prop_assert!(Manifest::parse(&bytes).is_err());
        let header = entry("vestibule-bundle.json", bytes.len(), &bytes);
        prop_assert!(check(&header, &key).is_err());
    }
}

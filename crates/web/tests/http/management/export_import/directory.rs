//! Directory users with their passwords.

use serde_json::{Value, json};
use vestibule_crypto::{envelope::EnvelopeReader, password::PasswordHash};
use vestibule_testkit::on_each_engine;

use super::{codes, everyone};
use crate::instance::{Instance, refused};

pub const PASSWORD: &str = "old password 1";
pub const OUT: &str = "cloud_directory/export?encryption_secret=sesame";
pub const IN: &str = "cloud_directory/import?encryption_secret=sesame";

/// Hashes of [`PASSWORD`] made by other programs (Python's hashlib, crypt(3)).
pub const NOTATIONS: &[(&str, &str)] = &[
    (
        "$pbkdf2$1000$MDEyMzQ1Njc4OWFiY2RlZg$HxUGifRmgsUFM0t/IEJcE91UNMA",
        "PBKDF2WithHmacSHA1",
    ),
    (
        "$pbkdf2-sha256$1000$MDEyMzQ1Njc4OWFiY2RlZg$ZFmwML8znvau9y4Rz0nc7LabmZ9WfR6Yp3r5WHAXUjU",
        "PBKDF2WithHmacSHA256",
    ),
    (
        "$pbkdf2-sha512$1000$MDEyMzQ1Njc4OWFiY2RlZg$nNWrJKwkvUubszKMAJFEyFuIBgA5ov4S05NztJ7jjTvTQdcq1WTF9C6h9pKtYdsr/BWknHXXtjrlTyi0HKfkCw",
        "PBKDF2WithHmacSHA512",
    ),
    (
        "pbkdf2_sha256$1000$saltsalt$PqNYf6GDYR48YaSwMv8ZhCXbU7AdP+gHpI5Jx3nH/uY=",
        "",
    ),
    (
        "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MOUwaSpRYxs/jmGfK+JbnNVziqUwDggViWiRfst32pA",
        "",
    ),
    ("{SSHA}6ParmFXqxzeTUMt46R7ouyVqCAUwMTIzNDU2Nzg5YWJjZGVm", ""),
    (
        "{SSHA512}gnzJvfEuCNUaX3XvAa5YEbHH2Kj1AbnqVvy2HjK71na1qCBfDlihT+kkgkJpRNcqImi1+7pWoyKFoFyI+3+sXDAxMjM0NTY3ODlhYmNkZWY=",
        "",
    ),
    (
        "$2b$04$abcdefghijklmnopqrstuuZ.2BwMNdF1axR8iGGzqP8yI.hhN0FWa",
        "",
    ),
];

fn record(email: &str, hash: &str, algorithm: &str) -> Value {
    json!({
        "scimUser": {"emails": [{"value": email, "primary": true}], "displayName": "D", "status": "CONFIRMED", "active": true, "originalId": format!("old-{email}")},
        "passwordHash": hash, "passwordHashAlg": algorithm, "profile": {"attributes": {"points": 150}}, "roles": [],
    })
}

pub fn plain(n: usize) -> Value {
    let (hash, algorithm) = NOTATIONS[n % NOTATIONS.len()];
    record(&format!("user{n:04}@x.org"), hash, algorithm)
}

/// Opens the hash of an exported record.
fn opened(reader: &mut EnvelopeReader, record: &Value) -> PasswordHash {
    let id = record["scimUser"]["originalId"].as_str().unwrap();
    reader
        .open_hash(id, record["passwordHash"].as_str().unwrap())
        .unwrap()
}

/// What must be the same on both sides: everything but ids and sealed bytes.
fn essence(record: &Value) -> Value {
    let mut record = record.clone();
    record["scimUser"]
        .as_object_mut()
        .unwrap()
        .remove("originalId");
    record["passwordHash"] = json!(null);
    record
}

on_each_engine! {
    async fn a_thousand_users_move_with_their_passwords(server) {
        let (source, target) = (Instance::new(&server, "source").await, Instance::new(&server, "target").await);
        for at in [&source, &target] {
            at.role("editor", json!([])).await;
        }
        let users: Vec<Value> = (0..1000)
            .map(|n| {
                let mut user = plain(n);
                if n % 3 == 0 {
                    user["roles"] = json!(["editor"]);
                    user["scimUser"]["userName"] = json!(format!("name{n}"));
                }
                user["profile"]["attributes"] = json!({"n": n, "f": 0.1});
                user["scimUser"]["meta"] = json!({"created": format!("2020-01-01T00:{:02}:{:02}.000Z", n / 60, n % 60)});
                user
            })
            .collect();
        let done = source.post(IN, json!({"users": users})).await.expect(200).json();
        assert_eq!(done, json!({"added": 1000, "failed": 0, "failReasons": []}));
        let out = everyone(&source, OUT, 50).await;
        assert_eq!(out.len(), 1000);
        for page in out.chunks(50) {
            let done = target.post(IN, json!({"users": page})).await.expect(200).json();
            assert_eq!(done, json!({"added": 50, "failed": 0, "failReasons": []}));
        }
        let back = everyone(&target, OUT, 50).await;
        let mut reader = EnvelopeReader::new("sesame");
        for (n, (before, after)) in out.iter().zip(&back).enumerate() {
            assert_eq!(essence(before), essence(after));
            assert_ne!(before["scimUser"]["originalId"], after["scimUser"]["originalId"], "new directory ids");
            let (first, second) = (opened(&mut reader, before), opened(&mut reader, after));
            assert_eq!(first.as_str(), NOTATIONS[n % NOTATIONS.len()].0);
            assert_eq!(first.as_str(), second.as_str());
        }
        for record in &back[..NOTATIONS.len()] {
            assert!(opened(&mut reader, record).verify(PASSWORD), "{}", record["passwordHashAlg"]);
        }
        let first = target.get("cloud_directory/Users?query=user0000@x.org").await;
        assert_eq!(first["Resources"][0]["originalId"], out[0]["scimUser"]["originalId"]);
        let id = first["Resources"][0]["id"].as_str().unwrap();
        let info = target.get(&format!("cloud_directory/{id}/userinfo")).await;
        assert_eq!(info["attributes"], json!({"n": 0, "f": 0.1}));
        let roles = target.get(&format!("users/{}/roles", info["sub"].as_str().unwrap())).await;
        assert_eq!(roles["roles"][0]["name"], "editor");
    }

    async fn own_users_leave_as_documented(server) {
        let at = Instance::new(&server, "one").await;
        let body = json!({"emails": [{"value": "A@x.org", "primary": true}], "password": PASSWORD, "userName": "ann", "lockedUntil": 1_999_999_999_999_i64, "x": 2.50});
        let made = at.post("cloud_directory/Users", body).await.expect(201).json();
        let out = at.request("get", "cloud_directory/export").header("X-Vestibule-Encryption-Secret", "sesame").send().await.expect(200).json();
        assert_eq!((out["itemsPerPage"].clone(), out["totalResults"].clone(), out["requestOptions"].clone()), (json!(1), json!(1), json!({})));
        let user = &out["users"][0];
        assert_eq!(user["scimUser"], json!({
            "emails": [{"value": "A@x.org", "primary": true}], "userName": "ann", "x": 2.5,
            "active": true, "status": "PENDING", "lockedUntil": 1_999_999_999_999_i64,
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "meta": {"created": made["meta"]["created"], "lastModified": made["meta"]["lastModified"]},
            "originalId": made["id"],
        }));
        assert_eq!(user["passwordHashAlg"], "Argon2id");
        assert_eq!((user["profile"].clone(), user["roles"].clone()), (json!({"attributes": {}}), json!([])));
        assert!(opened(&mut EnvelopeReader::new("sesame"), user).verify(PASSWORD));
        assert!(!at.request("get", OUT).send().await.text().contains("$argon2"), "never readable");
        let other = Instance::new(&server, "two").await;
        let done = other.post(IN, json!(out["users"])).await.expect(200).json();
        assert_eq!(done["added"], 1, "a bare array will do: {done}");
        let there = other.get("cloud_directory/Users").await;
        let there = &there["Resources"][0];
        for member in ["emails", "userName", "active", "status", "lockedUntil", "x"] {
            assert_eq!(there[member], made[member], "{member}");
        }
        assert_eq!(there["meta"]["created"], made["meta"]["created"]);
    }

    async fn the_secret_comes_once(server) {
        let at = Instance::new(&server, "one").await;
        for (path, header) in [
            ("cloud_directory/export", None),
            ("cloud_directory/export?encryption_secret=", None),
            ("cloud_directory/export?encryption_secret=a&encryption_secret=a", None),
            (OUT, Some("sesame")),
        ] {
            let mut request = at.request("get", path);
            if let Some(secret) = header {
                request = request.header("X-Vestibule-Encryption-Secret", secret);
            }
            refused(request.send().await, 400, "INVALID_REQUEST");
        }
        refused(at.post("cloud_directory/import", json!({"users": []})).await, 400, "INVALID_REQUEST");
        at.get("cloud_directory/export?encryption_secret=%C3%BC%20%26").await;
    }

    async fn hashes_that_do_not_open_have_their_own_reasons(server) {
        let source = Instance::new(&server, "source").await;
        source.post(IN, json!({"users": [plain(0), plain(1), plain(2)]})).await.expect(200);
        let out = source.get(OUT).await["users"].clone();
        let other = source.get("cloud_directory/export?encryption_secret=other").await["users"].clone();
        let at = Instance::new(&server, "one").await;
        let mut damaged = out[1].clone();
        let text = damaged["passwordHash"].as_str().unwrap();
        let flipped = if text.ends_with("A==") { "B" } else { "A" };
        damaged["passwordHash"] = json!(format!("{}{flipped}{}", &text[..40], &text[41..]));
        let mut swapped = out[1].clone();
        swapped["passwordHash"] = out[0]["passwordHash"].clone();
        swapped["scimUser"]["emails"][0]["value"] = json!("swapped@x.org");
        let mut missing = record("m@x.org", "", "");
        missing.as_object_mut().unwrap().remove("passwordHash");
        let users = json!([
            out[0], other[2], damaged, swapped,
            record("f@x.org", "9jS2mF1wLk3nR8vYxQ0tUa5bCe7dGhIj", "PBKDF2WithHmacSHA512"),
            record("e@x.org", "$2b$20$abcdefghijklmnopqrstuuZ.2BwMNdF1axR8iGGzqP8yI.hhN0FWa", ""),
            record("u@x.org", "$nothing$known$here", ""),
            missing,
        ]);
        let expected = ["wrong_secret", "damaged_hash", "damaged_hash", "foreign_ciphertext", "hash_too_expensive", "unsupported_hash", "no_password"];
        let done = at.post(IN, json!({"users": users})).await.expect(200).json();
        assert_eq!(done["added"], 1, "{done}");
        assert_eq!(codes(&done), (1..).zip(expected.map(str::to_owned)).collect::<Vec<_>>());
        assert_eq!(done["failReasons"][0]["email"], "user0002@x.org");
        assert_eq!(done["failReasons"][0]["originalId"], other[2]["scimUser"]["originalId"]);

        let done = at.post(&format!("{IN}&without_password=true&on_conflict=skip"), json!({"users": users})).await.expect(200).json();
        assert_eq!((done["added"].clone(), done["skipped"].clone(), done["failed"].clone()), (json!(7), json!(1), json!(0)), "{done}");
        assert_eq!(done["withoutPassword"].as_array().unwrap().len(), 7);
        assert_eq!(done["withoutPassword"][0]["email"], "user0002@x.org");
        let out = everyone(&at, OUT, 50).await;
        assert_eq!(out.iter().filter(|user| user["passwordHash"].is_null()).count(), 7);
    }

    async fn a_notation_that_contradicts_its_algorithm_is_told_so(server) {
        let at = Instance::new(&server, "one").await;
        let (salted_sha1, _) = NOTATIONS[5];
        let users = json!([record("a@x.org", salted_sha1, "ssha_sha512"), record("b@x.org", "$nothing$known$here", "bcrypt")]);
        let done = at.post(IN, json!({"users": users})).await.expect(200).json();
        let error = |n: usize| done["failReasons"][n]["error"].clone();
        assert_eq!(codes(&done), [0, 1].map(|at| (at, "unsupported_hash".to_owned())));
        assert!(error(0)["message"].as_str().unwrap().contains("contradict one another"), "{done}");
        assert!(error(1)["message"].as_str().unwrap().contains("does not verify"), "{done}");
    }

    async fn a_secret_is_one_line(server) {
        let at = Instance::new(&server, "one").await;
        for odd in ["two\nlines", "end\r", " before", "after ", "nul\u{0}"] {
            for path in ["cloud_directory/export/all", "bundle/export"] {
                let made = at.post(path, json!({"encryptionSecret": odd})).await.expect(400);
                assert!(made.text().contains("one line"), "{path}: {}", made.text());
            }
            let query: String = form_urlencoded::byte_serialize(odd.as_bytes()).collect();
            for path in ["cloud_directory/export", "cloud_directory/export/stream"] {
                let made = at.request("get", &format!("{path}?encryption_secret={query}")).send().await.expect(400);
                assert!(made.text().contains("one line"), "{path}: {}", made.text());
            }
            // What was sealed elsewhere is opened with whatever sealed it.
            at.post(&format!("cloud_directory/import?encryption_secret={query}"), json!({"users": [plain(0)]})).await.expect(200);
        }
        at.post("bundle/export", json!({"encryptionSecret": "with\ttab ü"})).await.expect(202);
    }

    async fn a_secret_that_opens_nothing_is_an_error(server) {
        let source = Instance::new(&server, "source").await;
        source.post(IN, json!({"users": [plain(0), plain(1)]})).await.expect(200);
        let out = source.get(OUT).await;
        let at = Instance::new(&server, "one").await;
        let wrong = "cloud_directory/import?encryption_secret=wrong";
        for query in ["", "&without_password=true"] {
            refused(at.post(&format!("{wrong}{query}"), out.clone()).await, 400, "WRONG_SECRET");
        }
        assert_eq!(at.get("cloud_directory/Users").await["totalResults"], 0);
        // A hash that is not sealed says nothing of the secret, and nobody loses a password.
        let before = everyone(&source, OUT, 50).await;
        let users = json!({"users": [out["users"][0], plain(1)]});
        let query = "&without_password=true&on_conflict=update";
        refused(source.post(&format!("{wrong}{query}"), users).await, 400, "WRONG_SECRET");
        let mut reader = EnvelopeReader::new("sesame");
        for (before, after) in before.iter().zip(everyone(&source, OUT, 50).await) {
            assert_eq!(opened(&mut reader, &after).as_str(), opened(&mut reader, before).as_str());
        }
        // Where none is sealed, any secret will do.
        let done = at.post(wrong, json!({"users": [plain(0), plain(1)]})).await.expect(200).json();
        assert_eq!(done["added"], 2, "{done}");
    }

    async fn bad_records_fail_alone(server) {
        let at = Instance::new(&server, "one").await;
        let hash = NOTATIONS[0].0;
        let with = |member: &str, value: Value| {
            let mut bad = record("x@x.org", hash, "");
            bad["scimUser"][member] = value;
            bad
        };
        let mut role = plain(7);
        role["roles"] = json!(["nope"]);
        let mut large = plain(8);
        large["profile"]["attributes"] = json!({"x": "y".repeat(100_001)});
        let mut again = plain(1);
        again["scimUser"]["emails"][0]["value"] = json!("USER0000@x.org");
        let users = json!([
            plain(0), again, 7, {}, {"scimUser": []}, with("emails", json!([])), with("userName", json!(1)), with("status", json!("X")),
            with("active", json!(1)), role, large, {"scimUser": plain(9)["scimUser"], "passwordHash": 5}, plain(2),
        ]);
        let done = at.post(IN, json!({"users": users})).await.expect(200).json();
        let invalid = "invalid_record";
        let expected = ["duplicate_in_file", invalid, invalid, invalid, invalid, invalid, invalid, invalid, "unknown_role", "profile_too_large", invalid];
        assert_eq!(codes(&done), (1..).zip(expected.map(str::to_owned)).collect::<Vec<_>>());
        assert_eq!(done["added"], 2);
        assert_eq!(at.get("cloud_directory/Users").await["totalResults"], 2);
        assert_eq!(at.get("users").await["totalResults"], 2, "nothing is left of the others");
        for bad in ["", "{\"users\":[", "{\"users\":7}", "{}"] {
            refused(at.request("post", IN).body(bad).send().await, 400, "INVALID_REQUEST");
        }
    }

    async fn conflicts_follow_the_policy(server) {
        let at = Instance::new(&server, "one").await;
        let mut first = plain(0);
        first["scimUser"]["userName"] = json!("Ann");
        at.post(IN, json!({"users": [first, plain(1)]})).await.expect(200);
        let before = everyone(&at, OUT, 50).await;
        let id = at.get("cloud_directory/Users?query=ann").await["Resources"][0]["id"].clone();
        let mut by_email = plain(0);
        by_email["scimUser"]["emails"][0]["value"] = json!("USER0000@X.org");
        by_email["scimUser"]["active"] = json!(false);
        by_email["passwordHash"] = json!(NOTATIONS[7].0);
        by_email["passwordHashAlg"] = json!("");
        by_email["profile"]["attributes"] = json!({"new": true});
        let mut by_name = plain(1);
        by_name["scimUser"]["userName"] = json!("aNN");
        let turned = json!({"users": [by_name, by_email]});
        let users = json!({"users": [by_email, by_name]});
        let done = at.post(IN, users.clone()).await.expect(200).json();
        assert_eq!(codes(&done), [(0, "uniqueness".to_owned()), (1, "uniqueness".to_owned())]);
        assert_eq!(done["failReasons"][0]["id"], id);
        assert_eq!(done["failReasons"][1]["userName"], "aNN");
        let unchanged = everyone(&at, OUT, 50).await;
        assert_eq!(unchanged.iter().map(essence).collect::<Vec<_>>(), before.iter().map(essence).collect::<Vec<_>>());
        let done = at.post(&format!("{IN}&on_conflict=skip"), users.clone()).await.expect(200).json();
        assert_eq!(done, json!({"added": 0, "skipped": 2, "failed": 0, "failReasons": []}));
        // The other way round the first would have lost the name that makes the second one ambiguous.
        let done = at.post(&format!("{IN}&on_conflict=update"), turned).await.expect(200).json();
        assert_eq!((done["updated"].clone(), codes(&done)), (json!(1), vec![(0, "ambiguous".to_owned())]));
        let after = everyone(&at, OUT, 50).await;
        assert_eq!(after.len(), 2);
        assert_eq!(after[0]["scimUser"]["active"], false);
        assert_eq!(after[0]["profile"]["attributes"], json!({"new": true}));
        assert_eq!(opened(&mut EnvelopeReader::new("sesame"), &after[0]).as_str(), NOTATIONS[7].0);
        assert_eq!(at.get("cloud_directory/Users?query=user0000@x.org").await["Resources"][0]["id"], id);
    }

    async fn the_old_id_may_be_misspelt(server) {
        let at = Instance::new(&server, "one").await;
        let mut user = plain(0);
        let scim = user["scimUser"].as_object_mut().unwrap();
        scim.remove("originalId");
        scim.insert("orignalId".into(), json!("old-1"));
        at.post(IN, json!({"users": [user]})).await.expect(200);
        let there = at.get("cloud_directory/Users").await["Resources"][0].clone();
        assert_eq!(there["originalId"], "old-1");
        assert!(there.get("orignalId").is_none());
    }
}

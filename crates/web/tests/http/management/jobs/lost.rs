//! What App ID's shapes cannot carry is named, each thing with its count; what they carry is not named, and arrives.

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use super::{
    SECRET, bundle_of, export, import, import_bundle, lines, ndjson, record, with_roles, work,
};
use crate::instance::Instance;

const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuZ.2BwMNdF1axR8iGGzqP8yI.hhN0FWa";

/// A directory user with a profile of which App ID's shape carries everything it has a place for.
fn plain(number: u32) -> Value {
    let id = format!("7ae804f3-0ed3-45f0-bc6b-{number:012x}");
    let email = format!("u{number}@example.org");
    json!({
        "directory": {
            "id": id, "status": "CONFIRMED", "active": true, "passwordHash": HASH,
            "user": {"displayName": format!("User {number}"), "emails": [{"value": email, "primary": true}]},
            "created": 1_700_000_000_000_i64, "modified": 1_700_000_000_000_i64, "passwordChangedAt": 1_700_000_000_000_i64,
        },
        "profile": {
            "id": format!("8be804f3-0ed3-45f0-bc6b-{number:012x}"), "kind": "known", "name": format!("User {number}"), "email": email,
            "body": {}, "attributes": {"n": number}, "identities": [], "roles": [],
            "created": 1_700_000_000_000_i64, "modified": 1_700_000_000_000_i64,
        },
    })
}

/// The person with one member changed.
fn with(mut person: Value, pointer: &str, value: Value) -> Value {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    person.pointer_mut(parent).unwrap()[member] = value;
    person
}

async fn unpack(at: &Instance<'_>, people: &[Value]) {
    let job = import_bundle(at, "", SECRET, bundle_of(people)).await;
    assert_eq!(job["counts"]["added"], people.len(), "{job}");
}

async fn lost_of_profiles(at: &Instance<'_>) -> Value {
    let text = at
        .request("get", "users/export/stream?summary=true")
        .send()
        .await
        .expect(200)
        .text();
    lines(&text).pop().unwrap()["summary"]["lost"].clone()
}

on_each_engine! {
    async fn each_thing_that_a_directory_export_leaves_out_is_named(server) {
        let at = with_roles(&server, "source").await;
        let later = json!(1_700_000_000_500_i64);
        let others = json!([{"provider": "google", "subject": "g1", "body": {}}, {"provider": "saml", "subject": "s1", "body": {}}]);
        let people = [
            plain(0),
            with(plain(1), "/directory/originalId", json!("an older id")),
            with(plain(2), "/directory/passwordChangedAt", later.clone()),
            with(plain(3), "/profile/body", json!({"picture": "p.jpg"})),
            with(plain(4), "/profile/name", json!("Another name")),
            with(plain(5), "/profile/email", json!("another@example.org")),
            with(plain(6), "/profile/identities", others),
            // Without a profile.
            json!({"directory": plain(7)["directory"]}),
            // What the shape carries is not named.
            with(plain(8), "/directory/active", json!(false)),
            with(plain(9), "/directory/status", json!("PENDING")),
            with(plain(10), "/directory/lockedUntil", json!(1_900_000_000_000_i64)),
            with(plain(11), "/directory/lastLogin", later),
            // A name that has to be looked for: no displayName, two addresses.
            with(
                with(plain(12), "/directory/user", json!({
                    "name": {"givenName": "User", "familyName": "12"}, "emails": [{"value": "x@example.org"}, {"value": "u12@example.org", "primary": true}],
                })),
                "/profile/attributes", json!({}),
            ),
        ];
        unpack(&at, &people).await;
        // Prepared for the directory, and one whose user was removed.
        at.post("users", json!({"idp": "cloud_directory", "idp-identity": "later@example.org", "profile": {"attributes": {}}})).await.expect(201);
        at.delete("cloud_directory/Users/7ae804f3-0ed3-45f0-bc6b-000000000000").await.expect(204);
        let (_, summary) = export(&at, "").await;
        let expected = json!({
            "directoryIds": 12, "originalIds": 1, "profileIds": 11, "profileTimes": 11, "profileNames": 2, "profileDetails": 1,
            "passwordChangedAt": 1, "usersWithoutProfile": 1, "otherIdentities": 1, "futureUsers": 1, "removedUsers": 1,
        });
        assert_eq!(summary["lost"], expected);
        // The large export says the same in words.
        let started = at.post("cloud_directory/export/all", json!({"encryptionSecret": SECRET})).await.expect(202).json();
        work(&at).await;
        let job = at.get(&format!("jobs/{}", started["id"].as_str().unwrap())).await;
        let warnings: Vec<&str> = job["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
        assert_eq!(warnings.len(), 11, "{warnings:?}");
        for words in [
            "12 directory ids", "1 ids that users had before", "11 profile ids", "11 times at which profiles", "2 profiles with another name",
            "1 profiles hold details", "1 times at which passwords", "1 users have no profile", "1 users have identities at other", "1 users were prepared",
            "1 profiles are of directory users who were removed",
        ] {
            assert!(warnings.iter().any(|warning| warning.starts_with(&format!("Not carried: {words}"))), "no {words:?} in {warnings:?}");
        }
        // All that is not named arrives: a second export shows it, and leaves out no more than what a move always does.
        let target = with_roles(&server, "target").await;
        let (users, _) = export(&at, "").await;
        let job = import(&target, "", ndjson(users)).await.expect(200).json();
        assert_eq!(job["counts"]["added"], 12, "{job}");
        let (users, again) = export(&target, "").await;
        assert_eq!(again["digest"], summary["digest"]);
        let lost = json!({"directoryIds": 12, "originalIds": 12, "profileIds": 12, "profileTimes": 12});
        assert_eq!(again["lost"], lost);
        let of = |number: u32| {
            let email = format!("u{number}@example.org");
            let found = users.iter().find(|user| user["scimUser"]["emails"][0]["value"] == email.as_str());
            found.unwrap_or_else(|| panic!("no {email}"))["scimUser"].clone()
        };
        assert_eq!(of(8)["active"], false);
        assert_eq!(of(9)["status"], "PENDING");
        assert_eq!(of(10)["lockedUntil"], 1_900_000_000_000_i64);
        assert_eq!(of(11)["meta"]["lastLogin"], "2023-11-14T22:13:20.500Z");
    }

    async fn each_thing_that_a_profile_export_leaves_out_is_named(server) {
        let at = with_roles(&server, "source").await;
        assert_eq!(lost_of_profiles(&at).await, json!({}));
        import(&at, "", ndjson((0..2).map(record))).await.expect(200);
        let federated = json!([{
            "id": "7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6", "name": "F", "email": "f@example.org", "picture": "p.jpg",
            "identities": [{"provider": "google", "id": "g1"}], "attributes": {"a": 1}, "roles": ["adult"],
        }]);
        at.post("users/import", json!({"users": federated})).await.expect(200);
        for (idp, identity) in [("saml", "one@example.org"), ("google", "two@example.org"), ("cloud_directory", "three@example.org")] {
            at.post("users", json!({"idp": idp, "idp-identity": identity, "profile": {"attributes": {}}})).await.expect(201);
        }
        // Somebody who never signed in.
        let callback = "https://shop.example/callback";
        at.put("config/redirect_uris", json!({"redirectUris": [callback]})).await;
        let app = at.post("applications", json!({"name": "page"})).await.expect(200).json();
        let (id, secret) = (app["clientId"].as_str().unwrap(), app["secret"].as_str().unwrap());
        let base = format!("/oauth/v4/{}", at.guid);
        let path = format!("{base}/authorization?client_id={id}&redirect_uri={callback}&response_type=code&idp=appid_anon&state=s");
        let location = server.get(&path).send().await.expect(302).header("location");
        let code = location.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", callback)];
        server.post(&format!("{base}/token")).basic(id, secret).form(&form).send().await.expect(200);
        let expected = json!({"profileTimes": 1, "futureUsers": 2, "anonymousUsers": 1});
        assert_eq!(lost_of_profiles(&at).await, expected);
        // The one who was prepared for the directory is missing there.
        assert_eq!(export(&at, "").await.1["lost"]["futureUsers"], 1);
        assert_eq!(export(&at, "").await.1["lost"].get("anonymousUsers"), None);
        // Nobody asks, nobody counts.
        let text = at.request("get", "users/export/stream").send().await.expect(200).text();
        assert_eq!(lines(&text).len(), 1);
    }

    async fn a_large_export_takes_a_predicate(server) {
        let at = with_roles(&server, "one").await;
        import(&at, "", ndjson((0..1300).map(record))).await.expect(200);
        let asked = json!({"encryptionSecret": SECRET, "where": "attributes.number >= 1000 && \"adult\" in roles"});
        let started = at.post("cloud_directory/export/all", asked).await.expect(202).json();
        let id = started["id"].as_str().unwrap();
        work(&at).await;
        let status = at.get(&format!("cloud_directory/export/status?id={id}")).await;
        assert_eq!((&status["status"], &status["done"], &status["total"]), (&json!("COMPLETED"), &json!(150), &json!(150)), "{status}");
        let path = format!("cloud_directory/export/download?id={id}");
        let users: Vec<Value> = serde_json::from_slice(&at.request("get", &path).send().await.expect(200).body).expect("an array");
        let mut numbers: Vec<i64> = users.iter().map(|user| user["profile"]["attributes"]["number"].as_i64().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1000..1300).step_by(2).collect::<Vec<i64>>());
        // Its digest and losses are those of the same part by stream.
        let job = at.get(&format!("jobs/{id}")).await;
        let (_, part) = export(&at, "&where=attributes.number%20%3E%3D%201000%20%26%26%20%22adult%22%20in%20roles").await;
        assert_eq!((&job["digest"], &part["lost"]["directoryIds"]), (&part["digest"], &json!(150)), "{job} {part}");
        assert!(job["warnings"].to_string().contains("150 directory ids"), "{job}");
        // What is none is refused, and no job is begun.
        for bad in ["attributes.number >=", "odd(", "", "atributes.number >= 1000", "emaildomain == \"x\""] {
            let answer = at.post("cloud_directory/export/all", json!({"encryptionSecret": SECRET, "where": bad})).await;
            crate::instance::refused(answer, 400, "INVALID_REQUEST");
        }
        assert_eq!(at.get("jobs?kind=directory_export").await["jobs"].as_array().unwrap().len(), 1);
    }
}

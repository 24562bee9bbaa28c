//! A bundle that updates people who are there already, and what of it does not arrive.

use serde_json::{Value, json};
use vestibule_bundle::BundleReader;
use vestibule_testkit::on_each_engine;

use super::{SECRET, bundle_of, import, import_bundle, lines, ndjson, report, with_roles, work};
use crate::instance::Instance;

/// Imports people as a bundle; the job when it has ended.
async fn unpack(at: &Instance<'_>, query: &str, people: &[Value]) -> Value {
    import_bundle(at, query, SECRET, bundle_of(people)).await
}

/// Everybody, as a bundle has them now.
async fn people(at: &Instance<'_>) -> Vec<Value> {
    let started = at
        .post("bundle/export", json!({"encryptionSecret": SECRET}))
        .await
        .expect(202)
        .json();
    work(at).await;
    let path = format!("jobs/{}/download", started["id"].as_str().unwrap());
    let file = at.request("get", &path).send().await.expect(200).body;
    let parts = BundleReader::open(file.as_slice(), SECRET).unwrap();
    parts
        .flat_map(|part| part.unwrap().into_people())
        .map(|person| serde_json::from_slice(&person.to_line().unwrap()).unwrap())
        .collect()
}

/// How many people of which kind there are.
async fn counts(at: &Instance<'_>) -> Value {
    let text = at.request("get", "bundle/digest").send().await.expect(200);
    lines(&text.text()).pop().unwrap()["summary"]["counts"].clone()
}

/// Somebody whom `POST users` prepares.
fn prepared(idp: &str, identity: &str) -> Value {
    json!({"idp": idp, "idp-identity": identity, "profile": {"attributes": {"points": 7}}})
}

const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuZ.2BwMNdF1axR8iGGzqP8yI.hhN0FWa";
const OTHER_HASH: &str = "$2b$04$bbcdefghijklmnopqrstuuZ.2BwMNdF1axR8iGGzqP8yI.hhN0FWa";

/// A directory user with a profile.
fn user(number: u32) -> Value {
    let time = 1_700_000_000_000_i64;
    json!({
        "directory": {
            "id": format!("7ae804f3-0ed3-45f0-bc6b-{number:012x}"), "status": "CONFIRMED", "active": true, "passwordHash": HASH,
            "user": {"displayName": format!("User {number}"), "emails": [{"value": format!("u{number}@example.org"), "primary": true}]},
            "created": time, "modified": time, "passwordChangedAt": time,
        },
        "profile": {
            "id": format!("8be804f3-0ed3-45f0-bc6b-{number:012x}"), "kind": "known", "name": format!("User {number}"),
            "email": format!("u{number}@example.org"), "body": {}, "attributes": {"n": number}, "identities": [], "roles": [],
            "created": time, "modified": time,
        },
    })
}

fn identity(provider: &str, subject: &str) -> Value {
    json!({"provider": provider, "subject": subject, "body": {"provider": provider, "id": subject, "idpUserInfo": {"n": 1}}})
}

/// The person with these members changed.
fn with(mut person: Value, members: &[(&str, Value)]) -> Value {
    for (pointer, value) in members {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        person.pointer_mut(parent).unwrap()[member] = value.clone();
    }
    person
}

/// All of a user that a later state of the source changes.
fn later(number: u32) -> Value {
    with(
        user(number),
        &[
            ("/directory/user/displayName", json!("Somebody Else")),
            ("/directory/passwordHash", json!(OTHER_HASH)),
            ("/directory/passwordChangedAt", json!(1_710_000_000_000_i64)),
            ("/directory/lastLogin", json!(1_720_000_000_000_i64)),
            ("/profile/name", json!("Shown Name")),
            ("/profile/email", json!("shown@example.org")),
            ("/profile/body", json!({"picture": "p.jpg", "locale": "de"})),
            ("/profile/attributes", json!({"later": true})),
            ("/profile/identities", json!([identity("google", "g1")])),
            ("/profile/roles", json!(["adult"])),
        ],
    )
}

/// Without what says when somebody was changed here.
fn unstamped(mut people: Vec<Value>) -> Vec<Value> {
    for half in people
        .iter_mut()
        .flat_map(|person| person.as_object_mut().unwrap().values_mut())
    {
        half.as_object_mut().unwrap().remove("modified");
    }
    people
}

on_each_engine! {
    async fn who_was_prepared_stays_prepared(server) {
        let (source, target) = (with_roles(&server, "source").await, with_roles(&server, "target").await);
        for (idp, identity) in [("google", "future@ex.org"), ("cloud_directory", "ada@ex.org")] {
            source.post("users", prepared(idp, identity)).await.expect(201);
        }
        let everybody = people(&source).await;
        for (query, outcome) in [("on_conflict=update", "added"), ("on_conflict=update&dry_run=true", "updated"), ("on_conflict=update", "updated")] {
            let job = unpack(&target, query, &everybody).await;
            assert_eq!(job["counts"][outcome], 2, "{job}");
            let counts = counts(&target).await;
            assert_eq!((&counts["future"], &counts["known"]), (&json!(2), &json!(0)), "{query}: {counts}");
            assert_eq!(target.get("users/export").await["users"], json!([]));
        }
        // Who signs in at last gets what was prepared, and there is no second profile.
        let ada = json!({"emails": [{"value": "ada@ex.org", "primary": true}], "password": "correct horse battery", "status": "CONFIRMED"});
        target.post("cloud_directory/sign_up?shouldCreateProfile=true", ada).await.expect(201);
        let found = target.get("users?email=ada@ex.org&dataScope=full").await;
        assert_eq!((&found["totalResults"], &found["users"][0]["attributes"]), (&json!(1), &json!({"points": 7})), "{found}");
        let counts = counts(&target).await;
        assert_eq!((&counts["future"], &counts["known"]), (&json!(1), &json!(1)), "{counts}");
    }

    async fn an_update_knows_who_is_known(server) {
        let at = with_roles(&server, "one").await;
        at.post("users", prepared("google", "future@ex.org")).await.expect(201);
        let waiting = people(&at).await;
        let mut known = waiting.clone();
        known[0]["profile"]["kind"] = json!("known");
        // The record of somebody who signed in at the source makes the prepared profile a known one, and it stays one.
        for record in [known, waiting] {
            let job = unpack(&at, "on_conflict=update", &record).await;
            assert_eq!(job["counts"]["updated"], 1, "{job}");
            let counts = counts(&at).await;
            assert_eq!((&counts["future"], &counts["known"]), (&json!(0), &json!(1)), "{counts}");
        }
    }

    async fn a_directory_user_becomes_what_the_bundle_says(server) {
        let at = with_roles(&server, "one").await;
        let before = with(user(1), &[("/profile/identities", json!([identity("saml", "s1")]))]);
        unpack(&at, "", &[before]).await;
        // Ids are those that are there, whatever the record has; who has an identity here keeps it.
        let record = with(later(1), &[("/directory/id", json!("7ae804f3-0ed3-45f0-bc6b-00000000ffff")), ("/profile/id", json!("8be804f3-0ed3-45f0-bc6b-00000000ffff"))]);
        for query in ["on_conflict=update&dry_run=true", "on_conflict=update", "on_conflict=update&ids=remap"] {
            let job = unpack(&at, query, std::slice::from_ref(&record)).await;
            assert_eq!((&job["counts"]["updated"], &job["counts"]["done"]), (&json!(1), &json!(1)), "{job}");
            if query.ends_with("dry_run=true") {
                continue;
            }
            let expected = with(later(1), &[("/profile/identities", json!([identity("google", "g1"), identity("saml", "s1")]))]);
            assert_eq!(unstamped(people(&at).await), unstamped(vec![expected]));
            let path = format!("users/{}/profile", user(1)["profile"]["id"].as_str().unwrap());
            let own = &at.get(&path).await["identities"][0];
            assert_eq!((&own["provider"], &own["id"]), (&json!("cloud_directory"), &user(1)["directory"]["id"]));
            assert_eq!(own["idpUserInfo"]["displayName"], "Somebody Else");
            for email in ["shown@example.org", "SHOWN@example.org"] {
                assert_eq!(at.get(&format!("users?email={email}")).await["totalResults"], 1);
            }
        }
        // App ID's shape says nothing of all that, and leaves it.
        let plain = json!({"scimUser": {"displayName": "Plain", "emails": [{"value": "u1@example.org", "primary": true}]}, "passwordHash": HASH});
        let job = import(&at, "on_conflict=update", ndjson([plain])).await.expect(200).json();
        assert_eq!(job["counts"]["updated"], 1, "{job}");
        let [after] = people(&at).await.try_into().unwrap();
        assert_eq!((&after["profile"]["name"], &after["profile"]["body"], &after["profile"]["attributes"]), (&json!("Shown Name"), &later(1)["profile"]["body"], &json!({})));
        assert_eq!((&after["profile"]["identities"].as_array().unwrap().len(), &after["directory"]["lastLogin"]), (&2, &later(1)["directory"]["lastLogin"]));
        assert!(after["directory"]["passwordChangedAt"].as_i64() > Some(1_720_000_000_000));
    }

    async fn an_identity_of_another_profile_refuses_the_update(server) {
        let at = with_roles(&server, "one").await;
        let federated = json!([{"id": "7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6", "identities": [{"provider": "google", "id": "g1"}], "attributes": {}}]);
        at.post("users/import", json!({"users": federated})).await.expect(200);
        // One with a profile, and one without.
        unpack(&at, "", &[user(1), json!({"directory": user(2)["directory"]}), user(3)]).await;
        let before = people(&at).await;
        let taken_id = with(later(2), &[("/profile/identities", json!([])), ("/profile/id", federated[0]["id"].clone())]);
        for (record, code) in [(later(1), "id_taken"), (later(2), "id_taken"), (taken_id, "id_taken")] {
            for query in ["on_conflict=update&dry_run=true", "on_conflict=update"] {
                let job = unpack(&at, query, std::slice::from_ref(&record)).await;
                assert_eq!((&job["state"], &job["counts"]["failed"], &job["counts"]["done"]), (&json!("succeeded"), &json!(1), &json!(1)), "{job}");
                assert_eq!(report(&at, &job).await, [(0, String::from("failed"), code.to_owned())]);
                assert_eq!(people(&at).await, before);
            }
        }
        // The others of a file are updated all the same; who had no profile has the record's.
        let free = with(later(2), &[("/profile/identities", json!([identity("google", "g2"), identity("saml", "s2")]))]);
        let other = with(later(3), &[("/profile/identities", json!([]))]);
        let job = unpack(&at, "on_conflict=update", &[later(1), free.clone(), other.clone()]).await;
        assert_eq!((&job["counts"]["updated"], &job["counts"]["failed"]), (&json!(2), &json!(1)), "{job}");
        let after = unstamped(people(&at).await);
        assert_eq!(after[..3], unstamped(vec![user(1), free, other])[..]);
    }

    async fn the_directorys_own_identity_may_stand_in_a_record(server) {
        let google = identity("google", "g1");
        let own = identity("cloud_directory", user(1)["directory"]["id"].as_str().unwrap());
        let record = with(user(1), &[("/profile/identities", json!([own, google]))]);
        let expected = with(user(1), &[("/profile/identities", json!([google]))]);
        for query in ["ids=keep", "ids=remap"] {
            let at = with_roles(&server, query).await;
            let job = unpack(&at, query, std::slice::from_ref(&record)).await;
            assert_eq!((&job["state"], &job["counts"]["added"]), (&json!("succeeded"), &json!(1)), "{job}");
            let job = unpack(&at, "on_conflict=update", std::slice::from_ref(&record)).await;
            assert_eq!((&job["state"], &job["counts"]["updated"]), (&json!("succeeded"), &json!(1)), "{job}");
            let [found] = people(&at).await.try_into().unwrap();
            assert_eq!(found["profile"]["identities"], expected["profile"]["identities"], "{query}");
            let profile = at.get(&format!("users/{}/profile", found["profile"]["id"].as_str().unwrap())).await;
            let own = &profile["identities"][0];
            assert_eq!((&own["provider"], &own["id"]), (&json!("cloud_directory"), &found["directory"]["id"]), "{query}");
        }
        // Twice the same is no person, and keeps nobody else from being imported.
        let at = with_roles(&server, "twice").await;
        let twice = with(user(1), &[("/profile/identities", json!([google, google]))]);
        let job = unpack(&at, "", &[twice, user(2)]).await;
        assert_eq!((&job["state"], &job["counts"]["added"]), (&json!("succeeded"), &json!(1)), "{job}");
        assert_eq!(report(&at, &job).await, [(0, String::from("failed"), String::from("invalid_record"))]);
    }

    async fn what_is_not_kept_of_a_bundle_is_told(server) {
        let at = with_roles(&server, "one").await;
        let more = |number, member: &str, value: Value| with(user(number), &[(&format!("/directory/{member}"), value)]);
        let both = with(more(2, "mfa", json!({"totp": "x"})), &[("/directory/passwordHistory", json!({"old": [HASH]}))]);
        let people = [more(0, "mfa", json!({"totp": "x"})), more(1, "passwordHistory", json!({"old": []})), both, more(3, "mfa", json!({})), user(4)];
        for query in ["dry_run=true", "", "on_conflict=skip"] {
            let job = unpack(&at, query, &people).await;
            assert_eq!((&job["state"], &job["counts"]["failed"]), (&json!("succeeded"), &json!(0)), "{job}");
            assert_eq!(job["warnings"].as_array().unwrap().len(), 1, "{job}");
            let warning = job["warnings"][0].as_str().unwrap();
            assert!(warning.starts_with("Not kept: ") && warning.contains(" 3 records "), "{warning}");
        }
        let job = unpack(&at, "on_conflict=skip", &people[3..]).await;
        assert_eq!(job["warnings"], json!([]), "{job}");
    }
}

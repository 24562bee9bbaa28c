//! A bundle that updates people who are there already, and what of it does not arrive.

use serde_json::{Value, json};
use vestibule_bundle::{BundleReader, BundleWriter, Person, Source};
use vestibule_crypto::random::SystemRandom;
use vestibule_model::{id::TenantId, time::Timestamp};
use vestibule_testkit::on_each_engine;

use super::{SECRET, lines, with_roles, work};
use crate::instance::Instance;

/// A bundle of these people.
fn bundle_of(people: &[Value]) -> Vec<u8> {
    let source = Source {
        instance: TenantId::parse("5c5d7b0e-6a3f-4a55-9d0c-0f4a8f0f1e11").unwrap(),
        name: String::from("elsewhere"),
        region: String::from("local"),
        version: String::from("1"),
        predicate: None,
    };
    let random = SystemRandom::new();
    let now = Timestamp::from_millis(1_790_000_000_000);
    let mut writer = BundleWriter::new(Vec::new(), SECRET, source, now, &random).unwrap();
    for person in people {
        let person = Person::from_line(person.to_string().as_bytes()).unwrap();
        writer.write(&person).unwrap();
    }
    writer.finish().unwrap().0
}

/// Imports people as a bundle; the job when it has ended.
async fn unpack(at: &Instance<'_>, query: &str, people: &[Value]) -> Value {
    let started = at
        .request("post", &format!("bundle/import?{query}"))
        .header("X-Vestibule-Encryption-Secret", SECRET)
        .body(bundle_of(people))
        .send()
        .await
        .expect(202)
        .json();
    work(at).await;
    at.get(&format!("jobs/{}", started["id"].as_str().unwrap()))
        .await
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
}

//! Bundles: everybody, whole.

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use super::{SECRET, export, import, lines, ndjson, record, report, with_roles, work};
use crate::instance::{Instance, refused};

/// Makes a bundle; its bytes and its job.
async fn bundle(at: &Instance<'_>) -> (Vec<u8>, Value) {
    let started = at
        .post("bundle/export", json!({"encryptionSecret": SECRET}))
        .await
        .expect(202)
        .json();
    work(at).await;
    let id = started["id"].as_str().unwrap();
    let job = at.get(&format!("jobs/{id}")).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let file = at
        .request("get", &format!("jobs/{id}/download"))
        .send()
        .await
        .expect(200);
    (file.body, job)
}

/// Imports a bundle; the job when it has ended.
async fn unpack(at: &Instance<'_>, query: &str, secret: &str, file: Vec<u8>) -> Value {
    let started = at
        .request("post", &format!("bundle/import?{query}"))
        .header("X-Vestibule-Encryption-Secret", secret)
        .body(file)
        .send()
        .await
        .expect(202)
        .json();
    work(at).await;
    at.get(&format!("jobs/{}", started["id"].as_str().unwrap()))
        .await
}

/// An instance with people of every kind.
async fn peopled<'a>(server: &'a vestibule_testkit::TestServer, name: &str) -> Instance<'a> {
    let at = with_roles(server, name).await;
    import(&at, "", ndjson((0..1100).map(record)))
        .await
        .expect(200);
    let federated = json!([{
        "id": "7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6", "name": "F", "email": "f@example.org", "picture": "p.jpg",
        "identities": [{"provider": "google", "id": "g1", "idpUserInfo": {"n": 1.50}}], "attributes": {"a": 1}, "roles": ["adult"],
    }]);
    at.post("users/import", json!({"users": federated}))
        .await
        .expect(200);
    at.post("users", json!({"idp": "saml", "idp-identity": "later@example.org", "profile": {"attributes": {"future": true}}})).await.expect(201);
    // A user without a profile yet.
    let body = json!({"emails": [{"value": "lone@example.org", "primary": true}], "password": "correct horse battery"});
    at.post("cloud_directory/sign_up?shouldCreateProfile=false", body)
        .await
        .expect(201);
    at
}

on_each_engine! {
    async fn everybody_moves_whole_and_comes_out_the_same(server) {
        let (source, target) = (peopled(&server, "source").await, with_roles(&server, "target").await);
        let (file, made) = bundle(&source).await;
        assert_eq!(made["counts"]["added"], 1103, "{made}");
        let verified = vestibule_bundle::verify(file.as_slice(), SECRET).expect("a bundle");
        assert_eq!((verified.counts.people, verified.counts.directory, verified.counts.future), (1103, 1101, 1));
        assert_eq!(json!(verified.content_digest.to_string()), made["digest"]);
        let job = unpack(&target, "", SECRET, file.clone()).await;
        assert_eq!((&job["state"], &job["counts"]["added"], &job["counts"]["failed"]), (&json!("succeeded"), &json!(1103), &json!(0)), "{job}");
        let (_, again) = bundle(&target).await;
        assert_eq!(again["digest"], made["digest"]);
        // Once more: everybody is there.
        let job = unpack(&target, "", SECRET, file.clone()).await;
        assert_eq!((&job["counts"]["added"], &job["counts"]["failed"]), (&json!(0), &json!(1103)), "{job}");
        let job = unpack(&target, "on_conflict=skip", SECRET, file).await;
        assert_eq!(job["counts"]["skipped"], 1103, "{job}");
    }

    async fn ids_can_be_given_anew(server) {
        let (source, target) = (peopled(&server, "source").await, with_roles(&server, "target").await);
        let (file, _) = bundle(&source).await;
        let rehearsed = unpack(&target, "ids=remap&dry_run=true", SECRET, file.clone()).await;
        assert_eq!(rehearsed["counts"]["added"], 1103, "{rehearsed}");
        let job = unpack(&target, "ids=remap", SECRET, file.clone()).await;
        assert_eq!(job["counts"]["added"], 1103, "{job}");
        let map = target.request("get", &format!("jobs/{}/map", job["id"].as_str().unwrap())).send().await.expect(200).text();
        let map = lines(&map);
        // 1101 directory users, and 1102 profiles.
        assert_eq!(map.iter().filter(|line| line["kind"] == "directory").count(), 1101);
        assert_eq!(map.iter().filter(|line| line["kind"] == "profile").count(), 1102);
        assert!(map.iter().all(|line| line["from"] != line["to"]));
        let id = map.iter().find(|line| line["from"] == "7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6").unwrap()["to"].as_str().unwrap().to_owned();
        let profile = target.get(&format!("users/{id}/profile")).await;
        assert_eq!(profile["identities"][0]["id"], "g1", "{profile}");
    }

    async fn ids_that_are_taken_are_told(server) {
        let (source, target) = (peopled(&server, "source").await, with_roles(&server, "target").await);
        let other = json!([{"id": "7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6", "identities": [{"provider": "google", "id": "someone else"}], "attributes": {}}]);
        target.post("users/import", json!({"users": other})).await.expect(200);
        let (file, _) = bundle(&source).await;
        let job = unpack(&target, "", SECRET, file).await;
        assert_eq!((&job["counts"]["added"], &job["counts"]["failed"]), (&json!(1102), &json!(1)), "{job}");
        let codes: Vec<String> = report(&target, &job).await.into_iter().map(|(_, _, code)| code).collect();
        assert_eq!(codes, ["id_taken"]);
    }

    async fn a_bundle_that_is_not_whole_changes_nothing(server) {
        let (source, target) = (peopled(&server, "source").await, with_roles(&server, "target").await);
        let (file, _) = bundle(&source).await;
        let mut damaged = file.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        for (secret, bytes, code) in [
            ("another", file.clone(), "WRONG_SECRET"),
            (SECRET, damaged, "DAMAGED"),
            (SECRET, file[..file.len() - 3000].to_vec(), "TRUNCATED"),
            (SECRET, b"not a bundle at all".to_vec(), "NOT_A_BUNDLE"),
        ] {
            let job = unpack(&target, "", secret, bytes).await;
            assert_eq!((&job["state"], &job["error"]["code"], &job["counts"]["done"]), (&json!("failed"), &json!(code), &json!(0)), "{job}");
        }
        let empty = target.request("post", "bundle/import").header("X-Vestibule-Encryption-Secret", SECRET).send().await;
        refused(empty, 400, "INVALID_REQUEST");
        let odd = target.request("post", "bundle/import?ids=odd").header("X-Vestibule-Encryption-Secret", SECRET).body("x").send().await;
        refused(odd, 400, "INVALID_REQUEST");
        assert_eq!(export(&target, "").await.0.len(), 0);
    }
}

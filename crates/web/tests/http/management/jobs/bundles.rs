//! Bundles: everybody, whole.

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use super::{
    JOB, SECRET, export, import, import_bundle, lines, ndjson, record, report, with_roles, work,
};
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

/// Goes on with a job while somebody asks it to rest all the time; its file and itself when it has ended.
async fn rest_often(at: &Instance<'_>, id: &str) -> (Vec<u8>, Value) {
    let mut rests = 0;
    let pause = format!("jobs/{id}/pause");
    let job = loop {
        let work = at.server.engine.work_on_a_job();
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                worked = &mut work => { worked.expect("a worker"); break; }
                _ = async { at.post(&pause, json!({})).await }, if rests < 40 => {}
            }
        }
        let job = at.get(&format!("jobs/{id}")).await;
        if job["state"] != "paused" {
            break job;
        }
        rests += 1;
        at.post(&format!("jobs/{id}/resume"), json!({}))
            .await
            .expect(200);
    };
    assert_eq!(job["state"], "succeeded", "{job}");
    let path = format!("jobs/{id}/download");
    (at.request("get", &path).send().await.expect(200).body, job)
}

on_each_engine! {
    async fn everybody_moves_whole_and_comes_out_the_same(server) {
        let (source, target) = (peopled(&server, "source").await, with_roles(&server, "target").await);
        let (file, made) = bundle(&source).await;
        assert_eq!(made["counts"]["added"], 1103, "{made}");
        let verified = vestibule_bundle::verify(file.as_slice(), SECRET).expect("a bundle");
        assert_eq!((verified.counts.people, verified.counts.directory, verified.counts.future), (1103, 1101, 1));
        assert_eq!(json!(verified.content_digest.to_string()), made["digest"]);
        let job = import_bundle(&target, "", SECRET, file.clone()).await;
        assert_eq!((&job["state"], &job["counts"]["added"], &job["counts"]["failed"]), (&json!("succeeded"), &json!(1103), &json!(0)), "{job}");
        let (_, again) = bundle(&target).await;
        assert_eq!(again["digest"], made["digest"]);
        // Once more: everybody is there.
        let job = import_bundle(&target, "", SECRET, file.clone()).await;
        assert_eq!((&job["counts"]["added"], &job["counts"]["failed"]), (&json!(0), &json!(1103)), "{job}");
        let job = import_bundle(&target, "on_conflict=skip", SECRET, file).await;
        assert_eq!(job["counts"]["skipped"], 1103, "{job}");
    }

    async fn ids_can_be_given_anew(server) {
        let (source, target) = (peopled(&server, "source").await, with_roles(&server, "target").await);
        let (file, _) = bundle(&source).await;
        let rehearsed = import_bundle(&target, "ids=remap&dry_run=true", SECRET, file.clone()).await;
        assert_eq!(rehearsed["counts"]["added"], 1103, "{rehearsed}");
        let job = import_bundle(&target, "ids=remap", SECRET, file.clone()).await;
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
        let job = import_bundle(&target, "", SECRET, file).await;
        assert_eq!((&job["counts"]["added"], &job["counts"]["failed"]), (&json!(1102), &json!(1)), "{job}");
        let codes: Vec<String> = report(&target, &job).await.into_iter().map(|(_, _, code)| code).collect();
        assert_eq!(codes, ["id_taken"]);
    }

    async fn a_bundle_of_a_part_says_so(server) {
        let (source, target) = (peopled(&server, "source").await, with_roles(&server, "target").await);
        // Asked like this, neither can fail, so there is no hole between them.
        let adults = "\"adult\" in roles && provider == \"cloud_directory\"";
        let mut people = 0;
        let mut digest = vestibule_crypto::content_digest::ContentDigest::EMPTY;
        for predicate in [adults.to_owned(), format!("!({adults})")] {
            let asked = json!({"encryptionSecret": SECRET, "where": predicate});
            let started = source.post("bundle/export", asked).await.expect(202).json();
            work(&source).await;
            let path = format!("jobs/{}", started["id"].as_str().unwrap());
            let made = source.get(&path).await;
            assert_eq!((&made["where"], &made["state"]), (&json!(predicate), &json!("succeeded")), "{made}");
            digest.combine(&vestibule_crypto::content_digest::ContentDigest::parse(made["digest"].as_str().unwrap()).unwrap());
            let file = source.request("get", &format!("{path}/download")).send().await.expect(200).body;
            let manifest = vestibule_bundle::verify(file.as_slice(), SECRET).expect("a bundle");
            assert_eq!(manifest.source.predicate.as_ref(), Some(&predicate));
            people += manifest.counts.people;
            let job = import_bundle(&target, "", SECRET, file).await;
            assert_eq!((&job["state"], &job["counts"]["failed"], job.get("where")), (&json!("succeeded"), &json!(0), None), "{job}");
            assert!(job["warnings"].to_string().contains("The bundle is a part"), "{job}");
            assert!(job["warnings"][0].as_str().unwrap().ends_with(&predicate), "{job}");
        }
        let (file, made) = bundle(&source).await;
        assert_eq!((json!(people), json!(digest.to_string()), made.get("where")), (made["counts"]["done"].clone(), made["digest"].clone(), None));
        assert_eq!(vestibule_bundle::verify(file.as_slice(), SECRET).expect("a bundle").source.predicate, None);
        let job = import_bundle(&target, "on_conflict=skip", SECRET, file).await;
        assert_eq!((&job["counts"]["added"], &job["warnings"]), (&json!(0), &json!([])), "{job}");
    }

    async fn a_bundle_that_is_not_whole_changes_nothing(server) {
        let (source, target) = (peopled(&server, "source").await, with_roles(&server, "target").await);
        let (file, _) = bundle(&source).await;
        let mut damaged = file.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        for (secret, bytes, code, place) in [
            ("another", file.clone(), "WRONG_SECRET", "the header"),
            (SECRET, damaged, "DAMAGED", "part 0"),
            (SECRET, file[..file.len() / 2].to_vec(), "TRUNCATED", "part 0"),
            (SECRET, file[..file.len() - 1100].to_vec(), "TRUNCATED", "the manifest"),
            (SECRET, file[..file.len() - 10].to_vec(), "TRUNCATED", "the end of the archive"),
            (SECRET, b"not a bundle at all".to_vec(), "NOT_A_BUNDLE", "the header"),
        ] {
            let job = import_bundle(&target, "", secret, bytes).await;
            assert_eq!((&job["error"]["record"], &job["error"]["place"]), (&json!(null), &json!(place)), "{job}");
            assert_eq!((&job["state"], &job["error"]["code"], &job["counts"]["done"]), (&json!("failed"), &json!(code), &json!(0)), "{job}");
        }
        let empty = target.request("post", "bundle/import").header("X-Vestibule-Encryption-Secret", SECRET).send().await;
        refused(empty, 400, "INVALID_REQUEST");
        let odd = target.request("post", "bundle/import?ids=odd").header("X-Vestibule-Encryption-Secret", SECRET).body("x").send().await;
        refused(odd, 400, "INVALID_REQUEST");
        assert_eq!(export(&target, "").await.0.len(), 0);
    }

    async fn an_upload_that_breaks_off_is_gone_on_with(server) {
        let (source, target) = (peopled(&server, "source").await, with_roles(&server, "target").await);
        let (file, made) = bundle(&source).await;
        let path = format!("bundle/import?job={JOB}");
        let send = |query: &str, body: Vec<u8>| {
            let request = target.request("post", &format!("{path}{query}"));
            request.header("X-Vestibule-Encryption-Secret", SECRET).body(body)
        };
        let arrived = file.len() / 2;
        let half = target
            .request("post", &path)
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .broken_body(file[..arrived].to_vec())
            .send()
            .await
            .expect(202)
            .json();
        assert_eq!((&half["state"], &half["waitsForInput"], &half["uploaded"]), (&json!("paused"), &json!(true), &json!(arrived)), "{half}");
        // Nobody works on half a file, and nobody but its sender can go on.
        work(&target).await;
        assert_eq!(target.get(&format!("jobs/{JOB}")).await["state"], "paused");
        refused(target.post(&format!("jobs/{JOB}/resume"), json!({})).await, 409, "NEEDS_INPUT");
        // Not from behind what is missing, not as another import, not with a file that is shorter than what arrived.
        refused(send(&format!("&offset={}", arrived + 1), Vec::new()).send().await, 409, "GAP");
        refused(send("&ids=remap", Vec::new()).send().await, 409, "OTHER_JOB");
        refused(target.post("bundle/export", json!({"encryptionSecret": SECRET, "job": JOB})).await, 409, "OTHER_JOB");
        let short = send("", file[..10].to_vec()).send().await.expect(202).json();
        assert_eq!((&short["state"], &short["uploaded"]), (&json!("paused"), &json!(arrived)), "{short}");
        // From somewhere in the middle of what is there: the same is passed over.
        let offset = arrived - 700;
        let whole = send(&format!("&offset={offset}"), file[offset..].to_vec()).send().await.expect(202).json();
        assert_eq!((&whole["state"], &whole["waitsForInput"], &whole["warnings"]), (&json!("queued"), &json!(false), &json!([])), "{whole}");
        assert_eq!(whole.get("uploaded"), None, "{whole}");
        // Whoever did not hear the answer sends again, and the body is not looked at.
        assert_eq!(send("", b"odd".to_vec()).send().await.expect(202).json()["state"], "queued");
        work(&target).await;
        let done = target.get(&format!("jobs/{JOB}")).await;
        assert_eq!((&done["state"], &done["counts"]["added"]), (&json!("succeeded"), &json!(1103)), "{done}");
        let (_, again) = bundle(&target).await;
        assert_eq!(again["digest"], made["digest"]);
    }

    async fn the_whole_file_again_goes_on_too(server) {
        let (source, target) = (peopled(&server, "source").await, with_roles(&server, "target").await);
        let (file, _) = bundle(&source).await;
        let path = format!("bundle/import?job={JOB}");
        for part in [1, file.len() / 3, file.len() - 1] {
            let sent = target
                .request("post", &path)
                .header("X-Vestibule-Encryption-Secret", SECRET)
                .broken_body(file[..part].to_vec())
                .send()
                .await
                .expect(202)
                .json();
            assert_eq!(sent["uploaded"], part, "{sent}");
        }
        let job = import_bundle(&target, &format!("job={JOB}"), SECRET, file).await;
        assert_eq!((&job["state"], &job["counts"]["added"]), (&json!("succeeded"), &json!(1103)), "{job}");
    }

    async fn an_upload_without_a_name_leaves_nothing(server) {
        let at = with_roles(&server, "one").await;
        let broken = at
            .request("post", "bundle/import")
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .broken_body(b"vestibule-bundle.json".to_vec())
            .send()
            .await;
        refused(broken, 400, "INVALID_REQUEST");
        assert_eq!(at.get("jobs").await["jobs"], json!([]));
        // One that waits can be cancelled, and what arrived of it goes with it.
        at.request("post", &format!("bundle/import?job={JOB}"))
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .broken_body(vec![7; 3 << 20])
            .send()
            .await
            .expect(202);
        at.delete(&format!("jobs/{JOB}")).await.expect(204);
        let job = at.get(&format!("jobs/{JOB}")).await;
        assert_eq!((&job["state"], &job["waitsForInput"]), (&json!("cancelled"), &json!(false)), "{job}");
        let again = at
            .request("post", &format!("bundle/import?job={JOB}"))
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .body("x")
            .send()
            .await
            .expect(202)
            .json();
        assert_eq!(again["state"], "cancelled");
    }

    async fn a_digest_says_what_a_bundle_would(server) {
        let (source, empty) = (peopled(&server, "source").await, Instance::new(&server, "empty").await);
        let (file, _) = bundle(&source).await;
        let verified = vestibule_bundle::verify(file.as_slice(), SECRET).expect("a bundle");
        let text = source.request("get", "bundle/digest").send().await.expect(200).text();
        let told = lines(&text);
        let summary = &told.last().unwrap()["summary"];
        assert_eq!(summary["digest"], verified.content_digest.to_string());
        assert_eq!(summary["counts"], serde_json::to_value(verified.counts).unwrap());
        assert_eq!(summary["moments"], 1);
        // Three pages of directory users, one of others.
        let seen: Vec<u64> = told.iter().filter_map(|line| line["people"].as_u64()).collect();
        assert_eq!(seen, [500, 1000, 1101, 1103]);
        let nobody = empty.request("get", "bundle/digest").send().await.expect(200).text();
        assert_eq!(lines(&nobody).len(), 1);
        assert_eq!(lines(&nobody)[0]["summary"]["counts"]["people"], 0);
    }

    async fn a_job_says_how_it_was_asked_for(server) {
        let (source, target) = (peopled(&server, "source").await, with_roles(&server, "target").await);
        // A name makes asking twice harmless.
        let asked = json!({"encryptionSecret": SECRET, "job": JOB});
        let first = source.post("bundle/export", asked.clone()).await.expect(202).json();
        assert_eq!((&first["id"], first.get("ids"), first.get("withoutPassword")), (&json!(JOB), None, None), "{first}");
        work(&source).await;
        let again = source.post("bundle/export", asked).await.expect(202).json();
        assert_eq!((&again["id"], &again["state"]), (&json!(JOB), &json!("succeeded")), "{again}");
        refused(source.post("bundle/export", json!({"encryptionSecret": SECRET, "job": JOB, "expires": 2})).await, 409, "OTHER_JOB");
        refused(source.post("bundle/export", json!({"encryptionSecret": SECRET, "job": "odd"})).await, 400, "INVALID_REQUEST");
        let file = source.request("get", &format!("jobs/{JOB}/download")).send().await.expect(200).body;
        for ids in ["keep", "remap"] {
            let job = import_bundle(&target, &format!("ids={ids}&dry_run=true"), SECRET, file.clone()).await;
            assert_eq!((&job["ids"], &job["dryRun"], job.get("withoutPassword")), (&json!(ids), &json!(true), None), "{job}");
        }
        let job = import(&target, "without_password=true", "").await.expect(200).json();
        assert_eq!((&job["withoutPassword"], job.get("ids"), job.get("uploaded")), (&json!(true), None, None), "{job}");
        let job = import(&target, "", "").await.expect(200).json();
        assert_eq!((&job["withoutPassword"], &job["waitsForInput"]), (&json!(false), &json!(false)), "{job}");
    }

    async fn a_job_that_rests_at_every_checkpoint_makes_the_same_file(server) {
        let at = peopled(&server, "source").await;
        let (_, whole) = bundle(&at).await;
        let asked = at.post("bundle/export", json!({"encryptionSecret": SECRET})).await.expect(202).json();
        let (file, job) = rest_often(&at, asked["id"].as_str().unwrap()).await;
        let verified = vestibule_bundle::verify(file.as_slice(), SECRET).expect("a bundle");
        assert_eq!(verified.counts.people, 1103);
        assert_eq!((&job["digest"], &job["counts"]["added"]), (&whole["digest"], &json!(1103)), "{job}");
        let asked = at.post("cloud_directory/export/all", json!({"encryptionSecret": SECRET})).await.expect(202).json();
        let (file, job) = rest_often(&at, asked["id"].as_str().unwrap()).await;
        let users: Vec<Value> = serde_json::from_slice(&file).expect("an array");
        assert_eq!((users.len(), &job["counts"]["added"]), (1101, &json!(1101)), "{job}");
        assert_eq!(job["digest"], export(&at, "").await.1["digest"]);
    }
}

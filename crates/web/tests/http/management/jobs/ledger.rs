//! The ledger itself.

use serde_json::json;
use vestibule_testkit::{Conditions, on_each_engine};

use super::{JOB, SECRET, export, import, ndjson, record, with_roles, work};
use crate::instance::refused;

on_each_engine! {
    async fn jobs_are_listed_newest_first_in_pages(server) {
        let at = with_roles(&server, "one").await;
        for number in 0..5 {
            server.clock.advance_seconds(1);
            import(&at, "", ndjson([record(number)])).await.expect(200);
        }
        let all = at.get("jobs").await;
        let ids = |list: &serde_json::Value| -> Vec<String> {
            list["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids(&all).len(), 5);
        assert_eq!(all.get("next"), None);
        let created: Vec<String> = all["jobs"].as_array().unwrap().iter().map(|job| job["created"].to_string()).collect();
        assert!(created.is_sorted_by(|a, b| a > b), "{created:?}");
        let first = at.get("jobs?count=2").await;
        let second = at.get(&format!("jobs?count=2&after={}", first["next"].as_str().unwrap())).await;
        assert_eq!([ids(&first), ids(&second)].concat(), ids(&all)[..4]);
        assert_eq!(ids(&at.get("jobs?state=failed").await).len(), 0);
        assert_eq!(ids(&at.get("jobs?kind=directory_import&state=succeeded").await).len(), 5);
        refused(at.request("get", "jobs?state=odd").send().await, 400, "INVALID_REQUEST");
        refused(at.request("get", "jobs?after=odd").send().await, 400, "INVALID_REQUEST");
    }

    async fn jobs_rest_go_on_and_end(server) {
        let at = with_roles(&server, "one").await;
        import(&at, "", ndjson((0..3).map(record))).await.expect(200);
        let id = at.post("cloud_directory/export/all", json!({"encryptionSecret": SECRET})).await.expect(202).json()["id"].as_str().unwrap().to_owned();
        let paused = at.post(&format!("jobs/{id}/pause"), json!({})).await.expect(200).json();
        assert_eq!((&paused["state"], &paused["pausedBy"]), (&json!("paused"), &json!("person")), "{paused}");
        work(&at).await;
        assert_eq!(at.get(&format!("jobs/{id}")).await["state"], "paused");
        let queued = at.post(&format!("jobs/{id}/resume"), json!({})).await.expect(200).json();
        assert_eq!((&queued["state"], queued.get("pausedBy")), (&json!("queued"), None), "{queued}");
        refused(at.post(&format!("jobs/{id}/resume"), json!({})).await, 409, "INVALID_STATE");
        at.delete(&format!("jobs/{id}")).await.expect(204);
        let job = at.get(&format!("jobs/{id}")).await;
        assert_eq!(job["state"], "cancelled");
        refused(at.post(&format!("jobs/{id}/pause"), json!({})).await, 409, "INVALID_STATE");
        // Now that it has ended it can be removed.
        at.delete(&format!("jobs/{id}")).await.expect(204);
        refused(at.request("get", &format!("jobs/{id}")).send().await, 404, "NOT_FOUND");
        refused(at.delete("jobs/odd").await, 404, "NOT_FOUND");
    }

    async fn an_import_by_stream_wants_its_body_again(server) {
        let at = with_roles(&server, "one").await;
        let path = format!("cloud_directory/import/stream?job={JOB}");
        let half = at
            .request("post", &path)
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .broken_body(ndjson((0..4).map(record)).into_bytes())
            .send()
            .await
            .expect(200)
            .json();
        assert_eq!((&half["state"], &half["counts"]["done"], &half["waitsForInput"]), (&json!("paused"), &json!(4), &json!(true)), "{half}");
        assert_eq!(half["pausedBy"], "sender", "{half}");
        refused(at.post(&format!("jobs/{JOB}/resume"), json!({})).await, 409, "NEEDS_INPUT");
    }

    async fn what_a_person_paused_takes_nothing_before_it_is_resumed(server) {
        let server = server.restart(Conditions::small()).await;
        let at = with_roles(&server, "one").await;
        let text = ndjson((0..40).map(record));
        let path = format!("cloud_directory/import/stream?job={JOB}");
        let send = |body: Vec<u8>| at.request("post", &path).header("X-Vestibule-Encryption-Secret", SECRET).body(body);
        let (pause, resume, show) = (format!("jobs/{JOB}/pause"), format!("jobs/{JOB}/resume"), format!("jobs/{JOB}"));
        // While its sender is there.
        let sending = tokio::spawn(send(Vec::new()).silent_body(text.as_bytes()[..text.len() / 2].to_vec()).send());
        loop {
            let job = at.request("get", &show).send().await.json();
            if job["counts"]["done"].as_u64() > Some(0) {
                break;
            }
            tokio::task::yield_now().await;
        }
        at.post(&pause, json!({})).await.expect(200);
        let paused = sending.await.unwrap().expect(200).json();
        assert_eq!((&paused["state"], &paused["pausedBy"]), (&json!("paused"), &json!("person")), "{paused}");
        refused(send(text.clone().into()).send().await, 409, "JOB_PAUSED");
        assert_eq!(at.get(&show).await, paused);
        let resumed = at.post(&resume, json!({})).await.expect(200).json();
        assert_eq!((&resumed["state"], &resumed["pausedBy"], &resumed["waitsForInput"]), (&json!("paused"), &json!("sender"), &json!(true)), "{resumed}");
        refused(at.post(&resume, json!({})).await, 409, "NEEDS_INPUT");
        // And when it is gone.
        let broken = send(Vec::new()).broken_body(text.as_bytes()[..text.len() * 3 / 4].to_vec()).send().await.expect(200).json();
        assert_eq!(broken["pausedBy"], "sender", "{broken}");
        assert_eq!(at.post(&pause, json!({})).await.expect(200).json()["pausedBy"], "person");
        refused(send(text.clone().into()).send().await, 409, "JOB_PAUSED");
        at.post(&resume, json!({})).await.expect(200);
        let job = send(text.into()).send().await.expect(200).json();
        assert_eq!((&job["state"], &job["counts"]["added"], job.get("pausedBy")), (&json!("succeeded"), &json!(40), None), "{job}");
        // The same of a bundle.
        let path = "bundle/import?job=0191f3d0-0000-4000-8000-00000000beef";
        let send = || at.request("post", path).header("X-Vestibule-Encryption-Secret", SECRET);
        let broken = send().broken_body(vec![7; 100]).send().await.expect(202).json();
        assert_eq!((&broken["state"], &broken["pausedBy"]), (&json!("paused"), &json!("sender")), "{broken}");
        let job = format!("jobs/{}", broken["id"].as_str().unwrap());
        at.post(&format!("{job}/pause"), json!({})).await.expect(200);
        let paused = at.get(&job).await;
        assert_eq!((&paused["pausedBy"], &paused["uploaded"]), (&json!("person"), &json!(100)), "{paused}");
        refused(send().body(vec![7; 200]).send().await, 409, "JOB_PAUSED");
        assert_eq!(at.get(&job).await, paused);
        at.post(&format!("{job}/resume"), json!({})).await.expect(200);
        assert_eq!(send().body(vec![7; 200]).send().await.expect(202).json()["state"], "queued");
        // Paused or not, it can be cancelled.
        at.post(&format!("{job}/pause"), json!({})).await.expect(200);
        at.delete(&job).await.expect(204);
        assert_eq!(at.get(&job).await["state"], "cancelled");
    }

    async fn a_job_whose_node_died_is_taken_over(server) {
        let at = with_roles(&server, "one").await;
        import(&at, "", ndjson((0..1200).map(record))).await.expect(200);
        let id = at.post("cloud_directory/export/all", json!({"encryptionSecret": SECRET})).await.expect(202).json()["id"].as_str().unwrap().to_owned();
        // Somebody took it and was never heard of again.
        let store = vestibule_store::Store::open(&server.database_url, vestibule_store::DbOptions::default()).await;
        let Ok(store) = store else { return };
        let (now, tenant) = (vestibule_model::time::Timestamp::from_millis(0), vestibule_model::id::TenantId::parse(&at.guid).unwrap());
        let job = vestibule_model::id::JobId::parse(&id).unwrap();
        let until = vestibule_model::time::Timestamp::from_millis(1_795_467_480_000 + 15_000);
        store.write(tenant, move |t| t.take_job(job, "another", now, until)).await.expect("taken");
        store.close().await;
        work(&at).await;
        assert_eq!(at.get(&format!("jobs/{id}")).await["state"], "running");
        server.clock.advance_seconds(16);
        work(&at).await;
        assert_eq!(at.get(&format!("jobs/{id}")).await["state"], "succeeded");
        assert_eq!(export(&at, "").await.0.len(), 1200);
    }

    async fn unknown_parameters_are_refused_by_name(server) {
        let at = with_roles(&server, "one").await;
        let text = ndjson([record(0)]);
        for (method, call) in [
            ("post", "users/import/stream"), ("post", "cloud_directory/import/stream"), ("get", "users/export/stream"),
            ("get", "cloud_directory/export/stream"), ("post", "bundle/import"), ("post", "bundle/export"), ("get", "bundle/digest"),
            ("get", "jobs"), ("get", "jobs/x"), ("delete", "jobs/x"), ("post", "jobs/x/pause"), ("post", "jobs/x/resume"),
            ("get", "jobs/x/events"), ("get", "jobs/x/report"), ("get", "jobs/x/map"), ("get", "jobs/x/download"),
        ] {
            for name in ["dryrun", "dry_run%20", "onConflict"] {
                let answer = at
                    .request(method, &format!("{call}?{name}=true"))
                    .header("X-Vestibule-Encryption-Secret", SECRET)
                    .body(text.clone())
                    .send()
                    .await;
                assert!(answer.text().contains(&name.replace("%20", " ")), "{call} {}", answer.text());
                refused(answer, 400, "INVALID_REQUEST");
            }
        }
        assert_eq!(at.get("jobs").await["jobs"], json!([]));
        assert_eq!(export(&at, "").await.0.len(), 0);
        // App ID's own calls ignore what they do not know.
        let users = json!({"users": [record(0)]});
        let done = at.post("cloud_directory/import?encryption_secret=x&dryrun=true", users).await.expect(200).json();
        assert_eq!(done["added"], 1, "{done}");
        at.get("cloud_directory/export?encryption_secret=x&Count=1").await;
        at.get("users/export?Count=1").await;
    }

    async fn changes_are_told_as_events(server) {
        let at = with_roles(&server, "one").await;
        let job = import(&at, "", ndjson([record(1)])).await.expect(200).json();
        let path = format!("jobs/{}/events", job["id"].as_str().unwrap());
        let answer = at.request("get", &path).send().await.expect(200);
        assert_eq!(answer.headers["content-type"], "text/event-stream");
        let text = answer.text();
        let data = text.strip_prefix("event: job\ndata: ").expect("an event").trim_end();
        assert_eq!(serde_json::from_str::<serde_json::Value>(data).unwrap(), job);
    }
}

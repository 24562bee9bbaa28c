//! A stream that is gone on with is the one that it began as.

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use super::{JOB, SECRET, export, import, ndjson, record, report, with_roles};
use crate::instance::{Instance, refused};

/// Begins an import that breaks off behind some of its records; answers how many were taken.
async fn broken(at: &Instance<'_>, query: &str, text: &str, cut: usize) -> u64 {
    let path = format!("cloud_directory/import/stream?job={JOB}{query}");
    let job = at
        .request("post", &path)
        .header("X-Vestibule-Encryption-Secret", SECRET)
        .broken_body(text.as_bytes()[..cut].to_vec())
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(job["state"], "paused", "{job}");
    job["counts"]["done"].as_u64().unwrap()
}

async fn job(at: &Instance<'_>) -> Value {
    at.get(&format!("jobs/{JOB}")).await
}

on_each_engine! {
    async fn another_body_imports_nothing_and_leaves_the_job(server) {
        let at = with_roles(&server, "one").await;
        let text = ndjson((0..2300).map(record));
        let done = broken(&at, "", &text, text.len() / 2).await;
        assert!(done > 1000 && done < 1300, "{done}");
        let there = export(&at, "").await.1["digest"].clone();
        let n = done as usize;
        let swapped = [1, 0].into_iter().chain(2..2300).map(record);
        let mut changed: Vec<Value> = (0..2300).map(record).collect();
        changed[n / 2]["roles"] = json!(["adult", "reader", "adult"]);
        let query = format!("job={JOB}");
        for (query, body) in [
            // Shorter ones, whole and cut off; longer ones whose beginning is another.
            (query.clone(), ndjson((0..100).map(record))),
            (query.clone(), ndjson((0..n - 1).map(record))),
            (query.clone(), String::new()),
            (query.clone(), String::from("[{]")),
            (query.clone(), ndjson((3000..6000).map(record))),
            (query.clone(), ndjson(swapped)),
            (query.clone(), ndjson(changed)),
            // From a later record: one too early, one too late, and too short.
            (format!("{query}&from=50"), ndjson((49..2300).map(record))),
            (format!("{query}&from=50"), ndjson((51..2300).map(record))),
            (format!("{query}&from=50"), ndjson((50..60).map(record))),
        ] {
            refused(import(&at, &query, body).await, 409, "OTHER_RECORDS");
            let job = job(&at).await;
            assert_eq!((&job["state"], &job["counts"]["done"], &job["error"]), (&json!("paused"), &json!(done), &json!(null)), "{job}");
            assert!(job["warnings"][0].as_str().unwrap().contains("not the one that this job began with"), "{job}");
        }
        assert_eq!(export(&at, "").await.1["digest"], there);
        // The right one is taken, as an array too.
        let array = serde_json::to_string(&(0..2300).map(record).collect::<Vec<_>>()).unwrap();
        let job = import(&at, &query, array).await.expect(200).json();
        assert_eq!((&job["state"], &job["counts"]["added"], &job["counts"]["failed"]), (&json!("succeeded"), &json!(2300), &json!(0)), "{job}");
        let whole = with_roles(&server, "whole").await;
        import(&whole, "", text).await.expect(200);
        assert_eq!(export(&at, "").await.1["digest"], export(&whole, "").await.1["digest"]);
    }

    async fn it_may_break_off_again_and_again(server) {
        let at = with_roles(&server, "one").await;
        let text = ndjson((0..1700).map(record));
        let mut last = 0;
        for part in 1..5 {
            let done = broken(&at, "&dry_run=true", &text, text.len() * part / 5).await;
            assert!(done > last, "{done}");
            last = done;
            refused(import(&at, &format!("job={JOB}&dry_run=true"), ndjson([record(0)])).await, 409, "OTHER_RECORDS");
        }
        let job = import(&at, &format!("job={JOB}&dry_run=true"), text).await.expect(200).json();
        assert_eq!((&job["state"], &job["counts"]["added"]), (&json!("succeeded"), &json!(1700)), "{job}");
        // All was there but the end.
        let text = ndjson((0..5).map(record));
        let path = "users/import/stream?job=0191f3d0-0000-4000-8000-00000000beef";
        let cut = at.request("post", path).broken_body(text.clone()).send().await.expect(200).json();
        assert_eq!((&cut["state"], &cut["counts"]["done"]), (&json!("paused"), &json!(5)), "{cut}");
        let job = at.request("post", path).body(text).send().await.expect(200).json();
        assert_eq!((&job["state"], &job["counts"]["failed"]), (&json!("succeeded"), &json!(5)), "{job}");
    }

    async fn another_secret_is_refused(server) {
        let (source, at) = (with_roles(&server, "source").await, with_roles(&server, "one").await);
        import(&source, "", ndjson((0..1500).map(record))).await.expect(200);
        let text = ndjson(export(&source, "").await.0);
        let done = broken(&at, "&without_password=true", &text, text.len() * 9 / 10).await;
        let path = format!("cloud_directory/import/stream?job={JOB}&without_password=true");
        let wrong = at
            .request("post", &path)
            .header("X-Vestibule-Encryption-Secret", "another secret")
            .body(text.clone())
            .send()
            .await;
        refused(wrong, 400, "WRONG_SECRET");
        let rests = job(&at).await;
        assert_eq!((&rests["state"], &rests["counts"]["done"]), (&json!("paused"), &json!(done)), "{rests}");
        let job = import(&at, &format!("job={JOB}&without_password=true"), text).await.expect(200).json();
        assert_eq!((&job["counts"]["added"], &job["counts"]["withoutPassword"]), (&json!(1500), &json!(0)), "{job}");
    }

    async fn a_wrong_secret_that_shows_late_takes_no_passwords_away(server) {
        let at = with_roles(&server, "one").await;
        import(&at, "", ndjson((0..20).map(record))).await.expect(200);
        let (sealed, before) = export(&at, "").await;
        let text = ndjson((100..1100).map(record)) + &ndjson(sealed);
        let send = async |query: &str| {
            let answer = at
                .request("post", &format!("cloud_directory/import/stream?on_conflict=update{query}"))
                .header("X-Vestibule-Encryption-Secret", "another secret")
                .body(text.clone())
                .send()
                .await;
            answer.expect(200).json()
        };
        let job = send("&without_password=true").await;
        let error = &job["error"];
        assert_eq!((&job["state"], &error["code"], &error["record"]), (&json!("failed"), &json!("WRONG_SECRET"), &json!(1000)), "{job}");
        assert_eq!((&job["counts"]["added"], &job["counts"]["updated"]), (&json!(1000), &json!(0)), "{job}");
        // Without it, each is refused by itself.
        let job = send("").await;
        assert_eq!((&job["counts"]["updated"], &job["counts"]["failed"]), (&json!(1000), &json!(20)), "{job}");
        let codes: Vec<String> = report(&at, &job).await.into_iter().filter(|(_, outcome, _)| outcome == "failed").map(|(_, _, code)| code).collect();
        assert_eq!(codes, vec!["wrong_secret"; 20]);
        let after = export(&at, "&where=attributes.number%20%3C%20100").await.1;
        assert_eq!(after["digest"], before["digest"]);
    }
}

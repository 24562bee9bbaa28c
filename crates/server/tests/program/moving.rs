//! `kill -9` in the middle of large moves. Whoever goes on finds nothing twice and nothing lost: the content digest of the target is
//! that of the source, and the file of an export holds everybody.
//!
//! `VESTIBULE_KILLS` sets how often; 200 by hand, fewer here.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use crate::process::{Administrator, Service, text};

const KILLS: u64 = 4;
const USERS: u64 = 3000;
const HASH: &str = "{SSHA512}on1RX5e0hrIm7Gx2wAMTdqlGiNHXdZsJEVcB39oGzHchpQaNDAva0PCALewepx9Ghf1vBFK38f7/tdfVPCylemNyYXNoLXRlc3Qtc2FsdDE=";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_on_sqlite_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    survive(folder.path(), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_on_postgresql_survive_kill_9() {
    let Some(url) = vestibule_testkit::postgres::test_database_url() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    survive(folder.path(), &["--database-url", &url]).await;
}

/// The node that runs a job is killed; another one finishes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_finishes_the_job_of_a_killed_one() {
    let Some(url) = vestibule_testkit::postgres::test_database_url() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--database-url", url.as_str()];
    let mut first = Service::start(folder.path(), &arguments);
    let source = fill(&Administrator::sign_in(&first.url).await).await;
    // A job may end at the very moment of the kill: then the next one is interrupted.
    for _ in 0..10 {
        let administrator = Administrator::sign_in(&first.url).await;
        let job = start_export(&administrator, &source).await;
        let path = format!("/management/v4/{source}/jobs/{job}");
        let held = loop {
            let shown = show(&administrator, &path).await;
            if shown["state"] != "queued" {
                break shown;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        first.kill();
        let second = Service::start(folder.path(), &arguments);
        let administrator = Administrator::sign_in(&second.url).await;
        let shown = ended(&administrator, &path).await;
        assert_eq!(shown["state"], "succeeded", "{shown}");
        assert_eq!(shown["counts"]["added"], USERS, "{shown}");
        if held["state"] == "running" && shown["node"] != held["node"] {
            assert_eq!(second.stop(), Some(0));
            return;
        }
        first = second;
    }
    panic!("no job was interrupted");
}

async fn survive(data: &Path, arguments: &[&str]) {
    let kills = std::env::var("VESTIBULE_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(KILLS);
    let mut service = Service::start(data, arguments);
    let mut administrator = Administrator::sign_in(&service.url).await;
    let source = fill(&administrator).await;
    let whole = digest(&administrator, &source).await;
    let (mut killed, mut moves, mut tries) = (0, 0, 0);
    while killed < kills {
        let target = administrator.stage().await.0;
        let export = start_export(&administrator, &source).await;
        let job = uuid::Uuid::new_v4().to_string();
        let path = format!("/management/v4/{target}/cloud_directory/import/stream?job={job}");
        loop {
            // Differently every time, from the first batch to the last.
            let life = Duration::from_millis(30 + tries * 131 % 400);
            tries += 1;
            let sending = administrator.send("POST", &path, people());
            let answered = tokio::time::timeout(life, sending).await;
            if let Ok(Some((status, answer))) = &answered {
                assert_eq!(*status, 200, "{answer}");
                assert_eq!(answer["state"], "succeeded", "{answer}");
                assert_eq!(answer["counts"]["added"], USERS, "{answer}");
                assert_eq!(answer["counts"]["failed"], 0, "{answer}");
                break;
            }
            service.kill();
            killed += 1;
            service = Service::start(data, arguments);
            administrator = Administrator::sign_in(&service.url).await;
        }
        assert_eq!(
            digest(&administrator, &target).await,
            whole,
            "after {killed} kills"
        );
        let exported = ended(
            &administrator,
            &format!("/management/v4/{source}/jobs/{export}"),
        )
        .await;
        assert_eq!(exported["state"], "succeeded", "{exported}");
        assert_eq!(json!(exported["digest"]), json!(whole), "{exported}");
        moves += 1;
    }
    assert!(moves > 0);
    assert_eq!(service.stop(), Some(0));
}

/// An instance with everybody in it.
async fn fill(administrator: &Administrator) -> String {
    let source = administrator.stage().await.0;
    let path = format!("/management/v4/{source}/cloud_directory/import/stream");
    let (status, job) = administrator
        .send("POST", &path, people())
        .await
        .expect("an answer");
    assert_eq!(status, 200, "{job}");
    assert_eq!(job["counts"]["added"], USERS, "{job}");
    source
}

async fn start_export(administrator: &Administrator, source: &str) -> String {
    let path = format!("/management/v4/{source}/cloud_directory/export/all");
    let body = json!({"encryptionSecret": "crash test secret"});
    let (status, started) = administrator
        .call("POST", &path, Some(&body))
        .await
        .expect("an answer");
    assert_eq!(status, 202, "{started}");
    text(&started, "id")
}

async fn show(administrator: &Administrator, path: &str) -> Value {
    let (status, job) = administrator
        .call("GET", path, None)
        .await
        .expect("an answer");
    assert_eq!(status, 200, "{job}");
    job
}

/// A job once nothing happens to it any more.
async fn ended(administrator: &Administrator, path: &str) -> Value {
    for _ in 0..600 {
        let job = show(administrator, path).await;
        if !matches!(job["state"].as_str(), Some("queued" | "running")) {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the job does not end");
}

async fn digest(administrator: &Administrator, guid: &str) -> String {
    let path = format!("/management/v4/{guid}/cloud_directory/export/stream?summary=true");
    let body = administrator.text(&path).await.expect("an answer");
    let last = body.lines().last().expect("a summary");
    let summary: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(summary["summary"]["users"], USERS, "{summary}");
    text(&summary["summary"], "digest")
}

fn people() -> String {
    (0..USERS)
        .map(|n| {
            let user = json!({
                "scimUser": {
                    "originalId": format!("old-{n}"), "status": "CONFIRMED", "active": true,
                    "emails": [{"value": format!("m{}@example.org", n * 7919 % USERS), "primary": true}],
                    "meta": {"created": "2024-03-01T10:00:00.000Z", "lastModified": "2025-03-01T10:00:00.000Z"},
                },
                "passwordHash": HASH, "profile": {"attributes": {"n": n}}, "roles": [],
            });
            format!("{user}\n")
        })
        .collect()
}

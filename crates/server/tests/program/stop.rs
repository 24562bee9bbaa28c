//! A service that is told to stop while somebody sends: what was imported stays, and the job waits for its sender.

use std::{path::Path, time::Duration};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::process::{Administrator, Service};

const USERS: usize = 3000;
const JOB: &str = "0191f3d0-0000-4000-8000-00000000cafe";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_by_stream_waits_for_its_sender_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    stop_and_go_on(folder.path(), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_by_stream_waits_for_its_sender_on_postgresql() {
    let Some(url) = vestibule_testkit::postgres::test_database_url() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    stop_and_go_on(folder.path(), &["--database-url", &url]).await;
}

async fn stop_and_go_on(data: &Path, arguments: &[&str]) {
    let service = Service::start(data, arguments);
    let administrator = Administrator::sign_in(&service.url).await;
    let target = administrator.stage().await.0;
    let path = format!("/management/v4/{target}/users/import/stream?job={JOB}");
    // A sender who stays silent behind the first 1,500.
    let begun = stream::iter([Ok::<_, std::io::Error>(people(0..1500))]).chain(stream::pending());
    let body = reqwest::Body::wrap_stream(begun);
    let sender = administrator.clone();
    let sending = {
        let path = path.clone();
        tokio::spawn(async move { sender.stream(&path, body).await })
    };
    let ledger = format!("/management/v4/{target}/jobs/{JOB}");
    let shown = loop {
        let (status, job) = administrator.call("GET", &ledger, None).await.unwrap();
        if status == 200 && job["counts"]["done"] != 0 {
            break job;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(shown["state"], "running", "{shown}");
    assert_eq!(service.stop(), Some(0));
    drop(sending.await);
    let service = Service::start(data, arguments);
    let administrator = Administrator::sign_in(&service.url).await;
    // Workers of the new process have had their chance.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (_, job) = administrator.call("GET", &ledger, None).await.unwrap();
    assert_eq!(
        (&job["state"], &job["waitsForInput"]),
        (&json!("paused"), &json!(true)),
        "{job}"
    );
    let (status, job) = administrator
        .send("POST", &path, people(0..USERS))
        .await
        .unwrap();
    assert_eq!((status, &job["state"]), (200, &json!("succeeded")), "{job}");
    let counts: &Value = &job["counts"];
    assert_eq!(
        (&counts["added"], &counts["failed"]),
        (&json!(USERS), &json!(0)),
        "{job}"
    );
    assert_eq!(service.stop(), Some(0));
}

/// Federated users: a job of them needs no secret, so that nothing else would keep a worker from it.
fn people(numbers: std::ops::Range<usize>) -> String {
    numbers
        .map(|n| {
            let user = json!({
                "name": format!("N{n}"), "identities": [{"provider": "google", "id": format!("g{n}")}], "attributes": {"n": n},
            });
            format!("{user}\n")
        })
        .collect()
}

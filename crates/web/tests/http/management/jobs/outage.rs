//! Databases that are away, that lose answers, that are full; nodes that die; and others who do the same at the same time.

use std::time::Duration;

use serde_json::{Value, json};
use vestibule_testkit::{Conditions, Proxy, TestServer, on_each_engine, postgres};

use super::{JOB, SECRET, export, import, ndjson, record, with_roles};
use crate::instance::{Instance, refused};

const USERS: usize = 230;
/// Bytes of a page of SQLite.
const PAGE: u64 = 2048;
const BOUNDARY: &str = "----form";

/// A node that reaches its PostgreSQL by way of a proxy, and one that reaches it always, with the same clock.
async fn nodes(conditions: Conditions) -> Option<(TestServer, Proxy, TestServer)> {
    let url = postgres::test_database_url()?;
    let steady = TestServer::at(url.clone(), Conditions::small()).await;
    let proxy = Proxy::to(&url).await;
    let shaky = steady.another_node_at(&proxy.url, conditions).await;
    Some((steady, proxy, shaky))
}

async fn filled(server: &TestServer) -> Instance<'_> {
    let at = with_roles(server, "source").await;
    import(&at, "", ndjson((0..USERS).map(record)))
        .await
        .expect(200);
    at
}

/// Starts a job; its path.
pub async fn start(at: &Instance<'_>, what: &str, body: Vec<u8>) -> String {
    let answer = match what {
        "cloud_directory/import/all" => {
            let field = |name: &str| {
                format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n")
            };
            let (secret, file) = (field("encryptionSecret"), field("file"));
            let mut form = format!("{secret}{SECRET}\r\n{file}").into_bytes();
            form.extend(body);
            form.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
            at.request("post", what)
                .header(
                    "Content-Type",
                    format!("multipart/form-data; boundary={BOUNDARY}"),
                )
                .body(form)
                .send()
                .await
        }
        "bundle/import" => {
            at.request("post", what)
                .header("X-Vestibule-Encryption-Secret", SECRET)
                .body(body)
                .send()
                .await
        }
        _ => at.post(what, json!({"encryptionSecret": SECRET})).await,
    };
    let id = answer.expect(202).json()["id"].as_str().unwrap().to_owned();
    format!("jobs/{id}")
}

/// Lets a node work on a job until it has ended, however often it cannot go on. `meanwhile` happens beside it.
async fn work_until_ended(at: &Instance<'_>, node: &TestServer, path: &str) -> Value {
    for _ in 0..1500 {
        // It may be as little able to look for jobs as to do them.
        drop(node.engine.work_on_a_job().await);
        let job = at.get(path).await;
        if job["ended"].is_string() {
            return job;
        }
        // So that somebody may take it from whoever died with it.
        node.clock.advance_seconds(2);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the job does not end: {}", at.get(path).await);
}

async fn file(at: &Instance<'_>, path: &str) -> Vec<u8> {
    let download = format!("{path}/download");
    at.request("get", &download).send().await.expect(200).body
}

pub async fn digest(at: &Instance<'_>) -> Value {
    export(at, "").await.1["digest"].clone()
}

/// Makes a file, imports it elsewhere, and does something to the database while a job is at work: all is there afterwards, once.
async fn moves_survive(conditions: Conditions, disturb: impl AsyncFn(&Proxy, &Instance<'_>, &str)) {
    let Some((steady, proxy, shaky)) = nodes(conditions).await else {
        return;
    };
    let source = filled(&steady).await;
    let expected = digest(&source).await;
    for (out, back) in [
        ("cloud_directory/export/all", "cloud_directory/import/all"),
        ("bundle/export", "bundle/import"),
    ] {
        let made = start(&source, out, Vec::new()).await;
        let (job, ()) = tokio::join!(
            work_until_ended(&source, &shaky, &made),
            disturb(&proxy, &source, &made)
        );
        assert_eq!(
            (&job["state"], &job["counts"]["added"]),
            (&json!("succeeded"), &json!(USERS)),
            "{job}"
        );
        let file = file(&source, &made).await;
        assert_eq!(job["bytes"], json!(file.len()), "{job}");
        let target = with_roles(&steady, back).await;
        let taken = start(&target, back, file).await;
        let (job, ()) = tokio::join!(
            work_until_ended(&target, &shaky, &taken),
            disturb(&proxy, &target, &taken)
        );
        assert_eq!(job["state"], "succeeded", "{job}");
        assert_eq!(
            (&job["counts"]["added"], &job["counts"]["failed"]),
            (&json!(USERS), &json!(0)),
            "{job}"
        );
        assert_eq!(digest(&target).await, expected, "{back}");
    }
}

async fn ended(at: &Instance<'_>, path: &str) -> bool {
    at.get(path).await["ended"].is_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_whose_answers_are_lost_are_done_once() {
    let mut conditions = Conditions::small();
    conditions.pace.patience = Duration::from_secs(10);
    moves_survive(conditions, async |proxy, at, path| {
        for _ in 0..10 {
            if ended(at, path).await {
                break;
            }
            if proxy.to_lose() == 0 {
                proxy.lose_answers(1);
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        proxy.lose_none();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_wait_for_a_database_that_is_away() {
    // For longer than any sender may be silent.
    let mut conditions = Conditions::small();
    conditions.pace.silence = Duration::from_millis(50);
    conditions.pace.patience = Duration::from_secs(20);
    moves_survive(conditions, async |proxy, at, path| {
        while at.get(path).await["state"] == "queued" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(300)).await;
        proxy.restore();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_go_on_after_a_database_was_away_for_long() {
    let mut conditions = Conditions::small();
    conditions.pace.patience = Duration::from_millis(50);
    moves_survive(conditions, async |proxy, at, path| {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(30)).await;
            proxy.cut();
            tokio::time::sleep(Duration::from_millis(200)).await;
            proxy.restore();
            if ended(at, path).await {
                return;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_goes_on_after_the_database_was_away() {
    let Some((steady, proxy, shaky)) = nodes(Conditions::small()).await else {
        return;
    };
    let (source, target) = (filled(&steady).await, with_roles(&steady, "target").await);
    let sender = Instance {
        server: &shaky,
        guid: target.guid.clone(),
        token: target.token.clone(),
    };
    let text = ndjson((0..USERS).map(record));
    let query = format!("job={JOB}");
    let mut tries = 0;
    let job = loop {
        let (answer, ()) = tokio::join!(import(&sender, &query, text.clone()), async {
            if tries == 0 {
                while target
                    .request("get", &format!("jobs/{JOB}"))
                    .send()
                    .await
                    .status
                    != 200
                {}
                proxy.cut();
                tokio::time::sleep(Duration::from_millis(600)).await;
                proxy.restore();
            }
        });
        tries += 1;
        if answer.status == 200 {
            break answer.json();
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(tries < 20);
    };
    assert_eq!(
        (
            &job["state"],
            &job["counts"]["added"],
            &job["counts"]["failed"]
        ),
        (&json!("succeeded"), &json!(USERS), &json!(0)),
        "{job}"
    );
    assert_eq!(digest(&target).await, digest(&source).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_waited_out() {
    let mut server = TestServer::sqlite_with(Conditions::small()).await;
    let expected = digest(&filled(&server).await).await;
    server = TestServer::sqlite_with(Conditions::small()).await;
    let (guid, token) = {
        let at = with_roles(&server, "target").await;
        (at.guid.clone(), at.token.clone())
    };
    // Written back as a whole when it is closed, so that its size is known.
    let path = server.database_url.trim_start_matches("sqlite:").to_owned();
    server = server.restart(Conditions::small()).await;
    let pages = std::fs::metadata(path).unwrap().len() / PAGE;
    let mut full = Conditions::small();
    full.most_pages = Some(u32::try_from(pages).unwrap() + 120);
    server = server.restart(full).await;
    let text = ndjson((0..USERS).map(record));
    let stored = {
        let at = Instance {
            server: &server,
            guid: guid.clone(),
            token: token.clone(),
        };
        // The file finds its place, but not all of its users do.
        let path = start(&at, "cloud_directory/import/all", text.clone().into_bytes()).await;
        assert!(server.engine.work_on_a_job().await.unwrap());
        let job = at.get(&path).await;
        let done = job["counts"]["done"].as_u64().unwrap();
        assert!(done > 0 && done < USERS as u64, "{job}");
        assert_eq!(export(&at, "").await.0.len() as u64, done, "{job}");
        refused(
            import(&at, &format!("job={JOB}"), text.clone()).await,
            503,
            "STORAGE_FULL",
        );
        path
    };
    server = server.restart(Conditions::small()).await;
    let at = Instance {
        server: &server,
        guid,
        token,
    };
    let job = work_until_ended(&at, &server, &stored).await;
    assert_eq!(
        (
            &job["state"],
            &job["counts"]["added"],
            &job["counts"]["failed"]
        ),
        (&json!("succeeded"), &json!(USERS), &json!(0)),
        "{job}"
    );
    assert_eq!(digest(&at).await, expected);
}

on_each_engine! {
    async fn two_imports_of_the_same_users_make_them_once(server) {
        let server = server.restart(Conditions::small()).await;
        let expected = digest(&filled(&server).await).await;
        for policy in ["skip", "fail"] {
            let target = with_roles(&server, policy).await;
            let query = format!("on_conflict={policy}");
            let text = ndjson((0..USERS).map(record));
            let (one, other) = tokio::join!(import(&target, &query, text.clone()), import(&target, &query, text.clone()));
            let (one, other) = (one.expect(200).json(), other.expect(200).json());
            let sum = |name: &str| one["counts"][name].as_u64().unwrap() + other["counts"][name].as_u64().unwrap();
            assert_eq!((&one["state"], &other["state"]), (&json!("succeeded"), &json!("succeeded")));
            assert_eq!(sum("added"), USERS as u64, "{one} {other}");
            assert_eq!(sum("skipped") + sum("failed"), USERS as u64, "{one} {other}");
            assert_eq!(digest(&target).await, expected);
        }
    }
}

//! `kill -9` in the middle of imports and sign-ins. Afterwards everything that was acknowledged is there, and nobody is half there.

use std::{collections::HashSet, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::process::{Administrator, Service, text};

const ROUNDS: u64 = 50;
const CHUNK: u64 = 20;
/// Salted SHA-512 of [`PASSWORD`]: cheap to verify, so that many sign-ins fit into a round.
const HASH: &str = "{SSHA512}on1RX5e0hrIm7Gx2wAMTdqlGiNHXdZsJEVcB39oGzHchpQaNDAva0PCALewepx9Ghf1vBFK38f7/tdfVPCylemNyYXNoLXRlc3Qtc2FsdDE=";
const PASSWORD: &str = "kill -9 is not the end";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    survive(folder.path(), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_survives_kill_9() {
    let Some(url) = vestibule_testkit::postgres::test_database_url() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    survive(folder.path(), &["--database-url", &url]).await;
}

/// What the service has acknowledged.
#[derive(Default)]
struct Acknowledged {
    /// Users of answered imports.
    users: HashSet<u64>,
    /// The newest refresh token of an answered sign-in.
    refresh: Option<String>,
}

async fn survive(data: &Path, arguments: &[&str]) {
    let mut service = Service::start(data, arguments);
    let mut imported = 0;
    for round in 0..ROUNDS {
        let administrator = Administrator::sign_in(&service.url).await;
        let (guid, client, secret) = administrator.stage().await;
        let basic = format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")));
        let mut acknowledged = Acknowledged::default();
        acknowledged.users.extend(
            import_chunk(&administrator, &guid, 0)
                .await
                .expect("an answer"),
        );
        // Spread over the first third of a second, differently every round.
        let life = Duration::from_millis(20 + round * 37 % 300);
        let work = tokio::spawn(import(administrator, guid.clone()));
        let people = tokio::spawn(sign_in(service.url.clone(), guid.clone(), basic.clone()));
        tokio::time::sleep(life).await;
        service.kill();
        acknowledged.users.extend(work.await.unwrap());
        acknowledged.refresh = people.await.unwrap();
        imported += acknowledged.users.len();
        service = Service::start(data, arguments);
        check(&service.url, &guid, &basic, acknowledged).await;
    }
    assert!(imported > 2000, "the rounds imported something: {imported}");
    assert_eq!(service.stop(), Some(0));
}

/// Imports chunk after chunk until the service goes away; answers whom it acknowledged.
async fn import(administrator: Administrator, guid: String) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    let mut first = CHUNK;
    while let Some(chunk) = import_chunk(&administrator, &guid, first).await {
        acknowledged.extend(chunk);
        first += CHUNK;
    }
    acknowledged
}

/// Imports some users; `None` when the service went away before it answered.
async fn import_chunk(administrator: &Administrator, guid: &str, first: u64) -> Option<Vec<u64>> {
    let chunk: Vec<u64> = (first..first + CHUNK).collect();
    let body = json!({ "users": chunk.iter().map(|n| user(*n)).collect::<Vec<_>>() });
    let path = format!("/management/v4/{guid}/cloud_directory/import");
    let (status, answer) = administrator.call("POST", &path, Some(&body)).await?;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["added"], CHUNK, "{answer}");
    Some(chunk)
}

/// Signs users in until the service goes away; answers the last refresh token that was acknowledged.
async fn sign_in(url: String, guid: String, basic: String) -> Option<String> {
    let http = reqwest::Client::new();
    let mut newest = None;
    for n in 0..CHUNK {
        let answer = http
            .post(format!("{url}/oauth/v4/{guid}/token"))
            .header("Authorization", &basic)
            .form(&[
                ("grant_type", "password"),
                ("username", &email(n)),
                ("password", PASSWORD),
            ])
            .send()
            .await;
        let Ok(answer) = answer else { break };
        let status = answer.status().as_u16();
        let Ok(body) = answer.json::<Value>().await else {
            break;
        };
        assert_eq!(status, 200, "{body}");
        newest = Some(text(&body, "refresh_token"));
    }
    newest
}

async fn check(url: &str, guid: &str, basic: &str, acknowledged: Acknowledged) {
    let administrator = Administrator::sign_in(url).await;
    let mut found = HashSet::new();
    loop {
        let path = format!(
            "/management/v4/{guid}/cloud_directory/export?startIndex={}&count=50",
            found.len()
        );
        let (status, page) = administrator
            .call("GET", &path, None)
            .await
            .expect("an answer");
        assert_eq!(status, 200, "{page}");
        let users = page["users"].as_array().expect("users");
        for user in users {
            let n = user["profile"]["attributes"]["n"]
                .as_u64()
                .unwrap_or_else(|| panic!("half a user: {user}"));
            assert_eq!(user["scimUser"]["emails"][0]["value"], email(n), "{user}");
            assert!(!text(user, "passwordHash").is_empty(), "{user}");
            assert!(found.insert(n), "user {n} is there twice");
        }
        if users.is_empty() {
            break;
        }
    }
    let lost: Vec<_> = acknowledged.users.difference(&found).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    // A directory user has one profile, and there is no profile without its user.
    let path = format!("/management/v4/{guid}/users?count=1");
    let (status, page) = administrator
        .call("GET", &path, None)
        .await
        .expect("an answer");
    assert_eq!(status, 200, "{page}");
    assert_eq!(page["totalResults"], found.len(), "half a user: {page}");
    // The first were signing in when the program died: the hash they came with, or its replacement, is whole.
    for n in 0..2 {
        let answer = reqwest::Client::new()
            .post(format!("{url}/oauth/v4/{guid}/token"))
            .header("Authorization", basic)
            .form(&[
                ("grant_type", "password"),
                ("username", &email(n)),
                ("password", PASSWORD),
            ])
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status().as_u16(), 200, "user {n} cannot sign in");
    }
    if let Some(token) = acknowledged.refresh {
        let answer = reqwest::Client::new()
            .post(format!("{url}/oauth/v4/{guid}/token"))
            .header("Authorization", basic)
            .form(&[("grant_type", "refresh_token"), ("refresh_token", &token)])
            .send()
            .await
            .expect("an answer");
        assert_eq!(
            answer.status().as_u16(),
            200,
            "an acknowledged sign-in was lost"
        );
    }
}

fn user(n: u64) -> Value {
    json!({
        "scimUser": {
            "originalId": format!("old-{n}"),
            "emails": [{"value": email(n), "primary": true}],
            "active": true,
            "status": "CONFIRMED",
        },
        "passwordHash": HASH,
        "passwordHashAlg": "SSHA512",
        "profile": {"attributes": {"n": n}},
        "roles": [],
    })
}

fn email(n: u64) -> String {
    format!("user{n}@crash.example")
}

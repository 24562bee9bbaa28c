//! Whoever is divided by predicates, moved in parts, and interrupted anywhere, adds up to the whole.

use std::{collections::BTreeSet, time::Duration};

use proptest::{
    collection::{btree_set, vec},
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use vestibule_crypto::content_digest::ContentDigest;
use vestibule_testkit::{Conditions, TestServer};

use super::{
    export, import, ndjson,
    outage::{digest, start},
    record, with_roles,
};
use crate::instance::Instance;

/// What people are divided by.
const PREDICATES: [&str; 5] = [
    "attributes.number < 100",
    "\"adult\" in roles",
    "attributes.number >= 250 && attributes.number < 300",
    "true",
    "attributes.nothing == 1",
];

/// What a case consists of.
#[derive(Debug, Clone)]
struct Case {
    people: BTreeSet<usize>,
    predicates: Vec<&'static str>,
    /// How many more records are dealt with before each of some crashes.
    crashes: Vec<u64>,
    batch: usize,
}

fn cases() -> impl Strategy<Value = Case> {
    let people = btree_set(0_usize..400, 0..50);
    let predicates = vec(select(&PREDICATES[..]), 0..4);
    (people, predicates, vec(0_u64..25, 0..5), 1_usize..9).prop_map(
        |(people, predicates, crashes, batch)| Case {
            people,
            predicates,
            crashes,
            batch,
        },
    )
}

#[test]
fn parts_that_were_interrupted_anywhere_add_up() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: 6,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&cases(), |case| {
            runtime.block_on(adds_up(case));
            Ok(())
        })
        .unwrap();
}

async fn adds_up(case: Case) {
    let mut conditions = Conditions::small();
    conditions.pace.batch = case.batch;
    conditions.pace.page = case.batch;
    let mut server = TestServer::sqlite_with(conditions).await;
    let (whole, parts, guid, token) = {
        let (source, target) = (
            with_roles(&server, "source").await,
            with_roles(&server, "target").await,
        );
        import(&source, "", ndjson(case.people.iter().copied().map(record)))
            .await
            .expect(200);
        let whole = digest(&source).await;
        let mut query = String::new();
        for predicate in &case.predicates {
            let escaped: String = predicate
                .bytes()
                .map(|byte| format!("%{byte:02X}"))
                .collect();
            query.push_str(&format!("&where={escaped}"));
        }
        let mut sum = ContentDigest::EMPTY;
        let mut parts: Vec<Vec<Value>> = Vec::new();
        for part in 0..=case.predicates.len() {
            let part = if case.predicates.is_empty() {
                String::new()
            } else {
                format!("{query}&part={part}")
            };
            let (users, summary) = export(&source, &part).await;
            sum.combine(&ContentDigest::parse(summary["digest"].as_str().unwrap()).unwrap());
            parts.push(users);
        }
        assert_eq!(json!(sum.to_string()), whole);
        let sizes: usize = parts.iter().map(Vec::len).sum();
        assert_eq!(sizes, case.people.len());
        (whole, parts, target.guid.clone(), target.token.clone())
    };
    let mut crashes = case.crashes.into_iter();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let users = part.len();
        let mut path = None;
        let job = loop {
            let at = Instance {
                server: &server,
                guid: guid.clone(),
                token: token.clone(),
            };
            let path = match &path {
                Some(path) => path,
                None => {
                    let text = ndjson(part.clone()).into_bytes();
                    path.insert(start(&at, "cloud_directory/import/all", text).await)
                }
            };
            let Some(crash) = crashes.next() else {
                while server.engine.work_on_a_job().await.expect("a worker") {}
                break at.get(path).await;
            };
            let job = at.get(path).await;
            let until = job["counts"]["done"].as_u64().unwrap() + crash;
            let work = server.engine.work_on_a_job();
            tokio::select! {
                worked = work => { worked.expect("a worker"); }
                () = async {
                    while at.get(path).await["counts"]["done"].as_u64().unwrap() < until {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                } => {}
            }
            server.clock.advance_seconds(2);
            server = server.restart(conditions).await;
        };
        assert_eq!(
            (&job["state"], &job["counts"]["added"]),
            (&json!("succeeded"), &json!(users)),
            "{job}"
        );
    }
    let at = Instance {
        server: &server,
        guid,
        token,
    };
    assert_eq!(digest(&at).await, whole);
}

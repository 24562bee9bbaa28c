//! Jobs, streams and bundles (docs/api/jobs.md).

mod boundaries;
mod bundles;
mod honest;
mod large;
mod ledger;
mod lost;
mod outage;
mod parts;
mod patience;
mod resumed;
mod streams;
mod updated;

use serde_json::{Value, json};
use vestibule_bundle::{BundleWriter, Person, Source};
use vestibule_crypto::random::SystemRandom;
use vestibule_model::{id::TenantId, time::Timestamp};
use vestibule_testkit::TestResponse;

use crate::instance::Instance;

pub const SECRET: &str = "sesame, and a little more";
pub const JOB: &str = "0191f3d0-0000-4000-8000-00000000cafe";

/// A directory record that is the same for the same number.
fn record(number: usize) -> Value {
    json!({
        "scimUser": {
            "originalId": format!("old-{number}"), "displayName": format!("Person {number}"),
            "emails": [{"value": format!("p{number}@example.org"), "primary": true}],
            "userName": format!("person{number}"), "status": if number.is_multiple_of(3) {"PENDING"} else {"CONFIRMED"},
            "active": !number.is_multiple_of(7),
            "meta": {"created": "2024-03-01T10:00:00.000Z", "lastModified": "2025-03-01T10:00:00.000Z"},
        },
        "passwordHash": "$2b$04$abcdefghijklmnopqrstuuZ.2BwMNdF1axR8iGGzqP8yI.hhN0FWa", "passwordHashAlg": "bcrypt",
        "profile": {"attributes": {"number": number, "text": "t\u{e9}\u{1f600}\"\\"}},
        "roles": if number.is_multiple_of(2) { json!(["reader", "adult"]) } else { json!([]) },
    })
}

fn ndjson(records: impl IntoIterator<Item = Value>) -> String {
    records
        .into_iter()
        .map(|record| format!("{record}\n"))
        .collect()
}

async fn with_roles<'a>(server: &'a vestibule_testkit::TestServer, name: &str) -> Instance<'a> {
    let instance = Instance::new(server, name).await;
    let app = instance.application("app", &["read"]).await;
    for role in ["reader", "adult"] {
        let access = json!([{"application_id": app, "scopes": ["read"]}]);
        instance.role(role, access).await;
    }
    instance
}

/// Sends a body to an import by stream.
async fn import(at: &Instance<'_>, query: &str, body: impl Into<Vec<u8>>) -> TestResponse {
    let path = format!("cloud_directory/import/stream?{query}");
    at.request("post", &path)
        .header("X-Vestibule-Encryption-Secret", SECRET)
        .body(body)
        .send()
        .await
}

/// The lines of an export by stream, and the summary behind them.
async fn export(at: &Instance<'_>, query: &str) -> (Vec<Value>, Value) {
    let path = format!("cloud_directory/export/stream?summary=true{query}");
    let answer = at
        .request("get", &path)
        .header("X-Vestibule-Encryption-Secret", SECRET)
        .send()
        .await
        .expect(200);
    let mut lines: Vec<Value> = lines(&answer.text());
    let summary = lines.pop().expect("a summary")["summary"].clone();
    assert_eq!(summary["users"], json!(lines.len()));
    (lines, summary)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// What the report of a job says: number, outcome and code of each line.
async fn report(at: &Instance<'_>, job: &Value) -> Vec<(u64, String, String)> {
    let path = format!("jobs/{}/report", job["id"].as_str().expect("an id"));
    let text = at.request("get", &path).send().await.expect(200).text();
    lines(&text)
        .iter()
        .map(|line| {
            let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            (
                line["index"].as_u64().expect("an index"),
                word("outcome"),
                word("code"),
            )
        })
        .collect()
}

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

/// Imports a bundle; the job when it has ended.
async fn import_bundle(at: &Instance<'_>, query: &str, secret: &str, file: Vec<u8>) -> Value {
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

/// Lets a worker go on with jobs until none waits.
async fn work(at: &Instance<'_>) {
    while at.server.engine.work_on_a_job().await.expect("a worker") {}
}

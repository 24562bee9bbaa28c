//! `/v1/outbox`: the mails kept on this machine.

use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule_engine::mail::{Mail, Outbox, Sender};
use vestibule_model::{email::EmailAddress, privilege::ServiceRole};
use vestibule_testkit::TestServer;

async fn server(folder: &TempDir) -> TestServer {
    let from = Sender::parse("no-reply@example.com").unwrap();
    let outbox = Outbox::new(folder.path().join("outbox"), from);
    TestServer::with_mailer(Box::new(outbox)).await
}

async fn send(server: &TestServer, subject: &str) {
    server.engine.send_mail(Mail {
        to: EmailAddress::parse("ada@example.com").unwrap(),
        subject: subject.to_owned(),
        text: format!("About {subject}\n"),
        html: Some(format!("<p>About {subject}</p>")),
    });
    server.engine.settle_mail().await;
}

async fn get(server: &TestServer, path: &str, status: u16) -> Value {
    let token = server.admin_token().await;
    server
        .get(path)
        .bearer(&token)
        .send()
        .await
        .expect(status)
        .json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_are_listed_in_pages_newest_first_and_read() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder).await;
    let empty = get(&server, "/v1/outbox", 200).await;
    assert_eq!(
        empty,
        json!({"delivery": "outbox", "next_url": null, "messages": []})
    );
    for subject in ["one", "two", "three – ü"] {
        send(&server, subject).await;
        server.clock.advance_seconds(1);
    }
    let first = get(&server, "/v1/outbox?limit=2", 200).await;
    let subjects = |page: &Value| -> Vec<String> {
        let rows = page["messages"].as_array().unwrap();
        rows.iter()
            .map(|row| row["subject"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(subjects(&first), ["three – ü", "two"]);
    assert_eq!(first["messages"][0]["to"], "ada@example.com");
    assert_eq!(first["messages"][0]["date"], "2026-11-23T20:58:02.000Z");
    let second = get(&server, first["next_url"].as_str().unwrap(), 200).await;
    assert_eq!(subjects(&second), ["one"]);
    assert_eq!(second["next_url"], Value::Null);

    let id = first["messages"][0]["id"].as_str().unwrap();
    let mail = get(&server, &format!("/v1/outbox/{id}"), 200).await;
    assert_eq!(mail["subject"], "three – ü");
    assert_eq!(mail["text"].as_str().unwrap().trim_end(), "About three – ü");
    assert_eq!(
        mail["html"].as_str().unwrap().trim_end(),
        "<p>About three – ü</p>"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_mails_can_be_read() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder).await;
    send(&server, "one").await;
    std::fs::write(
        folder.path().join("secret.eml"),
        "Subject: secret\n\nsecret\n",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("outbox/secret.eml"),
        "Subject: secret\n\nsecret\n",
    )
    .unwrap();
    for id in [
        "secret",
        "secret.eml",
        "..",
        "..%2Fsecret",
        "%2E%2E%2Fsecret.eml",
        "%2Fetc%2Fpasswd",
        "20261123T205800000Z-000000-..%2F..%2F..%2F..secret",
        "20261123T205800000Z-000000-0000000000000000%00",
        "20261123T205800000Z-000000-0000000000000000",
    ] {
        let error = get(&server, &format!("/v1/outbox/{id}"), 404).await;
        assert!(!error.to_string().contains("secret\n"), "{id}: {error}");
    }
    let listed = get(&server, "/v1/outbox", 200).await;
    assert_eq!(listed["messages"].as_array().unwrap().len(), 1);
    get(&server, "/v1/outbox?start=..%2Fsecret", 400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_administrators_may_look() {
    let folder = TempDir::new().unwrap();
    let server = server(&folder).await;
    send(&server, "one").await;
    let listed = get(&server, "/v1/outbox", 200).await;
    let one = format!(
        "/v1/outbox/{}",
        listed["messages"][0]["id"].as_str().unwrap()
    );
    let guid = server.create_instance("one").await;
    let manager = server.token_with_role(&guid, ServiceRole::Manager).await;
    for path in ["/v1/outbox", &one, "/v1/outbox/nothing"] {
        server.get(path).send().await.expect(401);
        server.get(path).bearer(&manager).send().await.expect(403);
    }
    for role in ["Viewer", "Operator", "Editor"] {
        let token = token_of(&server, role).await;
        for path in ["/v1/outbox", &one] {
            server.get(path).bearer(&token).send().await.expect(403);
        }
    }
    let token = token_of(&server, "Administrator").await;
    server.get(&one).bearer(&token).send().await.expect(200);
}

/// A token of a service ID with this platform role over the account.
async fn token_of(server: &TestServer, role: &str) -> String {
    let admin = server.admin_token().await;
    let post = |path: &str, body: Value| server.post(path).bearer(&admin).json(&body).send();
    let account = server
        .get("/v1/apikeys")
        .bearer(&admin)
        .send()
        .await
        .expect(200)
        .json();
    let account = account["apikeys"][0]["account_id"].as_str().unwrap();
    let made = post(
        "/v1/serviceids",
        json!({"name": role, "account_id": account}),
    )
    .await;
    let iam_id = made.expect(201).json()["iam_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let policy = json!({
        "type": "access",
        "subjects": [{"attributes": [{"name": "iam_id", "value": iam_id}]}],
        "roles": [{"role_id": format!("crn:v1:bluemix:public:iam::::role:{role}")}],
        "resources": [{"attributes": [{"name": "accountId", "value": account}]}],
    });
    post("/v1/policies", policy).await.expect(201);
    let key = post("/v1/apikeys", json!({"name": role, "iam_id": iam_id})).await;
    let key = key.expect(201).json()["apikey"]
        .as_str()
        .unwrap()
        .to_owned();
    server.token_for(&key).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_mail_server_nothing_is_kept() {
    let server = TestServer::sqlite().await;
    send(&server, "one").await;
    assert_eq!(server.sent.to("ada@example.com").len(), 1);
    let listed = get(&server, "/v1/outbox", 200).await;
    assert_eq!(
        listed,
        json!({"delivery": "smtp", "next_url": null, "messages": []})
    );
    get(
        &server,
        "/v1/outbox/20261123T205800000Z-000000-0000000000000000",
        404,
    )
    .await;
}

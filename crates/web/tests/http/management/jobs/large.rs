//! App ID's large calls.

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use super::{SECRET, export, import, ndjson, record, with_roles, work};
use crate::instance::{Instance, refused};

const BOUNDARY: &str = "----form";

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in parts {
        let file = if *name == "file" {
            "; filename=\"users.json\""
        } else {
            ""
        };
        body.extend_from_slice(
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

async fn upload(at: &Instance<'_>, body: Vec<u8>) -> vestibule_testkit::TestResponse {
    at.request("post", "cloud_directory/import/all")
        .header(
            "Content-Type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(body)
        .send()
        .await
}

async fn status(at: &Instance<'_>, which: &str, id: &str) -> Value {
    at.get(&format!("cloud_directory/{which}/status?id={id}"))
        .await
}

on_each_engine! {
    async fn everybody_goes_through_a_file(server) {
        let (source, target) = (with_roles(&server, "source").await, with_roles(&server, "target").await);
        import(&source, "", ndjson((0..2300).map(record))).await.expect(200);
        let started = source
            .post("cloud_directory/export/all", json!({"encryptionSecret": SECRET, "emailAddress": "ops@example.org", "expires": 3}))
            .await
            .expect(202)
            .json();
        let id = started["id"].as_str().unwrap();
        assert_eq!(status(&source, "export", id).await["status"], "IN_PROGRESS");
        refused(source.request("get", &format!("cloud_directory/export/download?id={id}")).send().await, 409, "NOT_READY");
        work(&source).await;
        let done = status(&source, "export", id).await;
        assert_eq!((&done["status"], &done["done"], &done["total"]), (&json!("COMPLETED"), &json!(2300), &json!(2300)), "{done}");
        let file = source.request("get", &format!("cloud_directory/export/download?id={id}")).send().await.expect(200);
        let users: Vec<Value> = serde_json::from_slice(&file.body).expect("an array");
        assert_eq!(users.len(), 2300);
        server.engine.settle_mail().await;
        let told = server.sent.to("ops@example.org");
        assert_eq!(told.len(), 1);
        assert!(told[0].mail.text.contains(id), "{}", told[0].mail.text);
        assert!(!told[0].mail.text.contains(SECRET));
        // Its digest is that of the stream, and its file is there for three days.
        let job = source.get(&format!("jobs/{id}")).await;
        let (_, summary) = export(&source, "").await;
        assert_eq!((&job["digest"], 2300), (&summary["digest"], summary["users"].as_u64().unwrap()), "{job} {summary}");
        assert!(job["warnings"].to_string().contains("profile ids"), "{job}");
        // The other way round, fields in any order.
        let body = form(&[("encryptionSecret", SECRET.as_bytes()), ("file", &file.body), ("emailAddress", b"ops@example.org")]);
        let started = upload(&target, body).await.expect(202).json();
        let import_id = started["id"].as_str().unwrap();
        work(&target).await;
        let done = status(&target, "import", import_id).await;
        assert_eq!((&done["status"], &done["added"], &done["failed"]), (&json!("COMPLETED"), &json!(2300), &json!(0)), "{done}");
        assert_eq!(export(&target, "").await.1["digest"], job["digest"]);
        // A deleted file is gone, and so is one whose time is over.
        source.delete(&format!("cloud_directory/export/download?id={id}")).await.expect(204);
        refused(source.request("get", &format!("cloud_directory/export/download?id={id}")).send().await, 404, "NOT_FOUND");
        server.clock.advance_seconds(8 * 24 * 3600);
        server.engine.tidy_jobs().await.expect("tidied");
        let path = format!("/management/v4/{}/cloud_directory/import/status?id={import_id}", target.guid);
        let token = server.admin_token().await;
        refused(server.get(&path).bearer(&token).send().await, 404, "NOT_FOUND");
    }

    async fn an_export_of_nobody_is_an_empty_array(server) {
        let at = with_roles(&server, "one").await;
        let started = at.post("cloud_directory/export/all", json!({"encryptionSecret": SECRET})).await.expect(202).json();
        work(&at).await;
        let path = format!("cloud_directory/export/download?id={}", started["id"].as_str().unwrap());
        let file = at.request("get", &path).send().await.expect(200);
        assert_eq!(file.json(), json!([]));
    }

    async fn uploads_that_cannot_be_used_leave_nothing(server) {
        let at = with_roles(&server, "one").await;
        let file = ndjson((0..3).map(record));
        refused(upload(&at, form(&[("file", file.as_bytes())])).await, 400, "INVALID_REQUEST");
        refused(upload(&at, form(&[("encryptionSecret", b"x")])).await, 400, "INVALID_REQUEST");
        refused(upload(&at, form(&[("encryptionSecret", b"x"), ("file", b"[]"), ("emailAddress", b"nobody")])).await, 400, "INVALID_REQUEST");
        let cut = form(&[("encryptionSecret", b"x"), ("file", file.as_bytes())]);
        refused(upload(&at, cut[..cut.len() - 30].to_vec()).await, 400, "INVALID_REQUEST");
        refused(at.post("cloud_directory/export/all", json!({"encryptionSecret": ""})).await, 400, "INVALID_REQUEST");
        refused(at.post("cloud_directory/export/all", json!({"encryptionSecret": "x", "expires": 31})).await, 400, "INVALID_REQUEST");
        assert_eq!(at.get("jobs").await["jobs"], json!([]));
    }

    async fn a_wrong_secret_ends_the_job_and_says_so(server) {
        let (source, target) = (with_roles(&server, "source").await, with_roles(&server, "target").await);
        import(&source, "", ndjson((0..5).map(record))).await.expect(200);
        let (users, _) = export(&source, "").await;
        let body = form(&[("file", ndjson(users).as_bytes()), ("encryptionSecret", b"another")]);
        let id = upload(&target, body).await.expect(202).json()["id"].as_str().unwrap().to_owned();
        work(&target).await;
        let job = target.get(&format!("jobs/{id}")).await;
        assert_eq!((&job["state"], &job["error"]["code"]), (&json!("failed"), &json!("WRONG_SECRET")), "{job}");
        assert_eq!(status(&target, "import", &id).await["status"], "FAILED");
        assert_eq!(export(&target, "").await.0.len(), 0);
    }
}

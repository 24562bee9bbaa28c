//! Nothing that was sent is left out in silence: by decompression, by a database that forgot, or under the id of something else.

use std::{io::Write, time::Duration};

use axum::body::Body;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use vestibule_store::{Db, DbOptions};
use vestibule_testkit::{Conditions, TestServer, on_each_engine};

use super::{JOB, SECRET, export, import, import_bundle, ndjson, record, with_roles, work};
use crate::instance::{Instance, refused};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

on_each_engine! {
    async fn all_members_of_a_packed_body_count(server) {
        let at = with_roles(&server, "one").await;
        let texts: Vec<String> = (0..3).map(|n| ndjson((n * 2..n * 2 + 2).map(record))).collect();
        let send = |query: &str, encoding: &str, body: Vec<u8>| {
            let path = format!("cloud_directory/import/stream?on_conflict=skip&{query}");
            at.request("post", &path).header("X-Vestibule-Encryption-Secret", SECRET).header("Content-Encoding", encoding).body(body).send()
        };
        let members: Vec<u8> = texts.iter().flat_map(|text| gzip(text.as_bytes())).collect();
        let frames: Vec<u8> = texts.iter().flat_map(|text| zstd::encode_all(text.as_bytes(), 1).unwrap()).collect();
        for (encoding, body) in [("gzip", &members), ("GZIP", &members), ("x-gzip", &members), ("zstd", &frames)] {
            let job = send("", encoding, body.clone()).await.expect(200).json();
            assert_eq!((&job["state"], &job["counts"]["done"], &job["counts"]["failed"]), (&json!("succeeded"), &json!(6), &json!(0)), "{encoding}: {job}");
            // What stands behind the last one, or is missing of it, is not passed over.
            let (mut more, mut less) = (body.clone(), body.clone());
            more.extend_from_slice(b"and more");
            less.truncate(body.len() - 3);
            for broken in [more, less] {
                let job = send("", encoding, broken).await.expect(200).json();
                assert_eq!(job["state"], "paused", "{encoding}: {job}");
            }
        }
        for encoding in ["br", "gzip, zstd", "gzip, gzip"] {
            let answer = send("", encoding, members.clone()).await.expect(415);
            assert_eq!(answer.header("accept-encoding"), "gzip, zstd");
            assert_eq!(answer.json()["error_code"], "INVALID_REQUEST", "{}", answer.text());
        }
        // Far more repetition than people are.
        let mut long = record(9);
        long["profile"]["attributes"]["long"] = "a".repeat(60_000).into();
        let text = ndjson([long]).repeat(250).into_bytes();
        let job = send(&format!("job={JOB}"), "zstd", zstd::encode_all(text.as_slice(), 19).unwrap()).await.json();
        assert_eq!(job["state"], "paused", "{job}");
        assert!(job["warnings"][0].as_str().unwrap().contains("1032 times its size"), "{job}");
    }

    async fn a_cursor_in_capitals_is_the_same_cursor(server) {
        let at = with_roles(&server, "one").await;
        import(&at, "", ndjson((0..20).map(record))).await.expect(200);
        let (all, _) = export(&at, "").await;
        let id = all[9]["scimUser"]["originalId"].as_str().unwrap();
        for after in [id.to_owned(), id.to_uppercase()] {
            let (rest, _) = export(&at, &format!("&after={after}")).await;
            assert_eq!(rest.len(), 10, "{after}");
        }
    }

    async fn calls_for_exports_touch_nothing_else(server) {
        let at = with_roles(&server, "one").await;
        let import = at.request("post", &format!("cloud_directory/import/stream?job={JOB}")).header("X-Vestibule-Encryption-Secret", SECRET);
        import.broken_body(ndjson((0..4).map(record))).send().await.expect(200);
        let bundle = at.post("bundle/export", json!({"encryptionSecret": SECRET})).await.expect(202).json();
        work(&at).await;
        for id in [JOB, bundle["id"].as_str().unwrap()] {
            let before = at.get(&format!("jobs/{id}")).await;
            let path = format!("cloud_directory/export/download?id={id}");
            refused(at.request("get", &path).send().await, 404, "NOT_FOUND");
            refused(at.delete(&path).await, 404, "NOT_FOUND");
            assert_eq!(at.get(&format!("jobs/{id}")).await, before);
        }
    }

    async fn a_named_bundle_has_one_secret(server) {
        let at = with_roles(&server, "one").await;
        let make = |secret: &str| at.post("bundle/export", json!({"encryptionSecret": secret, "job": JOB}));
        make(SECRET).await.expect(202);
        refused(make("another one").await, 400, "WRONG_SECRET");
        make(SECRET).await.expect(202);
        let send = |secret: &str| {
            let path = "bundle/import?job=0191f3d0-0000-4000-8000-00000000beef";
            at.request("post", path).header("X-Vestibule-Encryption-Secret", secret)
        };
        let half = send(SECRET).broken_body(vec![7; 100]).send().await.expect(202).json();
        refused(send("another one").body(vec![7; 200]).send().await, 400, "WRONG_SECRET");
        assert_eq!(at.get(&format!("jobs/{}", half["id"].as_str().unwrap())).await, half);
        assert_eq!(send(SECRET).body(vec![7; 200]).send().await.expect(202).json()["state"], "queued");
    }

    async fn a_rehearsal_promises_no_ids(server) {
        let (from, to) = (with_roles(&server, "from").await, with_roles(&server, "to").await);
        import(&from, "", ndjson((0..3).map(record))).await.expect(200);
        let made = from.post("bundle/export", json!({"encryptionSecret": SECRET})).await.expect(202).json();
        work(&from).await;
        let file = from.request("get", &format!("jobs/{}/download", made["id"].as_str().unwrap())).send().await.expect(200).body;
        for (dry, ids) in [("true", 0), ("false", 6)] {
            let job = import_bundle(&to, &format!("ids=remap&dry_run={dry}"), SECRET, file.clone()).await;
            assert_eq!((&job["state"], &job["counts"]["added"]), (&json!("succeeded"), &json!(3)), "{job}");
            let map = to.request("get", &format!("jobs/{}/map", job["id"].as_str().unwrap())).send().await.expect(200);
            assert_eq!(map.text().matches("\"to\"").count(), ids, "{}", map.text());
        }
    }

    async fn fields_of_a_form_come_once(server) {
        let at = with_roles(&server, "one").await;
        let field = |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        let file = field("file", &ndjson([record(1)]));
        let secret = field("encryptionSecret", SECRET);
        for fields in [[&secret, &file, &file], [&secret, &secret, &file]] {
            let form = format!("{}--b--\r\n", fields.map(String::as_str).concat());
            let sent = at.request("post", "cloud_directory/import/all").header("content-type", "multipart/form-data; boundary=b");
            let answer = sent.body(form).send().await.expect(400);
            assert!(answer.text().contains("twice"), "{}", answer.text());
        }
    }
}

/// What a database that was restored, or whose last commits were not kept, looks like to whoever works on a job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_forgot_is_not_believed() {
    let Some(server) = TestServer::postgres().await else {
        return;
    };
    let mut conditions = Conditions::small();
    conditions.pace.silence = Duration::from_secs(20);
    let server = server.restart(conditions).await;
    let at = with_roles(&server, "one").await;
    let text = ndjson((0..40).map(record));
    let (more, pieces) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(4);
    let body = futures_util::stream::unfold(pieces, |mut pieces| async {
        Some((pieces.recv().await?, pieces))
    });
    let path = format!("cloud_directory/import/stream?job={JOB}");
    let send = || {
        at.request("post", &path)
            .header("X-Vestibule-Encryption-Secret", SECRET)
    };
    let sending = tokio::spawn(send().stream(Body::from_stream(body)).send());
    let (first, rest) = text.as_bytes().split_at(text.len() * 3 / 4);
    more.send(Ok(first.to_vec())).await.unwrap();
    let show = format!("jobs/{JOB}");
    // Until it waits for more.
    let mut done = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let now = at.get_quietly(&show).await["counts"]["done"].as_u64();
        if now == Some(done) && done >= 20 {
            break;
        }
        done = now.unwrap_or(0);
    }
    let kept = done - 10;
    // The last batch never happened.
    let db = Db::open(&server.database_url, DbOptions::default())
        .await
        .unwrap();
    db.write(move |conn| {
        conn.execute("UPDATE jobs SET done = done - 10, added = added - 10", &[])?;
        for n in kept..kept + 10 {
            let key = format!("p{n}@example.org");
            conn.execute(
                "DELETE FROM directory_users WHERE email_key = $1",
                &[key.into()],
            )?;
        }
        Ok::<_, vestibule_store::Error>(())
    })
    .await
    .unwrap();
    db.close().await;
    more.send(Ok(rest.to_vec())).await.unwrap();
    drop(more);
    refused(sending.await.unwrap(), 503, "DATABASE_REWOUND");
    let rests = at.get(&show).await;
    assert_eq!(
        (
            &rests["state"],
            &rests["counts"]["done"],
            &rests["pausedBy"]
        ),
        (&json!("paused"), &json!(kept), &json!("sender")),
        "{rests}"
    );
}

/// A node that waits for room does not take its own job for one that somebody left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_named_and_nobody_else_blamed() {
    let mut full = Conditions::small();
    full.pace.lease = Duration::from_secs(20);
    full.pace.patience = Duration::from_secs(3);
    full.most_pages = Some(600);
    let server = TestServer::sqlite_with(full).await;
    let at = with_roles(&server, "one").await;
    let text = ndjson((0..2000).map(record));
    let sending = tokio::spawn(
        at.request("post", &format!("cloud_directory/import/stream?job={JOB}"))
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .body(text)
            .send(),
    );
    while !sending.is_finished() {
        server.clock.advance_seconds(8);
        tokio::time::sleep(Duration::from_millis(700)).await;
        drop(server.engine.tidy_jobs().await);
    }
    refused(sending.await.unwrap(), 503, "STORAGE_FULL");
    let job: Value = at.get(&format!("jobs/{JOB}")).await;
    assert_eq!(job["state"], "paused", "{job}");
    assert!(job["counts"]["done"].as_u64() > Some(0), "{job}");
    let why = job["warnings"][0].as_str().unwrap_or_default();
    assert!(
        why.starts_with("Paused: ") && why.contains("no space left"),
        "{job}"
    );
}

impl Instance<'_> {
    /// `GET`, whether it succeeds or not.
    async fn get_quietly(&self, path: &str) -> Value {
        let answer = self.request("get", path).send().await;
        serde_json::from_str(&answer.text()).unwrap_or_default()
    }
}

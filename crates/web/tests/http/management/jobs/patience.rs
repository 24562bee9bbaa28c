//! Senders and takers who are slow, silent, gone, or send what grows without end.

use std::{io::Write, time::Duration};

use axum::body::{Body, to_bytes};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use vestibule_testkit::{Conditions, TestRequest, TestServer, on_each_engine};
use vestibule_web::Limits;

use super::{JOB, SECRET, export, import, ndjson, record, with_roles, work};
use crate::instance::{Instance, refused};

const BOUNDARY: &str = "----form";
const SILENT: &str = "The sender was silent for too long.";

fn field(name: &str, file: &str) -> String {
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n")
}

/// A form up to the beginning of its file.
fn begun() -> Vec<u8> {
    let secret = field("encryptionSecret", "");
    let file = field("file", "; filename=\"users.json\"");
    format!("{secret}{SECRET}\r\n{file}").into_bytes()
}

fn upload(at: &Instance<'_>) -> TestRequest {
    at.request("post", "cloud_directory/import/all").header(
        "Content-Type",
        format!("multipart/form-data; boundary={BOUNDARY}"),
    )
}

fn gzipped(pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    for piece in pieces {
        packed.write_all(&piece).unwrap();
    }
    packed.finish().unwrap()
}

/// 24 MiB of something, and what stands before it.
fn swollen(before: Vec<u8>, byte: u8) -> impl Iterator<Item = Vec<u8>> {
    std::iter::once(before).chain((0..24).map(move |_| vec![byte; 1 << 20]))
}

fn stream(at: &Instance<'_>, query: &str) -> TestRequest {
    at.request("post", &format!("cloud_directory/import/stream?{query}"))
        .header("X-Vestibule-Encryption-Secret", SECRET)
}

fn bundle(at: &Instance<'_>, query: &str) -> TestRequest {
    at.request("post", &format!("bundle/import?{query}"))
        .header("X-Vestibule-Encryption-Secret", SECRET)
}

async fn ledger(at: &Instance<'_>) -> Value {
    at.get("jobs").await["jobs"].clone()
}

/// The answer to an export that nobody reads.
async fn open_export(at: &Instance<'_>) -> (u16, Body) {
    let answer = at
        .request("get", "cloud_directory/export/stream?summary=true")
        .header("X-Vestibule-Encryption-Secret", SECRET)
        .open()
        .await;
    (answer.status().as_u16(), answer.into_body())
}

async fn filled(server: &TestServer) -> Instance<'_> {
    let at = with_roles(server, "one").await;
    import(&at, "", ndjson((0..200).map(record)))
        .await
        .expect(200);
    at
}

on_each_engine! {
    async fn what_grows_without_end_is_refused_as_it_comes(server) {
        let at = with_roles(&server, "one").await;
        // In a form: before its first field, in a field's header, as one record, and as nothing but space.
        let header = format!("--{BOUNDARY}\r\nX: ").into_bytes();
        for (before, byte, status, code) in [
            (Vec::new(), 0, 400, "INVALID_REQUEST"),
            (header, b'x', 400, "INVALID_REQUEST"),
            (begun(), 0, 413, "RECORD_TOO_LONG"),
            (begun(), b'\n', 413, "TOO_MUCH_SPACE"),
            ([begun(), b"[\"".to_vec()].concat(), b'x', 413, "RECORD_TOO_LONG"),
            ([begun(), b"{\"a\":1,\"users\":[".to_vec()].concat(), b' ', 413, "TOO_MUCH_SPACE"),
        ] {
            let answer = upload(&at).header("Content-Encoding", "gzip").body(gzipped(swollen(before.clone(), byte))).send().await;
            refused(answer, status, code);
            let whole: Vec<u8> = swollen(before, byte).flatten().collect();
            let packed = zstd::encode_all(whole.as_slice(), 1).unwrap();
            let answer = upload(&at).header("Content-Encoding", "zstd").body(packed).send().await;
            refused(answer, status, code);
        }
        assert_eq!(ledger(&at).await, json!([]));
        // By stream.
        for encoding in ["gzip", "zstd"] {
            let whole: Vec<u8> = swollen(Vec::new(), 0).flatten().collect();
            let packed = if encoding == "gzip" { gzipped([whole]) } else { zstd::encode_all(whole.as_slice(), 1).unwrap() };
            refused(stream(&at, "").header("Content-Encoding", encoding).body(packed).send().await, 413, "RECORD_TOO_LONG");
        }
        assert_eq!(export(&at, "").await.0, Vec::<Value>::new());
    }

    async fn a_window_without_end_is_refused(server) {
        let at = with_roles(&server, "one").await;
        // A frame whose header asks for 128 MiB, as RFC 9659 forbids here: magic, no single segment, window 2^27.
        let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00];
        let job = stream(&at, "").header("Content-Encoding", "zstd").body(greedy.as_slice()).send().await.expect(200).json();
        assert_eq!(job["state"], "paused", "{job}");
        assert!(job["warnings"].to_string().contains("too much memory"), "{job}");
        // One that fills the last piece to its end is whole.
        let mut exact = ndjson((0..3).map(record)).into_bytes();
        exact.resize(64 << 10, b' ');
        let packed = zstd::encode_all(exact.as_slice(), 1).unwrap();
        let job = stream(&at, "dry_run=true").header("Content-Encoding", "zstd").body(packed).send().await.expect(200).json();
        assert_eq!((&job["state"], &job["counts"]["added"]), (&json!("succeeded"), &json!(3)), "{job}");
        // One that is cut off is no shorter file.
        let packed = zstd::encode_all(ndjson((0..3).map(record)).as_bytes(), 1).unwrap();
        let job = stream(&at, "").header("Content-Encoding", "zstd").body(&packed[..packed.len() - 4]).send().await.expect(200).json();
        assert_eq!(job["state"], "paused", "{job}");
    }

    async fn deep_nesting_costs_the_record_and_no_stack(server) {
        let at = with_roles(&server, "one").await;
        let deep = format!("{{\"scimUser\":{}{}}}\n", "[".repeat(400_000), "]".repeat(400_000));
        let text = format!("{}{deep}{}", ndjson([record(0)]), ndjson([record(1)]));
        let job = import(&at, "", text.clone()).await.expect(200).json();
        assert_eq!((&job["counts"]["added"], &job["counts"]["failed"]), (&json!(2), &json!(1)), "{job}");
        let array = format!("[{}]", text.trim().replace('\n', ","));
        let job = import(&at, "on_conflict=skip", array).await.expect(200).json();
        assert_eq!(job["counts"]["added"], 0, "{job}");
        assert_ne!((&job["state"], &job["counts"]["failed"]), (&json!("succeeded"), &json!(0)), "{job}");
    }

    async fn silent_senders_are_given_up(server) {
        let server = server.restart(Conditions::small()).await;
        let at = with_roles(&server, "one").await;
        let some = ndjson((0..35).map(record));
        // A form leaves nothing, and neither does a bundle without a name.
        let before = [begun(), some.clone().into_bytes()].concat();
        let (form, unnamed) = tokio::join!(
            upload(&at).silent_body(before).send(),
            bundle(&at, "").silent_body(vec![1; 100]).send()
        );
        for answer in [form, unnamed] {
            assert!(answer.text().contains(SILENT), "{}", answer.text());
            refused(answer, 400, "INVALID_REQUEST");
        }
        assert_eq!(ledger(&at).await, json!([]));
        // What has a name waits for its sender, with what arrived.
        let query = format!("job={JOB}");
        let (job, streamed) = tokio::join!(
            bundle(&at, &query).silent_body(vec![1; 100]).send(),
            stream(&at, "").silent_body(some).send()
        );
        let job = job.expect(202).json();
        assert_eq!((&job["state"], &job["waitsForInput"], &job["uploaded"]), (&json!("paused"), &json!(true), &json!(100)), "{job}");
        assert_eq!(job["warnings"], json!([format!("Paused: {SILENT}")]));
        let job = streamed.expect(200).json();
        assert_eq!((&job["state"], &job["waitsForInput"], &job["counts"]["added"]), (&json!("paused"), &json!(true), &json!(35)), "{job}");
        assert_eq!(job["warnings"], json!([format!("Paused: {SILENT}")]));
    }

    async fn other_bodies_break_off_when_they_stand_still(server) {
        let server = server.restart(Conditions::small()).await;
        let limits = |silence| Limits { silence, ..Limits::default() };
        let server = server.with_limits(limits(Duration::from_millis(20)));
        let at = with_roles(&server, "one").await;
        let before = at.get("config/redirect_uris").await;
        let put = || at.request("put", "config/redirect_uris").header("content-type", "application/json");
        let half = put().silent_body(b"{\"redirectUris\":".to_vec()).send();
        let answer = tokio::time::timeout(Duration::from_secs(60), half).await.expect("an answer");
        assert!(answer.text().contains("could not be read"), "{}", answer.text());
        refused(answer, 400, "INVALID_REQUEST");
        assert_eq!(at.get("config/redirect_uris").await, before);
        // Jobs attend their senders themselves, and say so in their own words.
        let some = ndjson((0..35).map(record));
        let form = [begun(), some.clone().into_bytes()].concat();
        for answer in [upload(&at).silent_body(form).send().await, bundle(&at, "").silent_body(vec![1; 100]).send().await] {
            assert!(answer.text().contains(SILENT), "{}", answer.text());
        }
        let job = stream(&at, "").silent_body(some).send().await.expect(200).json();
        assert_eq!(job["warnings"], json!([format!("Paused: {SILENT}")]));
        // What makes progress may take longer than anything may stand still.
        let server = server.with_limits(limits(Duration::from_millis(1500)));
        let at = with_roles(&server, "two").await;
        let pieces: Vec<&[u8]> = br#"{"redirectUris":["https://a.example/"]}"#.chunks(1).collect();
        let slow = futures_util::stream::unfold(pieces.into_iter(), |mut pieces| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>(pieces.next()?), pieces))
        });
        let put = at.request("put", "config/redirect_uris").header("content-type", "application/json");
        put.stream(Body::from_stream(slow)).send().await.expect(204);
    }

    async fn senders_who_are_slow_are_waited_for(server) {
        let mut conditions = Conditions::small();
        conditions.pace.silence = Duration::from_secs(20);
        conditions.pace.beat = Duration::from_millis(20);
        let server = server.restart(conditions).await;
        let at = with_roles(&server, "one").await;
        let body = |text: Vec<u8>| {
            let pieces: Vec<Vec<u8>> = text.chunks(text.len() / 20 + 1).map(<[u8]>::to_vec).collect();
            Body::from_stream(futures_util::stream::unfold(pieces.into_iter(), |mut pieces| async {
                // Longer than a sign of life takes, shorter than silence.
                tokio::time::sleep(Duration::from_millis(30)).await;
                Some((Ok::<_, std::io::Error>(pieces.next()?), pieces))
            }))
        };
        let text = ndjson((0..40).map(record)).into_bytes();
        let end = format!("\r\n--{BOUNDARY}--\r\n").into_bytes();
        let form = [begun(), text.clone(), end].concat();
        let started = upload(&at).stream(body(form)).send().await.expect(202).json();
        work(&at).await;
        let job = at.get(&format!("jobs/{}", started["id"].as_str().unwrap())).await;
        assert_eq!((&job["state"], &job["counts"]["added"]), (&json!("succeeded"), &json!(40)), "{job}");
        let job = stream(&at, "on_conflict=skip").stream(body(text)).send().await.expect(200).json();
        assert_eq!((&job["state"], &job["counts"]["skipped"]), (&json!("succeeded"), &json!(40)), "{job}");
    }

    async fn an_upload_whose_process_died_leaves_nothing(server) {
        let server = server.restart(Conditions::small()).await;
        let at = with_roles(&server, "one").await;
        let half = [begun(), ndjson((0..60).map(record)).into_bytes()].concat();
        for request in [upload(&at), bundle(&at, "")] {
            // Whoever runs it is gone in the middle of it.
            let sending = tokio::spawn(request.silent_body(half.clone()).send());
            let id = loop {
                let jobs = ledger(&at).await;
                if jobs[0]["state"] == "running" {
                    break jobs[0]["id"].as_str().unwrap().to_owned();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            sending.abort();
            drop(sending.await);
            // Nobody can make an import of half a file of it.
            server.engine.tidy_jobs().await.unwrap();
            at.post(&format!("jobs/{id}/pause"), json!({})).await.expect(200);
            refused(at.post(&format!("jobs/{id}/resume"), json!({})).await, 409, if ledger(&at).await[0]["state"] == "paused" { "NEEDS_INPUT" } else { "INVALID_STATE" });
            server.clock.advance_seconds(60);
            work(&at).await;
            server.engine.tidy_jobs().await.unwrap();
            assert_eq!(ledger(&at).await, json!([]));
        }
        assert_eq!(export(&at, "").await.0, Vec::<Value>::new());
    }

    async fn takers_who_take_nothing_make_room(server) {
        let mut conditions = Conditions::small();
        conditions.pace.courtesy = Duration::from_millis(20);
        let server = server.restart(conditions).await;
        let at = filled(&server).await;
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(open_export(&at).await);
        }
        assert!(held.iter().all(|(status, _)| *status == 200));
        // Somebody else's turn comes as soon as one of them has been idle for a while.
        let users = loop {
            let (status, body) = open_export(&at).await;
            if status == 200 {
                break to_bytes(body, usize::MAX).await.expect("all of it");
            }
            assert_eq!(status, 503);
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(users.iter().filter(|byte| **byte == b'\n').count(), 201);
        // Whoever had to go learns of it, and whoever only paused goes on.
        let mut whole = 0;
        for (_, body) in held {
            match to_bytes(body, usize::MAX).await {
                Ok(text) => {
                    assert!(text.ends_with(b"}}\n"));
                    whole += 1;
                }
                Err(error) => assert!(format!("{error:?}").contains("so slowly"), "{error:?}"),
            }
        }
        assert_eq!(whole, 3);
    }

    async fn takers_who_never_come_back_are_given_up(server) {
        let mut conditions = Conditions::small();
        conditions.pace.stall = Duration::from_millis(40);
        let server = server.restart(conditions).await;
        let at = filled(&server).await;
        let mut held = Vec::new();
        for _ in 0..12 {
            let taken = loop {
                let (status, body) = open_export(&at).await;
                if status == 200 {
                    break body;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            held.push(taken);
        }
        for body in held.into_iter().take(8) {
            let error = to_bytes(body, usize::MAX).await.expect_err("no shorter file");
            assert!(format!("{error:?}").contains("Go on behind the last user"), "{error:?}");
        }
    }
}

//! Exports and imports by stream.

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use super::{JOB, SECRET, export, import, lines, ndjson, record, report, with_roles};
use crate::instance::{Instance, refused};

on_each_engine! {
    async fn streams_carry_everybody_and_say_so(server) {
        let (source, target) = (with_roles(&server, "source").await, with_roles(&server, "target").await);
        let job = import(&source, "", ndjson((0..2500).map(record))).await.expect(200).json();
        assert_eq!(job["state"], "succeeded", "{job}");
        assert_eq!(job["counts"], json!({"total": 2500, "done": 2500, "added": 2500, "updated": 0, "skipped": 0, "failed": 0, "withoutPassword": 0}));
        let (users, summary) = export(&source, "").await;
        assert_eq!(users.len(), 2500);
        // As the small call shows them, apart from the order.
        let small = source.get("cloud_directory/export?encryption_secret=x&count=50").await;
        for user in small["users"].as_array().unwrap() {
            let same = users.iter().find(|other| other["scimUser"] == user["scimUser"]).expect("the same user");
            assert_eq!(same["profile"], user["profile"]);
            assert_eq!(same["roles"], user["roles"]);
        }
        // An array works as well, and the content is the same.
        let array = serde_json::to_vec(&users).unwrap();
        let job = import(&target, "", array).await.expect(200).json();
        assert_eq!((&job["state"], &job["counts"]["added"]), (&json!("succeeded"), &json!(2500)), "{job}");
        let (_, again) = export(&target, "").await;
        assert_eq!(again["digest"], summary["digest"]);
        assert_eq!(again["moments"], 1);
        assert_eq!(summary["lost"]["profileIds"], 2500);
    }

    async fn an_export_goes_on_behind_any_user(server) {
        let at = with_roles(&server, "one").await;
        import(&at, "", ndjson((0..30).map(record))).await.expect(200);
        let (all, _) = export(&at, "").await;
        let id = |user: &Value| user["scimUser"]["originalId"].as_str().unwrap().to_owned();
        let (first, summary) = export(&at, "&limit=11").await;
        assert_eq!(first.len(), 11);
        assert_eq!(summary["last"], json!(id(&first[10])));
        let (rest, _) = export(&at, &format!("&after={}", id(&first[10]))).await;
        let ids: Vec<String> = first.iter().chain(&rest).map(id).collect();
        assert_eq!(ids, all.iter().map(id).collect::<Vec<_>>());
    }

    async fn a_broken_import_is_gone_on_with_exactly(server) {
        let (whole, broken) = (with_roles(&server, "whole").await, with_roles(&server, "broken").await);
        let text = ndjson((0..3300).map(record));
        import(&whole, "", text.clone()).await.expect(200);
        let query = format!("job={JOB}");
        let path = format!("cloud_directory/import/stream?{query}");
        let half = text.as_bytes()[..text.len() / 2].to_vec();
        let job = broken
            .request("post", &path)
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .broken_body(half)
            .send()
            .await
            .expect(200)
            .json();
        assert_eq!(job["state"], "paused", "{job}");
        let done = job["counts"]["done"].as_u64().unwrap();
        assert!(done > 1000 && done < 2000, "{done}");
        // Not from behind what is missing, and not as another import.
        let late = format!("{query}&from={}", done + 1);
        refused(import(&broken, &late, "").await, 409, "GAP");
        refused(import(&broken, &format!("{query}&on_conflict=skip"), "").await, 409, "OTHER_JOB");
        // From a record in the middle of what is there: the same is passed over.
        let from = done as usize - 10;
        let rest = ndjson((from..3300).map(record));
        let job = import(&broken, &format!("{query}&from={from}"), rest).await.expect(200).json();
        assert_eq!((&job["state"], &job["counts"]["added"], &job["counts"]["failed"]), (&json!("succeeded"), &json!(3300), &json!(0)), "{job}");
        assert_eq!(export(&broken, "").await.1["digest"], export(&whole, "").await.1["digest"]);
        // Once more: it has ended, and the body is not looked at.
        let again = import(&broken, &query, "[").await.expect(200).json();
        assert_eq!(again["counts"], job["counts"]);
    }

    async fn what_is_wrong_is_told_exactly(server) {
        let at = with_roles(&server, "one").await;
        // Nothing of these is imported, so they are refused as a whole.
        refused(import(&at, "", "[1, ").await, 400, "TRUNCATED_INPUT");
        refused(import(&at, "", "[{]").await, 400, "MALFORMED_INPUT");
        let long = format!("{{\"scimUser\":\"{}\"}}\n", "x".repeat(1 << 20));
        refused(import(&at, "", long).await, 413, "RECORD_TOO_LONG");
        refused(import(&at, "", " ".repeat((1 << 20) + 2)).await, 413, "TOO_MUCH_SPACE");
        refused(import(&at, "job=x", "[]").await, 400, "INVALID_REQUEST");
        refused(import(&at, "on_conflict=maybe", "[]").await, 400, "INVALID_REQUEST");
        assert_eq!(export(&at, "").await.0, Vec::<Value>::new());
        // A line that is no user costs only itself.
        let mut text = ndjson((0..3).map(record));
        text.push_str("{\"scimUser\": \n");
        text.push_str("[1, 2]\n");
        text.push_str("{\"scimUser\":{\"emails\":[]},\"passwordHash\":\"x\"}\n");
        text.push_str(&ndjson([record(0)]));
        let job = import(&at, "", text).await.expect(200).json();
        assert_eq!((&job["counts"]["added"], &job["counts"]["failed"]), (&json!(3), &json!(4)), "{job}");
        let codes: Vec<_> = report(&at, &job).await.into_iter().map(|(at, _, code)| (at, code)).collect();
        let expected = [(3, "invalid_json"), (4, "invalid_record"), (5, "invalid_record"), (6, "uniqueness")];
        assert_eq!(codes, expected.map(|(at, code)| (at, code.to_owned())));
        // In an array nothing behind a mistake can be read; what came before stays, as the counts say.
        let array = serde_json::to_string(&(10..1500).map(record).collect::<Vec<_>>()).unwrap();
        let job = import(&at, "", format!("{}, {{]", array.trim_end_matches(']'))).await.expect(200).json();
        assert_eq!((&job["state"], &job["counts"]["added"], &job["error"]["code"]), (&json!("failed"), &json!(1490), &json!("MALFORMED_INPUT")), "{job}");
        assert_eq!(export(&at, "").await.0.len(), 3 + 1490);
    }

    async fn a_wrong_secret_changes_nothing(server) {
        let (source, target) = (with_roles(&server, "source").await, with_roles(&server, "target").await);
        import(&source, "", ndjson((0..20).map(record))).await.expect(200);
        let (users, _) = export(&source, "").await;
        let text = ndjson(users);
        let wrong = async |at: &Instance<'_>, query: &str, body: String| {
            at.request("post", &format!("cloud_directory/import/stream?{query}"))
                .header("X-Vestibule-Encryption-Secret", "another secret")
                .body(body)
                .send()
                .await
        };
        for query in ["", "without_password=true", "without_password=true&dry_run=true"] {
            refused(wrong(&target, query, text.clone()).await, 400, "WRONG_SECRET");
        }
        assert_eq!(export(&target, "").await.0.len(), 0);
        let jobs = target.get("jobs").await["jobs"].clone();
        for job in jobs.as_array().unwrap() {
            assert_eq!((&job["state"], &job["error"]["code"], &job["counts"]["done"]), (&json!("failed"), &json!("WRONG_SECRET"), &json!(0)), "{job}");
        }
        // Nor does an update take the passwords away that are there, whatever hashes stand beside them that are not sealed.
        let before = export(&source, "").await.1["digest"].clone();
        let mixed = text + &ndjson([record(50)]);
        refused(wrong(&source, "without_password=true&on_conflict=update", mixed).await, 400, "WRONG_SECRET");
        assert_eq!(export(&source, "").await.1["digest"], before);
        // Where none is sealed, any secret will do.
        let job = wrong(&target, "", ndjson((0..3).map(record))).await.expect(200).json();
        assert_eq!(job["counts"]["added"], 3, "{job}");
    }

    async fn a_rehearsal_says_what_would_happen(server) {
        let (dry, real) = (with_roles(&server, "dry").await, with_roles(&server, "real").await);
        for at in [&dry, &real] {
            import(at, "", ndjson((0..5).map(record))).await.expect(200);
        }
        // Some are there, some stand in the file twice, in one batch and in two.
        let records: Vec<usize> = (0..1200).chain([700, 3, 1100]).chain(2000..2100).chain([2050]).collect();
        let text = ndjson(records.into_iter().map(record));
        let before = export(&dry, "").await.1;
        for policy in ["fail", "skip", "update"] {
            let query = format!("on_conflict={policy}");
            let rehearsed = import(&dry, &format!("{query}&dry_run=true"), text.clone()).await.expect(200).json();
            assert_eq!(rehearsed["dryRun"], true);
            assert_eq!(export(&dry, "").await.1["digest"], before["digest"], "{policy}");
            if policy == "fail" {
                let done = import(&real, &query, text.clone()).await.expect(200).json();
                assert_eq!(rehearsed["counts"], done["counts"]);
                assert_eq!(report(&dry, &rehearsed).await, report(&real, &done).await);
            } else {
                let counts = &rehearsed["counts"];
                assert_eq!((&counts["added"], &counts["failed"]), (&json!(1295), &json!(0)), "{policy} {counts}");
            }
        }
    }

    async fn users_who_exist_are_skipped_or_overwritten(server) {
        let at = with_roles(&server, "one").await;
        import(&at, "", ndjson((0..10).map(record))).await.expect(200);
        let skipped = import(&at, "on_conflict=skip", ndjson((5..15).map(record))).await.expect(200).json();
        assert_eq!((&skipped["counts"]["skipped"], &skipped["counts"]["added"]), (&json!(5), &json!(5)), "{skipped}");
        let lines = report(&at, &skipped).await;
        assert_eq!(lines.len(), 5);
        assert!(lines.iter().all(|(_, outcome, _)| outcome == "skipped"), "{lines:?}");
        let mut changed = record(3);
        changed["profile"]["attributes"] = json!({"changed": true});
        let updated = import(&at, "on_conflict=update", ndjson([changed])).await.expect(200).json();
        assert_eq!(updated["counts"]["updated"], 1, "{updated}");
        let (users, _) = export(&at, "").await;
        assert_eq!(users.len(), 15);
        assert_eq!(users.iter().filter(|user| user["profile"]["attributes"] == json!({"changed": true})).count(), 1);
    }

    async fn compressed_streams_are_the_same_streams(server) {
        let at = with_roles(&server, "one").await;
        import(&at, "", ndjson((0..50).map(record))).await.expect(200);
        for encoding in ["gzip", "zstd"] {
            let answer = at
                .request("get", "cloud_directory/export/stream")
                .header("X-Vestibule-Encryption-Secret", SECRET)
                .header("Accept-Encoding", encoding)
                .send()
                .await
                .expect(200);
            assert_eq!(answer.headers["content-encoding"], encoding);
            let target = with_roles(&server, encoding).await;
            let job = target
                .request("post", "cloud_directory/import/stream")
                .header("X-Vestibule-Encryption-Secret", SECRET)
                .header("Content-Encoding", encoding)
                .body(answer.body)
                .send()
                .await
                .expect(200)
                .json();
            assert_eq!(job["counts"]["added"], 50, "{job}");
        }
    }

    async fn federated_users_stream_too(server) {
        let (source, target) = (Instance::new(&server, "source").await, Instance::new(&server, "target").await);
        let users: Vec<Value> = (0..1300)
            .map(|n| json!({
                "id": format!("7ae804f3-0ed3-45f0-bc6b-{n:012x}"), "name": format!("N{n}"), "email": format!("f{n}@example.org"), "picture": "p.jpg",
                "identities": [{"provider": "google", "id": format!("g{n}"), "idpUserInfo": {"id": format!("g{n}"), "n": n}}],
                "attributes": {"points": n},
            }))
            .collect();
        let whole = json!({"itemsPerPage": 1300, "totalResults": 1300, "requestOptions": {}, "users": users});
        let job = source.request("post", "users/import/stream").body(whole.to_string()).send().await.expect(200).json();
        assert_eq!(job["counts"]["added"], 1300, "{job}");
        let out = source.request("get", "users/export/stream").send().await.expect(200).text();
        let mut exported = lines(&out);
        exported.sort_by_key(|user| user["id"].to_string());
        assert_eq!(exported, users);
        let job = target.request("post", "users/import/stream").body(out).send().await.expect(200).json();
        assert_eq!(job["counts"]["added"], 1300, "{job}");
        let again = target.request("get", "users/export/stream?summary=true").send().await.expect(200).text();
        let first = source.request("get", "users/export/stream?summary=true").send().await.expect(200).text();
        let digest = |text: &str| lines(text).pop().unwrap()["summary"]["digest"].clone();
        assert_eq!(digest(&again), digest(&first));
    }

    async fn an_export_is_of_one_instance_and_one_moment_while_others_write(server) {
        let (one, other) = (with_roles(&server, "one").await, with_roles(&server, "other").await);
        import(&one, "", ndjson((0..1500).map(record))).await.expect(200);
        let mine: std::collections::HashSet<String> = export(&one, "").await.0.iter().map(|user| user["scimUser"]["originalId"].to_string()).collect();
        let writes = async {
            import(&other, "", ndjson((0..1500).map(record))).await.expect(200);
            import(&one, "", ndjson((5000..6500).map(record))).await.expect(200)
        };
        let reads = async {
            let mut seen = Vec::new();
            for _ in 0..6 {
                seen.push(export(&one, "").await);
                // Of both instances, and of everybody in one.
                let (theirs, summary) = export(&other, "").await;
                assert_eq!(summary["moments"], 1);
                assert!([0, 1000, 1500].contains(&theirs.len()), "{}", theirs.len());
                assert!(theirs.iter().all(|user| user["profile"]["attributes"]["number"].as_i64().unwrap() < 1500));
                let told = lines(&one.request("get", "bundle/digest").send().await.expect(200).text());
                let summary = &told.last().unwrap()["summary"];
                assert_eq!(summary["moments"], 1);
                let people = summary["counts"]["people"].as_u64().unwrap();
                assert!([1500, 2500, 3000].contains(&people), "{summary}");
            }
            seen
        };
        let (_, exports) = tokio::join!(writes, reads);
        for (users, summary) in exports {
            assert_eq!(summary["moments"], 1);
            let ids: std::collections::HashSet<String> = users.iter().map(|user| user["scimUser"]["originalId"].to_string()).collect();
            // All that were there before, and of the later ones whole transactions.
            assert!(mine.is_subset(&ids));
            assert!([1500, 2500, 3000].contains(&ids.len()), "{}", ids.len());
            let numbers: Vec<i64> = users.iter().map(|user| user["profile"]["attributes"]["number"].as_i64().unwrap()).collect();
            assert!(numbers.iter().all(|n| *n < 1500 || *n >= 5000));
        }
    }

    async fn parts_by_predicates_add_up_to_the_whole(server) {
        let at = with_roles(&server, "one").await;
        import(&at, "", ndjson((0..600).map(record))).await.expect(200);
        let (_, whole) = export(&at, "").await;
        let where_ = ["attributes.number < 100", "\"adult\" in roles"].map(|text| {
            format!("&where={}", text.replace(' ', "%20").replace('"', "%22").replace('<', "%3C"))
        });
        let mut digest = vestibule_crypto::content_digest::ContentDigest::EMPTY;
        let mut sizes = Vec::new();
        for part in 0..3 {
            let (users, summary) = export(&at, &format!("{}{}&part={part}", where_[0], where_[1])).await;
            sizes.push(users.len());
            let own = vestibule_crypto::content_digest::ContentDigest::parse(summary["digest"].as_str().unwrap());
            digest.combine(&own.unwrap());
        }
        assert_eq!(sizes, [100, 250, 250]);
        assert_eq!(json!(digest.to_string()), whole["digest"]);
        for (query, code) in [("where=(((", "INVALID_REQUEST"), ("where=true&part=2", "INVALID_REQUEST"), ("part=1", "INVALID_REQUEST")] {
            let answer = at
                .request("get", &format!("cloud_directory/export/stream?{query}"))
                .header("X-Vestibule-Encryption-Secret", SECRET)
                .send()
                .await;
            refused(answer, 400, code);
        }
    }
}

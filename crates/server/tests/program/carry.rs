//! A duplicate with users holds everybody, and a move goes on only as the move that it is.

use serde_json::{Value, json};

use crate::{
    files::Stage,
    migrate::{Outcome, USERS, configure, interrupt, make, people, summary, typed},
    process::{ADMIN_KEY, text},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_holds_everybody() {
    let stage = Stage::new().await;
    let from = make(&stage.at, "old").await;
    configure(&stage.at, &from).await;
    people(&stage.at, &from).await;
    let duplicate = |with: &str| {
        stage.run(&[
            "instance",
            "duplicate",
            "old",
            "--name",
            "new",
            "--with",
            with,
            "--json",
        ])
    };
    duplicate("applications,users").refused(&["--with roles,users"]);
    let listed = stage.run(&["instance", "list", "--json"]).report();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let made = duplicate("applications,roles,users").report();
    let counts = &made["users"]["counts"];
    assert_eq!(
        (&counts["added"], &counts["failed"]),
        (&json!(USERS + 3), &json!(0)),
        "{made}"
    );
    let to = text(&made["instance"], "guid");
    assert_eq!(
        summary(&stage.at, &from).await,
        summary(&stage.at, &to).await
    );
    // The sealed bundle is gone.
    let jobs = crate::migrate::get(&stage.at, &from, "jobs?kind=bundle_export").await;
    assert_eq!(jobs["jobs"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_goes_on_only_as_the_move_that_it_is() {
    let stage = Stage::new().await;
    let from = make(&stage.at, "old").await;
    let (to, other) = (make(&stage.at, "new").await, make(&stage.at, "other").await);
    configure(&stage.at, &from).await;
    people(&stage.at, &from).await;
    let url = stage.way.url.clone();
    let place = |name: &str| format!("{url}:{name}");
    let migrate = |from: &str, to: &str, more: &[&str]| {
        let (from, to) = (place(from), place(to));
        let words = ["migrate", "--from", &from, "--to", &to, "--json"];
        let mut command = stage.command(&[&words[..], more].concat());
        command
            .env("VESTIBULE_FROM_API_KEY", ADMIN_KEY)
            .env("VESTIBULE_TO_API_KEY", ADMIN_KEY);
        command.spawn().unwrap()
    };
    let run = |from: &str, to: &str, more: &[&str]| Outcome::of(migrate(from, to, more));
    assert_eq!(run("old", "new", &["--config"]).code, Some(0));
    // Everybody has to pass twice, in the middle of which it is stopped.
    stage.way.narrow(30_000);
    let child = migrate("old", "new", &["--users"]);
    while stage.jobs(&to).await == json!([]) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    stage.way.widen();
    interrupt(&child);
    let outcome = Outcome::of(child);
    outcome.refused(&["interrupted"]);
    let again = outcome.again().unwrap();
    let id = again.rsplit("--resume ").next().unwrap().to_owned();
    let jobs = stage.jobs(&to).await;
    assert_eq!(jobs[0]["id"], json!(id), "{jobs}");
    run("old", "other", &["--resume", &id]).refused(&["no move of instance", &other]);
    run("other", "new", &["--resume", &id]).refused(&["no move of instance", &other]);
    run("old", "new", &["--resume", &id, "--on-conflict", "update"])
        .refused(&["--ids keep --on-conflict fail"]);
    run("old", "new", &["--resume", &id, "--ids", "remap"])
        .refused(&["--ids keep --on-conflict fail"]);
    assert_eq!(stage.jobs(&other).await, json!([]));
    let report = Outcome::of(typed(&again, stage.folder.path()).spawn().unwrap()).report();
    assert_eq!(report["job"]["counts"]["added"], USERS + 3, "{report}");
    assert_eq!(report["digestsAgree"], true, "{report}");
    // It is over: whoever goes on is told so, and how those are moved who changed since.
    let f = "users/7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6/profile";
    let path = format!("/management/v4/{from}/{f}");
    let changed = json!({"attributes": {"a": 2}});
    let (status, _) = stage.at.call("PUT", &path, Some(&changed)).await.unwrap();
    assert_eq!(status, 200);
    let report = run("old", "new", &["--resume", &id]).report();
    let notes = report["warnings"].to_string();
    assert!(notes.contains("had ended before"), "{report}");
    assert!(notes.contains("--users --from"), "{report}");
    assert_eq!(report["digestsAgree"], Value::Null, "{report}");
    // A rehearsal says who would be refused, and leaves nothing.
    let jobs = stage.jobs(&to).await;
    let rehearsed = run("old", "new", &["--dry-run", "--users"]);
    rehearsed.refused(&[&format!("{} people would not be moved", USERS + 3)]);
    let report: Value = serde_json::from_str(&rehearsed.out).unwrap();
    assert_eq!(report["job"]["counts"]["failed"], USERS + 3, "{report}");
    let rehearsed = run(
        "old",
        "new",
        &["--dry-run", "--users", "--on-conflict", "update"],
    );
    let report = rehearsed.report();
    assert_eq!(report["job"]["counts"]["updated"], USERS + 3, "{report}");
    assert_eq!(stage.jobs(&to).await, jobs);
    let exports = crate::migrate::get(&stage.at, &from, "jobs?kind=bundle_export").await;
    assert_eq!(exports["jobs"], json!([]));
    let held = crate::migrate::get(&stage.at, &to, f).await;
    assert_eq!(held["attributes"], json!({"a": 1}), "{held}");
    let moved = notes
        .split("changed since: ")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    assert!(!moved.contains("--resume"), "{moved}");
    let report = Outcome::of(typed(moved, stage.folder.path()).spawn().unwrap()).report();
    assert_eq!(report["job"]["counts"]["updated"], USERS + 3, "{report}");
    let moved = crate::migrate::get(&stage.at, &to, f).await;
    assert_eq!(moved["attributes"], json!({"a": 2}), "{moved}");
    // Whoever was there keeps their ids, also where those who come get new ones.
    let more = ["--users", "--ids", "remap", "--on-conflict", "update"];
    let report = run("old", "new", &more).report();
    assert_eq!(report["job"]["counts"]["updated"], USERS + 3, "{report}");
    assert!(
        !report["warnings"].to_string().contains("new ids"),
        "{report}"
    );
}

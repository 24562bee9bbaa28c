//! A duplicate with users holds everybody.

use serde_json::json;

use crate::{
    files::Stage,
    migrate::{USERS, configure, make, people, summary},
    process::text,
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

//! Imports that were interrupted go on where they began, and nowhere else; what somebody paused stays paused.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};

use crate::{
    files::{Stage, federated},
    migrate::{Outcome, interrupt, make},
};

const USERS: u64 = 3000;
/// Bytes of an import that come through before it is interrupted.
const SOME: u64 = 120_000;

impl Stage {
    /// Begins an import that gets stuck in the middle; answers the process and the id of its job.
    async fn stuck(&self, words: &[&str], guid: &str) -> (std::process::Child, String) {
        self.way.narrow(SOME);
        let child = self.command(words).spawn().unwrap();
        let id = loop {
            let jobs = self.jobs(guid).await;
            if let Some(id) = jobs[0]["id"].as_str() {
                break id.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        self.way.widen();
        (child, id)
    }

    async fn job(&self, guid: &str, id: &str) -> Value {
        crate::migrate::get(&self.at, guid, &format!("jobs/{id}")).await
    }

    /// Waits until a job rests.
    async fn rests(&self, guid: &str, id: &str) {
        while self.job(guid, id).await["state"] != "paused" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs a command as it was printed.
    fn typed(&self, command: &str) -> Outcome {
        let rest = command.strip_prefix("vestibule ").expect("a command");
        let of_commands = self.command(&[]);
        let line = format!("exec '{}' {rest}", env!("CARGO_BIN_EXE_vestibule"));
        let mut typed = std::process::Command::new("sh");
        typed.args(["-c", &line]).current_dir(self.folder.path());
        typed.env_clear();
        for (name, value) in of_commands.get_envs() {
            if let Some(value) = value {
                typed.env(name, value);
            }
        }
        // The service is named by the command.
        typed.env_remove("VESTIBULE_URL");
        typed
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Outcome::of(typed.spawn().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_goes_on_only_where_it_began() {
    let stage = Stage::new().await;
    let (one, other) = (make(&stage.at, "one").await, make(&stage.at, "other").await);
    std::fs::write(stage.path("my users.ndjson"), federated(USERS)).unwrap();
    let import = |instance: &str, more: &[&str]| {
        let words = ["users", "import", "my users.ndjson", "--instance", instance];
        stage.run(&[&words[..], more].concat())
    };
    let (child, id) = stage
        .stuck(
            &[
                "users",
                "import",
                "my users.ndjson",
                "--instance",
                "one",
                "--on-conflict",
                "skip",
            ],
            &one,
        )
        .await;
    interrupt(&child);
    let outcome = Outcome::of(child);
    outcome.refused(&["interrupted", "'my users.ndjson'", &id]);
    let again = outcome.again().unwrap();
    for word in [
        format!("--instance {one}"),
        format!("--url {}", stage.way.url),
        String::from("--on-conflict skip"),
    ] {
        assert!(again.contains(&word), "no {word} in {again}");
    }
    stage.rests(&one, &id).await;
    let before = stage.job(&one, &id).await;
    let skip = ["--on-conflict", "skip"];
    let resumed = |more: &[&'static str]| [&["--resume", id.as_str()][..], more].concat();
    import("other", &resumed(&skip)).refused(&["there is no job", &other]);
    import("one", &resumed(&[])).refused(&["was begun with --on-conflict skip"]);
    import("one", &resumed(&["--on-conflict", "skip", "--dry-run"]))
        .refused(&["was begun without --dry-run"]);
    let unknown = "5c5d7b0e-6a3f-4a55-9d0c-0f4a8f0f1e11";
    import("one", &["--resume", unknown]).refused(&["there is no job", unknown]);
    for what in ["directory", "bundle"] {
        stage
            .run(&[
                what,
                "import",
                "my users.ndjson",
                "--instance",
                "one",
                "--resume",
                &id,
                "--on-conflict",
                "skip",
            ])
            .refused(&["no such import", "users_import"]);
    }
    assert_eq!(stage.jobs(&other).await, json!([]));
    assert_eq!(stage.jobs(&one).await.as_array().unwrap().len(), 1);
    assert_eq!(stage.job(&one, &id).await["counts"], before["counts"]);
    let done = stage.typed(&again);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.out.contains(&format!("{USERS} added, 0 failed")),
        "{}",
        done.out
    );
    // It is over, and that is said.
    let ended = stage.typed(&again);
    assert!(ended.err.contains("had ended before"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_that_goes_on_says_all_that_was_said() {
    let stage = Stage::new().await;
    let one = make(&stage.at, "one").await;
    let users: String = (0..USERS)
        .map(|n| {
            let emails = json!([{"value": format!("m{n}@example.org"), "primary": true}]);
            let user = json!({"scimUser": {"originalId": format!("o{n}"), "emails": emails}});
            format!("{user}\n")
        })
        .collect();
    std::fs::write(stage.path("users.ndjson"), users).unwrap();
    std::fs::write(stage.path("my secret"), "the secret of a file\n").unwrap();
    let words = [
        "directory",
        "import",
        "users.ndjson",
        "--instance",
        "one",
        "--dry-run",
        "--without-password",
        "--secret-file",
        "my secret",
    ];
    let (child, id) = stage.stuck(&words, &one).await;
    interrupt(&child);
    let outcome = Outcome::of(child);
    outcome.refused(&["interrupted", &id, "--secret-file 'my secret'"]);
    assert!(!outcome.err.contains("the secret of"), "{}", outcome.err);
    stage.rests(&one, &id).await;
    let done = stage.typed(&outcome.again().unwrap());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let told = format!("{USERS} added, 0 failed, {USERS} without a password");
    assert!(done.out.contains(&told), "{}", done.out);
    assert!(done.out.contains("nothing was changed"), "{}", done.out);
    let jobs = stage.jobs(&one).await;
    assert_eq!(jobs.as_array().unwrap().len(), 1, "{jobs}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_somebody_paused_is_left_alone() {
    let stage = Stage::new().await;
    let one = make(&stage.at, "one").await;
    std::fs::write(stage.path("users.ndjson"), federated(USERS)).unwrap();
    let words = ["users", "import", "users.ndjson", "--instance", "one"];
    let (child, id) = stage.stuck(&words, &one).await;
    let paused = stage.run(&["job", "pause", &id, "--instance", "one"]);
    assert_eq!(paused.code, Some(0), "{}", paused.err);
    let outcome = Outcome::of(child);
    outcome.refused(&["somebody paused this import", &id]);
    let job = stage.job(&one, &id).await;
    assert_eq!(job["state"], "paused", "{job}");
    let done = stage.typed(&outcome.again().unwrap());
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.out.contains(&format!("{USERS} added, 0 failed")),
        "{}",
        done.out
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_somebody_paused_is_left_alone() {
    let stage = Stage::new().await;
    let (one, other) = (make(&stage.at, "one").await, make(&stage.at, "other").await);
    stage.federated(&one, 9000).await;
    let made = stage.run(&[
        "bundle",
        "export",
        "-o",
        "my b.vbundle",
        "--instance",
        "one",
    ]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let words = ["bundle", "import", "my b.vbundle", "--instance", "other"];
    let (child, id) = stage.stuck(&words, &other).await;
    let paused = stage.run(&["job", "pause", &id, "--instance", "other"]);
    assert_eq!(paused.code, Some(0), "{}", paused.err);
    let outcome = Outcome::of(child);
    outcome.refused(&["somebody paused the job", "'my b.vbundle'", &id]);
    assert_eq!(stage.job(&other, &id).await["state"], "paused");
    let done = stage.typed(&outcome.again().unwrap());
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("9000 added, 0 failed"), "{}", done.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_loses_the_service_is_told_how_to_go_on() {
    let stage = Stage::new().await;
    let one = make(&stage.at, "one").await;
    std::fs::write(stage.path("users.ndjson"), federated(USERS)).unwrap();
    stage.way.narrow(SOME);
    let mut command = stage.command(&["users", "import", "-", "--instance", "one"]);
    let child = command
        .stdin(std::fs::File::open(stage.path("users.ndjson")).unwrap())
        .spawn()
        .unwrap();
    let id = loop {
        let jobs = stage.jobs(&one).await;
        if let Some(id) = jobs[0]["id"].as_str() {
            break id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    stage.service.kill();
    let outcome = Outcome::of(child);
    outcome.refused(&["what was imported stays", &id, "--resume", &one]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_nothing_is_not_sent() {
    let stage = Stage::new().await;
    let one = make(&stage.at, "one").await;
    std::fs::write(stage.path("empty"), "").unwrap();
    for what in ["users", "directory", "bundle"] {
        let import = |file: &str| stage.run(&[what, "import", file, "--instance", "one"]);
        import("empty").refused(&["nothing was sent", "empty"]);
        import("nosuch").refused(&["cannot read nosuch"]);
        import(".").refused(&["cannot read .", "folder"]);
    }
    for what in ["users", "directory"] {
        stage
            .run(&[what, "import", "-", "--instance", "one"])
            .refused(&["nothing was sent"]);
    }
    assert_eq!(stage.jobs(&one).await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_counted_from_one_for_people() {
    let stage = Stage::new().await;
    let one = make(&stage.at, "one").await;
    std::fs::write(
        stage.path("users.ndjson"),
        format!("{}{{}}\n", federated(1)),
    )
    .unwrap();
    let outcome = stage.run(&["users", "import", "users.ndjson", "--instance", "one"]);
    outcome.refused(&["record 2: ", "1 user was not imported"]);
    // The report is for machines.
    let id = stage.jobs(&one).await[0]["id"].as_str().unwrap().to_owned();
    let report = stage.run(&["job", "report", &id, "--instance", "one"]);
    assert!(report.out.contains("\"index\":1"), "{}", report.out);
    // What has no record to blame blames none.
    std::fs::write(stage.path("b.vbundle"), "no bundle").unwrap();
    let outcome = stage.run(&["bundle", "import", "b.vbundle", "--instance", "one"]);
    outcome.refused(&["the import ended early"]);
    assert!(!outcome.err.contains("null"), "{}", outcome.err);
}

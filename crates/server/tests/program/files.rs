//! Exports into files: whose beginning is gone on with, and what is never replaced.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    migrate::{Outcome, get, interrupt, make, program},
    process::{ADMIN_KEY, Administrator, Service},
    throttle::Throttle,
};

const USERS: u64 = 2500;
const HASH: &str = "{SSHA512}on1RX5e0hrIm7Gx2wAMTdqlGiNHXdZsJEVcB39oGzHchpQaNDAva0PCALewepx9Ghf1vBFK38f7/tdfVPCylemNyYXNoLXRlc3Qtc2FsdDE=";
/// Bytes of an export that come through before it is interrupted.
const SOME: u64 = 150_000;

/// A service, with a way to it that can be stopped, and a folder to work in.
pub struct Stage {
    _data: tempfile::TempDir,
    pub folder: tempfile::TempDir,
    pub service: Service,
    pub way: Throttle,
    pub at: Administrator,
}

impl Stage {
    pub async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let service = Service::start(data.path(), &[]);
        Self {
            way: Throttle::before(&service.url).await,
            at: Administrator::sign_in(&service.url).await,
            folder: tempfile::tempdir().unwrap(),
            service,
            _data: data,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in the folder, over the way.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = program(self.folder.path());
        command
            .args(words)
            .current_dir(self.folder.path())
            .env("VESTIBULE_URL", &self.way.url)
            .env("VESTIBULE_API_KEY", ADMIN_KEY)
            .env("VESTIBULE_ENCRYPTION_SECRET", "a secret of tests");
        command
    }

    pub fn run(&self, words: &[&str]) -> Outcome {
        Outcome::of(self.command(words).spawn().unwrap())
    }

    /// Begins an export, and interrupts it when something is there.
    async fn interrupted(&self, words: &[&str], part: &Path) -> Outcome {
        self.way.narrow(SOME);
        let child = self.command(words).spawn().unwrap();
        while std::fs::metadata(part).map_or(0, |part| part.len()) < SOME / 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        interrupt(&child);
        let outcome = Outcome::of(child);
        self.way.widen();
        outcome.refused(&["interrupted", &part.file_name().unwrap().to_string_lossy()]);
        outcome
    }

    pub async fn jobs(&self, guid: &str) -> Value {
        get(&self.at, guid, "jobs").await["jobs"].clone()
    }

    pub async fn federated(&self, guid: &str, users: u64) {
        self.import(guid, "users", federated(users)).await;
    }

    async fn directory(&self, guid: &str, users: u64) {
        let lines = (0..users).map(|n| {
            let emails = json!([{"value": format!("m{n}@example.org"), "primary": true}]);
            let user = json!({"scimUser": {"originalId": format!("old-{n}"), "emails": emails}, "passwordHash": HASH});
            format!("{user}\n")
        });
        self.import(guid, "cloud_directory", lines.collect()).await;
    }

    async fn import(&self, guid: &str, what: &str, lines: String) {
        let path = format!("/management/v4/{guid}/{what}/import/stream");
        let (status, job) = self.at.send("POST", &path, lines).await.unwrap();
        assert_eq!(
            (status, &job["counts"]["failed"]),
            (200, &json!(0)),
            "{job}"
        );
    }
}

/// Federated users as NDJSON.
pub fn federated(users: u64) -> String {
    (0..users)
        .map(|n| {
            let identities = json!([{"provider": "google", "id": format!("g{n}")}]);
            let user =
                json!({"name": format!("N{n}"), "identities": identities, "attributes": {"n": n}});
            format!("{user}\n")
        })
        .collect()
}

fn users_in(file: &Path) -> usize {
    let text = std::fs::read(file).unwrap();
    let export: Value = serde_json::from_slice(&text).unwrap();
    export["users"].as_array().unwrap().len()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_beginning_of_another_export_is_refused() {
    let stage = Stage::new().await;
    let (one, other) = (make(&stage.at, "one").await, make(&stage.at, "other").await);
    stage.federated(&one, USERS).await;
    stage.federated(&other, 40).await;
    let part = stage.path("all.json.part");
    let export = ["users", "export", "-o", "all.json", "--instance", "one"];
    stage.interrupted(&export, &part).await;
    let held = std::fs::read(&part).unwrap();
    for (words, why) in [
        (
            ["users", "export", "-o", "all.json", "--instance", "other"],
            format!("another export, of instance {one}"),
        ),
        (
            ["directory", "export", "-o", "all.json", "--instance", "one"],
            String::from("another export, of users"),
        ),
    ] {
        stage
            .run(&words)
            .refused(&["all.json.part", &why, "remove"]);
        assert_eq!(std::fs::read(&part).unwrap(), held);
        assert!(!stage.path("all.json").exists());
    }
    // Nobody knows whose it is.
    let origin = stage.path("all.json.part.json");
    let told = std::fs::read(&origin).unwrap();
    std::fs::remove_file(&origin).unwrap();
    stage.run(&export).refused(&["nobody knows which instance"]);
    std::fs::write(&origin, told).unwrap();
    let done = stage.run(&export);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.err.contains("not of one moment"), "{}", done.err);
    assert_eq!(users_in(&stage.path("all.json")), USERS as usize);
    assert_eq!(names(stage.folder.path()), ["all.json"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashes_under_two_secrets_do_not_come_into_one_file() {
    let stage = Stage::new().await;
    let one = make(&stage.at, "one").await;
    stage.directory(&one, USERS).await;
    let part = stage.path("all.ndjson.part");
    let export = [
        "directory",
        "export",
        "-o",
        "all.ndjson",
        "--instance",
        "one",
    ];
    stage.interrupted(&export, &part).await;
    let held = std::fs::read(&part).unwrap();
    let origin = std::fs::read_to_string(stage.path("all.ndjson.part.json")).unwrap();
    assert!(origin.contains(&one), "{origin}");
    assert!(!origin.contains("a secret of tests"), "{origin}");
    let mut command = stage.command(&export);
    command.env("VESTIBULE_ENCRYPTION_SECRET", "another secret");
    Outcome::of(command.spawn().unwrap()).refused(&["another encryption secret", "remove"]);
    assert_eq!(std::fs::read(&part).unwrap(), held);
    let done = stage.run(&export);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let text = std::fs::read_to_string(stage.path("all.ndjson")).unwrap();
    assert_eq!(text.lines().count(), USERS as usize);
    assert_eq!(names(stage.folder.path()), ["all.ndjson"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_replaces_nothing_unasked() {
    let stage = Stage::new().await;
    let one = make(&stage.at, "one").await;
    stage.federated(&one, 3).await;
    std::fs::write(stage.path("held"), "mine").unwrap();
    std::os::unix::fs::symlink(stage.path("held"), stage.path("link")).unwrap();
    std::fs::create_dir(stage.path("folder")).unwrap();
    let before = names(stage.folder.path());
    let export = |what: &str, to: &str, more: &[&str]| {
        let words = [what, "export", "--instance", "one", "-o", to];
        stage.run(&[&words[..], more].concat())
    };
    for what in ["users", "directory", "bundle"] {
        export(what, "held", &[]).refused(&["exists already", "--force"]);
        for device in ["/dev/null", "link", "folder"] {
            export(what, device, &["--force"]).refused(&["no regular file"]);
        }
        export(what, "/nosuch/file", &[]).refused(&["/nosuch", "no folder"]);
        export(what, "nosuch/file", &["--force"]).refused(&["no folder"]);
    }
    assert_eq!(std::fs::read_to_string(stage.path("held")).unwrap(), "mine");
    assert_eq!(names(stage.folder.path()), before);
    assert!(std::fs::metadata("/dev/null").is_ok_and(|null| !null.is_file()));
    // Nothing was made at the service either.
    assert_eq!(stage.jobs(&one).await.as_array().unwrap().len(), 1);
    // Standard output has no file, and no name.
    let printed = export("users", "-", &[]).report();
    assert_eq!(printed["users"].as_array().unwrap().len(), 3);
    assert_eq!(names(stage.folder.path()), before);
    let told = export("users", "held", &["--force", "--json"]).report();
    assert_eq!(
        (&told["users"], &told["file"], &told["resumed"]),
        (&json!(3), &json!("held"), &json!(false)),
        "{told}"
    );
    assert_eq!(users_in(&stage.path("held")), 3);
    let told = export("bundle", "held", &["--force", "--json"]).report();
    assert_eq!(told["counts"]["added"], 3, "{told}");
    assert_eq!(names(stage.folder.path()), before);
    let verified = stage.run(&["bundle", "verify", "held", "--json"]).report();
    assert_eq!(verified["counts"]["people"], 3, "{verified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_export_to_standard_output_leaves_nothing() {
    let stage = Stage::new().await;
    let one = make(&stage.at, "one").await;
    stage.federated(&one, USERS).await;
    let temporary = stage.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    stage.way.narrow(SOME);
    let child: Child = stage
        .command(&["users", "export", "--instance", "one"])
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Its file has no name, but is open.
    let open = format!("/proc/{}/fd", child.id());
    let there = |one: std::fs::DirEntry| {
        let to = std::fs::read_link(one.path()).unwrap_or_default();
        to.starts_with(&temporary)
            && std::fs::metadata(one.path()).is_ok_and(|file| file.len() > SOME / 2)
    };
    while !std::fs::read_dir(&open).is_ok_and(|all| all.flatten().any(there)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    interrupt(&child);
    let outcome = Outcome::of(child);
    outcome.refused(&["interrupted; nothing was written"]);
    assert_eq!(outcome.out, "");
    assert_eq!(names(&temporary), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_that_did_not_come_whole_is_still_at_the_service() {
    let stage = Stage::new().await;
    let one = make(&stage.at, "one").await;
    stage.federated(&one, USERS).await;
    stage.way.narrow(30_000);
    let words = ["bundle", "export", "--instance", "one", "-o", "b.vbundle"];
    let child = stage.command(&words).spawn().unwrap();
    while names(stage.folder.path()).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    interrupt(&child);
    let outcome = Outcome::of(child);
    let job = stage.jobs(&one).await[0]["id"].as_str().unwrap().to_owned();
    let download = format!("/management/v4/{one}/jobs/{job}/download");
    outcome.refused(&["the service keeps the bundle", &download, "interrupted"]);
    assert_eq!(names(stage.folder.path()), Vec::<String>::new());
    assert!(stage.at.download(&download).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
    let stage = Stage::new().await;
    let guid = stage.at.stage().await.0;
    // `openssl rand -base64 64` writes two lines.
    std::fs::write(stage.path("secret.txt"), "one\ntwo\n").unwrap();
    for words in [
        &["bundle", "export", "-o", "people.vbundle"][..],
        &["bundle", "import", "people.vbundle"],
        &["directory", "export", "-o", "people.json"],
        &["directory", "import", "people.json"],
    ] {
        if let Some(file) = words.get(2).filter(|word| **word != "-o") {
            std::fs::write(stage.path(file), "{}").unwrap();
        }
        let at = ["--instance", &guid, "--secret-file", "secret.txt"];
        let outcome = stage.run(&[words, &at[..]].concat());
        outcome.refused(&["one line of text"]);
        assert_eq!(outcome.again(), None, "{}", outcome.err);
        for file in ["people.vbundle", "people.json"] {
            drop(std::fs::remove_file(stage.path(file)));
        }
        assert_eq!(names(stage.folder.path()), ["secret.txt"]);
    }
    let profile = stage.run(&["instance", "list", "--profile", "nosuch"]);
    profile.refused(&["no profile \"nosuch\"", "vestibule login --profile nosuch"]);
    let login = |url: &str| stage.run(&["login", "--json", "--url", url]);
    let console = login(&format!("{}/console/", stage.service.url)).report();
    assert_eq!(console["url"], stage.service.url.as_str());
    let wrong = format!("{}/oauth/v4", stage.service.url);
    login(&wrong).refused(&["is not the address of a Vestibule service"]);
    login("localhost:8080").refused(&["starts with http:// or https://"]);
    let gone = stage.run(&["instance", "delete", &guid, "--yes", "--json"]);
    assert_eq!(gone.report()["deleted"], guid.as_str());
}

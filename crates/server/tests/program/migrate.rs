//! `vestibule migrate` between two services, and within one: what travels, what is refused, and that an interruption at any moment loses
//! nothing.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::process::{ADMIN_KEY, Administrator, Service, text};

pub const USERS: u64 = 1200;
/// Salted SHA-512 of [`PASSWORD`].
const HASH: &str = "{SSHA512}on1RX5e0hrIm7Gx2wAMTdqlGiNHXdZsJEVcB39oGzHchpQaNDAva0PCALewepx9Ghf1vBFK38f7/tdfVPCylemNyYXNoLXRlc3Qtc2FsdDE=";
const PASSWORD: &str = "kill -9 is not the end";

/// Two services with an instance each.
struct Stage {
    _folders: [tempfile::TempDir; 2],
    home: tempfile::TempDir,
    services: [Service; 2],
    source: Administrator,
    target: Administrator,
    from: String,
    to: String,
}

impl Stage {
    async fn new(arguments: [&[&str]; 2]) -> Self {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let services = [
            Service::start(folders[0].path(), arguments[0]),
            Service::start(folders[1].path(), arguments[1]),
        ];
        let source = Administrator::sign_in(&services[0].url).await;
        let target = Administrator::sign_in(&services[1].url).await;
        Self {
            from: make(&source, "old shop").await,
            to: make(&target, "new shop").await,
            home: tempfile::tempdir().unwrap(),
            _folders: folders,
            services,
            source,
            target,
        }
    }

    /// The command with both sides by their GUIDs.
    fn command(&self, more: &[&str]) -> Command {
        let from = format!("{}:{}", self.services[0].url, self.from);
        let to = format!("{}:{}", self.services[1].url, self.to);
        let mut command = program(self.home.path());
        command.args(["migrate", "--from", &from, "--to", &to]);
        command.args(more);
        command
    }

    fn run(&self, more: &[&str]) -> Outcome {
        Outcome::of(self.command(more).spawn().unwrap())
    }

    async fn from(&self, path: &str) -> Value {
        get(&self.source, &self.from, path).await
    }

    async fn to(&self, path: &str) -> Value {
        get(&self.target, &self.to, path).await
    }

    async fn both_are_alike(&self) {
        let digest = summary(&self.source, &self.from).await;
        assert_eq!(digest, summary(&self.target, &self.to).await);
        assert_eq!(digest["counts"]["people"], USERS + 3, "{digest}");
    }
}

/// What a command did.
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Outcome {
    pub fn of(mut child: Child) -> Self {
        let mut err = child.stderr.take().unwrap();
        let err = std::thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).unwrap();
            text
        });
        let mut out = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        Self {
            code: child.wait().unwrap().code(),
            out,
            err: err.join().unwrap(),
        }
    }

    #[track_caller]
    pub fn report(&self) -> Value {
        assert_eq!(self.code, Some(0), "{} {}", self.out, self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {}", self.out))
    }

    #[track_caller]
    pub fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{} {}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {}", self.err);
        }
        assert!(!self.err.contains(ADMIN_KEY), "{}", self.err);
    }

    /// The words of the command that goes on, as it was printed.
    pub fn again(&self) -> Option<String> {
        let line = self.err.lines().find(|line| line.contains("--resume"))?;
        Some(line.trim().to_owned())
    }
}

pub fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    clean(&mut command, home);
    command
}

/// Nothing of whoever runs the tests.
pub fn clean(command: &mut Command, home: &Path) {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("VESTIBULE_FROM_API_KEY", ADMIN_KEY)
        .env("VESTIBULE_TO_API_KEY", ADMIN_KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
}

/// Runs a command as it was printed, through a shell.
pub fn typed(command: &str, home: &Path) -> Command {
    let rest = command
        .strip_prefix("vestibule ")
        .expect("a command of ours");
    let mut shell = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_vestibule");
    shell
        .arg("-c")
        .arg(format!("exec '{program}' {rest} --json"));
    clean(&mut shell, home);
    shell
}

pub fn interrupt(child: &Child) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
}

pub async fn make(at: &Administrator, name: &str) -> String {
    let body = json!({ "name": name });
    let (status, made) = at
        .call("POST", "/v2/resource_instances", Some(&body))
        .await
        .unwrap();
    assert_eq!(status, 201, "{made}");
    text(&made, "guid")
}

pub async fn get(at: &Administrator, guid: &str, path: &str) -> Value {
    let path = format!("/management/v4/{guid}/{path}");
    let (status, answer) = at.call("GET", &path, None).await.unwrap();
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn set(at: &Administrator, guid: &str, method: &str, path: &str, body: Value) -> Value {
    let path = format!("/management/v4/{guid}/{path}");
    let (status, answer) = at.call(method, &path, Some(&body)).await.unwrap();
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    answer
}

pub async fn summary(at: &Administrator, guid: &str) -> Value {
    let text = at
        .text(&format!("/management/v4/{guid}/bundle/digest"))
        .await
        .unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    last["summary"].clone()
}

/// Configuration of every kind.
pub async fn configure(at: &Administrator, guid: &str) {
    for (path, body) in [
        (
            "config/tokens",
            json!({"access": {"expires_in": 1800}, "refresh": {"enabled": true, "expires_in": 86400}}),
        ),
        (
            "config/idps/google",
            json!({"isActive": true, "config": {"idpId": "client-at-google", "secret": "secret-of-google"}}),
        ),
        (
            "config/ui/theme_text",
            json!({"tabTitle": "Old shop", "footnote": "since 1999"}),
        ),
        (
            "config/redirect_uris",
            json!({"redirectUris": ["https://shop.example/callback"]}),
        ),
        (
            "config/idps/cloud_directory",
            json!({"isActive": true, "config": {"selfServiceEnabled": false, "signupEnabled": false}}),
        ),
    ] {
        set(at, guid, "PUT", path, body).await;
    }
    let app = set(
        at,
        guid,
        "POST",
        "applications",
        json!({"name": "shop", "type": "regularwebapp"}),
    )
    .await;
    let id = text(&app, "clientId");
    set(
        at,
        guid,
        "PUT",
        &format!("applications/{id}/scopes"),
        json!({"scopes": ["buy", "sell"]}),
    )
    .await;
    let access = json!([{"application_id": id, "scopes": ["buy"]}]);
    let role = set(
        at,
        guid,
        "POST",
        "roles",
        json!({"name": "customer", "description": "buys", "access": access}),
    )
    .await;
    let ids = json!({"roles": {"ids": [text(&role, "id")]}});
    set(at, guid, "PUT", &format!("applications/{id}/roles"), ids).await;
    set(
        at,
        guid,
        "POST",
        "applications",
        json!({"name": "page", "type": "singlepageapp"}),
    )
    .await;
}

/// People of every kind, whose roles exist.
pub async fn people(at: &Administrator, guid: &str) {
    let users: String = (0..USERS)
        .map(|n| {
            let user = json!({
                "scimUser": {
                    "originalId": format!("old-{n}"), "status": if n % 3 == 1 { "PENDING" } else { "CONFIRMED" }, "active": n % 7 != 1,
                    "emails": [{"value": format!("m{n}@example.org"), "primary": true}],
                    "meta": {"created": "2024-03-01T10:00:00.000Z", "lastModified": "2025-03-01T10:00:00.000Z"},
                },
                "passwordHash": HASH, "profile": {"attributes": {"n": n}}, "roles": if n % 2 == 0 { json!(["customer"]) } else { json!([]) },
            });
            format!("{user}\n")
        })
        .collect();
    let path = format!("/management/v4/{guid}/cloud_directory/import/stream");
    let (status, job) = at.send("POST", &path, users).await.unwrap();
    assert_eq!(
        (status, &job["counts"]["added"]),
        (200, &json!(USERS)),
        "{job}"
    );
    let federated = json!({"users": [{
        "id": "7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6", "name": "F", "email": "f@example.org", "picture": "p.jpg",
        "identities": [{"provider": "google", "id": "g1"}], "attributes": {"a": 1}, "roles": ["customer"],
    }]});
    set(at, guid, "POST", "users/import", federated).await;
    let later = json!({"idp": "saml", "idp-identity": "later@example.org", "profile": {"attributes": {"future": true}}});
    set(at, guid, "POST", "users", later).await;
    let lone = json!({"emails": [{"value": "lone@example.org", "primary": true}], "password": "correct horse battery"});
    set(
        at,
        guid,
        "POST",
        "cloud_directory/sign_up?shouldCreateProfile=false",
        lone,
    )
    .await;
}

async fn move_everything(arguments: [&[&str]; 2]) {
    let stage = Stage::new(arguments).await;
    configure(&stage.source, &stage.from).await;
    people(&stage.source, &stage.from).await;
    // A rehearsal says what would happen, and changes nothing.
    let rehearsed = stage.run(&["--dry-run", "--json"]).report();
    assert_eq!(
        rehearsed["source"]["counts"]["people"],
        USERS + 3,
        "{rehearsed}"
    );
    assert_eq!(rehearsed["target"]["counts"]["people"], 0, "{rehearsed}");
    let shown = stage.run(&["--dry-run"]);
    for words in [
        "Would move old shop to new shop",
        "application shop: created",
        "signing keys",
        "did not look at each",
        "Nothing was changed.",
    ] {
        assert!(shown.out.contains(words), "no {words:?} in {}", shown.out);
    }
    assert_eq!(stage.to("applications").await["applications"], json!([]));
    assert_eq!(stage.to("jobs").await["jobs"], json!([]));
    assert_eq!(
        stage.to("config/redirect_uris").await["redirectUris"],
        json!([])
    );
    assert_eq!(
        stage.from("jobs?kind=bundle_export").await["jobs"],
        json!([])
    );
    // The move itself.
    let moved = stage.run(&["--json"]).report();
    assert_eq!(moved["digestsAgree"], true, "{moved}");
    assert_eq!(moved["job"]["counts"]["added"], USERS + 3, "{moved}");
    assert_eq!(moved["source"], moved["target"], "{moved}");
    // What a rehearsal says of the configuration is what is done.
    for kind in ["families", "roles"] {
        assert_eq!(
            rehearsed["configuration"][kind],
            moved["configuration"][kind]
        );
    }
    stage.both_are_alike().await;
    for path in [
        "config/tokens",
        "config/redirect_uris",
        "config/ui/theme_text",
        "config/idps/cloud_directory",
    ] {
        assert_eq!(stage.to(path).await, stage.from(path).await, "{path}");
    }
    assert_eq!(
        stage.to("config/idps/google").await["config"]["secret"],
        "secret-of-google"
    );
    assert!(
        moved["nextSteps"].to_string().contains("at Google"),
        "{moved}"
    );
    let apps = stage.to("applications").await;
    let app = &apps["applications"][0];
    let made = &moved["configuration"]["applications"][0];
    assert_eq!(
        (&made["outcome"], &made["clientId"]),
        (&json!("created"), &app["clientId"]),
        "{moved}"
    );
    assert_eq!(
        (&app["name"], &apps["applications"][1]["type"]),
        (&json!("shop"), &json!("singlepageapp")),
        "{apps}"
    );
    let role = stage.to("roles").await["roles"][0].clone();
    assert_eq!(
        role["access"],
        json!([{"application_id": app["clientId"], "scopes": ["buy"]}]),
        "{role}"
    );
    let of_app = stage
        .to(&format!("applications/{}/roles", text(app, "clientId")))
        .await;
    assert_eq!(of_app["roles"][0]["name"], "customer", "{of_app}");
    // The sealed file at the source is gone, and the import stands in the ledger.
    assert_eq!(
        stage.from("jobs?kind=bundle_export").await["jobs"],
        json!([])
    );
    assert_eq!(stage.to("jobs").await["jobs"][0]["id"], moved["job"]["id"]);
    // People sign in at the target with their passwords, and are who they were.
    let answer = reqwest::Client::new()
        .post(format!(
            "{}/oauth/v4/{}/token",
            stage.services[1].url, stage.to
        ))
        .basic_auth(text(app, "clientId"), Some(text(app, "secret")))
        .form(&[
            ("grant_type", "password"),
            ("username", "m6@example.org"),
            ("password", PASSWORD),
        ])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    // Once more: everybody is there, and so is the configuration.
    let again = stage.run(&["--json"]);
    assert_eq!(again.code, Some(1), "{} {}", again.out, again.err);
    assert!(
        again
            .err
            .contains(&format!("{} people were not moved", USERS + 3)),
        "{}",
        again.err
    );
    let skipped = stage.run(&["--on-conflict", "skip", "--json"]).report();
    assert_eq!(skipped["job"]["counts"]["skipped"], USERS + 3, "{skipped}");
    assert_eq!(skipped["digestsAgree"], Value::Null, "{skipped}");
    // Who changed meanwhile is moved again.
    let f = "users/7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6/profile";
    let changed = json!({"attributes": {"a": 2}});
    set(&stage.source, &stage.from, "PUT", f, changed).await;
    let updated = stage
        .run(&["--users", "--on-conflict", "update", "--json"])
        .report();
    assert_eq!(updated["job"]["counts"]["updated"], USERS + 3, "{updated}");
    assert_eq!(stage.to(f).await["attributes"], json!({"a": 2}));
    for kind in ["families", "roles", "applications"] {
        for one in skipped["configuration"][kind].as_array().unwrap() {
            assert_eq!(one["outcome"], "unchanged", "{skipped}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_moves_between_two_services() {
    move_everything([&[], &[]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_moves_from_sqlite_to_postgresql() {
    let Some(url) = vestibule_testkit::postgres::test_database_url() else {
        return;
    };
    move_everything([&[], &["--database-url", &url]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_moves_within_one_service() {
    let folder = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    let at = Administrator::sign_in(&service.url).await;
    let (from, to) = (make(&at, "old").await, make(&at, "new").await);
    configure(&at, &from).await;
    people(&at, &from).await;
    let place = |name: &str| format!("{}:{name}", service.url);
    // By name, and with one key for both sides.
    let run = |more: &[&str]| {
        let mut command = program(home.path());
        command
            .env_remove("VESTIBULE_FROM_API_KEY")
            .env_remove("VESTIBULE_TO_API_KEY");
        command.env("VESTIBULE_API_KEY", ADMIN_KEY);
        command
            .args([
                "migrate",
                "--from",
                &place("old"),
                "--to",
                &place("new"),
                "--json",
            ])
            .args(more);
        Outcome::of(command.spawn().unwrap())
    };
    // Only users: their roles are not there.
    run(&["--users"]).refused(&["customer", "--config"]);
    let settings = run(&["--config"]).report();
    assert_eq!(settings["job"], Value::Null, "{settings}");
    assert_eq!(
        get(&at, &to, "config/redirect_uris").await["redirectUris"],
        json!(["https://shop.example/callback"])
    );
    let apps = get(&at, &to, "applications").await;
    assert_eq!(
        settings["configuration"]["applications"][0]["clientId"],
        apps["applications"][0]["clientId"],
        "{settings}"
    );
    assert_eq!(summary(&at, &to).await["counts"]["people"], 0);
    // With new ids, since the old ones are taken by nobody here but that is asked for.
    let moved = run(&["--users", "--ids", "remap"]).report();
    assert_eq!(
        (&moved["job"]["counts"]["added"], &moved["job"]["ids"]),
        (&json!(USERS + 3), &json!("remap")),
        "{moved}"
    );
    assert_eq!(
        (&moved["digestsAgree"], &moved["configuration"]),
        (&Value::Null, &Value::Null),
        "{moved}"
    );
    assert_eq!(
        moved["source"]["counts"], moved["target"]["counts"],
        "{moved}"
    );
    assert_eq!(service.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_moved_is_refused_before_anything_changes() {
    let stage = Stage::new([&[], &[]]).await;
    configure(&stage.source, &stage.from).await;
    let nowhere = "5c5d7b0e-6a3f-4a55-9d0c-0f4a8f0f1e11";
    let (from, to) = (
        stage.services[0].url.as_str(),
        stage.services[1].url.as_str(),
    );
    let run = |from: &str, to: &str, keys: [&str; 2]| {
        let mut command = program(stage.home.path());
        command
            .env("VESTIBULE_FROM_API_KEY", keys[0])
            .env("VESTIBULE_TO_API_KEY", keys[1]);
        Outcome::of(
            command
                .args(["migrate", "--from", from, "--to", to])
                .spawn()
                .unwrap(),
        )
    };
    let (source, target) = (
        format!("{from}:{}", stage.from),
        format!("{to}:{}", stage.to),
    );
    let both = [ADMIN_KEY; 2];
    // A wrong key, at either side.
    run(&source, &target, ["wrong", ADMIN_KEY]).refused(&["the source", "refused the API key"]);
    run(&source, &target, [ADMIN_KEY, "wrong"]).refused(&["the target", "refused the API key"]);
    // No key: one that is set for all commands is not sent to two services.
    let mut without = stage.command(&[]);
    without
        .env_remove("VESTIBULE_TO_API_KEY")
        .env("VESTIBULE_API_KEY", ADMIN_KEY);
    Outcome::of(without.spawn().unwrap()).refused(&["the target", "VESTIBULE_TO_API_KEY"]);
    // A key that may only read there, or only at another instance.
    for (role, word) in [("Reader", "not allowed"), ("Writer", "not allowed")] {
        let body = json!({"name": role, "source": stage.to, "role": role});
        let (status, key) = stage
            .target
            .call("POST", "/v2/resource_keys", Some(&body))
            .await
            .unwrap();
        assert_eq!(status, 201, "{key}");
        let key = text(&key["credentials"], "apikey");
        run(&source, &target, [ADMIN_KEY, &key]).refused(&["the target", "Manager", word]);
        run(&source, &format!("{to}:{}", stage.from), [ADMIN_KEY, &key])
            .refused(&["the target", "not found"]);
    }
    // No such instance, by id and by name.
    run(&format!("{from}:{nowhere}"), &target, both).refused(&["the source", "not found"]);
    run(&source, &format!("{to}:nobody's shop"), both)
        .refused(&["the target", "no instance named"]);
    // Nothing answers there.
    run(&source, &format!("http://127.0.0.1:1:{}", stage.to), both)
        .refused(&["the target", "nothing answers"]);
    // The same instance on both sides, also by name.
    run(&source, &source, both).refused(&["the same instance"]);
    run(&source, &format!("{from}:old shop"), both).refused(&["the same instance"]);
    // A move that nobody knows.
    stage
        .run(&["--resume", nowhere])
        .refused(&["is no move of instance"]);
    // Usage.
    for arguments in [
        ["--from", "http://127.0.0.1:8080"],
        ["--from", "shop"],
        ["--resume", "odd"],
    ] {
        let mut command = program(stage.home.path());
        let outcome = Outcome::of(
            command
                .args(["migrate", "--to", &target])
                .args(arguments)
                .spawn()
                .unwrap(),
        );
        assert_eq!(outcome.code, Some(2), "{}", outcome.err);
    }
    assert_eq!(stage.to("jobs").await["jobs"], json!([]));
    assert_eq!(stage.to("applications").await["applications"], json!([]));
    assert_eq!(stage.from("jobs").await["jobs"], json!([]));
}

/// Ctrl-C at different moments, again and again, until the move is done: the command that each prints goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_move_goes_on_where_it_was() {
    let stage = Stage::new([&[], &[]]).await;
    configure(&stage.source, &stage.from).await;
    people(&stage.source, &stage.from).await;
    stage.run(&["--config"]);
    let mut interrupted = 0;
    let mut next: Option<String> = None;
    let report = loop {
        let mut command = match &next {
            None => stage.command(&["--users", "--json"]),
            Some(command) => typed(command, stage.home.path()),
        };
        let child = command.spawn().unwrap();
        // The first as soon as there is a job, the later ones a little later each, so that each phase is met.
        if next.is_none() {
            while stage.from("jobs?kind=bundle_export").await["jobs"] == json!([]) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        } else {
            tokio::time::sleep(Duration::from_millis(150 + 170 * interrupted)).await;
        }
        if interrupted < 12 {
            interrupt(&child);
        }
        let outcome = Outcome::of(child);
        if outcome.code == Some(0) {
            break outcome.report();
        }
        outcome.refused(&["interrupted"]);
        next = outcome.again().or(next);
        interrupted += 1;
        assert!(next.is_some(), "{}", outcome.err);
        // Both sides rest: nothing is at work without whoever asked for it.
        for jobs in [
            stage.from("jobs?kind=bundle_export").await,
            stage.to("jobs").await,
        ] {
            for job in jobs["jobs"].as_array().unwrap() {
                assert_ne!(job["state"], "queued", "{job}");
            }
        }
    };
    assert!(interrupted > 0);
    assert_eq!(report["job"]["counts"]["added"], USERS + 3, "{report}");
    assert_eq!(report["digestsAgree"], true, "{report}");
    stage.both_are_alike().await;
}

/// Somebody else lets the jobs rest; the move says so, and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_somebody_paused_goes_on_when_it_is_told_to() {
    let stage = Stage::new([&[], &[]]).await;
    configure(&stage.source, &stage.from).await;
    people(&stage.source, &stage.from).await;
    stage.run(&["--config"]);
    let child = stage.command(&["--users", "--json"]).spawn().unwrap();
    let path = format!("/management/v4/{}/jobs", stage.from);
    let id = loop {
        let jobs = stage.from("jobs?kind=bundle_export").await;
        if let Some(id) = jobs["jobs"][0]["id"].as_str() {
            break id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    let paused = stage
        .source
        .call("POST", &format!("{path}/{id}/pause"), Some(&json!({})))
        .await;
    let outcome = Outcome::of(child);
    // It may have been through already.
    if paused.is_some_and(|(status, job)| status == 200 && job["state"] == "paused") {
        outcome.refused(&["somebody paused the export at the source", &id]);
        let again = outcome.again().unwrap();
        let report = Outcome::of(typed(&again, stage.home.path()).spawn().unwrap()).report();
        assert_eq!(report["digestsAgree"], true, "{report}");
    } else {
        assert_eq!(outcome.report()["digestsAgree"], true);
    }
    stage.both_are_alike().await;
}

/// The target dies in the middle, as in a power cut, and comes back; the move waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_survives_the_death_of_the_target() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let home = tempfile::tempdir().unwrap();
    let first = Service::start(folders[0].path(), &[]);
    let second = Service::start_at(&address, folders[1].path(), &[]);
    let (source, target) = (
        Administrator::sign_in(&first.url).await,
        Administrator::sign_in(&second.url).await,
    );
    let (from, to) = (make(&source, "old").await, make(&target, "new").await);
    configure(&source, &from).await;
    people(&source, &from).await;
    let mut command = program(home.path());
    command.args([
        "migrate",
        "--json",
        "--from",
        &format!("{}:old", first.url),
        "--to",
        &format!("{}:new", second.url),
    ]);
    let child = command.spawn().unwrap();
    while get(&target, &to, "jobs").await["jobs"] == json!([]) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    second.kill();
    let second = Service::start_at(&address, folders[1].path(), &[]);
    let report = Outcome::of(child).report();
    assert_eq!(
        (&report["digestsAgree"], &report["job"]["counts"]["added"]),
        (&json!(true), &json!(USERS + 3)),
        "{report}"
    );
    let target = Administrator::sign_in(&second.url).await;
    assert_eq!(summary(&source, &from).await, summary(&target, &to).await);
    assert_eq!(second.stop(), Some(0));
}

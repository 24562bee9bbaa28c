//! `kill -9` in the middle of large moves. Whoever goes on finds nothing twice and nothing lost: the content digest of the target is
//! that of the source, and the file of an export holds everybody.
//!
//! `VESTIBULE_KILLS` sets how often on each database; 200 by hand, fewer here. `VESTIBULE_SEED` repeats the moments of an earlier run,
//! which prints its own.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::process::{Administrator, SECRET, Service, text};

const KILLS: u64 = 8;
const USERS: usize = 1000;
const HASH: &str = "{SSHA512}on1RX5e0hrIm7Gx2wAMTdqlGiNHXdZsJEVcB39oGzHchpQaNDAva0PCALewepx9Ghf1vBFK38f7/tdfVPCylemNyYXNoLXRlc3Qtc2FsdDE=";
const BOUNDARY: &str = "----form";
/// Small steps, so that there are many of them to be killed in, and nodes that are soon given up.
const QUICK: [&str; 4] = ["--lease-seconds", "1", "--step-records", "40"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_on_sqlite_survive_kill_9() {
    survive(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_on_postgresql_survive_kill_9() {
    let Some(url) = vestibule_testkit::postgres::test_database_url() else {
        return;
    };
    survive(&["--database-url", &url]).await;
}

/// Of two nodes, the one that runs a job is killed; the other one finishes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_finishes_the_job_of_a_killed_one() {
    let Some(url) = vestibule_testkit::postgres::test_database_url() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&["--database-url", url.as_str()][..], &QUICK].concat();
    let start = || Service::start(folder.path(), &arguments);
    let (mut one, mut other) = (start(), start());
    let stage = Stage::set(&one).await;
    for kind in [
        Kind::ImportAll,
        Kind::BundleImport,
        Kind::ExportAll,
        Kind::BundleExport,
    ] {
        // Which node runs it is chance, and it may end at the very moment of the kill: then it is tried again.
        let mut handed_over = false;
        for _ in 0..30 {
            let work = Work::new(kind, &stage, &one).await;
            assert!(
                work.begin(&stage, &Administrator::sign_in(&one.url).await)
                    .await
            );
            let survivor = Administrator::sign_in(&other.url).await;
            let held = loop {
                let shown = work.show(&survivor).await;
                if shown["state"] != "queued" && shown["counts"]["done"] != 0 {
                    break shown;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            };
            one.kill();
            one = start();
            let ended = work.end(&stage, &survivor).await;
            handed_over = held["state"] == "running" && held["node"] != ended["node"];
            // The one that is killed next is the one that was not killed before.
            (one, other) = (other, one);
            if handed_over {
                break;
            }
        }
        assert!(handed_over, "no job of {kind:?} was handed over");
    }
    assert_eq!((one.stop(), other.stop()), (Some(0), Some(0)));
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stream,
    ImportAll,
    ExportAll,
    BundleExport,
    BundleImport,
}

const KINDS: [Kind; 5] = [
    Kind::Stream,
    Kind::ImportAll,
    Kind::ExportAll,
    Kind::BundleExport,
    Kind::BundleImport,
];

/// What is moved.
struct Stage {
    source: String,
    /// Digests of the source: of its directory, and of everybody.
    directory: String,
    everybody: String,
    /// The source as a bundle.
    bundle: Vec<u8>,
    /// The source as an array.
    array: Vec<u8>,
}

impl Stage {
    async fn set(service: &Service) -> Self {
        let administrator = Administrator::sign_in(&service.url).await;
        let source = administrator.stage().await.0;
        let path = format!("/management/v4/{source}/cloud_directory/import/stream");
        let (status, job) = administrator.send("POST", &path, people()).await.unwrap();
        assert_eq!(
            (status, &job["counts"]["added"]),
            (200, &json!(USERS)),
            "{job}"
        );
        let mut stage = Self {
            directory: directory_digest(&administrator, &source).await,
            everybody: digest(&administrator, &source).await,
            source,
            bundle: Vec::new(),
            array: Vec::new(),
        };
        for (kind, export) in [
            (Kind::BundleExport, "bundle/export"),
            (Kind::ExportAll, "cloud_directory/export/all"),
        ] {
            let mut work = Work::new(kind, &stage, service).await;
            work.job = started(&administrator, &stage.source, export).await;
            work.end(&stage, &administrator).await;
            let file = work.file(&administrator).await;
            match kind {
                Kind::BundleExport => stage.bundle = file,
                _ => stage.array = file,
            }
        }
        stage
    }
}

/// A move under way.
struct Work {
    kind: Kind,
    /// The instance that the job is of.
    instance: String,
    job: std::cell::RefCell<String>,
}

async fn survive(database: &[&str]) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let kills = number("VESTIBULE_KILLS").unwrap_or(KILLS);
    let seed = number("VESTIBULE_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("VESTIBULE_SEED={seed}");
    let mut chance = Chance(seed);
    let folder = tempfile::tempdir().unwrap();
    let arguments = [database, &QUICK].concat();
    let start = || Service::start(folder.path(), &arguments);
    let mut service = start();
    let stage = Stage::set(&service).await;
    // How long each kind takes here, by the last one that was not interrupted.
    let mut lasts = [Duration::from_millis(300); KINDS.len()];
    let (mut killed, mut interrupted) = (0, 0);
    for round in 0.. {
        if killed >= kills {
            break;
        }
        let at = round % KINDS.len();
        let kind = KINDS[at];
        let work = Work::new(kind, &stage, &service).await;
        let life = lasts[at].mul_f64(chance.next() * 1.2);
        let administrator = Administrator::sign_in(&service.url).await;
        let began = Instant::now();
        let whole = async {
            if work.begin(&stage, &administrator).await {
                work.end(&stage, &administrator).await;
            }
        };
        if tokio::time::timeout(life, whole).await.is_ok() {
            lasts[at] = began.elapsed();
        } else {
            interrupted += 1;
        }
        service.kill();
        killed += 1;
        service = start();
        let administrator = Administrator::sign_in(&service.url).await;
        assert!(work.begin(&stage, &administrator).await, "{kind:?}");
        work.end(&stage, &administrator).await;
        println!("{killed}: {kind:?} killed after {life:?}");
    }
    println!("{killed} kills, {interrupted} of them in the middle");
    assert!(interrupted > 0);
    let administrator = Administrator::sign_in(&service.url).await;
    assert_eq!(digest(&administrator, &stage.source).await, stage.everybody);
    assert_eq!(service.stop(), Some(0));
}

impl Work {
    async fn new(kind: Kind, stage: &Stage, service: &Service) -> Self {
        let administrator = Administrator::sign_in(&service.url).await;
        let instance = match kind {
            Kind::ExportAll | Kind::BundleExport => stage.source.clone(),
            Kind::Stream | Kind::ImportAll | Kind::BundleImport => administrator.stage().await.0,
        };
        let named = matches!(kind, Kind::Stream | Kind::BundleImport);
        let job = if named {
            uuid::Uuid::new_v4().to_string()
        } else {
            String::new()
        };
        Self {
            kind,
            instance,
            job: job.into(),
        }
    }

    fn path(&self, of: &str) -> String {
        format!("/management/v4/{}/{of}", self.instance)
    }

    fn job_path(&self, of: &str) -> String {
        self.path(&format!("jobs/{}{of}", self.job.borrow()))
    }

    /// Begins, or goes on; false when the service went away meanwhile.
    async fn begin(&self, stage: &Stage, administrator: &Administrator) -> bool {
        let known = self.job.borrow().clone();
        match self.kind {
            Kind::Stream => {
                let path = self.path(&format!("cloud_directory/import/stream?job={known}"));
                let answer = administrator.send("POST", &path, people()).await;
                answer
                    .map(|(status, job)| assert_eq!(status, 200, "{job}"))
                    .is_some()
            }
            Kind::BundleImport => {
                let path = self.path(&format!("bundle/import?job={known}"));
                let answer = administrator
                    .bytes(&path, "application/octet-stream", stage.bundle.clone())
                    .await;
                answer
                    .map(|(status, job)| assert_eq!(status, 202, "{job}"))
                    .is_some()
            }
            // It has begun, and nobody has to do anything for it.
            _ if !known.is_empty() => true,
            Kind::ImportAll => {
                // Whose answer was lost looks first whether the service has the file.
                if let Some(job) = self.stored(administrator).await {
                    *self.job.borrow_mut() = job;
                    return true;
                }
                let form = format!("multipart/form-data; boundary={BOUNDARY}");
                let path = self.path("cloud_directory/import/all");
                let answer = administrator
                    .bytes(&path, &form, upload(&stage.array))
                    .await;
                self.has_begun(answer)
            }
            Kind::ExportAll | Kind::BundleExport => {
                let path = self.path(match self.kind {
                    Kind::ExportAll => "cloud_directory/export/all",
                    _ => "bundle/export",
                });
                let body = json!({"encryptionSecret": SECRET});
                let answer = administrator.call("POST", &path, Some(&body)).await;
                self.has_begun(answer)
            }
        }
    }

    /// The job of the instance that had its file, once none goes on any more; none when the service has no file or went away.
    async fn stored(&self, administrator: &Administrator) -> Option<String> {
        let path = self.path("jobs");
        loop {
            let (status, list) = administrator.call("GET", &path, None).await?;
            assert_eq!(status, 200, "{list}");
            let jobs = list["jobs"].as_array().expect("jobs");
            // An upload that died looks like a job that runs, until it is removed.
            let goes_on = |job: &Value| matches!(job["state"].as_str(), Some("queued" | "running"));
            if !jobs.iter().any(goes_on) {
                let whole = jobs.iter().find(|job| job["state"] == "succeeded");
                return whole.map(|job| text(job, "id"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn has_begun(&self, answer: Option<(u16, Value)>) -> bool {
        let Some((status, started)) = answer else {
            return false;
        };
        assert_eq!(status, 202, "{started}");
        *self.job.borrow_mut() = text(&started, "id");
        true
    }

    async fn show(&self, administrator: &Administrator) -> Value {
        let path = self.job_path("");
        let (status, job) = administrator
            .call("GET", &path, None)
            .await
            .expect("an answer");
        assert_eq!(status, 200, "{job}");
        job
    }

    async fn file(&self, administrator: &Administrator) -> Vec<u8> {
        administrator
            .download(&self.job_path("/download"))
            .await
            .expect("a file")
    }

    /// The job once it has ended, and everything is as it must be; none when the service went away meanwhile.
    async fn end(&self, stage: &Stage, administrator: &Administrator) -> Value {
        let job = self.ended(administrator).await;
        let counts = &job["counts"];
        assert_eq!(job["state"], "succeeded", "{:?} {job}", self.kind);
        assert_eq!(
            (&counts["added"], &counts["failed"]),
            (&json!(USERS), &json!(0)),
            "{:?} {job}",
            self.kind
        );
        match self.kind {
            Kind::Stream | Kind::ImportAll => {
                assert_eq!(
                    directory_digest(administrator, &self.instance).await,
                    stage.directory
                );
            }
            Kind::BundleImport => {
                assert_eq!(digest(administrator, &self.instance).await, stage.everybody);
            }
            Kind::ExportAll => {
                assert_eq!(job["digest"], json!(stage.directory), "{job}");
                let file = self.file(administrator).await;
                assert_eq!(job["bytes"], json!(file.len()), "{job}");
                let users: Vec<Value> = serde_json::from_slice(&file).expect("an array");
                let ids: HashSet<String> = users
                    .iter()
                    .map(|user| user["scimUser"]["originalId"].to_string())
                    .collect();
                assert_eq!((users.len(), ids.len()), (USERS, USERS));
            }
            Kind::BundleExport => {
                let file = self.file(administrator).await;
                assert_eq!(job["bytes"], json!(file.len()), "{job}");
                let verified = vestibule_bundle::verify(file.as_slice(), SECRET).expect("a bundle");
                assert_eq!(verified.content_digest.to_string(), stage.everybody);
            }
        }
        job
    }

    async fn ended(&self, administrator: &Administrator) -> Value {
        let began = Instant::now();
        loop {
            let job = self.show(administrator).await;
            if !matches!(job["state"].as_str(), Some("queued" | "running")) {
                return job;
            }
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "the job does not end: {job}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Starts a job; its id.
async fn started(
    administrator: &Administrator,
    source: &str,
    export: &str,
) -> std::cell::RefCell<String> {
    let path = format!("/management/v4/{source}/{export}");
    let body = json!({"encryptionSecret": SECRET});
    let (status, started) = administrator
        .call("POST", &path, Some(&body))
        .await
        .expect("an answer");
    assert_eq!(status, 202, "{started}");
    text(&started, "id").into()
}

/// The digest of the directory, as exports in App ID's shape have it.
async fn directory_digest(administrator: &Administrator, guid: &str) -> String {
    let path = format!("/management/v4/{guid}/cloud_directory/export/stream?summary=true");
    summary(administrator, &path).await
}

/// The digest of everybody, ids included.
async fn digest(administrator: &Administrator, guid: &str) -> String {
    summary(
        administrator,
        &format!("/management/v4/{guid}/bundle/digest"),
    )
    .await
}

async fn summary(administrator: &Administrator, path: &str) -> String {
    let body = administrator.text(path).await.expect("an answer");
    let last = body.lines().last().expect("a summary");
    let summary: Value = serde_json::from_str(last).expect("JSON");
    text(&summary["summary"], "digest")
}

fn upload(file: &[u8]) -> Vec<u8> {
    let field = |name: &str| {
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n")
    };
    let begun = format!("{}{SECRET}\r\n{}", field("encryptionSecret"), field("file"));
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    [begun.as_bytes(), file, end.as_bytes()].concat()
}

fn people() -> String {
    (0..USERS)
        .map(|n| {
            let user = json!({
                "scimUser": {
                    "originalId": format!("old-{n}"), "status": "CONFIRMED", "active": true,
                    "emails": [{"value": format!("m{}@example.org", n * 7919 % USERS), "primary": true}],
                    "meta": {"created": "2024-03-01T10:00:00.000Z", "lastModified": "2025-03-01T10:00:00.000Z"},
                },
                "passwordHash": HASH, "profile": {"attributes": {"n": n}}, "roles": [],
            });
            format!("{user}\n")
        })
        .collect()
}

/// Numbers between 0 and 1 that are the same for the same seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

//! A whole server in process.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use axum::Router;
use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule_crypto::{
    password::HasherPool,
    random::{Random, SeededRandom},
    seal::MasterKey,
};
use vestibule_engine::{Engine, Ingredients, MutualTls, Settings, mail::Mailer, pace::Pace};
use vestibule_model::{
    privilege::ServiceRole,
    time::{Clock, Timestamp},
};
use vestibule_store::{DbOptions, Store};
use vestibule_web::{App, Limits, Proxies, router};

use crate::{mail::SentMail, postgres, request::TestRequest};

/// API key of the first administrator of every test server.
pub const ADMIN_KEY: &str = "test-administrator-key-0123456789abcdef";

/// Where test servers say they are.
pub const PUBLIC_URL: &str = "http://vestibule.test";

/// Where test servers say that clients show certificates.
pub const MTLS_URL: &str = "http://mtls.vestibule.test";

/// The proxy that test servers trust. Other requests come from elsewhere.
pub const PROXY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 443);

/// A clock that moves when told.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// Moves forward.
    pub fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Under what conditions a server runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conditions {
    /// How much long work takes at a time, and how long it waits.
    pub pace: Pace,
    /// How many pages an embedded database may have; none for as many as there is space for.
    pub most_pages: Option<u32>,
    /// Where it says it is, if not at [`PUBLIC_URL`].
    pub public_url: Option<&'static str>,
    /// Whether certificates of clients reach the server.
    pub certificates: Certificates,
}

/// Whether certificates of clients reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Certificates {
    /// From [`PROXY`], which asks for them at [`MTLS_URL`].
    #[default]
    Seen,
    /// They do not.
    Unseen,
}

impl Conditions {
    /// Small steps, so that work of few people has many of them, and little patience.
    pub fn small() -> Self {
        let millis = std::time::Duration::from_millis;
        Self {
            pace: Pace {
                batch: 10,
                part: 4 << 10,
                bundle_part: 4 << 10,
                page: 10,
                lease: millis(1000),
                beat: millis(100),
                silence: millis(500),
                retry: millis(20),
                patience: millis(400),
                ..Pace::default()
            },
            most_pages: None,
            certificates: Certificates::Seen,
            public_url: None,
        }
    }
}

/// A server without a socket.
pub struct TestServer {
    /// The router.
    pub router: Router,
    /// The engine below it.
    pub engine: Engine,
    /// Its clock.
    pub clock: TestClock,
    /// Where it keeps its database.
    pub database_url: String,
    /// The mails it sent, unless it was given another mailer. They leave beside the request: `engine.settle_mail()` first.
    pub sent: SentMail,
    /// The seed of the last node that was started on its database.
    nodes: Arc<AtomicU64>,
    _folder: Arc<TempDir>,
}

impl TestServer {
    /// On a fresh SQLite file.
    pub async fn sqlite() -> Self {
        Self::sqlite_with(Conditions::default()).await
    }

    /// On a fresh SQLite file, under these conditions.
    pub async fn sqlite_with(conditions: Conditions) -> Self {
        let sent = SentMail::default();
        Self::start_on_sqlite(Box::new(sent.clone()), sent, conditions).await
    }

    /// On a fresh SQLite file, with a mailer of the test's own.
    pub async fn with_mailer(mailer: Box<dyn Mailer>) -> Self {
        Self::start_on_sqlite(mailer, SentMail::default(), Conditions::default()).await
    }

    async fn start_on_sqlite(
        mailer: Box<dyn Mailer>,
        sent: SentMail,
        conditions: Conditions,
    ) -> Self {
        let folder = TempDir::new().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Self::start(url, folder, (mailer, sent), conditions).await
    }

    /// On a fresh PostgreSQL database; `None` when this run leaves PostgreSQL out on purpose.
    pub async fn postgres() -> Option<Self> {
        let url = postgres::test_database_url()?;
        Some(Self::at(url, Conditions::default()).await)
    }

    /// On the database of this URL, which no other server of this process has made its own.
    pub async fn at(url: String, conditions: Conditions) -> Self {
        let sent = SentMail::default();
        let mail: (Box<dyn Mailer>, SentMail) = (Box::new(sent.clone()), sent);
        Self::start(url, TempDir::new().expect("a folder"), mail, conditions).await
    }

    async fn start(
        url: String,
        folder: TempDir,
        (mailer, sent): (Box<dyn Mailer>, SentMail),
        conditions: Conditions,
    ) -> Self {
        // 2026-11-23, so that tokens look as they do today.
        let clock = TestClock(Arc::new(AtomicI64::new(1_795_467_480_000)));
        let engine = open(&url, &clock, (7, mailer), conditions).await;
        Self {
            router: routes(&engine, Limits::default()),
            engine,
            nodes: Arc::new(AtomicU64::new(7)),
            clock,
            database_url: url,
            sent,
            _folder: Arc::new(folder),
        }
    }

    /// Another node on the same database (PostgreSQL), with the same clock, under conditions of its own.
    pub async fn another_node(&self, conditions: Conditions) -> Self {
        self.another_node_at(&self.database_url, conditions).await
    }

    /// The same, by way of another URL of the database.
    pub async fn another_node_at(&self, url: &str, conditions: Conditions) -> Self {
        let mailer = Box::new(self.sent.clone());
        // Another process has other luck.
        let seed = self.nodes.fetch_add(1, Ordering::SeqCst) + 1;
        let engine = open(url, &self.clock, (seed, mailer), conditions).await;
        Self {
            router: routes(&engine, Limits::default()),
            engine,
            nodes: Arc::clone(&self.nodes),
            clock: self.clock.clone(),
            database_url: url.to_owned(),
            sent: self.sent.clone(),
            _folder: Arc::clone(&self._folder),
        }
    }

    /// The same service started again: nothing is left of what the process knew.
    pub async fn restart(self, conditions: Conditions) -> Self {
        self.engine.close().await;
        self.another_node(conditions).await
    }

    /// The same database behind a server with other limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.router = routes(&self.engine, limits);
        self
    }

    /// Begins a request, e.g. `request("get", "/health/live")`.
    pub fn request(&self, method: &str, path: &str) -> TestRequest {
        TestRequest::new(self.router.clone(), method, path)
    }

    /// `GET`
    pub fn get(&self, path: &str) -> TestRequest {
        self.request("get", path)
    }

    /// `POST`
    pub fn post(&self, path: &str) -> TestRequest {
        self.request("post", path)
    }

    /// `PUT`
    pub fn put(&self, path: &str) -> TestRequest {
        self.request("put", path)
    }

    /// `DELETE`
    pub fn delete(&self, path: &str) -> TestRequest {
        self.request("delete", path)
    }

    /// The administrator's platform token.
    pub async fn admin_token(&self) -> String {
        self.token_for(ADMIN_KEY).await
    }

    /// A platform token for an API key.
    pub async fn token_for(&self, api_key: &str) -> String {
        let answer = self
            .post("/identity/token")
            .form(&[
                ("grant_type", "urn:ibm:params:oauth:grant-type:apikey"),
                ("apikey", api_key),
            ])
            .send()
            .await
            .expect(200)
            .json();
        text(&answer, "access_token")
    }

    /// Makes an instance; answers its GUID.
    pub async fn create_instance(&self, name: &str) -> String {
        let answer = self
            .post("/v2/resource_instances")
            .bearer(&self.admin_token().await)
            .json(&json!({"name": name, "target": "local", "resource_group": "default", "resource_plan_id": "standard"}))
            .send()
            .await
            .expect(201)
            .json();
        text(&answer, "guid")
    }

    /// A platform token of someone who has just this role at just this instance.
    pub async fn token_with_role(&self, guid: &str, role: ServiceRole) -> String {
        let answer = self
            .post("/v2/resource_keys")
            .bearer(&self.admin_token().await)
            .json(&json!({"name": role.name(), "source": guid, "role": role.name()}))
            .send()
            .await
            .expect(201)
            .json();
        self.token_for(&text(&answer["credentials"], "apikey"))
            .await
    }

    /// Registers an application; answers its credentials.
    pub async fn create_application(&self, guid: &str, name: &str, kind: &str) -> Value {
        self.post(&format!("/management/v4/{guid}/applications"))
            .bearer(&self.admin_token().await)
            .json(&json!({"name": name, "type": kind}))
            .send()
            .await
            .expect(200)
            .json()
    }
}

fn routes(engine: &Engine, limits: Limits) -> Router {
    let trusted = PROXY.ip().to_string().parse().expect("an address");
    router(App::new(engine.clone(), limits).behind(Proxies {
        trusted: vec![trusted],
        ..Proxies::default()
    }))
}

async fn open(
    url: &str,
    clock: &TestClock,
    (seed, mailer): (u64, Box<dyn Mailer>),
    conditions: Conditions,
) -> Engine {
    let mut key = [0; 32];
    SeededRandom::new(7).fill(&mut key);
    let store = Store::open(
        url,
        DbOptions {
            now_ms: clock.now().millis(),
            most_pages: conditions.most_pages,
            ..DbOptions::default()
        },
    )
    .await
    .expect("a database");
    let engine = Engine::new(Ingredients {
        settings: Settings {
            public_url: conditions.public_url.unwrap_or(PUBLIC_URL).to_owned(),
            region: String::from("local"),
            retention_days: 7,
            rotate_keys_days: 365,
            fetch_from: vec![String::from("127.0.0.1")],
            mutual_tls: match conditions.certificates {
                Certificates::Seen => MutualTls::Seen(Some(String::from(MTLS_URL))),
                Certificates::Unseen => MutualTls::Unseen,
            },
        },
        store,
        master: MasterKey::from_bytes(key),
        clock: Box::new(clock.clone()),
        random: Box::new(SeededRandom::new(seed)),
        hashers: HasherPool::new(2, 64),
        mailer,
        pace: conditions.pace,
    });
    engine
        .bootstrap(Some(String::from(ADMIN_KEY)))
        .await
        .expect("an account");
    engine
}

#[track_caller]
fn text(value: &Value, member: &str) -> String {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member} in {value}"))
        .to_owned()
}

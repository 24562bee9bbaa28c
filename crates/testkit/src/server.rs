//! A whole server in process.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::Router;
use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule_crypto::{
    password::HasherPool,
    random::{Random, SeededRandom},
    seal::MasterKey,
};
use vestibule_engine::{Engine, Ingredients, Settings, mail::Mailer};
use vestibule_model::{
    privilege::ServiceRole,
    time::{Clock, Timestamp},
};
use vestibule_store::{DbOptions, Store};
use vestibule_web::{App, Limits, router};

use crate::{mail::SentMail, postgres, request::TestRequest};

/// API key of the first administrator of every test server.
pub const ADMIN_KEY: &str = "test-administrator-key-0123456789abcdef";

/// Where test servers say they are.
pub const PUBLIC_URL: &str = "http://vestibule.test";

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
    _folder: TempDir,
}

impl TestServer {
    /// On a fresh SQLite file.
    pub async fn sqlite() -> Self {
        let sent = SentMail::default();
        Self::start_on_sqlite(Box::new(sent.clone()), sent).await
    }

    /// On a fresh SQLite file, with a mailer of the test's own.
    pub async fn with_mailer(mailer: Box<dyn Mailer>) -> Self {
        Self::start_on_sqlite(mailer, SentMail::default()).await
    }

    async fn start_on_sqlite(mailer: Box<dyn Mailer>, sent: SentMail) -> Self {
        let folder = TempDir::new().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Self::start(url, folder, (mailer, sent)).await
    }

    /// On a fresh PostgreSQL database; `None` when this run leaves PostgreSQL out on purpose.
    pub async fn postgres() -> Option<Self> {
        let url = postgres::test_database_url()?;
        let sent = SentMail::default();
        let mail: (Box<dyn Mailer>, SentMail) = (Box::new(sent.clone()), sent);
        Some(Self::start(url, TempDir::new().expect("a folder"), mail).await)
    }

    async fn start(
        url: String,
        folder: TempDir,
        (mailer, sent): (Box<dyn Mailer>, SentMail),
    ) -> Self {
        // 2026-11-23, so that tokens look as they do today.
        let clock = TestClock(Arc::new(AtomicI64::new(1_795_467_480_000)));
        let random = SeededRandom::new(7);
        let mut key = [0; 32];
        random.fill(&mut key);
        let store = Store::open(
            &url,
            DbOptions {
                now_ms: clock.now().millis(),
                ..DbOptions::default()
            },
        )
        .await
        .expect("a database");
        let engine = Engine::new(Ingredients {
            settings: Settings {
                public_url: String::from(PUBLIC_URL),
                region: String::from("local"),
                retention_days: 7,
                rotate_keys_days: 365,
                fetch_from: vec![String::from("127.0.0.1")],
            },
            store,
            master: MasterKey::from_bytes(key),
            clock: Box::new(clock.clone()),
            random: Box::new(random),
            hashers: HasherPool::new(2, 64),
            mailer,
        });
        engine
            .bootstrap(Some(String::from(ADMIN_KEY)))
            .await
            .expect("an account");
        Self {
            router: router(App::new(engine.clone(), Limits::default())),
            engine,
            clock,
            database_url: url,
            sent,
            _folder: folder,
        }
    }

    /// The same database behind a server with other limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.router = router(App::new(self.engine.clone(), limits));
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

#[track_caller]
fn text(value: &Value, member: &str) -> String {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member} in {value}"))
        .to_owned()
}

//! The product: one function per thing that can be done. Knows the store, cryptography and the wire formats; knows nothing of
//! HTTP servers. A function takes its proof of permission first, does the thing and answers a domain value.
//!
//! Everything hangs on [`Engine`], made once by the program; there is no global state. The present and randomness come in
//! through it ([`Clock`], [`Random`]), so that tests move their own clock.

pub mod access;
pub mod application;
pub mod client;
pub mod config;
pub mod directory;
pub mod error;
mod fetch;
pub mod job;
pub mod keys;
pub mod mail;
pub mod moving;
pub mod pace;
pub mod platform;
pub mod profile;
pub mod role;
pub mod runtime;
pub mod tenant;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use vestibule_crypto::{password::HasherPool, random::Random, seal::MasterKey};
use vestibule_model::time::{Clock, Timestamp};
use vestibule_store::Store;

pub use error::{Error, Kind, Result};
pub use fetch::Picture;
pub use vestibule_store::Page;

use crate::{
    fetch::Outbound,
    mail::{Mailer, Post},
    moving::Places,
    pace::Pace,
    platform::permission::PlatformCache,
    runtime::{Throttle, Verified},
    tenant::TenantCache,
};

/// What the engine is told by the program that starts it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme and authority that clients see, without a trailing slash; issuer and links are built from it.
    pub public_url: String,
    /// Region of instances created without one.
    pub region: String,
    /// Days that a deleted instance rests before it is destroyed.
    pub retention_days: u32,
    /// Days after which a signing key is replaced by a new one; 0 for never.
    pub rotate_keys_days: u32,
    /// Hosts that the service may go to for clients although they are private or speak plain `http`.
    pub fetch_from: Vec<String>,
    /// Whether certificates of clients reach the service.
    pub mutual_tls: MutualTls,
}

/// Whether certificates of clients reach the service, which speaks no TLS itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MutualTls {
    /// No proxy is trusted to pass them on.
    #[default]
    Unseen,
    /// A trusted proxy passes them on. Scheme and authority at which it asks for them, where that is not the public URL.
    Seen(Option<String>),
}

impl MutualTls {
    /// The address at which clients show certificates, where that is one of its own.
    pub fn url(&self) -> Option<&String> {
        match self {
            Self::Unseen => None,
            Self::Seen(url) => url.as_ref(),
        }
    }
}

/// What the engine is made of. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    parts: Arc<Parts>,
}

struct Parts {
    settings: Settings,
    store: Store,
    master: MasterKey,
    clock: Box<dyn Clock>,
    random: Box<dyn Random>,
    hashers: HasherPool,
    tenants: TenantCache,
    platform: PlatformCache,
    throttle: Throttle,
    verified: Verified,
    node: String,
    stopping: AtomicBool,
    pace: Pace,
    exports: Arc<Places>,
    post: Arc<Post>,
    outbound: Outbound,
}

/// What [`Engine::new`] needs.
pub struct Ingredients {
    /// What the operator chose.
    pub settings: Settings,
    /// The database.
    pub store: Store,
    /// Seals secrets at rest.
    pub master: MasterKey,
    /// The present.
    pub clock: Box<dyn Clock>,
    /// Randomness.
    pub random: Box<dyn Random>,
    /// Password hashing.
    pub hashers: HasherPool,
    /// How mail leaves the process.
    pub mailer: Box<dyn Mailer>,
    /// How much long work takes at a time, and how long it waits.
    pub pace: Pace,
}

impl Engine {
    /// Puts the parts together. Does no I/O.
    pub fn new(ingredients: Ingredients) -> Self {
        let node = vestibule_crypto::random::token(ingredients.random.as_ref(), 9);
        Self {
            parts: Arc::new(Parts {
                settings: ingredients.settings,
                store: ingredients.store,
                master: ingredients.master,
                clock: ingredients.clock,
                random: ingredients.random,
                hashers: ingredients.hashers,
                tenants: TenantCache::new(),
                platform: PlatformCache::new(),
                throttle: Throttle::new(),
                verified: Verified::new(),
                node,
                stopping: AtomicBool::new(false),
                pace: ingredients.pace,
                exports: Arc::default(),
                post: Post::new(ingredients.mailer),
                outbound: Outbound::new(),
            }),
        }
    }

    /// What the operator chose.
    pub fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.parts.store
    }

    pub(crate) fn master(&self) -> &MasterKey {
        &self.parts.master
    }

    pub(crate) fn random(&self) -> &dyn Random {
        self.parts.random.as_ref()
    }

    /// A fresh name for a request, to find it in the log by.
    pub fn trace_id(&self) -> String {
        vestibule_crypto::random::token(self.random(), 12)
    }

    pub(crate) fn random_id(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.parts.random.fill(&mut bytes);
        bytes
    }

    /// How many passwords were hashed since the start, for whatever reason.
    pub fn passwords_hashed(&self) -> u64 {
        self.hashers().done()
    }

    pub(crate) fn hashers(&self) -> &HasherPool {
        &self.parts.hashers
    }

    pub(crate) fn tenants(&self) -> &TenantCache {
        &self.parts.tenants
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.parts.throttle
    }

    pub(crate) fn verified_tokens(&self) -> &Verified {
        &self.parts.verified
    }

    pub(crate) fn platform_cache(&self) -> &PlatformCache {
        &self.parts.platform
    }

    /// The name of this process among those that share the database. New at each start.
    pub fn node(&self) -> &str {
        &self.parts.node
    }

    /// Asks jobs to rest at their next checkpoint, so that another process can go on with them.
    pub fn stop_jobs(&self) {
        self.parts.stopping.store(true, Ordering::SeqCst);
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.parts.pace
    }

    pub(crate) fn exports(&self) -> &Arc<Places> {
        &self.parts.exports
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.parts.stopping.load(Ordering::SeqCst)
    }

    pub(crate) fn outbound(&self) -> &Outbound {
        &self.parts.outbound
    }

    pub(crate) fn post(&self) -> &Arc<Post> {
        &self.parts.post
    }

    /// Finishes what was accepted and closes the database.
    pub async fn close(&self) {
        self.parts.store.close().await;
    }
}

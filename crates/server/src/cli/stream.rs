//! Exports and imports of any size by stream, with progress; broken ones go on where they stopped.

mod export;
mod import;
mod part;

use std::time::Duration;

use serde_json::Value;

pub use export::export;
pub use import::{Import, ImportOptions, explain, tell};

/// How often a broken connection is tried again before giving up.
pub const TRIES: u32 = 8;

/// Waits before another try, longer each time; false when somebody does not want to wait.
pub async fn wait(tries: u32) -> bool {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(500) * tries) => true,
        _ = tokio::signal::ctrl_c() => false,
    }
}

/// Which users: they are exported and imported by different calls.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    /// Profiles of federated users.
    Federated,
    /// Cloud Directory users; their password hashes are sealed with this secret.
    Directory(&'a str),
}

impl<'a> Kind<'a> {
    fn path(self) -> &'static str {
        match self {
            Self::Federated => "users",
            Self::Directory(_) => "cloud_directory",
        }
    }

    fn secret(self) -> Option<&'a str> {
        match self {
            Self::Federated => None,
            Self::Directory(secret) => Some(secret),
        }
    }

    /// The id that an exported record is gone on behind.
    fn id(self, record: &Value) -> Option<&str> {
        match self {
            Self::Federated => record["id"].as_str(),
            Self::Directory(_) => record["scimUser"]["originalId"].as_str(),
        }
    }
}

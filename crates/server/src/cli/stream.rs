//! Exports and imports of any size by stream, with progress; broken ones go on where they stopped.

mod export;
mod import;

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{
    client::Client,
    output::{Output, print},
};

pub use export::export;
pub use import::{ImportOptions, import, tell};

/// How often a broken connection is tried again before giving up.
pub const TRIES: u32 = 8;

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

/// Copies all users of both kinds from one instance to another of the same service.
pub async fn move_users(
    client: &Client,
    output: Output,
    source: &str,
    target: &str,
) -> Result<Value> {
    // Nobody sees this secret: it protects the hashes for the moment that they are in a file of this process.
    let secret = uuid::Uuid::new_v4().to_string();
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let mut answer = json!({});
    for (name, kind) in [
        ("federated", Kind::Federated),
        ("directory", Kind::Directory(secret.as_str())),
    ] {
        let file = folder.path().join(format!("{name}.ndjson"));
        export(client, output, source, kind, Some(&file)).await?;
        let options = ImportOptions {
            on_conflict: String::from("fail"),
            dry_run: false,
            resume: None,
        };
        let job = import(client, output, target, kind, &file, &options, false).await?;
        if !output.json {
            print(&format!(
                "  {name} users: {} copied, {} failed",
                job["counts"]["added"], job["counts"]["failed"]
            ))?;
        }
        answer[name] = job;
    }
    Ok(answer)
}

/// Opens a file that only its owner reads, and keeps what is in it.
pub fn private_file(path: &Path) -> Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

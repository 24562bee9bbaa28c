//! Moving users between instances: export and import of federated users' profiles and of directory users with their password
//! hashes (docs/api/moving-users.md).
//!
//! Records are read and checked before any transaction begins. They are applied in chunks, each one transaction: whatever happens,
//! no user is there by half. A record that is refused leaves nothing behind and is named in the report.

mod batch;
mod bundle_export;
mod bundle_import;
mod bundle_people;
mod digest;
mod directory_apply;
mod directory_export;
mod directory_import;
mod directory_record;
mod directory_update;
mod export_stream;
mod feed;
mod import_job;
mod large;
mod lines;
mod lost;
mod news;
mod places;
pub mod predicate;
mod profile_apply;
mod profile_export;
mod profile_import;
mod profile_record;
mod render;
mod scan;
mod seen;
mod taken;
mod upload;

use std::collections::HashMap;

use serde_json::value::RawValue;
use vestibule_model::{Invalid, id::RoleId, time::Timestamp};
use vestibule_store::scope::Tenant;

use crate::{Error, Kind, Result};

pub use bundle_export::BundleExport;
pub use bundle_import::BundleImport;
pub use bundle_people::BundleIds;
pub use directory_export::DirectoryExport;
pub use directory_import::{DirectoryImport, WithoutPassword};
pub use export_stream::{Only, StreamExport, Summary};
pub use feed::{Body, Broken};
pub use import_job::{StreamImport, Streamed};
pub use large::{ExportAll, Upload};
pub(crate) use places::Places;
pub use profile_export::ProfileExport;

/// Users of one transaction.
const CHUNK: usize = 500;
/// How often a chunk is tried again when someone else added the same user at the same moment.
const TRIES: usize = 3;

/// One user of a file, as it stands there.
pub type Record = Box<RawValue>;

/// What happens to a user who exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Reported as failed.
    #[default]
    Fail,
    /// Left as it is and counted.
    Skip,
    /// Overwritten with what the file says.
    Update,
}

impl OnConflict {
    /// The policy's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Update => "update",
        }
    }

    /// Reads the policy's name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "fail" => Ok(Self::Fail),
            "skip" => Ok(Self::Skip),
            "update" => Ok(Self::Update),
            _ => Err(Invalid::new("on_conflict", "must be fail, skip or update")),
        }
    }
}

/// What an import did: every record of the file is in exactly one of the four counts.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// Users that exist now and did not before.
    pub added: usize,
    /// Users that existed and were overwritten.
    pub updated: usize,
    /// Users that existed and were left as they are.
    pub skipped: usize,
    /// Records that were refused, in the order of the file.
    pub failures: Vec<Failure>,
    /// Users that were imported without a password, because the caller said so, with their place in the file.
    pub without_password: Vec<(usize, Name)>,
    /// Users that existed: overwritten or left as they are.
    pub passed: Vec<Passed>,
    /// Users whose id is another than the one they asked for: old and new id.
    pub renamed: Vec<Renamed>,
}

/// A user who existed.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Its place in the file, counted from 0.
    pub index: usize,
    /// Whom it is about.
    pub name: Name,
    /// What became of it.
    pub outcome: Outcome,
    /// What belonged to the user and does not any more: its address or its name, by their keys.
    pub(crate) freed: Vec<String>,
}

/// What became of a user who existed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Overwritten.
    Updated,
    /// Left as it is.
    Skipped,
}

/// A user who has a new id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// `directory` or `profile`.
    pub kind: &'static str,
    /// The id it came with.
    pub from: String,
    /// The id it has here.
    pub to: String,
}

impl ImportReport {
    fn add(&mut self, other: Self) {
        self.added += other.added;
        self.updated += other.updated;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
        self.without_password.extend(other.without_password);
        self.passed.extend(other.passed);
        self.renamed.extend(other.renamed);
    }
}

/// A record that was refused.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its place in the file, counted from 0.
    pub index: usize,
    /// Whom it is about.
    pub name: Name,
    /// Why.
    pub refusal: Refusal,
}

/// Whom a record is about, as far as it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Name {
    /// The id where the user came from.
    pub original_id: Option<String>,
    /// The id of the user here who is in the way.
    pub id: Option<String>,
    /// The provider of a federated user.
    pub provider: Option<String>,
    /// The address of a directory user.
    pub email: Option<String>,
    /// The name of a directory user.
    pub user_name: Option<String>,
}

/// Why a record was refused: a code for machines and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Listed in docs/api/moving-users.md.
    pub code: &'static str,
    /// Never holds a secret.
    pub message: String,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The record does not have the shape of a user.
    fn shape(invalid: &Invalid) -> Self {
        Self::new("invalid_record", invalid.to_string())
    }

    fn duplicate() -> Self {
        Self::new(
            "duplicate_in_file",
            "An earlier record of this file is the same user.",
        )
    }
}

/// Roles of the instance by name.
struct RoleNames(HashMap<String, RoleId>);

impl RoleNames {
    fn load(t: &mut Tenant<'_, '_>) -> Result<Self> {
        let roles = t.list_roles()?;
        Ok(Self(
            roles.into_iter().map(|role| (role.name, role.id)).collect(),
        ))
    }

    /// Ids of these roles, or a refusal that names the first one there is none of.
    fn ids(&self, names: &[String]) -> Result<Vec<RoleId>, Refusal> {
        names
            .iter()
            .map(|name| {
                self.0.get(name).copied().ok_or_else(|| {
                    let shown: String = name.chars().take(60).collect();
                    Refusal::new("unknown_role", format!("There is no role named {shown:?}."))
                })
            })
            .collect()
    }
}

/// Reads names of roles: left out and `null` mean none.
fn role_names(value: Option<Record>) -> Result<Vec<String>, Refusal> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    serde_json::from_str::<Option<Vec<String>>>(value.get())
        .map(Option::unwrap_or_default)
        .map_err(|_| Refusal::new("invalid_record", "roles: must be an array of names"))
}

/// Runs work that takes the processor for long away from the threads that serve requests.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Error::internal)
}

/// A moment later. Exports are ordered by the time a profile was made, so those of one import get one moment each.
fn after(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.millis().saturating_add(1))
}

/// Notes why an import ended early: its answer is a success, so nothing else would.
fn log(error: &Error) {
    tracing::warn!(?error, "an import ended early");
}

/// What to say of the records that were not reached when the database failed: those of the chunk at fault, then the rest.
fn unreached(error: &Error) -> (Refusal, Refusal) {
    let at_fault = if error.kind == Kind::Conflict {
        Refusal::new(
            "conflict",
            "Other requests kept adding the same users. Import this record again.",
        )
    } else {
        Refusal::new(
            "outcome_unknown",
            "The database failed while this user was written. Import the record again with on_conflict=skip.",
        )
    };
    let rest = Refusal::new(
        "not_imported",
        "The import ended before this record because the database failed. Import it again.",
    );
    (at_fault, rest)
}

//! What imports answer.

use schemars::JsonSchema;
use serde::Serialize;
use vestibule_engine::moving::{Failure, ImportReport, Name, Refusal};

/// Answer of `users/import`. `updated` and `skipped` occur only when there are such users.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProfilesImported {
    added: usize,
    #[serde(skip_serializing_if = "none")]
    updated: usize,
    #[serde(skip_serializing_if = "none")]
    skipped: usize,
    failed: usize,
    fail_reasons: Vec<ProfileFailure>,
}

/// Answer of `cloud_directory/import`. `updated`, `skipped` and `withoutPassword` occur only when there are such users.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DirectoryImported {
    added: usize,
    #[serde(skip_serializing_if = "none")]
    updated: usize,
    #[serde(skip_serializing_if = "none")]
    skipped: usize,
    failed: usize,
    fail_reasons: Vec<DirectoryFailure>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without_password: Vec<DirectoryName>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ProfileFailure {
    /// Place in the file, counted from 0.
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_id: Option<String>,
    /// The profile that is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idp: Option<String>,
    error: Reason,
}

#[derive(Serialize, JsonSchema)]
struct DirectoryFailure {
    /// Place in the file, counted from 0.
    index: usize,
    #[serde(flatten)]
    name: DirectoryName,
    error: Reason,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DirectoryName {
    #[serde(skip_serializing_if = "Option::is_none")]
    original_id: Option<String>,
    /// The user who is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
}

/// Why a record was refused.
#[derive(Serialize, JsonSchema)]
struct Reason {
    /// One of those in docs/api/moving-users.md.
    code: String,
    message: String,
}

impl From<ImportReport> for ProfilesImported {
    fn from(report: ImportReport) -> Self {
        Self {
            added: report.added,
            updated: report.updated,
            skipped: report.skipped,
            failed: report.failures.len(),
            fail_reasons: report.failures.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<ImportReport> for DirectoryImported {
    fn from(report: ImportReport) -> Self {
        Self {
            added: report.added,
            updated: report.updated,
            skipped: report.skipped,
            failed: report.failures.len(),
            fail_reasons: report.failures.into_iter().map(Into::into).collect(),
            without_password: report
                .without_password
                .into_iter()
                .map(|(_, name)| name.into())
                .collect(),
        }
    }
}

impl From<Failure> for ProfileFailure {
    fn from(failure: Failure) -> Self {
        Self {
            index: failure.index,
            original_id: failure.name.original_id,
            id: failure.name.id,
            idp: failure.name.provider,
            error: failure.refusal.into(),
        }
    }
}

impl From<Failure> for DirectoryFailure {
    fn from(failure: Failure) -> Self {
        Self {
            index: failure.index,
            name: failure.name.into(),
            error: failure.refusal.into(),
        }
    }
}

impl From<Name> for DirectoryName {
    fn from(name: Name) -> Self {
        Self {
            original_id: name.original_id,
            id: name.id,
            email: name.email,
            user_name: name.user_name,
        }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code.to_owned(),
            message: refusal.message,
        }
    }
}

fn none(count: &usize) -> bool {
    *count == 0
}

//! A job as it is shown.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use vestibule_model::{
    id::TenantId,
    job::{Job, JobFeed, JobKind, JobState, JobWish},
    time::Timestamp,
};

use crate::App;

/// A job. Times are RFC 3339.
#[derive(Serialize, JsonSchema, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(in crate::management) struct JobBody {
    id: String,
    /// `directory_import`, `users_import`, `bundle_import`, `directory_export` or `bundle_export`.
    kind: String,
    /// `queued`, `running`, `paused`, `succeeded`, `failed` or `cancelled`.
    state: String,
    counts: Counts,
    /// Records a second while it was worked on.
    rate: f64,
    /// Seconds until it is done, when that can be said.
    seconds_left: Option<u64>,
    /// Bytes read or written, before compression.
    bytes: u64,
    dry_run: bool,
    /// `fail`, `skip` or `update`; of imports.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_conflict: Option<String>,
    /// The predicate of an export: only those of whom it is true are in its file. Left out when everybody is.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    predicate: Option<String>,
    /// `keep` or `remap`; of imports of bundles.
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<&'static str>,
    /// Whether users come in without a password when theirs cannot be used; of imports of directory users.
    #[serde(skip_serializing_if = "Option::is_none")]
    without_password: Option<bool>,
    /// Whether nothing happens before its sender sends the body again: it is paused, and its input comes with a request.
    waits_for_input: bool,
    /// `person`: somebody paused it, and it rests until it is resumed by call. `sender`: its sender or its node is gone. Of paused jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_by: Option<&'static str>,
    /// Bytes that arrived of a file that is being uploaded: where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    uploaded: Option<u64>,
    created_by: String,
    /// The process that works on it, or did last.
    node: Option<String>,
    created: String,
    started: Option<String>,
    ended: Option<String>,
    /// When it leaves the ledger.
    expires: Option<String>,
    /// Why it ended early.
    error: Option<Failure>,
    warnings: Vec<String>,
    /// Content digest of what was written.
    digest: Option<String>,
    report_url: String,
    download_url: Option<String>,
}

#[derive(Serialize, JsonSchema, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Counts {
    /// How many records there are, once that is known.
    total: Option<u64>,
    /// How many were dealt with: the number of the next one.
    done: u64,
    added: u64,
    updated: u64,
    skipped: u64,
    failed: u64,
    without_password: u64,
}

#[derive(Serialize, JsonSchema, Clone, PartialEq)]
struct Failure {
    code: String,
    message: String,
    /// The record at which it happened, counted from 0.
    record: Option<u64>,
    /// Where in a bundle it was found: `the header`, `part 3` (counted from 0), `the manifest` or `the end of the archive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
}

impl JobBody {
    pub(in crate::management) fn new(app: &App, tenant: TenantId, job: Job) -> Self {
        let options: Value = serde_json::from_str(&job.options).unwrap_or_default();
        let asked = |name: &str| options.get(name).and_then(Value::as_bool) == Some(true);
        let text = |name: &str| {
            let text = options.get(name).and_then(Value::as_str);
            text.map(str::to_owned)
        };
        let url =
            |what: &str| app.absolute(&format!("/management/v4/{tenant}/jobs/{}/{what}", job.id));
        let makes_a_file = matches!(job.kind, JobKind::DirectoryExport | JobKind::BundleExport);
        let time = |time: Option<Timestamp>| time.map(Timestamp::rfc3339);
        Self {
            report_url: url("report"),
            download_url: (makes_a_file && job.state == JobState::Succeeded)
                .then(|| url("download")),
            rate: (job.rate() * 10.0).round() / 10.0,
            seconds_left: job.seconds_left(),
            id: job.id.to_string(),
            kind: job.kind.name().to_owned(),
            state: job.state.name().to_owned(),
            counts: Counts {
                total: job.total,
                done: job.counts.done(),
                added: job.counts.added,
                updated: job.counts.updated,
                skipped: job.counts.skipped,
                failed: job.counts.failed,
                without_password: job.counts.without_password,
            },
            bytes: job.bytes,
            dry_run: asked("dryRun"),
            on_conflict: text("onConflict"),
            predicate: text("where"),
            ids: (job.kind == JobKind::BundleImport)
                .then(|| if asked("remap") { "remap" } else { "keep" }),
            without_password: (job.kind == JobKind::DirectoryImport)
                .then(|| asked("withoutPassword")),
            waits_for_input: job.feed == JobFeed::Request && job.state == JobState::Paused,
            paused_by: (job.state == JobState::Paused).then(|| paused_by(&job)),
            uploaded: (job.kind == JobKind::BundleImport && job.feed == JobFeed::Request)
                .then(|| uploaded(&job)),
            created_by: job.created_by,
            node: job.node,
            created: job.created_at.rfc3339(),
            started: time(job.started_at),
            ended: time(job.ended_at),
            expires: time(job.expires_at),
            error: job.error.map(|error| Failure {
                code: error.code.to_uppercase(),
                message: error.message,
                record: error.record,
                place: error.place,
            }),
            warnings: job.warnings,
            digest: job.digest,
        }
    }

    /// Whether nothing happens to it by itself.
    pub(super) fn rests(&self) -> bool {
        matches!(
            self.state.as_str(),
            "paused" | "succeeded" | "failed" | "cancelled"
        )
    }
}

/// Why a job rests.
fn paused_by(job: &Job) -> &'static str {
    match (job.wish, job.feed) {
        // What needs no sender rests only when somebody wished it.
        (Some(JobWish::Pause), _) | (_, JobFeed::Parts | JobFeed::Instance) => "person",
        _ => "sender",
    }
}

/// Bytes that arrived of a file.
fn uploaded(job: &Job) -> u64 {
    let progress: Value = serde_json::from_str(&job.progress).unwrap_or_default();
    let bytes = progress.get("uploaded").and_then(Value::as_u64);
    bytes.unwrap_or(0)
}

//! Jobs: long work on an instance that is counted, can be paused, and survives the process (docs/api/jobs.md).

use crate::{Invalid, id::JobId, time::Timestamp};

macro_rules! names {
    ($(#[$doc:meta])* $name:ident, $field:literal, $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The name in storage and on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// Reads the name.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(Invalid::new($field, concat!("must be one of", $(" ", $text),+))),
                }
            }
        }
    };
}

names! {
    /// What a job does.
    JobKind, "kind",
    /// Directory users come in.
    DirectoryImport = "directory_import",
    /// Federated users' profiles come in.
    UsersImport = "users_import",
    /// A bundle comes in.
    BundleImport = "bundle_import",
    /// Directory users go out, in App ID's shape.
    DirectoryExport = "directory_export",
    /// A bundle is made.
    BundleExport = "bundle_export",
}

names! {
    /// Where a job stands.
    JobState, "state",
    /// Nobody works on it yet.
    Queued = "queued",
    /// Somebody works on it.
    Running = "running",
    /// It rests at a checkpoint until it is resumed.
    Paused = "paused",
    /// It did all it could.
    Succeeded = "succeeded",
    /// It ended early.
    Failed = "failed",
    /// Somebody ended it.
    Cancelled = "cancelled",
}

names! {
    /// Where the records of a job come from.
    JobFeed, "feed",
    /// A request whose body is being read.
    Request = "request",
    /// The file of a request that has no name to come back under.
    Upload = "upload",
    /// The file that was stored with the job.
    Parts = "parts",
    /// The instance itself.
    Instance = "instance",
}

names! {
    /// What somebody asked of a running job; honoured at its next checkpoint.
    JobWish, "wish",
    /// To rest.
    Pause = "pause",
    /// To end.
    Cancel = "cancel",
}

impl JobState {
    /// Whether nothing will happen to it any more.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// What became of records. Each is in exactly one of `added`, `updated`, `skipped` and `failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobCounts {
    /// Users that exist now and did not before; of an export, those that were written.
    pub added: u64,
    /// Users that existed and were overwritten.
    pub updated: u64,
    /// Users that existed and were left as they are.
    pub skipped: u64,
    /// Records that were refused.
    pub failed: u64,
    /// Users among those added or updated that have no password now.
    pub without_password: u64,
}

impl JobCounts {
    /// How many records were dealt with: the number of the next one.
    pub const fn done(&self) -> u64 {
        self.added + self.updated + self.skipped + self.failed
    }
}

/// Why a job ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// For machines; docs/api/jobs.md.
    pub code: String,
    /// For people. Never holds a secret.
    pub message: String,
    /// The record at which it happened, counted from 0.
    pub record: Option<u64>,
    /// Where in a bundle it happened, in words.
    pub place: Option<String>,
}

/// A job as it stands in the ledger.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// Where its records come from.
    pub feed: JobFeed,
    /// Whether a worker may take it: its file is complete and it is not paused.
    pub ready: bool,
    /// What somebody asked of it.
    pub wish: Option<JobWish>,
    /// What was asked for, as JSON. Holds no secret.
    pub options: String,
    /// How many records there are, once that is known.
    pub total: Option<u64>,
    /// What became of them.
    pub counts: JobCounts,
    /// Bytes read or written, before compression.
    pub bytes: u64,
    /// What is needed to go on from the last checkpoint, as JSON.
    pub progress: String,
    /// Why it ended early.
    pub error: Option<JobError>,
    /// What whoever reads the result should know.
    pub warnings: Vec<String>,
    /// Content digest of what an export wrote.
    pub digest: Option<String>,
    /// `iam_id` of whoever started it.
    pub created_by: String,
    /// The node that works on it, or did last.
    pub node: Option<String>,
    /// Rises whenever somebody takes it.
    pub epoch: i64,
    /// Until when it is held.
    pub lease_until: Timestamp,
    /// How long it was worked on, in milliseconds, up to the last checkpoint.
    pub busy_ms: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When somebody first worked on it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it leaves the ledger.
    pub expires_at: Option<Timestamp>,
}

impl Job {
    /// Records a second while it was worked on; zero before the first checkpoint.
    pub fn rate(&self) -> f64 {
        if self.busy_ms == 0 {
            return 0.0;
        }
        // Counts stay far below 2^52.
        self.counts.done() as f64 * 1000.0 / self.busy_ms as f64
    }

    /// Seconds until it is done at this rate, when that can be said.
    pub fn seconds_left(&self) -> Option<u64> {
        let left = self.total?.saturating_sub(self.counts.done());
        let rate = self.rate();
        (self.state == JobState::Running && rate > 0.0).then(|| (left as f64 / rate).ceil() as u64)
    }
}

/// The right to go on with a job: whoever takes it anew makes this one worthless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLease {
    /// The job.
    pub id: JobId,
    /// Its epoch when it was taken.
    pub epoch: i64,
}

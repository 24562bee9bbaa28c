//! How much long work takes at a time, and how long it waits for others. One place, so that tests can be small and quick where
//! production is large and patient.

use std::time::Duration;

use vestibule_store::EngineKind;

/// Amounts and times of jobs and streams. [`Pace::on`] is what production uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Records of one transaction of an import, at most.
    pub batch: usize,
    /// Bytes of records in one transaction of an import, beyond which no further record is taken.
    pub batch_bytes: usize,
    /// Bytes of a part of a stored file, before compression.
    pub part: usize,
    /// Bytes of people, before compression, after which a part of a bundle ends at the next page.
    pub bundle_part: usize,
    /// People of a page of an export.
    pub page: usize,
    /// How long one moment of an export is held: meanwhile the log of the database grows. Whole seconds.
    pub moment: Duration,
    /// How long a node holds a job without a sign of life. Whole seconds.
    pub lease: Duration,
    /// How often a job that waits for something gives a sign of life. Well below `lease`.
    pub beat: Duration,
    /// How long the sender of a body may be silent.
    pub silence: Duration,
    /// How long whoever takes an export may take nothing, after which the export is given up.
    pub stall: Duration,
    /// How long whoever takes an export may take nothing before it has to make room for one that waits.
    pub courtesy: Duration,
    /// How long a job waits before it asks again for a database that is away; twice as long each time, at most 25 times this.
    pub retry: Duration,
    /// How long a job waits for such a database in all, before it leaves the rest to whoever can reach it.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            batch: 1000,
            batch_bytes: 4 << 20,
            part: 1 << 20,
            bundle_part: 4 << 20,
            page: 500,
            moment: Duration::from_secs(15 * 60),
            lease: Duration::from_secs(15),
            beat: Duration::from_millis(3750),
            silence: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            courtesy: Duration::from_secs(5),
            retry: Duration::from_millis(200),
            patience: Duration::from_secs(150),
        }
    }
}

impl Pace {
    /// What production uses on this database. SQLite has one writer: its steps are short, so that who signs in meanwhile waits for no
    /// more than one.
    pub fn on(database: EngineKind) -> Self {
        let most = Self::default();
        match database {
            EngineKind::Sqlite => Self { batch: 200, ..most },
            EngineKind::Postgres => most,
        }
    }

    /// The same with another lease, and signs of life to match.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self {
            lease,
            beat: lease / 4,
            ..self
        }
    }

    /// The same with steps of so many people, and files in parts of about as many.
    #[must_use]
    pub fn with_steps(self, people: usize) -> Self {
        let people = people.max(1);
        Self {
            batch: people,
            page: people,
            part: people << 9,
            bundle_part: people << 9,
            ..self
        }
    }

    /// Seconds that a node holds a job.
    pub(crate) fn lease_seconds(&self) -> i64 {
        i64::try_from(self.lease.as_secs()).unwrap_or(i64::MAX)
    }

    /// Seconds that a moment is held.
    pub(crate) fn moment_seconds(&self) -> i64 {
        i64::try_from(self.moment.as_secs()).unwrap_or(i64::MAX)
    }

    /// The next wait for a database that is away.
    pub(crate) fn longer(&self, wait: Duration) -> Duration {
        (wait * 2).min(self.retry * 25)
    }
}

//! Going on with a job: steps that are applied exactly once, whatever happens between them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use vestibule_model::{
    id::TenantId,
    job::{Job, JobCounts, JobError, JobFeed, JobLease, JobState, JobWish},
    time::Timestamp,
};
use vestibule_store::{
    job::{JobEnd, JobLines, JobStep},
    scope::Tenant,
};

use crate::{Engine, Error, Kind, Result};

/// How often a step is tried again when someone else added the same user at the same moment.
const TRIES: usize = 5;
/// The right to go on with a job, and where it stands.
pub(crate) struct Run {
    pub engine: Engine,
    pub tenant: TenantId,
    /// As it was when it was taken.
    pub job: Job,
    /// Records dealt with: the number of the next one.
    pub done: u64,
    lease: JobLease,
    last: Timestamp,
    standing: Standing,
}

/// What the last checkpoint says. Only whoever holds the job moves it, so one that differs from what its holder knows was written by a try
/// of the holder whose answer was lost, or comes from a database that lost what it had confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    done: u64,
    bytes: u64,
    progress: String,
}

impl Standing {
    fn of(job: &Job) -> Self {
        Self {
            done: job.counts.done(),
            bytes: job.bytes,
            progress: job.progress.clone(),
        }
    }

    fn after(&self, step: &JobStep) -> Self {
        Self {
            done: self.done + step.counts.done(),
            bytes: self.bytes + step.bytes,
            progress: step.progress.clone(),
        }
    }
}

/// What a step did.
#[derive(Default)]
pub(crate) struct Step {
    pub counts: JobCounts,
    pub bytes: u64,
    pub total: Option<u64>,
    /// Where to go on; what it was before when left out.
    pub progress: Option<String>,
    /// NDJSON lines, each ended by a line feed.
    pub report: String,
    /// NDJSON lines, each ended by a line feed.
    pub map: String,
}

/// What is to happen after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    Pause,
    Cancel,
    /// This node is stopping: let another one go on.
    LetGo,
}

impl Run {
    /// With a job that was just taken.
    pub(crate) fn new(engine: Engine, tenant: TenantId, job: Job) -> Self {
        Self {
            lease: JobLease {
                id: job.id,
                epoch: job.epoch,
            },
            done: job.counts.done(),
            last: engine.now(),
            standing: Standing::of(&job),
            engine,
            tenant,
            job,
        }
    }

    /// Does a step in one transaction with its checkpoint. A step whose answer was lost is not done again, whatever it deals with: it
    /// is known by the checkpoint that it left. Waits for a database that is away for a while.
    ///
    /// # Errors
    /// One that [`is_lost`] when somebody else has the job now; whatever `work` fails with.
    pub(crate) async fn step(
        &mut self,
        work: impl Fn(&mut Tenant<'_, '_>) -> Result<Step> + Send + Sync + 'static,
    ) -> Result<Next> {
        let work = Arc::new(work);
        let reached = Arc::<Mutex<Vec<Standing>>>::default();
        let pace = *self.engine.pace();
        let mut tries = 0;
        let mut pause = pace.retry;
        let mut waited = Duration::ZERO;
        loop {
            let now = self.engine.now();
            let busy = now.millis().saturating_sub(self.last.millis());
            let at = At {
                lease: self.lease,
                standing: self.standing.clone(),
                busy_ms: u64::try_from(busy).unwrap_or(0),
                lease_until: now.plus_seconds(pace.lease_seconds()),
                reached: Arc::clone(&reached),
            };
            let work = Arc::clone(&work);
            let result = self
                .engine
                .store()
                .write_patiently(self.tenant, move |t| commit(t, at, &*work))
                .await;
            tries += 1;
            match result {
                Ok((wish, standing)) => {
                    self.done = standing.done;
                    self.standing = standing;
                    self.last = now;
                    return Ok(self.next(wish));
                }
                // Someone made the same user between our look and our insert: look again.
                Err(error) if error.kind == Kind::Conflict && !is_lost(&error) && tries < TRIES => {
                }
                Err(error)
                    if matches!(error.kind, Kind::Unavailable(_))
                        && !is_rewound(&error)
                        && waited < pace.patience =>
                {
                    tracing::warn!(job = %self.job.id, ?error, "a job waits for the database");
                    tokio::time::sleep(pause).await;
                    self.keep().await;
                    waited += pause;
                    pause = pace.longer(pause);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A sign of life while a step waits: what is full may have room for as much as this, and nobody is to take the job meanwhile.
    async fn keep(&self) {
        let lease = self.lease;
        let until = self
            .engine
            .now()
            .plus_seconds(self.engine.pace().lease_seconds());
        let kept = self
            .engine
            .store()
            .write(self.tenant, move |t| {
                Ok::<_, Error>(t.extend_job_lease(lease, until)?)
            })
            .await;
        if let Err(error) = kept {
            tracing::debug!(job = %lease.id, ?error, "no sign of life was kept");
        }
    }

    /// The right to go on with the job.
    pub(crate) fn lease(&self) -> JobLease {
        self.lease
    }

    /// A sign of life where nothing can be counted yet.
    pub(crate) async fn beat(&mut self) -> Result<Next> {
        self.step(|_| Ok(Step::default())).await
    }

    /// What is needed to go on from the last checkpoint, as JSON.
    pub(crate) fn progress(&self) -> &str {
        &self.standing.progress
    }

    /// Ends the job, or lays it to rest; false when it has ended already or somebody else has it. Waits for a database that is away for a
    /// while.
    pub(crate) async fn end(
        &self,
        state: JobState,
        error: Option<JobError>,
        warnings: Vec<String>,
        digest: Option<String>,
        expires_at: Option<Timestamp>,
    ) -> Result<bool> {
        let at = self.engine.now();
        let expires_at = match (state.has_ended(), expires_at) {
            (_, Some(at)) => Some(at),
            (true, None) => Some(self.engine.kept_until(at)),
            (false, None) => self.job.expires_at,
        };
        let (lease, end) = (
            self.lease,
            JobEnd {
                state,
                error,
                warnings,
                digest,
                at,
                expires_at,
            },
        );
        let pace = self.engine.pace();
        let (mut pause, mut waited) = (pace.retry, Duration::ZERO);
        loop {
            let (end, standing) = (end.clone(), self.standing.clone());
            let ended = self
                .engine
                .store()
                .write(self.tenant, move |t| {
                    // Nothing has succeeded that is not there any more.
                    if end.state == JobState::Succeeded
                        && let Some(job) = t.find_job(lease.id)?
                        && job.epoch == lease.epoch
                        && job.state == JobState::Running
                        && Standing::of(&job) != standing
                    {
                        return Err(rewound());
                    }
                    Ok::<_, Error>(t.end_job(lease, &end)?)
                })
                .await;
            match ended {
                Err(error)
                    if matches!(error.kind, Kind::Unavailable(_))
                        && !is_rewound(&error)
                        && waited < pace.patience =>
                {
                    tokio::time::sleep(pause).await;
                    waited += pause;
                    pause = pace.longer(pause);
                }
                ended => return ended,
            }
        }
    }

    /// Lays a job whose sender has to come again to rest, and says why, if there is room for as much as that.
    pub(crate) async fn rest(&self, why: &Error) {
        if !matches!(self.job.feed, JobFeed::Request | JobFeed::Upload) {
            return;
        }
        let end = JobEnd {
            state: JobState::Paused,
            error: None,
            warnings: vec![format!("Paused: {}", why.public)],
            digest: None,
            at: self.engine.now(),
            expires_at: self.job.expires_at,
        };
        let lease = self.lease;
        let ended = self
            .engine
            .store()
            .write(self.tenant, move |t| {
                Ok::<_, Error>(t.end_job(lease, &end)?)
            })
            .await;
        if let Err(error) = ended {
            tracing::debug!(job = %lease.id, ?error, "a job rests without a word");
        }
    }

    /// Lets another node go on at once. A job that is fed by a request rests instead: nobody else has its input.
    pub(crate) async fn let_go(&self) -> Result<()> {
        let (id, now, expires) = (self.job.id, self.engine.now(), self.job.expires_at);
        let (state, ready) = match self.job.feed {
            JobFeed::Request | JobFeed::Upload => (JobState::Paused, false),
            JobFeed::Parts | JobFeed::Instance => (JobState::Queued, true),
        };
        self.engine
            .store()
            .write(self.tenant, move |t| {
                Ok::<_, Error>(t.settle_job(id, state, ready, now, expires)?)
            })
            .await?;
        Ok(())
    }

    fn next(&self, wish: Option<JobWish>) -> Next {
        match wish {
            Some(JobWish::Pause) => Next::Pause,
            Some(JobWish::Cancel) => Next::Cancel,
            None if self.engine.is_stopping() => Next::LetGo,
            None => Next::GoOn,
        }
    }
}

/// Where a step is to be done.
struct At {
    lease: JobLease,
    standing: Standing,
    busy_ms: u64,
    lease_until: Timestamp,
    /// Where earlier tries of the step would have led.
    reached: Arc<Mutex<Vec<Standing>>>,
}

fn commit(
    t: &mut Tenant<'_, '_>,
    at: At,
    work: &dyn Fn(&mut Tenant<'_, '_>) -> Result<Step>,
) -> Result<(Option<JobWish>, Standing)> {
    let id = at.lease.id;
    let job = t.find_job(id)?.ok_or_else(lost)?;
    if job.epoch != at.lease.epoch || job.state != JobState::Running {
        return Err(lost());
    }
    let found = Standing::of(&job);
    let mut reached = at.reached.lock().unwrap_or_else(PoisonError::into_inner);
    if found != at.standing {
        // An earlier try was committed and its answer was lost.
        return if reached.contains(&found) {
            Ok((job.wish, found))
        } else {
            Err(rewound())
        };
    }
    let step = work(t)?;
    for (lines, text) in [(JobLines::Report, &step.report), (JobLines::Map, &step.map)] {
        if !text.is_empty() {
            t.insert_job_lines(id, lines, found.done, text)?;
        }
    }
    let step = JobStep {
        counts: step.counts,
        bytes: step.bytes,
        total: step.total,
        progress: step.progress.unwrap_or(job.progress),
        busy_ms: at.busy_ms,
        lease_until: at.lease_until,
    };
    let wish = t.checkpoint_job(at.lease, &step)?.ok_or_else(lost)?;
    let after = found.after(&step);
    reached.push(after.clone());
    Ok((wish, after))
}

const LOST: &str = "job_lost";

fn lost() -> Error {
    Error::conflict(
        LOST,
        "Another request or another node goes on with this job.",
    )
}

const REWOUND: &str = "database_rewound";

fn rewound() -> Error {
    Error::new(
        Kind::Unavailable(5),
        REWOUND,
        "The database came back without something that it had confirmed. The job goes on from what is there.",
    )
}

/// Whether the database lost what it had confirmed: it was restored, or keeps its promises only when nothing happens to it.
pub(crate) fn is_rewound(error: &Error) -> bool {
    error.code == REWOUND
}

/// Whether somebody else has the job now, or it was ended.
pub(crate) fn is_lost(error: &Error) -> bool {
    error.code == LOST
}

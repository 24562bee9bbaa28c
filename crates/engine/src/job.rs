//! The jobs ledger: what administrators see of long work and ask of it (docs/api/jobs.md). What a job does is in `moving`.

mod run;
mod work;

use vestibule_model::{
    id::{JobId, TenantId},
    job::{Job, JobFeed, JobKind, JobState, JobWish},
    time::Timestamp,
};
use vestibule_store::{
    job::{JobFile, JobLines},
    scope::Tenant,
};

use crate::{Engine, Error, Kind, Result, access::Manager};

pub(crate) use run::{Next, Run, Step, is_lost, is_rewound};
pub use vestibule_store::job::JobLines as Lines;

/// Days that an ended job stays in the ledger.
const KEPT_DAYS: i64 = 7;
/// Most jobs of one instance that have not ended.
const MOST_LIVE: usize = 100;

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only of this kind.
    pub kind: Option<JobKind>,
    /// Behind this job.
    pub after: Option<JobId>,
    /// At most so many.
    pub count: usize,
}

impl Engine {
    /// Jobs, newest first; one more than asked for when there are more.
    pub async fn list_jobs(&self, manager: &Manager, filter: JobFilter) -> Result<Vec<Job>> {
        self.store()
            .read(manager.tenant(), move |t| {
                Ok(t.list_jobs(filter.state, filter.kind, filter.after, filter.count + 1)?)
            })
            .await
    }

    /// One job.
    pub async fn get_job(&self, manager: &Manager, id: JobId) -> Result<Job> {
        self.store()
            .read(manager.tenant(), move |t| find(t, id))
            .await
    }

    /// Asks a job to rest at its next checkpoint. 409 when it has ended.
    pub async fn pause_job(&self, manager: &Manager, id: JobId) -> Result<Job> {
        let now = self.now();
        self.store()
            .write(manager.tenant(), move |t| {
                let job = find(t, id)?;
                if job.state.has_ended() {
                    return Err(wrong_state("The job has ended."));
                }
                if !t.wish_job(id, JobWish::Pause, now)? {
                    t.settle_job(id, JobState::Paused, false, now, job.expires_at)?;
                    t.note_wish(id, Some(JobWish::Pause))?;
                }
                find(t, id)
            })
            .await
    }

    /// Lets a paused job go on; one whose records come from a request lets its sender go on, if somebody paused it. 409 when it is not
    /// paused, or when nothing but its sender is missing.
    pub async fn resume_job(&self, manager: &Manager, id: JobId) -> Result<Job> {
        let now = self.now();
        self.store()
            .write(manager.tenant(), move |t| {
                let job = find(t, id)?;
                if job.state != JobState::Paused {
                    return Err(wrong_state("Only a paused job can go on."));
                }
                if matches!(job.feed, JobFeed::Request | JobFeed::Upload) {
                    if job.feed == JobFeed::Request && job.wish == Some(JobWish::Pause) {
                        t.note_wish(id, None)?;
                        return find(t, id);
                    }
                    return Err(Error::conflict(
                        "needs_input",
                        "The users of this job come from a request. Send the body again and name the job.",
                    ));
                }
                t.settle_job(id, JobState::Queued, true, now, job.expires_at)?;
                find(t, id)
            })
            .await
    }

    /// Cancels a live job at its next checkpoint; removes an ended one with its report and files.
    pub async fn delete_job(&self, manager: &Manager, id: JobId) -> Result<()> {
        let now = self.now();
        let expires = Some(self.kept_until(now));
        let found = self
            .store()
            .write(manager.tenant(), move |t| {
                let job = find(t, id)?;
                if job.state.has_ended() {
                    return Ok(Found::Ended);
                }
                if t.wish_job(id, JobWish::Cancel, now)? {
                    return Ok(Found::AtWork);
                }
                t.settle_job(id, JobState::Cancelled, false, now, expires)?;
                Ok::<_, Error>(Found::AtRest)
            })
            .await?;
        match found {
            Found::Ended => self.remove_job(manager.tenant(), id).await,
            Found::AtRest => self.remove_job_files(manager.tenant(), id).await,
            // Whoever works on it does that.
            Found::AtWork => Ok(()),
        }
    }

    /// The lines that a job has to tell behind those of `position` (-1 for the first), with their position.
    pub async fn job_lines(
        &self,
        manager: &Manager,
        id: JobId,
        lines: JobLines,
        position: i64,
    ) -> Result<Option<(i64, String)>> {
        self.store()
            .read(manager.tenant(), move |t| {
                find(t, id)?;
                Ok(t.find_job_lines(id, lines, position)?)
            })
            .await
    }

    /// Removes an ended job, its files first and in steps.
    pub(crate) async fn remove_job(&self, tenant: TenantId, id: JobId) -> Result<()> {
        self.remove_job_files(tenant, id).await?;
        self.store()
            .write(tenant, move |t| Ok::<_, Error>(t.delete_job(id)?))
            .await?;
        Ok(())
    }

    async fn remove_job_files(&self, tenant: TenantId, id: JobId) -> Result<()> {
        for file in [JobFile::In, JobFile::Out] {
            self.remove_job_file(tenant, id, file).await?;
        }
        Ok(())
    }

    /// Removes a file of a job.
    pub(crate) async fn remove_job_file(
        &self,
        tenant: TenantId,
        id: JobId,
        file: JobFile,
    ) -> Result<()> {
        while self
            .store()
            .write(tenant, move |t| {
                Ok::<_, Error>(t.delete_some_job_parts(id, file, 0)?)
            })
            .await?
            > 0
        {}
        Ok(())
    }

    /// Until when a job that ends now stays in the ledger.
    pub(crate) fn kept_until(&self, now: Timestamp) -> Timestamp {
        now.plus_seconds(KEPT_DAYS * 24 * 3600)
    }

    /// Adds a job to the ledger. `sealed` is its secret. `false` when there is one with this id.
    pub(crate) async fn add_job(
        &self,
        manager: &Manager,
        job: Job,
        secret: Option<&str>,
    ) -> Result<bool> {
        let tenant = manager.tenant();
        let sealed = secret.map(|secret| self.seal_job_secret(job.id, secret));
        self.store()
            .write(tenant, move |t| {
                let added = t.insert_job(&job, sealed.as_deref())?;
                // One that is gone on with is none more.
                if added && t.count_live_jobs()? > MOST_LIVE {
                    return Err(Error::new(
                        Kind::Throttled(60),
                        "too_many_jobs",
                        "This instance has too many jobs that have not ended.",
                    ));
                }
                Ok(added)
            })
            .await
    }

    /// Seals a job's secret for the time that it is needed.
    pub(crate) fn seal_job_secret(&self, id: JobId, secret: &str) -> Vec<u8> {
        self.master().seal(
            secret_context(id).as_bytes(),
            secret.as_bytes(),
            self.random(),
        )
    }

    /// The secret of a job, until it ends.
    pub(crate) async fn job_secret(
        &self,
        tenant: TenantId,
        id: JobId,
    ) -> Result<Option<zeroize::Zeroizing<String>>> {
        let sealed = self
            .store()
            .read(tenant, move |t| Ok::<_, Error>(t.find_job_secret(id)?))
            .await?;
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let plain = self
            .master()
            .open(secret_context(id).as_bytes(), &sealed)
            .map_err(Error::internal)?;
        let text = String::from_utf8(plain.to_vec()).map_err(Error::internal)?;
        Ok(Some(zeroize::Zeroizing::new(text)))
    }

    /// A job that nobody has begun.
    pub(crate) fn new_job(&self, manager: &Manager, kind: JobKind, feed: JobFeed) -> Job {
        let now = self.now();
        Job {
            id: JobId::from_random_bytes(self.random_id()),
            kind,
            state: JobState::Queued,
            feed,
            ready: false,
            wish: None,
            options: String::from("{}"),
            total: None,
            counts: vestibule_model::job::JobCounts::default(),
            bytes: 0,
            progress: String::from("{}"),
            error: None,
            warnings: Vec::new(),
            digest: None,
            created_by: manager.caller().iam_id.clone(),
            node: None,
            epoch: 0,
            lease_until: Timestamp::default(),
            busy_ms: 0,
            created_at: now,
            started_at: None,
            ended_at: None,
            // One that is never begun, or rests for long, leaves in the end.
            expires_at: Some(now.plus_seconds(30 * 24 * 3600)),
        }
    }
}

/// How a job that is to be deleted was found.
enum Found {
    Ended,
    AtWork,
    AtRest,
}

fn secret_context(job: JobId) -> String {
    format!("job-secret:{job}")
}

fn find(t: &mut Tenant<'_, '_>, id: JobId) -> Result<Job> {
    t.find_job(id)?
        .ok_or_else(|| Error::not_found("There is no such job."))
}

fn wrong_state(public: &str) -> Error {
    Error::conflict("invalid_state", public)
}

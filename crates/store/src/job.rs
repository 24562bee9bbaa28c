//! The jobs ledger. What jobs tell of single records, and their files, are in `files`.

mod files;

use vestibule_model::{
    id::{JobId, TenantId},
    job::{Job, JobCounts, JobError, JobFeed, JobKind, JobLease, JobState, JobWish},
    time::Timestamp,
};

use crate::{
    Error, Result, Row, Value,
    scope::{Platform, Tenant},
};

pub use files::{JobFile, JobLines};

/// What a checkpoint adds to a job, in the transaction of what it counts.
#[derive(Debug, Clone, Default)]
pub struct JobStep {
    /// Records dealt with since the last checkpoint.
    pub counts: JobCounts,
    /// Bytes since then.
    pub bytes: u64,
    /// How many records there are, if that is known now.
    pub total: Option<u64>,
    /// What is needed to go on from here.
    pub progress: String,
    /// Milliseconds since the last checkpoint.
    pub busy_ms: u64,
    /// Until when the job is held.
    pub lease_until: Timestamp,
}

/// How a job ended, or came to rest.
#[derive(Debug, Clone)]
pub struct JobEnd {
    /// `Paused`, or one that is an end.
    pub state: JobState,
    /// Why, when it failed.
    pub error: Option<JobError>,
    /// What whoever reads the result should know.
    pub warnings: Vec<String>,
    /// Content digest of what was written.
    pub digest: Option<String>,
    /// Now.
    pub at: Timestamp,
    /// When it leaves the ledger.
    pub expires_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, kind, state, feed, ready, wish, options, total, added, updated, skipped, failed, without_password, bytes, \
    progress, error, warnings, digest, created_by, node, epoch, lease_until, busy_ms, created_at, started_at, ended_at, expires_at";

impl Tenant<'_, '_> {
    /// Adds a job. `sealed` is its secret, opened only by the crypto crate. `false` when there is one with this id.
    pub fn insert_job(&mut self, job: &Job, sealed: Option<&[u8]>) -> Result<bool> {
        let added = self.conn.execute(
            "INSERT INTO jobs (tenant, id, kind, state, feed, ready, options, sealed, total, done, added, updated, skipped, failed, \
             without_password, bytes, progress, warnings, created_by, epoch, lease_until, busy_ms, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, 0, 0, 0, 0, $10, '[]', $11, 0, 0, 0, $12, $13) \
             ON CONFLICT (tenant, id) DO NOTHING",
            &[
                Value::from(self.key()),
                Value::from(job.id.to_string()),
                Value::from(job.kind.name()),
                Value::from(job.state.name()),
                Value::from(job.feed.name()),
                Value::from(job.ready),
                Value::from(&job.options),
                Value::from(sealed),
                Value::from(job.total.map(number).transpose()?),
                Value::from(&job.progress),
                Value::from(&job.created_by),
                Value::from(job.created_at.millis()),
                Value::from(job.expires_at.map(Timestamp::millis)),
            ],
        )?;
        Ok(added == 1)
    }

    /// One job.
    pub fn find_job(&mut self, job: JobId) -> Result<Option<Job>> {
        self.conn
            .query_opt(
                &format!("SELECT {COLUMNS} FROM jobs WHERE tenant = $1 AND id = $2"),
                &[Value::from(self.key()), Value::from(job.to_string())],
            )?
            .map(|row| job_of(&row, 0))
            .transpose()
    }

    /// The sealed secret of a job, until it ends.
    pub fn find_job_secret(&mut self, job: JobId) -> Result<Option<Vec<u8>>> {
        let row = self.conn.query_opt(
            "SELECT sealed FROM jobs WHERE tenant = $1 AND id = $2",
            &[Value::from(self.key()), Value::from(job.to_string())],
        )?;
        row.map_or(Ok(None), |row| row.opt_blob(0))
    }

    /// Jobs, newest first, behind the job `after` if that is given.
    pub fn list_jobs(
        &mut self,
        state: Option<JobState>,
        kind: Option<JobKind>,
        after: Option<JobId>,
        most: usize,
    ) -> Result<Vec<Job>> {
        let mut condition = String::from("tenant = $1");
        let mut params = vec![Value::from(self.key())];
        let filters = [
            ("state = ", state.map(|state| state.name().to_owned())),
            ("kind = ", kind.map(|kind| kind.name().to_owned())),
            (
                "(created_at, id) < (SELECT created_at, id FROM jobs WHERE tenant = $1 AND id = ",
                after.map(|after| after.to_string()),
            ),
        ];
        for (sql, value) in filters {
            if let Some(value) = value {
                params.push(Value::from(value));
                let end = if sql.starts_with('(') { ")" } else { "" };
                condition.push_str(&format!(" AND {sql}${}{end}", params.len()));
            }
        }
        params.push(Value::from(number(most as u64)?));
        self.conn
            .query(
                &format!(
                    "SELECT {COLUMNS} FROM jobs WHERE {condition} ORDER BY created_at DESC, id DESC LIMIT ${}",
                    params.len()
                ),
                &params,
            )?
            .iter()
            .map(|row| job_of(row, 0))
            .collect()
    }

    /// Hands a job whose file was uploaded over to the workers, with its secret. `false` when somebody else has it now, or somebody asked
    /// something of it.
    pub fn hand_over_job(
        &mut self,
        lease: JobLease,
        options: &str,
        sealed: Option<&[u8]>,
    ) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE jobs SET state = 'queued', feed = 'parts', ready = 1, options = $5, sealed = $4, progress = '{}', node = NULL, \
             started_at = NULL, busy_ms = 0, lease_until = 0, warnings = '[]' \
             WHERE tenant = $1 AND id = $2 AND epoch = $3 AND state = 'running' AND wish IS NULL",
            &[
                Value::from(self.key()),
                Value::from(lease.id.to_string()),
                Value::from(lease.epoch),
                Value::from(sealed),
                Value::from(options),
            ],
        )?;
        Ok(changed == 1)
    }

    /// How many jobs have not ended.
    pub fn count_live_jobs(&mut self) -> Result<usize> {
        self.count(
            "SELECT COUNT(*) FROM jobs WHERE tenant = $1 AND state IN ('queued', 'running', 'paused')",
        )
    }

    /// Takes a job away from whoever holds it. `None` when it has ended, does not exist, or rests because somebody wished it.
    pub fn take_job(
        &mut self,
        job: JobId,
        node: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<Job>> {
        self.conn
            .query_opt(
                &format!(
                    "UPDATE jobs SET state = 'running', node = $3, epoch = epoch + 1, lease_until = $5, \
                     started_at = COALESCE(started_at, $4) \
                     WHERE tenant = $1 AND id = $2 AND (state IN ('queued', 'running') OR (state = 'paused' AND wish IS NULL)) \
                     RETURNING {COLUMNS}"
                ),
                &[
                    Value::from(self.key()),
                    Value::from(job.to_string()),
                    Value::from(node),
                    Value::from(now.millis()),
                    Value::from(lease_until.millis()),
                ],
            )?
            .map(|row| job_of(&row, 0))
            .transpose()
    }

    /// Counts what was done in this transaction. `None` when somebody else has the job now: the transaction must be undone.
    pub fn checkpoint_job(
        &mut self,
        lease: JobLease,
        step: &JobStep,
    ) -> Result<Option<Option<JobWish>>> {
        let counts = &step.counts;
        let row = self.conn.query_opt(
            "UPDATE jobs SET added = added + $4, updated = updated + $5, skipped = skipped + $6, failed = failed + $7, \
             without_password = without_password + $8, done = done + $9, bytes = bytes + $10, \
             total = COALESCE(CAST($11 AS BIGINT), total), progress = $12, busy_ms = busy_ms + $13, lease_until = $14 \
             WHERE tenant = $1 AND id = $2 AND epoch = $3 AND state = 'running' RETURNING wish",
            &[
                Value::from(self.key()),
                Value::from(lease.id.to_string()),
                Value::from(lease.epoch),
                Value::from(number(counts.added)?),
                Value::from(number(counts.updated)?),
                Value::from(number(counts.skipped)?),
                Value::from(number(counts.failed)?),
                Value::from(number(counts.without_password)?),
                Value::from(number(counts.done())?),
                Value::from(number(step.bytes)?),
                Value::from(step.total.map(number).transpose()?),
                Value::from(&step.progress),
                Value::from(number(step.busy_ms)?),
                Value::from(step.lease_until.millis()),
            ],
        )?;
        let Some(row) = row else { return Ok(None) };
        let wish = row.opt_text(0)?.map(|wish| JobWish::parse(&wish));
        let wish = wish.transpose().map_err(|_| Error::corrupt("job wish"))?;
        Ok(Some(wish))
    }

    /// Ends a job, or lays it to rest, where a wish that it should stays known; an ended one forgets its secret. `false` when somebody else has it now.
    pub fn end_job(&mut self, lease: JobLease, end: &JobEnd) -> Result<bool> {
        let error = end.error.as_ref().map(error_text);
        let ended_at = end.state.has_ended().then_some(end.at.millis());
        let changed = self.conn.execute(
            "UPDATE jobs SET state = $4, ready = 0, wish = CASE WHEN $4 = 'paused' AND wish = 'pause' THEN wish END, error = $5, warnings = $6, digest = $7, ended_at = $8, \
             expires_at = $9, lease_until = 0, sealed = CASE WHEN CAST($8 AS BIGINT) IS NULL THEN sealed END, \
             total = CASE WHEN $4 = 'succeeded' THEN done ELSE total END \
             WHERE tenant = $1 AND id = $2 AND epoch = $3 AND state = 'running'",
            &[
                Value::from(self.key()),
                Value::from(lease.id.to_string()),
                Value::from(lease.epoch),
                Value::from(end.state.name()),
                Value::from(error),
                Value::from(list_text(&end.warnings)),
                Value::from(end.digest.as_deref()),
                Value::from(ended_at),
                Value::from(end.expires_at.map(Timestamp::millis)),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Keeps a job for its holder until then; `false` when somebody else has it.
    pub fn extend_job_lease(&mut self, lease: JobLease, until: Timestamp) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE jobs SET lease_until = $4 WHERE tenant = $1 AND id = $2 AND epoch = $3 AND state = 'running'",
            &[
                Value::from(self.key()),
                Value::from(lease.id.to_string()),
                Value::from(lease.epoch),
                Value::from(until.millis()),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Leaves a wish for whoever works on a job; `false` when nobody does.
    pub fn wish_job(&mut self, job: JobId, wish: JobWish, now: Timestamp) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE jobs SET wish = $3 WHERE tenant = $1 AND id = $2 AND state = 'running' AND lease_until >= $4",
            &[
                Value::from(self.key()),
                Value::from(job.to_string()),
                Value::from(wish.name()),
                Value::from(now.millis()),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Puts a job that nobody works on into another state. `ready` lets a worker take it. A later checkpoint of whoever worked on it is
    /// refused. A wish that it should rest stays known while it rests. `false` when it has ended.
    pub fn settle_job(
        &mut self,
        job: JobId,
        state: JobState,
        ready: bool,
        now: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Result<bool> {
        let ended_at = state.has_ended().then_some(now.millis());
        let changed = self.conn.execute(
            "UPDATE jobs SET state = $3, ready = $4, wish = CASE WHEN $3 = 'paused' AND wish = 'pause' THEN wish END, epoch = epoch + 1, lease_until = 0, ended_at = $5, \
             expires_at = $6, sealed = CASE WHEN CAST($5 AS BIGINT) IS NULL THEN sealed END \
             WHERE tenant = $1 AND id = $2 AND state IN ('queued', 'running', 'paused')",
            &[
                Value::from(self.key()),
                Value::from(job.to_string()),
                Value::from(state.name()),
                Value::from(ready),
                Value::from(ended_at),
                Value::from(expires_at.map(Timestamp::millis)),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Notes that somebody wished a paused job to rest, or forgets it. `false` when it is not paused.
    pub fn note_wish(&mut self, job: JobId, wish: Option<JobWish>) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE jobs SET wish = $3 WHERE tenant = $1 AND id = $2 AND state = 'paused'",
            &[
                Value::from(self.key()),
                Value::from(job.to_string()),
                Value::from(wish.map(JobWish::name)),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Removes a job with its lines. Its files are removed before, in steps.
    pub fn delete_job(&mut self, job: JobId) -> Result<bool> {
        let deleted = self.conn.execute(
            "DELETE FROM jobs WHERE tenant = $1 AND id = $2",
            &[Value::from(self.key()), Value::from(job.to_string())],
        )?;
        Ok(deleted == 1)
    }
}

impl Platform<'_, '_> {
    /// Takes the oldest job of an active instance that a worker may take and nobody holds.
    pub fn claim_job(
        &mut self,
        node: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<(TenantId, Job)>> {
        self.conn.lock("claim-job")?;
        let free = self.conn.query_opt(
            "SELECT j.tenant, j.id FROM jobs j JOIN instances i ON i.guid = j.tenant \
             WHERE j.ready = 1 AND j.lease_until < $1 AND i.state = 'active' ORDER BY j.created_at, j.id LIMIT 1",
            &[Value::from(now.millis())],
        )?;
        let Some(free) = free else { return Ok(None) };
        let tenant = TenantId::parse(&free.text(0)?).map_err(|_| Error::corrupt("tenant"))?;
        let job = JobId::parse(&free.text(1)?).map_err(|_| Error::corrupt("job id"))?;
        let job = self.instance(tenant, |t| t.take_job(job, node, now, lease_until))?;
        Ok(job.map(|job| (tenant, job)))
    }

    /// Lays jobs to rest whose request broke off without a word: their node died.
    pub fn pause_abandoned_jobs(&mut self, now: Timestamp) -> Result<u64> {
        self.conn.execute(
            "UPDATE jobs SET state = 'paused', wish = CASE WHEN wish = 'pause' THEN wish END, epoch = epoch + 1 \
             WHERE ready = 0 AND lease_until < $1 AND state = 'running' AND feed <> 'upload'",
            &[Value::from(now.millis())],
        )
    }

    /// Ends uploads without a name that nobody holds any more: their sender is gone and cannot come back to them. `before` is the moment
    /// before which an upload that nobody took was begun too long ago. What arrived of them leaves the ledger as an expired job does.
    pub fn give_up_abandoned_uploads(&mut self, now: Timestamp, before: Timestamp) -> Result<u64> {
        self.conn.execute(
            "UPDATE jobs SET state = 'cancelled', wish = NULL, epoch = epoch + 1, ended_at = $1, expires_at = $1 - 1 \
             WHERE feed = 'upload' AND ready = 0 AND lease_until < $1 AND created_at < $2 \
             AND state IN ('queued', 'running', 'paused')",
            &[Value::from(now.millis()), Value::from(before.millis())],
        )
    }

    /// Lets go of all jobs: whoever held them is not any more.
    pub fn release_jobs(&mut self) -> Result<()> {
        self.conn.execute(
            "UPDATE jobs SET lease_until = 0 WHERE state = 'running'",
            &[],
        )?;
        Ok(())
    }

    /// Jobs whose time in the ledger is over.
    pub fn list_expired_jobs(&mut self, now: Timestamp) -> Result<Vec<(TenantId, JobId)>> {
        self.conn
            .query(
                "SELECT tenant, id FROM jobs WHERE expires_at < $1 ORDER BY expires_at LIMIT 100",
                &[Value::from(now.millis())],
            )?
            .iter()
            .map(|row| {
                let tenant = TenantId::parse(row.str(0)?).map_err(|_| Error::corrupt("tenant"))?;
                let job = JobId::parse(row.str(1)?).map_err(|_| Error::corrupt("job id"))?;
                Ok((tenant, job))
            })
            .collect()
    }
}

fn number(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| Error::other("a count past 2^63"))
}

fn count(row: &Row, column: usize) -> Result<u64> {
    u64::try_from(row.int(column)?).map_err(|_| Error::corrupt("a negative count"))
}

fn error_text(error: &JobError) -> String {
    serde_json::json!({
        "code": error.code, "message": error.message, "record": error.record, "place": error.place,
    })
    .to_string()
}

fn list_text(texts: &[String]) -> String {
    serde_json::json!(texts).to_string()
}

fn job_of(row: &Row, from: usize) -> Result<Job> {
    let at = |column: usize| from + column;
    let time = |column: usize| Ok::<_, Error>(row.opt_int(at(column))?.map(Timestamp::from_millis));
    let bad = |_| Error::corrupt("job");
    let error = row
        .opt_text(at(15))?
        .map(|text| {
            let value: serde_json::Value =
                serde_json::from_str(&text).map_err(|_| Error::corrupt("job error"))?;
            let text = |name: &str| {
                value
                    .get(name)
                    .and_then(|v| v.as_str())
                    .unwrap_or_default()
                    .to_owned()
            };
            Ok::<_, Error>(JobError {
                code: text("code"),
                message: text("message"),
                record: value.get("record").and_then(serde_json::Value::as_u64),
                place: value
                    .get("place")
                    .and_then(|v| v.as_str())
                    .map(str::to_owned),
            })
        })
        .transpose()?;
    Ok(Job {
        id: JobId::parse(row.str(at(0))?).map_err(|_| Error::corrupt("job id"))?,
        kind: JobKind::parse(row.str(at(1))?).map_err(bad)?,
        state: JobState::parse(row.str(at(2))?).map_err(bad)?,
        feed: JobFeed::parse(row.str(at(3))?).map_err(bad)?,
        ready: row.bool(at(4))?,
        wish: row
            .opt_text(at(5))?
            .map(|wish| JobWish::parse(&wish))
            .transpose()
            .map_err(bad)?,
        options: row.text(at(6))?,
        total: row
            .opt_int(at(7))?
            .map(|total| u64::try_from(total).unwrap_or(0)),
        counts: JobCounts {
            added: count(row, at(8))?,
            updated: count(row, at(9))?,
            skipped: count(row, at(10))?,
            failed: count(row, at(11))?,
            without_password: count(row, at(12))?,
        },
        bytes: count(row, at(13))?,
        progress: row.text(at(14))?,
        error,
        warnings: serde_json::from_str(row.str(at(16))?)
            .map_err(|_| Error::corrupt("job warnings"))?,
        digest: row.opt_text(at(17))?,
        created_by: row.text(at(18))?,
        node: row.opt_text(at(19))?,
        epoch: row.int(at(20))?,
        lease_until: Timestamp::from_millis(row.int(at(21))?),
        busy_ms: count(row, at(22))?,
        created_at: Timestamp::from_millis(row.int(at(23))?),
        started_at: time(24)?,
        ended_at: time(25)?,
        expires_at: time(26)?,
    })
}

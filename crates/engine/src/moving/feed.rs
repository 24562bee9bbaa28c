//! Imports of any size: a stream of bytes is divided into records, read and checked on several threads, and applied batch by batch,
//! each in one transaction with the checkpoint of its job.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use vestibule_model::{
    job::{JobError, JobState},
    time::Timestamp,
};
use vestibule_wire::records::{Limits, RecordSplitter, SplitError};

use super::{
    OnConflict, Refusal, WithoutPassword,
    batch::{Batch, Codec, RawBatch, step},
    export_stream::Tally,
    seen::Seen,
    taken::{Passage, Taken},
};
use crate::{
    Error, Kind, Result,
    job::{Next, Run},
};

/// How many times over an import grows before the database plans for its size again.
const GROWTH: u64 = 8;
/// Batches that are being read at a time, beside the one that is written.
const AHEAD: usize = 2;

/// The bytes of an import as they come; an error means that they broke off.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, Broken>> + Send>>;

/// A body broke off before its end.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// The bytes of an import with what ended them before their end.
pub(super) type Feed = Pin<Box<dyn Stream<Item = Result<Bytes, Stop>> + Send>>;

/// Why bytes ended before their end.
pub(super) enum Stop {
    /// Whoever sends them is gone.
    Sender(String),
    /// They are stored, and could not be read.
    Service(Error),
}

/// How an import is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manner {
    pub policy: OnConflict,
    /// What happens to users whose password hash cannot be used.
    pub without: WithoutPassword,
    pub dry_run: bool,
    /// The number of the first record of the stream.
    pub from: u64,
}

/// How a run of a job came to its end.
pub(super) enum Ended {
    /// All that there was is done.
    Done(Vec<String>),
    /// An export wrote all there was.
    Exported(Box<Tally>),
    /// It rests, and why if nobody asked for it.
    Paused(Option<String>),
    /// It rests as it did: what was sent is not what it waits for.
    Refused(Refusal),
    Cancelled,
    LetGo,
    Failed(JobError),
    /// An error of the service itself, or somebody else has the job.
    Error(Error),
}

/// What the reading side has to say at its end.
enum Read {
    Whole,
    Stopped(Stop),
    Malformed(SplitError),
    /// It is not what was sent before.
    Other(Refusal),
    /// The writing side wants no more.
    Unwanted,
}

/// Goes on with an import from where it stands.
pub(super) async fn import(run: &mut Run, codec: Codec, manner: Manner, body: Feed) -> Ended {
    let next_at = match run.engine.behind_everybody(run.tenant).await {
        Ok(at) => at,
        Err(error) => return Ended::Error(error),
    };
    let passage = match Taken::read(&run.job) {
        Ok(known) => Passage::new(manner.from, run.done, known),
        Err(error) => return Ended::Error(error),
    };
    let codec = Arc::new(codec);
    let (batches, waiting) = mpsc::channel(AHEAD);
    let reading = tokio::spawn(read(
        Reader {
            engine: run.engine.clone(),
            tenant: run.tenant,
            codec,
            batches,
            first: run.done.max(manner.from),
            passage,
            next_at,
        },
        body,
    ));
    let written = write_all(run, manner, waiting).await;
    // Once the writing side has gone the reading side ends at its next batch, unless it waits for its sender.
    let read = match &written {
        Ended::Done(_) => reading.await.unwrap_or(Read::Unwanted),
        _ => {
            reading.abort();
            return written;
        }
    };
    match read {
        Read::Whole => written,
        Read::Unwanted => Ended::Error(Error::internal("an import lost its reader")),
        Read::Other(refusal) => Ended::Refused(refusal),
        Read::Stopped(Stop::Sender(why)) => Ended::Paused(Some(why)),
        Read::Stopped(Stop::Service(error)) => Ended::Error(error),
        Read::Malformed(error) => Ended::Failed(malformed(&error)),
    }
}

struct Reader {
    engine: crate::Engine,
    tenant: vestibule_model::id::TenantId,
    codec: Arc<Codec>,
    batches: mpsc::Sender<JoinHandle<Batch>>,
    /// The number of the first record that was not dealt with before.
    first: u64,
    passage: Passage,
    next_at: Timestamp,
}

async fn read(mut reader: Reader, mut body: Feed) -> Read {
    let pace = *reader.engine.pace();
    let mut splitter = RecordSplitter::new(Limits::default());
    let mut full: Vec<RawBatch> = Vec::new();
    let mut open = RawBatch::starting_at(reader.first);
    let mut collect = |full: &mut Vec<RawBatch>, passage: &mut Passage, record: &[u8]| {
        let Some(number) = passage.take(record) else {
            return;
        };
        open.push(record, passage.mark());
        if open.is_full(&pace) {
            full.push(std::mem::replace(
                &mut open,
                RawBatch::starting_at(number + 1),
            ));
        }
    };
    let end = loop {
        let part = match body.next().await {
            Some(Ok(part)) => part,
            Some(Err(stop)) => break Read::Stopped(stop),
            None => {
                let last = splitter
                    .finish(&mut |record| collect(&mut full, &mut reader.passage, record.bytes));
                break last.map_or_else(Read::Malformed, |()| Read::Whole);
            }
        };
        let pushed = splitter.push(&part, &mut |record| {
            collect(&mut full, &mut reader.passage, record.bytes);
        });
        if let Some(other) = reader.passage.other() {
            return Read::Other(other);
        }
        for batch in full.drain(..) {
            if !reader.hand_over(batch).await {
                return Read::Unwanted;
            }
        }
        if let Err(error) = pushed {
            break Read::Malformed(error);
        }
    };
    if matches!(end, Read::Whole | Read::Malformed(_))
        && let Some(other) = reader.passage.other_at_end()
    {
        return Read::Other(other);
    }
    full.push(open);
    for batch in full.drain(..).filter(|batch| batch.len() > 0) {
        if !reader.hand_over(batch).await {
            return Read::Unwanted;
        }
    }
    end
}

impl Reader {
    /// Starts to read a batch; false when nobody wants it.
    async fn hand_over(&mut self, raw: RawBatch) -> bool {
        // A place first: so there are never more batches in memory than that.
        let Ok(place) = self.batches.reserve().await else {
            return false;
        };
        let at = self.engine.now().max(self.next_at);
        self.next_at = Timestamp::from_millis(at.millis().saturating_add(self.codec.span(&raw)));
        let (engine, codec, tenant) = (self.engine.clone(), Arc::clone(&self.codec), self.tenant);
        place.send(tokio::task::spawn_blocking(move || {
            codec.read(&engine, tenant, &raw, at)
        }));
        true
    }
}

/// Applies batches in the order in which they come, until there are no more.
pub(super) async fn write_all(
    run: &mut Run,
    manner: Manner,
    mut waiting: mpsc::Receiver<JoinHandle<Batch>>,
) -> Ended {
    let seen = Arc::new(Seen::default());
    let resumed = run.done > 0;
    // Of a bundle, which opened as a whole, nothing is asked.
    let mut opened = Taken::read(&run.job).is_ok_and(|taken| taken.opened);
    let mut expected = run.done;
    loop {
        let mut batch = match timeout(run.engine.pace().beat, waiting.recv()).await {
            Err(_) => match after(run.beat().await) {
                None => continue,
                Some(ended) => return ended,
            },
            Ok(None) => break,
            Ok(Some(batch)) => match batch.await {
                Ok(batch) => batch,
                Err(error) => return Ended::Error(Error::internal(error)),
            },
        };
        opened |= batch.opened;
        batch.opened = opened;
        // Later on, single records are refused for it, unless they would be imported without their passwords.
        let lost = run.done == 0 || manner.without == WithoutPassword::Import;
        if batch.wrong_secret && !opened && lost {
            return Ended::Failed(wrong_secret(run.done));
        }
        if let Some(ended) = after(write_batch(run, manner, batch, &seen).await) {
            return ended;
        }
        if !manner.dry_run && run.done > expected {
            expect_people(run).await;
            expected = run.done.saturating_mul(GROWTH);
        }
    }
    let mut warnings = Vec::new();
    if manner.dry_run && (resumed || seen.is_full()) {
        warnings.push(String::from(
            "This rehearsal was interrupted or is of very many users: not every user that stands twice in the file was found.",
        ));
    }
    Ended::Done(warnings)
}

/// Plans that were made when the tables were small are made anew. An import goes on without that, only slower.
async fn expect_people(run: &Run) {
    let rows = run.done;
    let planned = run.engine.store();
    let planned = planned.platform_write(move |platform| platform.expect_people(rows));
    if let Err(error) = planned.await {
        tracing::warn!(job = %run.job.id, ?error, "the database did not take statistics of a growing instance");
    }
}

async fn write_batch(
    run: &mut Run,
    manner: Manner,
    batch: Batch,
    seen: &Arc<Seen>,
) -> Result<Next> {
    let batch = Arc::new(batch);
    let (applied, known) = (Arc::clone(&batch), Arc::clone(seen));
    let now = run.engine.now();
    let next = run
        .step(move |t| {
            let mut report = if manner.dry_run {
                applied.rehearse(t, manner.policy, now, &known)?
            } else {
                applied.apply(t, manner.policy, now)?
            };
            report.failures.sort_by_key(|failure| failure.index);
            let mut step = step(&applied, &report)?;
            if manner.dry_run {
                // The real import will give other ids.
                step.map.clear();
            }
            Ok(step)
        })
        .await?;
    if manner.dry_run {
        seen.remember();
    } else if manner.policy == OnConflict::Update {
        run.engine.tenants().forget(run.tenant);
    }
    Ok(next)
}

/// What a step means for the run; none to go on.
pub(super) fn after(stepped: Result<Next>) -> Option<Ended> {
    match stepped {
        Ok(Next::GoOn) => None,
        Ok(Next::Pause) => Some(Ended::Paused(None)),
        Ok(Next::Cancel) => Some(Ended::Cancelled),
        Ok(Next::LetGo) => Some(Ended::LetGo),
        Err(error) => Some(Ended::Error(error)),
    }
}

fn wrong_secret(done: u64) -> JobError {
    let message = match done {
        0 => String::from(
            "The encryption secret opens none of the first password hashes. Nothing was imported.",
        ),
        done => format!(
            "The encryption secret opens none of the password hashes. Nothing was imported from record {done} on."
        ),
    };
    JobError {
        code: String::from("wrong_secret"),
        message,
        record: Some(done),
        place: None,
    }
}

pub(super) fn malformed(error: &SplitError) -> JobError {
    let (code, record) = match error {
        SplitError::TooLong { record } => ("record_too_long", *record),
        SplitError::TooMuchSpace { record } => ("too_much_space", *record),
        SplitError::Malformed { record, .. } => ("malformed_input", *record),
        SplitError::Truncated { record } => ("truncated_input", *record),
    };
    JobError {
        code: code.to_owned(),
        message: error.to_string(),
        record: Some(record),
        place: None,
    }
}

impl Ended {
    /// The state that the job is in then.
    pub(super) fn state(&self) -> Option<JobState> {
        match self {
            Self::Done(_) | Self::Exported(_) => Some(JobState::Succeeded),
            Self::Paused(_) | Self::Refused(_) => Some(JobState::Paused),
            Self::Cancelled => Some(JobState::Cancelled),
            Self::Failed(_) => Some(JobState::Failed),
            Self::LetGo => None,
            Self::Error(error) => (!matches!(error.kind, Kind::Unavailable(_))
                && !crate::job::is_lost(error))
            .then_some(JobState::Failed),
        }
    }
}

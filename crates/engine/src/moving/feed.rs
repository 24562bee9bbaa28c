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
    OnConflict,
    batch::{Batch, Codec, RawBatch, step},
    export_stream::Tally,
    seen::Seen,
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
    /// The writing side wants no more.
    Unwanted,
}

/// Goes on with an import from where it stands.
pub(super) async fn import(run: &mut Run, codec: Codec, manner: Manner, body: Feed) -> Ended {
    let next_at = match run.engine.behind_everybody(run.tenant).await {
        Ok(at) => at,
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
            done: run.done,
            from: manner.from,
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
    /// Records that were dealt with before.
    done: u64,
    from: u64,
    next_at: Timestamp,
}

async fn read(mut reader: Reader, mut body: Feed) -> Read {
    let pace = *reader.engine.pace();
    let mut splitter = RecordSplitter::new(Limits::default());
    let mut full: Vec<RawBatch> = Vec::new();
    let mut open = RawBatch::starting_at(reader.done.max(reader.from));
    let (from, done) = (reader.from, reader.done);
    let mut collect = |full: &mut Vec<RawBatch>, index: u64, record: &[u8]| {
        let number = from + index;
        if number < done {
            return;
        }
        open.push(record);
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
                let last =
                    splitter.finish(&mut |record| collect(&mut full, record.index, record.bytes));
                break last.map_or_else(Read::Malformed, |()| Read::Whole);
            }
        };
        let pushed = splitter.push(&part, &mut |record| {
            collect(&mut full, record.index, record.bytes);
        });
        for batch in full.drain(..) {
            if !reader.hand_over(batch).await {
                return Read::Unwanted;
            }
        }
        if let Err(error) = pushed {
            break Read::Malformed(error);
        }
    };
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
    let mut expected = run.done;
    loop {
        let batch = match timeout(run.engine.pace().beat, waiting.recv()).await {
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
        if run.done == 0 && batch.wrong_secret && !batch.opened {
            return Ended::Failed(wrong_secret());
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
            Ok(step(&applied, &report))
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

fn wrong_secret() -> JobError {
    JobError {
        code: String::from("wrong_secret"),
        message: String::from(
            "The encryption secret opens none of the first password hashes. Nothing was imported.",
        ),
        record: Some(0),
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
    }
}

impl Ended {
    /// The state that the job is in then.
    pub(super) fn state(&self) -> Option<JobState> {
        match self {
            Self::Done(_) | Self::Exported(_) => Some(JobState::Succeeded),
            Self::Paused(_) => Some(JobState::Paused),
            Self::Cancelled => Some(JobState::Cancelled),
            Self::Failed(_) => Some(JobState::Failed),
            Self::LetGo => None,
            Self::Error(error) => (!matches!(error.kind, Kind::Unavailable(_))
                && !crate::job::is_lost(error))
            .then_some(JobState::Failed),
        }
    }
}

//! Files that come with a request and are stored with their job. What arrived of one with a name stays, so that an upload that broke off
//! goes on where it stopped: the job waits for its sender meanwhile, and nobody works on it before the file is whole.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};
use vestibule_model::job::{Job, JobError};
use vestibule_store::job::JobFile;
use vestibule_wire::records::{Limits, RecordSplitter, SplitError};

use super::{
    aside,
    feed::{Body, Broken, Ended, Feed, Stop, after, malformed},
};
use crate::{
    Engine, Error, Result,
    job::{Next, Run, Step},
};

/// What is said of a sender who was given up.
const SILENT: &str = "The sender was silent for too long.";

/// A body that breaks off when its sender is silent for too long.
pub(super) fn attended(body: Body, silence: Duration) -> Feed {
    let attended = stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        let stop = |why| Err(Stop::Sender(why));
        match timeout(silence, body.next()).await {
            Ok(Some(Ok(part))) => Some((Ok(part), Some(body))),
            Ok(Some(Err(Broken(why)))) => Some((stop(why), None)),
            Ok(None) => None,
            Err(_) => Some((stop(SILENT.to_owned()), None)),
        }
    });
    attended.boxed()
}

/// What there is of a file, as it stands in the ledger.
#[derive(Serialize, Deserialize, Default, Clone, Copy)]
#[serde(default)]
pub(super) struct Received {
    /// Bytes.
    pub uploaded: u64,
    /// Parts that they are stored in.
    parts: u64,
}

impl Received {
    pub(super) fn of(job: &Job) -> Result<Self> {
        serde_json::from_str(&job.progress).map_err(Error::internal)
    }
}

/// What a sender did.
pub(super) enum Heard<T> {
    Piece(T),
    /// It sent all.
    Nothing,
    /// The job is not to go on, or its sender is gone.
    Ended(Ended),
}

/// A file that is being received.
pub(super) struct Receiver<'a> {
    run: &'a mut Run,
    received: Received,
    waiting: Vec<u8>,
    /// When the job gives its next sign of life, however much the sender sends meanwhile.
    beat: Interval,
    /// Looks at the records of the file, if it is one of records.
    look: Option<RecordSplitter>,
}

impl<'a> Receiver<'a> {
    /// Goes on where the job's file ends.
    pub(super) fn new(run: &'a mut Run) -> Result<Self> {
        let pause = run.engine.pace().beat;
        let mut beat = interval_at(Instant::now() + pause, pause);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            received: Received::of(&run.job)?,
            waiting: Vec::new(),
            beat,
            look: None,
            run,
        })
    }

    /// Refuses, as soon as it is seen, what no import would get through: a record without an end.
    pub(super) fn of_records(mut self) -> Self {
        self.look = Some(RecordSplitter::new(Limits::default()));
        self
    }

    /// Bytes that arrived.
    pub(super) fn uploaded(&self) -> u64 {
        self.received.uploaded + self.waiting.len() as u64
    }

    /// What the sender sends next. The job gives signs of life meanwhile, and a sender who is silent for too long is given up.
    pub(super) async fn next<T>(
        &mut self,
        from: &mut (impl Stream<Item = Result<T, Broken>> + Unpin),
    ) -> Heard<T> {
        let silent = Instant::now() + self.run.engine.pace().silence;
        loop {
            tokio::select! {
                // What has come is heard, however long a sign of life took.
                biased;
                piece = from.next() => return match piece {
                    None => Heard::Nothing,
                    Some(Ok(piece)) => Heard::Piece(piece),
                    Some(Err(Broken(why))) => Heard::Ended(Ended::Paused(Some(why))),
                },
                () = sleep_until(silent) => {
                    return Heard::Ended(Ended::Paused(Some(SILENT.to_owned())));
                }
                _ = self.beat.tick() => if let Some(ended) = after(self.run.beat().await) {
                    return Heard::Ended(ended);
                },
            }
        }
    }

    /// Takes the next bytes of the file; says so when the job is not to go on.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> Option<Ended> {
        if let Some(error) = self.endless(bytes) {
            return Some(Ended::Failed(error));
        }
        let part = self.run.engine.pace().part;
        let mut left = bytes;
        while self.waiting.len() + left.len() >= part {
            let (now, later) = left.split_at(part.saturating_sub(self.waiting.len()));
            self.waiting.extend_from_slice(now);
            left = later;
            if let Some(ended) = self.flush().await {
                return Some(ended);
            }
        }
        self.waiting.extend_from_slice(left);
        None
    }

    /// Stores what waits.
    pub(super) async fn flush(&mut self) -> Option<Ended> {
        if self.waiting.is_empty() {
            return None;
        }
        let full = std::mem::take(&mut self.waiting);
        after(keep(self.run, &mut self.received, full).await)
    }

    /// What is wrong with the whole file, if a record or the space between two has no end. Anything else is found when it is imported.
    fn endless(&mut self, bytes: &[u8]) -> Option<JobError> {
        let look = self.look.as_mut()?;
        let error = look.push(bytes, &mut |_| {}).err()?;
        self.look = None;
        matches!(
            error,
            SplitError::TooLong { .. } | SplitError::TooMuchSpace { .. }
        )
        .then(|| malformed(&error))
    }
}

impl Engine {
    /// Stores what a body brings of a job's file. The body begins at byte `offset`, which is not behind what is there; what is there
    /// already is passed over. None when the body came to its end.
    pub(super) async fn receive(
        &self,
        run: &mut Run,
        offset: u64,
        mut body: Body,
    ) -> Result<Option<Ended>> {
        let mut file = Receiver::new(run)?;
        let mut known = file.uploaded().saturating_sub(offset);
        let ended = loop {
            match file.next(&mut body).await {
                Heard::Piece(bytes) => {
                    let passed = usize::try_from(known)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    known -= passed as u64;
                    if let Some(ended) = file.push(bytes.get(passed..).unwrap_or_default()).await {
                        return Ok(Some(ended));
                    }
                }
                Heard::Nothing => break None,
                Heard::Ended(ended @ Ended::Paused(Some(_))) => break Some(ended),
                Heard::Ended(ended) => return Ok(Some(ended)),
            }
        };
        if let Some(ended) = file.flush().await {
            return Ok(Some(ended));
        }
        if ended.is_none() && known > 0 {
            return Ok(Some(Ended::Paused(Some(String::from(
                "The body ended before what had arrived earlier did: it is not the same file.",
            )))));
        }
        Ok(ended)
    }
}

/// Stores the next part together with its checkpoint: a sender whose job was taken over stores nothing more.
async fn keep(run: &mut Run, received: &mut Received, bytes: Vec<u8>) -> Result<Next> {
    let number = received.parts;
    received.parts += 1;
    received.uploaded += bytes.len() as u64;
    let packed = aside(move || zstd::encode_all(bytes.as_slice(), 1)).await?;
    let packed = packed.map_err(Error::internal)?;
    let progress = serde_json::to_string(received).map_err(Error::internal)?;
    let id = run.job.id;
    run.step(move |t| {
        t.insert_job_part(id, JobFile::In, number, packed.clone())?;
        Ok(Step {
            progress: Some(progress.clone()),
            ..Step::default()
        })
    })
    .await
}

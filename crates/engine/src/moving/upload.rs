//! Files that come with a request and are stored with their job. What arrived of one stays, so that an upload that broke off goes on
//! where it stopped: the job waits for its sender meanwhile, and nobody works on it before the file is whole.

use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};
use vestibule_model::job::Job;
use vestibule_store::job::JobFile;

use super::{
    aside,
    feed::{Body, Broken, Ended, after},
    large::PART,
};
use crate::{
    Engine, Error, Result,
    job::{Next, Run, Step},
};

/// How often a job that waits for its sender gives a sign of life.
const BEAT: Duration = Duration::from_secs(4);
/// Signs of life without a byte, after which the sender is given up.
const MOST_BEATS: u32 = 15;

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

impl Engine {
    /// Stores what a body brings of a job's file. The body begins at byte `offset`, which is not behind what is there; what is there
    /// already is passed over. None when the body came to its end.
    pub(super) async fn receive(
        &self,
        run: &mut Run,
        offset: u64,
        mut body: Body,
    ) -> Result<Option<Ended>> {
        let mut received = Received::of(&run.job)?;
        let mut known = received.uploaded.saturating_sub(offset);
        let mut waiting = Vec::with_capacity(PART);
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.tick().await;
        let mut silent = 0;
        let broken = loop {
            tokio::select! {
                _ = beat.tick() => {
                    silent += 1;
                    if let Some(ended) = after(run.beat().await) {
                        return Ok(Some(ended));
                    }
                    if silent > MOST_BEATS {
                        break Some(String::from("The sender was silent for a minute."));
                    }
                }
                part = body.next() => match part {
                    None => break None,
                    Some(Err(Broken(why))) => break Some(why),
                    Some(Ok(bytes)) => {
                        silent = 0;
                        let passed = usize::try_from(known).unwrap_or(usize::MAX).min(bytes.len());
                        known -= passed as u64;
                        waiting.extend_from_slice(bytes.get(passed..).unwrap_or_default());
                        if waiting.len() >= PART {
                            let full = std::mem::replace(&mut waiting, Vec::with_capacity(PART));
                            if let Some(ended) = after(keep(run, &mut received, full).await) {
                                return Ok(Some(ended));
                            }
                        }
                    }
                },
            }
        };
        if !waiting.is_empty()
            && let Some(ended) = after(keep(run, &mut received, waiting).await)
        {
            return Ok(Some(ended));
        }
        match broken {
            Some(why) => Ok(Some(Ended::Paused(Some(why)))),
            None if known > 0 => Ok(Some(Ended::Paused(Some(String::from(
                "The body ended before what had arrived earlier did: it is not the same file.",
            ))))),
            None => {
                run.job.progress = serde_json::to_string(&received).map_err(Error::internal)?;
                Ok(None)
            }
        }
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
    run.step(0, move |t| {
        // An earlier try may have been committed, and its answer lost.
        if t.find_job_part(id, JobFile::In, number)?.is_none() {
            t.insert_job_part(id, JobFile::In, number, packed.clone())?;
        }
        Ok(Step {
            progress: Some(progress.clone()),
            ..Step::default()
        })
    })
    .await
}

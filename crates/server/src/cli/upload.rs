//! Uploads of bundles. What arrived stays with the job, so that one that broke off goes on where it stopped.

use std::{io::SeekFrom, path::Path, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{Stream, StreamExt, TryStreamExt, future};
use indicatif::ProgressBar;
use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{
    client::{Client, Request, refusal},
    job,
    output::Output,
    stream::TRIES,
};

/// Where the bytes of a bundle come from.
#[derive(Clone, Copy)]
pub enum Bytes<'a> {
    /// A file.
    File(&'a Path),
    /// Standard input, which can be read once.
    StandardInput,
    /// The file of a job of this service, at this path; there are so many.
    Job(&'a Client, &'a str, Option<u64>),
}

/// An upload to one job.
pub struct Upload<'a> {
    /// Where to.
    pub client: &'a Client,
    /// How to show it.
    pub output: Output,
    /// The instance.
    pub guid: &'a str,
    /// The job's name.
    pub job: &'a str,
    /// `keep` or `remap`.
    pub ids: &'a str,
    /// `fail`, `skip` or `update`.
    pub on_conflict: &'a str,
    /// Whether nothing is to be changed.
    pub dry_run: bool,
    /// What the bundle is sealed with.
    pub secret: &'a str,
}

impl Upload<'_> {
    /// Sends what is missing, again and again if the connection breaks. Answers the job, whose file is whole then, or which had ended.
    pub async fn send(&self, bytes: Bytes<'_>) -> Result<Value> {
        let (mut tries, mut furthest) = (0, 0);
        loop {
            let error = match self.attempt(bytes).await {
                Ok(Attempt::Whole(job)) => return Ok(job),
                Ok(Attempt::Broken { uploaded, why }) => {
                    if uploaded > furthest {
                        (furthest, tries) = (uploaded, 0);
                    }
                    anyhow!(why)
                }
                Ok(Attempt::Paused) => bail!("somebody paused the job"),
                Err(error) if refusal(&error).is_some() => return Err(error),
                Err(error) => error,
            };
            if matches!(bytes, Bytes::StandardInput) || tries >= TRIES {
                return Err(error);
            }
            tries += 1;
            if !self.output.json {
                eprintln!("the upload broke off ({error:#}); going on");
            }
            tokio::time::sleep(Duration::from_millis(500) * tries).await;
        }
    }

    async fn attempt(&self, bytes: Bytes<'_>) -> Result<Attempt> {
        let job_path = format!("/management/v4/{}/jobs/{}", self.guid, self.job);
        let offset = match self.client.get(&job_path, &[]).await {
            Ok(job) if has_all(&job) => return Ok(Attempt::Whole(job)),
            Ok(job) => job["uploaded"].as_u64().unwrap_or(0),
            Err(error) if refusal(&error) == Some(404) => 0,
            Err(error) => return Err(error),
        };
        let (body, bar) = bytes.open(offset, self.output).await?;
        let path = format!("/management/v4/{}/bundle/import", self.guid);
        let offset = offset.to_string();
        let request = Request::new(Method::POST, &path)
            .query(&[
                ("job", self.job),
                ("offset", &offset),
                ("ids", self.ids),
                ("on_conflict", self.on_conflict),
                ("dry_run", if self.dry_run { "true" } else { "false" }),
            ])
            .secret(self.secret)
            .stream_body(body);
        let sent = self.client.call(request).await;
        bar.finish_and_clear();
        let job = match sent {
            Ok(job) => job,
            Err(error)
                if refusal(&error) == Some(409)
                    && job::somebody_paused(self.client, &job_path).await =>
            {
                return Ok(Attempt::Paused);
            }
            Err(error) => return Err(error),
        };
        if has_all(&job) {
            return Ok(Attempt::Whole(job));
        }
        if job::somebody_paused(self.client, &job_path).await {
            return Ok(Attempt::Paused);
        }
        let why = job["warnings"][0].as_str();
        Ok(Attempt::Broken {
            uploaded: job["uploaded"].as_u64().unwrap_or(0),
            why: why.unwrap_or("the service stopped").to_owned(),
        })
    }
}

enum Attempt {
    Whole(Value),
    Broken {
        uploaded: u64,
        why: String,
    },
    /// Somebody wants the job to rest.
    Paused,
}

/// Whether a job needs no more of its file.
fn has_all(job: &Value) -> bool {
    job["uploaded"].is_null()
        || matches!(
            job["state"].as_str(),
            Some("succeeded" | "failed" | "cancelled")
        )
}

impl Bytes<'_> {
    /// What there is behind the first `offset` bytes, and a bar that shows how it goes out.
    async fn open(self, offset: u64, output: Output) -> Result<(reqwest::Body, ProgressBar)> {
        match self {
            Self::StandardInput => {
                let bar = output.bytes(None, "sending");
                Ok((counted(parts_of(tokio::io::stdin()), &bar), bar))
            }
            Self::File(path) => {
                let failed = || format!("cannot read {}", path.display());
                let mut file = tokio::fs::File::open(path).await.with_context(failed)?;
                let length = file.metadata().await.with_context(failed)?.len();
                if length < offset {
                    bail!(
                        "{} is shorter than what arrived already: it is not the same file",
                        path.display()
                    );
                }
                file.seek(SeekFrom::Start(offset))
                    .await
                    .with_context(failed)?;
                let bar = output.bytes(Some(length), "sending");
                bar.set_position(offset);
                Ok((counted(parts_of(file), &bar), bar))
            }
            Self::Job(client, path, length) => {
                let answer = client.stream(Request::new(Method::GET, path)).await?;
                let bar = output.bytes(length, "sending");
                let mut known = offset;
                let parts = answer.bytes_stream().map_ok(move |part| {
                    let passed = usize::try_from(known).unwrap_or(usize::MAX).min(part.len());
                    known -= passed as u64;
                    part.slice(passed..)
                });
                bar.set_position(offset);
                Ok((counted(parts, &bar), bar))
            }
        }
    }
}

/// What a reader holds, in parts.
pub fn parts_of(
    reader: impl tokio::io::AsyncRead + Send + Unpin + 'static,
) -> impl Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static {
    futures_util::stream::try_unfold(reader, |mut reader| async move {
        let mut buffer = vec![0; 1 << 17];
        let n = reader.read(&mut buffer).await?;
        buffer.truncate(n);
        Ok((n > 0).then_some((buffer.into(), reader)))
    })
}

/// A body of these parts, each of which moves the bar.
fn counted<E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
    parts: impl Stream<Item = Result<bytes::Bytes, E>> + Send + 'static,
    bar: &ProgressBar,
) -> reqwest::Body {
    let bar = bar.clone();
    reqwest::Body::wrap_stream(
        parts
            // An empty part would end the body.
            .try_filter(|part| future::ready(!part.is_empty()))
            .inspect(move |part| {
                if let Ok(part) = part {
                    bar.inc(part.len() as u64);
                }
            }),
    )
}

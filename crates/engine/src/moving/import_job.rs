//! Imports as jobs: by stream, where the request feeds them, and from a file that was stored with the job.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use vestibule_crypto::{compare::constant_time_eq, digest::sha256_text};
use vestibule_model::{
    id::{JobId, TenantId},
    job::{Job, JobError, JobFeed, JobKind, JobState},
};
use vestibule_store::job::JobFile;
use zeroize::Zeroizing;

use super::{
    OnConflict, WithoutPassword,
    batch::Codec,
    directory_export::check_secret,
    directory_record::WRONG_SECRET,
    feed::{Body, Broken, Ended, Manner, Stop, import},
    large::file_kept_until,
    upload::attended,
};
use crate::{
    Engine, Error, Kind, Result,
    access::Manager,
    job::{Run, is_lost, is_rewound},
};

/// What is imported by stream.
pub enum Streamed {
    /// Directory users, whose password hashes were sealed with this secret.
    Directory(Zeroizing<String>),
    /// Federated users' profiles.
    Users,
}

/// An import by stream.
pub struct StreamImport {
    /// What comes.
    pub what: Streamed,
    /// The job's name, so that the sender knows it before the answer.
    pub job: Option<JobId>,
    /// The number of the stream's first record.
    pub from: u64,
    /// What happens to users who exist already.
    pub policy: OnConflict,
    /// What happens to users whose password hash cannot be used.
    pub without_password: WithoutPassword,
    /// Whether nothing is to be changed.
    pub dry_run: bool,
}

/// How an import was asked for, as it stands in the ledger.
#[derive(Serialize, Deserialize, PartialEq, Eq, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ImportOptions {
    pub on_conflict: String,
    pub without_password: bool,
    pub dry_run: bool,
    /// Whether everybody gets new ids; of bundles.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub remap: bool,
    /// Whom to tell when it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
}

impl ImportOptions {
    pub(super) fn read(job: &Job) -> Result<Self> {
        serde_json::from_str(&job.options).map_err(Error::internal)
    }

    pub(super) fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }

    pub(super) fn policy(&self) -> Result<OnConflict> {
        Ok(OnConflict::parse(&self.on_conflict)?)
    }

    pub(super) fn without(&self) -> WithoutPassword {
        if self.without_password {
            WithoutPassword::Import
        } else {
            WithoutPassword::Refuse
        }
    }
}

impl Engine {
    /// Imports what `body` holds and answers the job when the body is read to its end, or broke off. A job of this name that did not
    /// end is gone on with: records that it dealt with are passed over.
    ///
    /// # Errors
    /// `GAP` (409) when the stream begins behind the first record that is missing; `OTHER_JOB` (409) when the name is that of a job
    /// asked for otherwise; `OTHER_RECORDS` (409) when the records that are passed over are not those that the job took; what is wrong with the whole stream, when nothing was imported of it.
    pub async fn import_stream(
        &self,
        manager: &Manager,
        request: StreamImport,
        body: Body,
    ) -> Result<Job> {
        if let Streamed::Directory(secret) = &request.what {
            check_secret(secret)?;
        }
        let kind = match request.what {
            Streamed::Directory(_) => JobKind::DirectoryImport,
            Streamed::Users => JobKind::UsersImport,
        };
        let options = ImportOptions {
            on_conflict: request.policy.name().to_owned(),
            without_password: request.without_password == WithoutPassword::Import,
            dry_run: request.dry_run,
            ..ImportOptions::default()
        };
        let mut job = self.new_job(manager, kind, JobFeed::Request);
        job.id = request.job.unwrap_or(job.id);
        job.options = options.text()?;
        let id = job.id;
        let print = match &request.what {
            Streamed::Directory(secret) => Some(fingerprint(id, secret)),
            Streamed::Users => None,
        };
        if !self
            .add_job(manager, job, print.as_ref().map(|print| print.as_str()))
            .await?
        {
            let known = self.get_job(manager, id).await?;
            if known.kind != kind
                || known.feed != JobFeed::Request
                || ImportOptions::read(&known)? != options
            {
                return Err(other_job());
            }
            if known.state.has_ended() {
                return Ok(known);
            }
            if let Some(print) = print {
                self.check_secret_again(manager, id, &print).await?;
            }
            if request.from > known.counts.done() {
                return Err(Error::conflict(
                    "gap",
                    format!(
                        "The next record of this job is number {}, and the body begins at {}.",
                        known.counts.done(),
                        request.from
                    ),
                ));
            }
        }
        let mut run = self.take(manager.tenant(), id).await?;
        if request.from > run.done {
            // Nothing was there, so nothing may be left out.
            run.end(JobState::Paused, None, Vec::new(), None, None)
                .await?;
            return Err(Error::conflict(
                "gap",
                "The body of a new job begins at its first record.",
            ));
        }
        let codec = match request.what {
            Streamed::Directory(secret) => Codec::directory(secret, request.without_password),
            Streamed::Users => Codec::Users,
        };
        let manner = Manner {
            policy: request.policy,
            without: request.without_password,
            dry_run: request.dry_run,
            from: request.from,
        };
        let body = attended(body, self.pace().silence);
        let ended = import(&mut run, codec, manner, body).await;
        let refused = match &ended {
            Ended::Refused(refusal) => Some(refusal.clone()),
            _ => None,
        };
        self.settle(&run, ended).await?;
        if let Some(refusal) = refused {
            return Err(Error::conflict(refusal.code, refusal.message));
        }
        let job = self.get_job(manager, id).await?;
        let counts = &job.counts;
        match &job.error {
            Some(error) if counts.added + counts.updated + counts.skipped == 0 => {
                Err(refusal(error))
            }
            _ => Ok(job),
        }
    }

    /// Refuses another secret than the one that a stream began with. One that an earlier version began says nothing of it.
    pub(super) async fn check_secret_again(
        &self,
        manager: &Manager,
        id: JobId,
        print: &str,
    ) -> Result<()> {
        let began_with = self.job_secret(manager.tenant(), id).await?;
        let is_other = |began_with: Zeroizing<String>| {
            !constant_time_eq(began_with.as_bytes(), print.as_bytes())
        };
        if began_with.is_some_and(is_other) {
            return Err(Error::new(
                Kind::Invalid,
                WRONG_SECRET,
                "The encryption secret is not the one that this job began with. Nothing was changed.",
            ));
        }
        Ok(())
    }

    /// Goes on with a job that this node took, to its end.
    pub(crate) async fn go_on(&self, mut run: Run) {
        let ended = match run.job.kind {
            JobKind::DirectoryExport => self.export_to_file(&mut run).await,
            JobKind::BundleExport => self.make_bundle(&mut run).await,
            JobKind::BundleImport => self.import_bundle_parts(&mut run).await,
            JobKind::DirectoryImport | JobKind::UsersImport => self.import_parts(&mut run).await,
        };
        let state = ended.state();
        if let Err(error) = self.settle(&run, ended).await {
            tracing::warn!(job = %run.job.id, ?error, "the end of a job could not be written down");
            return;
        }
        let Some(state) = state.filter(|state| state.has_ended()) else {
            return;
        };
        if let Err(error) = self.tell_the_end(run.tenant, run.job.id).await {
            tracing::warn!(job = %run.job.id, ?error, "nobody could be told how a job ended");
        }
        if let Err(error) = self.clear_files(&run, state).await {
            // They go with the job when it expires.
            tracing::warn!(job = %run.job.id, ?error, "files of an ended job are still there");
        }
    }

    /// What was read is not needed any more, and a failed export leaves no file.
    async fn clear_files(&self, run: &Run, state: JobState) -> Result<()> {
        self.remove_job_file(run.tenant, run.job.id, JobFile::In)
            .await?;
        if state != JobState::Succeeded {
            self.remove_job_file(run.tenant, run.job.id, JobFile::Out)
                .await?;
        }
        Ok(())
    }

    /// Takes a job for this node.
    ///
    /// # Errors
    /// `JOB_PAUSED` (409) when somebody wished it to rest.
    pub(super) async fn take(&self, tenant: TenantId, id: JobId) -> Result<Run> {
        let (node, now) = (self.node().to_owned(), self.now());
        let lease = now.plus_seconds(self.pace().lease_seconds());
        let taken = self
            .store()
            .write(tenant, move |t| {
                Ok::<_, Error>(t.take_job(id, &node, now, lease)?)
            })
            .await?;
        let Some(job) = taken else {
            let job = self
                .store()
                .read(tenant, move |t| Ok::<_, Error>(t.find_job(id)?));
            return Err(match job.await? {
                Some(job) if job.state == JobState::Paused => Error::conflict(
                    "job_paused",
                    "Somebody paused this job. Resume it first, then send the body again.",
                ),
                _ => Error::conflict("invalid_state", "The job ended at this moment."),
            });
        };
        Ok(Run::new(self.clone(), tenant, job))
    }

    /// Goes on with an import whose file is stored.
    pub(super) async fn import_parts(&self, run: &mut Run) -> Ended {
        let options = match ImportOptions::read(&run.job) {
            Ok(options) => options,
            Err(error) => return Ended::Error(error),
        };
        let codec = match self.codec_of(run, &options).await {
            Ok(codec) => codec,
            Err(error) => return Ended::Error(error),
        };
        let policy = match options.policy() {
            Ok(policy) => policy,
            Err(error) => return Ended::Error(error),
        };
        let manner = Manner {
            policy,
            without: options.without(),
            dry_run: options.dry_run,
            from: 0,
        };
        let parts = self.parts_of(run.tenant, run.job.id, JobFile::In);
        let parts = parts.map(|part| part.map_err(Stop::Service));
        import(run, codec, manner, parts.boxed()).await
    }

    async fn codec_of(&self, run: &Run, options: &ImportOptions) -> Result<Codec> {
        match run.job.kind {
            JobKind::UsersImport => Ok(Codec::Users),
            _ => {
                let secret = self.job_secret(run.tenant, run.job.id).await?;
                let secret = secret.ok_or_else(|| Error::internal("a job lost its secret"))?;
                Ok(Codec::directory(secret, options.without()))
            }
        }
    }

    /// A file of a job, decompressed, for whoever takes it away.
    pub(super) fn job_file(&self, tenant: TenantId, id: JobId, file: JobFile) -> Body {
        let parts = self.parts_of(tenant, id, file);
        let parts = parts.map(|part| part.map_err(|error| Broken(error.to_string())));
        parts.boxed()
    }

    fn parts_of(
        &self,
        tenant: TenantId,
        id: JobId,
        file: JobFile,
    ) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        let engine = self.clone();
        stream::unfold(Some(0_u64), move |number| {
            let engine = engine.clone();
            async move {
                let number = number?;
                match engine.job_part(tenant, id, file, number).await {
                    Ok(Some(part)) => Some((Ok(part.into()), Some(number + 1))),
                    Ok(None) => None,
                    Err(error) => Some((Err(error), None)),
                }
            }
        })
    }

    /// A part of a job's file, decompressed. Waits for a database that is away for a while.
    pub(super) async fn job_part(
        &self,
        tenant: TenantId,
        id: JobId,
        file: JobFile,
        number: u64,
    ) -> Result<Option<Vec<u8>>> {
        let pace = self.pace();
        let (mut pause, mut waited) = (pace.retry, Duration::ZERO);
        let part = loop {
            let found = self
                .store()
                .read(tenant, move |t| {
                    Ok::<_, Error>(t.find_job_part(id, file, number)?)
                })
                .await;
            match found {
                Err(error)
                    if matches!(error.kind, Kind::Unavailable(_)) && waited < pace.patience =>
                {
                    tokio::time::sleep(pause).await;
                    waited += pause;
                    pause = pace.longer(pause);
                }
                found => break found?,
            }
        };
        let Some(part) = part else { return Ok(None) };
        super::aside(move || zstd::decode_all(part.as_slice()))
            .await?
            .map(Some)
            .map_err(Error::internal)
    }

    /// Writes down how a run ended.
    pub(super) async fn settle(&self, run: &Run, ended: Ended) -> Result<()> {
        let Some(state) = ended.state() else {
            return match ended {
                Ended::LetGo => run.let_go().await,
                Ended::Error(error) if is_lost(&error) => Err(error),
                Ended::Error(error) if is_rewound(&error) => {
                    tracing::error!(job = %run.job.id, "the database lost what it had confirmed; the job goes on from what is there");
                    run.let_go().await?;
                    Err(error)
                }
                Ended::Error(error) => {
                    // The lease runs out, and whoever can reach the database goes on.
                    tracing::warn!(job = %run.job.id, ?error, "a job could not go on");
                    run.rest(&error).await;
                    Err(error)
                }
                _ => Ok(()),
            };
        };
        let (mut error, mut warnings, mut digest) = (None, Vec::new(), None);
        let mut expires_at = None;
        match ended {
            Ended::Exported(tally) => {
                warnings = tally.warnings();
                digest = Some(tally.digest.to_string());
                expires_at = file_kept_until(&run.job, self.now());
            }
            Ended::Done(notes) => warnings = notes,
            Ended::Refused(refusal) => warnings.push(format!("Paused: {}", refusal.message)),
            Ended::Paused(why) => warnings.extend(why.map(|why| format!("Paused: {why}"))),
            Ended::Failed(why) => error = Some(why),
            Ended::Error(why) => {
                tracing::error!(job = %run.job.id, error = ?why, "a job failed");
                error = Some(JobError {
                    code: why.code.to_owned(),
                    message: why.public,
                    record: Some(run.done),
                    place: None,
                });
            }
            Ended::Cancelled | Ended::LetGo => {}
        }
        match run.end(state, error, warnings, digest, expires_at).await {
            Err(error) if is_rewound(&error) => {
                run.let_go().await?;
                Err(error)
            }
            ended => ended.map(drop),
        }
    }
}

/// What is kept of the secret of a stream, sealed, so that whoever goes on with it has the same one.
fn fingerprint(job: JobId, secret: &str) -> Zeroizing<String> {
    let text = Zeroizing::new(format!("stream-secret:{job}:{secret}"));
    Zeroizing::new(sha256_text(&text))
}

pub(super) fn other_job() -> Error {
    Error::conflict(
        "other_job",
        "There is a job of this name that was asked for otherwise.",
    )
}

/// What the sender of a stream is told of which nothing was imported.
pub(super) fn refusal(error: &JobError) -> Error {
    let code = match error.code.as_str() {
        "wrong_secret" => "wrong_secret",
        "record_too_long" => "record_too_long",
        "too_much_space" => "too_much_space",
        "malformed_input" => "malformed_input",
        "truncated_input" => "truncated_input",
        _ => return Error::internal(format!("an import failed: {}", error.message)),
    };
    let kind = match code {
        "record_too_long" | "too_much_space" => Kind::TooLarge,
        _ => Kind::Invalid,
    };
    Error::new(kind, code, error.message.clone())
}

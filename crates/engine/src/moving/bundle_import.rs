//! Importing a bundle, as a job: it is stored, checked as a whole, and applied (docs/formats/bundle.md).

use std::{io::Read, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::{runtime::Handle, sync::mpsc, task::spawn_blocking, time::timeout};
use vestibule_bundle::{BundleError, BundleReader, Manifest, Person};
use vestibule_model::{
    Invalid,
    id::{JobId, TenantId},
    job::{Job, JobError, JobFeed, JobKind, JobState},
};
use vestibule_store::job::JobFile;
use zeroize::Zeroizing;

use super::{
    OnConflict, WithoutPassword,
    batch::bundled,
    bundle_people::{BundleIds, Ids},
    directory_export::check_secret,
    feed::{Body, Ended, Manner, after, write_all},
    import_job::{ImportOptions, other_job},
    large::gave_up,
    upload::Received,
};
use crate::{
    Engine, Error, Kind, Result,
    access::Manager,
    job::{Run, Step},
};

/// Where the import of a bundle stands.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct InProgress {
    manifest: Option<Manifest>,
    /// How many of its records hold what is not kept here.
    unkept: u64,
}

/// How a bundle is to be imported.
pub struct BundleImport {
    /// The secret that it was sealed with.
    pub secret: Zeroizing<String>,
    /// What happens to ids.
    pub ids: BundleIds,
    /// What happens to users who exist already.
    pub policy: OnConflict,
    /// Whether nothing is to be changed.
    pub dry_run: bool,
    /// The job's name, so that an upload that breaks off can be gone on with.
    pub job: Option<JobId>,
    /// The number of the body's first byte.
    pub offset: u64,
}

impl BundleImport {
    fn options(&self) -> ImportOptions {
        ImportOptions {
            on_conflict: self.policy.name().to_owned(),
            dry_run: self.dry_run,
            remap: self.ids == BundleIds::Remap,
            ..ImportOptions::default()
        }
    }
}

impl Engine {
    /// Stores a bundle as it comes and starts the job that checks it as a whole and then imports it. What arrived of an upload whose
    /// job has a name stays when it breaks off: the job then waits for the rest. Without a name nothing stays.
    ///
    /// # Errors
    /// `GAP` (409) when the body begins behind the first byte that is missing; `OTHER_JOB` (409) when the name is that of a job asked for
    /// otherwise; `JOB_PAUSED` (409) when somebody paused it.
    pub async fn import_bundle(
        &self,
        manager: &Manager,
        import: BundleImport,
        body: Body,
    ) -> Result<Job> {
        check_secret(&import.secret)?;
        let feed = match import.job {
            Some(_) => JobFeed::Request,
            None => JobFeed::Upload,
        };
        let mut job = self.new_job(manager, JobKind::BundleImport, feed);
        job.id = import.job.unwrap_or(job.id);
        let options = import.options();
        job.options = options.text()?;
        let (tenant, id) = (manager.tenant(), job.id);
        if !self.add_job(manager, job, Some(&import.secret)).await? {
            let known = self.get_job(manager, id).await?;
            if known.kind != JobKind::BundleImport || ImportOptions::read(&known)? != options {
                return Err(other_job());
            }
            if known.state.has_ended() {
                return Ok(known);
            }
            self.check_secret_again(manager, id, &import.secret).await?;
            if known.feed != JobFeed::Request {
                return Ok(known);
            }
        }
        let mut run = self.take(tenant, id).await?;
        let there = Received::of(&run.job)?.uploaded;
        if import.offset > there {
            run.end(JobState::Paused, None, Vec::new(), None, None)
                .await?;
            return Err(Error::conflict(
                "gap",
                format!(
                    "The next byte of this file is number {there}, and the body begins at {}.",
                    import.offset
                ),
            ));
        }
        match self.receive(&mut run, import.offset, body).await {
            Ok(None) => self.begin_import(&mut run, &import.secret).await?,
            Ok(Some(ended)) if import.job.is_none() => {
                self.remove_job(tenant, id).await?;
                return Err(gave_up(ended));
            }
            Ok(Some(ended)) => self.end_upload(&run, ended).await?,
            Err(error) => self.end_upload(&run, Ended::Error(error)).await?,
        }
        self.get_job(manager, id).await
    }

    /// The file is whole: workers may have it.
    async fn begin_import(&self, run: &mut Run, secret: &str) -> Result<()> {
        let received: Received = serde_json::from_str(run.progress()).map_err(Error::internal)?;
        if received.uploaded == 0 {
            self.remove_job(run.tenant, run.job.id).await?;
            return Err(Invalid::new("", "the body is empty, not a bundle").into());
        }
        if self.hand_over(run, &run.job.options, secret).await? {
            return Ok(());
        }
        // Somebody asked something of it at this moment, or has it now.
        let asked = after(run.beat().await).unwrap_or(Ended::Paused(None));
        self.end_upload(run, asked).await
    }

    /// Gives a job whose file is whole to the workers, with how it was asked for. False when somebody asked something of it meanwhile.
    pub(super) async fn hand_over(&self, run: &Run, options: &str, secret: &str) -> Result<bool> {
        let (lease, sealed) = (run.lease(), self.seal_job_secret(run.job.id, secret));
        let options = options.to_owned();
        self.store()
            .write(run.tenant, move |t| {
                Ok::<_, Error>(t.hand_over_job(lease, &options, Some(&sealed))?)
            })
            .await
    }

    /// Writes down how an upload ended; what arrived of a cancelled one is of no use.
    async fn end_upload(&self, run: &Run, ended: Ended) -> Result<()> {
        let cancelled = matches!(ended, Ended::Cancelled);
        self.settle(run, ended).await?;
        if cancelled {
            self.remove_job_file(run.tenant, run.job.id, JobFile::In)
                .await?;
        }
        Ok(())
    }

    /// Goes on with the import of a bundle: checks it as a whole unless that was done, then imports it.
    pub(super) async fn import_bundle_parts(&self, run: &mut Run) -> Ended {
        match self.unpack(run).await {
            Ok(ended) => ended,
            Err(error) => Ended::Error(error),
        }
    }

    async fn unpack(&self, run: &mut Run) -> Result<Ended> {
        let options = ImportOptions::read(&run.job)?;
        let secret = self.job_secret(run.tenant, run.job.id).await?;
        let secret = secret.ok_or_else(|| Error::internal("a job lost its secret"))?;
        let file = PartsReader::new(self, run);
        let mut opening =
            spawn_blocking(move || BundleReader::open(file, &secret).map(|r| Arc::clone(r.key())));
        let key = match waiting(run, &mut opening).await? {
            Ok(Ok(key)) => key,
            Ok(Err(error)) => return found(error),
            Err(ended) => return Ok(ended),
        };
        let progress: InProgress =
            serde_json::from_str(&run.job.progress).map_err(Error::internal)?;
        let (manifest, unkept) = match progress.manifest {
            Some(manifest) => (manifest, progress.unkept),
            None => {
                let (file, key) = (PartsReader::new(self, run), Arc::clone(&key));
                let mut checking = spawn_blocking(move || {
                    BundleReader::open_with_key(file, key).and_then(checked)
                });
                match waiting(run, &mut checking).await? {
                    Ok(Ok(checked)) => checked,
                    Ok(Err(error)) => return found(error),
                    Err(ended) => return Ok(ended),
                }
            }
        };
        let kept = serde_json::to_string(&InProgress {
            manifest: Some(manifest.clone()),
            unkept,
        })
        .map_err(Error::internal)?;
        let total = manifest.counts.people;
        let next = run
            .step(move |_| {
                Ok(Step {
                    total: Some(total),
                    progress: Some(kept.clone()),
                    ..Step::default()
                })
            })
            .await;
        if let Some(ended) = after(next) {
            return Ok(ended);
        }
        let which = if options.remap {
            BundleIds::Remap
        } else {
            BundleIds::Keep
        };
        let manner = Manner {
            policy: options.policy()?,
            without: WithoutPassword::Refuse,
            dry_run: options.dry_run,
            from: 0,
        };
        let ids = Arc::new(Ids::new(self.clone(), run.job.id, which));
        let (batches, taken) = mpsc::channel(2);
        let (engine, tenant, done) = (self.clone(), run.tenant, run.done);
        let batch = self.pace().batch.max(1);
        let chosen = manifest.source.predicate.clone();
        let file = PartsReader::new(self, run);
        let reading = spawn_blocking(move || -> Result<(), BundleError> {
            let mut reader = BundleReader::open_with_key(file, key)?;
            let mut number = reader.skip_to(&manifest, done)?;
            let runtime = Handle::current();
            while let Some(part) = reader.next_part()? {
                let skipped = usize::try_from(done.saturating_sub(number)).unwrap_or(usize::MAX);
                number += part.people().len() as u64;
                let people = part.people().get(skipped..).unwrap_or_default();
                let mut first = number - people.len() as u64;
                for chunk in people.chunks(batch) {
                    let batch = bundled(&engine, tenant, &ids, first, chunk);
                    first += chunk.len() as u64;
                    let batch = runtime.spawn(async move { batch });
                    if runtime.block_on(batches.send(batch)).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        let ended = write_all(run, manner, taken).await;
        match (ended, reading.await.map_err(Error::internal)?) {
            (Ended::Done(_), Err(error)) => found(error),
            (Ended::Done(mut notes), Ok(())) => {
                notes.extend((unkept > 0).then(|| not_kept(unkept)));
                notes.extend(chosen.map(|predicate| {
                    format!("The bundle is a part: it holds only those of whom this was true: {predicate}")
                }));
                Ok(Ended::Done(notes))
            }
            (ended, _) => Ok(ended),
        }
    }
}

/// Checks a bundle as a whole. What it says of itself, and how many of its records hold what is not kept here.
fn checked(mut reader: BundleReader<PartsReader>) -> Result<(Manifest, u64), BundleError> {
    let mut unkept = 0;
    while let Some(part) = reader.next_part()? {
        unkept += part.people().iter().filter(|one| has_unkept(one)).count() as u64;
    }
    Ok((reader.verify()?, unkept))
}

/// Whether a record holds second factors or earlier passwords, for which an instance has no place yet.
fn has_unkept(person: &Person) -> bool {
    person.directory.as_ref().is_some_and(|user| {
        let reserved = [&user.mfa, &user.password_history];
        reserved.into_iter().flatten().any(|held| !held.is_empty())
    })
}

fn not_kept(records: u64) -> String {
    format!(
        "Not kept: the second factors or earlier passwords (mfa, passwordHistory) that {records} records of the bundle hold. This version has no place for them."
    )
}

/// Waits for work on another thread and gives signs of life meanwhile. The inner error says that the job is not to go on.
async fn waiting<T>(
    run: &mut Run,
    work: &mut tokio::task::JoinHandle<T>,
) -> Result<Result<T, Ended>> {
    loop {
        match timeout(run.engine.pace().beat, &mut *work).await {
            Ok(done) => return done.map(Ok).map_err(Error::internal),
            Err(_) => {
                if let Some(ended) = after(run.beat().await) {
                    return Ok(Err(ended));
                }
            }
        }
    }
}

/// What is wrong with the bundle ends the job; what is wrong with the service does not blame the bundle.
fn found(error: BundleError) -> Result<Ended> {
    match error {
        BundleError::Io(error) => Err(Error {
            kind: Kind::Unavailable(5),
            source: Some(Box::new(error)),
            ..Error::busy("The bundle could not be read from the database.")
        }),
        error => Ok(Ended::Failed(JobError {
            code: error.code().to_owned(),
            message: format!("{error}. Nothing was imported of it."),
            record: None,
            place: error.place().map(|place| place.to_string()),
        })),
    }
}

/// The stored file of a job, read on a thread that may block.
struct PartsReader {
    engine: Engine,
    runtime: Handle,
    tenant: TenantId,
    job: JobId,
    number: u64,
    part: Vec<u8>,
    at: usize,
}

impl PartsReader {
    fn new(engine: &Engine, run: &Run) -> Self {
        Self {
            engine: engine.clone(),
            runtime: Handle::current(),
            tenant: run.tenant,
            job: run.job.id,
            number: 0,
            part: Vec::new(),
            at: 0,
        }
    }
}

impl Read for PartsReader {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.part.len() {
            let part = self.runtime.block_on(self.engine.job_part(
                self.tenant,
                self.job,
                JobFile::In,
                self.number,
            ));
            match part.map_err(std::io::Error::other)? {
                None => return Ok(0),
                Some(part) => self.part = part,
            }
            self.number += 1;
            self.at = 0;
        }
        let left = self.part.get(self.at..).unwrap_or_default();
        let n = left.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..n), left.get(..n)) {
            to.copy_from_slice(from);
        }
        self.at += n;
        Ok(n)
    }
}

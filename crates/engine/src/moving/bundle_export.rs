//! Making a bundle of everybody in an instance, as a job (docs/formats/bundle.md).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vestibule_bundle::{BundleError, BundleWriter, Person, Source, WriterState};
use vestibule_crypto::bundle::BundleKey;
use vestibule_model::{
    id::JobId,
    job::{Job, JobFeed, JobKind},
};
use vestibule_store::job::JobFile;
use zeroize::Zeroizing;

use super::{
    aside,
    bundle_people::{bundled_person, bundled_user},
    directory_export::check_new_secret,
    export_stream::{Only, Tally},
    feed::{Ended, after},
    import_job::other_job,
    large::ExportOptions,
    render::{Seal, directory_record, federated_record},
    scan::{EVERYBODY, Page, People, Who},
};
use crate::{
    Engine, Error, Result,
    access::Manager,
    job::{Run, Step},
};

/// Where the making of a bundle stands.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct OutProgress {
    writer: Option<WriterState>,
    /// Whether directory users are through.
    profiles: bool,
    /// Behind this id.
    after: String,
    /// Number of the next part of the file.
    part: u64,
    moments_from: Vec<String>,
    /// Whether the end of the file is written.
    finished: bool,
}

/// How a bundle is to be made.
pub struct BundleExport {
    /// The secret to seal it with.
    pub secret: Zeroizing<String>,
    /// Days that it is kept: 1 to 30, 7 unless told.
    pub days: Option<i64>,
    /// Only those of whom this is true.
    pub predicate: Option<String>,
    /// The job's name, so that whoever asks knows it before the answer.
    pub job: Option<JobId>,
}

impl Engine {
    /// Starts a job that writes everybody in the instance to a bundle. One of this name that was asked for in the same way is answered
    /// as it stands.
    ///
    /// # Errors
    /// `OTHER_JOB` (409) when the name is that of a job asked for otherwise.
    pub async fn export_bundle(&self, manager: &Manager, export: BundleExport) -> Result<Job> {
        check_new_secret(&export.secret)?;
        let mut options = ExportOptions::new(None, export.days)?;
        options.set_predicate(export.predicate)?;
        let mut job = self.new_job(manager, JobKind::BundleExport, JobFeed::Instance);
        job.id = export.job.unwrap_or(job.id);
        job.ready = true;
        job.options = serde_json::to_string(&options).map_err(Error::internal)?;
        let (id, asked) = (job.id, job.options.clone());
        let added = self.add_job(manager, job, Some(&export.secret)).await?;
        let job = self.get_job(manager, id).await?;
        if !added && (job.kind != JobKind::BundleExport || job.options != asked) {
            return Err(other_job());
        }
        if !added {
            self.check_secret_again(manager, id, &export.secret).await?;
        }
        Ok(job)
    }

    /// Goes on with the making of a bundle.
    pub(super) async fn make_bundle(&self, run: &mut Run) -> Ended {
        match self.bundle_parts(run).await {
            Ok(ended) => ended,
            Err(error) => Ended::Error(error),
        }
    }

    async fn bundle_parts(&self, run: &mut Run) -> Result<Ended> {
        let secret = self.job_secret(run.tenant, run.job.id).await?;
        let secret = secret.ok_or_else(|| Error::internal("a job lost its secret"))?;
        let mut progress: OutProgress =
            serde_json::from_str(&run.job.progress).map_err(Error::internal)?;
        if progress.part > 0 && !progress.finished {
            progress.moments_from.push(progress.after.clone());
        }
        let options: ExportOptions =
            serde_json::from_str(&run.job.options).map_err(Error::internal)?;
        let only = options.only()?;
        let mut writing = self
            .begin_writing(run, secret, &progress, options.predicate)
            .await?;
        let whos = if progress.profiles {
            Who::Unattached.alone()
        } else {
            EVERYBODY
        };
        let mut pages =
            (!progress.finished).then(|| self.scan(run.tenant, whos, progress.after.clone(), None));
        while let Some(taken) = &mut pages {
            let page = taken.recv().await.transpose()?;
            let last = match page {
                Some(page) => {
                    writing.take(page, &mut progress, only.clone()).await?;
                    Last::No
                }
                None => {
                    pages = None;
                    progress.finished = true;
                    Last::Yes
                }
            };
            if writing.pending >= self.pace().bundle_part || last == Last::Yes {
                let next = writing.flush(run, &mut progress, last).await;
                if let Some(ended) = after(next) {
                    return Ok(ended);
                }
            }
        }
        let state = progress.writer.take();
        let digest = state.map(|state| state.content_digest());
        Ok(Ended::Exported(Box::new(Tally {
            digest: digest.unwrap_or_default(),
            moments_from: progress.moments_from,
            ..Tally::default()
        })))
    }

    async fn begin_writing(
        &self,
        run: &Run,
        secret: Zeroizing<String>,
        progress: &OutProgress,
        predicate: Option<String>,
    ) -> Result<Writing> {
        let state = progress.writer.clone();
        let instance = self.tenant_in_any_state(run.tenant).await?;
        let source = Source {
            instance: run.tenant,
            name: instance.name.clone(),
            region: instance.region.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            predicate,
        };
        let (engine, now) = (self.clone(), self.now());
        aside(move || {
            let (key, state, bytes) = match state {
                Some(state) => {
                    let writer =
                        BundleWriter::resume(Vec::new(), &secret, state.clone(), engine.random())
                            .map_err(Error::internal)?;
                    (Arc::clone(writer.key()), state, Vec::new())
                }
                None => {
                    let key = Arc::new(BundleKey::generate(&secret, engine.random()));
                    let mut writer = BundleWriter::with_key(
                        Vec::new(),
                        Arc::clone(&key),
                        source,
                        now,
                        engine.random(),
                    )
                    .map_err(Error::internal)?;
                    let bytes = std::mem::take(writer.get_mut());
                    (key, writer.state().clone(), bytes)
                }
            };
            Ok(Writing {
                engine: engine.clone(),
                key,
                state,
                bytes,
                people: Vec::new(),
                pending: 0,
            })
        })
        .await?
    }
}

/// Whether the bundle is complete.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    No,
    Yes,
}

/// A bundle that is being made.
struct Writing {
    engine: Engine,
    key: Arc<BundleKey>,
    state: WriterState,
    /// What was written and not stored yet.
    bytes: Vec<u8>,
    people: Vec<Person>,
    pending: usize,
}

impl Writing {
    /// Takes the people of a page who belong to the bundle.
    async fn take(
        &mut self,
        page: Page,
        progress: &mut OutProgress,
        only: Option<Only>,
    ) -> Result<()> {
        progress.moments_from.extend(page.moment_from.clone());
        progress.profiles = page.who == Who::Unattached;
        progress.after = page.people.last_id().unwrap_or_default().to_owned();
        self.pending += page.bytes();
        let people = aside(move || people_of(page, only.as_ref())).await??;
        self.people.extend(people);
        Ok(())
    }

    /// Writes the people who wait as parts, and stores them together with the checkpoint.
    async fn flush(
        &mut self,
        run: &mut Run,
        progress: &mut OutProgress,
        last: Last,
    ) -> Result<crate::job::Next> {
        let people = std::mem::take(&mut self.people);
        let users = people.len() as u64;
        let (engine, key, state) = (
            self.engine.clone(),
            Arc::clone(&self.key),
            self.state.clone(),
        );
        let mut bytes = std::mem::take(&mut self.bytes);
        let (written, state) = aside(move || {
            let random = engine.random();
            let mut writer = BundleWriter::resume_with_key(Vec::new(), key, state, random)?;
            for person in &people {
                writer.write(person)?;
            }
            if !people.is_empty() {
                writer.end_part()?;
            }
            let state = writer.state().clone();
            let written = match last {
                Last::No => std::mem::take(writer.get_mut()),
                Last::Yes => writer.finish()?.0,
            };
            Ok::<_, BundleError>((written, state))
        })
        .await?
        .map_err(Error::internal)?;
        bytes.extend_from_slice(&written);
        self.state = state;
        self.pending = 0;
        let number = progress.part;
        progress.part += 1;
        progress.writer = Some(self.state.clone());
        let text = serde_json::to_string(&*progress).map_err(Error::internal)?;
        let id = run.job.id;
        let length = bytes.len() as u64;
        // Parts of a bundle are compressed and sealed already; the frame costs a few bytes.
        let packed = aside(move || zstd::encode_all(bytes.as_slice(), 1)).await?;
        let packed = packed.map_err(Error::internal)?;
        run.step(move |t| {
            t.insert_job_part(id, JobFile::Out, number, packed.clone())?;
            let mut step = Step {
                bytes: length,
                progress: Some(text.clone()),
                ..Step::default()
            };
            step.counts.added = users;
            Ok(step)
        })
        .await
    }
}

/// The people of a page who belong to the bundle.
pub(super) fn people_of(page: Page, only: Option<&Only>) -> Result<Vec<Person>> {
    let names = page.names;
    let mut record = Vec::new();
    let mut people = Vec::new();
    match page.people {
        People::Directory(rows) => {
            for row in rows {
                record.clear();
                if only.is_some() {
                    directory_record(&mut record, &row, &names, &Seal::Content)?;
                }
                if only.map_or(Ok(true), |only| only.takes(&record))? {
                    people.push(bundled_user(row, &names)?);
                }
            }
        }
        People::Profiles(rows) => {
            for row in rows {
                record.clear();
                federated_record(&mut record, &row, &names, false);
                if only.map_or(Ok(true), |only| only.takes(&record))? {
                    people.push(bundled_person(row, &names)?);
                }
            }
        }
    }
    Ok(people)
}

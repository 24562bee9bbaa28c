//! App ID's large calls: `cloud_directory/export/all` and `import/all`, and the files of jobs.

use bytes::Bytes;
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use vestibule_model::{
    Invalid,
    email::EmailAddress,
    id::{JobId, TenantId},
    job::{Job, JobFeed, JobKind, JobState},
    time::Timestamp,
};
use vestibule_store::job::JobFile;
use zeroize::Zeroizing;

use super::{
    Summary, aside,
    directory_export::{check_new_secret, check_secret},
    export_stream::{Bounds, Only, Shape, Tally},
    feed::{Broken, Ended, after},
    import_job::{ImportOptions, refusal},
    lost::Lost,
    scan::Who,
    upload::{Heard, Receiver},
};
use crate::{
    Engine, Error, Result,
    access::Manager,
    job::{Run, Step, is_lost},
};

/// Days that a file is kept, unless told.
const USUAL_DAYS: i64 = 7;
/// Most days.
const MOST_DAYS: i64 = 30;

/// What `export/all` was asked for, as it stands in the ledger.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportOptions {
    /// Whom to tell when it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// Days that the file is kept.
    pub days: i64,
    /// Only those of whom this is true.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
}

impl ExportOptions {
    pub(super) fn new(mail: Option<String>, days: Option<i64>) -> Result<Self> {
        let days = days.unwrap_or(USUAL_DAYS);
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(Invalid::new("expires", "must be 1 to 30 days").into());
        }
        Ok(Self {
            mail: checked_mail(mail)?,
            days,
            predicate: None,
        })
    }

    /// Restricts the export; what is no predicate is refused.
    pub(super) fn set_predicate(&mut self, predicate: Option<String>) -> Result<()> {
        if let Some(text) = &predicate {
            Only::new(std::slice::from_ref(text), 0)?;
        }
        self.predicate = predicate;
        Ok(())
    }

    /// Which part of all it is of.
    pub(super) fn only(&self) -> Result<Option<Only>> {
        let predicate = self.predicate.as_ref();
        predicate
            .map(|text| Only::new(std::slice::from_ref(text), 0))
            .transpose()
    }
}

/// How all directory users are to be exported.
pub struct ExportAll {
    /// Seals their password hashes.
    pub secret: Zeroizing<String>,
    /// Whom to tell when it is done.
    pub mail: Option<String>,
    /// Days that the file is kept: 1 to 30, 7 unless told.
    pub days: Option<i64>,
    /// Only those of whom this is true.
    pub predicate: Option<String>,
}

/// Where an export to a file stands.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Progress {
    /// Behind this user.
    after: String,
    /// Number of the next part.
    part: u64,
    digest: String,
    /// Users behind which a later moment begins.
    moments_from: Vec<String>,
    lost: Lost,
    /// Whether the end of the file is written.
    finished: bool,
}

/// A piece of an upload, in whatever order they come.
pub enum Upload {
    /// The secret that password hashes were sealed with.
    Secret(Zeroizing<String>),
    /// Whom to tell when it is done.
    Mail(String),
    /// The next bytes of the file.
    File(Bytes),
}

impl Engine {
    /// Starts a job that writes all directory users to a file, which is kept for `days` days (1 to 30, 7 unless told).
    pub async fn export_all(&self, manager: &Manager, export: ExportAll) -> Result<Job> {
        let secret = export.secret;
        check_new_secret(&secret)?;
        let mut options = ExportOptions::new(export.mail, export.days)?;
        options.set_predicate(export.predicate)?;
        let mut job = self.new_job(manager, JobKind::DirectoryExport, JobFeed::Instance);
        job.ready = true;
        job.options = serde_json::to_string(&options).map_err(Error::internal)?;
        let id = job.id;
        self.add_job(manager, job, Some(&secret)).await?;
        self.get_job(manager, id).await
    }

    /// Stores a file of directory users as it comes, compressed and in parts, and starts the job that imports it. An upload that breaks off
    /// leaves nothing.
    ///
    /// # Errors
    /// `RECORD_TOO_LONG` and `TOO_MUCH_SPACE` (413) as soon as they are seen.
    pub async fn import_all(
        &self,
        manager: &Manager,
        upload: impl Stream<Item = Result<Upload, Broken>> + Send + Unpin,
    ) -> Result<Job> {
        let job = self.new_job(manager, JobKind::DirectoryImport, JobFeed::Upload);
        let (tenant, id) = (manager.tenant(), job.id);
        self.add_job(manager, job, None).await?;
        let mut run = self.take(tenant, id).await?;
        match self.store_upload(&mut run, upload).await {
            Ok((options, secret)) if self.hand_over(&run, &options.text()?, &secret).await? => {
                self.get_job(manager, id).await
            }
            Ok(_) => {
                self.remove_job(tenant, id).await?;
                Err(asked_to_stop())
            }
            // It was removed from the ledger while it came in.
            Err(error) if is_lost(&error) => Err(asked_to_stop()),
            Err(error) => {
                self.remove_job(tenant, id).await?;
                Err(error)
            }
        }
    }

    async fn store_upload(
        &self,
        run: &mut Run,
        mut upload: impl Stream<Item = Result<Upload, Broken>> + Send + Unpin,
    ) -> Result<(ImportOptions, Zeroizing<String>)> {
        let mut options = ImportOptions {
            on_conflict: String::from("fail"),
            ..ImportOptions::default()
        };
        let mut secret = None;
        let mut file = Receiver::new(run)?.of_records();
        loop {
            match file.next(&mut upload).await {
                Heard::Piece(Upload::Secret(given)) => {
                    check_secret(&given)?;
                    secret = Some(given);
                }
                Heard::Piece(Upload::Mail(mail)) => options.mail = checked_mail(Some(mail))?,
                Heard::Piece(Upload::File(bytes)) => {
                    if let Some(ended) = file.push(&bytes).await {
                        return Err(gave_up(ended));
                    }
                }
                Heard::Nothing => break,
                Heard::Ended(ended) => return Err(gave_up(ended)),
            }
        }
        if let Some(ended) = file.flush().await {
            return Err(gave_up(ended));
        }
        if file.uploaded() == 0 {
            return Err(Invalid::new("file", "is required and not empty").into());
        }
        let secret = secret.ok_or_else(|| Invalid::new("encryptionSecret", "is required"))?;
        Ok((options, secret))
    }

    /// Writes users to the file of a job, from where it stands.
    pub(super) async fn export_to_file(&self, run: &mut Run) -> Ended {
        match self.export_parts(run).await {
            Ok(ended) => ended,
            Err(error) => Ended::Error(error),
        }
    }

    async fn export_parts(&self, run: &mut Run) -> Result<Ended> {
        let secret = self.job_secret(run.tenant, run.job.id).await?;
        let secret = secret.ok_or_else(|| Error::internal("a job lost its secret"))?;
        let (engine, tenant) = (self.clone(), run.tenant);
        let key = aside(move || engine.export_key(tenant, &secret)).await?;
        let mut progress: Progress =
            serde_json::from_str(&run.job.progress).map_err(Error::internal)?;
        let mut tally = progress.tally()?;
        if progress.finished {
            return self.exported_all(tenant, tally).await;
        }
        let options: ExportOptions =
            serde_json::from_str(&run.job.options).map_err(Error::internal)?;
        let only = options.only()?;
        let total = match only {
            // Nobody knows before all were looked at.
            Some(_) => None,
            None => Some(self.count_directory(tenant).await?),
        };
        if !progress.after.is_empty() {
            tally.moments_from.push(progress.after.clone());
        }
        let shape = Shape {
            key: Some(std::sync::Arc::new(key)),
            separator: b",\n",
            only,
            summary: Summary::With,
        };
        let mut pages = self.rendered(
            tenant,
            Who::Directory,
            progress.after.clone(),
            shape,
            Bounds::default(),
        );
        let mut buffer = Vec::new();
        let mut users = 0;
        loop {
            let page = match pages.recv().await {
                Some(page) => Some(page.await.map_err(Error::internal)??),
                None => None,
            };
            let ended = page.is_none();
            if let Some(page) = page {
                users += page.tally.users;
                tally.add(page.tally);
                buffer.extend_from_slice(&page.text);
            }
            if buffer.len() < self.pace().part && !ended {
                continue;
            }
            let text = part_of_array(&std::mem::take(&mut buffer), progress.part, ended);
            progress = Progress::of(&tally, progress.part + 1, ended);
            let done = write_part(run, text, users, total, &progress, progress.part - 1).await?;
            users = 0;
            if let Some(done) = after(Ok(done)) {
                return Ok(done);
            }
            if ended {
                return self.exported_all(tenant, tally).await;
            }
        }
    }

    async fn count_directory(&self, tenant: TenantId) -> Result<u64> {
        let count = self
            .store()
            .read(tenant, |t| Ok::<_, Error>(t.count_directory_users()?));
        Ok(count.await? as u64)
    }

    async fn exported_all(&self, tenant: TenantId, mut tally: Tally) -> Result<Ended> {
        tally
            .lost
            .note_left_out(self.left_out(tenant, Who::Directory).await?);
        Ok(Ended::Exported(Box::new(tally)))
    }

    /// The file that a job made, decompressed as it goes. 404 when there is none, 409 while it is being made.
    pub async fn job_download(
        &self,
        manager: &Manager,
        id: JobId,
    ) -> Result<(
        Job,
        impl Stream<Item = Result<Bytes, Broken>> + Send + use<>,
    )> {
        let job = self.get_job(manager, id).await?;
        let makes_a_file = matches!(job.kind, JobKind::DirectoryExport | JobKind::BundleExport);
        match job.state {
            JobState::Succeeded if makes_a_file => {
                let file = self.job_file(manager.tenant(), id, JobFile::Out);
                Ok((job, file))
            }
            JobState::Queued | JobState::Running | JobState::Paused if makes_a_file => Err(
                Error::conflict("not_ready", "The file is not complete yet."),
            ),
            _ => Err(Error::not_found("This job has no file.")),
        }
    }
}

impl Progress {
    fn of(tally: &Tally, part: u64, finished: bool) -> Self {
        Self {
            after: tally.last.clone().unwrap_or_default(),
            part,
            digest: tally.digest.to_string(),
            moments_from: tally.moments_from.clone(),
            lost: tally.lost,
            finished,
        }
    }

    fn tally(&self) -> Result<Tally> {
        let digest = if self.digest.is_empty() {
            Ok(vestibule_crypto::content_digest::ContentDigest::EMPTY)
        } else {
            vestibule_crypto::content_digest::ContentDigest::parse(&self.digest)
        };
        Ok(Tally {
            digest: digest.map_err(Error::internal)?,
            last: Some(self.after.clone()).filter(|after| !after.is_empty()),
            moments_from: self.moments_from.clone(),
            lost: self.lost,
            ..Tally::default()
        })
    }
}

/// Stores a part together with its checkpoint.
async fn write_part(
    run: &mut Run,
    text: Vec<u8>,
    users: u64,
    total: Option<u64>,
    progress: &Progress,
    number: u64,
) -> Result<crate::job::Next> {
    let bytes = text.len() as u64;
    let packed = aside(move || zstd::encode_all(text.as_slice(), 3)).await?;
    let packed = packed.map_err(Error::internal)?;
    let progress = serde_json::to_string(progress).map_err(Error::internal)?;
    let id = run.job.id;
    run.step(move |t| {
        t.insert_job_part(id, JobFile::Out, number, packed.clone())?;
        let mut step = Step {
            bytes,
            total,
            progress: Some(progress.clone()),
            ..Step::default()
        };
        step.counts.added = users;
        Ok(step)
    })
    .await
}

/// A part of the array: records stand between commas, whatever part they are in.
fn part_of_array(records: &[u8], part: u64, last: bool) -> Vec<u8> {
    let records = records.strip_suffix(b",\n").unwrap_or(records);
    let mut text = Vec::with_capacity(records.len() + 8);
    if part == 0 {
        text.extend_from_slice(b"[\n");
    } else if !records.is_empty() {
        text.extend_from_slice(b",\n");
    }
    text.extend_from_slice(records);
    if last {
        text.extend_from_slice(b"\n]\n");
    }
    text
}

/// Why an upload that leaves nothing did not come to its end.
pub(super) fn gave_up(ended: Ended) -> Error {
    match ended {
        Ended::Paused(Some(why)) => Error::invalid(why),
        Ended::Refused(refusal) => Error::conflict(refusal.code, refusal.message),
        Ended::Failed(error) => refusal(&error),
        Ended::Error(error) => error,
        Ended::LetGo => Error::busy("The service is stopping. Send the file again in a moment."),
        Ended::Paused(None) | Ended::Cancelled | Ended::Done(_) | Ended::Exported(_) => {
            asked_to_stop()
        }
    }
}

fn asked_to_stop() -> Error {
    Error::conflict(
        "invalid_state",
        "Somebody stopped this job while its file came in.",
    )
}

pub(super) fn checked_mail(mail: Option<String>) -> Result<Option<String>> {
    mail.filter(|mail| !mail.is_empty())
        .map(|mail| {
            EmailAddress::parse(&mail)
                .map(|_| mail)
                .map_err(|invalid| Invalid::new("emailAddress", invalid.reason).into())
        })
        .transpose()
}

/// Until when the file of an export that ends now is kept.
pub(super) fn file_kept_until(job: &Job, now: Timestamp) -> Option<Timestamp> {
    let options: ExportOptions = serde_json::from_str(&job.options).ok()?;
    Some(now.plus_seconds(options.days * 24 * 3600))
}

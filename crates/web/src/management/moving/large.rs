//! App ID's large calls (contract/migration.md; docs/api/jobs.md).

use axum::{
    Json,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use futures_util::{Stream, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use vestibule_engine::{
    Error,
    access::Manager,
    moving::{self, Broken, Upload},
};
use vestibule_model::{
    id::JobId,
    job::{Job, JobKind, JobState},
};
use zeroize::Zeroizing;

use super::{
    MANAGER,
    form::{Form, Part},
};
use crate::{
    App,
    error::ManagementError,
    extract::{AsManager, AtJob, JsonBody, QueryOf},
    route::{Query, Route, required},
};

const ID: Query = required("id", "The id that the job was started with.");

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const EXPORT: &str = "/management/v4/{tenantId}/cloud_directory/export/all";
    const EXPORT_STATUS: &str = "/management/v4/{tenantId}/cloud_directory/export/status";
    const DOWNLOAD: &str = "/management/v4/{tenantId}/cloud_directory/export/download";
    const IMPORT: &str = "/management/v4/{tenantId}/cloud_directory/import/all";
    const IMPORT_STATUS: &str = "/management/v4/{tenantId}/cloud_directory/import/status";
    const JOB_FILE: &str = "/management/v4/{tenantId}/jobs/{jobId}/download";
    vec![
        Route::new("post", EXPORT, "export_all_cloud_directory_users", || {
            post(export_all)
        })
        .guard(MANAGER)
        .summary("Start a job that writes all directory users to a file.")
        .takes::<ExportAll>()
        .answers::<Started>(202),
        Route::new(
            "get",
            EXPORT_STATUS,
            "get_cloud_directory_export_status",
            || get(export_status),
        )
        .guard(MANAGER)
        .summary("How far such an export is.")
        .query(&[ID])
        .answers::<Status>(200),
        Route::new("get", DOWNLOAD, "download_cloud_directory_export", || {
            get(download)
        })
        .guard(MANAGER)
        .summary("The file of an export, a JSON array.")
        .query(&[ID])
        .answers_text(200, "application/json"),
        Route::new("delete", DOWNLOAD, "delete_cloud_directory_export", || {
            delete(remove)
        })
        .guard(MANAGER)
        .summary("Remove an export with its file, or cancel it.")
        .query(&[ID])
        .answers_nothing(204),
        Route::new("post", IMPORT, "import_all_cloud_directory_users", || {
            post(import_all).layer(DefaultBodyLimit::disable())
        })
        .guard(MANAGER)
        .summary("Upload a file of directory users and start a job that imports it.")
        .takes_as::<ImportAll>("multipart/form-data")
        .answers::<Started>(202),
        Route::new(
            "get",
            IMPORT_STATUS,
            "get_cloud_directory_import_status",
            || get(import_status),
        )
        .guard(MANAGER)
        .summary("How far such an import is.")
        .query(&[ID])
        .answers::<Status>(200),
        Route::new("get", JOB_FILE, "download_job_file", || get(job_file))
            .guard(MANAGER)
            .strict()
            .summary("The file that a job made.")
            .answers_text(200, "application/octet-stream"),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ExportAll {
    encryption_secret: String,
    /// Whom to tell when it is done.
    email_address: Option<String>,
    /// Days that the file is kept: 1 to 30, 7 unless told.
    expires: Option<i64>,
    /// Only those of whom this predicate is true (docs/api/predicates.md). Not of App ID.
    #[serde(rename = "where")]
    predicate: Option<String>,
}

/// For the description of the API; the form is read piece by piece.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "read piece by piece, described here")]
struct ImportAll {
    /// An export: an array of users, an export object, or NDJSON.
    file: String,
    encryption_secret: String,
    /// Whom to tell when it is done.
    email_address: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Started {
    id: String,
}

#[derive(Serialize, JsonSchema)]
struct Status {
    id: String,
    /// `IN_PROGRESS`, `PAUSED`, `COMPLETED`, `FAILED` or `CANCELLED`.
    status: String,
    total: Option<u64>,
    done: u64,
    added: u64,
    failed: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Which {
    id: Option<String>,
}

impl Which {
    fn job(self) -> Result<JobId, Error> {
        let id = self.id.ok_or_else(|| Error::invalid("id: is required."))?;
        JobId::parse(&id).map_err(|_| Error::not_found("There is no such job."))
    }
}

impl Status {
    /// Only jobs of this kind are found here.
    fn of(job: Job, kind: JobKind) -> Result<Self, Error> {
        if job.kind != kind {
            return Err(Error::not_found("There is no such job."));
        }
        let status = match job.state {
            JobState::Queued | JobState::Running => "IN_PROGRESS",
            JobState::Paused => "PAUSED",
            JobState::Succeeded => "COMPLETED",
            JobState::Failed => "FAILED",
            JobState::Cancelled => "CANCELLED",
        };
        Ok(Self {
            id: job.id.to_string(),
            status: status.to_owned(),
            total: job.total,
            done: job.counts.done(),
            added: job.counts.added,
            failed: job.counts.failed,
            error: job.error.map(|error| error.message),
        })
    }
}

async fn export_all(
    State(app): State<App>,
    AsManager(manager): AsManager,
    JsonBody(body, _): JsonBody<ExportAll>,
) -> Result<(StatusCode, Json<Started>), ManagementError> {
    let export = moving::ExportAll {
        secret: Zeroizing::new(body.encryption_secret),
        mail: body.email_address,
        days: body.expires,
        predicate: body.predicate,
    };
    let job = app.engine.export_all(&manager, export).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(Started {
            id: job.id.to_string(),
        }),
    ))
}

async fn export_status(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(which, _): QueryOf<Which>,
) -> Result<Json<Status>, ManagementError> {
    let job = app.engine.get_job(&manager, which.job()?).await?;
    Ok(Json(Status::of(job, JobKind::DirectoryExport)?))
}

async fn import_status(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(which, _): QueryOf<Which>,
) -> Result<Json<Status>, ManagementError> {
    let job = app.engine.get_job(&manager, which.job()?).await?;
    Ok(Json(Status::of(job, JobKind::DirectoryImport)?))
}

async fn download(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(which, _): QueryOf<Which>,
) -> Result<Response, ManagementError> {
    let id = which.job()?;
    of_export(&app, &manager, id).await?;
    let (job, file) = app.engine.job_download(&manager, id).await?;
    Ok(attachment(&job, file))
}

/// Insists on a job that one of App ID's calls made: the ids of all jobs look alike.
async fn of_export(app: &App, manager: &Manager, id: JobId) -> Result<(), ManagementError> {
    let job = app.engine.get_job(manager, id).await?;
    if job.kind != JobKind::DirectoryExport {
        return Err(Error::not_found("There is no such export.").into());
    }
    Ok(())
}

async fn job_file(
    State(app): State<App>,
    AsManager(manager): AsManager,
    AtJob(id): AtJob,
) -> Result<Response, ManagementError> {
    let (job, file) = app.engine.job_download(&manager, id).await?;
    Ok(attachment(&job, file))
}

async fn remove(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(which, _): QueryOf<Which>,
) -> Result<StatusCode, ManagementError> {
    let id = which.job()?;
    of_export(&app, &manager, id).await?;
    app.engine.delete_job(&manager, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn import_all(
    State(app): State<App>,
    AsManager(manager): AsManager,
    form: Form,
) -> Result<(StatusCode, Json<Started>), ManagementError> {
    let job = app.engine.import_all(&manager, pieces(form)).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(Started {
            id: job.id.to_string(),
        }),
    ))
}

fn attachment(
    job: &Job,
    file: impl Stream<Item = Result<bytes::Bytes, Broken>> + Send + 'static,
) -> Response {
    let (content_type, ending) = match job.kind {
        JobKind::BundleExport => ("application/octet-stream", "vbundle"),
        _ => ("application/json", "json"),
    };
    let name = format!("attachment; filename=\"export-{}.{ending}\"", job.id);
    let mut response = Body::from_stream(file).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

/// The form piece by piece, as it comes: nothing of the file is kept here.
fn pieces(form: Form) -> impl Stream<Item = Result<Upload, Broken>> + Send + Unpin {
    let (pieces, taken) = mpsc::channel(4);
    tokio::spawn(async move {
        if let Err(why) = read(form, &pieces).await {
            // Whoever has gone does not want it.
            drop(pieces.send(Err(why)).await);
        }
    });
    Box::pin(stream::unfold(taken, |mut taken| async {
        Some((taken.recv().await?, taken))
    }))
}

async fn read(mut form: Form, pieces: &mpsc::Sender<Result<Upload, Broken>>) -> Result<(), Broken> {
    let mut seen = Vec::new();
    while let Some(mut field) = form.next().await? {
        let name = field.name().to_owned();
        once(&name, &mut seen)?;
        if name == "file" {
            while let Some(bytes) = field.chunk().await? {
                // Once nobody takes the file any more the rest is not read.
                if pieces.send(Ok(Upload::File(bytes))).await.is_err() {
                    return Ok(());
                }
            }
            continue;
        }
        let text = text_of(&name, field).await?;
        let piece = field_of(&name, text);
        if let Some(piece) = piece
            && pieces.send(Ok(piece)).await.is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

/// Names of the fields that are read. Each comes once.
const FIELDS: [&[&str]; 3] = [
    &["file"],
    &["encryptionSecret", "encryption_secret"],
    &["emailAddress"],
];

/// Refuses a field that came before.
fn once(name: &str, seen: &mut Vec<usize>) -> Result<(), Broken> {
    let kind = FIELDS.iter().position(|names| names.contains(&name));
    if kind.is_some_and(|kind| seen.contains(&kind)) {
        return Err(Broken(format!("{name}: was sent twice.")));
    }
    seen.extend(kind);
    Ok(())
}

fn field_of(name: &str, text: Zeroizing<String>) -> Option<Upload> {
    match name {
        "encryptionSecret" | "encryption_secret" => Some(Upload::Secret(text)),
        "emailAddress" => Some(Upload::Mail(text.to_string())),
        _ => None,
    }
}

async fn text_of(name: &str, mut field: Part<'_>) -> Result<Zeroizing<String>, Broken> {
    let mut text = Zeroizing::new(Vec::new());
    while let Some(bytes) = field.chunk().await? {
        if text.len() + bytes.len() > LONGEST_FIELD {
            return Err(Broken(format!("{name}: is too long.")));
        }
        text.extend_from_slice(&bytes);
    }
    Ok(Zeroizing::new(String::from_utf8_lossy(&text).into_owned()))
}

/// Most bytes of a field that is no file.
const LONGEST_FIELD: usize = 4096;

//! `bundle/export` and `bundle/import` (docs/formats/bundle.md).

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use schemars::JsonSchema;
use serde::Deserialize;
use vestibule_engine::moving::{BundleExport, BundleIds, BundleImport, OnConflict};
use vestibule_model::{Invalid, id::JobId};
use zeroize::Zeroizing;

use super::{
    MANAGER, ON_CONFLICT, SECRET,
    secret::EncryptionSecret,
    stream::{self, NDJSON},
};
use crate::{
    App,
    error::ManagementError,
    extract::{AsManager, JsonBody, QueryOf},
    management::jobs::JobBody,
    route::{Query, Route, optional},
};

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const OUT: &str = "/management/v4/{tenantId}/bundle/export";
    const DIGEST: &str = "/management/v4/{tenantId}/bundle/digest";
    const IN: &str = "/management/v4/{tenantId}/bundle/import";
    const OPTIONS: &[Query] = &[
        SECRET,
        optional(
            "ids",
            "keep: everybody keeps their ids (unless told); remap: everybody gets new ones.",
        ),
        ON_CONFLICT,
        optional("dry_run", "true: make the same report and change nothing."),
        optional(
            "job",
            "A UUID that names the job, so that an upload that breaks off can be gone on with.",
        ),
        optional(
            "offset",
            "The number of the body's first byte: 0 unless told. What arrived before is passed over.",
        ),
    ];
    vec![
        Route::new("get", DIGEST, "digest_people", || get(digest))
            .guard(MANAGER)
            .strict()
            .summary("Counts and content digest of everybody, as of a bundle made now; NDJSON, the summary last.")
            .answers_text(200, NDJSON),
        Route::new("post", OUT, "export_bundle", || post(export))
            .guard(MANAGER)
            .strict()
            .summary("Start a job that writes everybody to a sealed bundle.")
            .takes::<ExportBundle>()
            .answers::<JobBody>(202),
        Route::new("post", IN, "import_bundle", || post(import))
            .guard(MANAGER)
            .strict()
            .summary("Upload a bundle and start the job that checks and imports it.")
            .query(OPTIONS)
            .takes_as::<String>("application/octet-stream")
            .answers::<JobBody>(202),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ExportBundle {
    encryption_secret: String,
    /// Days that the file is kept: 1 to 30, 7 unless told.
    expires: Option<i64>,
    /// Only those of whom this predicate is true (docs/api/predicates.md).
    #[serde(rename = "where")]
    predicate: Option<String>,
    /// A UUID that names the job. One of this name that was asked for in the same way is answered as it stands.
    job: Option<String>,
}

#[derive(Deserialize)]
struct Options {
    ids: Option<String>,
    on_conflict: Option<String>,
    dry_run: Option<bool>,
    job: Option<String>,
    offset: Option<u64>,
}

impl Options {
    fn ids(&self) -> Result<BundleIds, Invalid> {
        match self.ids.as_deref() {
            None | Some("" | "keep") => Ok(BundleIds::Keep),
            Some("remap") => Ok(BundleIds::Remap),
            Some(_) => Err(Invalid::new("ids", "must be keep or remap")),
        }
    }

    fn of(self, secret: Zeroizing<String>) -> Result<BundleImport, Invalid> {
        Ok(BundleImport {
            secret,
            ids: self.ids()?,
            policy: self
                .on_conflict
                .as_deref()
                .map_or(Ok(OnConflict::Fail), OnConflict::parse)?,
            dry_run: self.dry_run.unwrap_or(false),
            job: self.job.map(|job| JobId::parse(&job)).transpose()?,
            offset: self.offset.unwrap_or(0),
        })
    }
}

async fn export(
    State(app): State<App>,
    AsManager(manager): AsManager,
    JsonBody(body, _): JsonBody<ExportBundle>,
) -> Result<(StatusCode, Json<JobBody>), ManagementError> {
    let export = BundleExport {
        secret: Zeroizing::new(body.encryption_secret),
        days: body.expires,
        predicate: body.predicate,
        job: body.job.map(|job| JobId::parse(&job)).transpose()?,
    };
    let job = app.engine.export_bundle(&manager, export).await?;
    let body = JobBody::new(&app, manager.tenant(), job);
    Ok((StatusCode::ACCEPTED, Json(body)))
}

async fn digest(
    State(app): State<App>,
    AsManager(manager): AsManager,
) -> Result<Response, ManagementError> {
    let lines = app.engine.digest_people(&manager).await?;
    let headers = [(header::CONTENT_TYPE, NDJSON)];
    Ok((headers, Body::from_stream(lines)).into_response())
}

async fn import(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(options, _): QueryOf<Options>,
    EncryptionSecret(secret): EncryptionSecret,
    request: Request,
) -> Result<(StatusCode, Json<JobBody>), ManagementError> {
    let import = options.of(secret)?;
    let body = stream::records(request);
    let job = app.engine.import_bundle(&manager, import, body).await?;
    let body = JobBody::new(&app, manager.tenant(), job);
    Ok((StatusCode::ACCEPTED, Json(body)))
}

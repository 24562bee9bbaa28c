//! `bundle/export` and `bundle/import` (docs/formats/bundle.md).

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    routing::post,
};
use schemars::JsonSchema;
use serde::Deserialize;
use vestibule_engine::moving::{BundleIds, BundleImport, OnConflict};
use vestibule_model::Invalid;
use zeroize::Zeroizing;

use super::{MANAGER, ON_CONFLICT, SECRET, secret::EncryptionSecret, stream};
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
    const IN: &str = "/management/v4/{tenantId}/bundle/import";
    const OPTIONS: &[Query] = &[
        SECRET,
        optional(
            "ids",
            "keep: everybody keeps their ids (unless told); remap: everybody gets new ones.",
        ),
        ON_CONFLICT,
        optional("dry_run", "true: make the same report and change nothing."),
    ];
    vec![
        Route::new("post", OUT, "export_bundle", || post(export))
            .guard(MANAGER)
            .summary("Start a job that writes everybody to a sealed bundle.")
            .takes::<ExportBundle>()
            .answers::<JobBody>(202),
        Route::new("post", IN, "import_bundle", || post(import))
            .guard(MANAGER)
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
}

#[derive(Deserialize)]
struct Options {
    ids: Option<String>,
    on_conflict: Option<String>,
    dry_run: Option<bool>,
}

impl Options {
    fn ids(&self) -> Result<BundleIds, Invalid> {
        match self.ids.as_deref() {
            None | Some("" | "keep") => Ok(BundleIds::Keep),
            Some("remap") => Ok(BundleIds::Remap),
            Some(_) => Err(Invalid::new("ids", "must be keep or remap")),
        }
    }

    fn policy(&self) -> Result<OnConflict, Invalid> {
        self.on_conflict
            .as_deref()
            .map_or(Ok(OnConflict::Fail), OnConflict::parse)
    }
}

async fn export(
    State(app): State<App>,
    AsManager(manager): AsManager,
    JsonBody(body, _): JsonBody<ExportBundle>,
) -> Result<(StatusCode, Json<JobBody>), ManagementError> {
    let secret = Zeroizing::new(body.encryption_secret);
    let job = app
        .engine
        .export_bundle(&manager, secret, body.expires, body.predicate)
        .await?;
    let body = JobBody::new(&app, manager.tenant(), job);
    Ok((StatusCode::ACCEPTED, Json(body)))
}

async fn import(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(options, _): QueryOf<Options>,
    EncryptionSecret(secret): EncryptionSecret,
    request: Request,
) -> Result<(StatusCode, Json<JobBody>), ManagementError> {
    let import = BundleImport {
        secret,
        ids: options.ids()?,
        policy: options.policy()?,
        dry_run: options.dry_run.unwrap_or(false),
    };
    let body = stream::records(request);
    let job = app.engine.import_bundle(&manager, import, body).await?;
    let body = JobBody::new(&app, manager.tenant(), job);
    Ok((StatusCode::ACCEPTED, Json(body)))
}

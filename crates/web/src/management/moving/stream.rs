//! Exports and imports by stream (docs/api/jobs.md).

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{Uri, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use futures_util::StreamExt;
use serde::Deserialize;
use tower_http::compression::CompressionLayer;
use vestibule_engine::{
    Error,
    moving::{
        Body as Records, Broken, OnConflict, Only, StreamExport, StreamImport, Streamed, Summary,
        WithoutPassword,
    },
};
use vestibule_model::{
    Invalid,
    id::{JobId, ProfileId},
};

use super::{MANAGER, ON_CONFLICT, SECRET, secret::EncryptionSecret};
use crate::{
    App,
    drain::Attendance,
    error::ManagementError,
    extract::{AsManager, QueryOf},
    management::jobs::JobBody,
    route::{Query, Route, optional},
};

const AFTER: Query = optional("after", "Go on behind the user of this id.");
const LIMIT: Query = optional("limit", "At most so many users.");
const WHERE: Query = optional(
    "where",
    "A predicate (docs/api/predicates.md); may be given up to 16 times, and then divides the users into parts.",
);
const PART: Query = optional(
    "part",
    "Which part: that of the first predicate is 0 (unless told), the rest is behind the last.",
);
const SUMMARY: Query = optional(
    "summary",
    "true: the last line tells count, digest and what could not be carried.",
);
const JOB: Query = optional(
    "job",
    "A UUID that names the job, so that a broken import can be gone on with.",
);
const FROM: Query = optional(
    "from",
    "The number of the body's first record: 0 unless told.",
);
const DRY_RUN: Query = optional(
    "dry_run",
    "true: answer the same report and change nothing.",
);

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const USERS_OUT: &str = "/management/v4/{tenantId}/users/export/stream";
    const USERS_IN: &str = "/management/v4/{tenantId}/users/import/stream";
    const DIRECTORY_OUT: &str = "/management/v4/{tenantId}/cloud_directory/export/stream";
    const DIRECTORY_IN: &str = "/management/v4/{tenantId}/cloud_directory/import/stream";
    const WITHOUT: Query = optional(
        "without_password",
        "true: users whose password hash cannot be used are imported without one, and named.",
    );
    vec![
        Route::new("get", USERS_OUT, "export_user_profiles_stream", || {
            compressed(get(export_users))
        })
        .guard(MANAGER)
        .strict()
        .summary("Export federated users of any number as NDJSON.")
        .query(&[AFTER, LIMIT, WHERE, PART, SUMMARY])
        .answers_text(200, NDJSON),
        Route::new("post", USERS_IN, "import_user_profiles_stream", || {
            post(import_users)
        })
        .guard(MANAGER)
        .strict()
        .summary("Import federated users of any number: NDJSON, an array or an export.")
        .query(&[JOB, FROM, ON_CONFLICT, DRY_RUN])
        .takes_as::<String>(NDJSON)
        .answers::<JobBody>(200),
        Route::new(
            "get",
            DIRECTORY_OUT,
            "export_cloud_directory_stream",
            || compressed(get(export_directory)),
        )
        .guard(MANAGER)
        .strict()
        .summary("Export directory users of any number as NDJSON, password hashes sealed.")
        .query(&[SECRET, AFTER, LIMIT, WHERE, PART, SUMMARY])
        .answers_text(200, NDJSON),
        Route::new(
            "post",
            DIRECTORY_IN,
            "import_cloud_directory_stream",
            || post(import_directory),
        )
        .guard(MANAGER)
        .strict()
        .summary("Import directory users of any number: NDJSON, an array or an export.")
        .query(&[SECRET, JOB, FROM, ON_CONFLICT, WITHOUT, DRY_RUN])
        .takes_as::<String>(NDJSON)
        .answers::<JobBody>(200),
    ]
}

pub(super) const NDJSON: &str = "application/x-ndjson";

fn compressed(method: MethodRouter<App>) -> MethodRouter<App> {
    method.layer(CompressionLayer::new())
}

#[derive(Deserialize)]
struct Out {
    after: Option<String>,
    limit: Option<u64>,
    part: Option<usize>,
    summary: Option<bool>,
}

impl Out {
    fn of(self, what: Streamed, uri: &Uri) -> Result<StreamExport, Error> {
        // Ids are compared as they are written, so one in capitals has to be written as ours are.
        let after = match self.after.as_deref().filter(|after| !after.is_empty()) {
            Some(after) => ProfileId::parse(after)
                .map_err(|_| Invalid::new("after", "is not the id of a user"))?
                .to_string(),
            None => String::new(),
        };
        let query = uri.query().unwrap_or_default();
        let predicates: Vec<String> = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "where")
            .map(|(_, value)| value.into_owned())
            .collect();
        let only = (!predicates.is_empty() || self.part.is_some())
            .then(|| Only::new(&predicates, self.part.unwrap_or(0)))
            .transpose()?;
        Ok(StreamExport {
            what,
            after,
            limit: self.limit,
            only,
            summary: match self.summary {
                Some(true) => Summary::With,
                _ => Summary::Without,
            },
        })
    }
}

#[derive(Deserialize)]
struct In {
    job: Option<String>,
    from: Option<u64>,
    on_conflict: Option<String>,
    without_password: Option<bool>,
    dry_run: Option<bool>,
}

impl In {
    fn of(self, what: Streamed) -> Result<StreamImport, Invalid> {
        Ok(StreamImport {
            what,
            job: self.job.map(|job| JobId::parse(&job)).transpose()?,
            from: self.from.unwrap_or(0),
            policy: self
                .on_conflict
                .as_deref()
                .map_or(Ok(OnConflict::Fail), OnConflict::parse)?,
            without_password: match self.without_password {
                Some(true) => WithoutPassword::Import,
                _ => WithoutPassword::Refuse,
            },
            dry_run: self.dry_run.unwrap_or(false),
        })
    }
}

/// The body as it comes. The job attends its sender.
pub(super) fn records(request: Request) -> Records {
    Attendance::take(&request);
    let parts = request.into_body().into_data_stream();
    parts
        .map(|part| {
            part.map_err(|error| Broken(format!("The body of the request broke off ({error}).")))
        })
        .boxed()
}

async fn export_users(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(out, _): QueryOf<Out>,
    uri: Uri,
) -> Result<Response, ManagementError> {
    let export = out.of(Streamed::Users, &uri)?;
    let users = app.engine.export_stream(&manager, export).await?;
    let headers = [(header::CONTENT_TYPE, NDJSON)];
    Ok((headers, Body::from_stream(users)).into_response())
}

async fn export_directory(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(out, _): QueryOf<Out>,
    EncryptionSecret(secret): EncryptionSecret,
    uri: Uri,
) -> Result<Response, ManagementError> {
    let export = out.of(Streamed::Directory(secret), &uri)?;
    let users = app.engine.export_stream(&manager, export).await?;
    let headers = [(header::CONTENT_TYPE, NDJSON)];
    Ok((headers, Body::from_stream(users)).into_response())
}

async fn import_users(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(options, _): QueryOf<In>,
    request: Request,
) -> Result<Json<JobBody>, ManagementError> {
    let import = options.of(Streamed::Users)?;
    let job = app
        .engine
        .import_stream(&manager, import, records(request))
        .await?;
    Ok(Json(JobBody::new(&app, manager.tenant(), job)))
}

async fn import_directory(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(options, _): QueryOf<In>,
    EncryptionSecret(secret): EncryptionSecret,
    request: Request,
) -> Result<Json<JobBody>, ManagementError> {
    let import = options.of(Streamed::Directory(secret))?;
    let job = app
        .engine
        .import_stream(&manager, import, records(request))
        .await?;
    Ok(Json(JobBody::new(&app, manager.tenant(), job)))
}

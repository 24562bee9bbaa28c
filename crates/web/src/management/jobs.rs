//! `jobs`: the ledger of long work (docs/api/jobs.md).

mod body;
mod events;
mod lines;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vestibule_engine::job::{JobFilter, Lines};
use vestibule_model::{
    Invalid,
    id::JobId,
    job::{JobKind, JobState},
    privilege::ServiceRole,
};

pub(super) use self::body::JobBody;
use crate::{
    App,
    error::ManagementError,
    extract::{AsManager, AtJob, QueryOf},
    route::{Guard, Query, Route, optional},
};

const MANAGER: Guard = Guard::Role(ServiceRole::Manager);

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const ALL: &str = "/management/v4/{tenantId}/jobs";
    const ONE: &str = "/management/v4/{tenantId}/jobs/{jobId}";
    const FILTERS: &[Query] = &[
        optional(
            "state",
            "queued, running, paused, succeeded, failed or cancelled.",
        ),
        optional("kind", "What the job does, e.g. directory_import."),
        optional(
            "after",
            "The job behind which the page begins: `next` of the page before.",
        ),
        optional("count", "Jobs per page: 50 unless told, at most 200."),
    ];
    vec![
        Route::new("get", ALL, "list_jobs", || get(list))
            .guard(MANAGER)
            .strict()
            .summary("Long work on this instance, newest first.")
            .query(FILTERS)
            .answers::<JobList>(200),
        Route::new("get", ONE, "get_job", || get(show))
            .guard(MANAGER)
            .strict()
            .summary("One job with its counts.")
            .answers::<JobBody>(200),
        Route::new("delete", ONE, "delete_job", || delete(remove))
            .guard(MANAGER)
            .strict()
            .summary("Cancel a live job, or remove an ended one from the ledger.")
            .answers_nothing(204),
        Route::new(
            "post",
            "/management/v4/{tenantId}/jobs/{jobId}/pause",
            "pause_job",
            || post(pause),
        )
        .guard(MANAGER)
        .strict()
        .summary("Let a job rest at its next checkpoint.")
        .answers::<JobBody>(200),
        Route::new(
            "post",
            "/management/v4/{tenantId}/jobs/{jobId}/resume",
            "resume_job",
            || post(resume),
        )
        .guard(MANAGER)
        .strict()
        .summary("Let a paused job go on.")
        .answers::<JobBody>(200),
        Route::new(
            "get",
            "/management/v4/{tenantId}/jobs/{jobId}/events",
            "watch_job",
            || get(watch),
        )
        .guard(MANAGER)
        .strict()
        .summary("The job at each change, as server-sent events, until it ends or rests.")
        .answers_text(200, "text/event-stream"),
        Route::new(
            "get",
            "/management/v4/{tenantId}/jobs/{jobId}/report",
            "get_job_report",
            || get(report),
        )
        .guard(MANAGER)
        .strict()
        .summary("NDJSON: a line for each record that was not simply added.")
        .answers_text(200, "application/x-ndjson"),
        Route::new(
            "get",
            "/management/v4/{tenantId}/jobs/{jobId}/map",
            "get_job_map",
            || get(map),
        )
        .guard(MANAGER)
        .strict()
        .summary("NDJSON: old and new ids of an import that gave new ones.")
        .answers_text(200, "application/x-ndjson"),
    ]
}

#[derive(Deserialize)]
struct Filters {
    state: Option<String>,
    kind: Option<String>,
    after: Option<String>,
    count: Option<usize>,
}

impl Filters {
    fn read(&self) -> Result<JobFilter, Invalid> {
        let read = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let after = read(&self.after).map(|id| JobId::parse(&id));
        Ok(JobFilter {
            state: read(&self.state)
                .map(|state| JobState::parse(&state))
                .transpose()?,
            kind: read(&self.kind)
                .map(|kind| JobKind::parse(&kind))
                .transpose()?,
            after: after
                .transpose()
                .map_err(|_| Invalid::new("after", "is not the id of a job"))?,
            count: self.count.unwrap_or(50).clamp(1, 200),
        })
    }
}

#[derive(Serialize, JsonSchema)]
struct JobList {
    jobs: Vec<JobBody>,
    /// To be given as `after` for the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

async fn list(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(filters, _): QueryOf<Filters>,
) -> Result<Json<JobList>, ManagementError> {
    let filter = filters.read()?;
    let most = filter.count;
    let mut jobs = app.engine.list_jobs(&manager, filter).await?;
    let more = jobs.len() > most;
    jobs.truncate(most);
    let next = jobs.last().filter(|_| more).map(|job| job.id.to_string());
    let bodies = jobs
        .into_iter()
        .map(|job| JobBody::new(&app, manager.tenant(), job));
    Ok(Json(JobList {
        jobs: bodies.collect(),
        next,
    }))
}

async fn show(
    State(app): State<App>,
    AsManager(manager): AsManager,
    AtJob(id): AtJob,
) -> Result<Json<JobBody>, ManagementError> {
    let job = app.engine.get_job(&manager, id).await?;
    Ok(Json(JobBody::new(&app, manager.tenant(), job)))
}

async fn remove(
    State(app): State<App>,
    AsManager(manager): AsManager,
    AtJob(id): AtJob,
) -> Result<StatusCode, ManagementError> {
    app.engine.delete_job(&manager, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn pause(
    State(app): State<App>,
    AsManager(manager): AsManager,
    AtJob(id): AtJob,
) -> Result<Json<JobBody>, ManagementError> {
    let job = app.engine.pause_job(&manager, id).await?;
    Ok(Json(JobBody::new(&app, manager.tenant(), job)))
}

async fn resume(
    State(app): State<App>,
    AsManager(manager): AsManager,
    AtJob(id): AtJob,
) -> Result<Json<JobBody>, ManagementError> {
    let job = app.engine.resume_job(&manager, id).await?;
    Ok(Json(JobBody::new(&app, manager.tenant(), job)))
}

async fn watch(
    State(app): State<App>,
    AsManager(manager): AsManager,
    AtJob(id): AtJob,
) -> Result<Response, ManagementError> {
    let job = app.engine.get_job(&manager, id).await?;
    Ok(events::of(app, manager, job).into_response())
}

async fn report(
    State(app): State<App>,
    AsManager(manager): AsManager,
    AtJob(id): AtJob,
) -> Result<Response, ManagementError> {
    lines::of(app, manager, id, Lines::Report).await
}

async fn map(
    State(app): State<App>,
    AsManager(manager): AsManager,
    AtJob(id): AtJob,
) -> Result<Response, ManagementError> {
    lines::of(app, manager, id, Lines::Map).await
}

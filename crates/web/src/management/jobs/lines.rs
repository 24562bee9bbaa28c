//! What a job tells of single records, as NDJSON in constant memory.

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use vestibule_engine::{Error, access::Manager, job::Lines};
use vestibule_model::id::JobId;

use crate::{App, error::ManagementError};

pub(super) async fn of(
    app: App,
    manager: Manager,
    id: JobId,
    lines: Lines,
) -> Result<Response, ManagementError> {
    // The first look decides the status.
    let first = app.engine.job_lines(&manager, id, lines, -1).await?;
    let state = (app, manager, first);
    let body = stream::try_unfold(state, move |(app, manager, found)| async move {
        let Some((position, text)) = found else {
            return Ok::<_, Error>(None);
        };
        let next = app.engine.job_lines(&manager, id, lines, position).await?;
        Ok(Some((Bytes::from(text), (app, manager, next))))
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((headers, Body::from_stream(body)).into_response())
}

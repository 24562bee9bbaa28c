//! What operators' machines ask: health, metrics, the API's own description.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde_json::{Value, json};

use crate::{App, docs, openapi, route::Route};

/// Health and description.
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("get", "/health/live", "health_live", || get(live))
            .summary("Whether the process answers.")
            .answers::<Value>(200),
        Route::new("get", "/health/ready", "health_ready", || get(ready))
            .summary("Whether the database answers too.")
            .answers::<Value>(200),
        Route::new("get", "/metrics", "metrics", || get(metrics))
            .summary("Numbers for Prometheus.")
            .answers_text(200, "text/plain; version=0.0.4"),
        Route::new("get", "/docs", "docs", || get(docs::page))
            .summary("The API for people to read.")
            .answers_text(200, "text/html"),
        Route::new("get", "/docs/{page}", "docs_page", || get(docs::page_text))
            .summary("A page of the documentation, such as conformance.md.")
            .answers_text(200, "text/html"),
        Route::new("get", "/docs/{section}/{page}", "docs_text", || {
            get(docs::text)
        })
        .summary("A page of the documentation, such as api/predicates.md.")
        .answers_text(200, "text/html"),
        Route::new("get", "/openapi.json", "openapi", || get(description))
            .summary("This description.")
            .answers::<Value>(200),
    ]
}

async fn live() -> impl IntoResponse {
    axum::Json(json!({"status": "ok"}))
}

async fn ready(State(app): State<App>) -> impl IntoResponse {
    match app.engine.check_database().await {
        Ok(()) => (StatusCode::OK, axum::Json(json!({"status": "ok"}))),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            axum::Json(json!({"status": "database unavailable"})),
        ),
    }
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        app.metrics.render(),
    )
}

async fn description() -> impl IntoResponse {
    axum::Json(openapi::document())
}

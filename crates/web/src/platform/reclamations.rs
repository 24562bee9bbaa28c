//! `/v1/reclamations`: deleted instances that wait.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    response::IntoResponse,
    routing::{get, post},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vestibule_engine::{Error, platform::instances::parse_instance_id};
use vestibule_model::instance::{Instance, Reclamation};

use crate::{
    App,
    error::IamError,
    extract::Calling,
    route::{Guard, Query as Parameter, Route, optional},
};

const ONLY: &[Parameter] = &[optional(
    "resource_instance_id",
    "Only of this instance (GUID or CRN).",
)];

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("get", "/v1/reclamations", "list_reclamations", || get(list))
            .guard(Guard::Platform)
            .summary("Deleted instances that can still be restored.")
            .query(ONLY)
            .answers::<ReclamationList>(200),
        Route::new(
            "post",
            "/v1/reclamations/{id}/actions/{action}",
            "run_reclamation_action",
            || post(act),
        )
        .guard(Guard::Platform)
        .summary("restore: bring the instance back whole; reclaim: destroy it now.")
        .answers::<ReclamationBody>(200),
    ]
}

#[derive(Serialize, JsonSchema)]
struct ReclamationList {
    resources: Vec<ReclamationBody>,
}

#[derive(Serialize, JsonSchema)]
struct ReclamationBody {
    id: String,
    entity_id: String,
    entity_type_id: &'static str,
    entity_crn: String,
    resource_instance_id: String,
    resource_group_id: String,
    account_id: String,
    policy_id: &'static str,
    state: &'static str,
    target_time: String,
    created_at: String,
    created_by: String,
    updated_at: String,
    updated_by: String,
}

impl ReclamationBody {
    fn of(row: &Reclamation, instance: &Instance, state: &'static str) -> Self {
        Self {
            id: row.id.clone(),
            entity_id: instance.guid.to_string(),
            entity_type_id: "service_instance",
            entity_crn: instance.crn(),
            resource_instance_id: instance.crn(),
            resource_group_id: instance.resource_group_id.clone(),
            account_id: row.account_id.clone(),
            policy_id: "retention",
            state,
            target_time: row.target_time.rfc3339(),
            created_at: row.created_at.rfc3339(),
            created_by: row.created_by.clone(),
            updated_at: instance.updated_at.rfc3339(),
            updated_by: instance.updated_by.clone(),
        }
    }
}

#[derive(Deserialize)]
struct ListQuery {
    resource_instance_id: Option<String>,
}

async fn list(
    State(app): State<App>,
    Calling(by): Calling,
    Query(query): Query<ListQuery>,
) -> Result<impl IntoResponse, IamError> {
    let only = query
        .resource_instance_id
        .as_deref()
        .map(parse_instance_id)
        .transpose()?;
    let rows = app.engine.list_reclamations(&by).await?;
    Ok(Json(ReclamationList {
        resources: rows
            .iter()
            .filter(|(_, instance)| only.is_none_or(|only| only == instance.guid))
            .map(|(row, instance)| ReclamationBody::of(row, instance, "SCHEDULED"))
            .collect(),
    }))
}

/// The body (`request_by`, `comment`) says nothing this service keeps. It is read all the same: an answer before the end of
/// the request would close a connection that the SDKs use again.
async fn act(
    State(app): State<App>,
    Calling(by): Calling,
    Path((id, action)): Path<(String, String)>,
    _: Bytes,
) -> Result<impl IntoResponse, IamError> {
    let (done, state) = match action.as_str() {
        "restore" => (app.engine.restore_instance(&by, &id).await?, "RESTORED"),
        "reclaim" => (app.engine.reclaim_instance(&by, &id).await?, "RECLAIMED"),
        _ => return Err(Error::invalid("The action must be restore or reclaim.").into()),
    };
    Ok(Json(ReclamationBody::of(&done.0, &done.1, state)))
}

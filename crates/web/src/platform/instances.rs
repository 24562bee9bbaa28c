//! `/v2/resource_instances`.

use axum::{
    Json,
    extract::{OriginalUri, Path, Query, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{delete, get, patch, post},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vestibule_engine::platform::{
    PageStart,
    instances::{InstanceChange, InstanceFilter, Keys, Lock, NewInstance, parse_instance_id},
};
use vestibule_model::instance::{Instance, InstanceState};

use super::paging::{WINDOW, Window, next_link};
use crate::{
    App,
    error::IamError,
    extract::{Calling, FromTheStart, JsonBody},
    route::{Guard, Query as Parameter, Route, optional},
};

const RECURSIVE: &[Parameter] = &[optional("recursive", "true also deletes its credentials.")];
const FILTERS: &[Parameter] = &[
    optional("guid", "Exact GUID."),
    optional("name", "Exact name."),
    optional("resource_group_id", "Exact resource group."),
    optional("resource_id", "Service; only appid has instances here."),
    optional("resource_plan_id", "Exact plan."),
    optional("type", "service_instance."),
    optional("state", "active, pending_reclamation or removed (active)."),
    WINDOW[0],
    WINDOW[1],
];

pub(super) fn routes() -> Vec<Route> {
    const LIST: &str = "/v2/resource_instances";
    const ONE: &str = "/v2/resource_instances/{id}";
    let on_platform = |route: Route| route.guard(Guard::Platform);
    vec![
        on_platform(Route::new("get", LIST, "list_resource_instances", || {
            get(list)
        }))
        .summary("Instances you may see.")
        .query(FILTERS)
        .answers::<InstanceList>(200),
        on_platform(Route::new("post", LIST, "create_resource_instance", || {
            post(create)
        }))
        .summary("Make an instance.")
        .takes::<CreateInstance>()
        .answers::<InstanceBody>(201),
        on_platform(Route::new("get", ONE, "get_resource_instance", || {
            get(show)
        }))
        .summary("One instance, by GUID or URL-encoded CRN.")
        .answers::<InstanceBody>(200),
        on_platform(Route::new("patch", ONE, "update_resource_instance", || {
            patch(change)
        }))
        .summary("Rename an instance, or change its plan or parameters.")
        .takes::<ChangeInstance>()
        .answers::<InstanceBody>(200),
        on_platform(Route::new(
            "delete",
            ONE,
            "delete_resource_instance",
            || delete(remove),
        ))
        .summary("Delete an instance; it can be restored until its retention period ends.")
        .query(RECURSIVE)
        .answers_nothing(204),
        on_platform(Route::new(
            "post",
            "/v2/resource_instances/{id}/lock",
            "lock_resource_instance",
            || post(lock),
        ))
        .summary("Guard an instance against change and deletion.")
        .answers::<InstanceBody>(200),
        on_platform(Route::new(
            "delete",
            "/v2/resource_instances/{id}/lock",
            "unlock_resource_instance",
            || delete(unlock),
        ))
        .summary("Lift the guard.")
        .answers::<InstanceBody>(200),
        on_platform(Route::new(
            "get",
            "/v2/resource_instances/{id}/last_operation",
            "get_resource_instance_last_operation",
            || get(last_operation),
        ))
        .summary("What was done to an instance last.")
        .answers::<Value>(200),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct CreateInstance {
    /// 1 to 180 characters.
    name: String,
    /// Region.
    target: Option<String>,
    resource_group: Option<String>,
    resource_plan_id: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    parameters: Option<Value>,
}

#[derive(Deserialize, JsonSchema)]
struct ChangeInstance {
    name: Option<String>,
    resource_plan_id: Option<String>,
    parameters: Option<Value>,
}

#[derive(Serialize, JsonSchema)]
struct InstanceList {
    rows_count: usize,
    next_url: Option<String>,
    resources: Vec<InstanceBody>,
}

/// An instance as the Resource Controller shows it.
#[derive(Serialize, JsonSchema)]
pub(super) struct InstanceBody {
    id: String,
    guid: String,
    crn: String,
    url: String,
    name: String,
    account_id: String,
    resource_group_id: String,
    resource_group_crn: String,
    resource_id: &'static str,
    resource_plan_id: String,
    region_id: String,
    target_crn: String,
    state: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    sub_type: &'static str,
    allow_cleanup: bool,
    locked: bool,
    created_at: String,
    updated_at: String,
    deleted_at: Option<String>,
    scheduled_reclaim_at: Option<String>,
    created_by: String,
    updated_by: String,
    deleted_by: Option<String>,
    dashboard_url: String,
    last_operation: Value,
    extensions: Value,
    parameters: Value,
    tags: Value,
    resource_keys_url: String,
    resource_bindings_url: String,
    resource_aliases_url: String,
}

impl InstanceBody {
    pub(super) fn of(app: &App, instance: &Instance) -> Self {
        let crn = instance.crn();
        let encoded =
            percent_encoding::utf8_percent_encode(&crn, percent_encoding::NON_ALPHANUMERIC);
        let url = format!("/v2/resource_instances/{encoded}");
        let public = &app.engine.settings().public_url;
        Self {
            guid: instance.guid.to_string(),
            name: instance.name.clone(),
            account_id: instance.account_id.clone(),
            resource_group_id: instance.resource_group_id.clone(),
            resource_group_crn: format!(
                "crn:v1:vestibule:public:resource-controller::a/{}::resource-group:{}",
                instance.account_id, instance.resource_group_id
            ),
            resource_id: "appid",
            resource_plan_id: instance.resource_plan_id.clone(),
            region_id: instance.region.clone(),
            target_crn: format!(
                "crn:v1:vestibule:public:globalcatalog::::deployment:appid:{}",
                instance.region
            ),
            state: instance.state.name(),
            kind: "service_instance",
            sub_type: "",
            allow_cleanup: false,
            locked: instance.locked,
            created_at: instance.created_at.rfc3339(),
            updated_at: instance.updated_at.rfc3339(),
            deleted_at: instance.deleted_at.map(|at| at.rfc3339()),
            scheduled_reclaim_at: instance
                .deleted_at
                .filter(|_| instance.state == InstanceState::PendingReclamation)
                .map(|at| {
                    at.plus_seconds(i64::from(app.engine.settings().retention_days) * 86_400)
                        .rfc3339()
                }),
            created_by: instance.created_by.clone(),
            updated_by: instance.updated_by.clone(),
            deleted_by: instance.deleted_by.clone(),
            dashboard_url: format!("{public}/console/instances/{}", instance.guid),
            last_operation: operation(instance),
            extensions: json!({}),
            parameters: serde_json::from_str(&instance.parameters).unwrap_or_default(),
            tags: serde_json::from_str(&instance.tags).unwrap_or_default(),
            resource_keys_url: format!("{url}/resource_keys"),
            resource_bindings_url: format!("{url}/resource_bindings"),
            resource_aliases_url: format!("{url}/resource_aliases"),
            id: crn.clone(),
            crn,
            url,
        }
    }
}

fn operation(instance: &Instance) -> Value {
    json!({
        "type": instance.last_operation,
        "state": "succeeded",
        "async": false,
        "cancelable": false,
        "poll": false,
        "description": format!("Completed {} instance operation", instance.last_operation),
    })
}

#[derive(Deserialize)]
struct ListQuery {
    guid: Option<String>,
    name: Option<String>,
    resource_group_id: Option<String>,
    resource_id: Option<String>,
    resource_plan_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    state: Option<String>,
    limit: Option<u32>,
    start: Option<String>,
}

impl ListQuery {
    /// Only App ID's instances live here: asking for another service's or type's shows none.
    fn filter(self) -> InstanceFilter {
        let elsewhere = self.resource_id.as_deref().is_some_and(|id| id != "appid")
            || self
                .kind
                .as_deref()
                .is_some_and(|kind| kind != "service_instance");
        InstanceFilter {
            guid: if elsewhere {
                Some(String::from("none"))
            } else {
                self.guid
            },
            name: self.name,
            resource_group_id: self.resource_group_id,
            resource_plan_id: self.resource_plan_id,
            state: self.state,
        }
    }
}

async fn list(
    State(app): State<App>,
    Calling(by): Calling,
    Query(query): Query<ListQuery>,
    OriginalUri(uri): OriginalUri,
) -> Result<impl IntoResponse, IamError> {
    let window = Window::of(query.limit, query.start.clone());
    let start = PageStart::parse(window.start())?;
    let page = app
        .engine
        .list_instances(&by, &query.filter(), start, window.count())
        .await?;
    Ok(Json(InstanceList {
        rows_count: page.rows.len(),
        next_url: page
            .next
            .map(|start| next_link(uri.path(), uri.query(), "start", &start)),
        resources: page
            .rows
            .iter()
            .map(|row| InstanceBody::of(&app, row))
            .collect(),
    }))
}

async fn create(
    State(app): State<App>,
    Calling(by): Calling,
    from_start: FromTheStart,
    JsonBody(body, _): JsonBody<CreateInstance, IamError>,
) -> Result<impl IntoResponse, IamError> {
    let new = NewInstance {
        name: body.name,
        region: body.target,
        resource_group_id: body.resource_group,
        resource_plan_id: body.resource_plan_id,
        tags: body.tags,
        parameters: body.parameters,
        locked: from_start.locked,
    };
    let made = app.engine.create_instance(&by, new).await?;
    Ok((StatusCode::CREATED, Json(InstanceBody::of(&app, &made))))
}

async fn show(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    let found = app
        .engine
        .show_instance(&by, parse_instance_id(&id)?)
        .await?;
    Ok(Json(InstanceBody::of(&app, &found)))
}

async fn change(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
    JsonBody(body, _): JsonBody<ChangeInstance, IamError>,
) -> Result<impl IntoResponse, IamError> {
    let change = InstanceChange {
        name: body.name,
        resource_plan_id: body.resource_plan_id,
        parameters: body.parameters,
    };
    let changed = app
        .engine
        .change_instance(&by, parse_instance_id(&id)?, change)
        .await?;
    Ok(Json(InstanceBody::of(&app, &changed)))
}

#[derive(Deserialize)]
struct Recursive {
    recursive: Option<String>,
}

async fn remove(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
    Query(query): Query<Recursive>,
) -> Result<impl IntoResponse, IamError> {
    let keys = if query.recursive.as_deref() == Some("true") {
        Keys::Remove
    } else {
        Keys::Keep
    };
    app.engine
        .delete_instance(&by, parse_instance_id(&id)?, keys)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn lock(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    let changed = app
        .engine
        .set_instance_lock(&by, parse_instance_id(&id)?, Lock::Locked)
        .await?;
    Ok(Json(InstanceBody::of(&app, &changed)))
}

async fn unlock(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    let changed = app
        .engine
        .set_instance_lock(&by, parse_instance_id(&id)?, Lock::Unlocked)
        .await?;
    Ok(Json(InstanceBody::of(&app, &changed)))
}

async fn last_operation(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    let found = app
        .engine
        .show_instance(&by, parse_instance_id(&id)?)
        .await?;
    Ok(Json(operation(&found)))
}

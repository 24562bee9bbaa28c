//! `/v1/serviceids`.

use axum::{
    Json,
    extract::{OriginalUri, Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vestibule_engine::platform::{PageStart, serviceids::ServiceIdChange};
use vestibule_model::iam::Subject;

use super::{
    apikeys::{ApiKeyBody, CreateApiKey, entity_tag, if_match, tagged},
    paging::{IamWindow, iam_next},
};
use crate::{
    App,
    error::IamError,
    extract::{Calling, FromTheStart, JsonBody, own_account},
    route::{Guard, Query as Parameter, Route, optional},
};

const LISTED: &[Parameter] = &[
    optional("account_id", "The account."),
    optional("name", "Exact name."),
    optional("pagesize", "Rows a page, 1 to 100 (20)."),
    optional("pagetoken", "Where the page begins."),
];

pub(super) fn routes() -> Vec<Route> {
    const LIST: &str = "/v1/serviceids";
    const ONE: &str = "/v1/serviceids/{id}";
    const LOCK: &str = "/v1/serviceids/{id}/lock";
    let on_platform = |route: Route| route.guard(Guard::Platform);
    vec![
        on_platform(Route::new("get", LIST, "list_service_ids", || get(list)))
            .summary("Service IDs of the account.")
            .query(LISTED)
            .answers::<ServiceIdList>(200),
        on_platform(Route::new("post", LIST, "create_service_id", || {
            post(create)
        }))
        .summary("Make a service ID, with a first API key if one is asked for.")
        .takes::<CreateServiceId>()
        .answers::<ServiceIdBody>(201),
        on_platform(Route::new("get", ONE, "get_service_id", || get(show)))
            .summary("One service ID.")
            .answers::<ServiceIdBody>(200),
        on_platform(Route::new("put", ONE, "update_service_id", || put(change)))
            .summary("Change name and description; If-Match guards the update.")
            .takes::<UpdateServiceId>()
            .answers::<ServiceIdBody>(200),
        on_platform(Route::new("delete", ONE, "delete_service_id", || {
            delete(remove)
        }))
        .summary("Remove a service ID with its API keys and policies.")
        .answers_nothing(204),
        on_platform(Route::new("post", LOCK, "lock_service_id", || post(lock)))
            .summary("Guard a service ID against change.")
            .answers::<ServiceIdBody>(200),
        on_platform(Route::new("delete", LOCK, "unlock_service_id", || {
            delete(unlock)
        }))
        .summary("Lift the guard.")
        .answers::<ServiceIdBody>(200),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct CreateServiceId {
    name: String,
    description: Option<String>,
    /// Yours.
    account_id: Option<String>,
    apikey: Option<CreateApiKey>,
}

#[derive(Deserialize, JsonSchema)]
struct UpdateServiceId {
    name: Option<String>,
    description: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ServiceIdList {
    offset: usize,
    limit: u32,
    first: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    serviceids: Vec<ServiceIdBody>,
}

#[derive(Serialize, JsonSchema)]
struct ServiceIdBody {
    id: String,
    iam_id: String,
    entity_tag: String,
    crn: String,
    locked: bool,
    created_at: String,
    modified_at: String,
    account_id: String,
    name: String,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    apikey: Option<ApiKeyBody>,
}

impl ServiceIdBody {
    fn of(subject: &Subject, apikey: Option<ApiKeyBody>) -> Self {
        Self {
            id: subject.id.clone(),
            iam_id: subject.iam_id.clone(),
            entity_tag: entity_tag(subject.version),
            crn: format!(
                "crn:v1:vestibule:public:iam-identity::a/{}::serviceid:{}",
                subject.account_id, subject.id
            ),
            locked: subject.locked,
            created_at: subject.created_at.rfc3339(),
            modified_at: subject.modified_at.rfc3339(),
            account_id: subject.account_id.clone(),
            name: subject.name.clone(),
            description: subject.description.clone(),
            apikey,
        }
    }
}

#[derive(Deserialize)]
struct ListQuery {
    name: Option<String>,
    pagesize: Option<u32>,
    pagetoken: Option<String>,
}

async fn list(
    State(app): State<App>,
    Calling(by): Calling,
    Query(query): Query<ListQuery>,
    OriginalUri(uri): OriginalUri,
) -> Result<impl IntoResponse, IamError> {
    let window = IamWindow::of(query.pagesize, query.pagetoken);
    let start = PageStart::parse(window.start())?;
    let page = app
        .engine
        .list_service_ids(&by, query.name, start, window.count())
        .await?;
    Ok(Json(ServiceIdList {
        offset: 0,
        limit: window.count(),
        first: app.absolute(uri.path()),
        next: iam_next(&app, &uri, &page),
        serviceids: page
            .rows
            .iter()
            .map(|row| ServiceIdBody::of(row, None))
            .collect(),
    }))
}

async fn create(
    State(app): State<App>,
    Calling(by): Calling,
    from_start: FromTheStart,
    JsonBody(body, _): JsonBody<CreateServiceId, IamError>,
) -> Result<impl IntoResponse, IamError> {
    own_account(&by.caller, body.account_id.as_deref())?;
    let key = body
        .apikey
        .map(|key| key.read(&by.caller, FromTheStart::default()))
        .transpose()?;
    let text = body.description.unwrap_or_default();
    let (subject, key) = app
        .engine
        .create_service_id(&by, &body.name, text, from_start.locked, key)
        .await?;
    let key = key.map(|(key, secret)| ApiKeyBody::of(&key, Some(&secret)));
    Ok(tagged(
        StatusCode::CREATED,
        subject.version,
        ServiceIdBody::of(&subject, key),
    ))
}

async fn show(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    let found = app.engine.show_service_id(&by, &id).await?;
    Ok(tagged(
        StatusCode::OK,
        found.version,
        ServiceIdBody::of(&found, None),
    ))
}

async fn change(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body, _): JsonBody<UpdateServiceId, IamError>,
) -> Result<impl IntoResponse, IamError> {
    let change = ServiceIdChange {
        name: body.name,
        description: body.description,
        version: if_match(&headers)?,
        ..ServiceIdChange::default()
    };
    let found = app.engine.change_service_id(&by, &id, change).await?;
    Ok(tagged(
        StatusCode::OK,
        found.version,
        ServiceIdBody::of(&found, None),
    ))
}

async fn remove(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    app.engine.delete_service_id(&by, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn lock(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    set_lock(&app, &by, &id, Some(true)).await
}

async fn unlock(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    set_lock(&app, &by, &id, Some(false)).await
}

async fn set_lock(
    app: &App,
    by: &vestibule_engine::platform::Platform,
    id: &str,
    locked: Option<bool>,
) -> Result<Response, IamError> {
    let change = ServiceIdChange {
        locked,
        ..ServiceIdChange::default()
    };
    let found = app.engine.change_service_id(by, id, change).await?;
    Ok(tagged(
        StatusCode::OK,
        found.version,
        ServiceIdBody::of(&found, None),
    ))
}

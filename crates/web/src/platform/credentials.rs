//! `/v2/resource_keys`: credentials of instances.

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
    credentials::{Credentials, CredentialsFilter, NewCredentials},
    instances::parse_instance_id,
};
use vestibule_model::privilege::ServiceRole;

use super::paging::{WINDOW, Window, next_link};
use crate::{
    App,
    error::IamError,
    extract::{Calling, JsonBody},
    route::{Guard, Query as Parameter, Route, optional},
};

const FILTERS: &[Parameter] = &[
    optional("guid", "Exact GUID."),
    optional("name", "Exact name."),
    optional("resource_id", "Service; only appid has credentials here."),
    WINDOW[0],
    WINDOW[1],
];

pub(super) fn routes() -> Vec<Route> {
    const LIST: &str = "/v2/resource_keys";
    const ONE: &str = "/v2/resource_keys/{id}";
    let on_platform = |route: Route| route.guard(Guard::Platform);
    vec![
        on_platform(Route::new("get", LIST, "list_resource_keys", || get(list)))
            .summary("Credentials in the account.")
            .query(FILTERS)
            .answers::<KeyList>(200),
        on_platform(Route::new("post", LIST, "create_resource_key", || {
            post(create)
        }))
        .summary("Make credentials of an instance; the API key in them is shown this once.")
        .takes::<CreateKey>()
        .answers::<KeyBody>(201),
        on_platform(Route::new("get", ONE, "get_resource_key", || get(show)))
            .summary("Credentials without their API key.")
            .answers::<KeyBody>(200),
        on_platform(Route::new("patch", ONE, "update_resource_key", || {
            patch(rename)
        }))
        .summary("Rename credentials.")
        .takes::<RenameKey>()
        .answers::<KeyBody>(200),
        on_platform(Route::new("delete", ONE, "delete_resource_key", || {
            delete(remove)
        }))
        .summary("Revoke credentials.")
        .answers_nothing(204),
        on_platform(Route::new(
            "get",
            "/v2/resource_instances/{id}/resource_keys",
            "list_resource_keys_for_instance",
            || get(list_of_instance),
        ))
        .summary("Credentials of an instance.")
        .query(WINDOW)
        .answers::<KeyList>(200),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct CreateKey {
    name: String,
    /// GUID or CRN of the instance.
    source: String,
    /// Reader, Writer or Manager, or the role's CRN (Writer).
    role: Option<String>,
    parameters: Option<Value>,
}

#[derive(Deserialize, JsonSchema)]
struct RenameKey {
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct KeyList {
    rows_count: usize,
    next_url: Option<String>,
    resources: Vec<KeyBody>,
}

#[derive(Serialize, JsonSchema)]
struct KeyBody {
    id: String,
    guid: String,
    crn: String,
    url: String,
    name: String,
    account_id: String,
    resource_group_id: String,
    resource_id: &'static str,
    source_crn: String,
    resource_instance_url: String,
    role: String,
    state: &'static str,
    created_at: String,
    updated_at: String,
    deleted_at: Option<String>,
    created_by: String,
    updated_by: String,
    deleted_by: String,
    iam_compatible: bool,
    credentials: Value,
}

impl KeyBody {
    fn of(app: &App, found: &Credentials) -> Self {
        let (key, instance) = (&found.key, &found.instance);
        let crn = format!(
            "crn:v1:vestibule:public:appid:{}:a/{}:{}:resource-key:{}",
            instance.region, instance.account_id, instance.guid, key.guid
        );
        Self {
            guid: key.guid.clone(),
            url: format!("/v2/resource_keys/{}", key.guid),
            name: key.name.clone(),
            account_id: key.account_id.clone(),
            resource_group_id: instance.resource_group_id.clone(),
            resource_id: "appid",
            source_crn: instance.crn(),
            resource_instance_url: format!("/v2/resource_instances/{}", instance.guid),
            role: key.role.crn(),
            state: "active",
            created_at: key.created_at.rfc3339(),
            updated_at: key.updated_at.rfc3339(),
            deleted_at: None,
            created_by: key.created_by.clone(),
            updated_by: key.created_by.clone(),
            deleted_by: String::new(),
            iam_compatible: true,
            credentials: credentials(&app.engine.settings().public_url, found),
            id: crn.clone(),
            crn,
        }
    }
}

/// The service-binding shape (contract/runtime.md section 2). The API key is in it only when it was made just now.
fn credentials(public: &str, found: &Credentials) -> Value {
    let tenant = found.instance.guid;
    let oauth = format!("{public}/oauth/v4/{tenant}");
    let mut body = json!({
        "version": 4,
        "tenantId": tenant.to_string(),
        "oauthServerUrl": oauth,
        "profilesUrl": public,
        "managementUrl": format!("{public}/management/v4/{tenant}"),
        "discoveryEndpoint": format!("{oauth}/.well-known/openid-configuration"),
        "appidServiceEndpoint": public,
        "iam_apikey_name": found.key.name,
        "iam_apikey_id": found.key.api_key_id,
        "iam_apikey_description": format!("Credentials of instance {tenant}"),
        "iam_role_crn": found.key.role.crn(),
        "iam_serviceid_crn": format!("crn:v1:vestibule:public:iam-identity::a/{}::serviceid:{}", found.key.account_id, found.key.iam_id.trim_start_matches("iam-")),
    });
    if let (Some(key), Some(members)) = (&found.api_key, body.as_object_mut()) {
        members.insert(String::from("apikey"), key.expose().into());
    }
    body
}

async fn create(
    State(app): State<App>,
    Calling(by): Calling,
    JsonBody(body, _): JsonBody<CreateKey, IamError>,
) -> Result<impl IntoResponse, IamError> {
    let new = NewCredentials {
        name: body.name,
        instance: parse_instance_id(&body.source)?,
        role: ServiceRole::parse(body.role.as_deref().unwrap_or("Writer"))?,
        parameters: body.parameters,
    };
    let made = app.engine.create_credentials(&by, new).await?;
    Ok((StatusCode::CREATED, Json(KeyBody::of(&app, &made))))
}

async fn show(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    let found = app.engine.show_credentials(&by, id).await?;
    Ok(Json(KeyBody::of(&app, &found)))
}

async fn rename(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
    JsonBody(body, _): JsonBody<RenameKey, IamError>,
) -> Result<impl IntoResponse, IamError> {
    let found = app.engine.rename_credentials(&by, id, &body.name).await?;
    Ok(Json(KeyBody::of(&app, &found)))
}

async fn remove(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    app.engine.delete_credentials(&by, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct ListQuery {
    guid: Option<String>,
    name: Option<String>,
    resource_id: Option<String>,
    limit: Option<u32>,
    start: Option<String>,
}

impl ListQuery {
    /// Only App ID's credentials live here: asking for another service's shows none.
    fn filter(self) -> CredentialsFilter {
        let elsewhere = self.resource_id.as_deref().is_some_and(|id| id != "appid");
        CredentialsFilter {
            instance: None,
            guid: if elsewhere {
                Some(String::from("none"))
            } else {
                self.guid
            },
            name: self.name,
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
        .list_credentials(&by, query.filter(), start, window.count())
        .await?;
    Ok(Json(list_body(&app, page, &uri)))
}

async fn list_of_instance(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
    Query(window): Query<Window>,
    OriginalUri(uri): OriginalUri,
) -> Result<impl IntoResponse, IamError> {
    let filter = CredentialsFilter {
        instance: Some(parse_instance_id(&id)?),
        ..CredentialsFilter::default()
    };
    let page = app
        .engine
        .list_credentials(
            &by,
            filter,
            PageStart::parse(window.start())?,
            window.count(),
        )
        .await?;
    Ok(Json(list_body(&app, page, &uri)))
}

fn list_body(
    app: &App,
    page: vestibule_engine::platform::Page<Credentials>,
    uri: &axum::http::Uri,
) -> KeyList {
    KeyList {
        rows_count: page.rows.len(),
        next_url: page
            .next
            .map(|start| next_link(uri.path(), uri.query(), "start", &start)),
        resources: page.rows.iter().map(|row| KeyBody::of(app, row)).collect(),
    }
}

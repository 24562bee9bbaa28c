//! `/v1/policies` and `/v2/roles`.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{delete, get, patch, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vestibule_engine::{
    Error,
    platform::{PageStart, policies::PolicyText},
};
use vestibule_model::{
    iam::Policy,
    privilege::{PlatformRole, ServiceRole},
};

use super::apikeys::{if_match, tagged};
use crate::{
    App,
    error::IamError,
    extract::{Calling, JsonBody},
    route::{Guard, Query as Parameter, Route, optional},
};

/// Most policies one answer lists.
const MOST: u32 = 1000;

const LISTED: &[Parameter] = &[
    optional("account_id", "The account."),
    optional("iam_id", "Only of this subject."),
    optional("type", "access."),
];

pub(super) fn routes() -> Vec<Route> {
    const LIST: &str = "/v1/policies";
    const ONE: &str = "/v1/policies/{id}";
    let on_platform = |route: Route| route.guard(Guard::Platform);
    vec![
        on_platform(Route::new("get", LIST, "list_policies", || get(list)))
            .summary("Policies of a subject, or of the account.")
            .query(LISTED)
            .answers::<PolicyList>(200),
        on_platform(Route::new("post", LIST, "create_policy", || post(create)))
            .summary("Make a policy.")
            .takes::<PolicyRequest>()
            .answers::<PolicyBody>(201),
        on_platform(Route::new("get", ONE, "get_policy", || get(show)))
            .summary("One policy.")
            .answers::<PolicyBody>(200),
        on_platform(Route::new("put", ONE, "replace_policy", || put(replace)))
            .summary("Replace a policy; If-Match guards the update.")
            .takes::<PolicyRequest>()
            .answers::<PolicyBody>(200),
        on_platform(Route::new("patch", ONE, "update_policy_state", || {
            patch(activate)
        }))
        .summary("Set a policy's state; only active is known. If-Match guards the update.")
        .takes::<StateRequest>()
        .answers::<PolicyBody>(200),
        on_platform(Route::new("delete", ONE, "delete_policy", || {
            delete(remove)
        }))
        .summary("Remove a policy.")
        .answers_nothing(204),
        on_platform(Route::new("get", "/v2/roles", "list_roles_v2", || {
            get(roles)
        }))
        .summary("Roles that policies may give.")
        .answers::<Value>(200),
    ]
}

/// A name with its value.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Attribute {
    name: Option<String>,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Attributes {
    attributes: Vec<Attribute>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct RoleRef {
    role_id: String,
}

#[derive(Deserialize, JsonSchema)]
struct PolicyRequest {
    #[serde(rename = "type")]
    kind: String,
    subjects: Vec<Attributes>,
    roles: Vec<RoleRef>,
    resources: Vec<Attributes>,
    description: Option<String>,
}

impl PolicyRequest {
    fn read(self) -> Result<PolicyText, Error> {
        let attributes = match self.resources.as_slice() {
            [one] => one
                .attributes
                .iter()
                .map(read_attribute)
                .collect::<Result<_, _>>()?,
            _ => return Err(Error::invalid("resources must hold exactly one entry.")),
        };
        let iam_id = match self.subjects.as_slice() {
            [one] => subject_of(&one.attributes)?,
            _ => return Err(Error::invalid("subjects must hold exactly one entry.")),
        };
        Ok(PolicyText {
            kind: self.kind,
            iam_id,
            roles: self.roles.into_iter().map(|role| role.role_id).collect(),
            attributes,
            description: self.description.unwrap_or_default(),
        })
    }
}

/// The `iam_id` among a subject's attributes.
fn subject_of(attributes: &[Attribute]) -> Result<String, Error> {
    attributes
        .iter()
        .find(|attribute| attribute.name.as_deref() == Some("iam_id"))
        .map(|attribute| attribute.value.clone())
        .ok_or_else(|| Error::invalid("The subject must be named by iam_id."))
}

fn read_attribute(attribute: &Attribute) -> Result<(String, String), Error> {
    if attribute
        .operator
        .as_deref()
        .is_some_and(|operator| operator != "stringEquals")
    {
        return Err(Error::invalid(
            "The only operator of resource attributes is stringEquals.",
        ));
    }
    let name = attribute.name.clone().unwrap_or_default();
    Ok((name, attribute.value.clone()))
}

#[derive(Deserialize, JsonSchema)]
struct StateRequest {
    state: String,
}

#[derive(Serialize, JsonSchema)]
struct PolicyList {
    policies: Vec<PolicyBody>,
}

#[derive(Serialize, JsonSchema)]
struct PolicyBody {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    description: String,
    subjects: Vec<Attributes>,
    roles: Value,
    resources: Vec<Attributes>,
    href: String,
    state: String,
    created_at: String,
    created_by_id: String,
    last_modified_at: String,
    last_modified_by_id: String,
}

impl PolicyBody {
    fn of(app: &App, policy: &Policy) -> Self {
        let attribute = |name: &str, value: &str| Attribute {
            name: Some(name.to_owned()),
            value: value.to_owned(),
            operator: None,
        };
        Self {
            id: policy.id.clone(),
            kind: policy.kind.clone(),
            description: policy.description.clone(),
            subjects: vec![Attributes {
                attributes: vec![attribute("iam_id", &policy.iam_id)],
            }],
            roles: policy
                .roles
                .iter()
                .map(|role| json!({"role_id": role, "display_name": display_name(role)}))
                .collect(),
            resources: vec![Attributes {
                attributes: policy
                    .attributes
                    .iter()
                    .map(|(name, value)| attribute(name, value))
                    .collect(),
            }],
            href: format!(
                "{}/v1/policies/{}",
                app.engine.settings().public_url,
                policy.id
            ),
            state: policy.state.clone(),
            created_at: policy.created_at.rfc3339(),
            created_by_id: policy.created_by.clone(),
            last_modified_at: policy.modified_at.rfc3339(),
            last_modified_by_id: policy.modified_by.clone(),
        }
    }
}

/// The last part of a role's CRN.
pub(super) fn display_name(role: &str) -> &str {
    role.rsplit(':').next().unwrap_or(role)
}

#[derive(Deserialize)]
struct ListQuery {
    iam_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

async fn list(
    State(app): State<App>,
    Calling(by): Calling,
    Query(query): Query<ListQuery>,
) -> Result<impl IntoResponse, IamError> {
    let page = app
        .engine
        .list_policies(&by, query.iam_id, PageStart::default(), MOST)
        .await?;
    let wanted = |policy: &&Policy| query.kind.as_deref().is_none_or(|kind| kind == policy.kind);
    Ok(Json(PolicyList {
        policies: page
            .rows
            .iter()
            .filter(wanted)
            .map(|row| PolicyBody::of(&app, row))
            .collect(),
    }))
}

async fn create(
    State(app): State<App>,
    Calling(by): Calling,
    JsonBody(body, _): JsonBody<PolicyRequest, IamError>,
) -> Result<impl IntoResponse, IamError> {
    let made = app.engine.create_policy(&by, body.read()?).await?;
    Ok(tagged(
        StatusCode::CREATED,
        made.version,
        PolicyBody::of(&app, &made),
    ))
}

async fn show(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    let found = app.engine.show_policy(&by, &id).await?;
    Ok(tagged(
        StatusCode::OK,
        found.version,
        PolicyBody::of(&app, &found),
    ))
}

async fn replace(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body, _): JsonBody<PolicyRequest, IamError>,
) -> Result<impl IntoResponse, IamError> {
    let version = if_match(&headers)?;
    let changed = app
        .engine
        .replace_policy(&by, &id, version, body.read()?)
        .await?;
    Ok(tagged(
        StatusCode::OK,
        changed.version,
        PolicyBody::of(&app, &changed),
    ))
}

async fn activate(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body, _): JsonBody<StateRequest, IamError>,
) -> Result<impl IntoResponse, IamError> {
    if body.state != "active" {
        return Err(
            Error::invalid("state must be \"active\"; delete the policy to end it.").into(),
        );
    }
    let version = if_match(&headers)?;
    let found = app.engine.activate_policy(&by, &id, version).await?;
    Ok(tagged(
        StatusCode::OK,
        found.version,
        PolicyBody::of(&app, &found),
    ))
}

async fn remove(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    app.engine.delete_policy(&by, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn roles(Calling(_): Calling) -> impl IntoResponse {
    let role = |crn: String, name: &str| json!({"crn": crn, "name": name, "display_name": name, "actions": []});
    let service: Vec<Value> = ServiceRole::ALL
        .iter()
        .map(|r| role(r.crn(), r.name()))
        .collect();
    let system: Vec<Value> = PlatformRole::ALL
        .iter()
        .map(|r| role(r.crn(), r.name()))
        .collect();
    Json(json!({"custom_roles": [], "service_roles": service, "system_roles": system}))
}

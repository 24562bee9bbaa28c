//! `/v2/policies`: the same policies in IAM's second shape.

use axum::{
    Json,
    extract::{OriginalUri, Path, Query, State},
    http::{HeaderMap, StatusCode, Uri},
    response::IntoResponse,
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vestibule_engine::{
    Error,
    platform::{PageStart, policies::PolicyText},
};
use vestibule_model::iam::Policy;

use super::{
    apikeys::{if_match, tagged},
    paging::next_link,
};
use crate::{
    App,
    error::IamError,
    extract::{Calling, JsonBody},
    route::{Guard, Query as Parameter, Route, optional},
};

const LISTED: &[Parameter] = &[
    optional("account_id", "The account."),
    optional("iam_id", "Only of this subject."),
    optional("type", "access."),
    optional("limit", "Rows a page, 1 to 100 (50)."),
    optional("start", "Where the page begins."),
];

pub(super) fn routes() -> Vec<Route> {
    const LIST: &str = "/v2/policies";
    const ONE: &str = "/v2/policies/{id}";
    let on_platform = |route: Route| route.guard(Guard::Platform);
    vec![
        on_platform(Route::new("get", LIST, "list_v2_policies", || get(list)))
            .summary("Policies of a subject, or of the account.")
            .query(LISTED)
            .answers::<PolicyList>(200),
        on_platform(Route::new("post", LIST, "create_v2_policy", || {
            post(create)
        }))
        .summary("Make a policy.")
        .takes::<PolicyRequest>()
        .answers::<PolicyBody>(201),
        on_platform(Route::new("get", ONE, "get_v2_policy", || get(show)))
            .summary("One policy.")
            .answers::<PolicyBody>(200),
        on_platform(Route::new("put", ONE, "replace_v2_policy", || put(replace)))
            .summary("Replace a policy; If-Match guards the update.")
            .takes::<PolicyRequest>()
            .answers::<PolicyBody>(200),
        on_platform(Route::new("delete", ONE, "delete_v2_policy", || {
            delete(remove)
        }))
        .summary("Remove a policy.")
        .answers_nothing(204),
    ]
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Attribute {
    key: String,
    operator: String,
    /// Text; equality is the only operator.
    value: Value,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Attributes {
    attributes: Vec<Attribute>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct RoleRef {
    role_id: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Grant {
    roles: Vec<RoleRef>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Control {
    grant: Grant,
}

#[derive(Deserialize, JsonSchema)]
struct PolicyRequest {
    #[serde(rename = "type")]
    kind: String,
    subject: Attributes,
    resource: Attributes,
    control: Control,
    description: Option<String>,
    /// Time-based conditions are not supported: a policy that has some is refused rather than granted always.
    rule: Option<Value>,
}

impl PolicyRequest {
    fn read(self) -> Result<PolicyText, Error> {
        if self.rule.is_some_and(|rule| !rule.is_null()) {
            return Err(Error::invalid("Policies with a rule are not supported."));
        }
        let (mut subject, resource) = (read(&self.subject)?, read(&self.resource)?);
        let iam_id = match (subject.pop(), subject.is_empty()) {
            (Some((key, value)), true) if key == "iam_id" => value,
            _ => return Err(Error::invalid("The subject must be named by iam_id alone.")),
        };
        Ok(PolicyText {
            kind: self.kind,
            iam_id,
            roles: self
                .control
                .grant
                .roles
                .into_iter()
                .map(|role| role.role_id)
                .collect(),
            attributes: resource,
            description: self.description.unwrap_or_default(),
        })
    }
}

fn read(attributes: &Attributes) -> Result<Vec<(String, String)>, Error> {
    attributes
        .attributes
        .iter()
        .map(
            |attribute| match (attribute.operator.as_str(), &attribute.value) {
                ("stringEquals", Value::String(value)) => {
                    Ok((attribute.key.clone(), value.clone()))
                }
                _ => Err(Error::invalid(
                    "Attributes know only the operator stringEquals and text values.",
                )),
            },
        )
        .collect()
}

#[derive(Serialize, JsonSchema)]
struct PolicyList {
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Value>,
    policies: Vec<PolicyBody>,
}

#[derive(Serialize, JsonSchema)]
struct PolicyBody {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    description: String,
    subject: Attributes,
    resource: Attributes,
    control: Control,
    href: String,
    state: String,
    created_at: String,
    created_by_id: String,
    last_modified_at: String,
    last_modified_by_id: String,
}

impl PolicyBody {
    fn of(app: &App, policy: &Policy) -> Self {
        let attribute = |key: &str, value: &str| Attribute {
            key: key.to_owned(),
            operator: String::from("stringEquals"),
            value: value.into(),
        };
        Self {
            id: policy.id.clone(),
            kind: policy.kind.clone(),
            description: policy.description.clone(),
            subject: Attributes {
                attributes: vec![attribute("iam_id", &policy.iam_id)],
            },
            resource: Attributes {
                attributes: policy
                    .attributes
                    .iter()
                    .map(|(key, value)| attribute(key, value))
                    .collect(),
            },
            control: Control {
                grant: Grant {
                    roles: policy
                        .roles
                        .iter()
                        .map(|role| RoleRef {
                            role_id: role.clone(),
                        })
                        .collect(),
                },
            },
            href: format!(
                "{}/v2/policies/{}",
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

#[derive(Deserialize)]
struct ListQuery {
    iam_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    limit: Option<u32>,
    start: Option<String>,
}

async fn list(
    State(app): State<App>,
    Calling(by): Calling,
    Query(query): Query<ListQuery>,
    OriginalUri(uri): OriginalUri,
) -> Result<impl IntoResponse, IamError> {
    let limit = query.limit.unwrap_or(50).clamp(1, 100);
    let start = PageStart::parse(query.start.as_deref())?;
    let page = app
        .engine
        .list_policies(&by, query.iam_id, start, limit)
        .await?;
    let wanted = |policy: &&Policy| query.kind.as_deref().is_none_or(|kind| kind == policy.kind);
    let policies = page
        .rows
        .iter()
        .filter(wanted)
        .map(|row| PolicyBody::of(&app, row));
    Ok(Json(PolicyList {
        limit,
        policies: policies.collect(),
        next: page.next.map(|start| next(&app, &uri, &start)),
    }))
}

fn next(app: &App, uri: &Uri, start: &str) -> Value {
    let href = next_link(uri.path(), uri.query(), "start", start);
    json!({"href": app.absolute(&href), "start": start})
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

async fn remove(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    app.engine.delete_policy(&by, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `/v1/apikeys`.

use axum::{
    Json,
    extract::{OriginalUri, Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vestibule_crypto::token::PlainToken;
use vestibule_engine::{
    Error,
    platform::{
        PageStart,
        apikeys::{ApiKeyChange, NewApiKey, Whose},
    },
};
use vestibule_model::{iam::ApiKey, time::Timestamp};

use super::paging::{IamWindow, iam_next};
use crate::{
    App,
    error::IamError,
    extract::{Calling, FromTheStart, JsonBody, own_account},
    route::{Guard, Query as Parameter, Route, optional},
};

const LISTED: &[Parameter] = &[
    optional("iam_id", "Whose (yours)."),
    optional("account_id", "The account."),
    optional("scope", "entity, or account for everybody's."),
    optional("pagesize", "Rows a page, 1 to 100 (20)."),
    optional("pagetoken", "Where the page begins."),
];

pub(super) fn routes() -> Vec<Route> {
    const LIST: &str = "/v1/apikeys";
    const ONE: &str = "/v1/apikeys/{id}";
    const LOCK: &str = "/v1/apikeys/{id}/lock";
    const DISABLE: &str = "/v1/apikeys/{id}/disable";
    let on_platform = |route: Route| route.guard(Guard::Platform);
    vec![
        on_platform(Route::new("get", LIST, "list_api_keys", || get(list)))
            .summary("Your API keys, or another subject's for Administrators.")
            .query(LISTED)
            .answers::<ApiKeyList>(200),
        on_platform(Route::new("post", LIST, "create_api_key", || post(create)))
            .summary("Make an API key; it is shown this once.")
            .takes::<CreateApiKey>()
            .answers::<ApiKeyBody>(201),
        on_platform(Route::new(
            "get",
            "/v1/apikeys/details",
            "get_api_keys_details",
            || get(details),
        ))
        .summary("The API key in the IAM-ApiKey header.")
        .answers::<ApiKeyBody>(200),
        on_platform(Route::new("get", ONE, "get_api_key", || get(show)))
            .summary("One API key, without its secret.")
            .answers::<ApiKeyBody>(200),
        on_platform(Route::new("put", ONE, "update_api_key", || put(change)))
            .summary("Change name and description; If-Match guards the update.")
            .takes::<UpdateApiKey>()
            .answers::<ApiKeyBody>(200),
        on_platform(Route::new("delete", ONE, "delete_api_key", || {
            delete(remove)
        }))
        .summary("Revoke an API key.")
        .answers_nothing(204),
        on_platform(Route::new("post", LOCK, "lock_api_key", || post(lock)))
            .summary("Guard an API key against change.")
            .answers_nothing(204),
        on_platform(Route::new("delete", LOCK, "unlock_api_key", || {
            delete(unlock)
        }))
        .summary("Lift the guard.")
        .answers_nothing(204),
        on_platform(Route::new("post", DISABLE, "disable_api_key", || {
            post(disable)
        }))
        .summary("Refuse an API key for now.")
        .answers_nothing(204),
        on_platform(Route::new("delete", DISABLE, "enable_api_key", || {
            delete(enable)
        }))
        .summary("Accept it again.")
        .answers_nothing(204),
    ]
}

/// What an API key is made of.
#[derive(Deserialize, JsonSchema)]
pub(super) struct CreateApiKey {
    name: String,
    iam_id: Option<String>,
    description: Option<String>,
    /// Bring your own secret, of at least 20 characters.
    apikey: Option<String>,
    /// RFC 3339.
    expires_at: Option<String>,
    /// Yours.
    account_id: Option<String>,
    /// Whether it is locked from the start: the same as the header `Entity-Lock`.
    #[serde(default)]
    entity_lock: Flag,
    /// Whether it is disabled from the start: the same as the header `Entity-Disable`.
    #[serde(default)]
    entity_disable: Flag,
}

/// IBM's SDKs write these as text.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Flag {
    #[default]
    Unsaid,
    Truth(bool),
    Text(Spelt),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Spelt {
    True,
    False,
}

impl Flag {
    fn is_set(&self) -> bool {
        matches!(self, Self::Truth(true) | Self::Text(Spelt::True))
    }
}

impl CreateApiKey {
    pub(super) fn read(
        self,
        by: &vestibule_engine::access::Caller,
        from_start: FromTheStart,
    ) -> Result<NewApiKey, Error> {
        own_account(by, self.account_id.as_deref())?;
        let expires_at = match self.expires_at.as_deref() {
            None | Some("") => None,
            Some(text) => Some(
                Timestamp::parse_rfc3339(text)
                    .ok_or_else(|| Error::invalid("expires_at is not a time."))?,
            ),
        };
        Ok(NewApiKey {
            name: self.name,
            iam_id: self.iam_id,
            description: self.description.unwrap_or_default(),
            secret: self.apikey,
            expires_at,
            locked: from_start.locked || self.entity_lock.is_set(),
            disabled: from_start.disabled || self.entity_disable.is_set(),
        })
    }
}

#[derive(Deserialize, JsonSchema)]
struct UpdateApiKey {
    name: Option<String>,
    description: Option<String>,
    /// A key's expiry is set when it is made. A change of it is refused rather than left undone in silence.
    expires_at: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ApiKeyList {
    offset: usize,
    limit: u32,
    first: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    apikeys: Vec<ApiKeyBody>,
}

/// An API key as IAM shows it.
#[derive(Serialize, JsonSchema)]
pub(super) struct ApiKeyBody {
    id: String,
    entity_tag: String,
    crn: String,
    locked: bool,
    disabled: bool,
    created_at: String,
    created_by: String,
    modified_at: String,
    name: String,
    description: String,
    iam_id: String,
    account_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// Only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    apikey: Option<String>,
}

impl ApiKeyBody {
    pub(super) fn of(key: &ApiKey, secret: Option<&PlainToken>) -> Self {
        Self {
            id: key.id.clone(),
            entity_tag: entity_tag(key.version),
            crn: format!(
                "crn:v1:vestibule:public:iam-identity::a/{}::apikey:{}",
                key.account_id, key.id
            ),
            locked: key.locked,
            disabled: key.disabled,
            created_at: key.created_at.rfc3339(),
            created_by: key.created_by.clone(),
            modified_at: key.modified_at.rfc3339(),
            name: key.name.clone(),
            description: key.description.clone(),
            iam_id: key.iam_id.clone(),
            account_id: key.account_id.clone(),
            expires_at: key.expires_at.map(Timestamp::rfc3339),
            apikey: secret.map(|secret| secret.expose().to_owned()),
        }
    }
}

/// `3-…`-like tags in IBM's IAM; ours is the version.
pub(super) fn entity_tag(version: i64) -> String {
    format!("{version}-vestibule")
}

/// An answer that carries its tag in `ETag` too.
pub(super) fn tagged(status: StatusCode, version: i64, body: impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&entity_tag(version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The version that `If-Match` insists on: none for `*`.
///
/// # Errors
/// `Invalid` when the header is missing; a tag that is none of ours can match nothing.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Error> {
    let text = headers
        .get(header::IF_MATCH)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| Error::invalid("The If-Match header is required."))?;
    if text == "*" {
        return Ok(None);
    }
    let digits = text.trim_matches('"').trim_end_matches("-vestibule");
    Ok(Some(digits.parse().unwrap_or(-1)))
}

#[derive(Deserialize)]
struct ListQuery {
    iam_id: Option<String>,
    scope: Option<String>,
    pagesize: Option<u32>,
    pagetoken: Option<String>,
}

impl ListQuery {
    fn whose(&self, own: &str) -> Whose {
        match (self.scope.as_deref(), &self.iam_id) {
            (Some("account"), _) => Whose::Everybody,
            (_, Some(iam_id)) => Whose::Subject(iam_id.clone()),
            (_, None) => Whose::Subject(own.to_owned()),
        }
    }
}

async fn list(
    State(app): State<App>,
    Calling(by): Calling,
    Query(query): Query<ListQuery>,
    OriginalUri(uri): OriginalUri,
) -> Result<impl IntoResponse, IamError> {
    let whose = query.whose(&by.caller.iam_id);
    let window = IamWindow::of(query.pagesize, query.pagetoken);
    let start = PageStart::parse(window.start())?;
    let page = app
        .engine
        .list_api_keys(&by, whose, start, window.count())
        .await?;
    Ok(Json(ApiKeyList {
        offset: 0,
        limit: window.count(),
        first: app.absolute(uri.path()),
        next: iam_next(&app, &uri, &page),
        apikeys: page
            .rows
            .iter()
            .map(|key| ApiKeyBody::of(key, None))
            .collect(),
    }))
}

async fn create(
    State(app): State<App>,
    Calling(by): Calling,
    from_start: FromTheStart,
    JsonBody(body, _): JsonBody<CreateApiKey, IamError>,
) -> Result<impl IntoResponse, IamError> {
    let new = body.read(&by.caller, from_start)?;
    let (key, secret) = app.engine.create_api_key(&by, new).await?;
    Ok(tagged(
        StatusCode::CREATED,
        key.version,
        ApiKeyBody::of(&key, Some(&secret)),
    ))
}

async fn details(
    State(app): State<App>,
    Calling(by): Calling,
    headers: HeaderMap,
) -> Result<impl IntoResponse, IamError> {
    let secret = headers
        .get("iam-apikey")
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| Error::invalid("The IAM-ApiKey header is required."))?;
    let key = app.engine.api_key_details(&by, secret).await?;
    Ok(tagged(
        StatusCode::OK,
        key.version,
        ApiKeyBody::of(&key, None),
    ))
}

async fn show(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    let key = app.engine.show_api_key(&by, &id).await?;
    Ok(tagged(
        StatusCode::OK,
        key.version,
        ApiKeyBody::of(&key, None),
    ))
}

impl UpdateApiKey {
    fn read(self, version: Option<i64>) -> Result<ApiKeyChange, Error> {
        if self.expires_at.is_some() {
            return Err(Error::invalid(
                "expires_at is set when an API key is made and cannot be changed.",
            ));
        }
        Ok(ApiKeyChange {
            name: self.name,
            description: self.description,
            version,
            ..ApiKeyChange::default()
        })
    }
}

async fn change(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body, _): JsonBody<UpdateApiKey, IamError>,
) -> Result<impl IntoResponse, IamError> {
    let change = body.read(if_match(&headers)?)?;
    let key = app.engine.change_api_key(&by, &id, change).await?;
    Ok(tagged(
        StatusCode::OK,
        key.version,
        ApiKeyBody::of(&key, None),
    ))
}

async fn remove(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    app.engine.delete_api_key(&by, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn lock(app: State<App>, by: Calling, id: Path<String>) -> Result<StatusCode, IamError> {
    switch(app, by, id, |change| change.locked = Some(true)).await
}

async fn unlock(app: State<App>, by: Calling, id: Path<String>) -> Result<StatusCode, IamError> {
    switch(app, by, id, |change| change.locked = Some(false)).await
}

async fn disable(app: State<App>, by: Calling, id: Path<String>) -> Result<StatusCode, IamError> {
    switch(app, by, id, |change| change.disabled = Some(true)).await
}

async fn enable(app: State<App>, by: Calling, id: Path<String>) -> Result<StatusCode, IamError> {
    switch(app, by, id, |change| change.disabled = Some(false)).await
}

async fn switch(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
    set: impl FnOnce(&mut ApiKeyChange),
) -> Result<StatusCode, IamError> {
    let mut change = ApiKeyChange::default();
    set(&mut change);
    app.engine.change_api_key(&by, &id, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `users`: profiles of everyone who signs in, and their roles.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vestibule_engine::{
    Error,
    profile::{FutureUser, ProfileSearch, ProfileView},
};
use vestibule_model::{Invalid, id::RoleId, object::RawObject, privilege::ServiceRole};

use crate::{
    App,
    error::ManagementError,
    extract::{AsReader, AsWriter, AtProfile, JsonBody, Paging, QueryOf},
    route::{Guard, Query, Route, optional},
};

const READER: Guard = Guard::Role(ServiceRole::Reader);
const WRITER: Guard = Guard::Role(ServiceRole::Writer);

const ALL: &str = "/management/v4/{tenantId}/users";
const ONE: &str = "/management/v4/{tenantId}/users/{id}";
const PROFILE: &str = "/management/v4/{tenantId}/users/{id}/profile";
const ROLES: &str = "/management/v4/{tenantId}/users/{id}/roles";
const REVOKE: &str = "/management/v4/{tenantId}/users/{id}/revoke_refresh_token";

const SEARCH: &[Query] = &[
    optional(
        "dataScope",
        "index (id, idp, email) or full (whole profiles); index unless told.",
    ),
    optional("email", "The whole e-mail address, in any case."),
    optional("id", "The whole identifier at the identity provider."),
    optional("startIndex", "First row of the page, counted from 0."),
    optional("count", "Rows per page: 100 unless told, and at most."),
];

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("get", ALL, "search_users", || get(search))
            .guard(READER)
            .summary("Page through identified profiles, or find them by e-mail or provider id.")
            .query(SEARCH)
            .answers::<UserPage>(200),
        Route::new("post", ALL, "create_future_user", || post(prepare))
            .guard(WRITER)
            .summary("Prepare a profile for someone who has not signed in yet.")
            .takes::<FutureUserInput>()
            .answers::<Created>(201),
        Route::new("delete", ONE, "delete_user_profile", || delete(remove))
            .guard(WRITER)
            .summary("Delete a profile.")
            .answers_nothing(204),
        Route::new("get", PROFILE, "get_user_profile", || get(show))
            .guard(READER)
            .summary("Full profile.")
            .answers::<RawObject>(200),
        Route::new("put", PROFILE, "set_user_profile", || put(set))
            .guard(WRITER)
            .summary("Set custom attributes: merged into those there are, member by member.")
            .takes::<AttributesInput>()
            .answers::<RawObject>(200),
        Route::new("delete", PROFILE, "delete_user_profile_alias", || {
            delete(remove)
        })
        .guard(WRITER)
        .summary("Delete a profile.")
        .answers_nothing(204),
        Route::new("get", ROLES, "get_user_roles", || get(roles))
            .guard(READER)
            .summary("Roles of a user.")
            .answers::<RoleRefs>(200),
        Route::new("put", ROLES, "set_user_roles", || put(set_roles))
            .guard(WRITER)
            .summary("Replace the roles of a user.")
            .takes::<RolesInput>()
            .answers::<RoleRefs>(200),
        Route::new("post", REVOKE, "revoke_user_refresh_tokens", || {
            post(revoke)
        })
        .guard(WRITER)
        .summary("Revoke every refresh token of the user.")
        .answers_nothing(204),
    ]
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchQuery {
    data_scope: Option<DataScope>,
    email: Option<String>,
    id: Option<String>,
}

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum DataScope {
    Index,
    Full,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct UserPage {
    users: Vec<RawObject>,
    total_results: usize,
    items_per_page: usize,
    request_options: Paging,
}

#[derive(Deserialize, JsonSchema)]
struct FutureUserInput {
    idp: String,
    /// The provider's identifier, an e-mail address, or the `sub` of a JWT.
    #[serde(rename = "idp-identity")]
    identity: String,
    profile: Option<FutureProfile>,
}

#[derive(Deserialize, JsonSchema)]
struct FutureProfile {
    attributes: Option<RawObject>,
}

#[derive(Serialize, JsonSchema)]
struct Created {
    /// Profile id.
    id: String,
}

#[derive(Deserialize, JsonSchema)]
struct AttributesInput {
    attributes: RawObject,
}

#[derive(Deserialize, JsonSchema)]
struct RolesInput {
    roles: RoleIds,
}

#[derive(Deserialize, JsonSchema)]
struct RoleIds {
    ids: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct RoleRefs {
    roles: Vec<RoleRef>,
}

#[derive(Serialize, JsonSchema)]
struct RoleRef {
    id: String,
    name: String,
}

impl RoleRefs {
    fn of(roles: Vec<(RoleId, String)>) -> Json<Self> {
        let refs = roles.into_iter().map(|(id, name)| RoleRef {
            id: id.to_string(),
            name,
        });
        Json(Self {
            roles: refs.collect(),
        })
    }
}

async fn search(
    State(app): State<App>,
    AsReader(reader): AsReader,
    QueryOf(query, _): QueryOf<SearchQuery>,
    QueryOf(paging, _): QueryOf<Paging>,
) -> Result<Json<UserPage>, ManagementError> {
    let wanted = ProfileSearch {
        email: query.email,
        subject: query.id,
    };
    let scope = query.data_scope.unwrap_or(DataScope::Index);
    let found = app
        .engine
        .search_profiles(&reader, wanted, paging.page(100, 100))
        .await?;
    let users: Result<Vec<_>, _> = found.profiles.iter().map(|p| summary(p, scope)).collect();
    let users = users?;
    Ok(Json(UserPage {
        items_per_page: users.len(),
        total_results: found.total,
        request_options: paging,
        users,
    }))
}

async fn prepare(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(body, _): JsonBody<FutureUserInput>,
) -> Result<(StatusCode, Json<Created>), ManagementError> {
    let user = FutureUser {
        provider: body.idp,
        identity: body.identity,
        attributes: body
            .profile
            .and_then(|profile| profile.attributes)
            .unwrap_or_default(),
    };
    let id = app.engine.create_future_user(&writer, user).await?;
    let created = Created { id: id.to_string() };
    Ok((StatusCode::CREATED, Json(created)))
}

async fn show(
    State(app): State<App>,
    AsReader(reader): AsReader,
    AtProfile(id): AtProfile,
) -> Result<Json<RawObject>, ManagementError> {
    let view = app.engine.get_profile(&reader, id).await?;
    Ok(Json(view.to_object()?))
}

async fn set(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtProfile(id): AtProfile,
    JsonBody(body, _): JsonBody<AttributesInput>,
) -> Result<Json<RawObject>, ManagementError> {
    let view = app
        .engine
        .set_profile_attributes(&writer, id, body.attributes)
        .await?;
    Ok(Json(view.to_object()?))
}

async fn remove(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtProfile(id): AtProfile,
) -> Result<StatusCode, ManagementError> {
    app.engine.delete_profile(&writer, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn roles(
    State(app): State<App>,
    AsReader(reader): AsReader,
    AtProfile(id): AtProfile,
) -> Result<Json<RoleRefs>, ManagementError> {
    Ok(RoleRefs::of(app.engine.get_user_roles(&reader, id).await?))
}

async fn set_roles(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtProfile(id): AtProfile,
    JsonBody(body, _): JsonBody<RolesInput>,
) -> Result<Json<RoleRefs>, ManagementError> {
    let ids = body
        .roles
        .ids
        .iter()
        .map(|id| RoleId::parse(id).map_err(|error| Invalid::new("roles.ids", error.reason)))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(RoleRefs::of(
        app.engine.set_user_roles(&writer, id, ids).await?,
    ))
}

async fn revoke(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtProfile(id): AtProfile,
) -> Result<StatusCode, ManagementError> {
    app.engine.revoke_refresh_tokens(&writer, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A profile in a list: id, provider and address; in full scope everything else too.
fn summary(view: &ProfileView, scope: DataScope) -> Result<RawObject, Error> {
    let provider = view.provider();
    let mut object = match scope {
        DataScope::Full => view.to_object()?,
        DataScope::Index => {
            let mut object = RawObject::default();
            object.set_value("id", &view.profile.id.to_string().into());
            if let Some(email) = &view.profile.email {
                object.set_value("email", &email.as_str().into());
            }
            object
        }
    };
    if let Some(provider) = provider
        && object.get("idp").is_none()
    {
        object.set_value("idp", &provider.into());
    }
    Ok(object)
}

//! `applications`: who may ask for tokens. App ID's statuses are kept: 200 for creating, 201 for renaming.

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
    application::{Credentials, NewApplication, RoleName},
};
use vestibule_model::{
    application::{ApplicationName, ApplicationType, ScopeNames},
    id::RoleId,
    privilege::ServiceRole,
};

use crate::{
    App,
    error::ManagementError,
    extract::{AsReader, AsWriter, AtApplication, JsonBody},
    route::{Guard, Route},
};

const READER: Guard = Guard::Role(ServiceRole::Reader);
const WRITER: Guard = Guard::Role(ServiceRole::Writer);

type Answer<T> = Result<Json<T>, ManagementError>;

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const ALL: &str = "/management/v4/{tenantId}/applications";
    const ONE: &str = "/management/v4/{tenantId}/applications/{clientId}";
    const SECRET: &str = "/management/v4/{tenantId}/applications/{clientId}/rotate_secret";
    const SCOPES: &str = "/management/v4/{tenantId}/applications/{clientId}/scopes";
    const ROLES: &str = "/management/v4/{tenantId}/applications/{clientId}/roles";
    vec![
        Route::new("get", ALL, "list_applications", || get(list))
            .guard(READER)
            .summary("All registered applications with their credentials.")
            .answers::<ApplicationList>(200),
        Route::new("post", ALL, "create_application", || post(create))
            .guard(WRITER)
            .summary("Register an application; at most 200 for each instance.")
            .takes::<CreateApplication>()
            .answers::<ApplicationBody>(200),
        Route::new("get", ONE, "get_application", || get(show))
            .guard(READER)
            .summary("One application with its credentials.")
            .answers::<ApplicationBody>(200),
        Route::new("put", ONE, "update_application", || put(rename))
            .guard(WRITER)
            .summary("Rename an application; type and credentials stay.")
            .takes::<RenameApplication>()
            .answers::<ApplicationBody>(201),
        Route::new("delete", ONE, "delete_application", || delete(remove))
            .guard(WRITER)
            .summary("Remove an application; its tokens are refused from then on.")
            .answers_nothing(204),
        Route::new("post", SECRET, "rotate_application_secret", || post(rotate))
            .guard(WRITER)
            .summary("Give an application another secret; the old one is refused at once.")
            .answers::<ApplicationBody>(200),
        Route::new("get", SCOPES, "get_application_scopes", || get(scopes))
            .guard(WRITER)
            .summary("Scopes that the application owns.")
            .answers::<ScopeList>(200),
        Route::new("put", SCOPES, "set_application_scopes", || put(set_scopes))
            .guard(WRITER)
            .summary(
                "Replace the scopes that the application owns; a dropped scope leaves every role.",
            )
            .takes::<ScopeList>()
            .answers::<ScopeList>(200),
        Route::new("get", ROLES, "get_application_roles", || get(roles))
            .guard(READER)
            .summary("Roles of the application itself, for the client credentials grant.")
            .answers::<RoleRefList>(200),
        Route::new("put", ROLES, "set_application_roles", || put(set_roles))
            .guard(WRITER)
            .summary("Replace the roles of the application itself.")
            .takes::<SetRoles>()
            .answers::<RoleRefList>(200),
    ]
}

#[derive(Serialize, JsonSchema)]
struct ApplicationList {
    applications: Vec<ApplicationBody>,
}

/// Credentials of an application (contract/runtime.md section 2).
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ApplicationBody {
    client_id: String,
    tenant_id: String,
    /// Absent for a single-page application.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    name: String,
    #[serde(rename = "oAuthServerUrl")]
    oauth_server_url: String,
    profiles_url: String,
    discovery_endpoint: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Deserialize, JsonSchema)]
struct CreateApplication {
    name: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct RenameApplication {
    name: String,
}

/// Left out, the list is empty: App ID's Go SDK leaves out empty lists.
#[derive(Serialize, Deserialize, JsonSchema)]
struct ScopeList {
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
struct SetRoles {
    roles: RoleIds,
}

/// Left out, the list is empty: App ID's Go SDK leaves out empty lists.
#[derive(Deserialize, JsonSchema)]
struct RoleIds {
    #[serde(default)]
    ids: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct RoleRefList {
    roles: Vec<RoleRef>,
}

#[derive(Serialize, JsonSchema)]
struct RoleRef {
    id: String,
    name: String,
}

impl From<Credentials> for ApplicationBody {
    fn from(credentials: Credentials) -> Self {
        let Credentials {
            application,
            secret,
            place,
        } = credentials;
        let issuer = place.issuer();
        Self {
            client_id: application.client_id.to_string(),
            tenant_id: place.tenant.to_string(),
            secret: secret.map(|secret| secret.expose().to_owned()),
            name: application.name,
            discovery_endpoint: format!("{issuer}/.well-known/openid-configuration"),
            oauth_server_url: issuer,
            profiles_url: place.host,
            kind: application.kind.name(),
        }
    }
}

impl From<Vec<RoleName>> for RoleRefList {
    fn from(roles: Vec<RoleName>) -> Self {
        Self {
            roles: roles
                .into_iter()
                .map(|(id, name)| RoleRef {
                    id: id.to_string(),
                    name,
                })
                .collect(),
        }
    }
}

async fn list(State(app): State<App>, AsReader(reader): AsReader) -> Answer<ApplicationList> {
    let all = app.engine.list_applications(&reader).await?;
    Ok(Json(ApplicationList {
        applications: all.into_iter().map(Into::into).collect(),
    }))
}

async fn create(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(body, _): JsonBody<CreateApplication>,
) -> Answer<ApplicationBody> {
    let new = NewApplication {
        name: ApplicationName::parse(&body.name)?,
        kind: match body.kind.as_deref() {
            None | Some("") => ApplicationType::RegularWebApp,
            Some(kind) => ApplicationType::parse(kind)?,
        },
    };
    Ok(Json(
        app.engine.create_application(&writer, new).await?.into(),
    ))
}

async fn show(
    State(app): State<App>,
    AsReader(reader): AsReader,
    AtApplication(client): AtApplication,
) -> Answer<ApplicationBody> {
    Ok(Json(app.engine.application(&reader, client).await?.into()))
}

async fn rename(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtApplication(client): AtApplication,
    JsonBody(body, _): JsonBody<RenameApplication>,
) -> Result<(StatusCode, Json<ApplicationBody>), ManagementError> {
    let name = ApplicationName::parse(&body.name)?;
    let renamed = app.engine.rename_application(&writer, client, name).await?;
    Ok((StatusCode::CREATED, Json(renamed.into())))
}

async fn remove(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtApplication(client): AtApplication,
) -> Result<StatusCode, ManagementError> {
    app.engine.delete_application(&writer, client).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn rotate(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtApplication(client): AtApplication,
) -> Answer<ApplicationBody> {
    Ok(Json(
        app.engine.rotate_secret(&writer, client).await?.into(),
    ))
}

async fn scopes(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtApplication(client): AtApplication,
) -> Answer<ScopeList> {
    let scopes = app.engine.application_scopes(&writer, client).await?;
    Ok(Json(ScopeList { scopes }))
}

async fn set_scopes(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtApplication(client): AtApplication,
    JsonBody(body, _): JsonBody<ScopeList>,
) -> Answer<ScopeList> {
    let names = ScopeNames::parse(&body.scopes)?;
    let scopes = app
        .engine
        .set_application_scopes(&writer, client, names)
        .await?;
    Ok(Json(ScopeList { scopes }))
}

async fn roles(
    State(app): State<App>,
    AsReader(reader): AsReader,
    AtApplication(client): AtApplication,
) -> Answer<RoleRefList> {
    Ok(Json(
        app.engine.application_roles(&reader, client).await?.into(),
    ))
}

async fn set_roles(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtApplication(client): AtApplication,
    JsonBody(body, _): JsonBody<SetRoles>,
) -> Answer<RoleRefList> {
    let ids = body.roles.ids.iter().map(|id| RoleId::parse(id));
    let ids = ids.collect::<Result<Vec<_>, _>>().map_err(Error::from)?;
    Ok(Json(
        app.engine
            .set_application_roles(&writer, client, ids)
            .await?
            .into(),
    ))
}

//! `roles`: names for sets of scopes. App ID's statuses are kept: 201 for creating, 200 for replacing, 202 for deleting.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vestibule_model::{
    Invalid,
    privilege::ServiceRole,
    role::{Role, RoleDraft},
};

use crate::{
    App,
    error::ManagementError,
    extract::{AsReader, AsWriter, AtRole, JsonBody},
    route::{Guard, Route},
};

const READER: Guard = Guard::Role(ServiceRole::Reader);
const WRITER: Guard = Guard::Role(ServiceRole::Writer);

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const ALL: &str = "/management/v4/{tenantId}/roles";
    const ONE: &str = "/management/v4/{tenantId}/roles/{roleId}";
    vec![
        Route::new("get", ALL, "list_roles", || get(list))
            .guard(READER)
            .summary("All roles.")
            .answers::<RoleList>(200),
        Route::new("post", ALL, "create_role", || post(create))
            .guard(WRITER)
            .summary("Make a role of scopes of applications; at most 50 for each instance.")
            .takes::<RoleInput>()
            .answers::<RoleBody>(201),
        Route::new("get", ONE, "get_role", || get(show))
            .guard(READER)
            .summary("One role.")
            .answers::<RoleBody>(200),
        Route::new("put", ONE, "update_role", || put(update))
            .guard(WRITER)
            .summary("Replace a role.")
            .takes::<RoleInput>()
            .answers::<RoleBody>(200),
        Route::new("delete", ONE, "delete_role", || delete(remove))
            .guard(WRITER)
            .summary("Delete a role and take it from everyone who has it.")
            .answers_nothing(202),
    ]
}

#[derive(Serialize, JsonSchema)]
struct RoleList {
    roles: Vec<RoleBody>,
}

#[derive(Serialize, JsonSchema)]
struct RoleBody {
    id: String,
    name: String,
    description: String,
    access: Vec<AccessBody>,
}

#[derive(Deserialize, JsonSchema)]
struct RoleInput {
    name: String,
    description: Option<String>,
    access: Vec<AccessBody>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct AccessBody {
    /// Client id of the application that owns the scopes.
    application_id: String,
    scopes: Vec<String>,
}

impl From<Role> for RoleBody {
    fn from(role: Role) -> Self {
        Self {
            id: role.id.to_string(),
            name: role.name,
            description: role.description,
            access: role
                .access
                .into_iter()
                .map(|access| AccessBody {
                    application_id: access.client_id.to_string(),
                    scopes: access.scopes,
                })
                .collect(),
        }
    }
}

impl RoleInput {
    fn parse(self) -> Result<RoleDraft, Invalid> {
        let access: Vec<(String, Vec<String>)> = self
            .access
            .into_iter()
            .map(|access| (access.application_id, access.scopes))
            .collect();
        RoleDraft::parse(
            &self.name,
            self.description.as_deref().unwrap_or(""),
            &access,
        )
    }
}

async fn list(
    State(app): State<App>,
    AsReader(reader): AsReader,
) -> Result<Json<RoleList>, ManagementError> {
    let all = app.engine.list_roles(&reader).await?;
    Ok(Json(RoleList {
        roles: all.into_iter().map(Into::into).collect(),
    }))
}

async fn create(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(body, _): JsonBody<RoleInput>,
) -> Result<(StatusCode, Json<RoleBody>), ManagementError> {
    let role = app.engine.create_role(&writer, body.parse()?).await?;
    Ok((StatusCode::CREATED, Json(role.into())))
}

async fn show(
    State(app): State<App>,
    AsReader(reader): AsReader,
    AtRole(id): AtRole,
) -> Result<Json<RoleBody>, ManagementError> {
    Ok(Json(app.engine.role(&reader, id).await?.into()))
}

async fn update(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtRole(id): AtRole,
    JsonBody(body, _): JsonBody<RoleInput>,
) -> Result<Json<RoleBody>, ManagementError> {
    let role = app.engine.update_role(&writer, id, body.parse()?).await?;
    Ok(Json(role.into()))
}

async fn remove(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtRole(id): AtRole,
) -> Result<StatusCode, ManagementError> {
    app.engine.delete_role(&writer, id).await?;
    Ok(StatusCode::ACCEPTED)
}

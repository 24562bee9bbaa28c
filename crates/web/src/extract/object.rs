//! Objects named in the path. What is not a UUID names nothing, so it is not found.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use vestibule_engine::Error;
use vestibule_model::id::{ClientId, DirectoryUserId, JobId, ProfileId, RoleId};

use crate::{
    App,
    error::{ManagementError, ScimError},
};

/// The `{clientId}` of the path.
pub struct AtApplication(pub ClientId);

/// The `{roleId}` of the path.
pub struct AtRole(pub RoleId);

impl FromRequestParts<App> for AtApplication {
    type Rejection = ManagementError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ManagementError> {
        let text = parameter(parts, app, "clientId").await;
        match text.and_then(|text| ClientId::parse(&text).ok()) {
            Some(id) => Ok(Self(id)),
            None => Err(Error::not_found("There is no such application.").into()),
        }
    }
}

impl FromRequestParts<App> for AtRole {
    type Rejection = ManagementError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ManagementError> {
        let text = parameter(parts, app, "roleId").await;
        match text.and_then(|text| RoleId::parse(&text).ok()) {
            Some(id) => Ok(Self(id)),
            None => Err(Error::not_found("There is no such role.").into()),
        }
    }
}

/// The `{jobId}` of the path.
pub struct AtJob(pub JobId);

impl FromRequestParts<App> for AtJob {
    type Rejection = ManagementError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ManagementError> {
        let text = parameter(parts, app, "jobId").await;
        match text.and_then(|text| JobId::parse(&text).ok()) {
            Some(id) => Ok(Self(id)),
            None => Err(Error::not_found("There is no such job.").into()),
        }
    }
}

/// The `{userId}` of the path: a Cloud Directory user.
pub struct AtDirectoryUser(pub DirectoryUserId);

/// The `{id}` of the path: a profile.
pub struct AtProfile(pub ProfileId);

impl FromRequestParts<App> for AtDirectoryUser {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ScimError> {
        let text = parameter(parts, app, "userId").await;
        match text.and_then(|text| DirectoryUserId::parse(&text).ok()) {
            Some(id) => Ok(Self(id)),
            None => Err(Error::not_found("There is no such user in the directory.").into()),
        }
    }
}

impl FromRequestParts<App> for AtProfile {
    type Rejection = ManagementError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ManagementError> {
        let text = parameter(parts, app, "id").await;
        match text.and_then(|text| ProfileId::parse(&text).ok()) {
            Some(id) => Ok(Self(id)),
            None => Err(Error::not_found("There is no such profile.").into()),
        }
    }
}

async fn parameter(parts: &mut Parts, app: &App, name: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, app).await.ok()?;
    let (_, value) = params.iter().find(|(found, _)| *found == name)?;
    Some(value.to_owned())
}

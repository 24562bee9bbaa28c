//! Proofs of permission from the bearer token and the instance in the path.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{header, request::Parts},
};
use vestibule_engine::{
    Error,
    access::{Caller, Manager, Reader, Writer},
    platform::Platform,
};
use vestibule_model::id::TenantId;

use crate::{
    App,
    error::{IamError, ManagementError},
};

/// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1). The scheme's case does not matter.
pub struct Bearer(pub String);

/// Whoever holds a valid platform token.
pub struct Calling(pub Platform);

/// Whoever may read the instance in the path.
pub struct AsReader(pub Reader);

/// Whoever may change the instance in the path.
pub struct AsWriter(pub Writer);

/// Whoever may move users of the instance in the path.
pub struct AsManager(pub Manager);

impl Bearer {
    /// Reads it from the headers.
    pub fn of(parts: &Parts) -> Result<Self, Error> {
        Self::with_scheme(parts, "bearer")
            .map(Self)
            .ok_or_else(|| Error::unauthenticated("A bearer token is required."))
    }

    /// What stands behind another scheme.
    pub fn with_scheme(parts: &Parts, wanted: &str) -> Option<String> {
        let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case(wanted)
            .then(|| token.trim().to_owned())
    }
}

impl FromRequestParts<App> for Calling {
    type Rejection = IamError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, IamError> {
        let caller = caller(parts, app).await?;
        let query = parts.uri.query().unwrap_or_default();
        for (name, account) in form_urlencoded::parse(query.as_bytes()) {
            if name == "account_id" && !account.is_empty() {
                own_account(&caller, Some(&account))?;
            }
        }
        Ok(Self(app.engine.on_platform(caller).await?))
    }
}

impl FromRequestParts<App> for AsReader {
    type Rejection = ManagementError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ManagementError> {
        let (caller, tenant) = at_instance(parts, app).await?;
        Ok(Self(app.engine.permit_reader(caller, tenant).await?))
    }
}

impl FromRequestParts<App> for AsWriter {
    type Rejection = ManagementError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ManagementError> {
        let (caller, tenant) = at_instance(parts, app).await?;
        Ok(Self(app.engine.permit_writer(caller, tenant).await?))
    }
}

impl FromRequestParts<App> for AsManager {
    type Rejection = ManagementError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ManagementError> {
        let (caller, tenant) = at_instance(parts, app).await?;
        Ok(Self(app.engine.permit_manager(caller, tenant).await?))
    }
}

/// Refuses what names the account of somebody else: a program that is pointed at the wrong one should learn of it.
pub fn own_account(caller: &Caller, account: Option<&str>) -> Result<(), Error> {
    match account {
        Some(other) if other != caller.account_id => Err(Error::forbidden(
            "account_id is another account's, not that of the API key.",
        )),
        _ => Ok(()),
    }
}

/// `Entity-Lock` and `Entity-Disable`, with which IBM's SDKs make things that are locked or disabled from the start.
#[derive(Default)]
pub struct FromTheStart {
    /// `Entity-Lock: true`.
    pub locked: bool,
    /// `Entity-Disable: true`.
    pub disabled: bool,
}

impl FromRequestParts<App> for FromTheStart {
    type Rejection = IamError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, IamError> {
        let said = |name: &str| match parts.headers.get(name).map(|value| value.as_bytes()) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case(b"true") => Ok(true),
            Some(text) if text.is_empty() || text.eq_ignore_ascii_case(b"false") => Ok(false),
            Some(_) => Err(Error::invalid(format!(
                "The header {name} is true or false."
            ))),
        };
        Ok(Self {
            locked: said("Entity-Lock")?,
            disabled: said("Entity-Disable")?,
        })
    }
}

async fn caller(parts: &Parts, app: &App) -> Result<Caller, Error> {
    let Bearer(token) = Bearer::of(parts)?;
    app.engine.authenticate_caller(&token).await
}

/// Who calls, and the `{tenantId}` of the path. Nobody learns whether an instance exists before having said who they are.
async fn at_instance(parts: &mut Parts, app: &App) -> Result<(Caller, TenantId), Error> {
    let caller = caller(parts, app).await?;
    let params = RawPathParams::from_request_parts(parts, app)
        .await
        .map_err(|_| Error::not_found("There is no such instance."))?;
    let tenant = params
        .iter()
        .find(|(name, _)| *name == "tenantId")
        .and_then(|(_, value)| TenantId::parse(value).ok())
        .ok_or_else(|| Error::not_found("There is no such instance."))?;
    Ok((caller, tenant))
}

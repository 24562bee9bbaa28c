//! Clients that register themselves: `register` (RFC 7591, RFC 7592), and `clients` for mobile devices.

use std::net::IpAddr;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request, State},
    http::{StatusCode, header, request::Parts},
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use vestibule_engine::{
    Error, Kind,
    runtime::{NewClient, Registered},
};
use vestibule_model::{
    application::metadata::ClientMetadata,
    id::{ClientId, TenantId},
};

use super::{
    cors,
    request::{At, client_address},
};
use crate::{
    App,
    error::OauthError,
    extract::Bearer,
    route::{Guard, Route},
};

/// Calls of clients about themselves.
pub(super) fn routes() -> Vec<Route> {
    const ALL: &str = "/oauth/v4/{tenantId}/register";
    const DEVICES: &str = "/oauth/v4/{tenantId}/clients";
    const ONE: &str = "/oauth/v4/{tenantId}/register/{clientId}";
    vec![
        Route::new("post", ALL, "register_client", || cors::open(post(register)))
            .summary("Registers a client, where the instance lets clients register themselves.")
            .takes::<ClientMetadata>()
            .answers::<Registration>(201),
        Route::new("post", DEVICES, "register_device", || post(register_device))
            .summary("Registers a device of a mobile app.")
            .takes::<ClientMetadata>()
            .answers::<Map<String, Value>>(201),
        Route::new("get", ONE, "get_registration", || get(show))
            .guard(Guard::Registration)
            .summary("The registration of the client that holds its token.")
            .answers::<Registration>(200),
        Route::new("put", ONE, "update_registration", || put(update))
            .guard(Guard::Registration)
            .summary("Replaces what the client says of itself. The answer has a new token; the old one is used up.")
            .takes::<ClientMetadata>()
            .answers::<Registration>(200),
        Route::new("delete", ONE, "delete_registration", || delete(remove))
            .guard(Guard::Registration)
            .summary("Ends the registration and every token of the client.")
            .answers_nothing(204),
    ]
}

/// A registration (RFC 7591 section 3.2.1).
#[derive(Serialize, JsonSchema)]
struct Registration {
    client_id: String,
    client_id_issued_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// 0: it does not run out.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<String>,
    registration_client_uri: String,
    #[serde(flatten)]
    metadata: ClientMetadata,
}

impl From<Registered> for Registration {
    fn from(registered: Registered) -> Self {
        let secret = registered.secret.map(|secret| secret.expose().to_owned());
        Self {
            client_id: registered.client_id.to_string(),
            client_id_issued_at: registered.created_at.seconds(),
            client_secret_expires_at: secret.as_ref().map(|_| 0),
            client_secret: secret,
            registration_access_token: registered.token.map(|token| token.expose().to_owned()),
            registration_client_uri: registered.uri,
            metadata: registered.metadata.as_ref().clone(),
        }
    }
}

async fn register(
    State(app): State<App>,
    proposal: Proposal,
) -> Result<(StatusCode, Json<Registration>), OauthError> {
    let registered = app.engine.register_client(NewClient {
        tenant: proposal.tenant,
        token: proposal.token.as_deref(),
        body: proposal.body,
        from: proposal.from,
    });
    Ok((StatusCode::CREATED, Json(registered.await?.into())))
}

async fn register_device(
    State(app): State<App>,
    proposal: Proposal,
) -> Result<(StatusCode, Json<Map<String, Value>>), OauthError> {
    let registered = app
        .engine
        .register_device(proposal.tenant, proposal.body, proposal.from);
    Ok((StatusCode::CREATED, Json(registered.await?)))
}

async fn show(
    State(app): State<App>,
    At(tenant): At,
    Holding(client, token): Holding,
) -> Result<Json<Registration>, OauthError> {
    let found = app.engine.registration(tenant, (client, &token)).await?;
    Ok(Json(found.into()))
}

async fn update(
    State(app): State<App>,
    Holding(client, token): Holding,
    proposal: Proposal,
) -> Result<Json<Registration>, OauthError> {
    let updated = app
        .engine
        .update_registration(
            proposal.tenant,
            (client, &token),
            proposal.body,
            proposal.from,
        )
        .await?;
    Ok(Json(updated.into()))
}

async fn remove(
    State(app): State<App>,
    At(tenant): At,
    Holding(client, token): Holding,
) -> Result<StatusCode, OauthError> {
    app.engine
        .delete_registration(tenant, (client, &token))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The `{clientId}` of the path, and the bearer's token.
struct Holding(ClientId, String);

impl FromRequestParts<App> for Holding {
    type Rejection = OauthError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, OauthError> {
        let Bearer(token) = Bearer::of(parts)?;
        let params = RawPathParams::from_request_parts(parts, app).await;
        let client = params.ok().and_then(|params| {
            let (_, text) = params.iter().find(|(name, _)| *name == "clientId")?;
            ClientId::parse(text).ok()
        });
        match client {
            Some(client) => Ok(Self(client, token)),
            None => Err(Error::unauthenticated("There is no such registration.").into()),
        }
    }
}

/// What a client says of itself, as JSON.
pub(super) struct Proposal {
    pub(super) tenant: TenantId,
    pub(super) token: Option<String>,
    pub(super) body: Value,
    pub(super) from: IpAddr,
}

impl FromRequest<App> for Proposal {
    type Rejection = OauthError;

    async fn from_request(request: Request, app: &App) -> Result<Self, OauthError> {
        let (mut parts, body) = request.into_parts();
        let At(tenant) = At::from_request_parts(&mut parts, app).await?;
        let token = match parts.headers.contains_key(header::AUTHORIZATION) {
            true => Some(Bearer::of(&parts)?.0),
            false => None,
        };
        let from = client_address(&parts);
        let bytes = Bytes::from_request(Request::from_parts(parts, body), app)
            .await
            .map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => metadata_error(
                    Kind::TooLarge,
                    "The body is larger than this service accepts.",
                ),
                _ => metadata_error(Kind::Invalid, "The body could not be read."),
            })?;
        Ok(Self {
            tenant,
            token,
            body: read(&bytes)?,
            from,
        })
    }
}

/// Reads JSON. iOS encodes it as if for a URL, which changes nothing as long as all is ASCII (contract/runtime.md section 4.11).
fn read(bytes: &[u8]) -> Result<Value, Error> {
    let plain = serde_json::from_slice(bytes);
    let read = plain.or_else(|error| {
        let decoded: Vec<u8> = percent_encoding::percent_decode(bytes).collect();
        serde_json::from_slice(&decoded).map_err(|_| error)
    });
    read.map_err(|_| metadata_error(Kind::Invalid, "The body is not JSON."))
}

fn metadata_error(kind: Kind, why: &str) -> Error {
    Error::new(kind, "invalid_client_metadata", why)
}

//! The calls of applications that authenticate themselves: token, introspection, revocation.

use axum::{Json, extract::State, http::StatusCode, routing::post};
use schemars::JsonSchema;
use vestibule_wire::token::{DeviceAuthorization, Introspection, Pushed, TokenAnswer};

use super::{cors, request::ClientCall};
use crate::{
    App,
    error::OauthError,
    route::{Guard, Route},
};

const FORM: &str = "application/x-www-form-urlencoded";

/// What the token endpoint takes. Also as JSON and as `multipart/form-data`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form for the API's own description")]
struct TokenForm {
    /// `authorization_code`, `password`, `refresh_token` or `client_credentials`.
    grant_type: String,
    /// For `authorization_code`.
    code: Option<String>,
    /// For `authorization_code`: the one that was asked with.
    redirect_uri: Option<String>,
    /// For `authorization_code`: PKCE.
    code_verifier: Option<String>,
    /// For `password`.
    username: Option<String>,
    /// For `password`.
    password: Option<String>,
    /// For `password`: an anonymous access token that becomes this user's.
    appid_access_token: Option<String>,
    /// For `refresh_token`.
    refresh_token: Option<String>,
    /// Some of what was agreed to in detail, as JSON.
    authorization_details: Option<String>,
    /// Where the access token is to be good; may be sent several times.
    resource: Option<String>,
    /// For `urn:ietf:params:oauth:grant-type:token-exchange`.
    subject_token: Option<String>,
    /// For `urn:ietf:params:oauth:grant-type:token-exchange`.
    subject_token_type: Option<String>,
    /// For `urn:ietf:params:oauth:grant-type:token-exchange`.
    actor_token: Option<String>,
    /// For `urn:ietf:params:oauth:grant-type:token-exchange`.
    actor_token_type: Option<String>,
    /// For `urn:ietf:params:oauth:grant-type:token-exchange`: as `resource`.
    audience: Option<String>,
    /// For `urn:ietf:params:oauth:grant-type:device_code`.
    device_code: Option<String>,
    /// Instead of the `Authorization` header.
    client_id: Option<String>,
    /// Instead of the `Authorization` header.
    client_secret: Option<String>,
}

/// A token to look at or to end.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form for the API's own description")]
struct TokenToExamine {
    /// The token.
    token: String,
    /// What sort it is; not needed.
    token_type_hint: Option<String>,
}

/// An authorization request; its other parameters are those of the authorization endpoint.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form for the API's own description")]
struct PushedForm {
    /// `code`.
    response_type: String,
    /// Where the answer goes.
    redirect_uri: String,
    /// Instead of the `Authorization` header.
    client_id: Option<String>,
    /// Instead of the `Authorization` header.
    client_secret: Option<String>,
}

/// What a device asks for.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form for the API's own description")]
struct DeviceForm {
    /// Scopes.
    scope: Option<String>,
    /// Instead of the `Authorization` header.
    client_id: Option<String>,
    /// Instead of the `Authorization` header.
    client_secret: Option<String>,
}

/// Calls with client authentication.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("post", "/oauth/v4/{tenantId}/token", "token", || {
            cors::open(post(token))
        })
        .guard(Guard::Client)
        .summary("Tokens for a code, a password, a refresh token or the application itself.")
        .takes_as::<TokenForm>(FORM)
        .answers::<TokenAnswer>(200),
        Route::new(
            "post",
            "/oauth/v4/{tenantId}/introspect",
            "introspect",
            || post(introspect),
        )
        .guard(Guard::Client)
        .summary("Whether a token is good now.")
        .takes_as::<TokenToExamine>(FORM)
        .answers::<Introspection>(200),
        Route::new("post", "/oauth/v4/{tenantId}/par", "par", || {
            cors::open(post(push))
        })
        .guard(Guard::Client)
        .summary("Keeps an authorization request and answers a URI for it.")
        .takes_as::<PushedForm>(FORM)
        .answers::<Pushed>(201),
        Route::new(
            "post",
            "/oauth/v4/{tenantId}/device_authorization",
            "device_authorization",
            || post(authorize_device),
        )
        .guard(Guard::Client)
        .summary("Codes for a device without a browser.")
        .takes_as::<DeviceForm>(FORM)
        .answers::<DeviceAuthorization>(200),
        Route::new("post", "/oauth/v4/{tenantId}/revoke", "revoke", || {
            post(revoke)
        })
        .guard(Guard::Client)
        .summary("Ends a token; an unknown one is no error.")
        .takes_as::<TokenToExamine>(FORM)
        .answers_nothing(200),
    ]
}

async fn token(State(app): State<App>, call: ClientCall) -> Result<Json<TokenAnswer>, OauthError> {
    Ok(Json(app.engine.exchange(&call.request()).await?))
}

async fn introspect(
    State(app): State<App>,
    call: ClientCall,
) -> Result<Json<Introspection>, OauthError> {
    Ok(Json(app.engine.introspect(&call.request()).await?))
}

async fn push(
    State(app): State<App>,
    call: ClientCall,
) -> Result<(StatusCode, Json<Pushed>), OauthError> {
    let pushed = app.engine.push(&call.request()).await?;
    Ok((StatusCode::CREATED, Json(pushed)))
}

async fn authorize_device(
    State(app): State<App>,
    call: ClientCall,
) -> Result<Json<DeviceAuthorization>, OauthError> {
    Ok(Json(app.engine.authorize_device(&call.request()).await?))
}

async fn revoke(State(app): State<App>, call: ClientCall) -> Result<StatusCode, OauthError> {
    app.engine.revoke_token(&call.request()).await?;
    Ok(StatusCode::OK)
}

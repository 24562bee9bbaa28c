//! `/identity/*`: platform tokens (contract/runtime.md section 10).

use std::collections::HashMap;

use axum::{
    Form, Json,
    extract::{State, rejection::FormRejection},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vestibule_engine::{Error, platform::tokens::PlatformToken};

use crate::{
    App,
    error::{IamError, log, status},
    route::Route,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("post", "/identity/token", "get_platform_token", || {
            post(token)
        })
        .summary("A platform token for an API key or a refresh token.")
        .takes_as::<TokenRequest>("application/x-www-form-urlencoded")
        .answers::<TokenAnswer>(200),
        Route::new("get", "/identity/keys", "get_platform_keys", || get(keys))
            .summary("Public keys of platform tokens.")
            .answers::<Value>(200),
    ]
}

/// Form of the token call.
#[derive(Deserialize, JsonSchema)]
#[expect(
    dead_code,
    reason = "describes the form; the handler reads it leniently"
)]
struct TokenRequest {
    /// `urn:ibm:params:oauth:grant-type:apikey` or `refresh_token`.
    grant_type: String,
    /// The API key.
    apikey: Option<String>,
    /// The refresh token.
    refresh_token: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct TokenAnswer {
    access_token: String,
    refresh_token: String,
    token_type: &'static str,
    expires_in: i64,
    expiration: i64,
    scope: &'static str,
}

impl From<PlatformToken> for TokenAnswer {
    fn from(token: PlatformToken) -> Self {
        Self {
            access_token: token.access_token,
            refresh_token: token.refresh_token.expose().to_owned(),
            token_type: "Bearer",
            expires_in: token.expires_in,
            expiration: token.expiration,
            scope: "ibm openid",
        }
    }
}

/// Errors of the token endpoint have a shape of their own: `{errorCode, errorMessage, context}`.
struct TokenError(Error);

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        log(&self.0);
        let code = if self.0.code == "invalid_request" {
            "BXNIM0109E"
        } else {
            self.0.code
        };
        let body = json!({"errorCode": code, "errorMessage": self.0.public, "context": {}});
        (status(self.0.kind), Json(body)).into_response()
    }
}

async fn token(
    State(app): State<App>,
    form: Result<Form<HashMap<String, String>>, FormRejection>,
) -> Result<impl IntoResponse, TokenError> {
    let Form(form) = form
        .map_err(|_| refused("The request must be a form (application/x-www-form-urlencoded)."))?;
    let token = match field(&form, "grant_type")? {
        "urn:ibm:params:oauth:grant-type:apikey" => {
            app.engine
                .issue_platform_token(field(&form, "apikey")?)
                .await
        }
        "refresh_token" => {
            app.engine
                .renew_platform_token(field(&form, "refresh_token")?)
                .await
        }
        _ => {
            return Err(refused(
                "grant_type must be urn:ibm:params:oauth:grant-type:apikey or refresh_token.",
            ));
        }
    };
    Ok(Json(TokenAnswer::from(token.map_err(TokenError)?)))
}

fn field<'a>(form: &'a HashMap<String, String>, name: &str) -> Result<&'a str, TokenError> {
    form.get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| refused(&format!("The form lacks {name}.")))
}

fn refused(words: &str) -> TokenError {
    TokenError(Error::invalid(words))
}

async fn keys(State(app): State<App>) -> Result<impl IntoResponse, IamError> {
    Ok(Json(app.engine.platform_jwks()?))
}

//! OAuth errors (RFC 6749 section 5.2) as App ID words them.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use vestibule_engine::{Error, Kind};

/// Renders an engine error as the OAuth server does. Every member is a string and `error` or `error_code` is always there, since
/// App ID's clients rely on both (contract/runtime.md section 4.2).
pub struct OauthError(pub Error);

impl<E: Into<Error>> From<E> for OauthError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let error = self.0;
        let body = match (error.kind, error.code) {
            (Kind::Throttled(_), _) => {
                json!({"error_code": "too many requests", "error_description": "too many requests"})
            }
            (Kind::Forbidden, "insufficient_scope") | (Kind::Unauthenticated, "invalid_token") => {
                json!({"error": error.code, "error_description": error.public})
            }
            (Kind::Forbidden, _) => {
                json!({"error_code": "FORBIDDEN", "error_description": error.public})
            }
            (Kind::Unauthenticated, "unauthorized" | "token_not_bound") => {
                json!({"error": "invalid_token", "error_description": error.public})
            }
            (_, code) => json!({"error": code, "error_description": error.public}),
        };
        let challenge = challenge(&error);
        let mut response = super::json(&error, &body);
        if let Some(Ok(nonce)) = error.nonce.map(HeaderValue::try_from) {
            response.headers_mut().insert("dpop-nonce", nonce);
        }
        if let Some(challenge) = challenge {
            let value = HeaderValue::from_static(challenge);
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}

/// What to authenticate with. App ID's mobile SDKs look for `appid_default` in quotes (contract/runtime.md section 4.5).
fn challenge(error: &Error) -> Option<&'static str> {
    match (super::status(error.kind), error.code) {
        (StatusCode::UNAUTHORIZED, "invalid_client") => Some("Basic realm=\"oauth\""),
        (StatusCode::UNAUTHORIZED, "token_not_bound") => {
            Some("DPoP error=\"invalid_token\", algs=\"PS256 ES256 EdDSA\"")
        }
        (StatusCode::UNAUTHORIZED, "invalid_dpop_proof") => {
            Some("DPoP error=\"invalid_dpop_proof\", algs=\"PS256 ES256 EdDSA\"")
        }
        (StatusCode::UNAUTHORIZED, "use_dpop_nonce") => {
            Some("DPoP error=\"use_dpop_nonce\", algs=\"PS256 ES256 EdDSA\"")
        }
        (StatusCode::UNAUTHORIZED, _) => {
            Some("Bearer scope=\"appid_default\", error=\"invalid_token\"")
        }
        (StatusCode::FORBIDDEN, "insufficient_scope") => {
            Some("Bearer scope=\"appid_default\", error=\"insufficient_scope\"")
        }
        _ => None,
    }
}

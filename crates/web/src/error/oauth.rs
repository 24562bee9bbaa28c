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
        let body = match error.kind {
            Kind::Throttled(_) => {
                json!({"error_code": "too many requests", "error_description": "too many requests"})
            }
            Kind::Forbidden => {
                json!({"error_code": "FORBIDDEN", "error_description": error.public})
            }
            _ => json!({"error": error.code, "error_description": error.public}),
        };
        let mut response = super::json(&error, &body);
        if response.status() == StatusCode::UNAUTHORIZED {
            let challenge = if error.code == "invalid_client" {
                HeaderValue::from_static("Basic realm=\"oauth\"")
            } else {
                HeaderValue::from_static("Bearer scope=\"appid_default\", error=\"invalid_token\"")
            };
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

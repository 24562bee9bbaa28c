//! App ID's management errors: `{"error_code", "error_description", "message"}`.

use axum::response::{IntoResponse, Response};
use serde_json::json;
use vestibule_engine::{Error, Kind};

/// Renders an engine error as the management and profiles APIs do.
pub struct ManagementError(pub Error);

impl<E: Into<Error>> From<E> for ManagementError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ManagementError {
    fn into_response(self) -> Response {
        let error = self.0;
        // The documented 429 body has this literal text in both members (contract/runtime.md section 4.2).
        let body = if matches!(error.kind, Kind::Throttled(_)) {
            json!({"error_code": "too many requests", "error_description": "too many requests"})
        } else {
            json!({
                "error_code": error.code.to_uppercase(),
                "error_description": error.public,
                "message": error.public,
            })
        };
        super::json(&error, &body)
    }
}

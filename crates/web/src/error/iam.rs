//! Platform errors: `{"errors": [{"code", "message"}], "trace", "status_code"}` (contract/platform.md).

use axum::response::{IntoResponse, Response};
use serde_json::json;
use vestibule_engine::Error;

/// Renders an engine error as the platform APIs do.
pub struct IamError(pub Error);

impl<E: Into<Error>> From<E> for IamError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for IamError {
    fn into_response(self) -> Response {
        let error = self.0;
        let status = super::status(error.kind);
        let body = json!({
            "errors": [{"code": error.code, "message": error.public}],
            "message": error.public,
            "status_code": status.as_u16(),
        });
        super::json(&error, &body)
    }
}

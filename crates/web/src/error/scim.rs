//! SCIM errors of Cloud Directory (RFC 7644 section 3.12).

use axum::response::{IntoResponse, Response};
use serde_json::json;
use vestibule_engine::{Error, Kind};

/// Renders an engine error as Cloud Directory does. The Node SDK reads `scimType` as the code and `detail` as the text.
pub struct ScimError(pub Error);

impl<E: Into<Error>> From<E> for ScimError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let error = self.0;
        let scim_type = match (error.kind, error.code) {
            (Kind::Conflict, "conflict") => Some("uniqueness"),
            (Kind::Invalid, "invalid_request") => Some("invalidValue"),
            (Kind::Conflict | Kind::Invalid, code) => Some(code),
            _ => None,
        };
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": super::status(error.kind).as_str(),
            "detail": error.public,
            "message": error.public,
        });
        if let (Some(scim_type), Some(object)) = (scim_type, body.as_object_mut()) {
            object.insert("scimType".into(), scim_type.into());
        }
        super::json(&error, &body)
    }
}

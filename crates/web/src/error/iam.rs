//! Platform errors: `{"errors": [{"code", "message"}], "trace", "status_code"}` (contract/platform.md).

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use vestibule_engine::Error;

use crate::App;

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
        let body = json!({
            "errors": [{"code": error.code, "message": error.public}],
            "message": error.public,
        });
        let mut response = super::json(&error, &body);
        response.extensions_mut().insert(Untraced(body));
        response
    }
}

/// The body of a platform error that does not name its request yet.
#[derive(Clone)]
struct Untraced(Value);

/// Puts errors that no dialect of ours wrote into that of their plane. Completes platform errors with what only the way out knows: the final status, and a name for the request that stands in the log
/// and in the `Transaction-Id` header too.
pub(crate) async fn trace(State(app): State<App>, request: Request, next: Next) -> Response {
    let (uri, head) = (request.uri().clone(), request.method() == Method::HEAD);
    let mut response = next.run(request).await;
    if !head && super::is_bare(uri.path(), &response) {
        response = super::in_dialect(uri.path(), response).await;
    }
    let Some(Untraced(mut body)) = response.extensions_mut().remove::<Untraced>() else {
        return response;
    };
    let (trace, status) = (app.engine.trace_id(), response.status().as_u16());
    tracing::debug!(%trace, status, message = %body["message"], "platform request refused");
    body["trace"] = Value::from(trace.as_str());
    body["status_code"] = Value::from(status);
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    if let Ok(value) = HeaderValue::try_from(trace) {
        parts
            .headers
            .insert(HeaderName::from_static("transaction-id"), value);
    }
    Response::from_parts(parts, body.to_string().into())
}

//! One table from the engine's kinds of errors to statuses, and one renderer per dialect of errors.

mod iam;
mod management;
mod oauth;
mod page;
mod scim;

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use vestibule_engine::{Error, Kind};

pub use iam::IamError;
pub(crate) use iam::trace;
pub use management::ManagementError;
pub use oauth::OauthError;
pub(crate) use page::error_page;
pub use scim::ScimError;

/// Most bytes of an error's text that are told.
const LONGEST_TEXT: usize = 4096;

/// The status of a kind of error.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Stale => StatusCode::PRECONDITION_FAILED,
        Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Writes what the caller must not see to the log.
pub fn log(error: &Error) {
    match (&error.kind, &error.source) {
        (Kind::Internal, _) => tracing::error!(?error, "request failed"),
        (Kind::Unavailable(_), _) | (_, Some(_)) => tracing::debug!(?error, "request refused"),
        _ => {}
    }
}

/// A JSON error answer with the status of the error and, where one is due, `Retry-After` (RFC 9110 section 10.2.3).
pub(crate) fn json(error: &Error, body: &impl Serialize) -> Response {
    json_with_status(error, status(error.kind), body)
}

/// The same with a status of the dialect's own.
pub(crate) fn json_with_status(
    error: &Error,
    status: StatusCode,
    body: &impl Serialize,
) -> Response {
    log(error);
    let mut response = (status, axum::Json(body)).into_response();
    if status == StatusCode::UNAUTHORIZED {
        // RFC 9110 section 15.5.2. Dialects that know better put their own in its place.
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Kind::Throttled(seconds) | Kind::Unavailable(seconds) = error.kind {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Answers a path that nothing lives at, in the dialect of its plane.
pub(crate) async fn no_such_route(request: Request) -> Response {
    by_plane(
        request.uri().path(),
        StatusCode::NOT_FOUND,
        Error::not_found("There is nothing at this path."),
    )
}

/// Answers a method that a path does not have, in the dialect of its plane.
pub(crate) async fn no_such_method(request: Request) -> Response {
    by_plane(
        request.uri().path(),
        StatusCode::METHOD_NOT_ALLOWED,
        Error::invalid("This path does not take this method."),
    )
}

/// Puts an error that the framework wrote itself, as bare text or as nothing, into the dialect of its plane.
async fn in_dialect(path: &str, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, LONGEST_TEXT)
        .await
        .ok()
        .and_then(|bytes| String::from_utf8(bytes.into()).ok())
        .filter(|text| !text.trim().is_empty())
        .or_else(|| parts.status.canonical_reason().map(str::to_owned))
        .unwrap_or_default();
    let mut text = text.trim_end_matches('.').to_owned();
    text.push('.');
    let error = match parts.status {
        StatusCode::PAYLOAD_TOO_LARGE => Error::new(Kind::TooLarge, "too_large", text),
        _ => Error::invalid(text),
    };
    let mut told = by_plane(path, parts.status, error);
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            told.headers_mut().append(name, value.clone());
        }
    }
    told
}

/// Whether an answer below a plane is an error without a body, or with bare text that no dialect of ours writes. Pages for people may have
/// such text.
fn is_bare(path: &str, response: &Response) -> bool {
    if ["/docs", "/console"]
        .iter()
        .any(|pages| path.starts_with(pages))
    {
        return false;
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    response.status().is_client_error()
        && kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

/// An error in the dialect of the plane of a path.
pub(crate) fn by_plane(path: &str, status: StatusCode, error: Error) -> Response {
    let mut response = if path.starts_with("/oauth/") {
        OauthError(error).into_response()
    } else if path.starts_with("/v1/") || path.starts_with("/v2/") || path.starts_with("/identity/")
    {
        IamError(error).into_response()
    } else {
        ManagementError(error).into_response()
    };
    *response.status_mut() = status;
    response
}

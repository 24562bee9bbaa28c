//! Calls from pages of other origins (contract/runtime.md section 3.3). These endpoints look at no cookie, so every origin may
//! call them; what they give, they give for a token or a code.

use axum::{
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::MethodRouter,
};

use crate::App;

/// Lets pages of any origin call these methods, and answers their preflights.
pub(super) fn open(methods: MethodRouter<App>) -> MethodRouter<App> {
    shared(methods).options(preflight)
}

/// Lets pages of any origin call these methods; another route of the same path answers the preflights.
pub(super) fn shared(methods: MethodRouter<App>) -> MethodRouter<App> {
    methods.route_layer(middleware::map_response(allow))
}

async fn allow(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("www-authenticate, retry-after, dpop-nonce"),
    );
    response
}

async fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, dpop, x-filter-type",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

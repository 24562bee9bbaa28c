//! What handlers share, and how the router is put together.

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::Response,
};
use vestibule_engine::Engine;

use crate::{error, route};

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    /// The product.
    pub engine: Engine,
    /// Bounds on requests.
    pub limits: Limits,
}

/// Bounds on requests.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest request body in bytes, import bodies aside.
    pub body: usize,
    /// Largest import body in bytes.
    pub import_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            import_body: 64 << 20,
        }
    }
}

/// The service as one axum router.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in route::all() {
        router = router.route(route.path, (route.handler)());
    }
    router
        .fallback(error::no_such_route)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(DefaultBodyLimit::max(app.limits.body))
        .layer(middleware::from_fn(security_headers))
        .with_state(app)
}

/// Headers that no answer should lack; a handler's own value wins.
async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

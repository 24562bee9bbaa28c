//! What handlers share, and how the router is put together.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::Response,
};
use tower_http::normalize_path::NormalizePath;
use vestibule_engine::Engine;

use crate::{
    console,
    drain::drain,
    error,
    metrics::Metrics,
    pages::Pages,
    proxy::{Proxies, attribute},
    route,
    unpack::unpack,
};

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    /// The product.
    pub engine: Engine,
    /// Bounds on requests.
    pub limits: Limits,
    /// Proxies that are listened to.
    pub proxies: Arc<Proxies>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Pages for people who sign in.
    pub pages: Arc<Pages>,
}

impl App {
    /// With fresh counters.
    pub fn new(engine: Engine, limits: Limits) -> Self {
        Self {
            engine,
            limits,
            proxies: Arc::default(),
            metrics: Arc::new(Metrics::new()),
            pages: Arc::new(Pages::new()),
        }
    }

    /// The same behind these proxies.
    pub fn behind(mut self, proxies: Proxies) -> Self {
        self.proxies = Arc::new(proxies);
        self
    }
}

impl App {
    /// A path of this service as clients see it.
    pub(crate) fn absolute(&self, path: &str) -> String {
        format!("{}{path}", self.engine.settings().public_url)
    }
}

/// Bounds on requests.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest request body in bytes, import bodies aside; counted after decompression.
    pub body: usize,
    /// Largest import body in bytes.
    pub import_body: usize,
    /// How long a request body may stand still, those aside whose jobs attend their senders themselves.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            import_body: 64 << 20,
            silence: Duration::from_secs(30),
        }
    }
}

/// The service as one axum router.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in route::all() {
        router = router.route(route.path, route.service());
    }
    let routes = router
        .merge(console::files())
        .fallback(error::no_such_route)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(DefaultBodyLimit::max(app.limits.body))
        // The Go SDK may send gzip bodies; the limit above counts what comes out.
        .layer(middleware::from_fn(unpack))
        .layer(middleware::from_fn_with_state(app.clone(), attribute))
        .layer(middleware::from_fn_with_state(app.clone(), error::trace))
        .layer(middleware::from_fn_with_state(app.clone(), count))
        .layer(middleware::from_fn(security_headers))
        .layer(middleware::from_fn_with_state(app.clone(), drain))
        .with_state(app);
    // A trailing slash means the same as none (documented calls have one); this has to happen before a route is chosen.
    Router::new().fallback_service(NormalizePath::trim_trailing_slash(routes))
}

/// Headers that no answer should lack; a handler's own value wins.
async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        );
    }
    response
}

/// Counts requests by route and status, and the time they took.
async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let started = std::time::Instant::now();
    let response = next.run(request).await;
    let path = path.as_ref().map_or("unmatched", MatchedPath::as_str);
    app.metrics
        .observe(path, response.status(), started.elapsed());
    response
}

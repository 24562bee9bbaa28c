//! `/docs/`: the table of routes as a page, so that the documentation cannot name a call that does not exist.

use axum::{
    http::header,
    response::{Html, IntoResponse},
};
use minijinja::{Environment, context};

use crate::route::{self, Guard};

const PAGE: &str = include_str!("../../../templates/docs.html");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// The page.
pub(crate) async fn page() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(render()))
}

fn render() -> String {
    let rows: Vec<_> = route::all()
        .iter()
        .map(|route| {
            context! {
                method => route.method.to_uppercase(),
                path => route.path,
                summary => route.summary,
                guard => guard(route.guard),
                status => route.status,
            }
        })
        .collect();
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    environment
        .render_str(
            PAGE,
            context! { routes => rows, version => env!("CARGO_PKG_VERSION") },
        )
        .unwrap_or_else(|error| {
            tracing::error!(%error, "the documentation page does not render");
            String::from("The documentation page cannot be shown. See /openapi.json.")
        })
}

fn guard(guard: Guard) -> &'static str {
    match guard {
        Guard::Open => "everybody",
        Guard::Client => "application credentials",
        Guard::AccessToken => "access token",
        Guard::Platform => "platform token",
        Guard::Role(role) => role.name(),
    }
}

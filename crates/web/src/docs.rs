//! `/docs/`: the table of routes as a page, so that the documentation cannot name a call that does not exist, and the pages of `docs/` that
//! say what the calls mean.

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use minijinja::{Environment, Value, context};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html::push_html};

use crate::route::{self, Guard};

const PAGE: &str = include_str!("../../../templates/docs.html");
const TEXT: &str = include_str!("../../../templates/docs-text.html");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// A page of `docs/`.
struct Text {
    path: &'static str,
    markdown: &'static str,
}

macro_rules! texts {
    ($($path:literal),+ $(,)?) => {
        &[$(Text {
            path: $path,
            markdown: include_str!(concat!("../../../docs/", $path)),
        }),+]
    };
}

/// They name each other by their files, so that is what they are called here.
const TEXTS: &[Text] = texts!(
    "guides/web-app.md",
    "guides/api.md",
    "guides/single-page-app.md",
    "guides/service-to-service.md",
    "guides/mobile-app.md",
    "api/management.md",
    "api/moving-users.md",
    "api/jobs.md",
    "api/predicates.md",
    "api/runtime.md",
    "api/clients.md",
    "api/certificates.md",
    "api/platform.md",
    "formats/bundle.md",
    "formats/hash-envelope.md",
    "conformance.md",
);

impl Text {
    /// Its first heading.
    fn title(&self) -> &'static str {
        let heading = self.markdown.lines().next().unwrap_or(self.path);
        heading.trim_start_matches(['#', ' '])
    }

    fn html(&self) -> String {
        let options = Options::ENABLE_TABLES;
        let mut events: Vec<Event<'_>> = Parser::new_ext(self.markdown, options).collect();
        name_headings(&mut events);
        let mut html = String::new();
        push_html(&mut html, events.into_iter());
        // Tables of code are wider than telephones.
        html.replace("<table>", "<div class=\"scroll\"><table>")
            .replace("</table>", "</table></div>")
    }
}

/// Gives each heading the id that links within these texts use, which is the one that GitHub gives it.
fn name_headings(events: &mut [Event<'_>]) {
    let (mut begun, mut words) = (None, String::new());
    for at in 0..events.len() {
        match events.get(at) {
            Some(Event::Start(Tag::Heading { .. })) => (begun, words) = (Some(at), String::new()),
            Some(Event::Text(text) | Event::Code(text)) if begun.is_some() => words.push_str(text),
            Some(Event::End(TagEnd::Heading(_))) => {
                let heading = begun.take().and_then(|begun| events.get_mut(begun));
                if let Some(Event::Start(Tag::Heading { id, .. })) = heading {
                    *id = Some(slug(&words).into());
                }
            }
            _ => {}
        }
    }
}

fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The page.
pub(crate) async fn page() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(render()))
}

/// One of the texts.
pub(crate) async fn text(Path((section, name)): Path<(String, String)>) -> Response {
    show(&format!("{section}/{name}"))
}

/// One of the texts that belong to no section.
pub(crate) async fn page_text(Path(name): Path<String>) -> Response {
    show(&name)
}

fn show(path: &str) -> Response {
    let Some(text) = TEXTS.iter().find(|text| text.path == path) else {
        return (StatusCode::NOT_FOUND, "There is no such page.").into_response();
    };
    let page = filled(
        TEXT,
        context! { title => text.title(), body => text.html() },
    );
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page)).into_response()
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
    let texts: Vec<_> = TEXTS
        .iter()
        .map(|text| {
            context! {
                path => format!("/docs/{}", text.path),
                title => text.title(),
            }
        })
        .collect();
    filled(
        PAGE,
        context! { routes => rows, texts => texts, version => env!("CARGO_PKG_VERSION") },
    )
}

fn filled(template: &str, values: Value) -> String {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    environment
        .render_str(template, values)
        .unwrap_or_else(|error| {
            tracing::error!(%error, "a documentation page does not render");
            String::from("The documentation page cannot be shown. See /openapi.json.")
        })
}

fn guard(guard: Guard) -> &'static str {
    match guard {
        Guard::Open => "everybody",
        Guard::Client => "application credentials",
        Guard::AccessToken => "access token",
        Guard::Registration => "registration token",
        Guard::Platform => "platform token",
        Guard::Role(role) => role.name(),
    }
}

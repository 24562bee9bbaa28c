//! Errors for people: a page in plain words, where no application can be told.

use axum::response::Response;
use minijinja::context;
use vestibule_engine::{Error, Kind};

use crate::pages::{Page, Pages};

/// Renders an engine error as a page. The words are the page's own; what the engine says is for machines.
pub(crate) fn error_page(pages: &Pages, error: &Error, language: &'static str) -> Response {
    super::log(error);
    let text = match (error.kind, error.code) {
        (_, "unknown_application") => "error_application",
        (_, "foreign_redirect") => "error_redirect",
        (_, "directory_off") => "error_unavailable",
        (Kind::NotFound, _) => "error_not_found",
        (Kind::Unavailable(_) | Kind::Throttled(_), _) => "busy",
        (Kind::Internal, _) => "error_ours",
        _ => "error_request",
    };
    // For whoever makes the application, in the words of the interface.
    let detail = (text == "error_request").then_some(error.public.as_str());
    pages.render(Page {
        template: "notice",
        status: super::status(error.kind),
        language,
        content: context! { text, detail },
        policy: "frame-ancestors 'none'; form-action 'none'",
    })
}

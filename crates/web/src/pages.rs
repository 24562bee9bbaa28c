//! Pages for people who sign in: rendered here, complete without JavaScript, in the languages of `templates/messages`.

use std::collections::HashMap;

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use minijinja::{AutoEscape, Environment, Value, context};
use vestibule_wire::language;

const TEMPLATES: [(&str, &str); 12] = [
    ("layout", include_str!("../../../templates/layout.html")),
    ("sign-in", include_str!("../../../templates/sign-in.html")),
    ("consent", include_str!("../../../templates/consent.html")),
    ("granted", include_str!("../../../templates/granted.html")),
    ("notice", include_str!("../../../templates/notice.html")),
    ("message", include_str!("../../../templates/message.html")),
    ("post", include_str!("../../../templates/post.html")),
    (
        "device-code",
        include_str!("../../../templates/device-code.html"),
    ),
    ("device", include_str!("../../../templates/device.html")),
    (
        "device-end",
        include_str!("../../../templates/device-end.html"),
    ),
    ("logout", include_str!("../../../templates/logout.html")),
    (
        "check-session",
        include_str!("../../../templates/check-session.html"),
    ),
];

/// The style of all pages.
pub(crate) const STYLE: &str = include_str!("../../../templates/page.css");

/// Languages and their texts. The first is for those whose language is not here.
const MESSAGES: [(&str, &str); 9] = [
    ("en", include_str!("../../../templates/messages/en.json")),
    ("de", include_str!("../../../templates/messages/de.json")),
    ("fr", include_str!("../../../templates/messages/fr.json")),
    ("es", include_str!("../../../templates/messages/es.json")),
    ("it", include_str!("../../../templates/messages/it.json")),
    ("ja", include_str!("../../../templates/messages/ja.json")),
    (
        "pt-BR",
        include_str!("../../../templates/messages/pt-BR.json"),
    ),
    (
        "zh-CN",
        include_str!("../../../templates/messages/zh-CN.json"),
    ),
    ("ar", include_str!("../../../templates/messages/ar.json")),
];

/// Templates and texts, read once.
pub struct Pages {
    environment: Environment<'static>,
    messages: HashMap<&'static str, Value>,
}

/// A page to send.
pub(crate) struct Page<'a> {
    /// Its template.
    pub template: &'static str,
    /// Status.
    pub status: StatusCode,
    /// Language it is in.
    pub language: &'static str,
    /// What the template shows.
    pub content: Value,
    /// Sources of the content security policy beside our own style.
    pub policy: &'a str,
}

impl Pages {
    /// Reads templates and texts.
    pub fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        for (name, source) in TEMPLATES {
            if let Err(error) = environment.add_template(name, source) {
                tracing::error!(%error, name, "a page template is broken");
            }
        }
        let messages = MESSAGES
            .iter()
            .map(|(language, text)| {
                let texts: HashMap<String, String> = serde_json::from_str(text).unwrap_or_default();
                (*language, Value::from_pairs(texts))
            })
            .collect();
        Self {
            environment,
            messages,
        }
    }

    /// The language for a person, of those we have.
    pub(crate) fn language(asked: Option<&str>, accepted: Option<&str>) -> &'static str {
        let available = MESSAGES.map(|(language, _)| language);
        language::choose(asked, accepted, &available)
    }

    /// Renders a page.
    pub(crate) fn render(&self, page: Page<'_>) -> Response {
        let direction = if page.language == "ar" { "rtl" } else { "ltr" };
        let rendered = self
            .environment
            .get_template(page.template)
            .and_then(|template| {
                template.render(context! {
                    m => self.messages.get(page.language),
                    language => page.language,
                    direction,
                    ..page.content
                })
            });
        let html = rendered.unwrap_or_else(|error| {
            tracing::error!(%error, template = page.template, "a page does not render");
            String::from("<!doctype html><title>Error</title><p>This page cannot be shown.")
        });
        let policy = format!(
            "default-src 'none'; style-src 'self'; base-uri 'none'; {}",
            page.policy
        );
        let mut response = (page.status, html).into_response();
        let headers = response.headers_mut();
        let fixed: [(HeaderName, &'static str); 2] = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::VARY, "accept-language"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in [
            (header::CONTENT_SECURITY_POLICY, policy.as_str()),
            (header::CONTENT_LANGUAGE, page.language),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// A place as a content security policy may name it; nothing where it could be read as more than one place.
pub(crate) fn source(place: &str) -> &str {
    let parts =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, ';' | ',' | '\'' | '"');
    if place.contains(parts) { "" } else { place }
}

impl Default for Pages {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_adds_nothing_to_a_policy() {
        for good in [
            "https://a.example",
            "http://[::1]:8080",
            "com.example.app:",
            "",
        ] {
            assert_eq!(source(good), good);
        }
        for bad in [
            "https://a.example;sandbox",
            "https://a.example 'unsafe-inline'",
            "a,b",
            "'self'",
            "a\"b",
            "a\nb",
        ] {
            assert_eq!(source(bad), "", "{bad}");
        }
    }

    #[test]
    fn every_language_has_every_text() {
        let read = |text: &str| -> std::collections::BTreeMap<String, String> {
            serde_json::from_str(text).unwrap()
        };
        let english = read(MESSAGES[0].1);
        for (language, text) in MESSAGES {
            let texts = read(text);
            assert!(texts.keys().eq(english.keys()), "{language}");
            assert!(
                texts.values().all(|text| !text.trim().is_empty()),
                "{language}"
            );
            assert!(texts["intro"].contains("{application}"), "{language}");
            assert!(
                texts["consent_intro"].contains("{application}"),
                "{language}"
            );
            assert!(texts["consent_back"].contains("{host}"), "{language}");
            assert!(
                texts["device_intro"].contains("{application}"),
                "{language}"
            );
        }
    }
}

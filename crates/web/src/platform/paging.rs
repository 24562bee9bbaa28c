//! Pages of platform lists.

use axum::http::Uri;
use serde::Deserialize;
use vestibule_engine::platform::Page;

use crate::{
    App,
    route::{Query, optional},
};

/// `limit` and `start` of the Resource Controller.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Window {
    limit: Option<u32>,
    start: Option<String>,
}

/// Query parameters of [`Window`].
pub(super) const WINDOW: &[Query] = &[
    optional("limit", "Rows a page, 1 to 100 (100)."),
    optional("start", "Where the page begins, from next_url."),
];

impl Window {
    pub(super) fn of(limit: Option<u32>, start: Option<String>) -> Self {
        Self { limit, start }
    }

    pub(super) fn count(&self) -> u32 {
        self.limit.unwrap_or(100).clamp(1, 100)
    }

    pub(super) fn start(&self) -> Option<&str> {
        self.start.as_deref()
    }
}

/// `pagesize` and `pagetoken` of IAM.
#[derive(Debug, Default, Deserialize)]
pub(super) struct IamWindow {
    pagesize: Option<u32>,
    pagetoken: Option<String>,
}

impl IamWindow {
    pub(super) fn of(pagesize: Option<u32>, pagetoken: Option<String>) -> Self {
        Self {
            pagesize,
            pagetoken,
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.pagesize.unwrap_or(20).clamp(1, 100)
    }

    pub(super) fn start(&self) -> Option<&str> {
        self.pagetoken.as_deref()
    }
}

/// A link to the next page: path, the query without the paging parameter, and the new one.
pub(super) fn next_link(path: &str, query: Option<&str>, parameter: &str, start: &str) -> String {
    let mut text = format!("{path}?");
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        if pair.split('=').next() != Some(parameter) {
            text.push_str(pair);
            text.push('&');
        }
    }
    let start = percent_encoding::utf8_percent_encode(start, percent_encoding::NON_ALPHANUMERIC);
    format!("{text}{parameter}={start}")
}

/// IAM's link to the next page of a list, absolute.
pub(super) fn iam_next<T>(app: &App, uri: &Uri, page: &Page<T>) -> Option<String> {
    let start = page.next.as_deref()?;
    Some(app.absolute(&next_link(uri.path(), uri.query(), "pagetoken", start)))
}

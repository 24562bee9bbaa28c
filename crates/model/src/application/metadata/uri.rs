//! URIs of clients.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::ClientSurface;
use crate::uri::has_plain_host;

const LONGEST: usize = 2000;

/// Whether sign-in may return there: `https`, or `http` on the person's own machine; for a native client also a scheme of its own,
/// which is a domain name backwards (RFC 8252 sections 7.1 and 8.4).
pub(super) fn is_redirect(text: &str, surface: ClientSurface) -> bool {
    let Some(url) = plain(text) else {
        return false;
    };
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(&url),
        scheme => {
            let rest = text.split_once(':').map_or("", |(_, rest)| rest);
            surface == ClientSurface::Native && scheme.contains('.') && rest.starts_with('/')
        }
    }
}

/// Whether it is an address of the web, for a person's browser.
pub(super) fn is_page(text: &str) -> bool {
    plain(text).is_some_and(|url| matches!(url.scheme(), "https" | "http") && url.host().is_some())
}

/// Whether it is an address that the service itself or a frame may load.
pub(super) fn is_service(text: &str) -> bool {
    plain(text).is_some_and(|url| {
        url.host().is_some()
            && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)))
    })
}

/// The host of an address, in lower case.
pub(super) fn host(text: &str) -> Option<String> {
    Some(Url::parse(text).ok()?.host_str()?.to_owned())
}

/// Scheme, host and port.
pub(super) fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    Some(url.origin().ascii_serialization())
}

/// Whether two loopback addresses differ in nothing but the port.
pub(super) fn same_but_for_loopback_port(registered: &str, asked: &str) -> bool {
    let without_port = |text: &str| {
        let mut url = plain(text).filter(|url| url.scheme() == "http")?;
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => address == Ipv4Addr::LOCALHOST,
            Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
            _ => false,
        };
        if !literal {
            return None;
        }
        url.set_port(None).ok()?;
        Some(url)
    };
    match (without_port(registered), without_port(asked)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    }
}

/// An absolute URI of acceptable length without anything that is read differently by different readers.
fn plain(text: &str) -> Option<Url> {
    let odd = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '\\' | '#' | '*' | '<' | '>' | '"')
    };
    if text.len() > LONGEST || !text.is_ascii() || text.contains(odd) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let bare = url.username().is_empty() && url.password().is_none();
    (bare && has_plain_host(&url)).then_some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

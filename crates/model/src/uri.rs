//! What all rules about URIs share.

use url::{Host, Url};

/// Whether the host, if there is one, is an address or a name of the letters that names have. The URL standard admits more, such as `;`
/// and `,`, which are read differently elsewhere: in a content security policy they end a source.
pub(crate) fn has_plain_host(url: &Url) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match url.host() {
        Some(Host::Domain(name)) => name.chars().all(plain),
        _ => true,
    }
}

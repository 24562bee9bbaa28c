//! `config/redirect_uris`: where sign-in may return to (contract/runtime.md section 5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Family;
use crate::{Invalid, uri::has_plain_host};

/// The allow-list of redirect URIs. Each starts with `http://` or `https://`; one `*` is allowed, at the very end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RedirectUris {
    /// In the order given.
    pub redirect_uris: Vec<String>,
}

impl RedirectUris {
    /// Most URIs one instance keeps.
    pub const MOST: usize = 1000;

    /// Whether a sign-in may return to `uri`. Query parameters are ignored on both sides. Scheme, host and port are compared
    /// after URL normalisation, the path exactly; a trailing `*` of a registered value stands for any rest of the *path*, never
    /// for part of the host. A URI with a fragment, user info, a backslash or dot segments matches nothing.
    pub fn allows(&self, uri: &str) -> bool {
        let Some(asked) = Target::parse(uri) else {
            return false;
        };
        self.redirect_uris.iter().any(|registered| {
            let (text, wildcard) = match registered.strip_suffix('*') {
                Some(text) => (text, true),
                None => (registered.as_str(), false),
            };
            Target::parse(text).is_some_and(|allowed| {
                allowed.origin == asked.origin
                    && if wildcard {
                        asked.path.starts_with(&allowed.path)
                    } else {
                        asked.path == allowed.path
                    }
            })
        })
    }
}

impl Family for RedirectUris {
    const NAME: &'static str = "redirect_uris";
    const DUPLICATED_BY_DEFAULT: bool = false;

    fn validate(&self) -> Result<(), Invalid> {
        if self.redirect_uris.len() > Self::MOST {
            return Err(Invalid::new("redirectUris", "holds more than 1000 URIs"));
        }
        for uri in &self.redirect_uris {
            let text = uri.strip_suffix('*').unwrap_or(uri);
            let refused = |why: &str| Invalid::new("redirectUris", format!("{:.200} {why}", uri));
            if text.contains('*') {
                return Err(refused("has a '*' that is not at its end"));
            }
            if text.len() < uri.len() && text.splitn(4, '/').count() < 4 {
                return Err(refused(
                    "has a wildcard in its host: put '/' before the '*'",
                ));
            }
            if uri.len() > 2000 || Target::parse(text).is_none() {
                return Err(refused(
                    "is not an absolute http or https URL without user info and fragment",
                ));
            }
        }
        Ok(())
    }
}

struct Target {
    origin: (String, String, Option<u16>),
    path: String,
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        if !(text.starts_with("http://") || text.starts_with("https://"))
            || text.contains(['\\', '#'])
            || text.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return None;
        }
        let raw_path = text.split_once('?').map_or(text, |(before, _)| before);
        let has_dots = raw_path.split('/').skip(3).any(|segment| {
            let segment = segment.to_ascii_lowercase().replace("%2e", ".");
            segment == "." || segment == ".."
        });
        let url = Url::parse(text).ok()?;
        let bare = url.username().is_empty() && url.password().is_none();
        if has_dots || !bare || !has_plain_host(&url) {
            return None;
        }
        Some(Self {
            origin: (
                url.scheme().to_owned(),
                url.host_str()?.to_owned(),
                url.port_or_known_default(),
            ),
            path: url.path().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(uris: &[&str]) -> RedirectUris {
        RedirectUris {
            redirect_uris: uris.iter().map(|&u| u.to_owned()).collect(),
        }
    }

    #[test]
    fn exact_match_ignores_only_the_query() {
        let l = list(&["https://app.example.com/cb?x=1", "http://localhost:3000"]);
        assert!(l.allows("https://app.example.com/cb"));
        assert!(l.allows("https://APP.example.com:443/cb?y=2"));
        assert!(l.allows("http://localhost:3000"));
        assert!(l.allows("http://localhost:3000/"));
        for no in [
            "https://app.example.com/cb/",
            "https://app.example.com/cb#f",
            "https://app.example.com.evil.example/cb",
            "https://user@app.example.com/cb",
            "http://app.example.com/cb",
            "https://app.example.com/x/../cb",
            "https://app.example.com\\@evil.example/cb",
            "javascript:alert(1)",
            "",
        ] {
            assert!(!l.allows(no), "{no}");
        }
    }

    #[test]
    fn hosts_are_names_that_nobody_reads_differently() {
        for host in [
            "a.example;sandbox",
            "a.example,b.example",
            "a'none'.example",
            "a%3bb.example",
        ] {
            let uri = format!("https://{host}/cb");
            assert!(list(&[&uri]).validate().is_err(), "{host}");
            // One that was kept before leads nowhere either.
            assert!(!list(&[&uri]).allows(&uri), "{host}");
        }
        for host in [
            "a_b.example",
            "xn--bcher-kva.example",
            "[::1]:8080",
            "10.0.0.1",
        ] {
            let uri = format!("https://{host}/cb;v=1,2");
            assert!(
                list(&[&uri]).validate().is_ok() && list(&[&uri]).allows(&uri),
                "{host}"
            );
        }
    }

    #[test]
    fn wildcard_stays_within_its_host_and_path() {
        let l = list(&["https://app.example.com/a/*"]);
        assert!(l.allows("https://app.example.com/a/b/c"));
        assert!(!l.allows("https://app.example.com/b"));
        assert!(!l.allows("https://app.example.com/a/%2e%2e/b"));
        assert!(!l.allows("https://app.example.community/a/b"));
        assert!(list(&["https://app.example.com*"]).validate().is_err());
        assert!(list(&["https://*.example.com/"]).validate().is_err());
        assert!(list(&["ftp://example.com/"]).validate().is_err());
        assert!(l.validate().is_ok());
    }
}

//! Names of places where access tokens are good (RFC 8707 section 2).

use url::Url;

/// Most bytes of a name.
const LONGEST: usize = 1000;

/// Whether a text is an absolute URI without fragment that everybody reads alike.
pub fn is_resource(text: &str) -> bool {
    let odd = |b: u8| !(0x21..=0x7e).contains(&b) || matches!(b, b'#' | b'"' | b'\\' | b'<' | b'>');
    if text.len() > LONGEST || text.bytes().any(odd) {
        return false;
    }
    Url::parse(text).is_ok_and(|url| url.username().is_empty() && url.password().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_absolute_uris() {
        for good in [
            "https://api.example.com/v1?x=1",
            "urn:example:calendar",
            "http://localhost:9",
        ] {
            assert!(is_resource(good), "{good}");
        }
        let long = format!("https://a.example/{}", "x".repeat(LONGEST));
        for bad in [
            "",
            "api",
            "/api",
            "//api.example",
            "https://",
            "https://a.example/#f",
            "https://a.example/ x",
            "https://u@a.example/",
            "https://a.example/\u{e9}",
            "7fffffff-0000-4000-8000-000000000000",
            &long,
        ] {
            assert!(!is_resource(bad), "{bad}");
        }
    }
}

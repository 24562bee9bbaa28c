//! Whether two URIs name the same resource, as proofs of possession compare them (RFC 9449 section 4.3).

use percent_encoding::percent_decode_str;
use url::Url;

/// Whether `claimed` is `actual` after normalisation (RFC 3986 section 6.2), whatever their queries and fragments are.
pub fn same_target(claimed: &str, actual: &str) -> bool {
    let (Ok(claimed), Ok(actual)) = (Url::parse(claimed), Url::parse(actual)) else {
        return false;
    };
    claimed.username().is_empty()
        && claimed.password().is_none()
        && claimed.origin().is_tuple()
        && claimed.origin() == actual.origin()
        && segments(&claimed) == segments(&actual)
}

/// The segments of the path, decoded one by one: an escaped slash stays within its own.
fn segments(url: &Url) -> Vec<Vec<u8>> {
    url.path()
        .split('/')
        .map(|segment| percent_decode_str(segment).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter_and_everything_else_does() {
        let actual = "https://id.example.com/oauth/v4/t/token";
        for same in [
            actual,
            "https://ID.example.com:443/oauth/v4/t/token",
            "HTTPS://id.example.com/oauth/v4/t/token?x=1#y",
            "https://id.example.com/oauth/v4/t/x/../token",
            "https://id.example.com/oauth/v4/t/%74oken",
        ] {
            assert!(same_target(same, actual), "{same}");
        }
        for other in [
            "http://id.example.com/oauth/v4/t/token",
            "https://id.example.com:444/oauth/v4/t/token",
            "https://id.example.com.evil.example/oauth/v4/t/token",
            "https://me@id.example.com/oauth/v4/t/token",
            "https://id.example.com/oauth/v4/t/token/",
            "https://id.example.com/oauth/v4/t/Token",
            "https://id.example.com/oauth/v4%2Ft/token",
            "/oauth/v4/t/token",
            "",
        ] {
            assert!(!same_target(other, actual), "{other}");
        }
        assert!(!same_target("data:x", "data:x"));
    }
}

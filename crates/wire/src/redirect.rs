//! Answers that go back by redirect. App ID's iOS SDK finds parameters by prefix, so `error` precedes `error_description`
//! (contract/runtime.md section 4.1).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a query value may hold unescaped (RFC 3986 section 2.3).
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The redirect URI with these parameters added after whatever query it has.
pub fn with_parameters(redirect_uri: &str, parameters: &[(&str, &str)]) -> String {
    let mut uri = redirect_uri.to_owned();
    for (name, value) in parameters {
        uri.push(if uri.contains('?') { '&' } else { '?' });
        uri.push_str(name);
        uri.push('=');
        uri.extend(utf8_percent_encode(value, VALUE));
    }
    uri
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_value_comes_back(value in ".{0,200}") {
            let uri = with_parameters("https://a/cb", &[("code", "c"), ("state", &value)]);
            prop_assert!(uri.is_ascii());
            let url = url::Url::parse(&uri).unwrap();
            let state = url.query_pairs().find(|(name, _)| name == "state").map(|(_, text)| text.into_owned());
            prop_assert_eq!(state, Some(value));
        }
    }

    #[test]
    fn values_are_escaped_and_the_query_kept() {
        assert_eq!(
            with_parameters("https://a/cb?x=1", &[("code", "ab-_"), ("state", "a=\n&")]),
            "https://a/cb?x=1&code=ab-_&state=a%3D%0A%26"
        );
    }
}

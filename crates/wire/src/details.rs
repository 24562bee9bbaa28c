//! Authorization details (RFC 9396): lists of objects that say finely what somebody is to agree to.

use serde_json::{Map, Value};
use vestibule_model::text::visible;

/// One of them.
pub type Detail = Map<String, Value>;

/// Most bytes of the parameter.
const MOST_BYTES: usize = 10_000;
/// Most objects.
const MOST: usize = 20;
/// How deeply values may nest below an object.
const DEEPEST: usize = 5;
/// Most values of all objects: a person is to read them.
const MOST_VALUES: usize = 200;
/// Fields that can be narrowed to some of what they list (RFC 9396 section 2.2).
const LISTS: [&str; 4] = ["locations", "actions", "datatypes", "privileges"];

/// The parameter is not what the specification says, or more than anybody reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("authorization_details must be a JSON list of objects with a type, and not too long")]
pub struct MalformedDetails;

/// Reads the parameter: a list of objects that each have a type.
pub fn parse(text: &str) -> Result<Vec<Detail>, MalformedDetails> {
    if text.len() > MOST_BYTES {
        return Err(MalformedDetails);
    }
    let details: Vec<Detail> = serde_json::from_str(text).map_err(|_| MalformedDetails)?;
    let mut values = 0;
    let plain = details.iter().all(|detail| {
        let typed = detail.get("type").is_some_and(Value::is_string);
        typed
            && detail
                .values()
                .all(|value| is_shallow(value, DEEPEST, &mut values))
    });
    if !plain || details.is_empty() || details.len() > MOST || values > MOST_VALUES {
        return Err(MalformedDetails);
    }
    Ok(details)
}

fn is_shallow(value: &Value, room: usize, values: &mut usize) -> bool {
    *values += 1;
    match value {
        Value::Array(all) => room > 0 && all.iter().all(|one| is_shallow(one, room - 1, values)),
        Value::Object(all) => room > 0 && all.values().all(|one| is_shallow(one, room - 1, values)),
        _ => true,
    }
}

/// Whether an object asks for nothing but what another allows: the same, or less in the lists that all types share.
pub fn is_within(asked: &Detail, granted: &Detail) -> bool {
    let less = |name: &str, asked: &Value, granted: &Value| match (asked, granted) {
        (Value::Array(asked), Value::Array(granted)) if LISTS.contains(&name) => {
            !asked.is_empty() && asked.iter().all(|one| granted.contains(one))
        }
        _ => asked == granted,
    };
    asked.len() == granted.len()
        && asked.iter().all(|(name, value)| {
            let before = granted.get(name);
            before.is_some_and(|before| less(name, value, before))
        })
}

/// An object for people: names and values, one line for each value, without what makes text look like other text. The type is left out.
pub fn lines(detail: &Detail) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for (name, value) in detail.iter().filter(|(name, _)| *name != "type") {
        add_lines(&visible(name), value, &mut lines);
    }
    lines
}

fn add_lines(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Array(all) if !all.is_empty() => {
            for one in all {
                add_lines(name, one, lines);
            }
        }
        Value::Object(all) if !all.is_empty() => {
            for (inner, one) in all {
                add_lines(&format!("{name} › {}", visible(inner)), one, lines);
            }
        }
        Value::String(text) => lines.push((name.to_owned(), visible(text))),
        other => lines.push((name.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 9396 section 2.
    const EXAMPLE: &str = r#"[{"type": "account_information", "actions": ["list_accounts", "read_balances"], "locations": ["https://example.com/accounts"]},
        {"type": "payment_initiation", "instructedAmount": {"currency": "EUR", "amount": "123.50"}, "creditorName": "Merchant A"}]"#;

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(text in ".{0,300}", inner in "[\\[\\]{}:,\"a1]{0,60}") {
            for text in [text, format!("[{{\"type\":\"a\",\"b\":{inner}}}]")] {
                for detail in parse(&text).unwrap_or_default() {
                    prop_assert!(is_within(&detail, &detail) || detail.values().any(|value| value == &Value::Array(Vec::new())));
                    prop_assert!(lines(&detail).len() <= MOST_VALUES);
                }
            }
        }

        #[test]
        fn what_is_shown_is_seen(text in any::<String>()) {
            let turns = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
            let shown = visible(&text);
            prop_assert!(!shown.contains(turns));
        }
    }

    #[test]
    fn the_example_of_the_specification() {
        let details = parse(EXAMPLE).unwrap();
        assert_eq!(details.len(), 2);
        let shown = lines(&details[1]);
        assert!(shown.contains(&(
            String::from("instructedAmount › amount"),
            String::from("123.50")
        )));
        assert_eq!(lines(&details[0]).len(), 3);
        let less: Detail = serde_json::from_str(r#"{"type": "account_information", "actions": ["list_accounts"], "locations": ["https://example.com/accounts"]}"#).unwrap();
        assert!(is_within(&less, &details[0]) && !is_within(&details[0], &less));
        for more in [
            r#"{"type": "account_information", "actions": ["list_accounts"]}"#,
            r#"{"type": "account_information", "actions": [], "locations": ["https://example.com/accounts"]}"#,
            r#"{"type": "account_information", "actions": ["pay"], "locations": ["https://example.com/accounts"]}"#,
            r#"{"type": "x", "actions": ["list_accounts"], "locations": ["https://example.com/accounts"]}"#,
        ] {
            assert!(
                !is_within(&serde_json::from_str(more).unwrap(), &details[0]),
                "{more}"
            );
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        let many = format!("[{}{{\"type\":\"a\"}}]", "{\"type\":\"a\"},".repeat(MOST));
        let deep = format!(
            "[{{\"type\":\"a\",\"b\":{}1{}}}]",
            "[".repeat(6),
            "]".repeat(6)
        );
        let wide = format!("[{{\"type\":\"a\",\"b\":[{}1]}}]", "1,".repeat(MOST_VALUES));
        let long = format!("[{{\"type\":\"a\",\"b\":\"{}\"}}]", "x".repeat(MOST_BYTES));
        for bad in [
            "",
            "[]",
            "{}",
            "7",
            "[7]",
            "[{}]",
            r#"[{"type":7}]"#,
            r#"{"type":"a"}"#,
            &many,
            &deep,
            &wide,
            &long,
        ] {
            assert_eq!(parse(bad), Err(MalformedDetails), "{bad:.80}");
        }
    }
}

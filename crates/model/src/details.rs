//! Types of authorization details that an instance knows (RFC 9396 section 2): what somebody can agree to that a scope cannot say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Invalid, family::input::null_as_default};

/// Most types of one instance.
const MOST: usize = 50;
/// Most fields of one type.
const MOST_FIELDS: usize = 50;
/// Most characters of names.
const LONGEST: usize = 200;
/// Fields that any type may have, lists of text but for the identifier (RFC 9396 section 2.2).
const LISTS: [&str; 4] = ["locations", "actions", "datatypes", "privileges"];

/// A type of authorization details.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DetailsType {
    /// What requests call it.
    pub r#type: String,
    /// What people are told it is; its name unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Fields that an object may have beside `type`.
    #[serde(deserialize_with = "null_as_default")]
    pub fields: Vec<String>,
    /// Those of them that it must have.
    #[serde(deserialize_with = "null_as_default")]
    pub required: Vec<String>,
}

impl DetailsType {
    /// What people are told it is.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.r#type)
    }

    /// Whether an object is of this type: no field that is not listed, each that must be there, and the common ones as they must be.
    pub fn fits(&self, object: &Map<String, Value>) -> bool {
        let texts = |value: &Value| {
            let all = value.as_array();
            all.is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_string))
        };
        let good = |(name, value): (&String, &Value)| match name.as_str() {
            "type" => value == self.r#type.as_str(),
            name if !self.fields.iter().any(|field| field == name) => false,
            "identifier" => value.is_string(),
            name if LISTS.contains(&name) => texts(value),
            _ => true,
        };
        object.contains_key("type")
            && object.iter().all(good)
            && self.required.iter().all(|name| object.contains_key(name))
    }
}

/// Checks the list of an instance.
pub(crate) fn check(types: &[DetailsType]) -> Result<(), Invalid> {
    let refused = |why: &str| Err(Invalid::new("authorizationDetailsTypes", why));
    if types.len() > MOST {
        return refused("must be at most 50");
    }
    for (at, one) in types.iter().enumerate() {
        let mut names = one.fields.iter().chain([&one.r#type]).chain(&one.title);
        if !names.all(|name| is_name(name)) {
            return refused("types, titles and fields are 1 to 200 printable characters");
        }
        if one.fields.len() > MOST_FIELDS || one.fields.iter().any(|field| field == "type") {
            return refused("a type has at most 50 fields, and type is none of them");
        }
        if one.required.iter().any(|field| !one.fields.contains(field)) {
            return refused("each required field must stand among the fields");
        }
        if types
            .iter()
            .take(at)
            .any(|other| other.r#type == one.r#type)
        {
            return refused("each type stands there once");
        }
    }
    Ok(())
}

/// Whether a text can name a type or a field.
pub(crate) fn is_name(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= LONGEST
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn payment() -> DetailsType {
        serde_json::from_value(json!({"type": "payment", "fields": ["amount", "actions", "identifier"], "required": ["amount"]})).unwrap()
    }

    #[test]
    fn objects_are_as_their_type_says() {
        for (object, good) in [
            (json!({"type": "payment", "amount": {"EUR": 5}}), true),
            (
                json!({"type": "payment", "amount": 5, "actions": ["pay"], "identifier": "x"}),
                true,
            ),
            (json!({"type": "payment"}), false),
            (json!({"amount": 5}), false),
            (json!({"type": "other", "amount": 5}), false),
            (json!({"type": "payment", "amount": 5, "more": 1}), false),
            (
                json!({"type": "payment", "amount": 5, "actions": "pay"}),
                false,
            ),
            (
                json!({"type": "payment", "amount": 5, "actions": []}),
                false,
            ),
            (
                json!({"type": "payment", "amount": 5, "actions": [1]}),
                false,
            ),
            (
                json!({"type": "payment", "amount": 5, "identifier": 7}),
                false,
            ),
            (
                json!({"type": "payment", "amount": 5, "locations": ["x"]}),
                false,
            ),
        ] {
            assert_eq!(
                payment().fits(object.as_object().unwrap()),
                good,
                "{object}"
            );
        }
    }

    #[test]
    fn bad_lists_are_refused() {
        assert!(check(&[payment()]).is_ok());
        let other = |change: fn(&mut DetailsType)| {
            let mut one = payment();
            change(&mut one);
            one
        };
        for bad in [
            vec![payment(), payment()],
            vec![DetailsType::default()],
            vec![other(|one| one.required.push(String::from("more")))],
            vec![other(|one| one.fields.push(String::from("type")))],
            vec![other(|one| one.title = Some(String::from("a\nb")))],
            (0..51)
                .map(|n| DetailsType {
                    r#type: n.to_string(),
                    ..DetailsType::default()
                })
                .collect(),
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
    }
}

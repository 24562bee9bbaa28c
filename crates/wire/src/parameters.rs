//! Request parameters, in whatever encoding they came (contract/runtime.md section 4.2).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;
use zeroize::Zeroizing;

/// Most parameters one request may have.
const MOST: usize = 100;

/// Parameters that may be sent several times (RFC 8707 section 2, RFC 8693 section 2.1). In JSON they may be lists.
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// Named values of one request. A parameter that was sent twice is refused (RFC 6749 section 3.1), but for those that may be.
#[derive(Default)]
pub struct Parameters(Vec<(String, Zeroizing<String>)>);

/// Why parameters were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Sent more than once.
    #[error("the parameter {0} was sent more than once")]
    Repeated(String),
    /// Too many.
    #[error("the request has too many parameters")]
    TooMany,
    /// JSON that is no object.
    #[error("the JSON body must be an object")]
    NoObject,
}

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text: a body or a query.
    pub fn from_form(bytes: &[u8]) -> Result<Self, ParameterError> {
        Self::from_pairs(
            form_urlencoded::parse(bytes)
                .map(|(name, value)| (name.into_owned(), value.into_owned())),
        )
    }

    /// Reads a JSON object. `null` counts as absent; what is no text counts as its JSON text, so that members that nobody reads may be
    /// anything (contract/README.md, "Conventions").
    pub fn from_json(bytes: &[u8]) -> Result<Self, ParameterError> {
        let Members(members) =
            serde_json::from_slice(bytes).map_err(|_| ParameterError::NoObject)?;
        let text = |value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut pairs = Vec::with_capacity(members.len());
        for (name, value) in members {
            match value {
                Value::Null => {}
                Value::Array(all) if is_repeatable(&name) => {
                    pairs.extend(all.into_iter().map(|one| (name.clone(), text(one))));
                }
                other => pairs.push((name, text(other))),
            }
        }
        Self::from_pairs(pairs)
    }

    /// From pairs that were read elsewhere, e.g. out of a multipart body.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ParameterError> {
        let mut found: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in pairs {
            if found.len() >= MOST {
                return Err(ParameterError::TooMany);
            }
            if !is_repeatable(&name) && found.iter().any(|(other, _)| *other == name) {
                return Err(ParameterError::Repeated(name));
            }
            found.push((name, Zeroizing::new(value)));
        }
        Ok(Self(found))
    }

    /// All of them, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All values of a parameter that may be sent several times, each once.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let mut values: Vec<&str> = Vec::new();
        for (_, value) in self.iter().filter(|(other, _)| *other == name) {
            if !value.is_empty() && !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }

    /// A parameter's value. Sent without a value counts as not sent (RFC 6749 section 3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// Whether a parameter may be sent several times.
pub fn is_repeatable(name: &str) -> bool {
    REPEATABLE.contains(&name)
}

/// The members of a JSON object, a repeated one as often as it was sent.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_makes_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
            let _ = Parameters::from_form(&bytes);
            let _ = Parameters::from_json(&bytes);
            let _ = Parameters::from_form(text.as_bytes());
            let _ = Parameters::from_json(text.as_bytes());
        }

        #[test]
        fn forms_come_back_as_they_were_written(name in "[a-z_]{1,20}", value in ".{1,100}") {
            let form = form_urlencoded::Serializer::new(String::new()).append_pair(&name, &value).finish();
            let form = Parameters::from_form(form.as_bytes()).unwrap();
            prop_assert_eq!(form.get(&name), Some(value.as_str()));
            let json = serde_json::json!({name.clone(): value}).to_string();
            let json = Parameters::from_json(json.as_bytes()).unwrap();
            prop_assert_eq!(json.get(&name), Some(value.as_str()));
        }
    }

    #[test]
    fn all_encodings_read_alike() {
        let form =
            Parameters::from_form(b"grant_type=password&username=a%40b.c&password=x+y&scope=")
                .unwrap();
        let json = Parameters::from_json(
            br#"{"grant_type":"password","username":"a@b.c","password":"x y","scope":""}"#,
        )
        .unwrap();
        for read in [form, json] {
            assert_eq!(read.get("username"), Some("a@b.c"));
            assert_eq!(read.get("password"), Some("x y"));
            assert_eq!(read.get("scope"), None);
            assert_eq!(read.get("other"), None);
        }
    }

    #[test]
    fn some_parameters_may_be_sent_several_times() {
        let form = Parameters::from_form(b"resource=a&x=1&resource=b&resource=&resource=a");
        let json = Parameters::from_json(br#"{"resource":["a","b","","a"],"x":"1"}"#);
        for read in [form.unwrap(), json.unwrap()] {
            assert_eq!(read.all("resource"), ["a", "b"]);
            assert_eq!(read.all("audience"), [""; 0]);
        }
        let nested = Parameters::from_json(br#"{"resource":[["a"],"b"]}"#).unwrap();
        assert_eq!(nested.all("resource"), [r#"["a"]"#, "b"]);
    }

    #[test]
    fn what_is_no_text_counts_as_its_json() {
        let body = br#"{"claims":{"id_token":{"a":null}},"n":1.50,"t":true,"z":null,"code":["1"]}"#;
        let read = Parameters::from_json(body).unwrap();
        assert_eq!(read.get("claims"), Some(r#"{"id_token":{"a":null}}"#));
        assert_eq!((read.get("n"), read.get("t")), (Some("1.5"), Some("true")));
        assert_eq!((read.get("z"), read.get("code")), (None, Some(r#"["1"]"#)));
    }

    #[test]
    fn repeated_parameters_and_other_bodies_are_refused() {
        assert_eq!(
            Parameters::from_form(b"code=1&code=2").err(),
            Some(ParameterError::Repeated(String::from("code")))
        );
        assert_eq!(
            Parameters::from_json(br#"{"code":"1","code":"2"}"#).err(),
            Some(ParameterError::Repeated(String::from("code")))
        );
        assert_eq!(
            Parameters::from_json(b"[1]").err(),
            Some(ParameterError::NoObject)
        );
        assert_eq!(
            Parameters::from_json(b"{").err(),
            Some(ParameterError::NoObject)
        );
        let many: String = (0..200).map(|n| format!("p{n}=1&")).collect();
        assert_eq!(
            Parameters::from_form(many.as_bytes()).err(),
            Some(ParameterError::TooMany)
        );
    }
}

//! JSON objects that pass through unchanged.

use std::{collections::HashMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::Invalid;

/// A JSON object whose members keep their order and whose values keep their text: a number with more digits than a 64-bit float
/// holds leaves as it came. White space between tokens is dropped. Every value is one that `serde_json` reads (numbers in range,
/// no lone surrogates) and nests at most [`RawObject::DEEPEST`] levels; of members with one name the last counts.
#[derive(Clone, Default)]
pub struct RawObject {
    members: Vec<(String, Box<RawValue>)>,
}

impl RawObject {
    /// How deep values nest at most, well inside of what JSON readers take.
    pub const DEEPEST: usize = 64;

    /// Reads an object.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        serde_json::from_str(text).map_err(|error| Invalid::new("", error.to_string()))
    }

    /// Reads what [`RawObject::to_text`] wrote, without the checks that [`RawObject::parse`] made then: values keep their text unread.
    ///
    /// # Errors
    /// When the text is no JSON object.
    pub fn stored(text: &str) -> Result<Self, Invalid> {
        let Stored(object) =
            serde_json::from_str(text).map_err(|error| Invalid::new("", error.to_string()))?;
        Ok(object)
    }

    /// The object that a value serializes to; none if it is no object.
    pub fn from_value(value: &Value) -> Option<Self> {
        value.as_object()?;
        Self::parse(&value.to_string()).ok()
    }

    /// A member as it stands.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.members
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_ref())
    }

    /// A member as a value; none if there is no such member or it is `null`.
    pub fn value(&self, name: &str) -> Option<Value> {
        let value: Value = serde_json::from_str(self.get(name)?.get()).ok()?;
        (!value.is_null()).then_some(value)
    }

    /// A member's text; none if there is no such member or it is no string.
    pub fn string(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// Sets a member; a new one goes to the end.
    pub fn set(&mut self, name: impl Into<String>, value: Box<RawValue>) {
        let name = name.into();
        match self.members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.members.push((name, value)),
        }
    }

    /// Sets a member to a value; a new one goes to the end.
    pub fn set_value(&mut self, name: impl Into<String>, value: &Value) {
        // Values are JSON, so this does not fail.
        if let Ok(raw) = to_raw_value(value) {
            self.set(name, raw);
        }
    }

    /// Sets a member to another object; a new one goes to the end.
    pub fn set_object(&mut self, name: impl Into<String>, object: &Self) {
        self.set_objects(name, object);
    }

    /// Sets a member to a list of objects; a new one goes to the end.
    pub fn set_list(&mut self, name: impl Into<String>, list: &[Self]) {
        self.set_objects(name, list);
    }

    fn set_objects(&mut self, name: impl Into<String>, objects: &(impl Serialize + ?Sized)) {
        // See `to_text`.
        if let Ok(raw) = to_raw_value(objects) {
            self.set(name, raw);
        }
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Box<RawValue>> {
        let at = self.members.iter().position(|(known, _)| known == name)?;
        Some(self.members.remove(at).1)
    }

    /// Members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.members
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_ref()))
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether the compact JSON text has more bytes than this.
    pub fn is_longer_than(&self, bytes: usize) -> bool {
        // An escaped character of a name takes up to six bytes.
        let longest = |(name, value): &(String, Box<RawValue>)| 6 * name.len() + value.get().len();
        let most = 2 + self
            .members
            .iter()
            .map(|one| longest(one) + 4)
            .sum::<usize>();
        most > bytes && self.to_text().len() > bytes
    }

    /// The object as compact JSON text.
    pub fn to_text(&self) -> String {
        // Names are strings and values are JSON, so this does not fail.
        serde_json::to_string(self).unwrap_or_else(|_| String::from("{}"))
    }

    /// Lays the members of another object over these: top-level merge.
    pub fn merge(&mut self, other: Self) {
        let mut places: HashMap<String, usize> = self
            .members
            .iter()
            .enumerate()
            .map(|(at, (name, _))| (name.clone(), at))
            .collect();
        for (name, value) in other.members {
            match places.get(&name).and_then(|at| self.members.get_mut(*at)) {
                Some((_, old)) => *old = value,
                None => {
                    places.insert(name.clone(), self.members.len());
                    self.members.push((name, value));
                }
            }
        }
    }
}

impl fmt::Debug for RawObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Members are personal data.
        write!(f, "RawObject({} members)", self.members.len())
    }
}

impl PartialEq for RawObject {
    fn eq(&self, other: &Self) -> bool {
        self.to_text() == other.to_text()
    }
}

impl Serialize for RawObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for (name, value) in &self.members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

impl JsonSchema for RawObject {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "JsonObject".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "object", "additionalProperties": true})
    }
}

/// An object that was checked before it was kept.
struct Stored(RawObject);

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StoredMembers)
    }
}

struct StoredMembers;

impl<'de> Visitor<'de> for StoredMembers {
    type Value = Stored;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Stored, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Stored(RawObject { members }))
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = RawObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<RawObject, A::Error> {
        let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        while let Some((name, value)) = access.next_entry::<String, Box<RawValue>>()? {
            let value = compact(&value).map_err(A::Error::custom)?;
            match places.get(&name).and_then(|at| members.get_mut(*at)) {
                Some((_, old)) => *old = value,
                None => {
                    places.insert(name.clone(), members.len());
                    members.push((name, value));
                }
            }
        }
        Ok(RawObject { members })
    }
}

/// Drops white space between tokens and refuses what other readers of JSON could not read.
pub fn compact(value: &RawValue) -> Result<Box<RawValue>, Invalid> {
    let text = value.get();
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    let mut depth = 0_usize;
    for c in text.chars() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            out.push(c);
            continue;
        }
        match c {
            ' ' | '\t' | '\r' | '\n' => continue,
            '"' => quoted = true,
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > RawObject::DEEPEST {
            return Err(Invalid::new(
                "",
                format!("nests deeper than {} levels", RawObject::DEEPEST),
            ));
        }
        out.push(c);
    }
    // RawValue was only scanned: numbers out of range and lone surrogates show when it is read.
    serde_json::from_str::<Value>(&out).map_err(|error| Invalid::new("", error.to_string()))?;
    RawValue::from_string(out).map_err(|error| Invalid::new("", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text_and_members_their_order() {
        let text = r#"{ "z" : 12345678901234567890123.50 , "a" : { "x y" : [ 1, "\" \\" ] }, "z2": 1.10 }"#;
        let object = RawObject::parse(text).unwrap();
        assert_eq!(
            object.to_text(),
            r#"{"z":12345678901234567890123.50,"a":{"x y":[1,"\" \\"]},"z2":1.10}"#
        );
    }

    #[test]
    fn what_was_written_is_read_again() {
        for text in [
            "{}",
            r#"{"a \" b":12345678901234567890123.50,"c":{"d":[1,"\" \\"]},"e":null}"#,
        ] {
            let object = RawObject::parse(text).unwrap();
            let again = RawObject::stored(&object.to_text()).unwrap();
            assert_eq!(again.to_text(), text);
            assert!(!again.is_longer_than(text.len()));
            assert!(again.is_longer_than(text.len() - 1));
        }
        for damaged in ["", "{", "[]", "1", r#"{"a":}"#, r#"{"a":1} 2"#] {
            assert!(RawObject::stored(damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn what_others_cannot_read_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(65), "]".repeat(65));
        for bad in [r#"{"a":1e999}"#, r#"{"a":"\ud800"}"#, "[]", "1", "{", &deep] {
            assert!(RawObject::parse(bad).is_err(), "{bad}");
        }
        let fits = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
        assert!(RawObject::parse(&fits).is_ok());
    }

    #[test]
    fn the_last_of_two_members_with_one_name_counts() {
        let mut object = RawObject::parse(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(object.to_text(), r#"{"a":3,"b":2}"#);
        object.merge(RawObject::parse(r#"{"c":4,"b":5}"#).unwrap());
        assert_eq!(object.to_text(), r#"{"a":3,"b":5,"c":4}"#);
    }
}

//! The names that an expression knows of a record, found when they are asked for.

use std::{collections::HashMap, sync::LazyLock};

use cel::{
    common::{
        types::{
            CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString,
            CelTimestamp, CelUInt,
        },
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use chrono::DateTime;
use serde_json::{Map, Value};
use vestibule_model::{profile::CLOUD_DIRECTORY, time::Timestamp};

use super::work::{Exhausted, WORK, Work};

/// All the names below as one map, for `has(user.lastLogin)`.
const USER: &str = "user";
/// The record itself, whatever its members are called.
const RECORD: &str = "record";
/// Members of the records of exports.
const MEMBERS: [&str; 5] = [
    "identities",
    "passwordHash",
    "passwordHashAlg",
    "profile",
    "scimUser",
];
/// Names that both kinds of records have, wherever they keep what is meant.
const NAMES: [&str; 13] = [
    "active",
    "attributes",
    "created",
    "email",
    "emailDomain",
    "id",
    "lastLogin",
    "modified",
    "name",
    "provider",
    "roles",
    "status",
    "userName",
];

/// Attributes of a record that has none.
static NO_ATTRIBUTES: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
/// Roles of a record that has none.
static NO_ROLES: Value = Value::Array(Vec::new());

/// Whether a name may mean something for a record.
pub(super) fn is_known(name: &str) -> bool {
    known().any(|known| known == name)
}

/// All names there are.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(MEMBERS).chain([USER, RECORD])
}

/// A record as an expression sees it.
pub(super) struct Names<'a> {
    record: &'a Value,
    work: Work,
}

/// What a name means.
enum Meaning<'a> {
    Json(&'a Value),
    Text(String),
    Time(Timestamp),
}

impl<'a> Names<'a> {
    pub fn new(record: &'a Value, work: Work) -> Self {
        Self { record, work }
    }

    pub fn work(&self) -> &Work {
        &self.work
    }

    fn meaning(&self, name: &str) -> Option<Meaning<'a>> {
        let json = match name {
            "created" => return self.time("created", name),
            "modified" => return self.time("lastModified", name),
            "lastLogin" => return self.time("lastLogin", name),
            "emailDomain" => {
                let (_, domain) = self.email()?.as_str()?.rsplit_once('@')?;
                return Some(Meaning::Text(domain.to_lowercase()));
            }
            // Left out and null mean none, here as in an import.
            "attributes" => self
                .first(["/attributes", "/profile/attributes"])
                .filter(|value| !value.is_null())
                .unwrap_or(&NO_ATTRIBUTES),
            "roles" => self
                .first(["/roles"])
                .filter(|value| !value.is_null())
                .unwrap_or(&NO_ROLES),
            "provider" => {
                let provider = self.first(["/provider", "/identities/0/provider"]);
                if provider.is_none() && self.record.get("scimUser").is_some() {
                    return Some(Meaning::Text(CLOUD_DIRECTORY.to_owned()));
                }
                provider?
            }
            "email" => self.email()?,
            "id" => self.first(["/id", "/scimUser/originalId", "/scimUser/id"])?,
            "name" => self.first(["/name", "/scimUser/displayName"])?,
            "active" => self.first(["/active", "/scimUser/active"])?,
            "status" => self.first(["/status", "/scimUser/status"])?,
            "userName" => self.first(["/userName", "/scimUser/userName"])?,
            RECORD => self.record,
            other => self.record.get(other)?,
        };
        Some(Meaning::Json(json))
    }

    fn first<const N: usize>(&self, places: [&str; N]) -> Option<&'a Value> {
        places
            .into_iter()
            .find_map(|place| self.record.pointer(place))
    }

    /// The address of a federated user, or the primary one of a directory user.
    fn email(&self) -> Option<&'a Value> {
        if let Some(email) = self.record.get("email") {
            return Some(email);
        }
        let emails = self.record.pointer("/scimUser/emails")?.as_array()?;
        let primary = |email: &&Value| email.get("primary").and_then(Value::as_bool) == Some(true);
        let email = emails.iter().find(primary).or_else(|| emails.first())?;
        email.get("value")
    }

    /// A time among a directory user's, or one that another product put into its record.
    fn time(&self, member: &str, name: &str) -> Option<Meaning<'a>> {
        let meta = self.record.pointer("/scimUser/meta");
        let value = meta.map_or_else(|| self.record.get(name), |meta| meta.get(member))?;
        Timestamp::parse_rfc3339(value.as_str()?).map(Meaning::Time)
    }

    /// A name, and members of members of what it means.
    fn find<'b>(&'b self, path: &str) -> Option<Result<CowVal<'b, 'b>, Exhausted>> {
        let (name, members) = match path.split_once('.') {
            Some((name, members)) => (name, Some(members)),
            None => (path, None),
        };
        match (self.meaning(name)?, members) {
            (Meaning::Json(value), None) => Some(self.value(value)),
            (Meaning::Json(value), Some(members)) => {
                let mut members = members.split('.');
                let found = members.try_fold(value, |value, member| value.as_object()?.get(member));
                Some(self.value(found?))
            }
            (Meaning::Text(text), None) => Some(
                self.work
                    .count_text(&text)
                    .map(|()| CowVal::owned(CelString::from(text))),
            ),
            (Meaning::Time(time), None) => {
                let time = DateTime::from_timestamp_millis(time.millis())?.fixed_offset();
                Some(
                    self.work
                        .count(1)
                        .map(|()| CowVal::owned(CelTimestamp::from(time))),
                )
            }
            (Meaning::Text(_) | Meaning::Time(_), Some(_)) => None,
        }
    }

    fn value<'b>(&'b self, value: &'b Value) -> Result<CowVal<'b, 'b>, Exhausted> {
        self.boxed(value).map(CowVal::Owned)
    }

    fn boxed<'b>(&'b self, value: &'b Value) -> Result<Box<dyn Val + 'b>, Exhausted> {
        if let Value::String(text) = value {
            self.work.count_text(text)?;
            return Ok(Box::new(CelString::from(text.as_str())));
        }
        self.work.count(1)?;
        Ok(match value {
            Value::Null | Value::String(_) => Box::new(CelNull),
            Value::Bool(truth) => Box::new(CelBool::from(*truth)),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(int), _) => Box::new(CelInt::from(int)),
                (None, Some(int)) => Box::new(CelUInt::from(int)),
                (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
            },
            Value::Array(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.boxed(item)).collect();
                Box::new(CelList::from(items?))
            }
            Value::Object(members) => {
                let mut map = HashMap::with_capacity(members.len());
                for (name, value) in members {
                    self.work.count_text(name)?;
                    map.insert(CelMapKey::from(name.as_str()), self.boxed(value)?);
                }
                Box::new(CelMap::from(map))
            }
        })
    }

    fn user<'b>(&'b self) -> Result<CowVal<'b, 'b>, Exhausted> {
        let mut map: HashMap<CelMapKey<'b>, Box<dyn Val + 'b>> = HashMap::new();
        for name in NAMES {
            if let Some(value) = self.find(name) {
                map.insert(CelMapKey::from(name), value?.into_owned());
            }
        }
        Ok(CowVal::owned(CelMap::from(map)))
    }
}

impl VariableResolver for Names<'_> {
    /// `name` may be a path, such as `attributes.country`: finding what it ends at saves turning all attributes into values.
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if name == WORK {
            return Some(CowVal::Borrowed(&self.work));
        }
        let found = if name == USER {
            Some(self.user())
        } else if let Some(path) = name.strip_prefix("user.") {
            self.find(path)
        } else {
            self.find(name)
        };
        // What was too much work is remembered there.
        found?.ok()
    }
}

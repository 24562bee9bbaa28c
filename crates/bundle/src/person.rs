//! Records: one line of NDJSON for each person.
//!
//! A person is a directory user, a profile, or both: what stands in one record belongs together. Times are whole milliseconds since
//! 1970, as the product stores them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use vestibule_model::{
    Invalid,
    directory::UserStatus,
    id::{DirectoryUserId, ProfileId},
    object::RawObject,
    profile::ProfileKind,
    time::Timestamp,
};
use zeroize::Zeroizing;

use crate::limits;

/// A person, as an instance keeps one.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// The directory user, if the person has a password here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryRecord>,
    /// The profile, if the person signed in, was imported, or was prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileRecord>,
}

/// A directory user.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryRecord {
    /// Its id at the source.
    #[serde(deserialize_with = "directory_id")]
    pub id: DirectoryUserId,
    /// SCIM members apart from id, password, state and `meta`, as they stand.
    pub user: RawObject,
    /// Whether the address is verified.
    #[serde(serialize_with = "write_status", deserialize_with = "read_status")]
    pub status: UserStatus,
    /// Whether it may sign in.
    pub active: bool,
    /// Until when sign-in is refused after too many wrong passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<Timestamp>,
    /// The password's hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<HashNotation>,
    /// When the password was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_changed_at: Option<Timestamp>,
    /// The id it had where the source imported it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_id: Option<String>,
    /// When it last signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Reserved for second factors: read, and not kept by an import yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<RawObject>,
    /// Reserved for earlier passwords: read, and not kept by an import yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_history: Option<RawObject>,
}

/// A profile.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileRecord {
    /// Its id at the source: `sub` in tokens.
    #[serde(deserialize_with = "profile_id")]
    pub id: ProfileId,
    /// What it is of.
    pub kind: ProfileState,
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// E-mail address as the provider gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Picture, locale and whatever else an import carried, as it stands.
    pub body: RawObject,
    /// Custom attributes, as they stand.
    pub attributes: RawObject,
    /// Who it is at providers, in the order in which the source has them.
    pub identities: Vec<IdentityRecord>,
    /// Names of roles. They are a set: written in the order of their bytes, so that equal people have equal lines.
    #[serde(serialize_with = "sorted")]
    pub roles: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
}

/// Someone at an identity provider.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityRecord {
    /// `google`, `saml`, `cloud_directory`, …
    pub provider: String,
    /// The provider's identifier of the person.
    pub subject: String,
    /// The whole identity object, field for field as it came.
    pub body: RawObject,
}

/// What a profile in a bundle is of. Anonymous profiles are in none: nobody could sign in to them at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProfileState {
    /// Someone who signed in or was imported.
    Known,
    /// Someone prepared before the first sign-in.
    Future,
}

impl ProfileState {
    /// Of the model's kind; none for anonymous profiles.
    pub const fn of(kind: ProfileKind) -> Option<Self> {
        match kind {
            ProfileKind::Known => Some(Self::Known),
            ProfileKind::Future => Some(Self::Future),
            ProfileKind::Anonymous => None,
        }
    }

    /// The model's kind.
    pub const fn kind(self) -> ProfileKind {
        match self {
            Self::Known => ProfileKind::Known,
            Self::Future => ProfileKind::Future,
        }
    }
}

/// A password hash in its notation (PHC and the like). The seal of the part protects it; whether the notation is one that the product
/// verifies is for the importer to say. It never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct HashNotation(Zeroizing<String>);

impl HashNotation {
    /// Wraps a notation.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// For `PasswordHash::from_storage`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HashNotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashNotation(…)")
    }
}

impl Serialize for HashNotation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HashNotation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Why a line is no record. It repeats nothing of the line but names of members.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedRecord(String);

impl Person {
    /// The line of this person without line feed: its canonical bytes, which content digests are made of.
    pub fn to_line(&self) -> Result<Vec<u8>, MalformedRecord> {
        let mut line = Vec::new();
        self.append_line(&mut line)?;
        Ok(line)
    }

    /// Appends the line without line feed.
    pub(crate) fn append_line(&self, out: &mut Vec<u8>) -> Result<(), MalformedRecord> {
        self.check()?;
        serde_json::to_writer(out, self).map_err(|error| reason(&error))
    }

    /// Reads a line. Members that are not known are ignored: a later version of the program may write more of them.
    pub fn from_line(line: &[u8]) -> Result<Self, MalformedRecord> {
        if line.len() > limits::RECORD_BYTES {
            return Err(MalformedRecord(String::from("it is longer than 1 MiB")));
        }
        let person: Self = serde_json::from_slice(line).map_err(|error| reason(&error))?;
        person.check()?;
        Ok(person)
    }

    fn check(&self) -> Result<(), MalformedRecord> {
        if self.directory.is_none() && self.profile.is_none() {
            return Err(MalformedRecord(String::from(
                "it has neither a directory user nor a profile",
            )));
        }
        Ok(())
    }
}

// People are personal data: only ids print.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("directory", &self.directory)
            .field("profile", &self.profile)
            .finish()
    }
}

impl fmt::Debug for DirectoryRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectoryRecord({})", self.id)
    }
}

impl fmt::Debug for ProfileRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProfileRecord({})", self.id)
    }
}

impl fmt::Debug for IdentityRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityRecord({})", self.provider)
    }
}

/// serde's messages of wrong types and values quote the value, which may be a password hash.
fn reason(error: &serde_json::Error) -> MalformedRecord {
    let text = error.to_string();
    let quotes = [
        "invalid type",
        "invalid value",
        "invalid length",
        "unknown variant",
    ]
    .iter()
    .any(|start| text.starts_with(start));
    MalformedRecord(if quotes {
        format!(
            "a member has a wrong type or value at column {}",
            error.column()
        )
    } else {
        text
    })
}

fn directory_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DirectoryUserId, D::Error> {
    parsed(deserializer, DirectoryUserId::parse)
}

fn profile_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ProfileId, D::Error> {
    parsed(deserializer, ProfileId::parse)
}

fn read_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UserStatus, D::Error> {
    parsed(deserializer, UserStatus::parse)
}

fn write_status<S: Serializer>(status: &UserStatus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status.name())
}

fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<T, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    parse(&text).map_err(D::Error::custom)
}

fn sorted<S: Serializer>(roles: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    let mut names: Vec<&str> = roles.iter().map(String::as_str).collect();
    names.sort_unstable();
    serializer.collect_seq(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"directory":{"id":"7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6","user":{"n":1.10},"status":"CONFIRMED","active":true,"passwordHash":"$2b$","created":1,"modified":2,"mfa":{"x":1},"passwordHistory":{"y":[]}},"profile":{"id":"7ae804f3-0ed3-45f0-bc6b-1c6af868e6d7","kind":"future","body":{},"attributes":{"a":12345678901234567890123},"identities":[{"provider":"google","subject":"1","body":{"id":"1"}}],"roles":["a","b"],"created":3,"modified":4}}"#;

    #[test]
    fn a_line_round_trips_to_the_byte() {
        let person = Person::from_line(LINE.as_bytes()).unwrap();
        assert_eq!(person.to_line().unwrap(), LINE.as_bytes());
        let mut turned = person.clone();
        turned.profile.as_mut().unwrap().roles.reverse();
        assert_eq!(turned.to_line().unwrap(), LINE.as_bytes());
        let shown = format!("{person:?}");
        assert!(
            !shown.contains("$2b$") && !shown.contains("google\""),
            "{shown}"
        );
    }

    #[test]
    fn unknown_members_are_ignored() {
        let more = LINE
            .replace(r#""active":"#, r#""later":{"deep":[[1]]},"active":"#)
            .replacen('{', r#"{"other":null,"#, 1);
        assert_eq!(
            Person::from_line(more.as_bytes()).unwrap(),
            Person::from_line(LINE.as_bytes()).unwrap()
        );
    }

    #[test]
    fn what_is_no_person_is_refused_without_being_quoted() {
        let deep = LINE.replace(
            r#"{"n":1.10}"#,
            &format!("{{\"n\":{}{}}}", "[".repeat(100), "]".repeat(100)),
        );
        let deeper = format!("{{\"x\":{}", "[".repeat(1_000_000));
        let long = format!("{LINE}{}", " ".repeat(limits::RECORD_BYTES));
        for bad in [
            "",
            "{}",
            "[]",
            "null",
            "\u{feff}{}",
            &LINE.replace(r#""$2b$""#, r#"{"hidden":1}"#),
            &LINE.replace(r#""$2b$""#, "1234567"),
            &LINE.replace("future", "hidden"),
            &LINE.replace("CONFIRMED", "hidden"),
            &LINE.replace("7ae804f3", "hidden"),
            &LINE.replace(r#""active":true,"#, ""),
            &LINE.replace(r#""created":1"#, r#""created":1.5"#),
            &deep,
            &deeper,
            &long,
            &LINE[..LINE.len() - 1],
        ] {
            let error = Person::from_line(bad.as_bytes()).unwrap_err().to_string();
            assert!(
                !error.contains("hidden") && !error.contains("1234567"),
                "{error}"
            );
        }
        assert!(Person::from_line(b"{\"directory\":\"\xff\"}").is_err());
    }
}

//! Applications of an instance (contract/runtime.md section 2).

pub mod metadata;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::metadata::ClientMetadata;
use crate::{Invalid, id::ClientId, time::Timestamp};

/// What kind of client an application is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationType {
    /// A server that keeps a secret (`regularwebapp`).
    RegularWebApp,
    /// A browser app without a secret; PKCE is its proof (`singlepageapp`).
    SinglePageApp,
    /// An app on a device, which registered itself (`mobileapp`).
    MobileApp,
}

impl ApplicationType {
    /// Reads App ID's name of a type that the management API makes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "regularwebapp" => Ok(Self::RegularWebApp),
            "singlepageapp" => Ok(Self::SinglePageApp),
            _ => Err(Invalid::new(
                "type",
                "must be regularwebapp or singlepageapp",
            )),
        }
    }

    /// Reads the name of any type, as it was kept.
    pub fn from_name(name: &str) -> Result<Self, Invalid> {
        match name {
            "mobileapp" => Ok(Self::MobileApp),
            other => Self::parse(other),
        }
    }

    /// App ID's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RegularWebApp => "regularwebapp",
            Self::SinglePageApp => "singlepageapp",
            Self::MobileApp => "mobileapp",
        }
    }
}

/// How an application came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An administrator made it.
    Management,
    /// It registered itself (RFC 7591): whose it is nobody knows.
    Registration,
    /// A device registered itself (contract/runtime.md section 4.11).
    Mobile,
}

impl Origin {
    /// Reads the name in storage.
    pub fn from_name(name: &str) -> Result<Self, Invalid> {
        match name {
            "management" => Ok(Self::Management),
            "registration" => Ok(Self::Registration),
            "mobile" => Ok(Self::Mobile),
            _ => Err(Invalid::new("origin", "is not known")),
        }
    }

    /// The name in storage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Management => "management",
            Self::Registration => "registration",
            Self::Mobile => "mobile",
        }
    }
}

/// An application without its secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// Its `client_id`.
    pub client_id: ClientId,
    /// 1 to 50 characters.
    pub name: String,
    /// Whether it can keep a secret.
    pub kind: ApplicationType,
    /// Custom scopes it owns, in the order given.
    pub scopes: Vec<String>,
    /// How it came to be.
    pub origin: Origin,
    /// What it says of itself; empty unless somebody set it.
    pub metadata: Arc<ClientMetadata>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Application {
    /// Most applications that administrators make in one instance.
    pub const MOST: usize = 200;
    /// Most scopes one application owns.
    pub const MOST_SCOPES: usize = 50;
}

/// The scopes of an application, or those a role takes from one: each once, in the order given, at most
/// [`Application::MOST_SCOPES`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScopeNames(Vec<String>);

impl ScopeNames {
    /// Checks each scope and drops repetitions.
    pub fn parse<T: AsRef<str>>(scopes: &[T]) -> Result<Self, Invalid> {
        let mut names: Vec<String> = Vec::new();
        for scope in scopes {
            let ScopeName(name) = ScopeName::parse(scope.as_ref())?;
            if names.contains(&name) {
                continue;
            }
            if names.len() == Application::MOST_SCOPES {
                return Err(Invalid::new("scopes", "must hold at most 50 scopes"));
            }
            names.push(name);
        }
        Ok(Self(names))
    }

    /// The scopes.
    pub fn into_vec(self) -> Vec<String> {
        self.0
    }
}

/// An application's name: 1 to 50 characters, none of them control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationName(String);

impl ApplicationName {
    /// Checks length and characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let n = text.chars().count();
        if n == 0 || n > 50 || text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(Invalid::new("name", "must be 1 to 50 printable characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A custom scope: lower-case alphanumerics, `.` and `_`, under 50 characters, not starting with `appid` or `openid`
/// (contract/runtime.md section 6.5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeName(String);

impl ScopeName {
    /// Checks the rules.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let shape = !text.is_empty()
            && text.len() < 50
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'_');
        if !shape {
            return Err(Invalid::new(
                "scopes",
                "a scope is 1 to 49 lower-case letters, digits, '.' or '_'",
            ));
        }
        if text.starts_with("appid") || text.starts_with("openid") {
            return Err(Invalid::new(
                "scopes",
                "a scope may not start with 'appid' or 'openid'",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The scope.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_keep_their_order_and_occur_once() {
        let names = ScopeNames::parse(&["b.read", "a_1", "b.read"]).unwrap();
        assert_eq!(names.into_vec(), ["b.read", "a_1"]);
        for bad in ["", "Read", "read all", "appid_x", "openid", &"a".repeat(50)] {
            assert!(ScopeNames::parse(&[bad]).is_err(), "{bad}");
        }
        let many: Vec<String> = (0..51).map(|i| format!("s{i}")).collect();
        assert!(ScopeNames::parse(&many).is_err());
        assert!(ScopeNames::parse(&many[..50]).is_ok());
    }

    #[test]
    fn names_are_short_and_printable() {
        assert!(ApplicationName::parse(&"ü".repeat(50)).is_ok());
        for bad in ["", "  ", "a\nb", &"x".repeat(51)] {
            assert!(ApplicationName::parse(bad).is_err(), "{bad:?}");
        }
    }
}

//! Roles that an instance gives to its users and applications.

use crate::{
    Invalid,
    id::{ClientId, RoleId},
};

/// A role: a name for scopes of applications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Unique within the instance.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Scopes per application, in the order given.
    pub access: Vec<RoleAccess>,
}

/// The scopes of one application that a role holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAccess {
    /// The application that owns the scopes.
    pub client_id: ClientId,
    /// Its scopes.
    pub scopes: Vec<String>,
}

impl Role {
    /// Most roles one instance keeps.
    pub const MOST: usize = 50;
}

/// A role's description: at most 500 characters, line breaks allowed, no other control characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleDescription(String);

impl RoleDescription {
    /// Checks length and characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if text.chars().count() > 500 || text.chars().any(bad) {
            return Err(Invalid::new(
                "description",
                "must be at most 500 printable characters",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The description.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A role's name: 1 to 50 printable characters. Matching is exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleName(String);

impl RoleName {
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

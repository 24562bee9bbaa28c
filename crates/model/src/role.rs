//! Roles that an instance gives to its users and applications.

use crate::{
    Invalid,
    application::{Application, ScopeNames},
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

/// A role before it has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleDraft {
    name: RoleName,
    description: RoleDescription,
    access: Vec<RoleAccess>,
}

impl RoleDraft {
    /// Puts checked parts together: `access` pairs an application's id with scopes of it. What names the same application
    /// several times is joined, and an application without scopes is dropped.
    pub fn parse(
        name: &str,
        description: &str,
        access: &[(String, Vec<String>)],
    ) -> Result<Self, Invalid> {
        if access.len() > Application::MOST {
            return Err(Invalid::new("access", "holds more than 200 applications"));
        }
        let mut merged: Vec<(ClientId, Vec<String>)> = Vec::new();
        for (client, scopes) in access {
            let client = ClientId::parse(client)
                .map_err(|_| Invalid::new("access.application_id", "is not a UUID"))?;
            match merged.iter_mut().find(|(known, _)| *known == client) {
                Some((_, known)) => known.extend_from_slice(scopes),
                None => merged.push((client, scopes.clone())),
            }
        }
        let mut checked = Vec::with_capacity(merged.len());
        for (client_id, scopes) in merged {
            let scopes = ScopeNames::parse(&scopes)
                .map_err(|invalid| Invalid::new("access.scopes", invalid.reason))?
                .into_vec();
            if !scopes.is_empty() {
                checked.push(RoleAccess { client_id, scopes });
            }
        }
        Ok(Self {
            name: RoleName::parse(name)?,
            description: RoleDescription::parse(description)?,
            access: checked,
        })
    }

    /// The role under an id.
    pub fn into_role(self, id: RoleId) -> Role {
        let RoleName(name) = self.name;
        let RoleDescription(description) = self.description;
        Role {
            id,
            name,
            description,
            access: self.access,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_joined_by_application() {
        let id = "7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6".to_owned();
        let access = [
            (id.clone(), vec!["b".to_owned(), "a".to_owned()]),
            (id.to_uppercase(), vec!["a".to_owned(), "c".to_owned()]),
        ];
        let role = RoleDraft::parse("editor", "", &access)
            .unwrap()
            .into_role(RoleId::from_random_bytes([0; 16]));
        assert_eq!(role.access.len(), 1);
        assert_eq!(role.access[0].scopes, ["b", "a", "c"]);
        for (name, description, access, field) in [
            ("", "", vec![], "name"),
            ("x", "a\u{0}", vec![], "description"),
            (
                "x",
                "",
                vec![("no".to_owned(), vec![])],
                "access.application_id",
            ),
            (
                "x",
                "",
                vec![(id.clone(), vec!["A".to_owned()])],
                "access.scopes",
            ),
        ] {
            let refused = RoleDraft::parse(name, description, &access).unwrap_err();
            assert_eq!(refused.field, field);
        }
    }
}

//! Who may hold API keys, the keys, and the policies that say what their holders may do (contract/platform.md).

use crate::time::Timestamp;

/// What kind of subject it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    /// A person.
    User,
    /// A service ID: an identity for programs.
    Service,
}

impl SubjectKind {
    /// The name in storage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
        }
    }
}

/// Someone who may hold API keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `IBMid-…` for people, `iam-ServiceId-…` for service IDs.
    pub iam_id: String,
    /// `ServiceId-…`, or the person's id.
    pub id: String,
    /// The account.
    pub account_id: String,
    /// Person or service ID.
    pub kind: SubjectKind,
    /// Display name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// A person's address.
    pub email: Option<String>,
    /// Whether it may be changed or deleted.
    pub locked: bool,
    /// The resource key it was made for, if any.
    pub resource_key: Option<String>,
    /// Rises with each change; the entity tag is made from it.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub modified_at: Timestamp,
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// `ApiKey-…`.
    pub id: String,
    /// The account.
    pub account_id: String,
    /// Whose it is.
    pub iam_id: String,
    /// Display name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Whether it may be changed or deleted.
    pub locked: bool,
    /// Whether it is refused.
    pub disabled: bool,
    /// Rises with each change.
    pub version: i64,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub modified_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// An access policy. `body` is what the API shows of it: roles, resources or control, description, pattern, rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its id.
    pub id: String,
    /// The account.
    pub account_id: String,
    /// Whom it gives something.
    pub iam_id: String,
    /// `access` or `authorization`.
    pub kind: String,
    /// `active` or `deleted`.
    pub state: String,
    /// Roles by CRN.
    pub roles: Vec<String>,
    /// Resource attributes that must match, by name. None at all means everything in the account.
    pub attributes: Vec<(String, String)>,
    /// Free text.
    pub description: String,
    /// Rises with each change.
    pub version: i64,
    /// Who made it.
    pub created_by: String,
    /// Who changed it last.
    pub modified_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub modified_at: Timestamp,
}

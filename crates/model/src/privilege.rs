//! Who may do what on the platform and management planes (contract/runtime.md section 10, contract/platform.md).

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// Service roles. They are ordered: a Writer may do what a Reader may, a Manager what a Writer may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ServiceRole {
    /// Reads configuration and users.
    Reader,
    /// Changes configuration and users.
    Writer,
    /// Also exports and imports users and duplicates configuration, since secrets travel then.
    Manager,
}

impl ServiceRole {
    /// All roles, smallest first.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Writer, Self::Manager];

    /// Reads `Reader`, `Writer` or `Manager`, or the role's CRN (`crn:v1:bluemix:public:iam::::serviceRole:Reader`).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = text
            .strip_prefix("crn:v1:bluemix:public:iam::::serviceRole:")
            .unwrap_or(text);
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| Invalid::new("role", "must be Reader, Writer or Manager"))
    }

    /// `Reader`, `Writer` or `Manager`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "Reader",
            Self::Writer => "Writer",
            Self::Manager => "Manager",
        }
    }

    /// The role's CRN.
    pub fn crn(self) -> String {
        format!("crn:v1:bluemix:public:iam::::serviceRole:{}", self.name())
    }
}

/// Platform roles: what one may do with instances and their credentials, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PlatformRole {
    /// Sees instances.
    Viewer,
    /// Operates what exists: reads instances and makes credentials for them.
    Operator,
    /// Creates, changes and deletes instances and credentials.
    Editor,
    /// All of it, and policies.
    Administrator,
}

impl PlatformRole {
    /// All roles, smallest first.
    pub const ALL: [Self; 4] = [
        Self::Viewer,
        Self::Operator,
        Self::Editor,
        Self::Administrator,
    ];

    /// Reads the role's name or its CRN (`crn:v1:bluemix:public:iam::::role:Viewer`).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = text
            .strip_prefix("crn:v1:bluemix:public:iam::::role:")
            .unwrap_or(text);
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| {
                Invalid::new("role", "must be Viewer, Operator, Editor or Administrator")
            })
    }

    /// `Viewer`, `Operator`, `Editor` or `Administrator`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "Viewer",
            Self::Operator => "Operator",
            Self::Editor => "Editor",
            Self::Administrator => "Administrator",
        }
    }

    /// The role's CRN.
    pub fn crn(self) -> String {
        format!("crn:v1:bluemix:public:iam::::role:{}", self.name())
    }
}

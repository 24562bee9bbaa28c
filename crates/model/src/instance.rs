//! Service instances and their credentials as the platform sees them (contract/platform.md).

use crate::{Invalid, id::TenantId, privilege::ServiceRole, time::Timestamp};

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// Serves.
    Active,
    /// Deleted; can be restored until its retention period ends.
    PendingReclamation,
    /// Gone.
    Removed,
}

impl InstanceState {
    /// The name in storage and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PendingReclamation => "pending_reclamation",
            Self::Removed => "removed",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::PendingReclamation, Self::Removed]
            .into_iter()
            .find(|state| state.name() == text)
    }
}

/// A service instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The tenant id.
    pub guid: TenantId,
    /// The account.
    pub account_id: String,
    /// Display name; several instances may have the same.
    pub name: String,
    /// Where it was made.
    pub region: String,
    /// Resource group.
    pub resource_group_id: String,
    /// Plan.
    pub resource_plan_id: String,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Whether it may be changed or deleted.
    pub locked: bool,
    /// JSON object given at creation.
    pub parameters: String,
    /// JSON array of tags.
    pub tags: String,
    /// `create`, `update`, `delete` or `reclaim`.
    pub last_operation: String,
    /// Who made it.
    pub created_by: String,
    /// Who changed it last.
    pub updated_by: String,
    /// Who deleted it.
    pub deleted_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

impl Instance {
    /// `crn:v1:vestibule:public:appid:<region>:a/<account>:<guid>::`
    pub fn crn(&self) -> String {
        format!(
            "crn:v1:vestibule:public:appid:{}:a/{}:{}::",
            self.region, self.account_id, self.guid
        )
    }
}

/// Credentials of an instance for programs, without the API key.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceKey {
    /// Its id.
    pub guid: String,
    /// The account.
    pub account_id: String,
    /// The instance.
    pub instance: TenantId,
    /// Display name.
    pub name: String,
    /// What its holder may do.
    pub role: ServiceRole,
    /// JSON object given at creation.
    pub parameters: String,
    /// The service ID made for it.
    pub iam_id: String,
    /// The API key made for it.
    pub api_key_id: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A deleted instance that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Reclamation {
    /// Its id.
    pub id: String,
    /// The account.
    pub account_id: String,
    /// The instance.
    pub instance: TenantId,
    /// When the instance is destroyed.
    pub target_time: Timestamp,
    /// Who deleted the instance.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// A name of an instance or a credential: 1 to 180 printable characters.
pub fn parse_name(text: &str) -> Result<String, Invalid> {
    let n = text.chars().count();
    if n == 0 || n > 180 || text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Invalid::new(
            "name",
            "must be 1 to 180 printable characters",
        ));
    }
    Ok(text.to_owned())
}

/// A region: 1 to 32 lower-case letters, digits and hyphens.
pub fn parse_region(text: &str) -> Result<String, Invalid> {
    let shape = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.is_empty() || text.len() > 32 || !text.bytes().all(shape) {
        return Err(Invalid::new(
            "target",
            "must be a region name of 1 to 32 lower-case letters, digits and hyphens",
        ));
    }
    Ok(text.to_owned())
}

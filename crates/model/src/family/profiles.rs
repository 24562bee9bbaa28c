//! `config/users_profile`: whether the Profiles API keeps custom attributes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Family;
use crate::Invalid;

/// The profile switch; on unless switched off. Off, `/api/v1/attributes` answers 401 (contract/runtime.md section 7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsersProfile {
    /// Whether profiles keep custom attributes.
    pub is_active: bool,
}

impl Default for UsersProfile {
    fn default() -> Self {
        Self { is_active: true }
    }
}

impl Family for UsersProfile {
    const NAME: &'static str = "users_profile";

    fn validate(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

//! The platform plane: account, subjects, API keys, tokens, policies, instances and their credentials.

use vestibule_model::id::TenantId;

use crate::{
    Engine, Result,
    access::{Caller, Manager, Reader, Writer},
};

impl Engine {
    /// Whether the database answers.
    pub async fn check_database(&self) -> Result<()> {
        self.store().platform_read(|platform| platform.check().map_err(Into::into)).await
    }
}

//! Configuration documents of an instance. They are sealed; what is in them is not the store's business.

use vestibule_model::time::Timestamp;

use crate::{Result, Value, scope::Tenant};

impl Tenant<'_, '_> {
    /// The sealed document of one family, if it was ever set.
    pub fn find_config(&mut self, family: &str) -> Result<Option<Vec<u8>>> {
        self.conn
            .query_opt(
                "SELECT sealed FROM config WHERE tenant = $1 AND family = $2",
                &[Value::from(self.key()), Value::from(family)],
            )?
            .map(|row| row.blob(0))
            .transpose()
    }

    /// Sets the sealed document of one family.
    pub fn update_config(&mut self, family: &str, sealed: &[u8], now: Timestamp) -> Result<()> {
        self.conn.execute(
            "INSERT INTO config (tenant, family, sealed, updated_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, family) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at",
            &[
                Value::from(self.key()),
                Value::from(family),
                Value::from(sealed),
                Value::from(now.millis()),
            ],
        )?;
        Ok(())
    }

    /// Whether the directory has a user. Some configuration is settled once there is one.
    pub fn has_directory_users(&mut self) -> Result<bool> {
        let found = self.conn.query_opt(
            "SELECT id FROM directory_users WHERE tenant = $1 LIMIT 1",
            &[Value::from(self.key())],
        )?;
        Ok(found.is_some())
    }
}

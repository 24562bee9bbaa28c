//! Signing keys of an instance.

use crate::{Result, Value, scope::Tenant, snapshot::SealedKey};

impl Tenant<'_, '_> {
    /// Adds a signing key.
    pub fn insert_signing_key(&mut self, key: &SealedKey) -> Result<()> {
        self.conn.execute(
            "INSERT INTO signing_keys (tenant, kid, algorithm, sealed, created_at, retired_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                Value::from(self.key()),
                Value::from(&key.kid),
                Value::from(&key.algorithm),
                Value::from(key.sealed.as_slice()),
                Value::from(key.created_at.millis()),
                Value::from(key.retired_at.map(|at| at.millis())),
            ],
        )?;
        Ok(())
    }
}

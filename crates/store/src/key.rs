//! Signing keys of an instance.

use vestibule_model::{id::TenantId, time::Timestamp};

use crate::{
    Error, Result, Value,
    scope::{Platform, Tenant},
    snapshot::SealedKey,
};

/// What is told of a signing key: everything but its private half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Key id as published.
    pub kid: String,
    /// JWS algorithm name.
    pub algorithm: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ceased to sign.
    pub retired_at: Option<Timestamp>,
}

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

    /// The signing keys, newest first.
    pub fn list_signing_keys(&mut self) -> Result<Vec<KeyRow>> {
        self.conn
            .query(
                "SELECT kid, algorithm, created_at, retired_at FROM signing_keys WHERE tenant = $1 ORDER BY created_at DESC, kid DESC",
                &[Value::from(self.key())],
            )?
            .iter()
            .map(|row| {
                Ok(KeyRow {
                    kid: row.text(0)?,
                    algorithm: row.text(1)?,
                    created_at: Timestamp::from_millis(row.int(2)?),
                    retired_at: row.opt_int(3)?.map(Timestamp::from_millis),
                })
            })
            .collect()
    }

    /// Lets every key of this algorithm that signs cease to; how many there were.
    pub fn retire_signing_keys(&mut self, algorithm: &str, now: Timestamp) -> Result<u64> {
        self.conn.execute(
            "UPDATE signing_keys SET retired_at = $3 WHERE tenant = $1 AND algorithm = $2 AND retired_at IS NULL",
            &[
                Value::from(self.key()),
                Value::from(algorithm),
                Value::from(now.millis()),
            ],
        )
    }

    /// Removes keys that ceased to sign before or at this moment: what they signed is not good any more. How many there were.
    pub fn delete_retired_signing_keys(&mut self, upto: Timestamp) -> Result<u64> {
        self.conn.execute(
            "DELETE FROM signing_keys WHERE tenant = $1 AND retired_at <= $2",
            &[Value::from(self.key()), Value::from(upto.millis())],
        )
    }
}

impl Platform<'_, '_> {
    /// Live instances with fewer than `keys` keys that sign with one made before this moment, at most so many.
    pub fn list_old_signing_keys(
        &mut self,
        before: Timestamp,
        keys: usize,
        most: u32,
    ) -> Result<Vec<TenantId>> {
        let sql = format!(
            "SELECT k.tenant FROM signing_keys k JOIN instances i ON i.guid = k.tenant \
             WHERE k.retired_at IS NULL AND k.created_at < $1 AND i.state = 'active' \
             AND (SELECT COUNT(*) FROM signing_keys o WHERE o.tenant = k.tenant) < {keys} \
             GROUP BY k.tenant ORDER BY MIN(k.created_at) LIMIT $2"
        );
        self.tenants_of(&sql, before, most)
    }

    /// Instances with a key that ceased to sign before this moment, at most so many.
    pub fn list_retired_signing_keys(
        &mut self,
        before: Timestamp,
        most: u32,
    ) -> Result<Vec<TenantId>> {
        self.tenants_of(
            "SELECT DISTINCT tenant FROM signing_keys WHERE retired_at < $1 ORDER BY tenant LIMIT $2",
            before,
            most,
        )
    }

    fn tenants_of(&mut self, sql: &str, before: Timestamp, most: u32) -> Result<Vec<TenantId>> {
        self.conn
            .query(sql, &[Value::from(before.millis()), Value::from(most)])?
            .iter()
            .map(|row| TenantId::parse(row.str(0)?).map_err(|_| Error::corrupt("instance id")))
            .collect()
    }
}

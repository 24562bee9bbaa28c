//! Rows of the platform plane.

pub mod iam;
pub mod instances;
pub mod policies;

use vestibule_model::time::Timestamp;

use crate::{Result, Row, Value, scope::Platform, snapshot::SealedKey};

impl Platform<'_, '_> {
    /// Whether the database answers.
    pub fn check(&mut self) -> Result<()> {
        self.conn.query_opt("SELECT 1", &[]).map(|_| ())
    }

    /// The id of the account, if it was made.
    pub fn find_account(&mut self) -> Result<Option<String>> {
        self.conn
            .query_opt(
                "SELECT id FROM accounts ORDER BY created_at, id LIMIT 1",
                &[],
            )?
            .map(|row| row.text(0))
            .transpose()
    }

    /// Keeps other nodes from making the account until this write ends.
    pub fn lock_account(&mut self) -> Result<()> {
        self.conn.lock("account")
    }

    /// Makes the account. False when one with this id exists.
    pub fn insert_account(&mut self, id: &str, name: &str, now: Timestamp) -> Result<bool> {
        let n = self.conn.execute(
            "INSERT INTO accounts (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[Value::from(id), Value::from(name), Value::from(now.millis())],
        )?;
        Ok(n == 1)
    }

    /// Keys that sign platform tokens, newest first.
    pub fn list_platform_keys(&mut self) -> Result<Vec<SealedKey>> {
        self.conn
            .query(
                "SELECT kid, algorithm, sealed, created_at, retired_at FROM platform_keys ORDER BY created_at DESC, kid DESC",
                &[],
            )?
            .iter()
            .map(|row| {
                Ok(SealedKey {
                    kid: row.text(0)?,
                    algorithm: row.text(1)?,
                    sealed: row.blob(2)?,
                    created_at: time(row, 3)?,
                    retired_at: row.opt_int(4)?.map(Timestamp::from_millis),
                })
            })
            .collect()
    }

    /// Adds a key that signs platform tokens.
    pub fn insert_platform_key(&mut self, key: &SealedKey) -> Result<()> {
        self.conn.execute(
            "INSERT INTO platform_keys (kid, algorithm, sealed, created_at, retired_at) VALUES ($1, $2, $3, $4, $5)",
            &[
                Value::from(&key.kid),
                Value::from(&key.algorithm),
                Value::from(key.sealed.as_slice()),
                Value::from(key.created_at.millis()),
                Value::from(key.retired_at.map(Timestamp::millis)),
            ],
        )?;
        Ok(())
    }
}

/// A time column.
pub(crate) fn time(row: &Row, column: usize) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(row.int(column)?))
}

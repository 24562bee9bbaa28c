//! Subjects, API keys and the platform's refresh tokens.

use vestibule_model::{
    iam::{ApiKey, Subject, SubjectKind},
    time::Timestamp,
};

use super::time;
use crate::{Error, Result, Row, Value, scope::Platform};

const SUBJECT: &str = "iam_id, id, account_id, kind, name, description, email, locked, resource_key, version, created_at, modified_at";
const API_KEY: &str = "id, account_id, iam_id, name, description, locked, disabled, version, created_by, created_at, modified_at, expires_at";

/// Most refresh tokens that one sweep removes.
pub const SWEEP: u64 = 1000;

/// A refresh token of the platform's token service.
pub struct PlatformRefresh {
    /// Whose it is.
    pub iam_id: String,
    /// The API key it descends from.
    pub api_key_id: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

impl Platform<'_, '_> {
    /// Adds a subject.
    pub fn insert_subject(&mut self, subject: &Subject) -> Result<()> {
        self.conn.execute(
            &format!("INSERT INTO iam_subjects ({SUBJECT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"),
            &[
                Value::from(&subject.iam_id),
                Value::from(&subject.id),
                Value::from(&subject.account_id),
                Value::from(subject.kind.name()),
                Value::from(&subject.name),
                Value::from(&subject.description),
                Value::from(subject.email.as_ref()),
                Value::from(subject.locked),
                Value::from(subject.resource_key.as_ref()),
                Value::from(subject.version),
                Value::from(subject.created_at.millis()),
                Value::from(subject.modified_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// A subject by `iam_id` or id.
    pub fn find_subject(&mut self, account: &str, id: &str) -> Result<Option<Subject>> {
        self.conn
            .query_opt(
                &format!("SELECT {SUBJECT} FROM iam_subjects WHERE account_id = $1 AND (iam_id = $2 OR id = $2)"),
                &[Value::from(account), Value::from(id)],
            )?
            .map(|row| subject(&row))
            .transpose()
    }

    /// Service IDs after `after` in order of creation; those made for resource keys included.
    pub fn list_service_ids(
        &mut self,
        account: &str,
        after: (Timestamp, &str),
        count: u32,
    ) -> Result<Vec<Subject>> {
        self.conn
            .query(
                &format!(
                    "SELECT {SUBJECT} FROM iam_subjects WHERE account_id = $1 AND kind = 'service' \
                     AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $4"
                ),
                &[
                    Value::from(account),
                    Value::from(after.0.millis()),
                    Value::from(after.1),
                    Value::from(count),
                ],
            )?
            .iter()
            .map(subject)
            .collect()
    }

    /// Writes name, description and lock of a subject if it still has version `subject.version - 1`.
    pub fn update_subject(&mut self, subject: &Subject) -> Result<bool> {
        let n = self.conn.execute(
            "UPDATE iam_subjects SET name = $2, description = $3, locked = $4, version = $5, modified_at = $6 \
             WHERE iam_id = $1 AND version = $5 - 1",
            &[
                Value::from(&subject.iam_id),
                Value::from(&subject.name),
                Value::from(&subject.description),
                Value::from(subject.locked),
                Value::from(subject.version),
                Value::from(subject.modified_at.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// Removes a subject with its API keys and policies.
    pub fn delete_subject(&mut self, account: &str, iam_id: &str) -> Result<bool> {
        let params = [Value::from(account), Value::from(iam_id)];
        self.conn.execute(
            "DELETE FROM policies WHERE account_id = $1 AND iam_id = $2",
            &params,
        )?;
        let n = self.conn.execute(
            "DELETE FROM iam_subjects WHERE account_id = $1 AND iam_id = $2",
            &params,
        )?;
        Ok(n == 1)
    }

    /// Adds an API key; only its hash is kept.
    pub fn insert_api_key(&mut self, key: &ApiKey, token_hash: &str) -> Result<()> {
        self.conn.execute(
            &format!(
                "INSERT INTO api_keys ({API_KEY}, token_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
            ),
            &[
                Value::from(&key.id),
                Value::from(&key.account_id),
                Value::from(&key.iam_id),
                Value::from(&key.name),
                Value::from(&key.description),
                Value::from(key.locked),
                Value::from(key.disabled),
                Value::from(key.version),
                Value::from(&key.created_by),
                Value::from(key.created_at.millis()),
                Value::from(key.modified_at.millis()),
                Value::from(key.expires_at.map(Timestamp::millis)),
                Value::from(token_hash),
            ],
        )?;
        Ok(())
    }

    /// An API key by id.
    pub fn find_api_key(&mut self, account: &str, id: &str) -> Result<Option<ApiKey>> {
        self.conn
            .query_opt(
                &format!("SELECT {API_KEY} FROM api_keys WHERE account_id = $1 AND id = $2"),
                &[Value::from(account), Value::from(id)],
            )?
            .map(|row| api_key(&row))
            .transpose()
    }

    /// An API key by the hash of its secret, in whatever account.
    pub fn find_api_key_by_hash(&mut self, token_hash: &str) -> Result<Option<ApiKey>> {
        self.conn
            .query_opt(
                &format!("SELECT {API_KEY} FROM api_keys WHERE token_hash = $1"),
                &[Value::from(token_hash)],
            )?
            .map(|row| api_key(&row))
            .transpose()
    }

    /// API keys of a subject (or of the whole account) after `after` in order of creation.
    pub fn list_api_keys(
        &mut self,
        account: &str,
        iam_id: Option<&str>,
        after: (Timestamp, &str),
        count: u32,
    ) -> Result<Vec<ApiKey>> {
        let mut params = vec![
            Value::from(account),
            Value::from(after.0.millis()),
            Value::from(after.1),
            Value::from(count),
        ];
        let mut whose = "";
        if let Some(iam_id) = iam_id {
            params.push(Value::from(iam_id));
            whose = "AND iam_id = $5";
        }
        self.conn
            .query(
                &format!(
                    "SELECT {API_KEY} FROM api_keys WHERE account_id = $1 {whose} \
                     AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $4"
                ),
                &params,
            )?
            .iter()
            .map(api_key)
            .collect()
    }

    /// Writes name, description, lock and switch of an API key if it still has version `key.version - 1`.
    pub fn update_api_key(&mut self, key: &ApiKey) -> Result<bool> {
        let n = self.conn.execute(
            "UPDATE api_keys SET name = $2, description = $3, locked = $4, disabled = $5, version = $6, modified_at = $7 \
             WHERE id = $1 AND version = $6 - 1",
            &[
                Value::from(&key.id),
                Value::from(&key.name),
                Value::from(&key.description),
                Value::from(key.locked),
                Value::from(key.disabled),
                Value::from(key.version),
                Value::from(key.modified_at.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// Revokes an API key; its refresh tokens go with it.
    pub fn delete_api_key(&mut self, account: &str, id: &str) -> Result<bool> {
        let n = self.conn.execute(
            "DELETE FROM api_keys WHERE account_id = $1 AND id = $2",
            &[Value::from(account), Value::from(id)],
        )?;
        Ok(n == 1)
    }

    /// Keeps a refresh token by its hash.
    pub fn insert_platform_refresh(
        &mut self,
        token_hash: &str,
        token: &PlatformRefresh,
        now: Timestamp,
    ) -> Result<()> {
        self.conn.execute(
            "INSERT INTO platform_refresh_tokens (token_hash, iam_id, api_key_id, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5)",
            &[
                Value::from(token_hash),
                Value::from(&token.iam_id),
                Value::from(&token.api_key_id),
                Value::from(now.millis()),
                Value::from(token.expires_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// Takes a refresh token out: it works once.
    pub fn claim_platform_refresh(&mut self, token_hash: &str) -> Result<Option<PlatformRefresh>> {
        self.conn
            .query_opt(
                "DELETE FROM platform_refresh_tokens WHERE token_hash = $1 RETURNING iam_id, api_key_id, expires_at",
                &[Value::from(token_hash)],
            )?
            .map(|row| {
                Ok(PlatformRefresh {
                    iam_id: row.text(0)?,
                    api_key_id: row.text(1)?,
                    expires_at: time(&row, 2)?,
                })
            })
            .transpose()
    }

    /// Removes refresh tokens that have expired, [`SWEEP`] at most; how many there were.
    pub fn delete_expired_platform_refresh(&mut self, now: Timestamp) -> Result<u64> {
        self.conn.execute(
            &format!(
                "DELETE FROM platform_refresh_tokens WHERE token_hash IN \
                 (SELECT token_hash FROM platform_refresh_tokens WHERE expires_at < $1 LIMIT {SWEEP})"
            ),
            &[Value::from(now.millis())],
        )
    }
}

fn subject(row: &Row) -> Result<Subject> {
    Ok(Subject {
        iam_id: row.text(0)?,
        id: row.text(1)?,
        account_id: row.text(2)?,
        kind: match row.text(3)?.as_str() {
            "user" => SubjectKind::User,
            "service" => SubjectKind::Service,
            _ => return Err(Error::corrupt("subject kind")),
        },
        name: row.text(4)?,
        description: row.text(5)?,
        email: row.opt_text(6)?,
        locked: row.bool(7)?,
        resource_key: row.opt_text(8)?,
        version: row.int(9)?,
        created_at: time(row, 10)?,
        modified_at: time(row, 11)?,
    })
}

fn api_key(row: &Row) -> Result<ApiKey> {
    Ok(ApiKey {
        id: row.text(0)?,
        account_id: row.text(1)?,
        iam_id: row.text(2)?,
        name: row.text(3)?,
        description: row.text(4)?,
        locked: row.bool(5)?,
        disabled: row.bool(6)?,
        version: row.int(7)?,
        created_by: row.text(8)?,
        created_at: time(row, 9)?,
        modified_at: time(row, 10)?,
        expires_at: row.opt_int(11)?.map(Timestamp::from_millis),
    })
}

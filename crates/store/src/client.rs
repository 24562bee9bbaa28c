//! Clients that say something of themselves: their metadata, registration, assertions and what people agreed to.

use vestibule_model::{
    application::metadata::ClientMetadata,
    id::{ClientId, ProfileId},
    time::Timestamp,
};

use crate::{Error, Result, Row, Value, scope::Tenant};

/// A token with which clients may register themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialToken {
    /// Its name for administrators, which opens nothing.
    pub id: String,
    /// How many clients may still register with it.
    pub uses_left: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// What a person agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// With whom.
    pub client: ClientId,
    /// Scopes, separated by spaces.
    pub scopes: String,
    /// When.
    pub granted_at: Timestamp,
}

impl Tenant<'_, '_> {
    /// How many applications did not come from an administrator.
    pub fn count_registered_applications(&mut self) -> Result<usize> {
        self.count("SELECT COUNT(*) FROM applications WHERE tenant = $1 AND origin <> 'management'")
    }

    /// Replaces what a client says of itself; `false` when there is no such application.
    pub fn update_application_metadata(
        &mut self,
        client: ClientId,
        metadata: &ClientMetadata,
        now: Timestamp,
    ) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE applications SET metadata = $3, updated_at = $4 WHERE tenant = $1 AND client_id = $2",
            &[
                Value::from(self.key()),
                Value::from(client.to_string()),
                Value::from(metadata.to_text()),
                Value::from(now.millis()),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Keeps the hash of the token that manages a client's registration; `false` when there is no such application.
    pub fn update_registration_hash(&mut self, client: ClientId, hash: &str) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE applications SET registration_hash = $3 WHERE tenant = $1 AND client_id = $2",
            &[
                Value::from(self.key()),
                Value::from(client.to_string()),
                Value::from(hash),
            ],
        )?;
        Ok(changed == 1)
    }

    /// The hash of the token that manages a client's registration, if it has one.
    pub fn find_registration_hash(&mut self, client: ClientId) -> Result<Option<String>> {
        let row = self.conn.query_opt(
            "SELECT registration_hash FROM applications WHERE tenant = $1 AND client_id = $2",
            &[Value::from(self.key()), Value::from(client.to_string())],
        )?;
        row.map_or(Ok(None), |row| row.opt_text(0))
    }

    /// Keeps a token with which clients may register themselves.
    pub fn insert_initial_token(&mut self, hash: &str, token: &InitialToken) -> Result<()> {
        self.conn.execute(
            "INSERT INTO initial_access_tokens (tenant, id, token_hash, uses_left, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                Value::from(self.key()),
                Value::from(&token.id),
                Value::from(hash),
                Value::from(token.uses_left),
                Value::from(token.created_at.millis()),
                Value::from(token.expires_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// Tokens with which clients may register themselves, the oldest first, at most a thousand.
    pub fn list_initial_tokens(&mut self) -> Result<Vec<InitialToken>> {
        self.conn
            .query(
                "SELECT id, uses_left, created_at, expires_at FROM initial_access_tokens WHERE tenant = $1 \
                 ORDER BY created_at, id LIMIT 1000",
                &[Value::from(self.key())],
            )?
            .iter()
            .map(initial_token)
            .collect()
    }

    /// Whether a client could register with a token now.
    pub fn has_initial_token(&mut self, hash: &str, now: Timestamp) -> Result<bool> {
        let row = self.conn.query_opt(
            "SELECT id FROM initial_access_tokens \
             WHERE tenant = $1 AND token_hash = $2 AND uses_left > 0 AND expires_at > $3",
            &[
                Value::from(self.key()),
                Value::from(hash),
                Value::from(now.millis()),
            ],
        )?;
        Ok(row.is_some())
    }

    /// Uses one of a token's uses. False when there is no such token, or none is left, or it has run out.
    pub fn use_initial_token(&mut self, hash: &str, now: Timestamp) -> Result<bool> {
        let n = self.conn.execute(
            "UPDATE initial_access_tokens SET uses_left = uses_left - 1 \
             WHERE tenant = $1 AND token_hash = $2 AND uses_left > 0 AND expires_at > $3",
            &[
                Value::from(self.key()),
                Value::from(hash),
                Value::from(now.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// Ends a token. False when there is none of this name.
    pub fn delete_initial_token(&mut self, id: &str) -> Result<bool> {
        let n = self.conn.execute(
            "DELETE FROM initial_access_tokens WHERE tenant = $1 AND id = $2",
            &[Value::from(self.key()), Value::from(id)],
        )?;
        Ok(n == 1)
    }

    /// Notes that an assertion was used. False when it had been.
    pub fn use_assertion(&mut self, hash: &str, expires_at: Timestamp) -> Result<bool> {
        let n = self.conn.execute(
            "INSERT INTO used_assertions (tenant, id_hash, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[
                Value::from(self.key()),
                Value::from(hash),
                Value::from(expires_at.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// Keeps what a person agreed to, in place of what they agreed to before.
    pub fn update_consent(&mut self, profile: ProfileId, consent: &Consent) -> Result<()> {
        self.conn.execute(
            "INSERT INTO consents (tenant, profile_id, client_id, scopes, granted_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant, profile_id, client_id) DO UPDATE SET scopes = excluded.scopes, granted_at = excluded.granted_at",
            &[
                Value::from(self.key()),
                Value::from(profile.to_string()),
                Value::from(consent.client.to_string()),
                Value::from(&consent.scopes),
                Value::from(consent.granted_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// What a person agreed to, by client; there are no more than there are applications.
    pub fn list_consents(&mut self, profile: ProfileId) -> Result<Vec<Consent>> {
        self.conn
            .query(
                "SELECT client_id, scopes, granted_at FROM consents WHERE tenant = $1 AND profile_id = $2 ORDER BY client_id",
                &[Value::from(self.key()), Value::from(profile.to_string())],
            )?
            .iter()
            .map(consent)
            .collect()
    }

    /// What a person agreed to with one client.
    pub fn find_consent(
        &mut self,
        profile: ProfileId,
        client: ClientId,
    ) -> Result<Option<Consent>> {
        self.conn
            .query_opt(
                "SELECT client_id, scopes, granted_at FROM consents \
                 WHERE tenant = $1 AND profile_id = $2 AND client_id = $3",
                &[
                    Value::from(self.key()),
                    Value::from(profile.to_string()),
                    Value::from(client.to_string()),
                ],
            )?
            .map(|row| consent(&row))
            .transpose()
    }

    /// Takes back what a person agreed to. False when there was nothing.
    pub fn delete_consent(&mut self, profile: ProfileId, client: ClientId) -> Result<bool> {
        let n = self.conn.execute(
            "DELETE FROM consents WHERE tenant = $1 AND profile_id = $2 AND client_id = $3",
            &[
                Value::from(self.key()),
                Value::from(profile.to_string()),
                Value::from(client.to_string()),
            ],
        )?;
        Ok(n == 1)
    }
}

fn initial_token(row: &Row) -> Result<InitialToken> {
    Ok(InitialToken {
        id: row.text(0)?,
        uses_left: row.int(1)?,
        created_at: Timestamp::from_millis(row.int(2)?),
        expires_at: Timestamp::from_millis(row.int(3)?),
    })
}

fn consent(row: &Row) -> Result<Consent> {
    Ok(Consent {
        client: ClientId::parse(row.str(0)?).map_err(|_| Error::corrupt("client id"))?,
        scopes: row.text(1)?,
        granted_at: Timestamp::from_millis(row.int(2)?),
    })
}

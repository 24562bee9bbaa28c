//! Runtime state: grants, authorization codes, refresh tokens, revocations.

use vestibule_model::{
    id::{ClientId, GrantId, ProfileId},
    time::Timestamp,
};

use crate::{
    Error, Result, Row, Value,
    scope::{Platform, Tenant},
    snapshot::{Revocation, RevocationKind},
};

/// Most rows of one table that [`Platform::delete_expired_runtime`] removes.
pub const SWEEP: u64 = 1000;

/// One sign-in of one profile at one application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The application.
    pub client: ClientId,
    /// Who signed in.
    pub profile: ProfileId,
    /// What the engine keeps about it: JSON.
    pub body: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When nothing of it can be valid any more.
    pub expires_at: Timestamp,
    /// When it was ended early.
    pub revoked_at: Option<Timestamp>,
}

/// An authorization code, by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthCode {
    /// The grant it opens.
    pub grant: GrantId,
    /// The application it was given to.
    pub client: ClientId,
    /// What it is bound to: JSON.
    pub body: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// What became of a code that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// It was good, and is used up now.
    Now(AuthCode),
    /// It had been used before: someone else may hold it.
    Before(AuthCode),
    /// There is none.
    Unknown,
}

/// A refresh token, by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// The grant it belongs to.
    pub grant: GrantId,
    /// The application it was given to.
    pub client: ClientId,
    /// Whose it is.
    pub profile: ProfileId,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// What became of a refresh token that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// It was good, and is replaced now.
    Now(RefreshToken),
    /// It was replaced a moment ago, and what replaced it was never used: its answer may not have arrived. What replaced it is void now.
    Lately(RefreshToken),
    /// It had been replaced before: someone else may hold it.
    Before(RefreshToken),
    /// There is none.
    Unknown,
}

impl Tenant<'_, '_> {
    /// Adds a grant.
    pub fn insert_grant(&mut self, grant: &Grant) -> Result<()> {
        self.conn.execute(
            "INSERT INTO grants (tenant, id, client_id, profile_id, body, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                Value::from(self.key()),
                Value::from(grant.id.to_string()),
                Value::from(grant.client.to_string()),
                Value::from(grant.profile.to_string()),
                Value::from(&grant.body),
                Value::from(grant.created_at.millis()),
                Value::from(grant.expires_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// A grant by id.
    pub fn find_grant(&mut self, id: GrantId) -> Result<Option<Grant>> {
        self.conn
            .query_opt(
                "SELECT id, client_id, profile_id, body, created_at, expires_at, revoked_at FROM grants \
                 WHERE tenant = $1 AND id = $2",
                &[Value::from(self.key()), Value::from(id.to_string())],
            )?
            .map(|row| grant(&row))
            .transpose()
    }

    /// Lets a grant live longer: its refresh token was renewed.
    pub fn extend_grant(&mut self, id: GrantId, expires_at: Timestamp) -> Result<()> {
        self.conn.execute(
            "UPDATE grants SET expires_at = $3 WHERE tenant = $1 AND id = $2 AND expires_at < $3",
            &[
                Value::from(self.key()),
                Value::from(id.to_string()),
                Value::from(expires_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// Ends a grant: its code and refresh tokens stop working.
    pub fn revoke_grant(&mut self, id: GrantId, now: Timestamp) -> Result<bool> {
        let n = self.conn.execute(
            "UPDATE grants SET revoked_at = $3 WHERE tenant = $1 AND id = $2 AND revoked_at IS NULL",
            &[
                Value::from(self.key()),
                Value::from(id.to_string()),
                Value::from(now.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// Ends every grant of a profile.
    pub fn revoke_profile_grants(&mut self, profile: ProfileId, now: Timestamp) -> Result<u64> {
        self.conn.execute(
            "UPDATE grants SET revoked_at = $3 WHERE tenant = $1 AND profile_id = $2 AND revoked_at IS NULL",
            &[
                Value::from(self.key()),
                Value::from(profile.to_string()),
                Value::from(now.millis()),
            ],
        )
    }

    /// Ends the grants that a profile gave to one client, and names them.
    pub fn revoke_client_grants(
        &mut self,
        profile: ProfileId,
        client: ClientId,
        now: Timestamp,
    ) -> Result<Vec<GrantId>> {
        self.conn
            .query(
                "UPDATE grants SET revoked_at = $4 \
                 WHERE tenant = $1 AND profile_id = $2 AND client_id = $3 AND revoked_at IS NULL RETURNING id",
                &[
                    Value::from(self.key()),
                    Value::from(profile.to_string()),
                    Value::from(client.to_string()),
                    Value::from(now.millis()),
                ],
            )?
            .iter()
            .map(|row| GrantId::parse(row.str(0)?).map_err(|_| Error::corrupt("grant id")))
            .collect()
    }

    /// Adds a code by its hash.
    pub fn insert_auth_code(&mut self, hash: &str, code: &AuthCode, now: Timestamp) -> Result<()> {
        self.conn.execute(
            "INSERT INTO auth_codes (tenant, code_hash, grant_id, client_id, body, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                Value::from(self.key()),
                Value::from(hash),
                Value::from(code.grant.to_string()),
                Value::from(code.client.to_string()),
                Value::from(&code.body),
                Value::from(now.millis()),
                Value::from(code.expires_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// Uses a code up. Of two who show it at the same moment, one gets [`Redeemed::Now`].
    pub fn redeem_auth_code(&mut self, hash: &str, now: Timestamp) -> Result<Redeemed> {
        let params = [
            Value::from(self.key()),
            Value::from(hash),
            Value::from(now.millis()),
        ];
        let redeemed = self.conn.query_opt(
            "UPDATE auth_codes SET redeemed_at = $3 WHERE tenant = $1 AND code_hash = $2 AND redeemed_at IS NULL \
             RETURNING grant_id, client_id, body, expires_at",
            &params,
        )?;
        if let Some(row) = redeemed {
            return Ok(Redeemed::Now(auth_code(&row)?));
        }
        let seen = self.conn.query_opt(
            "SELECT grant_id, client_id, body, expires_at FROM auth_codes WHERE tenant = $1 AND code_hash = $2",
            params.get(..2).unwrap_or_default(),
        )?;
        Ok(match seen {
            Some(row) => Redeemed::Before(auth_code(&row)?),
            None => Redeemed::Unknown,
        })
    }

    /// Adds a refresh token by its hash.
    pub fn insert_refresh_token(
        &mut self,
        hash: &str,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<()> {
        self.conn.execute(
            "INSERT INTO refresh_tokens (tenant, token_hash, grant_id, client_id, profile_id, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                Value::from(self.key()),
                Value::from(hash),
                Value::from(token.grant.to_string()),
                Value::from(token.client.to_string()),
                Value::from(token.profile.to_string()),
                Value::from(now.millis()),
                Value::from(token.expires_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// A refresh token by its hash, used up or not.
    pub fn find_refresh_token(&mut self, hash: &str) -> Result<Option<RefreshToken>> {
        self.conn
            .query_opt(
                "SELECT grant_id, client_id, profile_id, expires_at FROM refresh_tokens \
                 WHERE tenant = $1 AND token_hash = $2",
                &[Value::from(self.key()), Value::from(hash)],
            )?
            .map(|row| refresh_token(&row))
            .transpose()
    }

    /// Lets a refresh token that was not used up live longer.
    pub fn extend_refresh_token(&mut self, hash: &str, expires_at: Timestamp) -> Result<bool> {
        let n = self.conn.execute(
            "UPDATE refresh_tokens SET expires_at = $3 WHERE tenant = $1 AND token_hash = $2 AND rotated_at IS NULL",
            &[
                Value::from(self.key()),
                Value::from(hash),
                Value::from(expires_at.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// Uses a refresh token up. Of two who show it at the same moment, one gets [`Rotated::Now`]. `lately` is how far back a use may be
    /// that gets [`Rotated::Lately`].
    pub fn rotate_refresh_token(
        &mut self,
        hash: &str,
        now: Timestamp,
        lately: Timestamp,
    ) -> Result<Rotated> {
        let rotated = self.conn.query_opt(
            "UPDATE refresh_tokens SET rotated_at = $3 WHERE tenant = $1 AND token_hash = $2 AND rotated_at IS NULL \
             RETURNING grant_id, client_id, profile_id, expires_at",
            &[Value::from(self.key()), Value::from(hash), Value::from(now.millis())],
        )?;
        if let Some(row) = rotated {
            return Ok(Rotated::Now(refresh_token(&row)?));
        }
        let Some(token) = self.find_refresh_token(hash)? else {
            return Ok(Rotated::Unknown);
        };
        if self.void_unused_successor(hash, &token, lately)? {
            Ok(Rotated::Lately(token))
        } else {
            Ok(Rotated::Before(token))
        }
    }

    /// Voids the only token of the family that is as young as the use of this one or younger, if that use was not before `lately`. A
    /// void token is marked as used at no time, so that whoever shows it is not taken for somebody whose answer was lost.
    fn void_unused_successor(
        &mut self,
        hash: &str,
        token: &RefreshToken,
        lately: Timestamp,
    ) -> Result<bool> {
        let n = self.conn.execute(
            "UPDATE refresh_tokens SET rotated_at = 0 WHERE tenant = $1 AND grant_id = $2 AND rotated_at IS NULL AND 1 = (\
               SELECT COUNT(*) FROM refresh_tokens own \
               JOIN refresh_tokens other ON other.tenant = own.tenant AND other.grant_id = own.grant_id \
               WHERE own.tenant = $1 AND own.token_hash = $3 AND own.rotated_at >= $4 AND other.token_hash <> $3 \
               AND other.created_at >= own.rotated_at AND (other.rotated_at IS NULL OR other.rotated_at > 0))",
            &[
                Value::from(self.key()),
                Value::from(token.grant.to_string()),
                Value::from(hash),
                Value::from(lately.millis().max(1)),
            ],
        )?;
        Ok(n == 1)
    }

    /// Refuses signed tokens before they expire.
    pub fn insert_revocation(&mut self, revocation: &Revocation) -> Result<()> {
        self.conn.execute(
            "INSERT INTO revocations (tenant, kind, subject, issued_before, expires_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant, kind, subject) DO UPDATE SET issued_before = excluded.issued_before, \
             expires_at = excluded.expires_at",
            &[
                Value::from(self.key()),
                Value::from(revocation.kind.name()),
                Value::from(&revocation.subject),
                Value::from(revocation.issued_before.millis()),
                Value::from(revocation.expires_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// Refuses every token of a profile that was issued before now, and ends its grants and sessions. The caller has called `touch`.
    pub fn revoke_profile_tokens(&mut self, profile: ProfileId, now: Timestamp) -> Result<()> {
        self.revoke_profile_grants(profile, now)?;
        self.delete_profile_sessions(profile)?;
        self.insert_revocation(&Revocation {
            kind: RevocationKind::Profile,
            subject: profile.to_string(),
            issued_before: now,
            // No access token lives longer than an anonymous one may: 90 days.
            expires_at: now.plus_seconds(7_776_000),
        })
    }
}

impl Platform<'_, '_> {
    /// Removes codes, sessions, pushed requests, requests of devices, refresh tokens, grants and revocations of every instance that have expired, at most
    /// [`SWEEP`] of each; how many there were in all.
    pub fn delete_expired_runtime(&mut self, now: Timestamp) -> Result<u64> {
        let mut removed = 0;
        for (table, key) in [
            ("auth_codes", "code_hash"),
            ("sessions", "id_hash"),
            ("pushed_requests", "uri_hash"),
            ("device_requests", "device_hash"),
            ("refresh_tokens", "token_hash"),
            ("used_assertions", "id_hash"),
            ("initial_access_tokens", "id"),
            ("revocations", "kind, subject"),
            ("grants", "id"),
        ] {
            removed += self.conn.execute(
                &format!(
                    "DELETE FROM {table} WHERE (tenant, {key}) IN \
                     (SELECT tenant, {key} FROM {table} WHERE expires_at < $1 ORDER BY expires_at LIMIT {SWEEP})"
                ),
                &[Value::from(now.millis())],
            )?;
        }
        Ok(removed)
    }
}

fn grant(row: &Row) -> Result<Grant> {
    Ok(Grant {
        id: GrantId::parse(row.str(0)?).map_err(|_| Error::corrupt("grant id"))?,
        client: client(row, 1)?,
        profile: profile(row, 2)?,
        body: row.text(3)?,
        created_at: Timestamp::from_millis(row.int(4)?),
        expires_at: Timestamp::from_millis(row.int(5)?),
        revoked_at: row.opt_int(6)?.map(Timestamp::from_millis),
    })
}

fn auth_code(row: &Row) -> Result<AuthCode> {
    Ok(AuthCode {
        grant: GrantId::parse(row.str(0)?).map_err(|_| Error::corrupt("grant id"))?,
        client: client(row, 1)?,
        body: row.text(2)?,
        expires_at: Timestamp::from_millis(row.int(3)?),
    })
}

fn refresh_token(row: &Row) -> Result<RefreshToken> {
    Ok(RefreshToken {
        grant: GrantId::parse(row.str(0)?).map_err(|_| Error::corrupt("grant id"))?,
        client: client(row, 1)?,
        profile: profile(row, 2)?,
        expires_at: Timestamp::from_millis(row.int(3)?),
    })
}

fn client(row: &Row, column: usize) -> Result<ClientId> {
    ClientId::parse(row.str(column)?).map_err(|_| Error::corrupt("client id"))
}

fn profile(row: &Row, column: usize) -> Result<ProfileId> {
    ProfileId::parse(row.str(column)?).map_err(|_| Error::corrupt("profile id"))
}

//! Browsers that stay signed in.

use vestibule_model::{
    id::{ClientId, ProfileId},
    time::Timestamp,
};

use crate::{Error, Result, Row, Value, scope::Tenant};

/// One browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name for applications, which is no secret.
    pub sid: String,
    /// Who signed in.
    pub profile: ProfileId,
    /// What the engine keeps about it: JSON.
    pub body: String,
    /// When the person showed who they are.
    pub auth_at: Timestamp,
    /// When it ends unless it is used.
    pub expires_at: Timestamp,
}

impl Tenant<'_, '_> {
    /// Adds a session by the hash of its secret.
    pub fn insert_session(&mut self, hash: &str, session: &Session) -> Result<()> {
        self.conn.execute(
            "INSERT INTO sessions (tenant, id_hash, sid, profile_id, body, auth_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                Value::from(self.key()),
                Value::from(hash),
                Value::from(&session.sid),
                Value::from(session.profile.to_string()),
                Value::from(&session.body),
                Value::from(session.auth_at.millis()),
                Value::from(session.expires_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// A session by the hash of its secret, ended by time or not.
    pub fn find_session(&mut self, hash: &str) -> Result<Option<Session>> {
        self.conn
            .query_opt(
                "SELECT sid, profile_id, body, auth_at, expires_at FROM sessions WHERE tenant = $1 AND id_hash = $2",
                &[Value::from(self.key()), Value::from(hash)],
            )?
            .map(|row| session(&row))
            .transpose()
    }

    /// Notes that a session was used at a client. Both exist.
    pub fn insert_session_client(&mut self, hash: &str, client: ClientId) -> Result<()> {
        self.conn.execute(
            "INSERT INTO session_clients (tenant, id_hash, client_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[
                Value::from(self.key()),
                Value::from(hash),
                Value::from(client.to_string()),
            ],
        )?;
        Ok(())
    }

    /// Names of a profile's sessions and the clients at which each was used. With a hash, of that session alone.
    pub fn list_session_clients(
        &mut self,
        profile: ProfileId,
        hash: Option<&str>,
    ) -> Result<Vec<(String, ClientId)>> {
        self.conn
            .query(
                "SELECT s.sid, c.client_id FROM sessions s \
                 JOIN session_clients c ON c.tenant = s.tenant AND c.id_hash = s.id_hash \
                 WHERE s.tenant = $1 AND s.profile_id = $2 AND s.id_hash = COALESCE($3, s.id_hash) \
                 ORDER BY s.sid, c.client_id LIMIT 1000",
                &[
                    Value::from(self.key()),
                    Value::from(profile.to_string()),
                    Value::from(hash),
                ],
            )?
            .iter()
            .map(|row| {
                let client = ClientId::parse(row.str(1)?);
                Ok((
                    row.text(0)?,
                    client.map_err(|_| Error::corrupt("client id"))?,
                ))
            })
            .collect()
    }

    /// Lets a session live longer. False when there is none.
    pub fn extend_session(&mut self, hash: &str, expires_at: Timestamp) -> Result<bool> {
        let n = self.conn.execute(
            "UPDATE sessions SET expires_at = $3 WHERE tenant = $1 AND id_hash = $2",
            &[
                Value::from(self.key()),
                Value::from(hash),
                Value::from(expires_at.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// Ends a session. False when there is none.
    pub fn delete_session(&mut self, hash: &str) -> Result<bool> {
        let n = self.conn.execute(
            "DELETE FROM sessions WHERE tenant = $1 AND id_hash = $2",
            &[Value::from(self.key()), Value::from(hash)],
        )?;
        Ok(n == 1)
    }

    /// Ends every session of a profile; how many there were.
    pub fn delete_profile_sessions(&mut self, profile: ProfileId) -> Result<u64> {
        self.conn.execute(
            "DELETE FROM sessions WHERE tenant = $1 AND profile_id = $2",
            &[Value::from(self.key()), Value::from(profile.to_string())],
        )
    }
}

fn session(row: &Row) -> Result<Session> {
    Ok(Session {
        sid: row.text(0)?,
        profile: ProfileId::parse(row.str(1)?).map_err(|_| Error::corrupt("profile id"))?,
        body: row.text(2)?,
        auth_at: Timestamp::from_millis(row.int(3)?),
        expires_at: Timestamp::from_millis(row.int(4)?),
    })
}

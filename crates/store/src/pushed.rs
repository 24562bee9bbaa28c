//! What applications show before anybody signs in: proofs of possession, and authorization requests that they pushed.

use vestibule_model::{id::ClientId, time::Timestamp};

use crate::{
    Error, Result, Value,
    scope::{Platform, Tenant},
};

/// Most proofs that one sweep removes.
pub const SWEEP: u64 = 5000;

/// An authorization request that an application pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedRequest {
    /// The application.
    pub client: ClientId,
    /// Its parameters, sealed.
    pub sealed: Vec<u8>,
    /// When it stops working.
    pub expires_at: Timestamp,
}

impl Tenant<'_, '_> {
    /// Remembers a proof by its hash. False when it was remembered already: it is shown again.
    pub fn insert_proof(&mut self, hash: &str, expires_at: Timestamp) -> Result<bool> {
        let n = self.conn.execute(
            "INSERT INTO dpop_proofs (tenant, proof_hash, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (tenant, proof_hash) DO NOTHING",
            &[
                Value::from(self.key()),
                Value::from(hash),
                Value::from(expires_at.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// Adds a pushed request by the hash of its URI.
    pub fn insert_pushed_request(
        &mut self,
        hash: &str,
        request: &PushedRequest,
        now: Timestamp,
    ) -> Result<()> {
        self.conn.execute(
            "INSERT INTO pushed_requests (tenant, uri_hash, client_id, sealed, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                Value::from(self.key()),
                Value::from(hash),
                Value::from(request.client.to_string()),
                Value::from(request.sealed.as_slice()),
                Value::from(now.millis()),
                Value::from(request.expires_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// A pushed request by the hash of its URI, ended by time or not.
    pub fn find_pushed_request(&mut self, hash: &str) -> Result<Option<PushedRequest>> {
        self.conn
            .query_opt(
                "SELECT client_id, sealed, expires_at FROM pushed_requests WHERE tenant = $1 AND uri_hash = $2",
                &[Value::from(self.key()), Value::from(hash)],
            )?
            .map(|row| {
                Ok(PushedRequest {
                    client: ClientId::parse(row.str(0)?)
                        .map_err(|_| Error::corrupt("client id"))?,
                    sealed: row.blob(1)?,
                    expires_at: Timestamp::from_millis(row.int(2)?),
                })
            })
            .transpose()
    }

    /// Uses up a pushed request. False when there is none any more: somebody was faster.
    pub fn delete_pushed_request(&mut self, hash: &str) -> Result<bool> {
        let n = self.conn.execute(
            "DELETE FROM pushed_requests WHERE tenant = $1 AND uri_hash = $2",
            &[Value::from(self.key()), Value::from(hash)],
        )?;
        Ok(n == 1)
    }
}

impl Platform<'_, '_> {
    /// Removes proofs of every instance whose time has run out, [`SWEEP`] at most; how many there were.
    pub fn delete_expired_proofs(&mut self, now: Timestamp) -> Result<u64> {
        self.conn.execute(
            &format!(
                "DELETE FROM dpop_proofs WHERE (tenant, proof_hash) IN \
                 (SELECT tenant, proof_hash FROM dpop_proofs WHERE expires_at < $1 ORDER BY expires_at LIMIT {SWEEP})"
            ),
            &[Value::from(now.millis())],
        )
    }
}

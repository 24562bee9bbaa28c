//! Tokens that end early (RFC 7009).

use serde_json::Value;
use vestibule_crypto::token::TokenHash;
use vestibule_model::{
    id::{GrantId, TenantId},
    time::Timestamp,
};
use vestibule_store::{
    scope::Tenant,
    snapshot::{Revocation, RevocationKind},
};

use super::{ClientRequest, LONGEST_LIFE, resource::owner_of, token::required};
use crate::{Engine, Error, Result};

impl Engine {
    /// Ends a token of the application that calls: an access or identity token alone, a refresh token with everything that descends
    /// from the same sign-in. An unknown token, and one of another application, is no error (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// `invalid_client`; `Invalid` when no token was sent.
    pub async fn revoke_token(&self, request: &ClientRequest<'_>) -> Result<()> {
        let state = self.tenant(request.tenant).await?;
        let client = self
            .authenticate(request, &state)
            .await?
            .application
            .client_id;
        let token = required(request, "token")?;
        if let Some(claims) = self.verified_claims(&state, token) {
            let own = owner_of(&claims) == Some(client);
            let (jti, expires) = (
                claims.get("jti").and_then(Value::as_str),
                claims.get("exp").and_then(Value::as_i64),
            );
            if let (true, Some(jti), Some(expires)) = (own, jti, expires) {
                let now = self.now();
                let revocation = Revocation {
                    kind: RevocationKind::Token,
                    subject: jti.to_owned(),
                    issued_before: now,
                    expires_at: Timestamp::from_millis(expires.saturating_mul(1000)),
                };
                self.revoke(state.id, move |t, _| Ok(t.insert_revocation(&revocation)?))
                    .await?;
            }
            return Ok(());
        }
        let hash = TokenHash::of(token);
        let found = self
            .store()
            .read::<_, Error>(state.id, move |t| Ok(t.find_refresh_token(hash.as_str())?))
            .await?;
        match found {
            Some(refresh) if refresh.client == client => {
                self.end_grant(state.id, refresh.grant).await
            }
            _ => Ok(()),
        }
    }

    /// Ends everything that descends from one sign-in: codes, refresh tokens and signed tokens.
    pub(super) async fn end_grant(&self, tenant: TenantId, grant: GrantId) -> Result<()> {
        // Whoever shows the same code a thousand times makes no work.
        let known = (RevocationKind::Grant, grant.to_string());
        if self.tenant(tenant).await?.revocations.contains_key(&known) {
            return Ok(());
        }
        self.revoke(tenant, move |t, now| {
            t.revoke_grant(grant, now)?;
            t.insert_revocation(&Revocation {
                kind: RevocationKind::Grant,
                subject: grant.to_string(),
                issued_before: now,
                expires_at: now.plus_seconds(LONGEST_LIFE),
            })?;
            Ok(())
        })
        .await
    }

    async fn revoke(
        &self,
        tenant: TenantId,
        f: impl FnOnce(&mut Tenant<'_, '_>, Timestamp) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        self.change_as_service(tenant, f).await
    }

    /// Removes codes, refresh tokens, grants and revocations that have expired, a bounded number. Called by a worker.
    pub async fn purge_expired(&self) -> Result<u64> {
        let now = self.now();
        self.store()
            .platform_write::<_, Error>(move |platform| Ok(platform.delete_expired_runtime(now)?))
            .await
    }
}

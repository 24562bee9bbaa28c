//! Signed tokens that come back: verification, introspection.

use serde_json::{Map, Value};
use vestibule_crypto::jose::{self, Algorithm};
use vestibule_model::{
    id::{ClientId, TenantId},
    time::Timestamp,
};
use vestibule_store::snapshot::RevocationKind;
use vestibule_wire::token::Introspection;

use super::ClientRequest;
use crate::{Engine, Error, Kind, Result, tenant::TenantState};

/// What a token id says: `<grant>.<milliseconds, hexadecimal>.<random>`.
pub(super) struct TokenId<'a> {
    pub(super) grant: &'a str,
    pub(super) issued: Timestamp,
}

impl<'a> TokenId<'a> {
    pub(super) fn parse(jti: &'a str) -> Option<Self> {
        let (grant, rest) = jti.split_once('.')?;
        let (millis, _) = rest.split_once('.')?;
        Some(Self {
            grant,
            issued: Timestamp::from_millis(i64::from_str_radix(millis, 16).ok()?),
        })
    }
}

impl Engine {
    /// Whether a token of this instance is good now (RFC 7662). Reads no row.
    ///
    /// # Errors
    /// `invalid_client`; `Invalid` when no token was sent.
    pub async fn introspect(&self, request: &ClientRequest<'_>) -> Result<Introspection> {
        let state = self.tenant(request.tenant).await?;
        request.authenticate(&state)?;
        let token = request
            .form
            .get("token")
            .ok_or_else(|| Error::invalid("The parameter token is required."))?;
        Ok(Introspection {
            active: self.verified_claims(&state, token).is_some(),
        })
    }

    /// The claims of an access token of the instance that holds all of these scopes.
    ///
    /// # Errors
    /// `Unauthenticated` with code `invalid_token`; `Forbidden` with code `insufficient_scope`.
    pub(super) fn access_claims(
        &self,
        state: &TenantState,
        token: &str,
        scope: &str,
    ) -> Result<Map<String, Value>> {
        let claims = self
            .verified_claims(state, token)
            .ok_or_else(invalid_token)?;
        // Only access tokens have a scope.
        let held = claims
            .get("scope")
            .and_then(Value::as_str)
            .ok_or_else(invalid_token)?;
        if held.split(' ').any(|one| one == scope) {
            Ok(claims)
        } else {
            Err(Error::new(
                Kind::Forbidden,
                "insufficient_scope",
                format!("The token lacks the scope {scope}."),
            ))
        }
    }

    /// The claims of a token that this instance signed, that has not expired and was not revoked, for an application that is
    /// still registered.
    pub(super) fn verified_claims(
        &self,
        state: &TenantState,
        token: &str,
    ) -> Option<Map<String, Value>> {
        let header = jose::decode_unverified_header(token).ok()?;
        let kid = header.kid?;
        let key = state.keys.iter().find(|key| key.kid() == kid)?;
        let claims = jose::verify(token, key.verifying_key(), &[Algorithm::RS256]).ok()?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let expires = claims.get("exp").and_then(Value::as_i64)?;
        if expires <= self.now().seconds() || !self.issued_by(state.id, text("iss")?) {
            return None;
        }
        // Tokens of an application end with it.
        let audience = claims.get("aud")?.as_array()?;
        let mut clients = audience.iter().filter_map(Value::as_str);
        if !clients
            .any(|id| ClientId::parse(id).is_ok_and(|id| state.applications.contains_key(&id)))
        {
            return None;
        }
        let jti = text("jti")?;
        let revoked = !state.revocations.is_empty() && {
            let id = TokenId::parse(jti)?;
            [
                (RevocationKind::Token, Some(jti)),
                (RevocationKind::Grant, Some(id.grant)),
                (RevocationKind::Profile, text("sub")),
            ]
            .into_iter()
            .filter_map(|(kind, subject)| state.revocations.get(&(kind, subject?.to_owned())))
            // A token of the very millisecond of the revocation may be an old one.
            .any(|before| id.issued <= *before)
        };
        (!revoked).then_some(claims)
    }

    fn issued_by(&self, tenant: TenantId, issuer: &str) -> bool {
        let mut buffer = uuid::Uuid::encode_buffer();
        let id: &str = tenant.uuid().hyphenated().encode_lower(&mut buffer);
        issuer
            .strip_prefix(self.settings().public_url.as_str())
            .and_then(|rest| rest.strip_prefix("/oauth/v4/"))
            == Some(id)
    }
}

pub(super) fn invalid_token() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "invalid_token",
        "The access token is missing, malformed, expired or revoked.",
    )
}

//! People who have not said who they are, and what becomes of their profile when they do (contract/runtime.md section 6.8).

use serde_json::Value;
use vestibule_model::{
    id::{GrantId, ProfileId},
    profile::{ANONYMOUS, Profile, ProfileKind},
    time::Timestamp,
};
use vestibule_store::{
    scope::Tenant,
    snapshot::{Revocation, RevocationKind},
};

use super::{LONGEST_LIFE, bearer::TokenId};
use crate::{Engine, Result, profile::SignIn, tenant::TenantState};

/// An anonymous profile, and the sign-in whose token names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Anonymous {
    pub(super) profile: ProfileId,
    pub(super) grant: GrantId,
}

impl Engine {
    /// Whom an anonymous access token names. Applications send whatever token they hold, so any other is nobody's, not an error.
    pub(super) fn anonymous_of(
        &self,
        state: &TenantState,
        token: Option<&str>,
    ) -> Option<Anonymous> {
        let claims = self.verified_claims(state, token?)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let methods = claims.get("amr")?.as_array()?;
        text("scope")?;
        if !methods.iter().any(|method| method == ANONYMOUS) {
            return None;
        }
        Some(Anonymous {
            profile: self.profile_of(state.id, &claims)?,
            grant: GrantId::parse(TokenId::parse(text("jti")?)?.grant).ok()?,
        })
    }
}

impl Anonymous {
    /// Ends the anonymous profile for the good of one that signs in under the same id: answers it when the identity has no profile
    /// yet. Its tokens are refused from now on. The caller has touched the instance.
    pub(super) fn give_up(
        self,
        t: &mut Tenant<'_, '_>,
        sign_in: &SignIn,
        now: Timestamp,
    ) -> Result<Option<Profile>> {
        t.lock_identity(&sign_in.provider, &sign_in.subject)?;
        let known = t.find_profile_by_identity(&sign_in.provider, &sign_in.subject)?;
        let own = t
            .find_profile(self.profile)?
            .filter(|profile| profile.kind == ProfileKind::Anonymous);
        if known.is_some() || own.is_none() {
            return Ok(None);
        }
        t.insert_revocation(&Revocation {
            kind: RevocationKind::Grant,
            subject: self.grant.to_string(),
            issued_before: now,
            expires_at: now.plus_seconds(LONGEST_LIFE),
        })?;
        t.delete_profile(self.profile)?;
        Ok(own)
    }
}

//! What people are called at an application: by the same name everywhere, or by another in each sector (OpenID Connect Core section 8).
//!
//! A pairwise subject is a keyed digest of sector and profile: it says nothing of the profile, and those of two sectors cannot be
//! matched. Since it does not lead back, tokens that have one carry the profile too, sealed for this service alone and each time anew.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use vestibule_model::{
    application::metadata::SubjectType,
    id::{ProfileId, TenantId},
};

use crate::{
    Engine,
    tenant::{ApplicationState, TenantState},
};

/// The claim that holds the sealed profile.
pub(super) const SEALED_PROFILE: &str = "prf";

impl Engine {
    /// What an application calls a profile.
    pub(super) fn subject(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        profile: ProfileId,
    ) -> String {
        match sector(application) {
            None => profile.to_string(),
            Some(sector) => {
                let of = format!("{}\0{sector}\0{profile}", state.id);
                URL_SAFE_NO_PAD.encode(self.master().derive("pairwise subject", of.as_bytes()))
            }
        }
    }

    /// The members that say whom a token is about.
    pub(super) fn subject_claims(
        &self,
        state: &TenantState,
        application: Option<&ApplicationState>,
        profile: ProfileId,
    ) -> (String, Option<String>) {
        let Some(application) = application.filter(|one| sector(one).is_some()) else {
            return (profile.to_string(), None);
        };
        let sealed = self.master().seal(
            context_of(state.id).as_bytes(),
            profile.uuid().as_bytes(),
            self.random(),
        );
        let subject = self.subject(state, application, profile);
        (subject, Some(URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// The profile that a token of this instance is about.
    pub(super) fn profile_of(
        &self,
        tenant: TenantId,
        claims: &Map<String, Value>,
    ) -> Option<ProfileId> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        match text(SEALED_PROFILE) {
            Some(sealed) => self.open_profile(tenant, sealed),
            None => ProfileId::parse(text("sub")?).ok(),
        }
    }

    /// The profile that was sealed into a token.
    pub(super) fn open_profile(&self, tenant: TenantId, sealed: &str) -> Option<ProfileId> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let plain = self
            .master()
            .open(context_of(tenant).as_bytes(), &sealed)
            .ok()?;
        let uuid = uuid::Uuid::from_slice(&plain).ok()?;
        Some(ProfileId::from_uuid(uuid))
    }
}

/// The sector of an application that calls people by names of its own. One without redirect URIs of its own is its own sector.
fn sector(application: &ApplicationState) -> Option<String> {
    let metadata = &application.application.metadata;
    (metadata.subject_type == Some(SubjectType::Pairwise)).then(|| {
        metadata
            .sector()
            .unwrap_or_else(|| application.application.client_id.to_string())
    })
}

fn context_of(tenant: TenantId) -> String {
    format!("profile-in-token:{tenant}")
}

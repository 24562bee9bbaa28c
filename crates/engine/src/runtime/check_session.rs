//! How applications notice that a browser's session is another one (OpenID Connect Session Management 1.0): a frame of ours compares
//! what an answer said of the session with what the browser keeps of it.
//!
//! The browser's state is a keyed digest of the session's name: it changes with each sign-in and is gone after signing out, opens
//! nothing, and nobody who has not got an answer for a session can make a text that the frame finds unchanged.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use vestibule_crypto::digest::sha256_text;
use vestibule_model::{
    family::sso::SsoConfig,
    id::{ClientId, TenantId},
};
use vestibule_wire::authorization::AuthorizationRequest;

use super::authorization::origin_of;
use crate::{Engine, Error, Result};

impl Engine {
    /// Makes sure that an instance has the frame.
    ///
    /// # Errors
    /// `NotFound` where browsers do not stay signed in.
    pub async fn check_session(&self, tenant: TenantId) -> Result<()> {
        let state = self.tenant(tenant).await?;
        if state.config.get::<SsoConfig>().is_active {
            Ok(())
        } else {
            Err(Error::not_found("Browsers do not stay signed in here."))
        }
    }

    /// What a browser with this session keeps for the frame.
    pub(super) fn browser_state(&self, tenant: TenantId, sid: &str) -> String {
        let of = format!("{tenant}\0{sid}");
        URL_SAFE_NO_PAD.encode(self.master().derive("browser state", of.as_bytes()))
    }

    /// `session_state` of an answer (section 3.2). An app's own scheme has no origin that a frame could ask from.
    pub(super) fn session_state(
        &self,
        tenant: TenantId,
        (client, request): (ClientId, &AuthorizationRequest),
        sid: Option<&str>,
    ) -> Option<String> {
        let sid = sid.filter(|_| request.asks_for("openid"))?;
        let origin = origin_of(&request.redirect_uri);
        if !origin.starts_with("http") {
            return None;
        }
        let state = self.browser_state(tenant, sid);
        let salt = self.unguessable();
        let digest = sha256_text(&format!("{client} {origin} {state} {salt}"));
        Some(format!("{digest}.{salt}"))
    }
}

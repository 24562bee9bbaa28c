//! Telling applications that somebody signed out: their servers with a signed token (OpenID Connect Back-Channel Logout 1.0), their
//! pages by frames (Front-Channel Logout 1.0).
//!
//! Servers are told beside the request, a few times over a minute, and what has not arrived by then is lost, as it is when the process
//! ends: tokens of an application run out by themselves.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit};
use vestibule_model::id::{ClientId, ProfileId};
use vestibule_wire::redirect::with_parameters;

use crate::{
    Engine, Error, Result,
    tenant::{ApplicationState, TenantState},
};

/// How long to wait after each try that failed.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
];
/// Seconds that a logout token is good for: longer than all tries.
const SECONDS: i64 = 180;
/// The event that a logout token tells of (Back-Channel Logout section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl ApplicationState {
    /// Whether it wants to hear that somebody signed out.
    pub(super) fn hears_of_logout(&self) -> bool {
        let metadata = &self.application.metadata;
        metadata.backchannel_logout_uri.is_some() || metadata.frontchannel_logout_uri.is_some()
    }
}

impl Engine {
    /// Tells the applications where ended sessions were used. Servers hear of it beside this call; the answer is what frames of a page
    /// have to load.
    pub(super) fn bid_farewell(
        &self,
        state: &TenantState,
        profile: ProfileId,
        used: &[(String, ClientId)],
    ) -> Result<Vec<String>> {
        let issuer = state.issuer(&self.settings().public_url);
        let mut frames = Vec::new();
        for (sid, client) in used {
            let Some(found) = state.applications.get(client) else {
                continue;
            };
            let metadata = &found.application.metadata;
            if let Some(uri) = &metadata.backchannel_logout_uri {
                let token = self.logout_token(state, found, (profile, sid))?;
                self.post_logout(uri.clone(), token);
            }
            if let Some(uri) = &metadata.frontchannel_logout_uri {
                frames.push(with_parameters(uri, &[("iss", &issuer), ("sid", sid)]));
            }
        }
        Ok(frames)
    }

    /// Section 2.4: no nonce, so that it cannot pass for an identity token.
    fn logout_token(
        &self,
        state: &TenantState,
        found: &ApplicationState,
        (profile, sid): (ProfileId, &str),
    ) -> Result<String> {
        let key = state.signer(found.application.metadata.id_token_signed_response_alg);
        let now = self.now().seconds();
        let header = json!({
            "alg": key.algorithm().name(),
            "typ": "logout+jwt",
            "kid": key.kid(),
        });
        let claims = json!({
            "iss": state.issuer(&self.settings().public_url),
            "aud": found.application.client_id,
            "iat": now,
            "exp": now + SECONDS,
            "jti": vestibule_crypto::random::token(self.random(), 16),
            "events": { EVENT: {} },
            "sub": self.subject(state, found, profile),
            "sid": sid,
        });
        key.sign(&header, &claims).map_err(Error::internal)
    }

    fn post_logout(&self, uri: String, token: String) {
        let place = Arc::clone(&self.outbound().farewells).try_acquire_owned();
        let (Ok(runtime), Ok(place)) = (Handle::try_current(), place) else {
            tracing::warn!(
                uri,
                "too many applications wait to hear that somebody signed out; this one is not told"
            );
            return;
        };
        let engine = self.clone();
        runtime.spawn(async move { engine.try_to_tell(&uri, &token, place).await });
    }

    async fn try_to_tell(&self, uri: &str, token: &str, _place: OwnedSemaphorePermit) {
        let mut waits = WAITS.iter();
        loop {
            let Err(error) = self.send_form(uri, ("logout_token", token)).await else {
                return;
            };
            let Some(wait) = waits.next() else {
                tracing::warn!(%error, uri, "an application could not be told that somebody signed out");
                return;
            };
            tokio::time::sleep(*wait).await;
        }
    }
}

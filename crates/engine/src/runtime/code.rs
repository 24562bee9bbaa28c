//! Authorization codes: 256 random bits, kept as a hash, bound to application, redirect URI and PKCE challenge, good once for five
//! minutes, or for less where a profile says so. Who shows one twice ends what the first showing gave (RFC 6749 section 4.1.2).

use serde::{Deserialize, Serialize};
use vestibule_crypto::{
    pkce,
    token::{PlainToken, TokenHash},
};
use vestibule_model::{
    attributes::Attributes,
    id::{ClientId, GrantId, ProfileId},
    object::RawObject,
    profile::{ANONYMOUS, Profile, ProfileKind},
    time::Timestamp,
};
use vestibule_store::{
    runtime::{AuthCode, Redeemed},
    scope::Tenant,
    snapshot::RevocationKind,
};
use vestibule_wire::{authorization::AuthorizationRequest, token::TokenAnswer};

use super::{
    ClientRequest,
    basis::Basis,
    invalid_grant,
    person::Person,
    pushed::used_up,
    session::SessionUse,
    token::{OpenedGrant, required},
};
use crate::{
    Engine, Error, Result,
    tenant::{ApplicationState, TenantState},
};

/// What a code is bound to.
#[derive(Serialize, Deserialize)]
struct Bound {
    profile: ProfileId,
    #[serde(flatten)]
    basis: Basis,
    redirect_uri: String,
    challenge: Option<String>,
    nonce: Option<String>,
    /// Thumbprint of the key that must be shown for it.
    #[serde(default)]
    key: Option<String>,
    issued: Timestamp,
}

/// What showing a code led to.
enum Showing {
    Good(Box<(Person, Bound, GrantId)>),
    Bad,
    Again(GrantId),
}

impl Engine {
    /// A code for someone who has just signed in, or whose session is used for it; none when that has ended meanwhile.
    pub(super) async fn issue_code(
        &self,
        state: &TenantState,
        (client, request): (ClientId, &AuthorizationRequest),
        (profile, grant): (ProfileId, GrantId),
        (basis, session): (Basis, SessionUse),
    ) -> Result<Option<PlainToken>> {
        let now = self.now();
        let body = Bound {
            profile,
            basis,
            redirect_uri: request.redirect_uri.clone(),
            challenge: request.code_challenge.clone(),
            nonce: request.nonce.clone(),
            key: request.dpop_jkt.clone(),
            issued: now,
        };
        let code = PlainToken::generate(self.random());
        let row = AuthCode {
            grant,
            client,
            body: serde_json::to_string(&body).map_err(Error::internal)?,
            expires_at: now.plus_seconds(state.demands.code_seconds),
        };
        let (hash, pushed) = (code.hash(), request.pushed.clone());
        let found = state.applications.get(&client);
        let hears = found.is_some_and(ApplicationState::hears_of_logout);
        let kept = self
            .store()
            .write::<_, Error>(state.id, move |t| {
                if !session.apply(t)? {
                    return Ok(false);
                }
                if let Some(session) = session.hash().filter(|_| hears) {
                    t.insert_session_client(session.as_str(), client)?;
                }
                if let Some(pushed) = pushed
                    && !t.delete_pushed_request(&pushed)?
                {
                    return Err(used_up());
                }
                t.insert_auth_code(hash.as_str(), &row, now)?;
                Ok(true)
            })
            .await?;
        Ok(kept.then_some(code))
    }

    /// Tokens for a code. A code that is shown is used up, whatever is wrong with the request.
    pub(super) async fn redeem_code(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        request: &ClientRequest<'_>,
    ) -> Result<TokenAnswer> {
        let shown = self
            .shown_key(state, (application, request.possession))
            .await?;
        let hash = TokenHash::of(required(request, "code")?);
        let redirect_uri = required(request, "redirect_uri")?.to_owned();
        let wish = self.wish(state, request.form)?;
        let verifier = request.form.get("code_verifier").map(str::to_owned);
        let client = application.application.client_id;
        let refresh = self.new_refresh(state, application, "");
        let asks = application.is_third_party();
        // A client that nobody vouches for gets one where it asked (OpenID Connect Core section 11).
        let lasts =
            move |basis: &Basis| basis.provider != ANONYMOUS && (!asks || basis.asks_to_last());
        let (kept, now) = (refresh.as_ref().map(|refresh| refresh.stored()), self.now());
        let showing = self
            .store()
            .write::<_, Error>(state.id, move |t| {
                let code = match t.redeem_auth_code(hash.as_str(), now)? {
                    Redeemed::Now(code) => code,
                    Redeemed::Before(code) => return Ok(Showing::Again(code.grant)),
                    Redeemed::Unknown => return Ok(Showing::Bad),
                };
                let mut bound: Bound = serde_json::from_str(&code.body).map_err(Error::internal)?;
                let good = code.client == client
                    && code.expires_at > now
                    && bound.redirect_uri == redirect_uri
                    && bound.answered_by(verifier.as_deref())
                    && (bound.key.is_none() || bound.key == shown.jkt);
                if !good {
                    return Ok(Showing::Bad);
                }
                bound.basis.bound = shown;
                let Some(person) = bound.person(t, now)? else {
                    return Ok(Showing::Bad);
                };
                if let Some(kept) = kept.filter(|_| lasts(&bound.basis)) {
                    let opened = OpenedGrant {
                        id: code.grant,
                        client,
                        basis: bound.basis.to_text()?,
                        now,
                    };
                    opened.keep(t, person.profile.id, &kept)?;
                }
                // What was granted is kept, what was asked for is given. An error leaves the code as it was.
                wish.narrow(&mut bound.basis)?;
                Ok(Showing::Good(Box::new((person, bound, code.grant))))
            })
            .await?;
        match showing {
            Showing::Good(good) => {
                let (person, bound, grant) = *good;
                let revoked = state
                    .revocations
                    .get(&(RevocationKind::Profile, person.profile.id.to_string()));
                if revoked.is_some_and(|before| bound.issued <= *before) {
                    return Err(refused());
                }
                self.still_welcome(state, &person)?;
                let refresh = refresh.filter(|_| lasts(&bound.basis));
                let extras = (bound.nonce.as_deref(), refresh);
                self.answer(state, (client, grant), (&person, &bound.basis), extras)
            }
            Showing::Again(grant) => {
                self.end_grant(state.id, grant).await?;
                Err(refused())
            }
            Showing::Bad => Err(refused()),
        }
    }
}

impl Bound {
    /// Whether the verifier answers the challenge. A verifier without a challenge is a sign of a stripped request (RFC 9700
    /// section 4.8.2).
    fn answered_by(&self, verifier: Option<&str>) -> bool {
        match (&self.challenge, verifier) {
            (Some(challenge), Some(verifier)) => pkce::verify_s256(verifier, challenge),
            (None, None) => true,
            _ => false,
        }
    }

    /// Who signed in. An anonymous profile is made only now, so that a request without consequence leaves nothing behind.
    fn person(&self, t: &mut Tenant<'_, '_>, now: Timestamp) -> Result<Option<Person>> {
        let found = Person::find(t, self.profile, &self.basis.provider)?;
        if self.basis.provider != ANONYMOUS {
            return Ok(found);
        }
        if let Some(found) = found {
            // Someone may have signed in and continued the profile since: it is theirs alone now.
            let still = found.profile.kind == ProfileKind::Anonymous;
            return Ok(still.then_some(found));
        }
        let profile = Profile {
            id: self.profile,
            kind: ProfileKind::Anonymous,
            name: None,
            email: None,
            body: RawObject::default(),
            attributes: Attributes::default(),
            created_at: now,
            modified_at: now,
        };
        t.insert_profile(&profile)?;
        Person::of(t, profile.id, &self.basis.provider).map(Some)
    }
}

fn refused() -> Error {
    invalid_grant("The authorization code is not valid.")
}

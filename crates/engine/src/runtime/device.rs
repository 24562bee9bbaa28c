//! Devices without a browser (RFC 8628): they show a short code, somebody enters it elsewhere, signs in and agrees, and meanwhile they ask
//! the token endpoint again and again.
//!
//! Whoever is asked cannot see who asks: the page says so and repeats the code (section 5.4). The device's code is kept as a hash, the short
//! one, which could be guessed from a hash, as a keyed digest. An answer "not yet" writes nothing.

mod visit;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use vestibule_crypto::token::{PlainToken, TokenHash};
use vestibule_model::{
    id::{GrantId, ProfileId},
    time::Timestamp,
};
use vestibule_store::{
    device::{DeviceRequest, DeviceState},
    snapshot::RevocationKind,
};
use vestibule_wire::{
    claims_request::CLAIM_SCOPES,
    details::Detail,
    token::{Confirmation, DEVICE_CODE, DeviceAuthorization, TokenAnswer},
    user_code::UserCode,
};

pub use self::visit::{CodeForm, CodeProblem, DeviceEnd, DeviceForm, DeviceStep};
use super::{
    ClientRequest,
    authorization::BY_ASKING,
    basis::Basis,
    details, invalid_grant,
    person::Person,
    resource::Wish,
    throttle::FIRST_INTERVAL,
    token::{OpenedGrant, required},
};
use crate::{
    Engine, Error, Kind, Result,
    tenant::{ApplicationState, TenantState},
};

/// Seconds that the codes are good for.
const CODE_SECONDS: i64 = 900;
/// Seconds after that in which the device is told that they were.
const EPILOGUE_SECONDS: i64 = 600;
/// How often a short code is drawn that another device does not have. Of 20^8 codes the first is nearly always free.
const DRAWS: usize = 5;
/// Most bytes of the scopes that are asked for.
const LONGEST_SCOPE: usize = 2000;

/// What a device asked for.
#[derive(Serialize, Deserialize)]
struct Asked {
    /// Scopes for claims and, where nobody vouches for the application, over attributes.
    scopes: Vec<String>,
    /// Where the access token is to be good.
    #[serde(default)]
    resources: Vec<String>,
    /// What the person is to agree to in detail.
    #[serde(default)]
    details: Vec<Detail>,
}

/// Who let a device in.
#[derive(Serialize, Deserialize)]
struct Allowed {
    profile: ProfileId,
    basis: Basis,
    at: Timestamp,
}

impl Engine {
    /// Codes for a device.
    ///
    /// # Errors
    /// `invalid_client`, `unauthorized_client`, `invalid_scope`; `NotFound` where devices are switched off; `Throttled`.
    pub async fn authorize_device(
        &self,
        request: &ClientRequest<'_>,
    ) -> Result<DeviceAuthorization> {
        let state = self.tenant(request.tenant).await?;
        let application = self.authenticate(request, &state).await?;
        if !state.demands.devices {
            return Err(Error::not_found("Sign-in of devices is switched off."));
        }
        if !application.may_use(DEVICE_CODE) {
            return Err(Error::new(
                Kind::Invalid,
                "unauthorized_client",
                "The application is not registered for this grant.",
            ));
        }
        self.throttle().device(request.from, self.now())?;
        let mut resources = request
            .form
            .all("resource")
            .into_iter()
            .map(str::to_owned)
            .collect();
        self.check_resources(&state, &mut resources)?;
        let details = details::asked(
            &state.oauth,
            &application.application.metadata,
            request.form.get("authorization_details"),
        )?;
        let asked = Asked {
            scopes: asked_scopes(application, request.form.get("scope").unwrap_or_default())?,
            resources,
            details,
        };
        let (device, now) = (PlainToken::generate(self.random()), self.now());
        let row = DeviceRequest {
            client: application.application.client_id,
            state: DeviceState::Pending,
            body: serde_json::to_string(&asked).map_err(Error::internal)?,
            answer: None,
            good_until: now.plus_seconds(CODE_SECONDS),
        };
        let user = self.keep_device(&state, (&device, row), now).await?;
        let page = format!("{}/device", state.issuer(&self.settings().public_url));
        Ok(DeviceAuthorization {
            device_code: device.expose().to_owned(),
            verification_uri_complete: format!("{page}?user_code={user}"),
            user_code: user.to_string(),
            verification_uri: page,
            expires_in: CODE_SECONDS,
            interval: FIRST_INTERVAL,
        })
    }

    /// Keeps a request under a short code that no other has.
    async fn keep_device(
        &self,
        state: &TenantState,
        (device, row): (&PlainToken, DeviceRequest),
        now: Timestamp,
    ) -> Result<UserCode> {
        let until = row.good_until.plus_seconds(EPILOGUE_SECONDS);
        for _ in 0..DRAWS {
            let user = UserCode::draw(|| {
                let mut byte = [0];
                self.random().fill(&mut byte);
                byte[0]
            });
            let hashes = (device.hash(), self.user_hash(state, &user));
            let row = row.clone();
            let kept = self
                .store()
                .write::<_, Error>(state.id, move |t| {
                    let (device, user) = &hashes;
                    let hashes = (device.as_str(), user.as_str());
                    Ok(t.insert_device_request(hashes, &row, now, until)?)
                })
                .await?;
            if kept {
                return Ok(user);
            }
        }
        Err(Error::busy("There is no free code right now."))
    }

    /// Tokens for the code of a device that somebody has let in.
    ///
    /// # Errors
    /// `authorization_pending`, `slow_down`, `access_denied`, `expired_token`; `invalid_grant` for a code that there is not, was used or is
    /// another application's.
    pub(super) async fn device_tokens(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        request: &ClientRequest<'_>,
    ) -> Result<TokenAnswer> {
        let hash = TokenHash::of(required(request, "device_code")?);
        let (client, now) = (application.application.client_id, self.now());
        if self.throttle().polls_too_fast(&hash, now) {
            return Err(unanswered(
                "slow_down",
                "Ask less often: five seconds more between two requests.",
            ));
        }
        let holder = (application, request.possession);
        if request.possession.proof.is_none() {
            // That one is missing is said at once; one that is there is used up when there is something to give for it.
            self.shown_key(state, holder).await?;
        }
        let asked = hash.clone();
        let found = self
            .store()
            .read::<_, Error>(
                state.id,
                move |t| Ok(t.find_device_request(asked.as_str())?),
            )
            .await?
            .filter(|found| found.client == client)
            .ok_or_else(refused)?;
        self.throttle().polled(&hash, now);
        if found.good_until <= now {
            return Err(unanswered("expired_token", "The code has run out."));
        }
        match found.state {
            DeviceState::Allowed => {}
            DeviceState::Pending => {
                return Err(unanswered(
                    "authorization_pending",
                    "Nobody has answered yet.",
                ));
            }
            DeviceState::Denied => {
                return Err(unanswered("access_denied", "The person did not agree."));
            }
        }
        let bound = self.shown_key(state, holder).await?;
        let wish = self.wish(state, request.form)?;
        self.redeem_device(state, application, (hash, bound, wish))
            .await
    }

    async fn redeem_device(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        (hash, bound, wish): (TokenHash, Confirmation, Wish),
    ) -> Result<TokenAnswer> {
        let (client, now) = (application.application.client_id, self.now());
        let grant = GrantId::from_random_bytes(self.random_id());
        let refresh = self.new_refresh(state, application, "");
        let kept = refresh.as_ref().map(|refresh| refresh.stored());
        // As for codes.
        let asks = application.is_third_party();
        let redeemed = self
            .store()
            .write::<_, Error>(state.id, move |t| {
                let answer = t
                    .redeem_device_request(hash.as_str(), now)?
                    .and_then(|found| found.answer);
                let Some(answer) = answer else {
                    return Ok(None);
                };
                let mut allowed: Allowed =
                    serde_json::from_str(&answer).map_err(Error::internal)?;
                allowed.basis.bound = bound;
                let Some(person) = Person::find(t, allowed.profile, &allowed.basis.provider)?
                else {
                    return Ok(None);
                };
                let lasts = !asks || allowed.basis.asks_to_last();
                if let Some(kept) = kept.filter(|_| lasts) {
                    let opened = OpenedGrant {
                        id: grant,
                        client,
                        basis: allowed.basis.to_text()?,
                        now,
                    };
                    opened.keep(t, person.profile.id, &kept)?;
                }
                wish.narrow(&mut allowed.basis)?;
                Ok(Some((person, allowed)))
            })
            .await?;
        let (person, allowed) = redeemed.ok_or_else(refused)?;
        let profile = (RevocationKind::Profile, person.profile.id.to_string());
        let revoked = state.revocations.get(&profile);
        if revoked.is_some_and(|before| allowed.at <= *before) {
            return Err(refused());
        }
        self.still_welcome(state, &person)?;
        let refresh = refresh.filter(|_| !asks || allowed.basis.asks_to_last());
        let extras = (None, refresh);
        self.answer(state, (client, grant), (&person, &allowed.basis), extras)
    }

    /// What a short code is kept as.
    fn user_hash(&self, state: &TenantState, code: &UserCode) -> String {
        let of = format!("{}\0{}", state.id, code.as_str());
        URL_SAFE_NO_PAD.encode(self.master().derive("device user code", of.as_bytes()))
    }
}

/// What of the scopes asked for means anything for this application.
fn asked_scopes(application: &ApplicationState, scope: &str) -> Result<Vec<String>> {
    if scope.len() > LONGEST_SCOPE {
        return Err(Error::new(
            Kind::Invalid,
            "invalid_scope",
            "The scope is longer than 2000 bytes.",
        ));
    }
    let metadata = &application.application.metadata;
    let attributes = BY_ASKING
        .into_iter()
        .filter(|_| application.is_third_party());
    Ok(CLAIM_SCOPES
        .iter()
        .map(|(scope, _)| *scope)
        .chain(attributes)
        .filter(|known| scope.split(' ').any(|one| one == *known))
        .filter(|known| metadata.may_ask_for(known))
        .map(str::to_owned)
        .collect())
}

/// RFC 8628 section 3.5.
fn unanswered(code: &'static str, public: &str) -> Error {
    Error::new(Kind::Invalid, code, public)
}

fn refused() -> Error {
    invalid_grant("The code of the device is not valid.")
}

//! Whether a person agrees that an application learns of them. Only applications that registered themselves are asked about: whoever runs
//! the instance vouches for the others.
//!
//! The question travels like the sign-in form, sealed and bound to the browser, and works once: on a machine that people share, the
//! next one cannot answer it again.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use url::Url;
use vestibule_crypto::token::TokenHash;
use vestibule_model::{
    family::{registration::RegistrationConfig, sso::SsoConfig},
    id::{GrantId, ProfileId, TenantId},
    text::shown_name,
    time::Timestamp,
};
use vestibule_store::client::Consent;
use vestibule_wire::{
    authorization::AuthorizationRequest,
    claims_request::{CLAIM_SCOPES, OFFLINE_ACCESS},
};

use super::{FORM_SECONDS, FilledForm, Problem, Step, checked::Checked, policy_source};
use crate::{
    Engine, Error, Result,
    runtime::{
        basis::Basis,
        details::{self, ShownDetail},
        presentation::Presentation,
        session::{SessionCookie, SessionUse},
    },
    tenant::TenantState,
};

/// Scopes over what applications keep of people, and the one for refresh tokens, which others than the instance's own get only when
/// they ask.
pub(in crate::runtime) const BY_ASKING: [&str; 4] = [
    OFFLINE_ACCESS,
    "appid_readprofile",
    "appid_readuserattr",
    "appid_writeuserattr",
];

/// The question whether a person agrees.
#[derive(Debug)]
pub struct ConsentForm {
    /// The instance.
    pub tenant: TenantId,
    /// What was asked for, sealed; comes back with the form.
    pub context: String,
    /// The application's name, as it gave it itself.
    pub application: String,
    /// What it would learn, by scope.
    pub scopes: Vec<&'static str>,
    /// Whether nobody vouches for the application.
    pub third_party: bool,
    /// Where its token would be good; empty for everywhere that takes tokens of the application.
    pub resources: Vec<String>,
    /// What it would be allowed in detail.
    pub details: Vec<ShownDetail>,
    /// The host, or the scheme of an app, that the answer goes to.
    pub host: String,
    /// What else it shows of itself.
    pub presentation: Presentation,
    /// Language that the application asked for.
    pub language: Option<String>,
    /// Where the browser will be sent afterwards, as a content security policy names it.
    pub origin: String,
    /// What the browser is to keep.
    pub session: Option<SessionCookie>,
}

/// Somebody who signed in.
pub(super) struct Known {
    pub(super) profile: ProfileId,
    pub(super) basis: Basis,
}

/// What is sealed into the form.
#[derive(Serialize, Deserialize)]
struct Pending {
    request: AuthorizationRequest,
    subject: Option<String>,
    browser: String,
    expires: Timestamp,
    profile: ProfileId,
    basis: Basis,
    /// Whether the browser has a session, which must still be good.
    session: bool,
}

impl Engine {
    /// Goes on with what the person answered.
    ///
    /// # Errors
    /// Anything that no form can be shown for.
    pub async fn answer_consent(&self, filled: &FilledForm<'_>) -> Result<Step> {
        let state = self.tenant(filled.tenant).await?;
        let context = filled.form.get("context").unwrap_or_default();
        let pending = self.open_pending(&state, context)?;
        let checked = self.checked(state, pending.request, pending.subject)?;
        let stale = pending.expires <= self.now() || pending.browser != filled.browser.id;
        let once = TokenHash::of(context);
        let expires = pending.expires;
        let fresh = !stale
            && self
                .store()
                .write::<_, Error>(filled.tenant, move |t| {
                    Ok(t.use_assertion(once.as_str(), expires)?)
                })
                .await?;
        let session = self
            .signed_in(&checked.state, filled.browser.session)
            .await?
            .filter(|session| session.profile == pending.profile);
        if !fresh || (pending.session && session.is_none()) {
            return self.ask(
                &checked,
                (filled.browser.id, None),
                "",
                Some(Problem::Stale),
            );
        }
        if filled.form.get("decision") != Some("allow") {
            let why = "The person did not agree.";
            return Ok(Step::Answer(checked.refuse("access_denied", why)));
        }
        let profile = pending.profile;
        let consent = Consent {
            client: checked.client,
            scopes: agreed_to(&checked.request).join(" "),
            granted_at: self.now(),
        };
        self.store()
            .write::<_, Error>(filled.tenant, move |t| {
                Ok(t.update_consent(profile, &consent)?)
            })
            .await?;
        let seconds = checked
            .state
            .config
            .get::<SsoConfig>()
            .inactivity_timeout_seconds;
        let (used, cookie) = match session {
            Some(session) => (
                SessionUse::Extend(session.hash, self.now().plus_seconds(seconds)),
                Some(self.kept(&checked.state, (session.secret, &session.sid))),
            ),
            None => (SessionUse::None, None),
        };
        let grant = GrantId::from_random_bytes(self.random_id());
        let given = self
            .grant(&checked, (profile, grant), pending.basis, used)
            .await?;
        match given {
            Some(mut answer) => {
                answer.session = cookie;
                Ok(Step::Answer(answer))
            }
            None => self.ask(
                &checked,
                (filled.browser.id, None),
                "",
                Some(Problem::Stale),
            ),
        }
    }

    /// Whether the person has to be asked before this application learns of them.
    pub(super) async fn needs_consent(
        &self,
        checked: &Checked,
        profile: ProfileId,
    ) -> Result<bool> {
        // What is agreed to in detail is agreed to each time.
        if !checked.details.is_empty() {
            return Ok(true);
        }
        let config = checked.state.config.get::<RegistrationConfig>();
        if !checked.third_party || !config.consent_required {
            return Ok(false);
        }
        if checked.request.prompt.consent {
            return Ok(true);
        }
        let client = checked.client;
        let kept = self
            .store()
            .read::<_, Error>(checked.state.id, move |t| {
                Ok(t.find_consent(profile, client)?)
            })
            .await?;
        let kept = kept.map(|consent| consent.scopes).unwrap_or_default();
        let agreed = |scope: &&str| kept.split(' ').any(|one| one == *scope);
        Ok(!agreed_to(&checked.request).iter().all(agreed))
    }

    /// Asks the person.
    pub(super) fn ask_consent(
        &self,
        checked: &Checked,
        browser: &str,
        known: Known,
        session: Option<SessionCookie>,
    ) -> Result<Step> {
        let pending = Pending {
            request: checked.request.clone(),
            subject: checked.subject.clone(),
            browser: browser.to_owned(),
            expires: self.now().plus_seconds(FORM_SECONDS),
            profile: known.profile,
            basis: known.basis,
            session: session.is_some(),
        };
        let plain = serde_json::to_vec(&pending).map_err(Error::internal)?;
        let sealed = self.master().seal(
            context_of(checked.state.id).as_bytes(),
            &plain,
            self.random(),
        );
        let redirect = &checked.request.redirect_uri;
        let host = Url::parse(redirect)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .filter(|_| redirect.starts_with("http"));
        Ok(Step::Consent(Box::new(ConsentForm {
            tenant: checked.state.id,
            context: URL_SAFE_NO_PAD.encode(sealed),
            application: shown_name(&checked.application),
            scopes: wanted(&checked.request),
            third_party: checked.third_party,
            resources: checked.request.resources.clone(),
            details: details::shown(&checked.state.oauth, &checked.details),
            host: host.unwrap_or_else(|| policy_source(redirect)),
            presentation: self.presentation(&checked.state, checked.client),
            language: checked.request.language.clone(),
            origin: policy_source(redirect),
            session,
        })))
    }

    fn open_pending(&self, state: &TenantState, context: &str) -> Result<Pending> {
        let broken = || {
            Error::invalid(
                "The form is not one of ours. Go back to the application and sign in again.",
            )
        };
        let sealed = URL_SAFE_NO_PAD.decode(context).map_err(|_| broken())?;
        let plain = self
            .master()
            .open(context_of(state.id).as_bytes(), &sealed)
            .map_err(|_| broken())?;
        serde_json::from_slice(&plain).map_err(|_| broken())
    }
}

/// What an application would learn, by scope: asked for as a scope, or as a claim that the scope stands for.
fn wanted(request: &AuthorizationRequest) -> Vec<&'static str> {
    let claims = &request.claims;
    let named = |name: &str| {
        claims
            .userinfo
            .iter()
            .chain(&claims.id_token)
            .any(|wish| wish.name == name)
    };
    let about_people = CLAIM_SCOPES
        .iter()
        .filter(|(scope, claims)| request.asks_for(scope) || claims.iter().copied().any(named))
        .map(|(scope, _)| *scope);
    std::iter::once("openid")
        .chain(about_people)
        .chain(by_asking(request))
        .collect()
}

/// The same, and where the token would be good: what is kept of the answer.
fn agreed_to(request: &AuthorizationRequest) -> Vec<&str> {
    let places = request.resources.iter().map(String::as_str);
    wanted(request).into_iter().chain(places).collect()
}

/// Scopes that were asked for and that nobody gets without.
pub(super) fn by_asking(request: &AuthorizationRequest) -> impl Iterator<Item = &'static str> {
    BY_ASKING
        .into_iter()
        .filter(|scope| request.asks_for(scope))
}

fn context_of(tenant: TenantId) -> String {
    format!("consent-form:{tenant}")
}

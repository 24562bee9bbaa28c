//! The authorization endpoint and the sign-in form behind it (contract/runtime.md section 4.1).
//!
//! What was asked for travels through the browser in the form itself, sealed with the master key and bound to a cookie of that
//! browser: nothing is stored before somebody signs in, and a form made in one browser is worth nothing in another (login CSRF).

mod checked;
mod consent;

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use url::Url;
use vestibule_model::{
    family::{idps::CloudDirectory, sso::SsoConfig, tokens::TokensConfig},
    id::{GrantId, ProfileId, TenantId},
    profile::{ANONYMOUS, CLOUD_DIRECTORY},
    text::shown_name,
    time::Timestamp,
};
use vestibule_wire::{
    authorization::{AuthorizationRequest, ResponseMode},
    parameters::Parameters,
    redirect::with_parameters,
};

pub(super) use self::checked::{application, foreign_redirect};
pub(super) use self::consent::BY_ASKING;
pub use self::consent::ConsentForm;
use self::{
    checked::Checked,
    consent::{Known, by_asking},
};
use super::{
    anonymous::Anonymous,
    basis::Basis,
    directory::Login,
    person::Person,
    presentation::Presentation,
    session::{Browser, SessionCookie, SessionUse, SignedIn},
};
use crate::{Engine, Error, Kind, Result, tenant::TenantState};

/// Seconds that a sign-in form works.
pub(super) const FORM_SECONDS: i64 = 900;

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// The person is to sign in.
    Ask(Box<SignInForm>),
    /// The person is to say whether they agree.
    Consent(Box<ConsentForm>),
    /// The application gets its answer.
    Answer(Answer),
}

/// A form to sign in with.
#[derive(Debug)]
pub struct SignInForm {
    /// The instance.
    pub tenant: TenantId,
    /// What was asked for, sealed; comes back with the form.
    pub context: String,
    /// The application's name.
    pub application: String,
    /// What else it shows of itself.
    pub presentation: Presentation,
    /// Whether people sign in with an address (or with a user name).
    pub by_email: bool,
    /// What to fill in for it.
    pub login: String,
    /// Language that the application asked for.
    pub language: Option<String>,
    /// Where the browser will be sent afterwards, as a content security policy names it.
    pub origin: String,
    /// What went wrong the last time.
    pub problem: Option<Problem>,
}

/// Why signing in did not work, for the person to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Name or password left empty.
    Incomplete,
    /// Name or password wrong; which is not said.
    Wrong,
    /// Too many attempts.
    TooOften,
    /// The account is disabled.
    Disabled,
    /// The account is locked for a while.
    Locked,
    /// The address is not verified.
    Unverified,
    /// The service is too busy.
    Busy,
    /// The form was open for too long, or is from another browser.
    Stale,
}

/// The answer to the application.
#[derive(Debug)]
pub struct Answer {
    /// How it goes back.
    pub mode: ResponseMode,
    /// The redirect URI as the application gave it.
    pub redirect_uri: String,
    /// Members, in the order in which App ID's clients want them: `error` before its description.
    pub members: Vec<(&'static str, String)>,
    /// What the browser is to keep.
    pub session: Option<SessionCookie>,
}

impl Answer {
    /// The redirect that carries it.
    pub fn location(&self) -> String {
        let members: Vec<(&str, &str)> = self
            .members
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        with_parameters(&self.redirect_uri, &members)
    }

    /// The origin of the redirect URI, for a message to a window.
    pub fn origin(&self) -> String {
        origin_of(&self.redirect_uri)
    }
}

/// A filled-in form.
pub struct FilledForm<'a> {
    /// The instance in the path.
    pub tenant: TenantId,
    /// Its fields.
    pub form: &'a Parameters,
    /// What the cookies say of the browser.
    pub browser: Browser<'a>,
    /// Where the request came from.
    pub from: IpAddr,
}

/// What is sealed into the form.
#[derive(Serialize, Deserialize)]
struct Context {
    request: AuthorizationRequest,
    browser: String,
    expires: Timestamp,
    anonymous: Option<Anonymous>,
    #[serde(default)]
    subject: Option<String>,
}

impl Engine {
    /// A value that nobody can guess, for a cookie that tells browsers apart or for a policy's nonce: 128 bits, base64url.
    pub fn unguessable(&self) -> String {
        vestibule_crypto::random::token(self.random(), 16)
    }

    /// Begins a sign-in, or answers at once for a browser that is signed in.
    ///
    /// # Errors
    /// Anything that cannot go back to the application, since it is unknown or the redirect URI is not its own: a page says so.
    pub async fn authorize(
        &self,
        tenant: TenantId,
        query: &Parameters,
        browser: Browser<'_>,
    ) -> Result<Step> {
        let state = self.tenant(tenant).await?;
        let mut request = self.requested(&state, query).await?;
        let anonymous = self.anonymous_of(&state, request.anonymous_token.take().as_deref());
        let subject = self.expected_subject(&state, &mut request);
        let checked = self.checked(state, request, subject)?;
        if let Some((error, why)) = checked
            .refusal()
            .or_else(|| checked.not_signed().or_else(|| checked.not_pushed()))
        {
            return Ok(Step::Answer(checked.refuse(error, why)));
        }
        if checked.request.idp.as_deref() == Some(ANONYMOUS) {
            return self.answer_anonymous(&checked, anonymous).await;
        }
        let known = self.signed_in(&checked.state, browser.session).await?;
        if let Some(session) = known.filter(|known| checked.is_answered_by(self, known))
            && let Some(step) = self.answer_signed_in(&checked, browser.id, session).await?
        {
            return Ok(step);
        }
        if checked.request.prompt.none {
            let why = "Nobody is signed in who could be answered for without a question.";
            return Ok(Step::Answer(checked.refuse("login_required", why)));
        }
        self.ask(&checked, (browser.id, anonymous), "", None)
    }

    /// Signs in with what the form says; on failure the form comes back with the reason. Who declines goes back to the application.
    ///
    /// # Errors
    /// Anything that no form can be shown for.
    pub async fn submit(&self, filled: &FilledForm<'_>) -> Result<Step> {
        let state = self.tenant(filled.tenant).await?;
        let context = self.open_context(&state, filled.form)?;
        let anonymous = context.anonymous;
        let checked = self.checked(state, context.request, context.subject)?;
        let name = filled.form.get("username").unwrap_or_default();
        let password = filled.form.get("password").unwrap_or_default();
        let again = |problem| {
            self.ask(
                &checked,
                (filled.browser.id, anonymous),
                name,
                Some(problem),
            )
        };
        if context.browser != filled.browser.id {
            return again(Problem::Stale);
        }
        if filled.form.get("decision") == Some("deny") {
            let why = "The person did not sign in.";
            return Ok(Step::Answer(checked.refuse("access_denied", why)));
        }
        if context.expires <= self.now() {
            return again(Problem::Stale);
        }
        if name.trim().is_empty() || password.is_empty() {
            return again(Problem::Incomplete);
        }
        let login = Login {
            name: name.trim(),
            password,
            from: filled.from,
            anonymous,
        };
        match self.sign_in(&checked.state, login).await {
            Ok(person) => {
                self.answer_person(&checked, filled.browser.id, &person)
                    .await
            }
            Err(error) => match problem(&error) {
                Some(problem) => again(problem),
                None => Err(error),
            },
        }
    }

    /// Where to go after signing out of the browser's session.
    ///
    /// # Errors
    /// `Invalid` when the application is unknown or the URI is on neither of the instance's lists; the session stays then.
    pub async fn sign_out(
        &self,
        tenant: TenantId,
        query: &Parameters,
        browser: Browser<'_>,
    ) -> Result<String> {
        let state = self.tenant(tenant).await?;
        let uri = query
            .get("redirect_uri")
            .ok_or_else(|| Error::invalid("The parameter redirect_uri is required."))?;
        let found = application(&state, query.get("client_id").unwrap_or_default())?;
        if !found.leaves_to(&state, uri) && !found.returns_to(&state, uri) {
            return Err(foreign_redirect());
        }
        if let Some(secret) = browser.session {
            // A picture on somebody's page may not sign a person out of all browsers.
            let everywhere = browser.navigates && query.get("all_sessions") == Some("true");
            self.end_session(&state, secret, everywhere).await?;
        }
        Ok(uri.to_owned())
    }

    async fn answer_anonymous(
        &self,
        checked: &Checked,
        anonymous: Option<Anonymous>,
    ) -> Result<Step> {
        let config = checked.state.config.get::<TokensConfig>();
        if !config.anonymous_access.enabled {
            let why = "Anonymous sign-in is switched off.";
            return Ok(Step::Answer(checked.refuse("access_denied", why)));
        }
        let who = anonymous.unwrap_or_else(|| Anonymous {
            profile: ProfileId::from_random_bytes(self.random_id()),
            grant: GrantId::from_random_bytes(self.random_id()),
        });
        let basis = Basis::of(ANONYMOUS, self.now()).for_request(&checked.request);
        let grant = (who.profile, who.grant);
        let given = self.grant(checked, grant, basis, SessionUse::None).await?;
        given.map(Step::Answer).ok_or_else(vanished)
    }

    /// The answer for somebody who has just signed in.
    async fn answer_person(
        &self,
        checked: &Checked,
        browser: &str,
        person: &Person,
    ) -> Result<Step> {
        let profile = person.profile.id;
        if !checked.expects(self, profile) {
            let why = "Somebody else signed in than the application expects.";
            return Ok(Step::Answer(checked.refuse("login_required", why)));
        }
        let now = self.now();
        let mut basis = Basis::of(CLOUD_DIRECTORY, now);
        let made = self.new_session(&checked.state, profile, &basis, now)?;
        let (session, cookie) = match made {
            Some((session, cookie, sid)) => {
                basis.sid = Some(sid);
                (session, Some(cookie))
            }
            None => (SessionUse::None, None),
        };
        let basis = checked.complete(basis);
        if self.needs_consent(checked, profile).await? {
            self.store()
                .write::<_, Error>(checked.state.id, move |t| session.apply(t))
                .await?;
            return self.ask_consent(checked, browser, Known { profile, basis }, cookie);
        }
        let grant = GrantId::from_random_bytes(self.random_id());
        let given = self
            .grant(checked, (profile, grant), basis, session)
            .await?;
        let mut answer = given.ok_or_else(vanished)?;
        answer.session = cookie;
        Ok(Step::Answer(answer))
    }

    /// The answer for a browser that is signed in; none when its session ended at this moment.
    async fn answer_signed_in(
        &self,
        checked: &Checked,
        browser: &str,
        known: SignedIn,
    ) -> Result<Option<Step>> {
        let seconds = checked
            .state
            .config
            .get::<SsoConfig>()
            .inactivity_timeout_seconds;
        let cookie = self.kept(&checked.state, (known.secret, &known.sid));
        let basis = Basis {
            sid: Some(known.sid),
            auth_at: Some(known.auth_at),
            ..known.basis
        };
        let (basis, profile) = (checked.complete(basis), known.profile);
        if self.needs_consent(checked, profile).await? {
            if checked.request.prompt.none {
                let why = "The person has not agreed yet.";
                return Ok(Some(Step::Answer(checked.refuse("consent_required", why))));
            }
            let asked = self.ask_consent(checked, browser, Known { profile, basis }, Some(cookie));
            return asked.map(Some);
        }
        let session = SessionUse::Extend(known.hash, self.now().plus_seconds(seconds));
        let grant = GrantId::from_random_bytes(self.random_id());
        let given = self
            .grant(checked, (profile, grant), basis, session)
            .await?;
        Ok(given.map(|mut answer| {
            answer.session = Some(cookie);
            Step::Answer(answer)
        }))
    }

    async fn grant(
        &self,
        checked: &Checked,
        who: (ProfileId, GrantId),
        basis: Basis,
        session: SessionUse,
    ) -> Result<Option<Answer>> {
        let asked = (checked.client, &checked.request);
        let session_state = self.session_state(checked.state.id, asked, basis.sid.as_deref());
        let code = self
            .issue_code(&checked.state, asked, who, (basis, session))
            .await?;
        Ok(code.map(|code| {
            let members = [("code", code.expose().to_owned())].into_iter();
            let watched = session_state.map(|text| ("session_state", text));
            checked.answer(members.chain(watched).collect())
        }))
    }

    fn ask(
        &self,
        checked: &Checked,
        (browser, anonymous): (&str, Option<Anonymous>),
        login: &str,
        problem: Option<Problem>,
    ) -> Result<Step> {
        let config = checked.state.config.get::<CloudDirectory>();
        if !config.is_active {
            return Err(Error::new(
                Kind::Forbidden,
                "directory_off",
                "Sign-in is not available for this application right now.",
            ));
        }
        let context = Context {
            request: checked.request.clone(),
            browser: browser.to_owned(),
            expires: self.now().plus_seconds(FORM_SECONDS),
            anonymous,
            subject: checked.subject.clone(),
        };
        let plain = serde_json::to_vec(&context).map_err(Error::internal)?;
        let sealed = self.master().seal(
            context_of(checked.state.id).as_bytes(),
            &plain,
            self.random(),
        );
        let hint = checked.request.login_hint.as_deref().unwrap_or_default();
        Ok(Step::Ask(Box::new(SignInForm {
            tenant: checked.state.id,
            context: URL_SAFE_NO_PAD.encode(sealed),
            application: shown_name(&checked.application),
            presentation: self.presentation(&checked.state, checked.client),
            by_email: config.config.identity_field
                == vestibule_model::family::idps::cloud_directory::IdentityField::Email,
            login: if login.is_empty() { hint } else { login }.to_owned(),
            language: checked.request.language.clone(),
            origin: policy_source(&checked.request.redirect_uri),
            problem,
        })))
    }

    fn open_context(&self, state: &TenantState, form: &Parameters) -> Result<Context> {
        let broken = || {
            Error::invalid(
                "The form is not one of ours. Go back to the application and sign in again.",
            )
        };
        let text = form.get("context").ok_or_else(broken)?;
        let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| broken())?;
        let plain = self
            .master()
            .open(context_of(state.id).as_bytes(), &sealed)
            .map_err(|_| broken())?;
        serde_json::from_slice(&plain).map_err(|_| broken())
    }
}

pub(super) fn problem(error: &Error) -> Option<Problem> {
    match (error.kind, error.code) {
        (_, "invalid_grant") => Some(Problem::Wrong),
        (_, "user_disabled") => Some(Problem::Disabled),
        (_, "user_locked") => Some(Problem::Locked),
        (_, "user_unverified") => Some(Problem::Unverified),
        (Kind::Throttled(_), _) => Some(Problem::TooOften),
        (Kind::Unavailable(_), _) => Some(Problem::Busy),
        _ => None,
    }
}

fn vanished() -> Error {
    Error::internal("a session that was being made is gone")
}

pub(super) fn origin_of(uri: &str) -> String {
    Url::parse(uri).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
}

/// What a content security policy calls the place of a URI: its origin, or its scheme where that belongs to an app.
pub(super) fn policy_source(uri: &str) -> String {
    match uri.split_once(':') {
        Some((scheme, _)) if !matches!(scheme, "http" | "https") => format!("{scheme}:"),
        _ => origin_of(uri),
    }
}

fn context_of(tenant: TenantId) -> String {
    format!("sign-in-form:{tenant}")
}

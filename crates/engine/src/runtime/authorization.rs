//! The authorization endpoint and the sign-in form behind it (contract/runtime.md section 4.1).
//!
//! What was asked for travels through the browser in the form itself, sealed with the master key and bound to a cookie of that
//! browser: nothing is stored before somebody signs in, and a form made in one browser is worth nothing in another (login CSRF).

use std::{net::IpAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use url::Url;
use vestibule_model::{
    application::ApplicationType,
    family::{idps::CloudDirectory, redirects::RedirectUris, tokens::TokensConfig},
    id::{ClientId, GrantId, ProfileId, TenantId},
    profile::{ANONYMOUS, CLOUD_DIRECTORY},
    time::Timestamp,
};
use vestibule_wire::{
    authorization::{AuthorizationRequest, ResponseMode},
    parameters::Parameters,
    redirect::with_parameters,
};

use super::{anonymous::Anonymous, directory::Login};
use crate::{
    Engine, Error, Kind, Result,
    tenant::{ApplicationState, TenantState},
};

/// Seconds that a sign-in form works.
const FORM_SECONDS: i64 = 900;

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// The person is to sign in.
    Ask(Box<SignInForm>),
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
    /// Whether people sign in with an address (or with a user name).
    pub by_email: bool,
    /// What to fill in for it.
    pub login: String,
    /// Language that the application asked for.
    pub language: Option<String>,
    /// Where the browser will be sent afterwards: scheme and authority.
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
    /// What the cookie says of the browser.
    pub browser: &'a str,
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
}

/// A request whose application and redirect URI are good: from here on, errors go to the application.
struct Checked {
    state: Arc<TenantState>,
    client: ClientId,
    kind: ApplicationType,
    application: String,
    request: AuthorizationRequest,
}

impl Engine {
    /// A value that nobody can guess, for a cookie that tells browsers apart or for a policy's nonce: 128 bits, base64url.
    pub fn unguessable(&self) -> String {
        vestibule_crypto::random::token(self.random(), 16)
    }

    /// Begins a sign-in.
    ///
    /// # Errors
    /// Anything that cannot go back to the application, since it is unknown or the redirect URI is not its own: a page says so.
    pub async fn authorize(
        &self,
        tenant: TenantId,
        query: &Parameters,
        browser: &str,
    ) -> Result<Step> {
        let state = self.tenant(tenant).await?;
        let mut request =
            AuthorizationRequest::read(query).map_err(|error| Error::invalid(error.to_string()))?;
        let anonymous = self.anonymous_of(&state, request.anonymous_token.take().as_deref());
        let checked = checked(state, request)?;
        if let Some((error, why)) = checked.refusal() {
            return Ok(Step::Answer(checked.refuse(error, why)));
        }
        if checked.request.idp.as_deref() == Some(ANONYMOUS) {
            return self.answer_anonymous(&checked, anonymous).await;
        }
        if checked.request.prompt.as_deref() == Some("none") {
            let why = "Nobody is signed in.";
            return Ok(Step::Answer(checked.refuse("login_required", why)));
        }
        self.ask(&checked, (browser, anonymous), "", None)
    }

    /// Signs in with what the form says; on failure the form comes back with the reason.
    ///
    /// # Errors
    /// Anything that no form can be shown for.
    pub async fn submit(&self, filled: &FilledForm<'_>) -> Result<Step> {
        let state = self.tenant(filled.tenant).await?;
        let context = self.open_context(&state, filled.form)?;
        let anonymous = context.anonymous;
        let checked = checked(state, context.request)?;
        let name = filled.form.get("username").unwrap_or_default();
        let password = filled.form.get("password").unwrap_or_default();
        let again = |problem| self.ask(&checked, (filled.browser, anonymous), name, Some(problem));
        if context.expires <= self.now() || context.browser != filled.browser {
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
                let grant = GrantId::from_random_bytes(self.random_id());
                self.grant(&checked, (person.profile.id, grant), CLOUD_DIRECTORY)
                    .await
            }
            Err(error) => match problem(&error) {
                Some(problem) => again(problem),
                None => Err(error),
            },
        }
    }

    /// Where to go after signing out.
    ///
    /// # Errors
    /// `Invalid` when the application is unknown or the URI is not on the instance's list.
    pub async fn sign_out(&self, tenant: TenantId, query: &Parameters) -> Result<String> {
        let state = self.tenant(tenant).await?;
        let uri = query
            .get("redirect_uri")
            .ok_or_else(|| Error::invalid("The parameter redirect_uri is required."))?;
        application(&state, query.get("client_id").unwrap_or_default())?;
        if state.config.get::<RedirectUris>().allows(uri) {
            Ok(uri.to_owned())
        } else {
            Err(foreign_redirect())
        }
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
        self.grant(checked, (who.profile, who.grant), ANONYMOUS)
            .await
    }

    async fn grant(
        &self,
        checked: &Checked,
        who: (ProfileId, GrantId),
        provider: &str,
    ) -> Result<Step> {
        let code = self
            .issue_code(
                &checked.state,
                (checked.client, &checked.request),
                who,
                provider,
            )
            .await?;
        Ok(Step::Answer(
            checked.answer(vec![("code", code.expose().to_owned())]),
        ))
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
            application: checked.application.clone(),
            by_email: config.config.identity_field
                == vestibule_model::family::idps::cloud_directory::IdentityField::Email,
            login: if login.is_empty() { hint } else { login }.to_owned(),
            language: checked.request.language.clone(),
            origin: origin_of(&checked.request.redirect_uri),
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

impl Checked {
    /// What is wrong with the request, if anything, as RFC 6749 section 4.1.2.1 names it.
    fn refusal(&self) -> Option<(&'static str, &'static str)> {
        let request = &self.request;
        match request.response_type.as_str() {
            "code" => {}
            "" => {
                return Some((
                    "invalid_request",
                    "The parameter response_type is required.",
                ));
            }
            _ => {
                return Some((
                    "unsupported_response_type",
                    "The response type is not supported; use code.",
                ));
            }
        }
        match (&request.code_challenge, &request.code_challenge_method) {
            (None, None) if self.kind == ApplicationType::SinglePageApp => {
                return Some((
                    "invalid_request",
                    "A single-page application must send a code_challenge.",
                ));
            }
            (None, None) => {}
            (Some(challenge), Some(method)) if method == "S256" && is_challenge(challenge) => {}
            (Some(_), Some(method)) if method == "S256" => {
                return Some(("invalid_request", "The code_challenge is malformed."));
            }
            _ => {
                return Some((
                    "invalid_request",
                    "The code_challenge_method must be S256, with a code_challenge.",
                ));
            }
        }
        match request.idp.as_deref() {
            None | Some(CLOUD_DIRECTORY | ANONYMOUS) => None,
            Some(_) => Some(("access_denied", "This identity provider is not available.")),
        }
    }

    fn refuse(&self, error: &str, why: &str) -> Answer {
        self.answer(vec![
            ("error", error.to_owned()),
            ("error_description", why.to_owned()),
        ])
    }

    fn answer(&self, mut members: Vec<(&'static str, String)>) -> Answer {
        if let Some(state) = &self.request.state {
            members.push(("state", state.clone()));
        }
        Answer {
            mode: self.request.response_mode,
            redirect_uri: self.request.redirect_uri.clone(),
            members,
        }
    }
}

/// Makes sure that the application exists and that the redirect URI is on the instance's list.
fn checked(state: Arc<TenantState>, request: AuthorizationRequest) -> Result<Checked> {
    let found = application(&state, &request.client_id)?;
    if !state
        .config
        .get::<RedirectUris>()
        .allows(&request.redirect_uri)
    {
        return Err(foreign_redirect());
    }
    Ok(Checked {
        client: found.application.client_id,
        kind: found.application.kind,
        application: found.application.name.clone(),
        request,
        state,
    })
}

fn application<'a>(state: &'a TenantState, client: &str) -> Result<&'a ApplicationState> {
    ClientId::parse(client)
        .ok()
        .and_then(|id| state.applications.get(&id))
        .ok_or_else(|| {
            Error::new(
                Kind::Invalid,
                "unknown_application",
                "The application that sent you here is not known to this service.",
            )
        })
}

fn foreign_redirect() -> Error {
    Error::new(
        Kind::Invalid,
        "foreign_redirect",
        "The address to return to is not registered for this service.",
    )
}

/// 43 characters of base64url, or the 88 of App ID's JavaScript SDK (contract/runtime.md section 4.1.1).
fn is_challenge(text: &str) -> bool {
    let url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let standard = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    (text.len() == 43 && text.bytes().all(url)) || (text.len() == 88 && text.bytes().all(standard))
}

fn problem(error: &Error) -> Option<Problem> {
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

fn origin_of(uri: &str) -> String {
    Url::parse(uri).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
}

fn context_of(tenant: TenantId) -> String {
    format!("sign-in-form:{tenant}")
}

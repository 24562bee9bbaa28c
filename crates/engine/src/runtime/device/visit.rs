//! The person who lets a device in: they enter its code, sign in, and say whether they agree.
//!
//! What is under way travels through the forms, sealed with the master key and bound to a cookie of the browser, like the sign-in form of an
//! application. Entering a code changes nothing; the one change is the answer, which works once.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use vestibule_model::{
    family::{
        idps::{CloudDirectory, cloud_directory::IdentityField},
        sso::SsoConfig,
    },
    id::{ProfileId, TenantId},
    profile::CLOUD_DIRECTORY,
    text::shown_name,
    time::Timestamp,
};
use vestibule_store::{client::Consent, device::DeviceRequest};
use vestibule_wire::{claims_request::OFFLINE_ACCESS, parameters::Parameters, user_code::UserCode};

use super::{Allowed, Asked};
use crate::{
    Engine, Error, Kind, Result,
    runtime::{
        authorization::{BY_ASKING, FORM_SECONDS, FilledForm, Problem, SignInForm, problem},
        basis::Basis,
        details::{self, ShownDetail},
        directory::Login,
        session::{SessionCookie, SessionUse},
    },
    tenant::{ApplicationState, TenantState},
};

/// What comes next.
#[derive(Debug)]
pub enum DeviceStep {
    /// The person is to enter the code.
    Enter(CodeForm),
    /// The person is to sign in.
    SignIn(Box<SignInForm>),
    /// The person is to say whether they agree.
    Decide(Box<DeviceForm>),
    /// That was all.
    Finished(DeviceEnd),
}

/// A form to enter the code of a device with.
#[derive(Debug)]
pub struct CodeForm {
    /// The instance.
    pub tenant: TenantId,
    /// What to fill in; empty for nothing.
    pub code: String,
    /// What went wrong the last time.
    pub problem: Option<CodeProblem>,
}

/// Why a code does not lead on, for the person to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeProblem {
    /// No device waits with it, or not any more.
    Unknown,
    /// Too many wrong ones.
    TooOften,
}

/// The question whether the person lets the device in.
#[derive(Debug)]
pub struct DeviceForm {
    /// The instance.
    pub tenant: TenantId,
    /// What was asked for, sealed; comes back with the form.
    pub context: String,
    /// The application's name.
    pub application: String,
    /// Whether nobody vouches for the application.
    pub third_party: bool,
    /// What it would learn and may do, by scope.
    pub scopes: Vec<String>,
    /// Where its token would be good; empty for everywhere that takes tokens of the application.
    pub resources: Vec<String>,
    /// What it would be allowed in detail.
    pub details: Vec<ShownDetail>,
    /// The code, for comparison with what the device shows.
    pub code: String,
    /// Where the application says what it does with what it learns.
    pub policy_uri: Option<String>,
    /// Its terms.
    pub tos_uri: Option<String>,
    /// What the browser is to keep.
    pub session: Option<SessionCookie>,
}

/// How it ended.
#[derive(Debug)]
pub struct DeviceEnd {
    /// Whether the person let the device in.
    pub allowed: bool,
    /// What the browser is to keep.
    pub session: Option<SessionCookie>,
}

/// What is sealed into the forms.
#[derive(Serialize, Deserialize)]
struct Visit {
    code: String,
    browser: String,
    expires: Timestamp,
    who: Option<Who>,
}

/// Who signed in.
#[derive(Serialize, Deserialize)]
struct Who {
    profile: ProfileId,
    basis: Basis,
    /// Whether the browser has a session, which must still be good.
    session: bool,
}

/// A device that waits, and its application.
struct Waiting<'s> {
    code: UserCode,
    asked: Asked,
    application: &'s ApplicationState,
}

impl Engine {
    /// The page on which people enter the code of a device. One that came with the address is filled in and not looked at: the person is
    /// to compare it first (RFC 8628 section 3.3.1).
    ///
    /// # Errors
    /// `NotFound` where devices are switched off.
    pub async fn device_page(&self, tenant: TenantId, query: &Parameters) -> Result<DeviceStep> {
        let state = self.tenant(tenant).await?;
        devices(&state)?;
        let code = query.get("user_code").and_then(UserCode::parse);
        Ok(DeviceStep::Enter(CodeForm {
            tenant,
            code: code.map(|code| code.to_string()).unwrap_or_default(),
            problem: None,
        }))
    }

    /// Goes on with the code that a person entered.
    ///
    /// # Errors
    /// Anything that no form can be shown for.
    pub async fn enter_device_code(&self, filled: &FilledForm<'_>) -> Result<DeviceStep> {
        let state = self.tenant(filled.tenant).await?;
        devices(&state)?;
        let entered = filled.form.get("user_code").unwrap_or_default();
        let again = |problem| enter_again(&state, entered, problem);
        let Ok(guess) = self.throttle().guess(state.id, filled.from, self.now()) else {
            return Ok(again(CodeProblem::TooOften));
        };
        let waiting = match UserCode::parse(entered) {
            Some(code) => self.waiting(&state, code).await?,
            None => None,
        };
        let Some(waiting) = waiting else {
            return Ok(again(CodeProblem::Unknown));
        };
        guess.succeeded();
        let Some(session) = self.signed_in(&state, filled.browser.session).await? else {
            return self.ask_device_user(&state, &waiting, (filled.browser.id, "", None));
        };
        let cookie = self.kept(&state, (session.secret, &session.sid));
        let who = Who {
            profile: session.profile,
            basis: Basis {
                sid: Some(session.sid),
                auth_at: Some(session.auth_at),
                ..session.basis
            },
            session: true,
        };
        self.ask_decision(&state, &waiting, (filled.browser.id, who, Some(cookie)))
    }

    /// Signs a person in who entered a good code; on failure the form comes back with the reason.
    ///
    /// # Errors
    /// Anything that no form can be shown for.
    pub async fn sign_in_for_device(&self, filled: &FilledForm<'_>) -> Result<DeviceStep> {
        let state = self.tenant(filled.tenant).await?;
        devices(&state)?;
        let visit = self.open_visit(&state, filled)?;
        let Some(waiting) = self.awaited(&state, &visit, filled).await? else {
            return Ok(enter_again(&state, &visit.code, CodeProblem::Unknown));
        };
        if filled.form.get("decision") == Some("deny") {
            return self.turn_away(&state, &waiting).await;
        }
        let name = filled.form.get("username").unwrap_or_default().trim();
        let password = filled.form.get("password").unwrap_or_default();
        let again = |problem| {
            self.ask_device_user(&state, &waiting, (filled.browser.id, name, Some(problem)))
        };
        if name.is_empty() || password.is_empty() {
            return again(Problem::Incomplete);
        }
        let login = Login {
            name,
            password,
            from: filled.from,
            anonymous: None,
        };
        let person = match self.sign_in(&state, login).await {
            Ok(person) => person,
            Err(error) => return problem(&error).map_or(Err(error), again),
        };
        let (profile, now) = (person.profile.id, self.now());
        let mut basis = Basis::of(CLOUD_DIRECTORY, now);
        let mut cookie = None;
        if let Some((session, kept, sid)) = self.new_session(&state, profile, &basis, now)? {
            self.store()
                .write::<_, Error>(state.id, move |t| session.apply(t))
                .await?;
            (basis.sid, cookie) = (Some(sid), Some(kept));
        }
        let who = Who {
            profile,
            basis,
            session: cookie.is_some(),
        };
        self.ask_decision(&state, &waiting, (filled.browser.id, who, cookie))
    }

    /// Tells a device no, by somebody who entered its code and would not sign in.
    async fn turn_away(&self, state: &TenantState, waiting: &Waiting<'_>) -> Result<DeviceStep> {
        let (hash, now) = (self.user_hash(state, &waiting.code), self.now());
        let noted = self
            .store()
            .write::<_, Error>(state.id, move |t| {
                Ok(t.answer_device_request(&hash, None, now)?)
            })
            .await?;
        Ok(if noted {
            DeviceStep::Finished(DeviceEnd {
                allowed: false,
                session: None,
            })
        } else {
            enter_again(state, &waiting.code.to_string(), CodeProblem::Unknown)
        })
    }

    /// Notes what the person answered.
    ///
    /// # Errors
    /// Anything that no form can be shown for.
    pub async fn answer_device(&self, filled: &FilledForm<'_>) -> Result<DeviceStep> {
        let state = self.tenant(filled.tenant).await?;
        devices(&state)?;
        let visit = self.open_visit(&state, filled)?;
        let unknown = enter_again(&state, &visit.code, CodeProblem::Unknown);
        let Some(waiting) = self.awaited(&state, &visit, filled).await? else {
            return Ok(unknown);
        };
        let who = visit.who.ok_or_else(broken)?;
        let session = self
            .signed_in(&state, filled.browser.session)
            .await?
            .filter(|session| session.profile == who.profile);
        if who.session && session.is_none() {
            let stale = (filled.browser.id, "", Some(Problem::Stale));
            return self.ask_device_user(&state, &waiting, stale);
        }
        let (profile, now) = (who.profile, self.now());
        let allowed = Allowed {
            profile,
            basis: Basis {
                scopes: waiting.asked.scopes,
                resources: waiting.asked.resources,
                details: waiting.asked.details,
                ..who.basis
            },
            at: now,
        };
        let yes = filled.form.get("decision") == Some("allow");
        let answer = serde_json::to_string(&allowed).map_err(Error::internal)?;
        let client = waiting.application.application.client_id;
        let consent = waiting.application.is_third_party().then(|| Consent {
            client,
            scopes: [
                &[String::from("openid")],
                &*allowed.basis.scopes,
                &allowed.basis.resources,
            ]
            .concat()
            .join(" "),
            granted_at: now,
        });
        let seconds = state.config.get::<SsoConfig>().inactivity_timeout_seconds;
        let (used, cookie) = match session {
            Some(session) => (
                SessionUse::Extend(session.hash, now.plus_seconds(seconds)),
                Some(self.kept(&state, (session.secret, &session.sid))),
            ),
            None => (SessionUse::None, None),
        };
        let hears = waiting.application.hears_of_logout();
        let hash = self.user_hash(&state, &waiting.code);
        let noted = self
            .store()
            .write::<_, Error>(state.id, move |t| {
                if !used.apply(t)? {
                    return Ok(false);
                }
                if !yes {
                    return Ok(t.answer_device_request(&hash, None, now)?);
                }
                if let Some(session) = used.hash().filter(|_| hears) {
                    t.insert_session_client(session.as_str(), client)?;
                }
                if let Some(consent) = &consent {
                    t.update_consent(profile, consent)?;
                }
                Ok(t.answer_device_request(&hash, Some(&answer), now)?)
            })
            .await?;
        Ok(if noted {
            DeviceStep::Finished(DeviceEnd {
                allowed: yes,
                session: cookie,
            })
        } else {
            unknown
        })
    }

    /// The device that waits with a code, if one does.
    async fn waiting<'s>(
        &self,
        state: &'s TenantState,
        code: UserCode,
    ) -> Result<Option<Waiting<'s>>> {
        let (hash, now) = (self.user_hash(state, &code), self.now());
        let found = self
            .store()
            .read::<_, Error>(state.id, move |t| Ok(t.find_pending_device(&hash, now)?))
            .await?;
        let Some(DeviceRequest { client, body, .. }) = found else {
            return Ok(None);
        };
        let Some(application) = state.applications.get(&client) else {
            return Ok(None);
        };
        Ok(Some(Waiting {
            code,
            asked: serde_json::from_str(&body).map_err(Error::internal)?,
            application,
        }))
    }

    /// The device of a form, if it still waits and the form is of this browser and not too old.
    async fn awaited<'s>(
        &self,
        state: &'s TenantState,
        visit: &Visit,
        filled: &FilledForm<'_>,
    ) -> Result<Option<Waiting<'s>>> {
        let stale = visit.expires <= self.now() || visit.browser != filled.browser.id;
        match UserCode::parse(&visit.code).filter(|_| !stale) {
            Some(code) => self.waiting(state, code).await,
            None => Ok(None),
        }
    }

    fn ask_device_user(
        &self,
        state: &TenantState,
        waiting: &Waiting<'_>,
        (browser, login, problem): (&str, &str, Option<Problem>),
    ) -> Result<DeviceStep> {
        let config = state.config.get::<CloudDirectory>();
        if !config.is_active {
            return Err(Error::new(
                Kind::Forbidden,
                "directory_off",
                "Sign-in is not available for this application right now.",
            ));
        }
        Ok(DeviceStep::SignIn(Box::new(SignInForm {
            tenant: state.id,
            context: self.seal_visit(state, waiting, (browser, None))?,
            application: shown_name(&waiting.application.application.name),
            presentation: self.presentation(state, waiting.application.application.client_id),
            by_email: config.config.identity_field == IdentityField::Email,
            login: login.to_owned(),
            language: None,
            origin: String::new(),
            problem,
        })))
    }

    fn ask_decision(
        &self,
        state: &TenantState,
        waiting: &Waiting<'_>,
        (browser, who, session): (&str, Who, Option<SessionCookie>),
    ) -> Result<DeviceStep> {
        let application = &waiting.application.application;
        Ok(DeviceStep::Decide(Box::new(DeviceForm {
            tenant: state.id,
            context: self.seal_visit(state, waiting, (browser, Some(who)))?,
            application: shown_name(&application.name),
            third_party: waiting.application.is_third_party(),
            scopes: learned(waiting),
            resources: waiting.asked.resources.clone(),
            details: details::shown(&state.oauth, &waiting.asked.details),
            code: waiting.code.to_string(),
            policy_uri: application.metadata.policy_uri.clone(),
            tos_uri: application.metadata.tos_uri.clone(),
            session,
        })))
    }

    fn seal_visit(
        &self,
        state: &TenantState,
        waiting: &Waiting<'_>,
        (browser, who): (&str, Option<Who>),
    ) -> Result<String> {
        let visit = Visit {
            code: waiting.code.to_string(),
            browser: browser.to_owned(),
            expires: self.now().plus_seconds(FORM_SECONDS),
            who,
        };
        let plain = serde_json::to_vec(&visit).map_err(Error::internal)?;
        let context = context_of(state.id);
        let sealed = self
            .master()
            .seal(context.as_bytes(), &plain, self.random());
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    fn open_visit(&self, state: &TenantState, filled: &FilledForm<'_>) -> Result<Visit> {
        let text = filled.form.get("context").ok_or_else(broken)?;
        let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| broken())?;
        let plain = self
            .master()
            .open(context_of(state.id).as_bytes(), &sealed)
            .map_err(|_| broken())?;
        serde_json::from_slice(&plain).map_err(|_| broken())
    }
}

/// What the application would learn and may do. One of the instance's own gets more than it asks for.
fn learned(waiting: &Waiting<'_>) -> Vec<String> {
    let given: &[&str] = if waiting.application.is_third_party() {
        &["openid"]
    } else {
        &["openid", "profile", "email"]
    };
    let over = BY_ASKING
        .into_iter()
        .filter(|scope| given.len() > 1 && *scope != OFFLINE_ACCESS);
    let asked = waiting.asked.scopes.iter().map(String::as_str);
    let mut all: Vec<String> = Vec::new();
    for scope in given.iter().copied().chain(asked).chain(over) {
        if !all.iter().any(|one| one == scope) {
            all.push(scope.to_owned());
        }
    }
    all
}

fn enter_again(state: &TenantState, entered: &str, problem: CodeProblem) -> DeviceStep {
    DeviceStep::Enter(CodeForm {
        tenant: state.id,
        code: entered.chars().take(20).collect(),
        problem: Some(problem),
    })
}

fn devices(state: &TenantState) -> Result<()> {
    if state.demands.devices {
        Ok(())
    } else {
        Err(Error::not_found("Sign-in of devices is switched off."))
    }
}

fn broken() -> Error {
    Error::invalid("The form is not one of ours. Enter the code again.")
}

fn context_of(tenant: TenantId) -> String {
    format!("device-form:{tenant}")
}

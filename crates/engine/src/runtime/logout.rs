//! Signing out because an application asks for it (OpenID Connect RP-Initiated Logout 1.0).
//!
//! An identity token of the very person who is signed in shows that the application knows whom it is about. Without one the person is
//! asked: a link on a page elsewhere signs nobody out.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use vestibule_model::{id::TenantId, time::Timestamp};
use vestibule_wire::{parameters::Parameters, redirect::with_parameters};

use super::{
    authorization::{application, foreign_redirect, policy_source},
    session::Browser,
};
use crate::{Engine, Error, Result, tenant::TenantState};

/// Seconds that the question to the person stands.
const QUESTION_SECONDS: i64 = 900;

/// What comes next.
#[derive(Debug)]
pub enum LogoutStep {
    /// Nobody is signed in at this browser any more. Where the person goes; a page says so where the application did not say.
    Left(Option<String>),
    /// The same, and a page has to load these addresses in frames first.
    Telling(Option<String>, Vec<String>),
    /// The person is to say whether they want to sign out.
    Ask {
        /// The instance.
        tenant: TenantId,
        /// What was asked for, sealed; comes back with the form.
        context: String,
        /// Where the browser will be sent afterwards, if anywhere: scheme and authority.
        origin: Option<String>,
    },
}

/// What is sealed into the question.
#[derive(Serialize, Deserialize)]
struct Question {
    to: Option<String>,
    browser: String,
    expires: Timestamp,
}

impl Engine {
    /// Signs the person at a browser out, or asks whether they want that.
    ///
    /// # Errors
    /// `Invalid` for a hint that is not an identity token of this instance or is another application's, an unknown application, and an
    /// address that is not on the list `logoutRedirectUris`. Nobody is signed out then.
    pub async fn log_out(
        &self,
        tenant: TenantId,
        form: &Parameters,
        browser: Browser<'_>,
    ) -> Result<LogoutStep> {
        let state = self.tenant(tenant).await?;
        if let Some(context) = form.get("context") {
            let to = self.open_question(&state, context, browser)?;
            return self.leave(&state, to, browser).await;
        }
        let hint = form.get("id_token_hint").map(|hint| {
            self.hinted(&state, hint).ok_or_else(|| {
                Error::invalid("The id_token_hint is not an identity token of this service.")
            })
        });
        let hint = hint.transpose()?;
        let to = self.logout_target(
            &state,
            form,
            hint.as_ref().map(|hint| hint.audience.as_str()),
        )?;
        let known = self.signed_in(&state, browser.session).await?;
        match (known, hint) {
            (None, _) => self.leave(&state, to, browser).await,
            (Some(known), Some(hint)) if hint.profile == known.profile => {
                self.leave(&state, to, browser).await
            }
            (Some(_), _) => {
                let origin = to.as_deref().map(policy_source);
                let question = Question {
                    to,
                    browser: browser.id.to_owned(),
                    expires: self.now().plus_seconds(QUESTION_SECONDS),
                };
                let plain = serde_json::to_vec(&question).map_err(Error::internal)?;
                let sealed =
                    self.master()
                        .seal(context_of(tenant).as_bytes(), &plain, self.random());
                Ok(LogoutStep::Ask {
                    tenant,
                    context: URL_SAFE_NO_PAD.encode(sealed),
                    origin,
                })
            }
        }
    }

    async fn leave(
        &self,
        state: &TenantState,
        to: Option<String>,
        browser: Browser<'_>,
    ) -> Result<LogoutStep> {
        let frames = match browser.session {
            Some(secret) => self.end_session(state, secret, false).await?,
            None => Vec::new(),
        };
        Ok(if frames.is_empty() {
            LogoutStep::Left(to)
        } else {
            LogoutStep::Telling(to, frames)
        })
    }

    /// Where the application wants the person to go, with its state.
    fn logout_target(
        &self,
        state: &TenantState,
        form: &Parameters,
        audience: Option<&str>,
    ) -> Result<Option<String>> {
        let named = form.get("client_id");
        if named.is_some() && audience.is_some() && named != audience {
            return Err(Error::invalid(
                "The client_id is not the application of the id_token_hint.",
            ));
        }
        let client = match named.or(audience) {
            Some(client) => Some(application(state, client)?),
            None => None,
        };
        let Some(uri) = form.get("post_logout_redirect_uri") else {
            return Ok(None);
        };
        let client = client.ok_or_else(|| {
            Error::invalid("A post_logout_redirect_uri needs a client_id or an id_token_hint.")
        })?;
        if !client.leaves_to(state, uri) {
            return Err(foreign_redirect());
        }
        let members: Vec<_> = form
            .get("state")
            .map(|state| ("state", state))
            .into_iter()
            .collect();
        Ok(Some(with_parameters(uri, &members)))
    }

    fn open_question(
        &self,
        state: &TenantState,
        context: &str,
        browser: Browser<'_>,
    ) -> Result<Option<String>> {
        let broken = || Error::invalid("The form is not one of ours, or it was open for too long.");
        let sealed = URL_SAFE_NO_PAD.decode(context).map_err(|_| broken())?;
        let plain = self
            .master()
            .open(context_of(state.id).as_bytes(), &sealed)
            .map_err(|_| broken())?;
        let question: Question = serde_json::from_slice(&plain).map_err(|_| broken())?;
        if question.expires <= self.now() || question.browser != browser.id {
            return Err(broken());
        }
        Ok(question.to)
    }
}

fn context_of(tenant: TenantId) -> String {
    format!("sign-out-form:{tenant}")
}

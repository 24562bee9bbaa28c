//! An authorization request that was looked at: whose it is, and what is wrong with it.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use vestibule_model::{
    application::ApplicationType,
    family::redirects::RedirectUris,
    id::ClientId,
    profile::{ANONYMOUS, CLOUD_DIRECTORY},
    time::Timestamp,
};
use vestibule_wire::{
    authorization::{AuthorizationRequest, Fault, ResponseMode},
    discovery::PASSWORD,
};

use super::Answer;
use crate::{
    Engine, Error, Kind, Result,
    runtime::session::SignedIn,
    tenant::{ApplicationState, TenantState},
};

/// Seconds that a signed answer is good for: JARM section 2.1 recommends ten minutes at most.
const ANSWER_SECONDS: i64 = 300;

/// A request whose application and redirect URI are good: from here on, errors go to the application.
pub(in crate::runtime) struct Checked {
    pub(super) state: Arc<TenantState>,
    pub(super) client: ClientId,
    pub(super) kind: ApplicationType,
    pub(super) application: String,
    pub(super) request: AuthorizationRequest,
    /// The profile that the application expects, if it says so.
    pub(super) subject: Option<String>,
    /// What the answer names as its issuer.
    pub(super) issuer: String,
    /// When the request was looked at.
    pub(super) now: Timestamp,
}

impl Checked {
    /// What is wrong with the request, if anything, as RFC 6749 section 4.1.2.1 names it.
    pub(in crate::runtime) fn refusal(&self) -> Option<(&'static str, &'static str)> {
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
        if let Some(fault) = request.fault {
            return Some((fault.error, fault.why));
        }
        if request.signed_answer && !self.state.oauth.jarm {
            return Some(("invalid_request", "Signed answers are switched off."));
        }
        match (&request.code_challenge, &request.code_challenge_method) {
            (None, None) if self.state.demands.pkce => {
                return Some((
                    "invalid_request",
                    "This service takes requests with a code_challenge only.",
                ));
            }
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
        let acr = request.claims.identity("acr");
        let needs = acr.filter(|wish| wish.essential && !wish.values.is_empty());
        let anonymous = request.idp.as_deref() == Some(ANONYMOUS);
        let meets = |value: &String| value == PASSWORD && !anonymous;
        if needs.is_some_and(|wish| !wish.values.iter().any(meets)) {
            return Some((
                "unmet_authentication_requirements",
                "The service cannot sign people in as the acr claim demands.",
            ));
        }
        match request.idp.as_deref() {
            None | Some(CLOUD_DIRECTORY | ANONYMOUS) => None,
            Some(_) => Some(("access_denied", "This identity provider is not available.")),
        }
    }

    /// What is wrong with how the request came.
    pub(super) fn not_pushed(&self) -> Option<(&'static str, &'static str)> {
        let required = self.state.demands.pushed_requests.is_required();
        (required && self.request.pushed.is_none()).then_some((
            "invalid_request",
            "This service takes pushed authorization requests only.",
        ))
    }

    /// Whether a session answers the request without a question to the person.
    pub(super) fn is_answered_by(&self, session: &SignedIn, now: i64) -> bool {
        let prompt = self.request.prompt;
        let age = now.saturating_sub(session.auth_at.seconds());
        let provider = self.request.idp.as_deref();
        !prompt.login
            && !prompt.consent
            // Zero asks for a sign-in of now (OpenID Connect Core section 3.1.2.1).
            && self.request.max_age.is_none_or(|most| most > 0 && age <= most)
            && provider.is_none_or(|provider| provider == session.basis.provider)
            && self.expects(&session.profile.to_string())
    }

    /// Whether the application wants this profile, or says nothing about whom it wants.
    pub(super) fn expects(&self, profile: &str) -> bool {
        self.subject
            .as_deref()
            .is_none_or(|subject| subject == profile)
    }

    pub(super) fn refuse(&self, error: &str, why: &str) -> Answer {
        self.answer(vec![
            ("error", error.to_owned()),
            ("error_description", why.to_owned()),
        ])
    }

    /// The answer as one signed member (JARM section 2.1). What cannot be signed does not go out unsigned.
    fn signed(&self, members: &[(&'static str, String)]) -> (&'static str, String) {
        let key = &self.state.signing_key;
        let header = json!({"alg": key.algorithm().name(), "kid": key.kid(), "typ": "JWT"});
        let mut claims: Map<String, Value> = members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
            .collect();
        claims.insert("aud".into(), self.client.to_string().into());
        claims.insert("exp".into(), (self.now.seconds() + ANSWER_SECONDS).into());
        match key.sign(&header, &claims) {
            Ok(response) => ("response", response),
            Err(_) => ("error", String::from("server_error")),
        }
    }

    pub(super) fn answer(&self, mut members: Vec<(&'static str, String)>) -> Answer {
        if let Some(state) = &self.request.state {
            members.push(("state", state.clone()));
        }
        if self.request.response_mode != ResponseMode::WebMessage {
            members.push(("iss", self.issuer.clone()));
        }
        if self.request.signed_answer && self.state.oauth.jarm {
            members = vec![self.signed(&members)];
        }
        Answer {
            session: None,
            mode: self.request.response_mode,
            redirect_uri: self.request.redirect_uri.clone(),
            members,
        }
    }
}

impl Engine {
    /// Makes sure that the application exists and that the redirect URI is on the instance's list.
    pub(in crate::runtime) fn checked(
        &self,
        state: Arc<TenantState>,
        request: AuthorizationRequest,
        subject: Option<String>,
    ) -> Result<Checked> {
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
            issuer: state.issuer(&self.settings().public_url),
            now: self.now(),
            request,
            subject,
            state,
        })
    }

    /// Whom the application expects: the subject of its hint, or the one it demands by claim. A hint may have expired; one that this
    /// instance did not sign is a fault of the request.
    pub(super) fn expected_subject(
        &self,
        state: &TenantState,
        request: &mut AuthorizationRequest,
    ) -> Option<String> {
        let demanded = request
            .claims
            .identity("sub")
            .and_then(|wish| wish.values.first().cloned());
        let Some(hint) = request.id_token_hint.take() else {
            return demanded;
        };
        let hinted = self.hinted(state, &hint).map(|hint| hint.subject);
        if hinted.is_none() && request.fault.is_none() {
            request.fault = Some(Fault {
                error: "invalid_request",
                why: "The id_token_hint is not an identity token of this service.",
            });
        }
        demanded.or(hinted)
    }
}

pub(in crate::runtime) fn application<'a>(
    state: &'a TenantState,
    client: &str,
) -> Result<&'a ApplicationState> {
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

pub(in crate::runtime) fn foreign_redirect() -> Error {
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

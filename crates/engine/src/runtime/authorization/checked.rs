//! An authorization request that was looked at: whose it is, and what is wrong with it.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use vestibule_model::{
    application::metadata::ClientMetadata,
    family::tokens::TokensConfig,
    id::{ClientId, ProfileId},
    profile::{ANONYMOUS, CLOUD_DIRECTORY},
    time::Timestamp,
};
use vestibule_wire::{
    authorization::{AuthorizationRequest, Fault, ResponseMode},
    claims_request::{ClaimWish, OFFLINE_ACCESS},
    details::Detail,
    discovery::PASSWORD,
};

use super::{Answer, by_asking};
use crate::{
    Engine, Error, Kind, Result,
    runtime::{basis::Basis, details, session::SignedIn},
    tenant::{ApplicationState, TenantState},
};

/// Seconds that a signed answer is good for: JARM section 2.1 recommends ten minutes at most.
const ANSWER_SECONDS: i64 = 300;

/// A request whose application and redirect URI are good: from here on, errors go to the application.
pub(in crate::runtime) struct Checked {
    pub(super) state: Arc<TenantState>,
    pub(super) client: ClientId,
    /// Whether PKCE is the only proof of the application.
    pub(super) public: bool,
    /// Whether nobody vouches for the application.
    pub(super) third_party: bool,
    pub(super) application: String,
    pub(super) request: AuthorizationRequest,
    /// What the person is to agree to in detail.
    pub(super) details: Vec<Detail>,
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
            (None, None) if self.public => {
                return Some((
                    "invalid_request",
                    "A single-page application or other public client must send a code_challenge.",
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
        if anonymous && !self.details.is_empty() {
            return Some((
                "invalid_authorization_details",
                "Nobody who is anonymous can agree to authorization details.",
            ));
        }
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

    /// What is wrong with a request that was not signed.
    pub(in crate::runtime) fn not_signed(&self) -> Option<(&'static str, &'static str)> {
        let required = self.state.demands.request_objects.is_required();
        (required && !self.request.signed).then_some((
            "invalid_request",
            "This service takes signed authorization requests only.",
        ))
    }

    /// What is wrong with how the request came.
    pub(super) fn not_pushed(&self) -> Option<(&'static str, &'static str)> {
        let found = self.state.applications.get(&self.client);
        let own = found.is_some_and(|found| {
            found
                .application
                .metadata
                .require_pushed_authorization_requests
        });
        let required = own || self.state.demands.pushed_requests.is_required();
        (required && self.request.pushed.is_none()).then_some((
            "invalid_request",
            "This service takes pushed authorization requests only.",
        ))
    }

    /// Whether a session answers the request without a question to the person.
    pub(super) fn is_answered_by(&self, engine: &Engine, session: &SignedIn) -> bool {
        let (prompt, now) = (self.request.prompt, engine.now().seconds());
        let age = now.saturating_sub(session.auth_at.seconds());
        let provider = self.request.idp.as_deref();
        let found = self.state.applications.get(&self.client);
        // Anybody can register a device in the name of an app: nothing goes to one unless a person does something (RFC 8252 section 8.6).
        !found.is_some_and(ApplicationState::is_device)
            && !prompt.login
            // Whoever signs in on a page that names an application of the instance's own agrees.
            && (!prompt.consent || self.third_party)
            // Zero asks for a sign-in of now (OpenID Connect Core section 3.1.2.1).
            && self.request.max_age.is_none_or(|most| most > 0 && age <= most)
            && provider.is_none_or(|provider| provider == session.basis.provider)
            && self.expects(engine, session.profile)
    }

    /// Whether the application wants this profile, or says nothing about whom it wants.
    pub(super) fn expects(&self, engine: &Engine, profile: ProfileId) -> bool {
        let Some(subject) = self.subject.as_deref() else {
            return true;
        };
        let found = self.state.applications.get(&self.client);
        found.is_some_and(|found| engine.subject(&self.state, found, profile) == subject)
    }

    /// A sign-in, with what this request asks for.
    pub(super) fn complete(&self, basis: Basis) -> Basis {
        let mut basis = basis.for_request(&self.request);
        if self.third_party {
            basis
                .scopes
                .extend(by_asking(&self.request).map(str::to_owned));
        }
        basis.details.clone_from(&self.details);
        basis
    }

    pub(super) fn refuse(&self, error: &str, why: &str) -> Answer {
        self.answer(vec![
            ("error", error.to_owned()),
            ("error_description", why.to_owned()),
        ])
    }

    /// The answer as one signed member (JARM section 2.1). What cannot be signed does not go out unsigned.
    fn signed(&self, members: &[(&'static str, String)]) -> (&'static str, String) {
        let found = self.state.applications.get(&self.client);
        let wanted =
            found.and_then(|one| one.application.metadata.authorization_signed_response_alg);
        let key = self.state.signer(wanted);
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
    /// Makes sure that the application exists and that the redirect URI is its own, or on the instance's list where it has none.
    pub(in crate::runtime) fn checked(
        &self,
        state: Arc<TenantState>,
        mut request: AuthorizationRequest,
        subject: Option<String>,
    ) -> Result<Checked> {
        let found = application(&state, &request.client_id)?;
        if !found.returns_to(&state, &request.redirect_uri) {
            return Err(foreign_redirect());
        }
        complete(&mut request, &found.application.metadata);
        if let Err(error) = self.check_resources(&state, &mut request.resources)
            && request.fault.is_none()
        {
            request.fault = Some(Fault {
                error: error.code,
                why: "A resource is unknown.",
            });
        }
        // Nobody is asked about what could not be given.
        if !found.gets_refresh_tokens() || !state.config.get::<TokensConfig>().refresh.enabled {
            request.leave_out(OFFLINE_ACCESS);
        }
        let text = request.authorization_details.as_deref();
        let details = details::asked(&state.oauth, &found.application.metadata, text);
        if details.is_err() && request.fault.is_none() {
            request.fault = Some(Fault {
                error: "invalid_authorization_details",
                why: "The authorization_details are malformed, or of a type that is not known.",
            });
        }
        Ok(Checked {
            details: details.unwrap_or_default(),
            client: found.application.client_id,
            public: found.is_public(),
            third_party: found.is_third_party(),
            application: found.application.name.clone(),
            issuer: state.issuer(&self.settings().public_url),
            now: self.now(),
            request,
            subject,
            state,
        })
    }

    /// Whom the application expects, as it calls them: the subject of its hint, or the one it demands by claim. A hint may have expired;
    /// one that this instance did not sign is a fault of the request, and so is another application's where the two have different names
    /// for people: the answer would tie the names together.
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
        let hinted = self.hinted(state, &hint).and_then(|hint| {
            let found = application(state, &request.client_id).ok()?;
            let named = self.subject(state, found, hint.profile);
            let own = hint.audience == request.client_id || named == hint.profile.to_string();
            own.then_some(named)
        });
        if hinted.is_none() && request.fault.is_none() {
            request.fault = Some(Fault {
                error: "invalid_request",
                why: "The id_token_hint is not an identity token of this service.",
            });
        }
        demanded.or(hinted)
    }
}

/// What the client's registration says where the request says nothing (OpenID Connect Dynamic Client Registration section 2).
fn complete(request: &mut AuthorizationRequest, metadata: &ClientMetadata) {
    if metadata.scope.is_some() {
        let may = |scope: &&str| *scope == "openid" || metadata.may_ask_for(scope);
        request.scope = request
            .scope
            .split(' ')
            .filter(may)
            .collect::<Vec<_>>()
            .join(" ");
    }
    request.max_age = request.max_age.or(metadata.default_max_age.map(i64::from));
    if request.acr_values.is_empty() {
        request.acr_values.clone_from(&metadata.default_acr_values);
    }
    if metadata.require_auth_time && request.claims.identity("auth_time").is_none() {
        request.claims.id_token.push(ClaimWish {
            name: String::from("auth_time"),
            essential: true,
            values: Vec::new(),
        });
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

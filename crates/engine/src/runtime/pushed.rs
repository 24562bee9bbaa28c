//! Authorization requests that applications push before they send anybody (RFC 9126): who asks is known then, and what is asked for
//! does not pass through the browser.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use vestibule_crypto::token::{PlainToken, TokenHash};
use vestibule_model::{
    id::{ClientId, TenantId},
    time::Timestamp,
};
use vestibule_store::pushed::PushedRequest;
use vestibule_wire::{
    authorization::{AuthorizationRequest, Unanswerable, is_known},
    parameters::Parameters,
    token::Pushed,
};

use super::{
    ClientRequest,
    authorization::{FORM_SECONDS, application},
    dpop::invalid_proof,
};
use crate::{Engine, Error, Kind, Result, tenant::TenantState};

/// What the URIs of pushed requests begin with (RFC 9126 section 2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// Seconds that a pushed request can be brought to the authorization endpoint.
const PUSHED_SECONDS: i64 = 90;
/// Most bytes of the parameters.
const MOST_BYTES: usize = 64 << 10;
/// What says who pushes, and is no part of the request.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    parameters: Vec<(String, String)>,
    /// Whether the application signed them.
    #[serde(default)]
    signed: bool,
    /// Thumbprint of the key that was shown.
    jkt: Option<String>,
    deadline: Timestamp,
}

impl Engine {
    /// Keeps an authorization request of an application and answers the URI that stands for it.
    ///
    /// # Errors
    /// `invalid_client`; `invalid_request`, and whatever else the authorization endpoint would answer; `invalid_dpop_proof`;
    /// `NotFound` where pushed requests are switched off; `Throttled` for an address that pushes too many without a secret.
    pub async fn push(&self, request: &ClientRequest<'_>) -> Result<Pushed> {
        let state = self.tenant(request.tenant).await?;
        if !state.demands.pushed_requests.is_offered() {
            return Err(Error::not_found("Pushed requests are switched off."));
        }
        let application = self.authenticate(request, &state).await?;
        if application.is_public() {
            // Anybody can push in its name.
            self.throttle().pushed(request.from, self.now())?;
        }
        let client = application.application.client_id;
        let jkt = match request.possession.proof {
            Some(_) => {
                self.shown_proof(&state, (application, request.possession))
                    .await?
            }
            None => None,
        };
        let now = self.now();
        let own = own_parameters(request.form, client)?;
        let signed = self
            .object(&state, request.form)
            .map(|object| self.signed_parameters(&state, application, object));
        let mut kept = Kept {
            signed: signed.is_some(),
            parameters: match signed {
                Some(signed) => signed.await?,
                None => own,
            },
            jkt,
            deadline: now.plus_seconds(PUSHED_SECONDS),
        };
        kept.parameters.retain(|(name, _)| is_known(name));
        let parsed = kept.read()?;
        let checked = self
            .checked(state.clone(), parsed, None)
            .map_err(|error| Error::invalid(error.public))?;
        if let Some((error, why)) = checked.refusal().or_else(|| checked.not_signed()) {
            return Err(Error::new(Kind::Invalid, error, why));
        }
        let secret = PlainToken::generate(self.random());
        let hash = secret.hash();
        let plain = serde_json::to_vec(&kept).map_err(Error::internal)?;
        let row = PushedRequest {
            client,
            sealed: self
                .master()
                .seal(context(state.id, &hash).as_bytes(), &plain, self.random()),
            // A page that was shown in time may take its own time.
            expires_at: kept.deadline.plus_seconds(FORM_SECONDS),
        };
        self.store()
            .write::<_, Error>(state.id, move |t| {
                Ok(t.insert_pushed_request(hash.as_str(), &row, now)?)
            })
            .await?;
        Ok(Pushed {
            request_uri: format!("{PREFIX}{}", secret.expose()),
            expires_in: PUSHED_SECONDS,
        })
    }

    /// The request that a query is, or stands for. One that was pushed is taken as it was then; what else the query says is not looked
    /// at (RFC 9126 section 4).
    ///
    /// # Errors
    /// `invalid_request_uri` for a URI that was never given to this application, has run out or was used.
    pub(super) async fn requested(
        &self,
        state: &TenantState,
        query: &Parameters,
    ) -> Result<AuthorizationRequest> {
        let Some(secret) = query
            .get("request_uri")
            .and_then(|uri| uri.strip_prefix(PREFIX))
        else {
            let named = || application(state, query.get("client_id").unwrap_or_default());
            let object = match (self.object(state, query), self.reference(state, query)) {
                (None, None) => return AuthorizationRequest::read(query).map_err(unanswerable),
                (Some(object), None) => Cow::Borrowed(object),
                (None, Some(address)) => Cow::Owned(self.fetched_object(named()?, address).await?),
                (Some(_), Some(_)) => {
                    return Err(Error::invalid(
                        "The parameters request and request_uri exclude each other.",
                    ));
                }
            };
            let parameters = self.signed_parameters(state, named()?, &object).await?;
            let parameters = Parameters::from_pairs(parameters)?;
            let mut request = AuthorizationRequest::read(&parameters).map_err(unanswerable)?;
            request.signed = true;
            return Ok(request);
        };
        let hash = TokenHash::of(secret);
        let name = hash.as_str().to_owned();
        let found = self
            .store()
            .read::<_, Error>(state.id, move |t| Ok(t.find_pushed_request(&name)?))
            .await?
            .ok_or_else(used_up)?;
        let own = query.get("client_id").map(ClientId::parse);
        if !matches!(own, Some(Ok(client)) if client == found.client) {
            return Err(used_up());
        }
        let plain = self
            .master()
            .open(context(state.id, &hash).as_bytes(), &found.sealed)
            .map_err(Error::internal)?;
        let kept: Kept = serde_json::from_slice(&plain).map_err(Error::internal)?;
        if kept.deadline <= self.now() {
            return Err(used_up());
        }
        let mut request = kept.read()?;
        request.pushed = Some(hash.as_str().to_owned());
        Ok(request)
    }
}

impl Engine {
    /// The request object of a request, where those are read.
    fn object<'a>(&self, state: &TenantState, query: &'a Parameters) -> Option<&'a str> {
        query
            .get("request")
            .filter(|_| state.demands.request_objects.is_offered())
    }

    /// The address of the request object of a request, where those are fetched.
    fn reference<'a>(&self, state: &TenantState, query: &'a Parameters) -> Option<&'a str> {
        query
            .get("request_uri")
            .filter(|_| state.oauth.fetches_requests())
    }
}

impl Kept {
    fn read(&self) -> Result<AuthorizationRequest> {
        let parameters = Parameters::from_pairs(self.parameters.iter().cloned())?;
        let mut request = AuthorizationRequest::read(&parameters).map_err(unanswerable)?;
        request.signed = self.signed;
        if let Some(jkt) = &self.jkt {
            if request.dpop_jkt.as_ref().is_some_and(|named| named != jkt) {
                return Err(invalid_proof("The parameter dpop_jkt names another key."));
            }
            request.dpop_jkt = Some(jkt.clone());
        }
        Ok(request)
    }
}

/// The parameters of the request itself.
fn own_parameters(form: &Parameters, client: ClientId) -> Result<Vec<(String, String)>> {
    if form.get("request_uri").is_some() {
        return Err(Error::invalid(
            "A pushed request cannot stand for another: request_uri is not allowed.",
        ));
    }
    let named = form.get("client_id").map(ClientId::parse);
    if named.is_some_and(|named| named.ok() != Some(client)) {
        return Err(Error::invalid("The client_id is another application's."));
    }
    let own = form
        .iter()
        .filter(|(name, _)| *name != "client_id" && !CREDENTIALS.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let id = (String::from("client_id"), client.to_string());
    let all: Vec<(String, String)> = [id].into_iter().chain(own).collect();
    let bytes: usize = all
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > MOST_BYTES {
        return Err(Error::new(
            Kind::TooLarge,
            "invalid_request",
            "The request is longer than 64 kB.",
        ));
    }
    Ok(all)
}

fn unanswerable(error: Unanswerable) -> Error {
    Error::invalid(error.to_string())
}

/// A URI that stands for nothing any more.
pub(super) fn used_up() -> Error {
    Error::new(
        Kind::Invalid,
        "invalid_request_uri",
        "This sign-in has run out or was used already. Go back to the application and sign in again.",
    )
}

fn context(tenant: TenantId, hash: &TokenHash) -> String {
    format!("pushed-request:{tenant}:{}", hash.as_str())
}

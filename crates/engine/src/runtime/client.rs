//! Which application calls (contract/runtime.md section 4.2).

use std::net::IpAddr;

use serde_json::{Map, Value};
use vestibule_crypto::{
    jose::{self, Algorithm, Header, JwkSet},
    token::TokenHash,
};
use vestibule_model::{
    application::{ApplicationType, Origin, metadata::AuthMethod},
    family::oauth::SigningAlgorithm,
    id::{ClientId, TenantId},
    time::Timestamp,
};
use vestibule_wire::{
    client::{self, ClaimError, ClientClaim},
    parameters::Parameters,
};

use super::{Possession, mobile::signed_its_id};
use crate::{
    Engine, Error, Kind, Result,
    fetch::Wanted,
    tenant::{ApplicationState, TenantState},
};

/// Most bytes of an assertion of a client about itself.
const LONGEST_ASSERTION: usize = 8 << 10;
/// Longest life of such an assertion in seconds: its id is remembered until then.
const LONGEST_LIFE: i64 = 3600;
/// Seconds that clocks may differ.
const SKEW: i64 = 60;
/// Algorithms of a client's own keys.
const OWN: [Algorithm; 4] = Algorithm::ALL;

/// A request of an application that says who it is in the `Authorization` header or in the form.
pub struct ClientRequest<'a> {
    /// The instance in the path.
    pub tenant: TenantId,
    /// The `Authorization` header, if there is one.
    pub authorization: Option<&'a str>,
    /// The body.
    pub form: &'a Parameters,
    /// Where the request came from.
    pub from: IpAddr,
    /// What it shows of a key.
    pub possession: Possession<'a>,
}

impl Engine {
    /// The application that called. Reads a row only of one that shows an assertion.
    ///
    /// # Errors
    /// `invalid_client` for an application that is unknown or did not prove who it is: which of both is not said.
    pub(super) async fn authenticate<'s>(
        &self,
        request: &ClientRequest<'_>,
        state: &'s TenantState,
    ) -> Result<&'s ApplicationState> {
        let claim =
            client::read(request.authorization, request.form).map_err(|error| match error {
                ClaimError::Twice => Error::invalid(error.to_string()),
                ClaimError::Missing | ClaimError::Malformed => invalid_client(),
            })?;
        let found = claimed(&claim)
            .and_then(|id| state.applications.get(&id))
            .ok_or_else(invalid_client)?;
        let metadata = &found.application.metadata;
        let method = metadata.token_endpoint_auth_method;
        let certified = method.is_some_and(AuthMethod::is_by_certificate);
        let signs = certified || method == Some(AuthMethod::PrivateKeyJwt);
        if state.demands.signed_client_authentication && !signs {
            return Err(invalid_client());
        }
        if certified {
            let bare = !claim.by_header && claim.secrets.is_empty() && claim.assertion.is_none();
            let shown = request.possession.certificate.filter(|_| bare);
            return match shown {
                Some(shown) if self.is_certified(state, found, shown).await => Ok(found),
                _ => Err(invalid_client()),
            };
        }
        let proven = match (method, &claim.assertion) {
            (Some(AuthMethod::ClientSecretJwt | AuthMethod::PrivateKeyJwt), Some(assertion)) => {
                return self.asserted_client(state, found, assertion).await;
            }
            (_, Some(_)) => false,
            // A browser app keeps no secret: PKCE is its proof, and what its SDK sends as a password is the verifier.
            (None, _) if found.application.kind == ApplicationType::SinglePageApp => true,
            (None, _) if found.application.origin == Origin::Mobile => signed_its_id(found, &claim),
            (None, _) => holds_secret(found, &claim),
            (Some(AuthMethod::None), _) => true,
            (Some(AuthMethod::ClientSecretBasic), _) => {
                claim.by_header && holds_secret(found, &claim)
            }
            (Some(AuthMethod::ClientSecretPost), _) => {
                !claim.by_header && holds_secret(found, &claim)
            }
            (Some(_), _) => false,
        };
        if proven {
            Ok(found)
        } else {
            Err(invalid_client())
        }
    }

    /// The application, if this is an assertion about itself that was not shown before (RFC 7523 section 3, OpenID Connect Core
    /// section 9).
    async fn asserted_client<'s>(
        &self,
        state: &'s TenantState,
        found: &'s ApplicationState,
        assertion: &str,
    ) -> Result<&'s ApplicationState> {
        if assertion.len() > LONGEST_ASSERTION {
            return Err(invalid_client());
        }
        let header = jose::decode_unverified_header(assertion).map_err(|_| invalid_client())?;
        let named = |one: &SigningAlgorithm| one.name() == header.alg;
        let demands = state.demands;
        if demands.signed_client_authentication && !demands.client_algorithms.iter().any(named) {
            return Err(invalid_client());
        }
        let claims = self
            .verified_assertion(found, &header, assertion)
            .await
            .ok_or_else(invalid_client)?;
        let own = found.application.client_id.to_string();
        let expires = self
            .asserts(state, &claims, &own)
            .ok_or_else(invalid_client)?;
        let id = claims.get("jti").and_then(Value::as_str);
        let id = id.filter(|id| !id.is_empty() && id.len() <= 500);
        let id = TokenHash::of(&format!("{own}\0{}", id.ok_or_else(invalid_client)?));
        let fresh = self
            .store()
            .write::<_, Error>(
                state.id,
                move |t| Ok(t.use_assertion(id.as_str(), expires)?),
            )
            .await?;
        if fresh {
            Ok(found)
        } else {
            Err(invalid_client())
        }
    }

    /// The claims of an assertion that the application's own key or secret signed, with an algorithm that it may use.
    async fn verified_assertion(
        &self,
        found: &ApplicationState,
        header: &Header,
        assertion: &str,
    ) -> Option<Map<String, Value>> {
        let metadata = &found.application.metadata;
        let named = metadata.token_endpoint_auth_signing_alg;
        if named.is_some_and(|named| named.name() != header.alg) {
            return None;
        }
        if metadata.token_endpoint_auth_method == Some(AuthMethod::ClientSecretJwt) {
            let secret = found.secret.as_ref()?.expose().as_bytes();
            return jose::verify_with_secret(assertion, header, secret).ok();
        }
        self.verified_by_client(found, header, assertion).await
    }

    /// The claims of what one of an application's keys signed, which stand in its metadata or elsewhere.
    pub(super) async fn verified_by_client(
        &self,
        found: &ApplicationState,
        header: &Header,
        token: &str,
    ) -> Option<Map<String, Value>> {
        let metadata = &found.application.metadata;
        if let Some(set) = &metadata.jwks {
            let set = JwkSet::parse(&set.to_string()).ok()?;
            return set.verify(token, header, &OWN).ok();
        }
        let address = metadata.jwks_uri.as_deref()?;
        let wanted = header.kid.as_deref().map_or(Wanted::Any, Wanted::Key);
        match self.key_set(address, wanted).await {
            Ok(set) => set.verify(token, header, &OWN).ok(),
            Err(error) => {
                tracing::info!(%error, client = %found.application.client_id, "the keys of a client cannot be had");
                None
            }
        }
    }

    /// When an assertion runs out, if it is by and about this application, for this instance, and good now.
    fn asserts(
        &self,
        state: &TenantState,
        claims: &Map<String, Value>,
        own: &str,
    ) -> Option<Timestamp> {
        let says = |name: &str| claims.get(name).and_then(Value::as_str) == Some(own);
        if !says("iss") || !says("sub") {
            return None;
        }
        let issuer = state.issuer(&self.settings().public_url);
        let meant = |audience: &Value| {
            audience
                .as_str()
                .and_then(|text| text.strip_prefix(issuer.as_str()))
                .is_some_and(|rest| {
                    let strict = state.demands.signed_client_authentication;
                    rest.is_empty() || (!strict && matches!(rest, "/token" | "/par"))
                })
        };
        // Nobody else may be meant: an assertion that is good elsewhere could have been made for there. FAPI 2.0 takes no list at all
        // (security profile section 5.3.2.1).
        let meant = match claims.get("aud")? {
            Value::Array(_) if state.demands.signed_client_authentication => false,
            Value::Array(audiences) => !audiences.is_empty() && audiences.iter().all(meant),
            audience => meant(audience),
        };
        let now = self.now().seconds();
        let time = |name: &str| claims.get(name).map(Value::as_f64);
        let expires = time("exp")?? as i64;
        let early = |at: Option<Option<f64>>| {
            at.is_some_and(|at| at.is_none_or(|at| at > (now + SKEW) as f64))
        };
        let good = meant
            && expires > now
            && expires <= now + LONGEST_LIFE
            && !early(time("nbf"))
            && !early(time("iat"));
        good.then(|| Timestamp::from_millis(expires.saturating_mul(1000)))
    }
}

/// The application that a claim names. One that sends nothing but an assertion names itself there.
fn claimed(claim: &ClientClaim) -> Option<ClientId> {
    let named = claim.client_id.as_deref().map(str::to_owned);
    let id = match (named, &claim.assertion) {
        (Some(named), _) => named,
        (None, Some(assertion)) if assertion.len() <= LONGEST_ASSERTION => {
            let claims = jose::decode_unverified_claims(assertion).ok()?;
            claims.get("sub")?.as_str()?.to_owned()
        }
        (None, _) => return None,
    };
    ClientId::parse(&id).ok()
}

fn holds_secret(found: &ApplicationState, claim: &ClientClaim) -> bool {
    found.secret.as_ref().is_some_and(|secret| {
        claim
            .secrets
            .iter()
            .fold(false, |matched, given| matched | secret.matches(given))
    })
}

pub(super) fn invalid_client() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "invalid_client",
        "The application is unknown, or its secret is wrong.",
    )
}

//! Tokens that only the holder of a key can use (RFC 9449): what applications show of the key, and what a token says of it.

use vestibule_crypto::{
    dpop::{Proof, token_hash},
    jose::Algorithm,
    token::TokenHash,
};
use vestibule_model::family::oauth::SigningAlgorithm;
use vestibule_wire::target::same_target;

use super::bearer::invalid_token;
use crate::{
    Engine, Error, Kind, Result,
    keys::algorithm_of,
    tenant::{ApplicationState, TenantState},
};

/// Seconds that the time of a proof may be away from ours, either way.
const WINDOW: i64 = 60;
/// Most bytes of the id of a proof.
const LONGEST_ID: usize = 256;

/// What a request shows of a key, and the request that it is shown for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Possession<'a> {
    /// The `DPoP` header; several of them joined, which is no proof.
    pub proof: Option<&'a str>,
    /// Method of the request.
    pub method: &'a str,
    /// Path of the request, below the public URL.
    pub path: &'a str,
}

/// How an access token was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Whoever has it may use it.
    Bearer,
    /// With a proof.
    Dpop,
}

/// An access token as it was sent.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The token.
    pub token: &'a str,
    /// How it was sent.
    pub scheme: Scheme,
    /// What was shown with it.
    pub possession: Possession<'a>,
}

impl Engine {
    /// Thumbprint of the key that a call with client authentication shows; none when it shows none and need not. The proof is used
    /// up.
    ///
    /// # Errors
    /// `invalid_dpop_proof`.
    pub(super) async fn shown_key(
        &self,
        state: &TenantState,
        (application, possession): (&ApplicationState, Possession<'_>),
    ) -> Result<Option<String>> {
        let demand = state.demands.dpop;
        let wishes = application.application.metadata.dpop_bound_access_tokens;
        match possession.proof {
            Some(proof) if wishes || demand.is_offered() => self
                .proven(state, proof, (possession, None))
                .await
                .map(Some),
            None if wishes || demand.is_required() => Err(invalid_proof(
                "The tokens are bound to keys: a DPoP proof is required.",
            )),
            _ => Ok(None),
        }
    }

    /// Makes sure that an access token was sent as the key that it is bound to demands: `bound` is the key's thumbprint.
    ///
    /// # Errors
    /// `invalid_token` for a token that is bound and was sent without a proof, or is not bound and was sent with one;
    /// `invalid_dpop_proof`.
    pub(super) async fn check_possession(
        &self,
        state: &TenantState,
        presented: Presented<'_>,
        bound: Option<&str>,
    ) -> Result<()> {
        let (bound, possession) = match (bound, presented.scheme) {
            (None, Scheme::Bearer) => return Ok(()),
            (None, Scheme::Dpop) | (Some(_), Scheme::Bearer) => {
                return Err(unfit("The access token is not sent as it was given."));
            }
            (Some(bound), Scheme::Dpop) => (bound, presented.possession),
        };
        let refused = |error: Error| Error {
            kind: match error.kind {
                Kind::Invalid => Kind::Unauthenticated,
                kind => kind,
            },
            ..error
        };
        let missing = || refused(invalid_proof("A DPoP proof is required."));
        let proof = possession.proof.ok_or_else(missing)?;
        let shown = self
            .proven(state, proof, (possession, Some(presented.token)))
            .await
            .map_err(refused)?;
        if shown == bound {
            Ok(())
        } else {
            Err(unfit("The access token is bound to another key."))
        }
    }

    /// Thumbprint of the key of a proof that fits the request and was never shown before.
    async fn proven(
        &self,
        state: &TenantState,
        proof: &str,
        (request, token): (Possession<'_>, Option<&str>),
    ) -> Result<String> {
        let Proof { thumbprint, claims } = Proof::read(proof, &algorithms()).map_err(|_| {
            invalid_proof("The DPoP proof is malformed or not signed with its key.")
        })?;
        let uri = format!("{}{}", self.settings().public_url, request.path);
        if claims.htm != request.method || !same_target(&claims.htu, &uri) {
            return Err(invalid_proof("The DPoP proof is for another request."));
        }
        let now = self.now();
        if (claims.iat - now.seconds() as f64).abs() > WINDOW as f64 || claims.iat.is_nan() {
            return Err(invalid_proof("The DPoP proof is not of this minute."));
        }
        if claims.jti.is_empty() || claims.jti.len() > LONGEST_ID {
            return Err(invalid_proof("The id of the DPoP proof is malformed."));
        }
        if token.is_some_and(|token| claims.ath.as_deref() != Some(&token_hash(token))) {
            return Err(invalid_proof("The DPoP proof is for another access token."));
        }
        let hash = TokenHash::of(&format!("{thumbprint}.{}", claims.jti));
        let until = now.plus_seconds(2 * WINDOW + 1);
        let first = self
            .store()
            .write::<_, Error>(state.id, move |t| Ok(t.insert_proof(hash.as_str(), until)?))
            .await?;
        if first {
            Ok(thumbprint)
        } else {
            Err(invalid_proof("The DPoP proof was used before."))
        }
    }
}

/// What proofs may be signed with.
fn algorithms() -> [Algorithm; 3] {
    SigningAlgorithm::STRICT.map(algorithm_of)
}

/// A proof that is missing or wrong (RFC 9449 section 5).
pub(super) fn invalid_proof(public: &str) -> Error {
    Error::new(Kind::Invalid, "invalid_dpop_proof", public)
}

/// A token that is good, but not sent with the key it is bound to.
fn unfit(public: &str) -> Error {
    Error {
        code: "token_not_bound",
        public: public.to_owned(),
        ..invalid_token()
    }
}

//! Tokens that only the holder of a key can use (RFC 9449), or of a certificate (RFC 8705 section 3): what applications show, and what
//! a token says of it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use vestibule_crypto::{
    compare::constant_time_eq,
    dpop::{Proof, token_hash},
    jose::Algorithm,
    token::TokenHash,
};
use vestibule_model::{family::oauth::SigningAlgorithm, id::TenantId};
use vestibule_wire::{target::same_target, token::Confirmation};

use super::{bearer::invalid_token, certificate::ClientCertificate};
use crate::{
    Engine, Error, Kind, Result,
    keys::algorithm_of,
    tenant::{ApplicationState, TenantState},
};

/// Seconds that the time of a proof may be away from ours, either way.
const WINDOW: i64 = 60;
/// Seconds after which there is a new nonce; the one before is good for as long again.
const NONCE_SECONDS: i64 = 150;
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
    /// The certificate of the connection, as a trusted proxy passed it on.
    pub certificate: Option<&'a ClientCertificate>,
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
    /// What the tokens of a call with client authentication are bound to. A proof is used up.
    ///
    /// # Errors
    /// `invalid_dpop_proof`, `use_dpop_nonce`; `invalid_request` where a certificate is missing.
    pub(super) async fn shown_key(
        &self,
        state: &TenantState,
        (application, possession): (&ApplicationState, Possession<'_>),
    ) -> Result<Confirmation> {
        let x5t = shown_certificate(state, application, possession)?;
        let jkt = self.shown_proof(state, (application, possession)).await?;
        let bound = Confirmation { jkt, x5t };
        if state.demands.bound_tokens && bound.is_free() {
            return Err(Error::invalid(
                "The tokens are bound: a DPoP proof or a client certificate is required.",
            ));
        }
        Ok(bound)
    }

    /// Thumbprint of the key that a call with client authentication shows; none when it shows none and need not. The proof is used
    /// up.
    ///
    /// # Errors
    /// `invalid_dpop_proof`.
    pub(super) async fn shown_proof(
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
            // `invalid_dpop_proof` is for those that are there (RFC 9449 section 5).
            None if wishes || demand.is_required() => Err(Error::invalid(
                "The tokens are bound to keys: a DPoP proof is required.",
            )),
            _ => Ok(None),
        }
    }

    /// Makes sure that an access token was sent as what it is bound to demands.
    ///
    /// # Errors
    /// `invalid_token` for a token that is bound and was sent without a proof, or is not bound and was sent with one, or over a
    /// connection of another certificate; `invalid_dpop_proof`.
    pub(super) async fn check_possession(
        &self,
        state: &TenantState,
        presented: Presented<'_>,
        bound: &Confirmation,
    ) -> Result<()> {
        let held = presented
            .possession
            .certificate
            .map(ClientCertificate::thumbprint);
        if bound.x5t.is_some() && bound.x5t != held {
            return Err(Error {
                public: String::from("The access token is bound to another certificate."),
                ..invalid_token()
            });
        }
        let (bound, possession) = match (bound.jkt.as_deref(), presented.scheme) {
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
        let settings = self.settings();
        let bases = [Some(&settings.public_url), settings.mutual_tls.url()];
        let same = |base: &String| same_target(&claims.htu, &format!("{base}{}", request.path));
        if claims.htm != request.method || !bases.into_iter().flatten().any(same) {
            return Err(invalid_proof("The DPoP proof is for another request."));
        }
        if state.oauth.dpop_nonce && !self.gave_nonce(state.id, claims.nonce.as_deref()) {
            return Err(Error {
                nonce: Some(self.nonce(state.id, 0)),
                ..Error::new(
                    Kind::Invalid,
                    "use_dpop_nonce",
                    "The DPoP proof must repeat the nonce of this answer.",
                )
            });
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

impl Engine {
    /// What proofs must repeat in some window of time, so many before this one. It follows from the master key, so that every node
    /// knows it and none keeps it.
    fn nonce(&self, tenant: TenantId, windows_ago: i64) -> String {
        let window = self.now().seconds().div_euclid(NONCE_SECONDS) - windows_ago;
        let of = format!("{tenant}\0{window}");
        URL_SAFE_NO_PAD.encode(self.master().derive("dpop nonce", of.as_bytes()))
    }

    /// Whether a proof repeats the nonce of this window or of the one before.
    fn gave_nonce(&self, tenant: TenantId, repeated: Option<&str>) -> bool {
        repeated.is_some_and(|repeated| {
            let is =
                |ago| constant_time_eq(self.nonce(tenant, ago).as_bytes(), repeated.as_bytes());
            is(0) | is(1)
        })
    }
}

/// Thumbprint of the certificate that tokens are bound to: where the application or the instance wants that, or where it is the only
/// thing that is shown and something must be.
fn shown_certificate(
    state: &TenantState,
    application: &ApplicationState,
    possession: Possession<'_>,
) -> Result<Option<String>> {
    let (demands, metadata) = (&state.demands, &application.application.metadata);
    let wishes = metadata.tls_client_certificate_bound_access_tokens;
    let insists = wishes || demands.mutual_tls.is_required();
    let proves = possession.proof.is_some() || metadata.dpop_bound_access_tokens;
    if !insists && (proves || !demands.bound_tokens || !demands.mutual_tls.is_offered()) {
        return Ok(None);
    }
    // Switched off, a wish for it is not forgotten: tokens that everybody can use are not what was asked for.
    let shown = possession
        .certificate
        .filter(|_| demands.mutual_tls.is_offered());
    match shown {
        Some(certificate) => Ok(Some(certificate.thumbprint())),
        None if insists => Err(Error::invalid(
            "The tokens are bound to certificates: a client certificate is required.",
        )),
        None => Ok(None),
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

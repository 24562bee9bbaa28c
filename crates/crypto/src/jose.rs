//! JSON Web Signatures, keys and tokens (RFC 7515, 7517, 7518, 7519, 8037): a thin layer over aws-lc with parsed keys and an allow-list
//! of algorithms. A public key verifies with its own algorithms only; a shared secret has a function of its own, so that no public
//! key is ever taken for a secret.

mod jwk;
mod signing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

pub use self::{
    jwk::{Jwk, JwkSet, VerifyingKey},
    signing::SigningKey,
};
use crate::seal::SealError;

/// Longest token that is looked at, in bytes: one with 100 kB of mapped claims (contract/runtime.md section 6.6) in base64.
pub const LONGEST_TOKEN: usize = 192 << 10;

/// Name of the algorithm of [`verify_with_secret`].
pub const HS256: &str = "HS256";

/// Fewest bytes of a shared secret: as many as the digest has (RFC 7518 section 3.2).
pub const SHORTEST_SECRET: usize = 32;

/// Signature algorithms of public keys. There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PSS with SHA-256 and a salt as long as the digest.
    PS256,
    /// ECDSA on P-256 with SHA-256; the signature is `r` and `s` side by side.
    ES256,
    /// Ed25519 (RFC 8037).
    EdDSA,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RS256, Self::PS256, Self::ES256, Self::EdDSA];

    /// The registered name (RFC 7518 section 3.1, RFC 8037 section 3.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }

    /// The algorithm of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }
}

/// Why a key or a token was refused.
#[derive(Debug, thiserror::Error)]
pub enum JoseError {
    /// Not a compact JWS of acceptable size with a JSON object in it.
    #[error("the token is malformed")]
    Malformed,
    /// The signature is not of this key and algorithm.
    #[error("the signature is not valid")]
    BadSignature,
    /// The algorithm is not allowed here, or not one of this key.
    #[error("the algorithm is not allowed")]
    AlgorithmRefused,
    /// The key is not of a supported kind, or too weak.
    #[error("the key is not RSA of 2048 to 8192 bits, P-256 or Ed25519")]
    BadKey,
    /// The key came with its private part, which nobody but its owner may have.
    #[error("the key has a private part")]
    PrivateKey,
    /// The key set is too large.
    #[error("the key set has more than 20 keys or 64 kB")]
    TooManyKeys,
    /// aws-lc failed.
    #[error("the cryptographic library failed")]
    Library,
    /// The private key does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// The header of a compact JWS, before anything about it was verified.
#[derive(Debug, Clone, Deserialize)]
pub struct Header {
    /// Algorithm it claims.
    pub alg: String,
    /// Key it names.
    #[serde(default)]
    pub kid: Option<String>,
    /// Type.
    #[serde(default)]
    pub typ: Option<String>,
    /// App ID's version.
    #[serde(default)]
    pub ver: Option<i64>,
    /// Extensions that must be understood; none are (RFC 7515 section 4.1.11).
    #[serde(default)]
    crit: Option<Value>,
}

impl Header {
    /// Whether the type is `application/{subtype}`; the prefix may be left out (RFC 7515 section 4.1.9).
    pub fn is_type(&self, subtype: &str) -> bool {
        let Some(typ) = &self.typ else { return false };
        let prefix = "application/";
        let bare = match typ.get(..prefix.len()) {
            Some(start) if start.eq_ignore_ascii_case(prefix) => typ.get(prefix.len()..),
            _ => Some(typ.as_str()),
        };
        bare.is_some_and(|bare| bare.eq_ignore_ascii_case(subtype))
    }
}

/// Reads the header only, to find the key. Nothing in it may be trusted yet.
pub fn decode_unverified_header(token: &str) -> Result<Header, JoseError> {
    let header: Header =
        serde_json::from_slice(&unverified_part(token, 0)?).map_err(|_| JoseError::Malformed)?;
    if header.crit.is_some() {
        return Err(JoseError::Malformed);
    }
    Ok(header)
}

/// Reads the claims without verifying anything: only to find out whose key to verify with.
pub fn decode_unverified_claims(token: &str) -> Result<Map<String, Value>, JoseError> {
    decode_verified_before(token)
}

/// Reads the claims of a token that the caller knows to have been verified before, byte by byte the same.
pub fn decode_verified_before<T: DeserializeOwned>(token: &str) -> Result<T, JoseError> {
    serde_json::from_slice(&unverified_part(token, 1)?).map_err(|_| JoseError::Malformed)
}

pub(crate) fn unverified_part(token: &str, index: usize) -> Result<Vec<u8>, JoseError> {
    if token.len() > LONGEST_TOKEN || !token.contains('.') {
        return Err(JoseError::Malformed);
    }
    let part = token.split('.').nth(index).ok_or(JoseError::Malformed)?;
    decode(part)
}

/// Verifies the signature and answers the claims. Times, issuer and audience are the caller's to check.
pub fn verify(
    token: &str,
    key: &VerifyingKey,
    allowed: &[Algorithm],
) -> Result<Map<String, Value>, JoseError> {
    verify_as(token, &decode_unverified_header(token)?, key, allowed)
}

/// The same for a caller who has read the header of this token already, and wants only some of the claims.
pub fn verify_as<T: DeserializeOwned>(
    token: &str,
    header: &Header,
    key: &VerifyingKey,
    allowed: &[Algorithm],
) -> Result<T, JoseError> {
    let parts = Parts::of(token)?;
    key.verify(&parts, allowed_algorithm(header, allowed)?)?;
    parts.claims()
}

/// Verifies an HS256 token with a secret that both sides know, of [`SHORTEST_SECRET`] bytes at least, and answers the claims. The
/// comparison takes as long whatever differs.
pub fn verify_with_secret<T: DeserializeOwned>(
    token: &str,
    header: &Header,
    secret: &[u8],
) -> Result<T, JoseError> {
    if header.alg != HS256 {
        return Err(JoseError::AlgorithmRefused);
    }
    if secret.len() < SHORTEST_SECRET {
        return Err(JoseError::BadKey);
    }
    let parts = Parts::of(token)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, parts.signed.as_bytes(), &parts.signature)
        .map_err(|_| JoseError::BadSignature)?;
    parts.claims()
}

/// The algorithm that a header claims, if it is allowed.
pub(crate) fn allowed_algorithm(
    header: &Header,
    allowed: &[Algorithm],
) -> Result<Algorithm, JoseError> {
    allowed
        .iter()
        .copied()
        .find(|algorithm| algorithm.name() == header.alg)
        .ok_or(JoseError::AlgorithmRefused)
}

/// The three parts of a compact JWS.
pub(crate) struct Parts<'a> {
    /// What the signature is of.
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(token: &'a str) -> Result<Self, JoseError> {
        if token.len() > LONGEST_TOKEN {
            return Err(JoseError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JoseError::Malformed)?;
        let (_, claims) = signed.split_once('.').ok_or(JoseError::Malformed)?;
        if claims.contains('.') {
            return Err(JoseError::Malformed);
        }
        Ok(Self {
            signed,
            claims,
            signature: decode(signature)?,
        })
    }

    pub(crate) fn claims<T: DeserializeOwned>(&self) -> Result<T, JoseError> {
        serde_json::from_slice(&decode(self.claims)?).map_err(|_| JoseError::Malformed)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, JoseError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| JoseError::Malformed)
}

//! JSON Web Signatures, keys and tokens (RFC 7515, 7517, 7519): a thin layer over aws-lc with parsed keys and an allow-list of
//! algorithms.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize, PublicKeyComponents},
    signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256},
};
use base64::{
    Engine as _,
    engine::{
        GeneralPurpose,
        general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    random::Random,
    seal::{MasterKey, SealError},
};

/// Longest token that is looked at, in bytes: one with 100 kB of mapped claims (contract/runtime.md section 6.6) in base64.
pub const LONGEST_TOKEN: usize = 192 << 10;

/// Signature algorithms. There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
}

impl Algorithm {
    /// The registered name (RFC 7518 section 3.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
        }
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
    /// The algorithm is not allowed here.
    #[error("the algorithm is not allowed")]
    AlgorithmRefused,
    /// The key is not of a supported kind, or too weak.
    #[error("the key is not an RSA key of 2048 to 8192 bits")]
    BadKey,
    /// aws-lc failed.
    #[error("the cryptographic library failed")]
    Library,
    /// The private key does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// A private key that signs. Parsed once; neither prints nor serializes.
pub struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    pair: RsaKeyPair,
    random: SystemRandom,
    public: VerifyingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

impl SigningKey {
    /// Makes a key. RSA keys have 2048 bits; this takes tens of milliseconds.
    pub fn generate(algorithm: Algorithm, kid: impl Into<String>) -> Result<Self, JoseError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| JoseError::Library)?;
        Self::of(algorithm, kid.into(), pair)
    }

    fn of(algorithm: Algorithm, kid: String, pair: RsaKeyPair) -> Result<Self, JoseError> {
        let public = pair.public_key();
        let jwk = Jwk {
            kty: String::from("RSA"),
            use_: Some(String::from("sig")),
            n: URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            e: URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
            alg: Some(algorithm.name().to_owned()),
            kid: Some(kid.clone()),
        };
        Ok(Self {
            public: VerifyingKey::from_jwk(&jwk)?,
            kid,
            algorithm,
            pair,
            random: SystemRandom::new(),
        })
    }

    /// Seals the private key for storage.
    pub fn to_sealed(
        &self,
        master: &MasterKey,
        context: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, JoseError> {
        let der: Pkcs8V1Der<'_> = self.pair.as_der().map_err(|_| JoseError::Library)?;
        let mut text = zeroize::Zeroizing::new(Vec::new());
        text.extend_from_slice(self.algorithm.name().as_bytes());
        text.push(0);
        text.extend_from_slice(self.kid.as_bytes());
        text.push(0);
        text.extend_from_slice(der.as_ref());
        Ok(master.seal(context, &text, random))
    }

    /// Opens a sealed private key.
    pub fn from_sealed(
        master: &MasterKey,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Self, JoseError> {
        let plain = master.open(context, sealed)?;
        let mut parts = plain.splitn(3, |b| *b == 0);
        let (Some(algorithm), Some(kid), Some(der)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(JoseError::BadKey);
        };
        if algorithm != Algorithm::RS256.name().as_bytes() {
            return Err(JoseError::AlgorithmRefused);
        }
        let kid = String::from_utf8(kid.to_vec()).map_err(|_| JoseError::BadKey)?;
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| JoseError::BadKey)?;
        Self::of(Algorithm::RS256, kid, pair)
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public half, to publish.
    pub fn public_jwk(&self) -> &Jwk {
        &self.public.jwk
    }

    /// The public half, to verify with.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs `claims` under `header` as a compact JWS. `header` is given whole: it must name this key's algorithm.
    pub fn sign(
        &self,
        header: &impl Serialize,
        claims: &impl Serialize,
    ) -> Result<String, JoseError> {
        let header = serde_json::to_vec(header).map_err(|_| JoseError::Malformed)?;
        let claims = serde_json::to_vec(claims).map_err(|_| JoseError::Malformed)?;
        let mut out = String::with_capacity((header.len() + claims.len()) * 4 / 3 + 350);
        URL_SAFE_NO_PAD.encode_string(&header, &mut out);
        out.push('.');
        URL_SAFE_NO_PAD.encode_string(&claims, &mut out);
        let mut signature = [0; 1024];
        let signature = signature
            .get_mut(..self.pair.public_modulus_len())
            .ok_or(JoseError::BadKey)?;
        self.pair
            .sign(&RSA_PKCS1_SHA256, &self.random, out.as_bytes(), signature)
            .map_err(|_| JoseError::Library)?;
        out.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut out);
        Ok(out)
    }
}

/// An RSA public key as JSON (RFC 7517, RFC 7518 section 6.3.1). Members that are not listed are ignored on input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// `RSA`.
    pub kty: String,
    /// `sig`.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub use_: Option<String>,
    /// Modulus, base64url. Padding and a leading zero byte are accepted on input (contract/runtime.md section 4.11).
    pub n: String,
    /// Exponent, base64url.
    pub e: String,
    /// Algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// Key id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

/// A public key that verifies, parsed once.
#[derive(Clone)]
pub struct VerifyingKey {
    jwk: Jwk,
    parsed: Arc<ParsedPublicKey>,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?})", self.jwk.kid)
    }
}

impl VerifyingKey {
    /// From a JWK: RSA, 2048 to 8192 bits.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, JoseError> {
        if jwk.kty != "RSA" {
            return Err(JoseError::BadKey);
        }
        let (n, e) = (integer(&jwk.n)?, integer(&jwk.e)?);
        if n.len() < 256 || n.len() > 1024 {
            return Err(JoseError::BadKey);
        }
        let parsed = PublicKeyComponents { n: &*n, e: &*e }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .map_err(|_| JoseError::BadKey)?;
        Ok(Self {
            jwk: jwk.clone(),
            parsed: Arc::new(parsed),
        })
    }

    /// From PEM: `PUBLIC KEY` (SubjectPublicKeyInfo) or `RSA PUBLIC KEY` (PKCS#1), 2048 to 8192 bits.
    pub fn from_rsa_pem(pem: &str) -> Result<Self, JoseError> {
        let der = der_of_pem(pem).ok_or(JoseError::BadKey)?;
        let public = aws_lc_rs::rsa::PublicKey::from_der(&der).map_err(|_| JoseError::BadKey)?;
        Self::from_jwk(&Jwk {
            kty: String::from("RSA"),
            use_: None,
            n: URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            e: URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
            alg: None,
            kid: None,
        })
    }

    /// The key as JSON.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }
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

/// Reads the header only, to find the key. Nothing in it may be trusted yet.
pub fn decode_unverified_header(token: &str) -> Result<Header, JoseError> {
    if token.len() > LONGEST_TOKEN {
        return Err(JoseError::Malformed);
    }
    let (header, _) = token.split_once('.').ok_or(JoseError::Malformed)?;
    let header: Header =
        serde_json::from_slice(&decode(header)?).map_err(|_| JoseError::Malformed)?;
    if header.crit.is_some() {
        return Err(JoseError::Malformed);
    }
    Ok(header)
}

/// Reads the claims without verifying anything: only to find out whose key to verify with.
pub fn decode_unverified_claims(token: &str) -> Result<Map<String, Value>, JoseError> {
    if token.len() > LONGEST_TOKEN {
        return Err(JoseError::Malformed);
    }
    let claims = token.split('.').nth(1).ok_or(JoseError::Malformed)?;
    serde_json::from_slice(&decode(claims)?).map_err(|_| JoseError::Malformed)
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
    if !allowed
        .iter()
        .any(|algorithm| algorithm.name() == header.alg)
    {
        return Err(JoseError::AlgorithmRefused);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(JoseError::Malformed)?;
    let (_, claims) = signed.split_once('.').ok_or(JoseError::Malformed)?;
    if claims.contains('.') {
        return Err(JoseError::Malformed);
    }
    key.parsed
        .verify_sig(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| JoseError::BadSignature)?;
    serde_json::from_slice(&decode(claims)?).map_err(|_| JoseError::Malformed)
}

fn decode(text: &str) -> Result<Vec<u8>, JoseError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| JoseError::Malformed)
}

/// An unsigned integer of a JWK, leniently.
fn integer(text: &str) -> Result<Vec<u8>, JoseError> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::URL_SAFE,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    let bytes = LENIENT.decode(text).map_err(|_| JoseError::BadKey)?;
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    Ok(bytes.get(zeros..).unwrap_or_default().to_vec())
}

fn der_of_pem(pem: &str) -> Option<Vec<u8>> {
    let pem = pem.trim();
    let label = ["PUBLIC KEY", "RSA PUBLIC KEY"]
        .into_iter()
        .find(|label| pem.starts_with(&format!("-----BEGIN {label}-----")))?;
    let body = pem
        .strip_prefix(&format!("-----BEGIN {label}-----"))?
        .strip_suffix(&format!("-----END {label}-----"))?;
    let text: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(text).ok()
}

//! Public keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037 section 2) and what verifies with them.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA256,
    },
};
use base64::{
    Engine as _,
    engine::{
        GeneralPurpose,
        general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    },
};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, value::RawValue};

use super::{Algorithm, Header, JoseError, Parts, allowed_algorithm};

/// Most keys of a set.
const MOST_KEYS: usize = 20;
/// Most bytes of a set.
const LONGEST_SET: usize = 64 << 10;
/// Bytes of a coordinate of P-256 and of an Ed25519 key.
const COORDINATE: usize = 32;

/// A public key as JSON. Members that are not listed are ignored on input; a key with a private part is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Input")]
pub struct Jwk {
    /// `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// `sig`.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub use_: Option<String>,
    /// `P-256` or `Ed25519`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// Modulus of RSA, base64url. Padding and a leading zero byte are accepted on input (contract/runtime.md section 4.11).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// Exponent of RSA, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Coordinate of P-256, or the whole of an Ed25519 key, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The other coordinate of P-256, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The only algorithm it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// Key id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

/// What is read: the members of [`Jwk`] and the names of private parts.
#[derive(Deserialize)]
struct Input {
    kty: String,
    #[serde(default, rename = "use")]
    use_: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    d: Option<IgnoredAny>,
    #[serde(default)]
    p: Option<IgnoredAny>,
    #[serde(default)]
    q: Option<IgnoredAny>,
    #[serde(default)]
    dp: Option<IgnoredAny>,
    #[serde(default)]
    dq: Option<IgnoredAny>,
    #[serde(default)]
    qi: Option<IgnoredAny>,
    #[serde(default)]
    oth: Option<IgnoredAny>,
    #[serde(default)]
    k: Option<IgnoredAny>,
}

impl TryFrom<Input> for Jwk {
    type Error = JoseError;

    fn try_from(input: Input) -> Result<Self, JoseError> {
        let private = [
            input.d, input.p, input.q, input.dp, input.dq, input.qi, input.oth, input.k,
        ];
        if private.iter().any(Option::is_some) {
            return Err(JoseError::PrivateKey);
        }
        Ok(Self {
            kty: input.kty,
            use_: input.use_,
            crv: input.crv,
            n: input.n,
            e: input.e,
            x: input.x,
            y: input.y,
            alg: input.alg,
            kid: input.kid,
        })
    }
}

impl Jwk {
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        Self {
            kty: String::from("RSA"),
            n: Some(URL_SAFE_NO_PAD.encode(modulus)),
            e: Some(URL_SAFE_NO_PAD.encode(exponent)),
            ..Self::default()
        }
    }

    pub(super) fn p256(x: &[u8], y: &[u8]) -> Self {
        Self {
            kty: String::from("EC"),
            crv: Some(String::from("P-256")),
            x: Some(URL_SAFE_NO_PAD.encode(x)),
            y: Some(URL_SAFE_NO_PAD.encode(y)),
            ..Self::default()
        }
    }

    pub(super) fn ed25519(x: &[u8]) -> Self {
        Self {
            kty: String::from("OKP"),
            crv: Some(String::from("Ed25519")),
            x: Some(URL_SAFE_NO_PAD.encode(x)),
            ..Self::default()
        }
    }

    /// The SHA-256 thumbprint (RFC 7638 section 3), base64url. The members are taken as they are: for keys of others use
    /// [`VerifyingKey::thumbprint`].
    fn thumbprint(&self) -> String {
        let text = |member: &Option<String>| member.clone().unwrap_or_default();
        // Base64url and these names need no escapes in JSON.
        let canonical = match self.kty.as_str() {
            "RSA" => format!(
                r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
                text(&self.e),
                text(&self.n)
            ),
            "EC" => format!(
                r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                text(&self.x),
                text(&self.y)
            ),
            _ => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(&self.x)),
        };
        URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
    }
}

/// A public key that verifies, parsed once.
#[derive(Clone)]
pub struct VerifyingKey {
    jwk: Jwk,
    parsed: Arc<[(Algorithm, ParsedPublicKey)]>,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?})", self.jwk.kid)
    }
}

impl VerifyingKey {
    /// From a JWK for signatures: RSA of 2048 to 8192 bits, P-256 or Ed25519. It verifies with the algorithm that the JWK names, or
    /// else with each that suits its kind.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, JoseError> {
        if jwk.use_.as_deref().is_some_and(|purpose| purpose != "sig") {
            return Err(JoseError::BadKey);
        }
        let (bare, parsed) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => rsa(jwk)?,
            ("EC", Some("P-256")) => p256(jwk)?,
            ("OKP", Some("Ed25519")) => ed25519(jwk)?,
            _ => return Err(JoseError::BadKey),
        };
        let parsed: Arc<[_]> = match &jwk.alg {
            Some(alg) => parsed
                .into_iter()
                .filter(|(algorithm, _)| algorithm.name() == alg)
                .collect(),
            None => parsed.into(),
        };
        if parsed.is_empty() {
            return Err(JoseError::AlgorithmRefused);
        }
        Ok(Self {
            jwk: Jwk {
                use_: jwk.use_.clone(),
                alg: jwk.alg.clone(),
                kid: jwk.kid.clone(),
                ..bare
            },
            parsed,
        })
    }

    /// From PEM: `PUBLIC KEY` (SubjectPublicKeyInfo) or `RSA PUBLIC KEY` (PKCS#1), 2048 to 8192 bits.
    pub fn from_rsa_pem(pem: &str) -> Result<Self, JoseError> {
        let der = der_of_pem(pem).ok_or(JoseError::BadKey)?;
        let public = aws_lc_rs::rsa::PublicKey::from_der(&der).map_err(|_| JoseError::BadKey)?;
        Self::from_jwk(&Jwk::rsa(
            public.modulus().big_endian_without_leading_zero(),
            public.exponent().big_endian_without_leading_zero(),
        ))
    }

    /// The key as JSON, in canonical form.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The SHA-256 thumbprint (RFC 7638 section 3), base64url.
    pub fn thumbprint(&self) -> String {
        self.jwk.thumbprint()
    }

    /// Whether it verifies signatures of this algorithm.
    pub fn suits(&self, algorithm: Algorithm) -> bool {
        self.parsed.iter().any(|(one, _)| *one == algorithm)
    }

    /// Whether this is a signature of the key over some bytes that are no JWS.
    pub fn signed(&self, bytes: &[u8], signature: &[u8], algorithm: Algorithm) -> bool {
        self.parsed
            .iter()
            .find(|(one, _)| *one == algorithm)
            .is_some_and(|(_, key)| key.verify_sig(bytes, signature).is_ok())
    }

    pub(crate) fn verify(&self, parts: &Parts<'_>, algorithm: Algorithm) -> Result<(), JoseError> {
        let (_, key) = self
            .parsed
            .iter()
            .find(|(one, _)| *one == algorithm)
            .ok_or(JoseError::AlgorithmRefused)?;
        key.verify_sig(parts.signed.as_bytes(), &parts.signature)
            .map_err(|_| JoseError::BadSignature)
    }
}

type Parsed = (Jwk, Vec<(Algorithm, ParsedPublicKey)>);

fn rsa(jwk: &Jwk) -> Result<Parsed, JoseError> {
    let (n, e) = (integer(jwk.n.as_deref())?, integer(jwk.e.as_deref())?);
    // aws-lc takes these numbers as they are: an even modulus is no product of two primes, and with an exponent of one everything is
    // its own signature.
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    let sane = odd(&n) && odd(&e) && *e != [1] && e.len() <= 5;
    if n.len() < 256 || n.len() > 1024 || !sane {
        return Err(JoseError::BadKey);
    }
    let of = |parameters| {
        PublicKeyComponents { n: &*n, e: &*e }
            .to_parsed_public_key(parameters)
            .map_err(|_| JoseError::BadKey)
    };
    let parsed = vec![
        (Algorithm::RS256, of(&RSA_PKCS1_2048_8192_SHA256)?),
        (Algorithm::PS256, of(&RSA_PSS_2048_8192_SHA256)?),
    ];
    Ok((Jwk::rsa(&n, &e), parsed))
}

fn p256(jwk: &Jwk) -> Result<Parsed, JoseError> {
    let (x, y) = (coordinate(jwk.x.as_deref())?, coordinate(jwk.y.as_deref())?);
    // SEC 1 section 2.3.3: 4, then both coordinates. aws-lc checks that the point is on the curve.
    let point = [&[4][..], &x, &y].concat();
    let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    let parsed = parsed.map_err(|_| JoseError::BadKey)?;
    Ok((Jwk::p256(&x, &y), vec![(Algorithm::ES256, parsed)]))
}

fn ed25519(jwk: &Jwk) -> Result<Parsed, JoseError> {
    let x = coordinate(jwk.x.as_deref())?;
    let parsed = ParsedPublicKey::new(&ED25519, x).map_err(|_| JoseError::BadKey)?;
    Ok((Jwk::ed25519(&x), vec![(Algorithm::EdDSA, parsed)]))
}

/// Public keys of one owner.
#[derive(Debug, Clone)]
pub struct JwkSet {
    keys: Vec<VerifyingKey>,
    certificates: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct SetInput<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// Why a member of a key set is of no use, told apart from one that must not be there.
#[derive(Deserialize)]
struct Kind {
    kty: String,
    /// Certificates of the key, its own first (RFC 7517 section 4.7).
    #[serde(default)]
    x5c: Value,
}

impl JwkSet {
    /// Reads a key set. Keys of other kinds and for other purposes are left out (RFC 7517 section 5).
    ///
    /// # Errors
    /// `TooManyKeys` for more than 64 kB or 20 keys; `Malformed` for what is no key set; `PrivateKey` when one of the keys has a
    /// private part, or is a secret; `BadKey` when a key of a supported kind is weak or broken.
    pub fn parse(text: &str) -> Result<Self, JoseError> {
        if text.len() > LONGEST_SET {
            return Err(JoseError::TooManyKeys);
        }
        let input: SetInput<'_> = serde_json::from_str(text).map_err(|_| JoseError::Malformed)?;
        if input.keys.len() > MOST_KEYS {
            return Err(JoseError::TooManyKeys);
        }
        let mut keys = Vec::with_capacity(input.keys.len());
        let mut certificates = Vec::new();
        for one in input.keys {
            let kind: Kind = serde_json::from_str(one.get()).map_err(|_| JoseError::Malformed)?;
            let own = kind.x5c.get(0).and_then(Value::as_str);
            certificates.extend(own.and_then(|text| STANDARD.decode(text).ok()));
            let input: Input = match serde_json::from_str(one.get()) {
                Ok(input) => input,
                Err(_) if ["RSA", "EC", "OKP", "oct"].contains(&kind.kty.as_str()) => {
                    return Err(JoseError::Malformed);
                }
                Err(_) => continue,
            };
            let jwk = Jwk::try_from(input)?;
            if jwk.is_for_signatures() {
                keys.push(VerifyingKey::from_jwk(&jwk)?);
            }
        }
        Ok(Self { keys, certificates })
    }

    /// The certificates of the keys in DER (`x5c`), also of those that cannot be used otherwise. Nobody has looked at them.
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// The keys that can be used.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Verifies the signature with the key that the header names, or with each that suits the algorithm when it names none, and
    /// answers the claims.
    pub fn verify<T: DeserializeOwned>(
        &self,
        token: &str,
        header: &Header,
        allowed: &[Algorithm],
    ) -> Result<T, JoseError> {
        let algorithm = allowed_algorithm(header, allowed)?;
        let parts = Parts::of(token)?;
        let named = |key: &&VerifyingKey| header.kid.is_none() || key.jwk.kid == header.kid;
        let mut suitable = self
            .keys
            .iter()
            .filter(|key| key.suits(algorithm))
            .filter(named);
        if suitable.any(|key| key.verify(&parts, algorithm).is_ok()) {
            parts.claims()
        } else {
            Err(JoseError::BadSignature)
        }
    }
}

impl Jwk {
    /// Whether it is of a kind and for an algorithm that is known here; if it is any good is another question.
    fn is_for_signatures(&self) -> bool {
        let known = matches!(
            (self.kty.as_str(), self.crv.as_deref()),
            ("RSA", _) | ("EC", Some("P-256")) | ("OKP", Some("Ed25519"))
        );
        let for_this = self.use_.as_deref().is_none_or(|purpose| purpose == "sig");
        let by_this = self
            .alg
            .as_deref()
            .is_none_or(|alg| Algorithm::of_name(alg).is_some());
        known && for_this && by_this
    }
}

/// An unsigned integer of a JWK, leniently.
fn integer(text: Option<&str>) -> Result<Vec<u8>, JoseError> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::URL_SAFE,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    let text = text.ok_or(JoseError::BadKey)?;
    let bytes = LENIENT.decode(text).map_err(|_| JoseError::BadKey)?;
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    Ok(bytes.get(zeros..).unwrap_or_default().to_vec())
}

/// 32 bytes, no fewer (RFC 7518 section 6.2.1.2).
fn coordinate(text: Option<&str>) -> Result<[u8; COORDINATE], JoseError> {
    let text = text.ok_or(JoseError::BadKey)?;
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| JoseError::BadKey)?;
    bytes.try_into().map_err(|_| JoseError::BadKey)
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

//! Private keys that sign.

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::{Algorithm, JoseError, Jwk, VerifyingKey};
use crate::{random::Random, seal::MasterKey};

/// A private key that signs. Parsed once; neither prints nor serializes.
pub struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    pair: Pair,
    random: SystemRandom,
    public: VerifyingKey,
    thumbprint: String,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

impl SigningKey {
    /// Makes a key. RSA keys have 2048 bits; making one takes tens of milliseconds.
    pub fn generate(algorithm: Algorithm, kid: impl Into<String>) -> Result<Self, JoseError> {
        let pair = match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => {
                RsaKeyPair::generate(KeySize::Rsa2048).map(|pair| Pair::Rsa(Box::new(pair)))
            }
            Algorithm::ES256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::P256)
            }
            Algorithm::EdDSA => Ed25519KeyPair::generate().map(Pair::Ed25519),
        };
        Self::of(algorithm, kid.into(), pair.map_err(|_| JoseError::Library)?)
    }

    fn of(algorithm: Algorithm, kid: String, pair: Pair) -> Result<Self, JoseError> {
        let jwk = Jwk {
            use_: Some(String::from("sig")),
            alg: Some(algorithm.name().to_owned()),
            kid: Some(kid.clone()),
            ..pair.public()?
        };
        let public = VerifyingKey::from_jwk(&jwk)?;
        Ok(Self {
            thumbprint: public.thumbprint(),
            public,
            kid,
            algorithm,
            pair,
            random: SystemRandom::new(),
        })
    }

    /// Seals the private key for storage, together with its algorithm and id.
    pub fn to_sealed(
        &self,
        master: &MasterKey,
        context: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, JoseError> {
        let mut text = zeroize::Zeroizing::new(Vec::with_capacity(4096));
        text.extend_from_slice(self.algorithm.name().as_bytes());
        text.push(0);
        text.extend_from_slice(self.kid.as_bytes());
        text.push(0);
        self.pair.append_pkcs8(&mut text)?;
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
        let algorithm = std::str::from_utf8(algorithm)
            .ok()
            .and_then(Algorithm::of_name)
            .ok_or(JoseError::AlgorithmRefused)?;
        let kid = String::from_utf8(kid.to_vec()).map_err(|_| JoseError::BadKey)?;
        Self::of(algorithm, kid, Pair::from_pkcs8(algorithm, der)?)
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
        self.public.jwk()
    }

    /// The thumbprint of the public half (RFC 7638), computed once.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
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
        let mut buffer = [0; 1024];
        let length = self.signature(out.as_bytes(), &mut buffer)?;
        out.push('.');
        URL_SAFE_NO_PAD.encode_string(buffer.get(..length).unwrap_or_default(), &mut out);
        Ok(out)
    }

    /// Writes the signature to the start of the buffer and answers its length.
    fn signature(&self, message: &[u8], buffer: &mut [u8]) -> Result<usize, JoseError> {
        let made = match &self.pair {
            Pair::Rsa(pair) => {
                let encoding = match self.algorithm {
                    Algorithm::PS256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let length = pair.public_modulus_len();
                let signature = buffer.get_mut(..length).ok_or(JoseError::BadKey)?;
                pair.sign(encoding, &self.random, message, signature)
                    .map_err(|_| JoseError::Library)?;
                return Ok(length);
            }
            Pair::P256(pair) => pair
                .sign(&self.random, message)
                .map_err(|_| JoseError::Library)?,
            Pair::Ed25519(pair) => pair.try_sign(message).map_err(|_| JoseError::Library)?,
        };
        let signature = made.as_ref();
        buffer
            .get_mut(..signature.len())
            .ok_or(JoseError::Library)?
            .copy_from_slice(signature);
        Ok(signature.len())
    }
}

impl Pair {
    fn public(&self) -> Result<Jwk, JoseError> {
        Ok(match self {
            Self::Rsa(pair) => Jwk::rsa(
                pair.public_key()
                    .modulus()
                    .big_endian_without_leading_zero(),
                pair.public_key()
                    .exponent()
                    .big_endian_without_leading_zero(),
            ),
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                // SEC 1 section 2.3.3: 4, then both coordinates.
                let (x, y) = point
                    .strip_prefix(&[4])
                    .and_then(|both| both.split_at_checked(32))
                    .ok_or(JoseError::Library)?;
                Jwk::p256(x, y)
            }
            Self::Ed25519(pair) => Jwk::ed25519(pair.public_key().as_ref()),
        })
    }

    fn append_pkcs8(&self, out: &mut Vec<u8>) -> Result<(), JoseError> {
        match self {
            Self::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| JoseError::Library)?;
                out.extend_from_slice(der.as_ref());
            }
            Self::P256(pair) => {
                let document = pair.to_pkcs8v1().map_err(|_| JoseError::Library)?;
                out.extend_from_slice(document.as_ref());
            }
            Self::Ed25519(pair) => {
                let document = pair.to_pkcs8v1().map_err(|_| JoseError::Library)?;
                out.extend_from_slice(document.as_ref());
            }
        }
        Ok(())
    }

    fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, JoseError> {
        let pair = match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => {
                RsaKeyPair::from_pkcs8(der).map(|pair| Self::Rsa(Box::new(pair)))
            }
            Algorithm::ES256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Self::P256)
            }
            Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8(der).map(Self::Ed25519),
        };
        pair.map_err(|_| JoseError::BadKey)
    }
}

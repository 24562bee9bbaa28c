//! Proofs of possession (RFC 9449): a token that brings its own public key. Whether it fits the request is the caller's to check.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::jose::{
    Algorithm, JoseError, Jwk, VerifyingKey, decode_unverified_header, unverified_part, verify_as,
};

/// Longest proof that is looked at, in bytes: one with an RSA key of 8192 bits has about five thousand.
pub const LONGEST_PROOF: usize = 8 << 10;

/// What a proof says, signed with the key of that thumbprint.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// SHA-256 thumbprint of the key, base64url (`jkt`).
    pub thumbprint: String,
    /// What was signed.
    pub claims: ProofClaims,
}

/// Claims of a proof (RFC 9449 section 4.2).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ProofClaims {
    /// Its own id.
    pub jti: String,
    /// Method of the request.
    pub htm: String,
    /// URI of the request.
    pub htu: String,
    /// When it was made, in seconds; clients may give a fraction.
    pub iat: f64,
    /// Hash of the access token that goes with it.
    #[serde(default)]
    pub ath: Option<String>,
    /// What the server gave to be repeated.
    #[serde(default)]
    pub nonce: Option<String>,
}

#[derive(Deserialize)]
struct KeyHeader {
    jwk: Jwk,
}

impl Proof {
    /// Reads a proof and verifies its signature with its own key.
    ///
    /// # Errors
    /// `Malformed` for what is not of type `dpop+jwt`, too long or without a public key; `PrivateKey` is one of these. The others as in
    /// [`crate::jose`].
    pub fn read(text: &str, allowed: &[Algorithm]) -> Result<Self, JoseError> {
        if text.len() > LONGEST_PROOF {
            return Err(JoseError::Malformed);
        }
        let header = decode_unverified_header(text)?;
        if !header.is_type("dpop+jwt") {
            return Err(JoseError::Malformed);
        }
        let KeyHeader { jwk } =
            serde_json::from_slice(&unverified_part(text, 0)?).map_err(|_| JoseError::Malformed)?;
        let key = VerifyingKey::from_jwk(&jwk)?;
        Ok(Self {
            claims: verify_as(text, &header, &key, allowed)?,
            thumbprint: key.thumbprint(),
        })
    }
}

/// What `ath` says of an access token: base64url of its SHA-256.
pub fn token_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9449 section 4.1.
    const EXAMPLE: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

    #[test]
    fn the_example_of_the_specification_is_read() {
        let proof = Proof::read(EXAMPLE, &Algorithm::ALL).unwrap();
        assert_eq!(
            proof.thumbprint,
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        );
        assert_eq!(proof.claims.jti, "-BwC3ESc6acc2lTc");
        assert_eq!(proof.claims.htm, "POST");
        assert_eq!(proof.claims.htu, "https://server.example.com/token");
        assert_eq!(proof.claims.iat, 1_562_262_616.0);
        assert_eq!(proof.claims.ath, None);
        assert!(matches!(
            Proof::read(EXAMPLE, &[Algorithm::EdDSA]),
            Err(JoseError::AlgorithmRefused)
        ));
    }

    #[test]
    fn the_hash_of_a_token_is_that_of_the_specification() {
        assert_eq!(
            token_hash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
            "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
        );
    }
}

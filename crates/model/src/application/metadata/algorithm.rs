//! Names of signature algorithms (RFC 7518 section 3.1, RFC 8037). What they do is the crypto crate's matter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A signature algorithm that a client may name. There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
    /// HMAC with SHA-256 and the client's secret.
    HS256,
}

impl SignatureAlgorithm {
    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
            Self::HS256 => "HS256",
        }
    }

    /// Whether signing and verifying take one and the same key.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256)
    }
}

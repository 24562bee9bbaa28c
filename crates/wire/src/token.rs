//! Answers of the token and introspection endpoints (RFC 6749 section 5.1, RFC 7662 section 2.2, contract/runtime.md section 4.2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the token endpoint answers. It does not print: every member is a secret.
#[derive(Serialize, JsonSchema)]
pub struct TokenAnswer {
    /// Signed.
    pub access_token: String,
    /// Signed; there is none for an application itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// Opaque; only when the instance issues them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// `Bearer`, or `DPoP` for a token that is bound to a key.
    pub token_type: &'static str,
    /// Seconds, a number.
    pub expires_in: i64,
    /// Scopes of the access token; left out for an application itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// What the pushed authorization request endpoint answers (RFC 9126 section 2.2).
#[derive(Serialize, JsonSchema)]
pub struct Pushed {
    /// Stands for the request at the authorization endpoint, once.
    pub request_uri: String,
    /// Seconds, a number.
    pub expires_in: i64,
}

/// What the introspection endpoint answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Introspection {
    /// Whether the token is good now.
    pub active: bool,
    /// `DPoP` for a token that is bound to a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    /// What sort of sign-in an access token comes of (RFC 9470 section 6.2), where access tokens say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// When the person showed who they are, in seconds; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The key that it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// The key that a token is bound to (RFC 7800 section 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Confirmation {
    /// Its thumbprint (RFC 9449 section 6.1).
    pub jkt: String,
}

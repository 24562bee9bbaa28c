//! Answers of the token and introspection endpoints (RFC 6749 section 5.1, RFC 7662 section 2.2, contract/runtime.md section 4.2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::details::Detail;

/// The grant of RFC 8628.
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The grant of RFC 8693.
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What RFC 8693 section 3 calls an access token.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What it calls an identity token.
pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// What the token endpoint answers. It does not print: every member is a secret.
#[derive(Serialize, JsonSchema)]
pub struct TokenAnswer {
    /// Signed.
    pub access_token: String,
    /// What `access_token` is; only where a token was exchanged (RFC 8693 section 2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
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
    /// What somebody agreed to in detail (RFC 9396 section 7).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<Detail>,
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

/// What the device authorization endpoint answers (RFC 8628 section 3.2). It does not print: `device_code` is a secret.
#[derive(Serialize, JsonSchema)]
pub struct DeviceAuthorization {
    /// What the device shows to the token endpoint.
    pub device_code: String,
    /// What the person enters.
    pub user_code: String,
    /// Where the person enters it.
    pub verification_uri: String,
    /// The same with the code filled in.
    pub verification_uri_complete: String,
    /// Seconds, a number.
    pub expires_in: i64,
    /// Seconds between two requests of the device.
    pub interval: i64,
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
    /// What it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Where an access token for named places is good.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aud: Vec<String>,
    /// What somebody agreed to in detail (RFC 9396 section 9.2).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<Detail>,
}

/// What a token is bound to (RFC 7800 section 3): a key, a certificate, both or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Confirmation {
    /// Thumbprint of the key (RFC 9449 section 6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
    /// Thumbprint of the certificate (RFC 8705 section 3.1).
    #[serde(default, rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub x5t: Option<String>,
}

impl Confirmation {
    /// Whether it binds to nothing.
    pub fn is_free(&self) -> bool {
        self.jkt.is_none() && self.x5t.is_none()
    }

    /// The type of a token that is bound like this (RFC 9449 section 5, RFC 8705 section 3).
    pub fn token_type(&self) -> &'static str {
        match self.jkt {
            Some(_) => "DPoP",
            None => "Bearer",
        }
    }
}

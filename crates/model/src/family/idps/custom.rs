//! `config/idps/custom`: assertions that an application's own server signs (RFC 7523).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Invalid,
    family::{Family, input::blank_as_none},
};

/// The custom provider: off until it has a key and is switched on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomIdp {
    /// Whether assertions are accepted.
    pub is_active: bool,
    /// On a write, left out means unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<CustomSettings>,
}

/// Who signs the assertions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomSettings {
    /// RSA public key in PEM, at least 2048 bits. Empty counts as absent.
    #[serde(
        default,
        deserialize_with = "blank_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub public_key: Option<String>,
}

impl CustomIdp {
    /// The key, if there is one.
    pub fn public_key(&self) -> Option<&str> {
        self.config.as_ref()?.public_key.as_deref()
    }

    /// This write, with the settings kept where it left them out.
    pub fn over(mut self, current: &Self) -> Self {
        if self.config.is_none() {
            self.config.clone_from(&current.config);
        }
        self
    }
}

impl Family for CustomIdp {
    const NAME: &'static str = "idps/custom";

    fn validate(&self) -> Result<(), Invalid> {
        match self.public_key() {
            None if self.is_active => Err(Invalid::new(
                "config.publicKey",
                "is required before the provider can be active",
            )),
            Some(key) if key.len() > 10_000 => Err(Invalid::new(
                "config.publicKey",
                "is longer than a public key can be",
            )),
            _ => Ok(()),
        }
    }
}

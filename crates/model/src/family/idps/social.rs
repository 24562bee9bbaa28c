//! `config/idps/facebook` and `config/idps/google`: people sign in with an account they have elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Invalid,
    family::{Family, Secret},
};

/// Facebook.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Facebook(pub SocialIdp);

/// Google.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Google(pub SocialIdp);

/// A social provider: off and without credentials until both are set. App ID lends its own credentials for trials; a
/// self-hosted service has none to lend, so an active provider needs some.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SocialIdp {
    /// Whether people may sign in with it.
    pub is_active: bool,
    /// What the provider gave the operator. On a write, left out means unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<SocialCredentials>,
}

/// The client that the operator registered at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SocialCredentials {
    /// Client id at the provider, 1 to 1,000 characters.
    pub idp_id: String,
    /// Client secret at the provider, 1 to 1,000 characters.
    pub secret: Secret,
}

impl SocialIdp {
    /// This write, with the credentials kept where it left them out.
    pub fn over(mut self, current: &Self) -> Self {
        if self.config.is_none() {
            self.config.clone_from(&current.config);
        }
        self
    }

    fn validate(&self) -> Result<(), Invalid> {
        let Some(config) = &self.config else {
            return if self.is_active {
                Err(Invalid::new(
                    "config",
                    "is required before the provider can be active",
                ))
            } else {
                Ok(())
            };
        };
        printable("config.idpId", &config.idp_id)?;
        printable("config.secret", config.secret.expose())
    }
}

impl AsRef<SocialIdp> for Facebook {
    fn as_ref(&self) -> &SocialIdp {
        &self.0
    }
}

impl From<SocialIdp> for Facebook {
    fn from(idp: SocialIdp) -> Self {
        Self(idp)
    }
}

impl Family for Facebook {
    const NAME: &'static str = "idps/facebook";

    fn validate(&self) -> Result<(), Invalid> {
        self.0.validate()
    }
}

impl AsRef<SocialIdp> for Google {
    fn as_ref(&self) -> &SocialIdp {
        &self.0
    }
}

impl From<SocialIdp> for Google {
    fn from(idp: SocialIdp) -> Self {
        Self(idp)
    }
}

impl Family for Google {
    const NAME: &'static str = "idps/google";

    fn validate(&self) -> Result<(), Invalid> {
        self.0.validate()
    }
}

fn printable(field: &str, text: &str) -> Result<(), Invalid> {
    let n = text.chars().count();
    if n == 0 || n > 1000 || text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Invalid::new(
            field,
            "must be 1 to 1000 printable characters",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_not_printed() {
        let idp: Facebook = serde_json::from_str(
            r#"{"isActive": true, "config": {"idpId": "app", "secret": "hush"}}"#,
        )
        .unwrap();
        assert!(!format!("{idp:?}").contains("hush"));
        assert!(serde_json::to_string(&idp).unwrap().contains("hush"));
        idp.validate().unwrap();
    }

    #[test]
    fn active_needs_credentials() {
        let active: Google = serde_json::from_str(r#"{"isActive": true}"#).unwrap();
        assert_eq!(active.validate().unwrap_err().field, "config");
        for bad in ["", " ", "a\\nb"] {
            let idp: Google = serde_json::from_str(&format!(
                r#"{{"isActive": false, "config": {{"idpId": "{bad}", "secret": "s"}}}}"#
            ))
            .unwrap();
            assert_eq!(idp.validate().unwrap_err().field, "config.idpId", "{bad:?}");
        }
    }
}

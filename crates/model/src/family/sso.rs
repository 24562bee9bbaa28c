//! `config/cloud_directory/sso`: whether a browser stays signed in (contract/runtime.md section 6.9).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Family,
    input::{null_as_default, whole_number},
    redirects::RedirectUris,
};
use crate::Invalid;

/// Single sign-on of an instance: off unless switched on. On, whoever signed in once is not asked again in the same browser, by any
/// application of the instance, until the session was idle for too long or somebody signed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SsoConfig {
    /// Whether browsers stay signed in.
    pub is_active: bool,
    /// Seconds without a sign-in after which a session ends: 1 to 604,800.
    #[serde(default = "one_day", deserialize_with = "whole_number")]
    pub inactivity_timeout_seconds: i64,
    /// Where signing out may return to, beside the redirect URIs. The rules for values are those of redirect URIs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub logout_redirect_uris: Vec<String>,
}

impl SsoConfig {
    /// Longest idle time, in seconds: a week.
    pub const LONGEST: i64 = 604_800;

    /// Whether signing out may return to `uri`.
    pub fn may_return_to(&self, uri: &str) -> bool {
        self.list().allows(uri)
    }

    fn list(&self) -> RedirectUris {
        RedirectUris {
            redirect_uris: self.logout_redirect_uris.clone(),
        }
    }
}

const fn one_day() -> i64 {
    86_400
}

impl Default for SsoConfig {
    fn default() -> Self {
        Self {
            is_active: false,
            inactivity_timeout_seconds: one_day(),
            logout_redirect_uris: Vec::new(),
        }
    }
}

impl Family for SsoConfig {
    const NAME: &'static str = "cloud_directory/sso";

    fn validate(&self) -> Result<(), Invalid> {
        if !(1..=Self::LONGEST).contains(&self.inactivity_timeout_seconds) {
            return Err(Invalid::new(
                "inactivityTimeoutSeconds",
                "must be 1 to 604800 seconds",
            ));
        }
        self.list()
            .validate()
            .map_err(|error| Invalid::new("logoutRedirectUris", error.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SsoConfig, String> {
        let config: SsoConfig = serde_json::from_str(text).map_err(|error| error.to_string())?;
        config.validate().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn times_and_addresses_have_limits() {
        let good = read(
            r#"{"isActive":true,"inactivityTimeoutSeconds":60.0,"logoutRedirectUris":["https://a.example/out"]}"#,
        );
        let good = good.unwrap();
        assert!(good.may_return_to("https://a.example/out?x=1"));
        assert!(!good.may_return_to("https://a.example/other"));
        assert_eq!(
            read(r#"{"isActive":false,"logoutRedirectUris":null}"#),
            Ok(SsoConfig::default())
        );
        for bad in [
            r#"{"isActive":true,"inactivityTimeoutSeconds":0}"#,
            r#"{"isActive":true,"inactivityTimeoutSeconds":604801}"#,
            r#"{"isActive":true,"logoutRedirectUris":["ftp://a.example/"]}"#,
            r#"{"inactivityTimeoutSeconds":60}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

//! `config/oauth/registration`: whether clients may register themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Family,
    input::{null_as_default, whole_number},
};
use crate::Invalid;

/// Who may register a client (RFC 7591 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Registering {
    /// Nobody.
    #[default]
    Off,
    /// Whoever holds an initial access token.
    InitialToken,
    /// Everybody.
    Open,
}

/// Registration of clients by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RegistrationConfig {
    /// `off`, `initial_token` or `open`.
    pub enabled: Registering,
    /// Whether people are asked before a client that registered itself learns of them.
    pub consent_required: bool,
    /// Most clients that registered themselves, devices included: 1 to 10,000.
    #[serde(deserialize_with = "whole_number")]
    pub most: i64,
    /// Whether devices may register, as App ID's mobile SDKs do.
    pub mobile: bool,
    /// Package and bundle ids of the apps whose devices may register; empty for all.
    #[serde(deserialize_with = "null_as_default")]
    pub mobile_apps: Vec<String>,
}

impl RegistrationConfig {
    /// Most clients of one instance that registered themselves: a node holds them in memory.
    pub const MOST: i64 = 10_000;

    /// Whether devices with this app may register.
    pub fn admits(&self, app: &str) -> bool {
        self.mobile
            && (self.mobile_apps.is_empty() || self.mobile_apps.iter().any(|one| one == app))
    }
}

impl Default for RegistrationConfig {
    fn default() -> Self {
        Self {
            enabled: Registering::Off,
            consent_required: true,
            most: 1000,
            mobile: true,
            mobile_apps: Vec::new(),
        }
    }
}

impl Family for RegistrationConfig {
    const NAME: &'static str = "oauth/registration";

    fn validate(&self) -> Result<(), Invalid> {
        if !(1..=Self::MOST).contains(&self.most) {
            return Err(Invalid::new("most", "must be 1 to 10000"));
        }
        let odd = |app: &String| {
            app.is_empty()
                || app.len() > 200
                || !app
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        };
        if self.mobile_apps.len() > 100 || self.mobile_apps.iter().any(odd) {
            return Err(Invalid::new(
                "mobileApps",
                "must be at most 100 package or bundle ids",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RegistrationConfig, String> {
        let config: RegistrationConfig =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        config.validate().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn nobody_registers_unless_it_is_switched_on() {
        let none = read("{}").unwrap();
        assert_eq!(none, RegistrationConfig::default());
        assert_eq!(
            (none.enabled, none.consent_required),
            (Registering::Off, true)
        );
        assert!(none.admits("com.example.app"));
        let some =
            read(r#"{"enabled":"open","most":5.0,"mobileApps":["com.example.app"]}"#).unwrap();
        assert!(some.admits("com.example.app") && !some.admits("com.example.other"));
        assert!(
            !read(r#"{"mobile":false}"#)
                .unwrap()
                .admits("com.example.app")
        );
        for bad in [
            r#"{"enabled":"yes"}"#,
            r#"{"most":0}"#,
            r#"{"most":10001}"#,
            r#"{"mobileApps":["a b"]}"#,
            r#"{"mobileApps":[""]}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

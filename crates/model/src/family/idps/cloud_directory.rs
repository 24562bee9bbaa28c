//! `config/idps/cloud_directory`: users with passwords kept by the instance itself.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    Invalid,
    family::{Family, input::null_as_default},
};

/// Cloud Directory: on by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudDirectory {
    /// Whether directory users may sign in.
    pub is_active: bool,
    /// Its settings.
    #[serde(default)]
    pub config: CloudDirectorySettings,
}

/// Self-service and verification settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CloudDirectorySettings {
    /// Whether users may manage their own account.
    pub self_service_enabled: bool,
    /// Whether people may sign up.
    pub signup_enabled: bool,
    /// Mails and verification.
    pub interactions: Interactions,
    /// What people sign in with.
    pub identity_field: IdentityField,
}

/// What people sign in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub enum IdentityField {
    /// E-mail address.
    #[default]
    Email,
    /// User name.
    UserName,
}

/// Which mails are sent, and whether an address must be verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Interactions {
    /// Verification of addresses.
    pub identity_confirmation: IdentityConfirmation,
    /// Welcome mail.
    pub welcome_enabled: bool,
    /// Forgot password.
    pub reset_password_enabled: bool,
    /// Mail after a password change.
    pub reset_password_notification_enable: bool,
}

/// How addresses are verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct IdentityConfirmation {
    /// Whether an unverified user may sign in.
    #[serde(deserialize_with = "access_mode")]
    pub access_mode: AccessMode,
    /// Channels; `email` is the only one.
    #[serde(deserialize_with = "null_as_default")]
    pub methods: Vec<String>,
}

/// Whether an unverified user may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
pub enum AccessMode {
    /// May sign in unverified.
    #[default]
    #[serde(rename = "FULL")]
    Full,
    /// Refused with 403 until verified.
    #[serde(rename = "RESTRICTIVE")]
    Restrictive,
    /// No verification mail is sent. The Go SDK's constant `false` means the same.
    #[serde(rename = "OFF", alias = "false")]
    Off,
}

/// A change of Cloud Directory. What is left out of `config` goes back to its default, with one exception: the identity field
/// stays, since a change of it is refused once there are users.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudDirectoryChange {
    /// Whether directory users may sign in.
    pub is_active: bool,
    /// Its settings; left out, they stay.
    pub config: Option<SettingsChange>,
}

/// The settings in a change of Cloud Directory.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingsChange {
    /// What people sign in with; left out, it stays.
    identity_field: Option<IdentityField>,
    #[serde(flatten)]
    rest: CloudDirectorySettings,
}

impl CloudDirectoryChange {
    /// The document that `current` becomes.
    pub fn apply(self, current: &CloudDirectory) -> CloudDirectory {
        let config = match self.config {
            None => current.config.clone(),
            Some(change) => CloudDirectorySettings {
                identity_field: change
                    .identity_field
                    .unwrap_or(current.config.identity_field),
                ..change.rest
            },
        };
        CloudDirectory {
            is_active: self.is_active,
            config,
        }
    }
}

/// `OFF` was written `false` in the Go SDK, and a YAML reader makes a boolean of that.
fn access_mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AccessMode, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Flag(bool),
        Mode(AccessMode),
    }
    match Written::deserialize(deserializer) {
        Ok(Written::Mode(mode)) => Ok(mode),
        Ok(Written::Flag(false)) => Ok(AccessMode::Off),
        Ok(Written::Flag(true)) | Err(_) => Err(serde::de::Error::custom(
            "accessMode must be FULL, RESTRICTIVE or OFF",
        )),
    }
}

impl Default for CloudDirectory {
    fn default() -> Self {
        Self {
            is_active: true,
            config: CloudDirectorySettings::default(),
        }
    }
}

impl Default for CloudDirectorySettings {
    fn default() -> Self {
        Self {
            self_service_enabled: true,
            signup_enabled: true,
            interactions: Interactions::default(),
            identity_field: IdentityField::default(),
        }
    }
}

impl Default for Interactions {
    fn default() -> Self {
        Self {
            identity_confirmation: IdentityConfirmation::default(),
            welcome_enabled: true,
            reset_password_enabled: true,
            reset_password_notification_enable: true,
        }
    }
}

impl Default for IdentityConfirmation {
    fn default() -> Self {
        Self {
            access_mode: AccessMode::default(),
            methods: vec![String::from("email")],
        }
    }
}

impl Family for CloudDirectory {
    const NAME: &'static str = "idps/cloud_directory";

    fn validate(&self) -> Result<(), Invalid> {
        let methods = &self.config.interactions.identity_confirmation.methods;
        if methods.len() > 1 || methods.iter().any(|m| m != "email") {
            return Err(Invalid::new(
                "config.interactions.identityConfirmation.methods",
                "may hold only \"email\"",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(text: &str) -> CloudDirectoryChange {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn off_has_three_spellings() {
        for spelling in [r#""OFF""#, r#""false""#, "false"] {
            let read: IdentityConfirmation =
                serde_json::from_str(&format!(r#"{{"accessMode": {spelling}}}"#)).unwrap();
            assert_eq!(read.access_mode, AccessMode::Off);
            assert!(serde_json::to_string(&read).unwrap().contains(r#""OFF""#));
        }
        for bad in ["true", "1", r#""off""#, "null"] {
            let text = format!(r#"{{"accessMode": {bad}}}"#);
            assert!(
                serde_json::from_str::<IdentityConfirmation>(&text).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_change_keeps_the_identity_field_unless_it_names_one() {
        let mut current = CloudDirectory::default();
        current.config.identity_field = IdentityField::UserName;
        current.config.signup_enabled = false;
        let kept = change(r#"{"isActive": false}"#).apply(&current);
        assert!(!kept.is_active);
        assert_eq!(kept.config, current.config);
        let reset = change(r#"{"isActive": true, "config": {"selfServiceEnabled": false}}"#)
            .apply(&current);
        assert_eq!(reset.config.identity_field, IdentityField::UserName);
        assert!(reset.config.signup_enabled && !reset.config.self_service_enabled);
        let named =
            change(r#"{"isActive": true, "config": {"identityField": "email"}}"#).apply(&current);
        assert_eq!(named.config.identity_field, IdentityField::Email);
    }
}

//! `config/idps/cloud_directory`: users with passwords kept by the instance itself.

use serde::{Deserialize, Serialize};

use crate::{Invalid, family::Family};

/// Cloud Directory: on by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudDirectory {
    /// Whether directory users may sign in.
    pub is_active: bool,
    /// Its settings.
    #[serde(default)]
    pub config: CloudDirectorySettings,
}

/// Self-service and verification settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum IdentityField {
    /// E-mail address.
    #[default]
    Email,
    /// User name.
    UserName,
}

/// Which mails are sent, and whether an address must be verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IdentityConfirmation {
    /// Whether an unverified user may sign in.
    pub access_mode: AccessMode,
    /// Channels; `email` is the only one.
    pub methods: Vec<String>,
}

/// Whether an unverified user may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
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

//! What families ask for beyond the shape of their documents: checks that need cryptography, what an instance's people settle, and
//! what an operator has to do elsewhere. A family without such rules says so in one line.

use vestibule_crypto::jose::VerifyingKey;
use vestibule_model::{
    Invalid,
    family::{
        Family,
        idps::{CloudDirectory, CustomIdp, Facebook, Google, SamlIdp},
        oauth::OauthConfig,
        profiles::UsersProfile,
        redirects::RedirectUris,
        registration::RegistrationConfig,
        sso::SsoConfig,
        tokens::TokensConfig,
        ui::{Languages, ThemeColor, ThemeText},
    },
};

use super::{Place, certificate};

/// The rules of a family.
pub trait Rules: Family {
    /// Checks what [`Family::validate`] cannot, since the model knows no cryptography. Called on every write.
    fn examine(&self) -> Result<(), Invalid> {
        Ok(())
    }

    /// Whether going from `self` to `next` is refused once the directory has users.
    fn needs_empty_directory(&self, _next: &Self) -> bool {
        false
    }

    /// What has to be done elsewhere when this document was copied to the instance at `_to`.
    fn advice(&self, _to: &Place) -> Option<String> {
        None
    }
}

impl Rules for TokensConfig {}
impl Rules for OauthConfig {}
impl Rules for UsersProfile {}

impl Rules for SsoConfig {
    fn advice(&self, _: &Place) -> Option<String> {
        (!self.logout_redirect_uris.is_empty()).then(|| {
            String::from(
                "The addresses that signing out may return to came along with cloud_directory/sso: set the target's own.",
            )
        })
    }
}

impl Rules for RedirectUris {}
impl Rules for RegistrationConfig {}
impl Rules for ThemeText {}
impl Rules for ThemeColor {}
impl Rules for Languages {}

impl Rules for CloudDirectory {
    fn needs_empty_directory(&self, next: &Self) -> bool {
        self.config.identity_field != next.config.identity_field
    }
}

impl Rules for Facebook {
    fn advice(&self, to: &Place) -> Option<String> {
        self.0.config.as_ref()?;
        Some(format!(
            "Register {} as a redirect URI at Facebook.",
            to.callback("facebook")
        ))
    }
}

impl Rules for Google {
    fn advice(&self, to: &Place) -> Option<String> {
        self.0.config.as_ref()?;
        Some(format!(
            "Register {} as a redirect URI at Google.",
            to.callback("google")
        ))
    }
}

impl Rules for CustomIdp {
    fn examine(&self) -> Result<(), Invalid> {
        match self.public_key().map(VerifyingKey::from_rsa_pem) {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(_)) => Err(Invalid::new(
                "config.publicKey",
                "must be an RSA public key of at least 2048 bits in PEM",
            )),
        }
    }

    fn advice(&self, to: &Place) -> Option<String> {
        self.public_key()?;
        Some(format!(
            "Assertions of the custom identity provider must name {} as their audience.",
            to.issuer()
        ))
    }
}

impl Rules for SamlIdp {
    fn examine(&self) -> Result<(), Invalid> {
        let certificates = self.config.as_ref().map(|config| &config.certificates);
        for text in certificates.into_iter().flatten() {
            certificate::parse(text)?;
        }
        Ok(())
    }

    fn advice(&self, to: &Place) -> Option<String> {
        self.config.as_ref()?;
        Some(format!(
            "Register the service provider {} with its assertion consumer {} at the SAML identity provider.",
            to.entity_id(),
            to.assertion_consumer()
        ))
    }
}

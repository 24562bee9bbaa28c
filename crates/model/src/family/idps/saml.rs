//! `config/idps/saml`: people sign in at an identity provider that speaks SAML 2.0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    Invalid,
    family::{Family, input::null_as_default},
};

/// The SAML provider: off until it is configured and switched on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SamlIdp {
    /// Whether people may sign in with it.
    pub is_active: bool,
    /// On a write, left out means unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<SamlSettings>,
}

/// What the operator knows of the identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SamlSettings {
    /// The provider's entity ID, 1 to 1,024 printable characters.
    #[serde(rename = "entityID")]
    pub entity_id: String,
    /// Where authentication requests are sent: an http or https URL.
    pub sign_in_url: String,
    /// X.509 certificates of the provider's signing keys, PEM or the base64 text inside it: the first is the primary, an
    /// optional second the fallback.
    pub certificates: Vec<String>,
    /// What the sign-in page calls the provider, 1 to 100 characters.
    #[serde(default = "display_name")]
    pub display_name: String,
    /// How strongly people must have authenticated.
    #[serde(default, deserialize_with = "null_as_default")]
    pub authn_context: AuthnContext,
    /// Whether authentication requests are signed.
    #[serde(default)]
    pub sign_request: bool,
    /// Whether assertions come encrypted.
    #[serde(default)]
    pub encrypt_response: bool,
    /// Whether requests carry a Scoping element.
    #[serde(default)]
    pub include_scoping: bool,
    /// Whether the provider may begin a sign-in.
    #[serde(default)]
    pub idp_init_enabled: bool,
    /// Where a sign-in that the provider began lands; `null`, empty or an http or https URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idp_redirect_url: Option<String>,
}

/// `RequestedAuthnContext` of the requests (SAML core section 3.3.2.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AuthnContext {
    /// Class references.
    pub class: Vec<String>,
    /// How the provider compares them.
    pub comparison: Comparison,
}

/// How authentication contexts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub enum Comparison {
    /// One of these.
    #[default]
    Exact,
    /// At most this strong.
    Maximum,
    /// At least this strong.
    Minimum,
    /// Stronger than these.
    Better,
}

/// What every class reference begins with.
pub const CLASS_PREFIX: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:";

/// The classes that may be asked for, without [`CLASS_PREFIX`].
pub const CLASSES: [&str; 25] = [
    "AuthenticatedTelephony",
    "InternetProtocol",
    "InternetProtocolPassword",
    "Kerberos",
    "MobileOneFactorContract",
    "MobileOneFactorUnregistered",
    "MobileTwoFactorContract",
    "MobileTwoFactorUnregistered",
    "NomadTelephony",
    "Password",
    "PasswordProtectedTransport",
    "PersonalTelephony",
    "PGP",
    "PreviousSession",
    "SecureRemotePassword",
    "Smartcard",
    "SmartcardPKI",
    "SoftwarePKI",
    "SPKI",
    "Telephony",
    "TimeSyncToken",
    "TLSClient",
    "unspecified",
    "X509",
    "XMLDSig",
];

impl Default for AuthnContext {
    fn default() -> Self {
        Self {
            class: vec![format!("{CLASS_PREFIX}PasswordProtectedTransport")],
            comparison: Comparison::default(),
        }
    }
}

impl SamlIdp {
    /// Most certificates: a primary and a fallback.
    pub const MOST_CERTIFICATES: usize = 2;

    /// This write, with the settings kept where it left them out.
    pub fn over(mut self, current: &Self) -> Self {
        if self.config.is_none() {
            self.config.clone_from(&current.config);
        }
        self
    }
}

impl Family for SamlIdp {
    const NAME: &'static str = "idps/saml";

    fn validate(&self) -> Result<(), Invalid> {
        match &self.config {
            Some(config) => config.validate(),
            None if self.is_active => Err(Invalid::new(
                "config",
                "is required before the provider can be active",
            )),
            None => Ok(()),
        }
    }
}

impl SamlSettings {
    fn validate(&self) -> Result<(), Invalid> {
        printable("config.entityID", &self.entity_id, 1024)?;
        printable("config.displayName", &self.display_name, 100)?;
        http_url("config.signInUrl", &self.sign_in_url)?;
        let count = self.certificates.len();
        if count == 0 || count > SamlIdp::MOST_CERTIFICATES {
            return Err(Invalid::new(
                "config.certificates",
                "must hold one certificate, or two with a fallback",
            ));
        }
        if self.certificates.iter().any(|text| text.len() > 20_000) {
            return Err(Invalid::new(
                "config.certificates",
                "holds a certificate of more than 20000 characters",
            ));
        }
        let classes = &self.authn_context.class;
        if classes.is_empty() || classes.len() > CLASSES.len() {
            return Err(Invalid::new(
                "config.authnContext.class",
                "must hold at least one class, and each once",
            ));
        }
        for class in classes {
            if !class
                .strip_prefix(CLASS_PREFIX)
                .is_some_and(|name| CLASSES.contains(&name))
            {
                return Err(Invalid::new(
                    "config.authnContext.class",
                    "holds something that is not a class of SAML 2.0",
                ));
            }
        }
        match self.idp_redirect_url.as_deref() {
            None | Some("") => Ok(()),
            Some(url) => http_url("config.idpRedirectUrl", url),
        }
    }
}

fn display_name() -> String {
    String::from("SAML")
}

fn printable(field: &str, text: &str, most: usize) -> Result<(), Invalid> {
    let n = text.chars().count();
    if n == 0 || n > most || text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Invalid::new(
            field,
            format!("must be 1 to {most} printable characters"),
        ));
    }
    Ok(())
}

fn http_url(field: &str, text: &str) -> Result<(), Invalid> {
    let good = text.len() <= 2000
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
        && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if good {
        Ok(())
    } else {
        Err(Invalid::new(field, "must be an http or https URL"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn with(member: &str, value: Value) -> Result<(), String> {
        let mut config = json!({
            "entityID": "https://idp.example.com",
            "signInUrl": "https://idp.example.com/sso",
            "certificates": ["one"],
        });
        config[member] = value;
        let idp: SamlIdp = serde_json::from_value(json!({"isActive": true, "config": config}))
            .map_err(|error| error.to_string())?;
        idp.validate().map_err(|invalid| invalid.field)
    }

    #[test]
    fn each_member_has_its_rule() {
        for (member, value) in [
            ("displayName", json!("Corporate")),
            ("certificates", json!(["one", "two"])),
            ("authnContext", Value::Null),
            ("authnContext", json!({"comparison": "better"})),
            ("idpRedirectUrl", Value::Null),
            ("idpRedirectUrl", json!("")),
            ("idpRedirectUrl", json!("https://app.example.com")),
            ("somethingElse", json!(1)),
        ] {
            assert_eq!(with(member, value.clone()), Ok(()), "{member} {value}");
        }
        for (member, value, field) in [
            ("entityID", json!(""), "config.entityID"),
            (
                "signInUrl",
                json!("ftp://idp.example.com"),
                "config.signInUrl",
            ),
            ("signInUrl", json!("/sso"), "config.signInUrl"),
            ("certificates", json!([]), "config.certificates"),
            (
                "certificates",
                json!(["1", "2", "3"]),
                "config.certificates",
            ),
            ("displayName", json!("a\u{0}"), "config.displayName"),
            (
                "authnContext",
                json!({"class": []}),
                "config.authnContext.class",
            ),
            (
                "authnContext",
                json!({"class": ["Password"]}),
                "config.authnContext.class",
            ),
            (
                "idpRedirectUrl",
                json!("javascript:alert(1)"),
                "config.idpRedirectUrl",
            ),
        ] {
            assert_eq!(
                with(member, value.clone()),
                Err(field.to_owned()),
                "{member} {value}"
            );
        }
        assert!(with("authnContext", json!({"comparison": "almost"})).is_err());
        let bare: SamlIdp = serde_json::from_str(r#"{"isActive": true}"#).unwrap();
        assert_eq!(bare.validate().unwrap_err().field, "config");
    }
}

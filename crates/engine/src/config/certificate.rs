//! Certificates of a SAML provider. Only their keys count; an expired one is accepted with a warning (contract/runtime.md section
//! 4.10), so nothing here is about trust.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use vestibule_crypto::jose::VerifyingKey;
use vestibule_model::{Invalid, family::idps::SamlIdp, time::Timestamp};
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

use crate::Engine;

const WARN_DAYS: i64 = 30;

/// What an operator should know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateCheck {
    /// Its place in the list, counted from 0.
    pub index: usize,
    /// When it stops being valid.
    pub expires_at: Timestamp,
    /// Whether that is soon, or past, or it is not valid yet.
    pub warning: Option<&'static str>,
}

/// When a certificate is valid.
pub(super) struct Validity {
    begins_at: Timestamp,
    expires_at: Timestamp,
}

impl Engine {
    /// Looks at the certificates of a SAML provider as of now.
    pub fn check_certificates(&self, idp: &SamlIdp) -> Vec<CertificateCheck> {
        let now = self.now();
        let certificates = idp.config.as_ref().map(|config| &config.certificates);
        certificates
            .into_iter()
            .flatten()
            .enumerate()
            .filter_map(|(index, text)| Some((index, parse(text).ok()?)))
            .map(|(index, validity)| CertificateCheck {
                index,
                expires_at: validity.expires_at,
                warning: validity.warning(now),
            })
            .collect()
    }
}

impl Validity {
    fn warning(&self, now: Timestamp) -> Option<&'static str> {
        if self.expires_at <= now {
            Some("The certificate has expired.")
        } else if self.begins_at > now {
            Some("The certificate is not valid yet.")
        } else if self.expires_at <= now.plus_seconds(WARN_DAYS * 86_400) {
            Some("The certificate expires within 30 days.")
        } else {
            None
        }
    }
}

/// Reads an X.509 certificate (RFC 5280) in PEM (RFC 7468), or the base64 text inside PEM, with an RSA key of 2048 to 8192 bits:
/// assertions are signed with RSA and SHA-256.
pub(super) fn parse(text: &str) -> Result<Validity, Invalid> {
    let refused = |why: &str| Invalid::new("config.certificates", why);
    let der = der(text).ok_or_else(|| refused("holds something that is not PEM"))?;
    let certificate = Certificate::from_der(&der)
        .map_err(|_| refused("holds something that is not an X.509 certificate"))?;
    let body = certificate.tbs_certificate;
    let key = body
        .subject_public_key_info
        .to_der()
        .map_err(|_| refused("holds a certificate whose key cannot be read"))?;
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(key)
    );
    VerifyingKey::from_rsa_pem(&pem)
        .map_err(|_| refused("holds a certificate whose key is not RSA of 2048 to 8192 bits"))?;
    let moment = |time: x509_cert::time::Time| {
        let seconds = time.to_unix_duration().as_secs();
        Timestamp::from_millis(0).plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
    };
    Ok(Validity {
        begins_at: moment(body.validity.not_before),
        expires_at: moment(body.validity.not_after),
    })
}

fn der(text: &str) -> Option<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let text = text.trim();
    let body = match text.strip_prefix(BEGIN) {
        Some(rest) => rest.strip_suffix(END)?,
        None => text,
    };
    let compact: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).ok()
}

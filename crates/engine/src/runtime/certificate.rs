//! Certificates of clients (RFC 8705): whose they are. The TLS connection ends at a proxy, which has made sure that the client holds
//! the key; nothing here is about that.

use std::net::IpAddr;

use vestibule_crypto::{certificate, jose::JwkSet};
use vestibule_model::{
    application::metadata::{AttributeValue, AuthMethod, ClientMetadata, DistinguishedName},
    time::Timestamp,
};
use x509_cert::{
    Certificate,
    attr::AttributeTypeAndValue,
    der::{
        Decode, Encode, Tag, Tagged,
        asn1::{BmpString, Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef},
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
    name::Name,
};

use crate::{
    Engine,
    fetch::Wanted,
    tenant::{ApplicationState, TenantState},
};

/// A certificate with which a client opened its connection, as a trusted proxy passed it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// X.509 in DER.
    pub der: Vec<u8>,
    /// What the proxy said of its issuers.
    pub chain: Chain,
}

/// Whether authorities that the operator chose vouch for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// They do, said the proxy.
    Verified,
    /// Nobody said so.
    Unknown,
}

impl ClientCertificate {
    /// The SHA-256 thumbprint (`x5t#S256`).
    pub(super) fn thumbprint(&self) -> String {
        certificate::thumbprint(&self.der)
    }
}

/// Whether it is an X.509 certificate.
pub(crate) fn is_certificate(der: &[u8]) -> bool {
    Certificate::from_der(der).is_ok()
}

impl Engine {
    /// Whether a certificate is the application's, and good now.
    pub(super) async fn is_certified(
        &self,
        state: &TenantState,
        found: &ApplicationState,
        shown: &ClientCertificate,
    ) -> bool {
        let metadata = &found.application.metadata;
        let Ok(certificate) = Certificate::from_der(&shown.der) else {
            return false;
        };
        if !state.demands.mutual_tls.is_offered() || !is_good_at(&certificate, self.now()) {
            return false;
        }
        match metadata.token_endpoint_auth_method {
            Some(AuthMethod::TlsClientAuth) => {
                shown.chain == Chain::Verified && names(&certificate, metadata)
            }
            Some(AuthMethod::SelfSignedTlsClientAuth) => self.is_registered(found, shown).await,
            _ => false,
        }
    }

    /// Whether a certificate is one of those that the application registered (RFC 8705 section 2.2).
    async fn is_registered(&self, found: &ApplicationState, shown: &ClientCertificate) -> bool {
        let metadata = &found.application.metadata;
        let holds = |set: &JwkSet| set.certificates().contains(&shown.der);
        if let Some(set) = &metadata.jwks {
            return JwkSet::parse(&set.to_string()).is_ok_and(|set| holds(&set));
        }
        let Some(address) = &metadata.jwks_uri else {
            return false;
        };
        match self.key_set(address, Wanted::Certificate(&shown.der)).await {
            Ok(set) => holds(&set),
            Err(error) => {
                tracing::info!(%error, client = %found.application.client_id, "the certificates of a client cannot be had");
                false
            }
        }
    }
}

fn is_good_at(certificate: &Certificate, now: Timestamp) -> bool {
    let seconds = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
    };
    let validity = certificate.tbs_certificate.validity;
    seconds(validity.not_before) <= now.seconds() && now.seconds() <= seconds(validity.not_after)
}

/// Whether a certificate has the one name that the client registered (RFC 8705 section 2.1.2).
fn names(certificate: &Certificate, metadata: &ClientMetadata) -> bool {
    if let Some(subject) = &metadata.tls_client_auth_subject_dn {
        let own = name_of(&certificate.tbs_certificate.subject);
        return DistinguishedName::parse(subject).is_ok_and(|named| own == Some(named));
    }
    let Ok(Some((_, SubjectAltName(others)))) = certificate.tbs_certificate.get::<SubjectAltName>()
    else {
        return false;
    };
    others.iter().any(|other| match other {
        GeneralName::DnsName(host) => metadata
            .tls_client_auth_san_dns
            .as_deref()
            .is_some_and(|named| named.eq_ignore_ascii_case(host.as_str())),
        GeneralName::UniformResourceIdentifier(uri) => {
            metadata.tls_client_auth_san_uri.as_deref() == Some(uri.as_str())
        }
        GeneralName::IpAddress(bytes) => {
            let named = metadata.tls_client_auth_san_ip.as_deref();
            let named = named.and_then(|text| text.parse::<IpAddr>().ok());
            named.is_some_and(|named| match named {
                IpAddr::V4(address) => bytes.as_bytes() == address.octets(),
                IpAddr::V6(address) => bytes.as_bytes() == address.octets(),
            })
        }
        GeneralName::Rfc822Name(mail) => metadata
            .tls_client_auth_san_email
            .as_deref()
            .is_some_and(|named| same_mailbox(named, mail.as_str())),
        _ => false,
    })
}

/// RFC 5280 section 7.5: the host in any case, the name before it as it is.
fn same_mailbox(one: &str, other: &str) -> bool {
    match (one.rsplit_once('@'), other.rsplit_once('@')) {
        (Some((name, host)), Some((own, at))) => name == own && host.eq_ignore_ascii_case(at),
        _ => false,
    }
}

/// A name as it is compared; none if it cannot be read.
fn name_of(name: &Name) -> Option<DistinguishedName> {
    let mut parts = Vec::with_capacity(name.0.len());
    for relative in &name.0 {
        let attributes: Option<Vec<_>> = relative
            .0
            .iter()
            .map(|one| Some((one.oid.to_string(), value_of(one)?)))
            .collect();
        parts.push(attributes?);
    }
    Some(DistinguishedName::from_parts(parts))
}

fn value_of(attribute: &AttributeTypeAndValue) -> Option<AttributeValue> {
    let any = &attribute.value;
    let text = match any.tag() {
        Tag::Utf8String => any.decode_as::<Utf8StringRef<'_>>().ok()?.to_string(),
        Tag::PrintableString => any.decode_as::<PrintableStringRef<'_>>().ok()?.to_string(),
        Tag::Ia5String => any.decode_as::<Ia5StringRef<'_>>().ok()?.to_string(),
        Tag::TeletexString => any.decode_as::<TeletexStringRef<'_>>().ok()?.to_string(),
        Tag::BmpString => any.decode_as::<BmpString>().ok()?.to_string(),
        _ => return any.to_der().ok().map(AttributeValue::Encoded),
    };
    Some(AttributeValue::text(&text))
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::json;

    use super::*;

    /// RFC 8705 appendix A: of version 1, without extensions.
    const PLAIN: &str = "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=";
    /// Made with OpenSSL: `C` is a PrintableString, `O`, `OU` and `CN` are UTF-8, the address is an IA5String.
    const RICH: &str = "MIICdTCCAhugAwIBAgIUTOOr2wi6spj8XkzdTwm4H9tE2IcwCgYIKoZIzj0EAwIwZjELMAkGA1UEBhMCREUxFjAUBgNVBAoMDUV4YW1wbGUsIEluYy4xHjAMBgNVBAsMBVNhbGVzMA4GA1UEAwwHTHXEjWnEhzEfMB0GCSqGSIb3DQEJARYQc2hvcEBleGFtcGxlLmNvbTAgFw0yNjExMjYxNDM1MzVaGA8yMTI2MTEwMjE0MzUzNVowZjELMAkGA1UEBhMCREUxFjAUBgNVBAoMDUV4YW1wbGUsIEluYy4xHjAMBgNVBAsMBVNhbGVzMA4GA1UEAwwHTHXEjWnEhzEfMB0GCSqGSIb3DQEJARYQc2hvcEBleGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBgAqiOlM5aBGOUXHRrzzLaMvryjNprZ2Rr8DGRittnwxyPzDvldbmJuDdzYLG/PrtL2g1RcBHagk+laVsdqtuejgaQwgaEwHQYDVR0OBBYEFI0Z5vtNrYHNYJe4800AjZcz5K7eMB8GA1UdIwQYMBaAFI0Z5vtNrYHNYJe4800AjZcz5K7eMA8GA1UdEwEB/wQFMAMBAf8wTgYDVR0RBEcwRYIQc2hvcC5leGFtcGxlLmNvbYYZaHR0cHM6Ly9zaG9wLmV4YW1wbGUuY29tL4cECgECA4EQc2hvcEBleGFtcGxlLmNvbTAKBggqhkjOPQQDAgNIADBFAiAKnfha6fgZP6Ok6cCATDIn/feH+0SiVfTzfbCwuCFJygIhAITAthQuerEixsaEc36yOT2FbAoaeV3OT45sORDZPZrI";

    fn certificate(text: &str) -> Certificate {
        Certificate::from_der(&STANDARD.decode(text).unwrap()).unwrap()
    }

    fn is_named(text: &str, member: &str, name: &str) -> bool {
        let metadata = ClientMetadata::parse(json!({ member: name })).unwrap();
        names(&certificate(text), &metadata)
    }

    #[test]
    fn subjects_are_those_that_openssl_prints() {
        let subject = "tls_client_auth_subject_dn";
        assert!(is_named(PLAIN, subject, "CN=mtls"));
        assert!(!is_named(PLAIN, subject, "CN=mtls,O=x"));
        for good in [
            r"emailAddress=shop@example.com,CN=Lu\C4\8Di\C4\87+OU=Sales,O=Example\, Inc.,C=DE",
            "E=SHOP@example.com, OU=sales + CN=lučić, O=Example\\, Inc., C=de",
            "1.2.840.113549.1.9.1=shop@example.com,2.5.4.3=Lučić+2.5.4.11=Sales,2.5.4.10=Example\\, Inc.,2.5.4.6=DE",
        ] {
            assert!(is_named(RICH, subject, good), "{good}");
        }
        for bad in [
            "C=DE,O=Example\\, Inc.,CN=Lučić+OU=Sales,emailAddress=shop@example.com",
            "emailAddress=shop@example.com,CN=Lučić,OU=Sales,O=Example\\, Inc.,C=DE",
            "CN=Lučić+OU=Sales,O=Example\\, Inc.,C=DE",
            "emailAddress=shop@example.com,CN=Lucic+OU=Sales,O=Example\\, Inc.,C=DE",
        ] {
            assert!(!is_named(RICH, subject, bad), "{bad}");
        }
    }

    #[test]
    fn other_names_are_read_and_can_be_missing() {
        for (member, name) in [
            ("tls_client_auth_san_dns", "shop.example.com"),
            ("tls_client_auth_san_uri", "https://shop.example.com/"),
            ("tls_client_auth_san_ip", "10.1.2.3"),
            ("tls_client_auth_san_email", "shop@example.com"),
        ] {
            assert!(is_named(RICH, member, name), "{member}");
            assert!(!is_named(PLAIN, member, name), "{member}");
        }
        assert!(!names(&certificate(RICH), &ClientMetadata::default()));
    }

    #[test]
    fn certificates_are_good_for_a_time() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let plain = certificate(PLAIN);
        // From 2018-10-18T12:37:09Z to 2022-05-02T12:37:09Z.
        assert!(!is_good_at(&plain, at(1_539_866_228)) && is_good_at(&plain, at(1_539_866_229)));
        assert!(is_good_at(&plain, at(1_651_495_029)) && !is_good_at(&plain, at(1_651_495_030)));
        // Until 2126: past 2049 dates have another form.
        assert!(is_good_at(&certificate(RICH), at(4_000_000_000)));
        let der = STANDARD.decode(PLAIN).unwrap();
        assert!(is_certificate(&der) && !is_certificate(&der[1..]) && !is_certificate(&[]));
        assert!(!is_certificate(&[&der[..], &[0]].concat()));
    }
}

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

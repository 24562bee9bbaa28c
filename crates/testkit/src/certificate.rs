//! X.509 certificates for tests. Their signatures are none: the service never looks at those, its proxy does.

use std::{net::IpAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use x509_cert::{
    Certificate, TbsCertificate, Version,
    der::{
        Encode,
        asn1::{BitString, Ia5String, ObjectIdentifier, OctetString, UtcTime},
        oid::AssociatedOid,
    },
    ext::{
        Extension,
        pkix::{SubjectAltName, name::GeneralName},
    },
    serial_number::SerialNumber,
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
    time::{Time, Validity},
};

/// A name beside the subject.
#[derive(Debug, Clone, Copy)]
pub enum AltName<'a> {
    /// `dNSName`
    Dns(&'a str),
    /// `uniformResourceIdentifier`
    Uri(&'a str),
    /// `iPAddress`
    Ip(IpAddr),
    /// `rfc822Name`
    Email(&'a str),
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCertificate(pub Vec<u8>);

impl TestCertificate {
    /// For this subject (RFC 4514) and these names, good between these seconds.
    pub fn new(subject: &str, names: &[AltName<'_>], (from, until): (i64, i64)) -> Self {
        let algorithm = |id: &str| AlgorithmIdentifierOwned {
            oid: ObjectIdentifier::new_unwrap(id),
            parameters: None,
        };
        let time = |seconds: i64| {
            let since = Duration::from_secs(seconds.try_into().expect("after 1970"));
            Time::UtcTime(UtcTime::from_unix_duration(since).expect("before 2050"))
        };
        let text = |text: &str| Ia5String::new(text).expect("ASCII");
        let names: Vec<GeneralName> = names
            .iter()
            .map(|name| match name {
                AltName::Dns(name) => GeneralName::DnsName(text(name)),
                AltName::Uri(name) => GeneralName::UniformResourceIdentifier(text(name)),
                AltName::Email(name) => GeneralName::Rfc822Name(text(name)),
                AltName::Ip(IpAddr::V4(address)) => ip(&address.octets()),
                AltName::Ip(IpAddr::V6(address)) => ip(&address.octets()),
            })
            .collect();
        let extension = |names| Extension {
            extn_id: SubjectAltName::OID,
            critical: false,
            extn_value: OctetString::new(SubjectAltName(names).to_der().expect("names"))
                .expect("names"),
        };
        let bits = |bytes: &[u8]| BitString::from_bytes(bytes).expect("bits");
        let name: x509_cert::name::Name = subject.parse().expect("a name");
        let certificate = Certificate {
            tbs_certificate: TbsCertificate {
                version: Version::V3,
                serial_number: SerialNumber::new(&[1]).expect("a number"),
                signature: algorithm("1.2.840.10045.4.3.2"),
                issuer: name.clone(),
                validity: Validity {
                    not_before: time(from),
                    not_after: time(until),
                },
                subject: name,
                subject_public_key_info: SubjectPublicKeyInfoOwned {
                    algorithm: algorithm("1.3.101.112"),
                    subject_public_key: bits(&[7; 32]),
                },
                issuer_unique_id: None,
                subject_unique_id: None,
                extensions: (!names.is_empty()).then(|| vec![extension(names)]),
            },
            signature_algorithm: algorithm("1.2.840.10045.4.3.2"),
            signature: bits(&[0; 64]),
        };
        Self(certificate.to_der().expect("a certificate"))
    }

    /// As a header has it (RFC 9440 section 2.1).
    pub fn header(&self) -> String {
        format!(":{}:", STANDARD.encode(&self.0))
    }

    /// As a key set has it (`x5c`).
    pub fn x5c(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

fn ip(bytes: &[u8]) -> GeneralName {
    GeneralName::IpAddress(OctetString::new(bytes).expect("an address"))
}

//! How a client says who it is (RFC 6749 section 2.3, contract/runtime.md section 4.2).

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use crate::parameters::Parameters;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a client sent to authenticate itself. The secret has two readings when it came percent-encoded (RFC 6749 section 2.3.1
/// says it must; most clients do not).
pub struct ClientClaim {
    /// The client it says it is; nothing where only the assertion says.
    pub client_id: Option<String>,
    /// An assertion that it signed (RFC 7523 section 2.2).
    pub assertion: Option<String>,
    /// Readings of the secret; empty when none was sent.
    pub secrets: Vec<Zeroizing<String>>,
    /// Whether it came in an `Authorization` header.
    pub by_header: bool,
}

/// Why the claim cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// No claim at all.
    #[error("the client did not say who it is")]
    Missing,
    /// A header that is not Basic with base64 of `id:secret`.
    #[error("the Authorization header is not valid Basic authentication")]
    Malformed,
    /// Two methods at once, or two different ids.
    #[error("the client said who it is in two ways")]
    Twice,
}

/// The only type of assertion that clients show (RFC 7523 section 2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Reads the claim from the `Authorization` header, if there is one, and the form.
pub fn read(header: Option<&str>, form: &Parameters) -> Result<ClientClaim, ClaimError> {
    if let Some(assertion) = form.get("client_assertion") {
        if header.is_some() || form.get("client_secret").is_some() {
            return Err(ClaimError::Twice);
        }
        if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err(ClaimError::Malformed);
        }
        return Ok(ClientClaim {
            client_id: form.get("client_id").map(str::to_owned),
            assertion: Some(assertion.to_owned()),
            secrets: Vec::new(),
            by_header: false,
        });
    }
    let Some(header) = header else {
        let client_id = form.get("client_id").ok_or(ClaimError::Missing)?.to_owned();
        let secrets = form
            .get("client_secret")
            .map(|secret| Zeroizing::new(secret.to_owned()))
            .into_iter()
            .collect();
        return Ok(ClientClaim {
            client_id: Some(client_id),
            assertion: None,
            secrets,
            by_header: false,
        });
    };
    let (scheme, text) = header.split_once(' ').ok_or(ClaimError::Malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(ClaimError::Malformed);
    }
    if form.get("client_secret").is_some() {
        return Err(ClaimError::Twice);
    }
    let bytes = Zeroizing::new(
        LENIENT
            .decode(text.trim())
            .map_err(|_| ClaimError::Malformed)?,
    );
    let text = std::str::from_utf8(&bytes).map_err(|_| ClaimError::Malformed)?;
    let (client_id, secret) = text.split_once(':').ok_or(ClaimError::Malformed)?;
    let client_id = percent_encoding::percent_decode_str(client_id)
        .decode_utf8()
        .map_err(|_| ClaimError::Malformed)?
        .into_owned();
    if form
        .get("client_id")
        .is_some_and(|other| other != client_id)
    {
        return Err(ClaimError::Twice);
    }
    let mut secrets = Vec::new();
    if !secret.is_empty() {
        secrets.push(Zeroizing::new(secret.to_owned()));
        if secret.contains(['%', '+']) {
            let decoded = secret.replace('+', " ");
            if let Ok(decoded) = percent_encoding::percent_decode_str(&decoded).decode_utf8() {
                secrets.push(Zeroizing::new(decoded.into_owned()));
            }
        }
    }
    Ok(ClientClaim {
        client_id: Some(client_id),
        assertion: None,
        secrets,
        by_header: true,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic(header in ".{0,200}", inner in ".{0,100}") {
            let none = Parameters::default();
            let _ = read(Some(&header), &none);
            let _ = read(Some(&format!("Basic {header}")), &none);
            let _ = read(Some(&basic(&inner)), &none);
        }
    }

    fn basic(text: &str) -> String {
        format!(
            "basic {}",
            base64::engine::general_purpose::STANDARD.encode(text)
        )
    }

    #[test]
    fn both_ways_and_both_readings() {
        let none = Parameters::default();
        let claim = read(Some(&basic("app:a%2Fb")), &none).unwrap();
        assert_eq!(claim.client_id.as_deref(), Some("app"));
        let read_as: Vec<&str> = claim.secrets.iter().map(|s| s.as_str()).collect();
        assert_eq!(read_as, ["a%2Fb", "a/b"]);
        let form = Parameters::from_form(b"client_id=app&client_secret=s").unwrap();
        let claim = read(None, &form).unwrap();
        assert_eq!(
            (claim.client_id.as_deref(), claim.by_header),
            (Some("app"), false)
        );
        let text = format!("client_assertion_type={ASSERTION_TYPE}&client_assertion=a.b.c");
        let form = Parameters::from_form(text.as_bytes()).unwrap();
        let claim = read(None, &form).unwrap();
        assert_eq!(
            (claim.client_id, claim.assertion.as_deref()),
            (None, Some("a.b.c"))
        );
        assert_eq!(
            read(Some(&basic("app:s")), &form).err(),
            Some(ClaimError::Twice)
        );
        let form = Parameters::from_form(b"client_assertion_type=x&client_assertion=a").unwrap();
        assert_eq!(read(None, &form).err(), Some(ClaimError::Malformed));
    }

    #[test]
    fn malformed_and_doubled_claims_are_refused() {
        let none = Parameters::default();
        let form = Parameters::from_form(b"client_id=app&client_secret=s").unwrap();
        assert_eq!(read(None, &none).err(), Some(ClaimError::Missing));
        assert_eq!(
            read(Some("Basic !!!"), &none).err(),
            Some(ClaimError::Malformed)
        );
        assert_eq!(
            read(Some("Bearer x"), &none).err(),
            Some(ClaimError::Malformed)
        );
        assert_eq!(
            read(Some(&basic("nocolon")), &none).err(),
            Some(ClaimError::Malformed)
        );
        assert_eq!(
            read(Some(&basic("app:s")), &form).err(),
            Some(ClaimError::Twice)
        );
        let other = Parameters::from_form(b"client_id=other").unwrap();
        assert_eq!(
            read(Some(&basic("app:s")), &other).err(),
            Some(ClaimError::Twice)
        );
    }
}

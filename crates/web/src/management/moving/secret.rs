//! The secret that seals password hashes on their way.

use axum::{extract::FromRequestParts, http::request::Parts};
use vestibule_engine::Error;
use zeroize::Zeroizing;

use crate::{App, error::ManagementError};

const HEADER: &str = "x-vestibule-encryption-secret";
const PARAMETER: &str = "encryption_secret";

/// The secret from the header, or from the query as App ID's scripts send it; never from both.
pub(super) struct EncryptionSecret(pub Zeroizing<String>);

impl FromRequestParts<App> for EncryptionSecret {
    type Rejection = ManagementError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ManagementError> {
        let mut given = Vec::new();
        for value in parts.headers.get_all(HEADER) {
            let text = std::str::from_utf8(value.as_bytes())
                .map_err(|_| Error::invalid("The encryption secret is not UTF-8 text."))?;
            given.push(Zeroizing::new(text.to_owned()));
        }
        let query = parts.uri.query().unwrap_or_default();
        given.extend(
            form_urlencoded::parse(query.as_bytes())
                .filter(|(name, _)| name == PARAMETER)
                .map(|(_, value)| Zeroizing::new(value.into_owned())),
        );
        match (given.pop(), given.is_empty()) {
            (Some(secret), true) => Ok(Self(secret)),
            (None, _) => Err(Error::invalid(
                "An encryption secret is required, in the header X-Vestibule-Encryption-Secret or the parameter encryption_secret.",
            )
            .into()),
            (Some(_), false) => {
                Err(Error::invalid("Send the encryption secret once: in the header or in the query.").into())
            }
        }
    }
}

//! Authorization details (RFC 9396): what is asked for beyond scopes, of types that the instance lists. Nobody agrees to them by signing
//! in alone: the person is asked each time, whoever runs the application.

use vestibule_model::{application::metadata::ClientMetadata, family::oauth::OauthConfig};
use vestibule_wire::details::{self, Detail};

use crate::{Error, Kind, Result};

/// One object as a person is shown it.
#[derive(Debug, Clone)]
pub struct ShownDetail {
    /// What it is.
    pub title: String,
    /// Names and values.
    pub lines: Vec<(String, String)>,
}

/// What an application asks for: nothing where the instance knows no types, since the parameter means nothing then.
///
/// # Errors
/// `invalid_authorization_details` for what cannot be read, is of no type of the instance or the application, or is not as its type says.
pub(super) fn asked(
    oauth: &OauthConfig,
    metadata: &ClientMetadata,
    text: Option<&str>,
) -> Result<Vec<Detail>> {
    let types = &oauth.authorization_details_types;
    let Some(text) = text.filter(|_| !types.is_empty()) else {
        return Ok(Vec::new());
    };
    let asked = details::parse(text).map_err(|error| invalid_details(&error.to_string()))?;
    let fits = |detail: &Detail| {
        let mut known = types.iter().filter(|one| metadata.may_detail(&one.r#type));
        known.any(|one| one.fits(detail))
    };
    if asked.iter().all(fits) {
        Ok(asked)
    } else {
        Err(invalid_details(
            "Authorization details must be of a type that is known, with the fields of that type.",
        ))
    }
}

/// What of that is granted still: types may have been taken off the list.
pub(super) fn known<'a>(
    oauth: &OauthConfig,
    granted: &'a [Detail],
) -> impl Iterator<Item = &'a Detail> {
    let types = &oauth.authorization_details_types;
    granted
        .iter()
        .filter(move |detail| types.iter().any(|one| one.fits(detail)))
}

/// For the person who is to agree.
pub(super) fn shown(oauth: &OauthConfig, asked: &[Detail]) -> Vec<ShownDetail> {
    let types = &oauth.authorization_details_types;
    asked
        .iter()
        .filter_map(|detail| {
            let found = types.iter().find(|one| one.fits(detail))?;
            Some(ShownDetail {
                title: found.title().to_owned(),
                lines: details::lines(detail),
            })
        })
        .collect()
}

/// RFC 9396 section 5.
pub(super) fn invalid_details(public: &str) -> Error {
    Error::new(Kind::Invalid, "invalid_authorization_details", public)
}

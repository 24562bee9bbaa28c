//! Which application calls (contract/runtime.md section 4.2).

use std::net::IpAddr;

use vestibule_model::{
    application::ApplicationType,
    id::{ClientId, TenantId},
};
use vestibule_wire::{
    client::{self, ClaimError},
    parameters::Parameters,
};

use super::Possession;
use crate::{
    Error, Kind, Result,
    tenant::{ApplicationState, TenantState},
};

/// A request of an application that says who it is in the `Authorization` header or in the form.
pub struct ClientRequest<'a> {
    /// The instance in the path.
    pub tenant: TenantId,
    /// The `Authorization` header, if there is one.
    pub authorization: Option<&'a str>,
    /// The body.
    pub form: &'a Parameters,
    /// Where the request came from.
    pub from: IpAddr,
    /// What it shows of a key.
    pub possession: Possession<'a>,
}

impl ClientRequest<'_> {
    /// The application that called.
    ///
    /// # Errors
    /// `invalid_client` for an application that is unknown or did not prove who it is: which of both is not said.
    pub(super) fn authenticate<'s>(&self, state: &'s TenantState) -> Result<&'s ApplicationState> {
        let claim = client::read(self.authorization, self.form).map_err(|error| match error {
            ClaimError::Twice => Error::invalid(error.to_string()),
            ClaimError::Missing | ClaimError::Malformed => invalid_client(),
        })?;
        let found = ClientId::parse(&claim.client_id)
            .ok()
            .and_then(|id| state.applications.get(&id))
            .ok_or_else(invalid_client)?;
        let proven = match (found.application.kind, &found.secret) {
            // A browser app keeps no secret: PKCE is its proof, and what its SDK sends as a password is the verifier.
            (ApplicationType::SinglePageApp, _) => true,
            (ApplicationType::RegularWebApp, Some(secret)) => claim
                .secrets
                .iter()
                .fold(false, |matched, given| matched | secret.matches(given)),
            (ApplicationType::RegularWebApp, None) => false,
        };
        if proven {
            Ok(found)
        } else {
            Err(invalid_client())
        }
    }
}

fn invalid_client() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "invalid_client",
        "The application is unknown, or its secret is wrong.",
    )
}

//! Access tokens for named places (RFC 8707): their audience are those places instead of the application, so that one place cannot use at
//! another what it was given.
//!
//! Which places there are the instance says. An access token for some of them is none for this service, unless the service itself was asked
//! for, by its issuer. Whose a token is then stands in `client_id`.

use std::sync::Arc;

use serde_json::{Map, Value};
use vestibule_model::{family::oauth::OauthConfig, id::ClientId};
use vestibule_wire::{
    details::{self, Detail},
    parameters::Parameters,
};

use super::{basis::Basis, details::invalid_details};
use crate::{Engine, Error, Kind, Result, tenant::TenantState};

/// Most places of one token.
pub(super) const MOST: usize = 10;

/// Where a request at the token endpoint wants its token to be good, and for what of the authorization details.
pub(super) struct Wish {
    asked: Vec<String>,
    known: Vec<String>,
    details: Option<Vec<Detail>>,
    oauth: Arc<OauthConfig>,
}

impl Engine {
    /// What a request at the token endpoint wants. Where there are no resources the parameter means nothing, as any that is not known.
    ///
    /// # Errors
    /// `invalid_target` for a place that there is not; `invalid_authorization_details` for details that cannot be read.
    pub(super) fn wish(&self, state: &TenantState, form: &Parameters) -> Result<Wish> {
        let known = self.resources(state);
        let asked = if known.is_empty() {
            Vec::new()
        } else {
            form.all("resource")
                .into_iter()
                .map(str::to_owned)
                .collect()
        };
        let types = &state.oauth.authorization_details_types;
        let details = form
            .get("authorization_details")
            .filter(|_| !types.is_empty())
            .map(details::parse)
            .transpose()
            .map_err(|error| invalid_details(&error.to_string()))?;
        let wish = Wish {
            asked,
            known,
            details,
            oauth: Arc::clone(&state.oauth),
        };
        if wish.asked.len() > MOST || !wish.asked.iter().all(|one| wish.known.contains(one)) {
            return Err(invalid_target());
        }
        Ok(wish)
    }

    /// Where tokens of the instance can be good, the service itself included; empty where tokens are for applications alone.
    pub(super) fn resources(&self, state: &TenantState) -> Vec<String> {
        let mut known = state.oauth.resources.clone();
        if !known.is_empty() {
            known.push(state.issuer(&self.settings().public_url));
        }
        known
    }

    /// What is wrong with the places that an authorization request names, which are left out where there are none.
    pub(super) fn check_resources(
        &self,
        state: &TenantState,
        asked: &mut Vec<String>,
    ) -> Result<()> {
        let known = self.resources(state);
        if known.is_empty() {
            asked.clear();
        }
        if asked.len() > MOST || !asked.iter().all(|one| known.contains(one)) {
            return Err(invalid_target());
        }
        Ok(())
    }

    /// Whether an access token is for this service: for an application, or for the service by name.
    pub(super) fn is_for_us(&self, state: &TenantState, claims: &Map<String, Value>) -> bool {
        let issuer = state.issuer(&self.settings().public_url);
        let ours = |one: &str| !is_place(one) || one == issuer;
        audience(claims).any(ours)
    }
}

impl Wish {
    /// The places of a token that descends from nothing.
    ///
    /// # Errors
    /// `invalid_authorization_details` for any details: nobody is there who could agree.
    pub(super) fn unbounded(self) -> Result<Vec<String>> {
        match self.details {
            None => Ok(self.asked),
            Some(_) => Err(invalid_details(
                "Nobody agrees to authorization details at this grant.",
            )),
        }
    }

    /// Leaves of what was granted what is asked for, and what there still is.
    ///
    /// # Errors
    /// `invalid_target`, `invalid_authorization_details` for more than was granted.
    pub(super) fn narrow(&self, basis: &mut Basis) -> Result<()> {
        basis.resources = self.within(&basis.resources)?;
        basis.details = self.details_within(&basis.details)?;
        Ok(())
    }

    /// The details of a token that descends from a grant for `granted`: those asked for, else all that there still are.
    ///
    /// # Errors
    /// `invalid_authorization_details` for more than was granted.
    pub(super) fn details_within(&self, granted: &[Detail]) -> Result<Vec<Detail>> {
        let known = || super::details::known(&self.oauth, granted);
        let Some(asked) = &self.details else {
            return Ok(known().cloned().collect());
        };
        let allowed = |one: &Detail| known().any(|granted| details::is_within(one, granted));
        if asked.iter().all(allowed) {
            Ok(asked.clone())
        } else {
            Err(invalid_details(
                "The authorization details were not granted.",
            ))
        }
    }

    /// Whether details are asked for.
    pub(super) fn has_details(&self) -> bool {
        self.details.is_some()
    }

    /// The places of a token that descends from a grant for `granted`: those asked for, else all that there still are.
    ///
    /// # Errors
    /// `invalid_target` for more than was granted, and when nothing is left.
    fn within(&self, granted: &[String]) -> Result<Vec<String>> {
        let all = if self.asked.is_empty() {
            granted
        } else {
            &self.asked
        };
        let left: Vec<String> = all
            .iter()
            .filter(|one| self.known.contains(one))
            .cloned()
            .collect();
        let more = self.asked.iter().any(|one| !granted.contains(one));
        if more || (left.is_empty() && !granted.is_empty()) {
            return Err(invalid_target());
        }
        Ok(left)
    }
}

/// Whether an audience is a place, and no application.
pub(super) fn is_place(audience: &str) -> bool {
    ClientId::parse(audience).is_err()
}

/// Whose a token is: the application that it is for or, where it is for places, the one that it says it was given to. No place has a name
/// that is a client id.
pub(super) fn owner<'a>(
    mut audience: impl Iterator<Item = &'a str>,
    client: Option<&str>,
) -> Option<ClientId> {
    audience
        .find_map(|one| ClientId::parse(one).ok())
        .or_else(|| ClientId::parse(client?).ok())
}

/// The same of all claims.
pub(super) fn owner_of(claims: &Map<String, Value>) -> Option<ClientId> {
    owner(
        audience(claims),
        claims.get("client_id").and_then(Value::as_str),
    )
}

fn audience(claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let all = claims.get("aud").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str)
}

/// RFC 8707 section 2.
pub(super) fn invalid_target() -> Error {
    Error::new(
        Kind::Invalid,
        "invalid_target",
        "A resource is unknown, or not among those that were granted.",
    )
}

//! What a sign-in was, as codes, grants and sessions keep it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vestibule_model::{profile::ANONYMOUS, time::Timestamp};
use vestibule_wire::{
    authorization::AuthorizationRequest,
    claims_request::{CLAIM_SCOPES, ClaimWish, OFFLINE_ACCESS},
    details::Detail,
    token::Confirmation,
};

use super::person::Person;
use crate::{Error, Result};

/// How somebody signed in and what the application may learn of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Basis {
    /// `cloud_directory`, `appid_anon`, …
    pub(super) provider: String,
    /// When the person showed who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_at: Option<Timestamp>,
    /// What applications call the browser's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sid: Option<String>,
    /// Scopes for claims that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<String>,
    /// Claims that were asked for one by one, for user info.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) userinfo: Vec<String>,
    /// Claims that were asked for one by one, for the identity token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) identity: Vec<String>,
    /// Whether the identity token says when the person showed who they are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) tells_time: bool,
    /// What the access token is bound to.
    #[serde(flatten)]
    pub(super) bound: Confirmation,
    /// Where access tokens are good; empty for the application alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<String>,
    /// What the person agreed to in detail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) details: Vec<Detail>,
    /// Whether it was asked for without `openid`, which is what identity tokens are asked for by.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) plain: bool,
    /// Whether the identity token says what sort of sign-in it was.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) tells_acr: bool,
}

impl Basis {
    /// Of a sign-in that asked for nothing in particular. Who is anonymous has shown nothing.
    pub(super) fn of(provider: &str, at: Timestamp) -> Self {
        Self {
            provider: provider.to_owned(),
            auth_at: (provider != ANONYMOUS).then_some(at),
            ..Self::default()
        }
    }

    /// Whether a refresh token was asked for by its scope.
    pub(super) fn asks_to_last(&self) -> bool {
        self.scopes.iter().any(|one| one == OFFLINE_ACCESS)
    }

    /// Reads what was kept. Earlier versions kept the provider's name alone.
    pub(super) fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self {
            provider: text.to_owned(),
            ..Self::default()
        })
    }

    pub(super) fn to_text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }

    /// The same sign-in, with what this request asks for.
    pub(super) fn for_request(self, request: &AuthorizationRequest) -> Self {
        let names = |wishes: &[ClaimWish]| wishes.iter().map(|wish| wish.name.clone()).collect();
        let asked = |name: &str| request.claims.identity(name).is_some();
        Self {
            scopes: CLAIM_SCOPES
                .iter()
                .filter(|(scope, _)| request.asks_for(scope))
                .map(|(scope, _)| (*scope).to_owned())
                .collect(),
            resources: request.resources.clone(),
            userinfo: names(&request.claims.userinfo),
            identity: names(&request.claims.id_token),
            plain: !request.asks_for("openid"),
            tells_time: request.max_age.is_some() || asked("auth_time"),
            tells_acr: !request.acr_values.is_empty() || asked("acr"),
            ..self
        }
    }
}

/// Claims of a person that scopes and names stand for; those that are not known are left out (section 5.3.2).
pub(super) fn claims_for<'n>(
    person: &Person,
    scopes: impl Iterator<Item = &'n str>,
    names: impl Iterator<Item = &'n str>,
) -> Map<String, Value> {
    let of_scopes = scopes.flat_map(|scope| {
        CLAIM_SCOPES
            .iter()
            .filter(move |(name, _)| *name == scope)
            .flat_map(|(_, claims)| claims.iter().copied())
    });
    let mut wanted = of_scopes.chain(names).peekable();
    let mut claims = Map::new();
    // Most tokens ask for none of them.
    if wanted.peek().is_none() {
        return claims;
    }
    let mut known = person.standard_claims();
    for name in wanted {
        if let Some(value) = known.remove(name) {
            claims.insert(name.to_owned(), value);
        }
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_versions_kept_is_read() {
        assert_eq!(Basis::parse("cloud_directory").provider, "cloud_directory");
        let old = Basis::parse(r#"{"provider":"google","jkt":"key"}"#);
        assert_eq!(old.bound.jkt.as_deref(), Some("key"));
        let basis = Basis {
            bound: Confirmation {
                jkt: Some(String::from("key")),
                x5t: Some(String::from("certificate")),
            },
            sid: Some(String::from("s")),
            scopes: vec![String::from("email")],
            ..Basis::of("google", Timestamp::from_millis(5))
        };
        assert_eq!(Basis::parse(&basis.to_text().unwrap()), basis);
    }
}

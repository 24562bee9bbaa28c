//! Signed tokens (contract/runtime.md section 6).

use serde::Serialize;
use serde_json::{Map, Value, json};
use vestibule_model::{
    id::{ClientId, GrantId},
    role::Role,
    time::Timestamp,
};

use crate::{Engine, Error, Result, tenant::TenantState};

/// `amr` of tokens that speak for an application itself.
const CLIENT: &str = "appid_client_credentials";

/// What the tokens of one answer have in common.
pub(super) struct Issue<'a> {
    /// The instance.
    pub(super) state: &'a TenantState,
    /// The application they are for.
    pub(super) client: ClientId,
    /// The sign-in they descend from.
    pub(super) grant: GrantId,
    /// The present.
    pub(super) now: Timestamp,
    /// Their life in seconds.
    pub(super) seconds: i64,
}

/// App ID's header: the version stands here, as an integer (contract/runtime.md section 6.1).
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
    ver: u8,
}

impl Engine {
    /// An access token that speaks for an application itself.
    pub(super) fn sign_client_token(&self, issue: &Issue<'_>, scope: &str) -> Result<String> {
        let client = issue.client.to_string();
        let mut claims = self.registered_claims(issue, &client, CLIENT);
        claims.insert("scope".into(), scope.into());
        self.sign(issue.state, &claims)
    }

    pub(super) fn sign(&self, state: &TenantState, claims: &Map<String, Value>) -> Result<String> {
        let key = &state.signing_key;
        let header = Header {
            alg: key.algorithm().name(),
            typ: "JWT",
            kid: key.kid(),
            ver: 4,
        };
        key.sign(&header, claims).map_err(Error::internal)
    }

    /// The claims that both tokens have. No claim mapping can change them.
    pub(super) fn registered_claims(
        &self,
        issue: &Issue<'_>,
        subject: &str,
        provider: &str,
    ) -> Map<String, Value> {
        let issued = issue.now.seconds();
        let mut claims = Map::with_capacity(16);
        claims.insert(
            "iss".into(),
            issue.state.issuer(&self.settings().public_url).into(),
        );
        claims.insert("exp".into(), (issued + issue.seconds).into());
        claims.insert("aud".into(), json!([issue.client]));
        claims.insert("sub".into(), subject.into());
        claims.insert("amr".into(), json!([provider]));
        claims.insert("iat".into(), issued.into());
        claims.insert("tenant".into(), issue.state.id.to_string().into());
        claims.insert("jti".into(), self.token_id(issue).into());
        claims
    }

    /// A token id that says which sign-in the token descends from and, to the millisecond, when it was issued: revocation needs
    /// both (see [`super::bearer::TokenId`]).
    fn token_id(&self, issue: &Issue<'_>) -> String {
        format!(
            "{}.{:x}.{}",
            issue.grant,
            issue.now.millis(),
            vestibule_crypto::random::token(self.random(), 9)
        )
    }
}

/// The scopes that these roles hold of one application, each once.
pub(super) fn role_scopes<'a>(
    roles: impl Iterator<Item = &'a Role>,
    client: ClientId,
) -> Vec<&'a str> {
    let mut scopes: Vec<&str> = Vec::new();
    let access = roles.flat_map(|role| &role.access);
    for scope in access
        .filter(|access| access.client_id == client)
        .flat_map(|access| &access.scopes)
    {
        if !scopes.contains(&scope.as_str()) {
            scopes.push(scope);
        }
    }
    scopes
}

//! Signed tokens (contract/runtime.md section 6).

use serde::Serialize;
use serde_json::{Map, Value, json};
use vestibule_crypto::jose::SigningKey;
use vestibule_model::{
    family::tokens::TokensConfig,
    id::{ClientId, GrantId},
    profile::{ANONYMOUS, CLOUD_DIRECTORY},
    role::Role,
    time::Timestamp,
};
use vestibule_wire::{details::Detail, discovery::PASSWORD, token::Confirmation};

use super::{
    basis::{Basis, claims_for},
    mapping::{self, Target},
    person::Person,
    subject::SEALED_PROFILE,
};
use crate::{
    Engine, Error, Result,
    tenant::{ApplicationState, TenantState},
};

/// Scopes of everybody who signs in (contract/runtime.md section 6.5).
const SCOPES: &str =
    "openid appid_default appid_readprofile appid_readuserattr appid_writeuserattr";
/// Scopes of who signs in at an application that nobody vouches for; those over attributes are asked for.
const STRICT_SCOPES: &str = "openid appid_default";
/// The scope of everybody who said who they are.
const AUTHENTICATED: &str = "appid_authenticated";

/// `amr` of tokens that speak for an application itself.
pub(super) const CLIENT: &str = "appid_client_credentials";

/// Names of the claims that user info shows to the bearer beside those of the scopes.
pub(super) const USERINFO_CLAIMS: &str = "userinfo_claims";

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
    /// What the access token is bound to.
    pub(super) bound: &'a Confirmation,
    /// Where the access token is good; empty for the application alone.
    pub(super) resources: &'a [String],
    /// What was agreed to in detail.
    pub(super) details: &'a [Detail],
}

/// App ID's header: the version stands here, as an integer (contract/runtime.md section 6.1).
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
    ver: u8,
}

/// Both tokens of a person.
pub(super) struct PersonTokens {
    pub(super) access: String,
    /// None where it was not asked for, and nobody gets it unasked.
    pub(super) identity: Option<String>,
    pub(super) scope: String,
}

impl Engine {
    /// An access token that speaks for an application itself.
    pub(super) fn sign_client_token(&self, issue: &Issue<'_>, scope: &str) -> Result<String> {
        let client = issue.client.to_string();
        let mut claims = self.registered_claims(issue, &client, CLIENT);
        claims.insert("scope".into(), scope.into());
        confirm(&mut claims, issue);
        self.sign_access(issue, claims)
    }

    /// Access and identity token of a person, and the scope of the former.
    pub(super) fn sign_person_tokens(
        &self,
        issue: &Issue<'_>,
        person: &Person,
        (basis, nonce): (&Basis, Option<&str>),
    ) -> Result<PersonTokens> {
        let config = issue.state.config.get::<TokensConfig>();
        let application = issue.state.applications.get(&issue.client);
        // Nobody vouches for it: it learns what was asked for and agreed to, and nothing more.
        let strict = application.is_some_and(ApplicationState::is_third_party);
        let unasked = basis.plain && (strict || !issue.state.demands.identity_unasked);
        let (subject, sealed) = self.subject_claims(issue.state, application, person.profile.id);
        let pairwise = sealed.is_some();
        let mut access = self.registered_claims(issue, &subject, &person.provider);
        if let Some(sealed) = &sealed {
            access.insert(SEALED_PROFILE.into(), sealed.as_str().into());
        }
        access.insert(
            "scope".into(),
            scope_of(issue, person, (basis, strict)).into(),
        );
        confirm(&mut access, issue);
        if !basis.userinfo.is_empty() {
            access.insert(USERINFO_CLAIMS.into(), json!(basis.userinfo));
        }
        if let Some(verified) = person.email_verified().filter(|_| !strict) {
            access.insert("email_verified".into(), verified.into());
        }
        if !strict {
            mapping::apply(
                &config.access_token_claims,
                Target::Access,
                issue.state,
                person,
                &mut access,
            );
        }
        if issue.state.says_how_people_signed_in(application) {
            // After mapped claims: none of them may say this.
            if let Some(at) = basis.auth_at {
                access.insert("auth_time".into(), at.seconds().into());
            }
            if basis.provider == CLOUD_DIRECTORY {
                access.insert("acr".into(), PASSWORD.into());
            }
        }
        let mut identity = self.registered_claims(issue, &subject, &person.provider);
        if let Some(sealed) = sealed {
            identity.insert(SEALED_PROFILE.into(), sealed.into());
        }
        // What scopes stand for is in user info, since there is an access token for it (OpenID Connect Core section 5.4).
        if !strict {
            identity.extend(person.normalized());
            if let Some(verified) = person.email_verified() {
                identity.insert("email_verified".into(), verified.into());
            }
        }
        if person.provider != ANONYMOUS && !strict && !pairwise {
            identity.insert("identities".into(), person.identities());
        }
        let asked = basis.identity.iter().map(String::as_str);
        for (name, value) in claims_for(person, std::iter::empty(), asked) {
            identity.entry(name).or_insert(value);
        }
        if let Some(nonce) = nonce {
            identity.insert("nonce".into(), nonce.into());
        }
        if let Some(at) = basis.auth_at.filter(|_| basis.tells_time) {
            identity.insert("auth_time".into(), at.seconds().into());
        }
        if basis.tells_acr && basis.provider == CLOUD_DIRECTORY {
            identity.insert("acr".into(), PASSWORD.into());
        }
        if let Some(sid) = &basis.sid {
            identity.insert("sid".into(), sid.as_str().into());
        }
        if !strict {
            mapping::apply(
                &config.id_token_claims,
                Target::Identity,
                issue.state,
                person,
                &mut identity,
            );
        }
        let wanted =
            application.and_then(|found| found.application.metadata.id_token_signed_response_alg);
        let signed = || sign_as(issue.state.signer(wanted), "JWT", &identity);
        Ok(PersonTokens {
            scope: access
                .get("scope")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            access: self.sign_access(issue, access)?,
            identity: (!unasked).then(signed).transpose()?,
        })
    }

    /// Signs an access token for the places that it is good at, in the shape of RFC 9068 where the instance wants that.
    pub(super) fn sign_access(
        &self,
        issue: &Issue<'_>,
        mut claims: Map<String, Value>,
    ) -> Result<String> {
        let typed = issue.state.oauth.jwt_access_tokens;
        if !issue.details.is_empty() {
            claims.insert("authorization_details".into(), json!(issue.details));
        }
        if !issue.resources.is_empty() {
            claims.insert("aud".into(), json!(issue.resources));
        }
        if typed || !issue.resources.is_empty() {
            claims.insert("client_id".into(), issue.client.to_string().into());
        }
        let typ = if typed { "at+jwt" } else { "JWT" };
        sign_as(&issue.state.signing_key, typ, &claims)
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

/// Signs claims with App ID's header.
pub(super) fn sign_as(
    key: &SigningKey,
    typ: &'static str,
    claims: &impl Serialize,
) -> Result<String> {
    let header = Header {
        alg: key.algorithm().name(),
        typ,
        kid: key.kid(),
        ver: 4,
    };
    key.sign(&header, claims).map_err(Error::internal)
}

/// Says what the token is bound to (RFC 9449 section 6.1, RFC 8705 section 3.1).
pub(super) fn confirm(claims: &mut Map<String, Value>, issue: &Issue<'_>) {
    if !issue.bound.is_free() {
        claims.insert("cnf".into(), json!(issue.bound));
    }
}

fn scope_of(issue: &Issue<'_>, person: &Person, (basis, strict): (&Basis, bool)) -> String {
    let mut scope = String::from(if strict { STRICT_SCOPES } else { SCOPES });
    let mut add = |one: &str| {
        scope.push(' ');
        scope.push_str(one);
    };
    if person.provider != ANONYMOUS {
        add(AUTHENTICATED);
    }
    let roles = person
        .roles
        .iter()
        .filter_map(|role| issue.state.roles.get(role));
    for one in role_scopes(roles, issue.client) {
        add(one);
    }
    for one in &basis.scopes {
        add(one);
    }
    scope
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

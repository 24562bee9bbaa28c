//! Signed tokens that come back: verification, introspection.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use vestibule_crypto::jose;
use vestibule_model::{
    id::{ClientId, ProfileId, TenantId},
    resource::is_resource,
    time::Timestamp,
};
use vestibule_store::snapshot::RevocationKind;
use vestibule_wire::{
    details::Detail,
    token::{Confirmation, Introspection},
};

use super::{
    ClientRequest, Presented, Verified, client::invalid_client, resource::owner,
    subject::SEALED_PROFILE,
};
use crate::{
    Engine, Error, Kind, Result,
    tenant::{ApplicationState, TenantState},
};

/// What a token id says: `<grant>.<milliseconds, hexadecimal>.<random>`.
pub(super) struct TokenId<'a> {
    pub(super) grant: &'a str,
    pub(super) issued: Timestamp,
}

impl<'a> TokenId<'a> {
    pub(super) fn parse(jti: &'a str) -> Option<Self> {
        let (grant, rest) = jti.split_once('.')?;
        let (millis, _) = rest.split_once('.')?;
        Some(Self {
            grant,
            issued: Timestamp::from_millis(i64::from_str_radix(millis, 16).ok()?),
        })
    }
}

/// What an identity token hints at.
pub(super) struct Hint {
    /// Whom it is about.
    pub(super) profile: ProfileId,
    /// Whom it was made for.
    pub(super) audience: String,
}

/// The claims that decide whether a token is good.
#[derive(Deserialize)]
struct Vital {
    iss: String,
    exp: i64,
    aud: Vec<String>,
    jti: String,
    #[serde(default)]
    sub: Option<String>,
    /// The profile, where `sub` does not name it.
    #[serde(default)]
    prf: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    cnf: Option<Confirmation>,
    #[serde(default)]
    authorization_details: Vec<Detail>,
    /// Access tokens have one.
    #[serde(default)]
    scope: Option<Value>,
    #[serde(default)]
    acr: Option<Value>,
    #[serde(default)]
    auth_time: Option<Value>,
}

/// What of a signed token decides whether it is good.
struct Standing<'a> {
    iss: &'a str,
    exp: i64,
    jti: &'a str,
    /// The application that it is for.
    owner: Option<ClientId>,
    sub: Option<&'a str>,
    prf: Option<&'a str>,
}

impl<'a> Standing<'a> {
    fn of(claims: &'a Map<String, Value>) -> Option<Self> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let audience = claims.get("aud")?.as_array()?.iter();
        Some(Self {
            iss: text("iss")?,
            exp: claims.get("exp").and_then(Value::as_i64)?,
            jti: text("jti")?,
            owner: owner(audience.filter_map(Value::as_str), text("client_id")),
            sub: text("sub"),
            prf: text(SEALED_PROFILE),
        })
    }
}

impl Vital {
    fn standing(&self) -> Standing<'_> {
        Standing {
            iss: &self.iss,
            exp: self.exp,
            jti: &self.jti,
            owner: self.owner(),
            sub: self.sub.as_deref(),
            prf: self.prf.as_deref(),
        }
    }

    /// The application that the token is for.
    fn audience<'s>(&self, state: &'s TenantState) -> Option<&'s ApplicationState> {
        state.applications.get(&self.owner()?)
    }

    fn owner(&self) -> Option<ClientId> {
        let audience = self.aud.iter().map(String::as_str);
        owner(audience, self.client_id.as_deref())
    }
}

impl Engine {
    /// Whether a token of this instance is good now (RFC 7662). Reads no row. Clients that registered themselves are told of their own
    /// tokens only.
    ///
    /// # Errors
    /// `invalid_client`, also for public clients, who cannot show that they are who they say (section 2.1); `Invalid` when no token was
    /// sent.
    pub async fn introspect(&self, request: &ClientRequest<'_>) -> Result<Introspection> {
        let state = self.tenant(request.tenant).await?;
        let asks = self.authenticate(request, &state).await?;
        if asks.is_public() {
            return Err(invalid_client());
        }
        let only = asks.is_third_party().then_some(asks.application.client_id);
        let token = request
            .form
            .get("token")
            .ok_or_else(|| Error::invalid("The parameter token is required."))?;
        let live = self
            .verified::<Vital>(&state, token)
            .filter(|vital| self.is_live(&state, &vital.standing()))
            .filter(|vital| only.is_none_or(|only| vital.owner() == Some(only)));
        Ok(live.map_or_else(Introspection::default, |vital| {
            let told = state.says_how_people_signed_in(vital.audience(&state));
            let told = told && vital.scope.is_some();
            let text = |value: &Value| value.as_str().map(str::to_owned);
            Introspection {
                active: true,
                token_type: vital.cnf.as_ref().map(Confirmation::token_type),
                acr: vital.acr.as_ref().filter(|_| told).and_then(text),
                auth_time: vital.auth_time.filter(|_| told).and_then(|at| at.as_i64()),
                cnf: vital.cnf,
                authorization_details: vital.authorization_details,
                aud: vital
                    .aud
                    .into_iter()
                    .filter(|one| is_resource(one))
                    .collect(),
            }
        }))
    }

    /// The claims of an access token of the instance that holds this scope. What it is bound to, the bearer has shown.
    ///
    /// # Errors
    /// `Unauthenticated` with code `invalid_token`, `token_not_bound` or `invalid_dpop_proof`; `Forbidden` with code
    /// `insufficient_scope`.
    pub(super) async fn access_claims(
        &self,
        state: &TenantState,
        presented: Presented<'_>,
        scope: &str,
    ) -> Result<Map<String, Value>> {
        let claims = self
            .verified_claims(state, presented.token)
            .filter(|claims| self.is_for_us(state, claims))
            .ok_or_else(invalid_token)?;
        let bound = match claims.get("cnf") {
            Some(cnf) => Confirmation::deserialize(cnf).map_err(|_| invalid_token())?,
            None => Confirmation::default(),
        };
        self.check_possession(state, presented, &bound).await?;
        // Only access tokens have a scope.
        let held = claims
            .get("scope")
            .and_then(Value::as_str)
            .ok_or_else(invalid_token)?;
        if held.split(' ').any(|one| one == scope) {
            Ok(claims)
        } else {
            Err(Error::new(
                Kind::Forbidden,
                "insufficient_scope",
                format!("The token lacks the scope {scope}."),
            ))
        }
    }

    /// The claims of a token that this instance signed, that has not expired and was not revoked, for an application that is
    /// still registered.
    pub(super) fn verified_claims(
        &self,
        state: &TenantState,
        token: &str,
    ) -> Option<Map<String, Value>> {
        let claims: Map<String, Value> = self.verified(state, token)?;
        let live = self.is_live(state, &Standing::of(&claims)?);
        live.then_some(claims)
    }

    /// Of whom an identity token speaks that this instance signed, expired or not: a hint, no proof of anything.
    pub(super) fn hinted(&self, state: &TenantState, token: &str) -> Option<Hint> {
        let vital: Vital = self.verified(state, token)?;
        // An access token is in many hands, and no hint.
        if vital.scope.is_some() {
            return None;
        }
        let own = self.issued_by(state.id, &vital.iss);
        let profile = match &vital.prf {
            Some(sealed) => self.open_profile(state.id, sealed)?,
            None => ProfileId::parse(&vital.sub?).ok()?,
        };
        own.then_some(Hint {
            profile,
            audience: vital.aud.into_iter().next()?,
        })
    }

    /// What a key of the instance has signed. Nothing but the signature is checked.
    fn verified<T: DeserializeOwned>(&self, state: &TenantState, token: &str) -> Option<T> {
        let header = jose::decode_unverified_header(token).ok()?;
        let kid = header.kid.as_deref()?;
        let key = state.keys.iter().find(|key| key.kid() == kid)?;
        let name = Verified::name(state.id, key.thumbprint(), token);
        if self.verified_tokens().knows(&name) {
            return jose::decode_verified_before(token).ok();
        }
        let claims = jose::verify_as(token, &header, key.verifying_key(), &[key.algorithm()]).ok();
        if claims.is_some() {
            self.verified_tokens().remember(&name);
        }
        claims
    }

    /// Whether a signed token is this instance's, has not expired, was not revoked, and its application is still registered.
    fn is_live(&self, state: &TenantState, token: &Standing<'_>) -> bool {
        if token.exp <= self.now().seconds() || !self.issued_by(state.id, token.iss) {
            return false;
        }
        // Tokens of an application end with it.
        if token
            .owner
            .is_none_or(|owner| !state.applications.contains_key(&owner))
        {
            return false;
        }
        if state.revocations.is_empty() {
            return true;
        }
        let Some(id) = TokenId::parse(token.jti) else {
            return false;
        };
        // Nothing new may descend from a sign-in that was ended, whatever its time: its last token may have been signed meanwhile.
        let grant = (RevocationKind::Grant, id.grant.to_owned());
        if state.revocations.contains_key(&grant) {
            return false;
        }
        let profile = match token.prf {
            Some(sealed) => self
                .open_profile(state.id, sealed)
                .map(|profile| profile.to_string()),
            None => token.sub.map(str::to_owned),
        };
        ![
            (RevocationKind::Token, Some(token.jti)),
            (RevocationKind::Profile, profile.as_deref()),
        ]
        .into_iter()
        .filter_map(|(kind, subject)| state.revocations.get(&(kind, subject?.to_owned())))
        // A token of the very millisecond of the revocation may be an old one.
        .any(|before| id.issued <= *before)
    }

    fn issued_by(&self, tenant: TenantId, issuer: &str) -> bool {
        let mut buffer = uuid::Uuid::encode_buffer();
        let id: &str = tenant.uuid().hyphenated().encode_lower(&mut buffer);
        issuer
            .strip_prefix(self.settings().public_url.as_str())
            .and_then(|rest| rest.strip_prefix("/oauth/v4/"))
            == Some(id)
    }
}

pub(super) fn invalid_token() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "invalid_token",
        "The access token is missing, malformed, expired or revoked.",
    )
}

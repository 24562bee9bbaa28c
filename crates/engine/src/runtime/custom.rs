//! Custom identity: tokens for people whom an application's own server vouches for with a signed assertion (RFC 7523, contract/runtime.md
//! section 4.2.1).

use serde_json::{Map, Value};
use vestibule_crypto::jose::{self, Algorithm, VerifyingKey};
use vestibule_model::{
    family::idps::CustomIdp,
    id::{GrantId, ProfileId},
    object::RawObject,
    profile::{CUSTOM, Identity},
};
use vestibule_wire::token::TokenAnswer;

use super::{ClientRequest, basis::Basis, invalid_grant, person::Person, token::required};
use crate::{
    Engine, Error, Kind, Result,
    profile::{SignIn, claim_profile},
    tenant::{ApplicationState, TenantState},
};

/// Most bytes of an assertion.
const MOST_BYTES: usize = 100_000;
/// Seconds that clocks may differ.
const SKEW: i64 = 60;
/// Most scopes an assertion or a request may add.
const MOST_SCOPES: usize = 50;
/// Claims that say something of the assertion and not of the person.
const REGISTERED: [&str; 8] = ["iss", "aud", "exp", "sub", "iat", "nbf", "jti", "scope"];
/// Claims about people that profiles keep.
const NORMALIZED: [&str; 3] = ["locale", "picture", "gender"];

impl Engine {
    /// Tokens for the person of an assertion.
    ///
    /// # Errors
    /// `invalid_grant` for an assertion that is not signed by the instance's custom provider, is for somebody else, or has run out;
    /// `unauthorized_client` where the provider is off.
    pub(super) async fn custom_tokens(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        request: &ClientRequest<'_>,
    ) -> Result<TokenAnswer> {
        let bound = self
            .shown_key(state, (application, request.possession))
            .await?;
        let assertion = required(request, "assertion")?;
        let config = state.config.get::<CustomIdp>();
        let key = config
            .public_key()
            .filter(|_| config.is_active)
            .ok_or_else(|| {
                Error::new(
                    Kind::Invalid,
                    "unauthorized_client",
                    "The custom identity provider is switched off.",
                )
            })?;
        let key = VerifyingKey::from_rsa_pem(key).map_err(Error::internal)?;
        let claims = self.asserted(state, &key, assertion)?;
        let sign_in = sign_in(&claims)?;
        let asked = request.form.get("scope").unwrap_or_default();
        let asserted = claims
            .get("scope")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let basis = Basis {
            bound,
            resources: self.wish(state, request.form)?.unbounded()?,
            scopes: added_scopes(asserted.split(' ').chain(asked.split(' ')))?,
            ..Basis::of(CUSTOM, self.now())
        };
        let (now, fresh) = (self.now(), ProfileId::from_random_bytes(self.random_id()));
        let person = self
            .store()
            .write::<_, Error>(state.id, move |t| {
                let profile = claim_profile(t, &sign_in, fresh, now)?;
                Person::of(t, profile.id, CUSTOM)
            })
            .await?;
        let grant = GrantId::from_random_bytes(self.random_id());
        let client = application.application.client_id;
        self.answer(state, (client, grant), (&person, &basis), (None, None))
    }

    /// The claims of an assertion that is good now.
    fn asserted(
        &self,
        state: &TenantState,
        key: &VerifyingKey,
        assertion: &str,
    ) -> Result<Map<String, Value>> {
        if assertion.len() > MOST_BYTES {
            return Err(invalid_grant("The assertion is too long."));
        }
        let claims = jose::verify(assertion, key, &[Algorithm::RS256]).map_err(|_| {
            invalid_grant(
                "The assertion is not signed with the key of the custom identity provider.",
            )
        })?;
        let number = |name: &str| claims.get(name).and_then(Value::as_f64);
        let now = self.now().seconds() as f64;
        if number("exp").is_none_or(|exp| exp <= now) {
            return Err(invalid_grant(
                "The assertion has expired, or does not say when it does.",
            ));
        }
        let early = |at: f64| at > now + SKEW as f64;
        if number("nbf").is_some_and(early) || number("iat").is_some_and(early) {
            return Err(invalid_grant("The assertion is not valid yet."));
        }
        if claims
            .get("iss")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
        {
            return Err(invalid_grant("The assertion does not say who made it."));
        }
        let issuer = state.issuer(&self.settings().public_url);
        let own = |audience: &Value| {
            audience
                .as_str()
                .and_then(|text| text.strip_prefix(issuer.as_str()))
                .is_some_and(|rest| matches!(rest, "" | "/" | "/token"))
        };
        let meant = match claims.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(own),
            Some(audience) => own(audience),
            None => false,
        };
        if meant {
            Ok(claims)
        } else {
            Err(invalid_grant("The assertion is for another audience."))
        }
    }
}

/// Who the assertion says signed in.
fn sign_in(claims: &Map<String, Value>) -> Result<SignIn> {
    let text = |name: &str| {
        let text = claims.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let subject = text("sub").ok_or_else(|| invalid_grant("The assertion names nobody."))?;
    let mut kept = RawObject::default();
    for name in NORMALIZED {
        if let Some(text) = text(name) {
            kept.set_value(name, &text.into());
        }
    }
    let info: Map<String, Value> = claims
        .iter()
        .filter(|(name, _)| !REGISTERED.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let sign_in = SignIn {
        provider: CUSTOM.to_owned(),
        subject,
        name: text("name"),
        email: text("email"),
        email_verified: false,
        claims: kept,
        user_info: RawObject::from_value(&info.into()),
    };
    let texts = [&sign_in.name, &sign_in.email].into_iter().flatten();
    let odd = texts
        .chain([&sign_in.subject])
        .any(|text| text.chars().any(char::is_control));
    if odd || Identity::check(&sign_in.provider, &sign_in.subject).is_err() {
        return Err(invalid_grant(
            "The assertion holds text that cannot be kept.",
        ));
    }
    Ok(sign_in)
}

/// Scopes that are added to those everybody has. The service's own are not for others to give.
fn added_scopes<'a>(words: impl Iterator<Item = &'a str>) -> Result<Vec<String>> {
    let mut scopes: Vec<String> = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        if word.starts_with("appid_") || word == "openid" || scopes.iter().any(|one| one == word) {
            continue;
        }
        // RFC 6749 section 3.3.
        let valid = word.len() <= 200
            && word
                .bytes()
                .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if !valid || scopes.len() == MOST_SCOPES {
            return Err(Error::new(
                Kind::Invalid,
                "invalid_scope",
                "A scope is malformed, or there are too many.",
            ));
        }
        scopes.push(word.to_owned());
    }
    Ok(scopes)
}

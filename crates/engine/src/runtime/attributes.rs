//! The Profiles API and user info: what the bearer of an access token may read and change of the profile it is for
//! (contract/runtime.md sections 4.5 and 7).

use std::sync::Arc;

use serde_json::{Map, Value};
use vestibule_crypto::jose;
use vestibule_model::{
    family::profiles::UsersProfile,
    id::{ProfileId, TenantId},
    object::RawObject,
};

use super::{
    Presented,
    basis::claims_for,
    bearer::invalid_token,
    claims::{USERINFO_CLAIMS, sign_as},
    person::Person,
    resource::owner_of,
    subject::SEALED_PROFILE,
};
use crate::{
    Engine, Error, Result,
    tenant::{ApplicationState, TenantState},
};

const READ: &str = "appid_readuserattr";
const WRITE: &str = "appid_writeuserattr";

/// What user info answers.
pub enum UserInfo {
    /// As JSON.
    Plain(RawObject),
    /// As a signed token.
    Signed(String),
}

/// The profile that an access token is for.
struct Bearer {
    state: Arc<TenantState>,
    profile: ProfileId,
}

impl Engine {
    /// Who the bearer of an access token is, signed where the application wants that (OpenID Connect Core section 5.3.2).
    ///
    /// # Errors
    /// `invalid_token`, also when the profile is gone; `insufficient_scope`.
    pub async fn user_info(&self, tenant: TenantId, token: Presented<'_>) -> Result<UserInfo> {
        let state = self.tenant(tenant).await?;
        let claims = self.access_claims(&state, token, "openid").await?;
        let profile = self
            .profile_of(state.id, &claims)
            .ok_or_else(invalid_token)?;
        let provider = claims
            .get("amr")
            .and_then(|amr| amr.get(0))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let person = self
            .store()
            .read::<_, Error>(state.id, move |t| Person::describe(t, profile, &provider))
            .await?
            .ok_or_else(invalid_token)?;
        let words = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let named = claims.get(USERINFO_CLAIMS).and_then(Value::as_array);
        let named = named.into_iter().flatten().filter_map(Value::as_str);
        let mut info = RawObject::default();
        // Who is called by another name in each sector is not told apart by the provider's name for them.
        let pairwise = claims.contains_key(SEALED_PROFILE);
        let application = audience(&state, &claims);
        let strict = application.is_some_and(ApplicationState::is_third_party);
        info.set_value("sub", &words("sub").into());
        let basic = if strict {
            Map::new()
        } else {
            person.normalized()
        };
        let asked = claims_for(&person, words("scope").split(' '), named);
        for (name, value) in basic.into_iter().chain(asked) {
            info.set_value(name, &value);
        }
        if let Some(verified) = person.email_verified().filter(|_| !strict) {
            info.set_value("email_verified", &verified.into());
        }
        if !strict && !pairwise {
            info.set_list("identities", &person.identities_in_full());
        }
        let Some(found) = application else {
            return Ok(UserInfo::Plain(info));
        };
        let Some(wanted) = found.application.metadata.userinfo_signed_response_alg else {
            return Ok(UserInfo::Plain(info));
        };
        let issuer = state.issuer(&self.settings().public_url);
        info.set_value("iss", &issuer.into());
        let client = found.application.client_id.to_string();
        info.set_value("aud", &client.into());
        sign_as(state.signer(Some(wanted)), "JWT", &info).map(UserInfo::Signed)
    }

    /// Takes note of what an application says its user did. App ID's clients tell of a logout; nothing depends on it yet.
    ///
    /// # Errors
    /// `invalid_token`.
    pub async fn note_activity(&self, tenant: TenantId, token: Presented<'_>) -> Result<()> {
        let state = self.tenant(tenant).await?;
        self.access_claims(&state, token, "appid_default")
            .await
            .map(drop)
    }

    /// All custom attributes of the bearer.
    pub async fn own_attributes(&self, token: Presented<'_>) -> Result<RawObject> {
        let bearer = self.bearer(token, READ).await?;
        let profile = bearer.profile;
        self.store()
            .read::<_, Error>(bearer.state.id, move |t| {
                let found = t.find_profile(profile)?.ok_or_else(invalid_token)?;
                Ok(found.attributes.into_object())
            })
            .await
    }

    /// One attribute, as an object of one member.
    ///
    /// # Errors
    /// `NotFound` when there is none of this name.
    pub async fn own_attribute(&self, token: Presented<'_>, name: &str) -> Result<RawObject> {
        let all = self.own_attributes(token).await?;
        let value = all.get(name).ok_or_else(no_such_attribute)?.to_owned();
        let mut one = RawObject::default();
        one.set(name, value);
        Ok(one)
    }

    /// Sets one attribute to the text that was sent: JSON if it is, else a string. Answers it as an object of one member.
    ///
    /// # Errors
    /// `Invalid` past 100 kB in all, or when the text is not UTF-8.
    pub async fn set_own_attribute(
        &self,
        token: Presented<'_>,
        name: &str,
        body: &[u8],
    ) -> Result<RawObject> {
        let bearer = self.bearer(token, WRITE).await?;
        let one = attribute(name, body)?;
        let (profile, now, change) = (bearer.profile, self.now(), one.clone());
        self.store()
            .write::<_, Error>(bearer.state.id, move |t| {
                t.lock_profile(profile)?;
                let found = t.find_profile(profile)?.ok_or_else(invalid_token)?;
                let attributes = found.attributes.merged(change)?;
                t.update_attributes(profile, &attributes, now)?;
                Ok(())
            })
            .await?;
        Ok(one)
    }

    /// Removes one attribute, or all.
    ///
    /// # Errors
    /// `NotFound` when there is none of this name.
    pub async fn delete_own_attributes(
        &self,
        token: Presented<'_>,
        name: Option<String>,
    ) -> Result<()> {
        let bearer = self.bearer(token, WRITE).await?;
        let (profile, now) = (bearer.profile, self.now());
        self.store()
            .write::<_, Error>(bearer.state.id, move |t| {
                t.lock_profile(profile)?;
                let found = t.find_profile(profile)?.ok_or_else(invalid_token)?;
                let mut object = found.attributes.into_object();
                match name {
                    Some(name) => {
                        object.remove(&name).ok_or_else(no_such_attribute)?;
                    }
                    None => object = RawObject::default(),
                }
                let attributes = vestibule_model::attributes::Attributes::parse(object)?;
                t.update_attributes(profile, &attributes, now)?;
                Ok(())
            })
            .await
    }

    /// The profile of an access token of any instance: the token says which (contract/runtime.md section 1).
    async fn bearer(&self, token: Presented<'_>, scope: &str) -> Result<Bearer> {
        let unverified =
            jose::decode_unverified_claims(token.token).map_err(|_| invalid_token())?;
        let tenant = unverified
            .get("tenant")
            .and_then(Value::as_str)
            .and_then(|id| TenantId::parse(id).ok())
            .ok_or_else(invalid_token)?;
        let state = self
            .tenant(tenant)
            .await
            .map_err(|error| match error.kind {
                crate::Kind::NotFound => invalid_token(),
                _ => error,
            })?;
        let claims = self.access_claims(&state, token, scope).await?;
        if !state.config.get::<UsersProfile>().is_active {
            return Err(Error::unauthenticated(
                "User profiles are switched off for this instance.",
            ));
        }
        Ok(Bearer {
            profile: self.profile_of(tenant, &claims).ok_or_else(invalid_token)?,
            state,
        })
    }
}

/// The application that a token was given to.
fn audience<'s>(
    state: &'s TenantState,
    claims: &Map<String, Value>,
) -> Option<&'s ApplicationState> {
    state.applications.get(&owner_of(claims)?)
}

/// App ID's clients send a value's bare text labelled as JSON (contract/runtime.md section 7).
fn attribute(name: &str, body: &[u8]) -> Result<RawObject> {
    if name.is_empty() || name.len() > 1000 || name.chars().any(char::is_control) {
        return Err(Error::invalid(
            "The name of an attribute is 1 to 1000 bytes of printable text.",
        ));
    }
    let text = std::str::from_utf8(body).map_err(|_| Error::invalid("The value is not UTF-8."))?;
    let mut one = RawObject::default();
    // Reading it as an object's member also refuses what other readers of JSON could not read.
    let value = serde_json::from_str::<&serde_json::value::RawValue>(text)
        .ok()
        .and_then(|raw| RawObject::parse(&format!("{{\"v\":{raw}}}")).ok())
        .and_then(|mut read| read.remove("v"));
    match value {
        Some(value) => one.set(name, value),
        None => one.set_value(name, &text.into()),
    }
    Ok(one)
}

fn no_such_attribute() -> Error {
    Error::not_found("There is no such attribute.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_json_and_everything_else_is_text() {
        for (body, kept) in [
            ("abc", r#"{"n":"abc"}"#),
            ("", r#"{"n":""}"#),
            ("12.50", r#"{"n":12.50}"#),
            (r#""abc""#, r#"{"n":"abc"}"#),
            (r#"{"a": [1]}"#, r#"{"n":{"a":[1]}}"#),
            (r#"1,"v":2"#, r#"{"n":"1,\"v\":2"}"#),
            (r#"1},{"v":2"#, r#"{"n":"1},{\"v\":2"}"#),
            (r#"1,"w":2"#, r#"{"n":"1,\"w\":2"}"#),
        ] {
            assert_eq!(attribute("n", body.as_bytes()).unwrap().to_text(), kept);
        }
        assert!(attribute("n", &[0xff]).is_err());
        assert!(attribute("", b"1").is_err());
        assert!(attribute("a\nb", b"1").is_err());
    }
}

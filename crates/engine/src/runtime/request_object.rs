//! Authorization requests that applications sign (RFC 9101, OpenID Connect Core section 6.1). What is signed is the whole request: what
//! the browser adds is not looked at.

use serde_json::{Map, Value};
use vestibule_crypto::{
    dpop::token_hash,
    jose::{self, Header},
};
use vestibule_wire::parameters::is_repeatable;

use crate::{
    Engine, Error, Kind, Result,
    tenant::{ApplicationState, TenantState},
};

/// Most bytes of a request object.
const MOST_BYTES: usize = 64 << 10;
/// Seconds that clocks may differ.
const SKEW: f64 = 60.0;
/// Seconds that a request object may look back and be good for under a profile that says so (FAPI 2.0 message signing section 5.3.1).
const HOUR: f64 = 3600.0;
/// Claims that say something of the object and not of the request.
const REGISTERED: [&str; 7] = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"];

impl Engine {
    /// The parameters of a request that the application signed.
    ///
    /// # Errors
    /// `invalid_request_object` for one that is not signed with a key of the application, is meant for somebody else, or is not good
    /// now.
    pub(super) async fn signed_parameters(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        object: &str,
    ) -> Result<Vec<(String, String)>> {
        let refused = |why: &str| Error::new(Kind::Invalid, "invalid_request_object", why);
        if object.len() > MOST_BYTES {
            return Err(refused("The request object is longer than 64 kB."));
        }
        let unsigned = "The request object is not signed with a key of the application.";
        let header = jose::decode_unverified_header(object).map_err(|_| refused(unsigned))?;
        if !may_sign(state, application, &header) {
            return Err(refused(unsigned));
        }
        let claims = self
            .verified_by_client(application, &header, object)
            .await
            .ok_or_else(|| refused(unsigned))?;
        let issuer = state.issuer(&self.settings().public_url);
        let client = application.application.client_id.to_string();
        if let Some(why) = misfit(&claims, (&issuer, &client), self.now().seconds() as f64) {
            return Err(refused(why));
        }
        if state.demands.short_request_objects && !is_short(&claims, self.now().seconds() as f64) {
            return Err(refused(
                "The request object must name its audience and be of the last hour, for an hour at most.",
            ));
        }
        let parameters = claims
            .into_iter()
            .filter(|(name, value)| !REGISTERED.contains(&name.as_str()) && !value.is_null())
            .flat_map(|(name, value)| {
                values(&name, value)
                    .into_iter()
                    .map(move |text| (name.clone(), text))
            });
        Ok(parameters.collect())
    }
}

impl Engine {
    /// The request object at an address that the application registered (RFC 9101 section 5.2, OpenID Connect Core section 6.2). What
    /// follows the number sign is the digest of what is there.
    ///
    /// # Errors
    /// `invalid_request_uri` for an address that is not registered, cannot be reached, or holds something else.
    pub(super) async fn fetched_object(
        &self,
        application: &ApplicationState,
        address: &str,
    ) -> Result<String> {
        let refused = |why: &str| Error::new(Kind::Invalid, "invalid_request_uri", why);
        let bare = |text: &str| text.split('#').next().unwrap_or_default().to_owned();
        let metadata = &application.application.metadata;
        let mut registered = metadata.request_uris.iter();
        if !registered.any(|one| one == address || bare(one) == bare(address)) {
            return Err(refused("The request_uri is not one of the application's."));
        }
        let body = self.fetch_in_turn(&bare(address)).await.map_err(|error| {
            tracing::info!(%error, client = %application.application.client_id, "a signed request cannot be had");
            refused("The request at the request_uri cannot be had.")
        })?;
        let object = String::from_utf8(body)
            .map_err(|_| refused("What is at the request_uri is no request."))?;
        let digest = address.split_once('#').map(|(_, digest)| digest);
        if digest.is_some_and(|digest| digest != token_hash(&object)) {
            return Err(refused("What is at the request_uri is not what was meant."));
        }
        Ok(object.trim().to_owned())
    }
}

/// The values of a parameter: several of one that may be sent several times.
fn values(name: &str, value: Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) if is_repeatable(name) => {
            all.into_iter().flat_map(|one| values("", one)).collect()
        }
        other => vec![other.to_string()],
    }
}

/// Whether the header says that it may be what it is taken for.
fn may_sign(state: &TenantState, application: &ApplicationState, header: &Header) -> bool {
    let named = application.application.metadata.request_object_signing_alg;
    let typed =
        header.typ.is_none() || header.is_type("oauth-authz-req+jwt") || header.is_type("jwt");
    let allowed = state.demands.client_algorithms;
    typed
        && allowed.iter().any(|one| one.name() == header.alg)
        && named.is_none_or(|named| named.name() == header.alg)
}

/// Why the claims are not of this application, for this issuer, now.
fn misfit(
    claims: &Map<String, Value>,
    (issuer, client): (&str, &str),
    now: f64,
) -> Option<&'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("client_id") != Some(client) {
        return Some("The request object is of another application.");
    }
    if claims.contains_key("iss") && text("iss") != Some(client) {
        return Some("The request object is not made by the application.");
    }
    // One whose subject is the client could pass for an assertion about it (RFC 9101 section 10.8).
    if claims.contains_key("sub") {
        return Some("The request object must not have a subject.");
    }
    if claims.contains_key("request") || claims.contains_key("request_uri") {
        return Some("The request object must not stand for another.");
    }
    let meant = match claims.get("aud") {
        None => true,
        Some(Value::Array(all)) => all.iter().any(|one| one == issuer),
        Some(one) => one == issuer,
    };
    if !meant {
        return Some("The request object is for another audience.");
    }
    let time = |name: &str| {
        claims
            .get(name)
            .map(|value| value.as_f64().unwrap_or(f64::NAN))
    };
    let past = |at: f64| at > now;
    let come = |at: f64| at <= now + SKEW;
    let good = time("exp").is_none_or(past)
        && time("nbf").is_none_or(come)
        && time("iat").is_none_or(come);
    (!good).then_some("The request object is not good now.")
}

/// Whether it names its audience, was made within the hour and ends within one.
fn is_short(claims: &Map<String, Value>, now: f64) -> bool {
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    match (time("nbf"), time("exp")) {
        (Some(begins), Some(ends)) => {
            claims.contains_key("aud") && begins >= now - HOUR && ends <= begins + HOUR
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_several_values_where_there_may_be_several() {
        assert_eq!(values("resource", json!(["a", "b"])), ["a", "b"]);
        assert_eq!(values("resource", json!("a")), ["a"]);
        assert_eq!(values("resource", json!([["a"]])), ["[\"a\"]"]);
        assert_eq!(values("authorization_details", json!([{}])), ["[{}]"]);
        assert_eq!(values("max_age", json!(5)), ["5"]);
    }
}

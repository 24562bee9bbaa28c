//! Claims about people: the scopes that stand for them and the `claims` parameter (OpenID Connect Core sections 5.4 and 5.5).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most claims one request may name.
const MOST: usize = 100;
/// Most bytes of the parameter.
const MOST_BYTES: usize = 10_000;

/// Scopes, and the claims about people that each stands for; of those that section 5.4 names, the ones that are ever known.
pub const CLAIM_SCOPES: [(&str, &[&str]); 4] = [
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// The scope for a refresh token (OpenID Connect Core section 11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Claims that a client asks for one by one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimsRequest {
    /// For user info.
    pub userinfo: Vec<ClaimWish>,
    /// For the identity token.
    pub id_token: Vec<ClaimWish>,
}

/// One claim asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimWish {
    /// Its name.
    pub name: String,
    /// Whether the client cannot do without it.
    #[serde(default)]
    pub essential: bool,
    /// The values that would do, as text; empty for any.
    #[serde(default)]
    pub values: Vec<String>,
}

/// The parameter is not what the specification says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the parameter claims must be a JSON object as OpenID Connect Core section 5.5 has it")]
pub struct MalformedClaims;

impl ClaimsRequest {
    /// Reads the parameter. Unknown members are ignored, as the specification says.
    pub fn parse(text: &str) -> Result<Self, MalformedClaims> {
        if text.len() > MOST_BYTES {
            return Err(MalformedClaims);
        }
        let members: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| MalformedClaims)?;
        let found = Self {
            userinfo: wishes(members.get("userinfo"))?,
            id_token: wishes(members.get("id_token"))?,
        };
        if found.userinfo.len() + found.id_token.len() > MOST {
            return Err(MalformedClaims);
        }
        Ok(found)
    }

    /// What is asked of the identity token about one claim.
    pub fn identity(&self, name: &str) -> Option<&ClaimWish> {
        self.id_token.iter().find(|wish| wish.name == name)
    }
}

fn wishes(members: Option<&Value>) -> Result<Vec<ClaimWish>, MalformedClaims> {
    let members = match members {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(members)) => members,
        Some(_) => return Err(MalformedClaims),
    };
    members.iter().map(|(name, how)| wish(name, how)).collect()
}

fn wish(name: &str, how: &Value) -> Result<ClaimWish, MalformedClaims> {
    let mut wish = ClaimWish {
        name: name.to_owned(),
        essential: false,
        values: Vec::new(),
    };
    let how = match how {
        Value::Null => return Ok(wish),
        Value::Object(how) => how,
        _ => return Err(MalformedClaims),
    };
    match how.get("essential") {
        None => {}
        Some(Value::Bool(essential)) => wish.essential = *essential,
        Some(_) => return Err(MalformedClaims),
    }
    wish.values.extend(how.get("value").map(text));
    match how.get("values") {
        None => {}
        Some(Value::Array(values)) => wish.values.extend(values.iter().map(text)),
        Some(_) => return Err(MalformedClaims),
    }
    Ok(wish)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        let claims = ClaimsRequest::parse(
            r#"{"userinfo":{"given_name":{"essential":true},"nickname":null,"http://example.info/claims/groups":null},
                "id_token":{"auth_time":{"essential":true},"acr":{"values":["urn:mace:incommon:iap:silver"]}},"other":7}"#,
        )
        .unwrap();
        assert_eq!(claims.userinfo.len(), 3);
        assert!(
            claims
                .userinfo
                .iter()
                .any(|wish| wish.name == "given_name" && wish.essential)
        );
        assert!(claims.identity("auth_time").unwrap().essential);
        let acr = claims.identity("acr").unwrap();
        assert_eq!(
            (acr.essential, acr.values.as_slice()),
            (false, &[String::from("urn:mace:incommon:iap:silver")][..])
        );
        assert_eq!(ClaimsRequest::parse("{}"), Ok(ClaimsRequest::default()));
    }

    #[test]
    fn other_shapes_are_refused() {
        let many: Map<String, Value> = (0..=MOST).map(|n| (format!("c{n}"), Value::Null)).collect();
        let many = serde_json::json!({ "userinfo": many }).to_string();
        for bad in [
            "",
            "[]",
            "7",
            r#"{"userinfo":[]}"#,
            r#"{"id_token":{"acr":true}}"#,
            r#"{"id_token":{"acr":{"essential":"yes"}}}"#,
            r#"{"id_token":{"acr":{"values":"1"}}}"#,
            &many,
            &format!("{{\"x\":\"{}\"}}", "y".repeat(MOST_BYTES)),
        ] {
            assert_eq!(ClaimsRequest::parse(bad), Err(MalformedClaims), "{bad:.80}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(text in ".{0,300}") {
            let _ = ClaimsRequest::parse(&text);
        }
    }
}

//! Claim mappings of `config/tokens` (contract/runtime.md section 6.6).

use serde_json::{Map, Value};
use vestibule_model::family::tokens::ClaimMapping;

use super::person::Person;
use crate::tenant::TenantState;

/// Most bytes of mapped claims in one token.
const MOST_BYTES: usize = 100_000;
/// Claims that no mapping may set: they say who speaks for whom, until when, and how.
const PROTECTED: [&str; 12] = [
    "iss",
    "aud",
    "sub",
    "iat",
    "exp",
    "amr",
    "tenant",
    "jti",
    "prf",
    "cnf",
    "act",
    "authorization_details",
];
/// Further claims of identity tokens that no mapping may set. `scope` would let one pass for an access token.
const PROTECTED_IDENTITY: [&str; 5] = [
    "identities",
    "oauth_client",
    "oauth_clients",
    "nonce",
    "scope",
];

/// Which of the two tokens claims are mapped into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Access,
    Identity,
}

/// Puts mapped claims into a token. What is not there is skipped; past 100 kB the rest is.
pub(super) fn apply(
    mappings: &[ClaimMapping],
    target: Target,
    state: &TenantState,
    person: &Person,
    claims: &mut Map<String, Value>,
) {
    let mut room = MOST_BYTES;
    for mapping in mappings {
        let path = mapping.source_claim.as_deref();
        let name = match (&mapping.destination_claim, path) {
            (Some(name), _) => name.as_str(),
            (None, Some(path)) => path,
            (None, None) => "roles",
        };
        if PROTECTED.contains(&name)
            || (target == Target::Identity && PROTECTED_IDENTITY.contains(&name))
        {
            continue;
        }
        let Some(value) = find(mapping, state, person).filter(|value| !value.is_null()) else {
            continue;
        };
        let size = name.len() + value.to_string().len() + 4;
        if size > room {
            continue;
        }
        room -= size;
        if name == "scope" {
            extend_scope(claims, &value);
        } else {
            claims.insert(name.to_owned(), value);
        }
    }
}

fn find(mapping: &ClaimMapping, state: &TenantState, person: &Person) -> Option<Value> {
    if mapping.source == "roles" {
        let names: Vec<&str> = person
            .roles
            .iter()
            .filter_map(|role| state.roles.get(role))
            .map(|role| role.name.as_str())
            .collect();
        return (!names.is_empty()).then(|| names.into());
    }
    let path = mapping.source_claim.as_deref()?;
    let source = match mapping.source.as_str() {
        "attributes" => serde_json::to_value(person.profile.attributes.object()).ok()?,
        provider => person.user_info(provider)?,
    };
    walk(&source, path).cloned()
}

/// Follows a dot path. A member whose own name has dots is found too.
fn walk<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let member = |name: &str| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    };
    if let Some(found) = member(path) {
        return Some(found);
    }
    path.match_indices('.')
        .find_map(|(at, _)| walk(member(path.get(..at)?)?, path.get(at + 1..)?))
}

/// Scopes can only be added, and none of App ID's own.
fn extend_scope(claims: &mut Map<String, Value>, value: &Value) {
    let (Some(added), Some(held)) = (
        value.as_str(),
        claims
            .get("scope")
            .and_then(Value::as_str)
            .map(str::to_owned),
    ) else {
        return;
    };
    let mut scope = held;
    for one in added.split_whitespace() {
        let reserved = one.starts_with("appid_") || one == "openid";
        if !reserved && !scope.split(' ').any(|held| held == one) {
            scope.push(' ');
            scope.push_str(one);
        }
    }
    claims.insert("scope".into(), scope.into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_through_objects_arrays_and_names_with_dots() {
        let value = json!({"a": {"b": {"c": 1}}, "x.y": {"z": 2}, "list": [{"v": 3}]});
        assert_eq!(walk(&value, "a.b.c"), Some(&json!(1)));
        assert_eq!(walk(&value, "x.y.z"), Some(&json!(2)));
        assert_eq!(walk(&value, "list.0.v"), Some(&json!(3)));
        for missing in ["a.c", "", ".", "list.9", "a.b.c.d", "list.-1"] {
            assert_eq!(walk(&value, missing), None, "{missing}");
        }
    }

    #[test]
    fn scope_only_grows_and_never_by_our_own_scopes() {
        let mut claims = Map::new();
        claims.insert("scope".into(), "openid a".into());
        extend_scope(&mut claims, &json!("b appid_authenticated a openid"));
        assert_eq!(claims["scope"], "openid a b");
        extend_scope(&mut claims, &json!(["c"]));
        assert_eq!(claims["scope"], "openid a b");
    }
}

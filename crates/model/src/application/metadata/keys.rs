//! The keys of a client, as far as they can be judged without cryptography.

use serde_json::Value;

use crate::Invalid;

/// Most keys one client has.
const MOST: usize = 20;
/// Members of a JWK that nobody but its owner may know (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Checks that a key set holds public keys, and not too many.
pub(super) fn check(set: &Value) -> Result<(), Invalid> {
    let refused = |why: &str| Invalid::new("jwks", why);
    let keys = set
        .get("keys")
        .and_then(Value::as_array)
        .ok_or_else(|| refused("must be an object with a list of keys"))?;
    if keys.is_empty() || keys.len() > MOST {
        return Err(refused("must hold 1 to 20 keys"));
    }
    for key in keys {
        let kind = key.get("kty").and_then(Value::as_str).unwrap_or_default();
        if !matches!(kind, "RSA" | "EC" | "OKP") {
            return Err(refused("a key must be RSA, EC or OKP"));
        }
        if PRIVATE.iter().any(|member| key.get(member).is_some()) {
            return Err(refused("a key is not public: it must be replaced"));
        }
    }
    Ok(())
}

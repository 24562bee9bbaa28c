//! Two types for one token: the plain form is shown once, the hash is the only form that reaches SQL, and neither prints.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{
    compare::constant_time_eq,
    random::{self, Random},
};

/// A secret in plain form.
#[derive(Clone)]
pub struct PlainToken(Zeroizing<String>);

impl PlainToken {
    /// Thirty-two random bytes as base64url text (43 characters, no padding).
    pub fn generate(random: &dyn Random) -> Self {
        Self(Zeroizing::new(random::token(random, 32)))
    }

    /// Wraps a secret that exists already.
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret: for the one answer that shows it, and for hashing.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, given: &str) -> bool {
        constant_time_eq(self.0.as_bytes(), given.as_bytes())
    }

    /// Its hash.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken(…)")
    }
}

/// SHA-256 of texts one after the other, each behind its length: a name of them all for the memory of a process.
pub fn fingerprint(texts: &[&str]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for text in texts {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut name = [0; 32];
    for (to, from) in name.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    name
}

/// SHA-256 of a token, as base64url text. Tokens have 256 bits of entropy, so a plain hash suffices.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenHash(String);

impl TokenHash {
    /// Hashes what a client sent.
    pub fn of(token: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())))
    }

    /// For storage.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_texts_have_other_fingerprints() {
        assert_eq!(fingerprint(&["a", "b"]), fingerprint(&["a", "b"]));
        for other in [
            &["ab", ""][..],
            &["ab"],
            &["", "ab"],
            &["b", "a"],
            &["a", "b", ""],
        ] {
            assert_ne!(fingerprint(&["a", "b"]), fingerprint(other), "{other:?}");
        }
    }
}

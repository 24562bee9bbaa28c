//! Tokens whose signature this process has verified. The same token comes back with every call that its bearer makes, and the mathematics
//! of its signature is the dearest part of looking at it. Only the signature is remembered: that a token has expired, was revoked or
//! lost its application is asked each time.

use moka::sync::Cache;
use vestibule_crypto::token::fingerprint;
use vestibule_model::id::TenantId;

/// Most tokens that are remembered, of about 150 bytes each; the least used make room.
const MOST: u64 = 50_000;

/// Names of tokens by instance, key and text.
pub(crate) struct Verified {
    tokens: Cache<[u8; 32], ()>,
}

/// A token as one instance and key see it. A token of another instance never has its name, even if the keys' ids are the same.
pub(super) struct Name([u8; 32]);

impl Verified {
    pub(crate) fn new() -> Self {
        Self {
            tokens: Cache::new(MOST),
        }
    }

    /// What a token is remembered by. `key` is the thumbprint of the key.
    pub(super) fn name(tenant: TenantId, key: &str, token: &str) -> Name {
        let mut buffer = uuid::Uuid::encode_buffer();
        let tenant: &str = tenant.uuid().hyphenated().encode_lower(&mut buffer);
        Name(fingerprint(&[tenant, key, token]))
    }

    /// Whether the key's signature was found good.
    pub(super) fn knows(&self, name: &Name) -> bool {
        self.tokens.get(&name.0).is_some()
    }

    /// It was.
    pub(super) fn remember(&self, name: &Name) {
        self.tokens.insert(name.0, ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_to_its_instance_and_key_only() {
        let verified = Verified::new();
        let (one, other) = (
            TenantId::from_random_bytes([1; 16]),
            TenantId::from_random_bytes([2; 16]),
        );
        verified.remember(&Verified::name(one, "key", "token"));
        assert!(verified.knows(&Verified::name(one, "key", "token")));
        for name in [
            Verified::name(other, "key", "token"),
            Verified::name(one, "another", "token"),
            Verified::name(one, "key", "token2"),
        ] {
            assert!(!verified.knows(&name));
        }
    }
}

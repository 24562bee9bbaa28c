//! Secrets that follow from another one, so that they need not be kept anywhere.

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// The secret for one purpose that follows from a key: 64 hexadecimal digits, the same every time. Whoever learns it learns nothing of
/// the key, which has to be random and long.
pub fn derived_secret(key: &str, purpose: &str) -> Zeroizing<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(b"vestibule derived secret v1\0");
    context.update(purpose.as_bytes());
    let tag = context.sign();
    Zeroizing::new(tag.as_ref().iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_and_purpose_give_the_same_secret() {
        let secret = derived_secret("key", "move 1");
        assert_eq!(secret.len(), 64);
        assert_eq!(*secret, *derived_secret("key", "move 1"));
        assert_ne!(*secret, *derived_secret("key", "move 2"));
        assert_ne!(*secret, *derived_secret("other", "move 1"));
    }
}

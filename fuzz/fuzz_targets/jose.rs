//! Tokens, keys, key sets and proofs of possession as strangers may send them.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vestibule_crypto::{
    dpop::Proof,
    jose::{self, Algorithm, JwkSet, SigningKey, VerifyingKey},
};

/// What is verified with: a key of each algorithm.
static KEYS: LazyLock<Vec<VerifyingKey>> = LazyLock::new(|| {
    Algorithm::ALL
        .into_iter()
        .map(|algorithm| {
            let key = SigningKey::generate(algorithm, "k").unwrap();
            key.verifying_key().clone()
        })
        .collect()
});

fuzz_target!(|text: &str| {
    if let Ok(header) = jose::decode_unverified_header(text) {
        for key in KEYS.iter() {
            assert!(jose::verify(text, key, &Algorithm::ALL).is_err());
        }
        let secret = [7; 32];
        let forged = jose::verify_with_secret::<serde_json::Value>(text, &header, &secret);
        assert!(forged.is_err());
    }
    let _ = jose::decode_unverified_claims(text);
    let _ = VerifyingKey::from_rsa_pem(text);
    if let Ok(set) = JwkSet::parse(text) {
        for key in set.keys() {
            let again = VerifyingKey::from_jwk(key.jwk()).unwrap();
            assert_eq!(again.thumbprint(), key.thumbprint());
        }
    }
    // Whoever has the key may make a proof: only its form is of interest.
    let _ = Proof::read(text, &Algorithm::ALL);
});

//! Sealed password hashes: nothing but what was sealed opens, and no notation makes the reader fail.

#![no_main]

use std::sync::{LazyLock, Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use libfuzzer_sys::{arbitrary, arbitrary::Arbitrary, fuzz_target};
use sha2::{Digest as _, Sha256};
use vestibule_crypto::{
    envelope::{EnvelopeReader, ExportKey},
    password::PasswordHash,
    random::Random,
};

const SECRET: &str = "correct horse battery staple";
const SALT: [u8; 16] = [7; 16];
const HASH: &str = "{SSHA}dn9VrgdHYFcZ7zr60sFnnlvT0pYBAgMEBQYHCA==";
/// Magic and salt: another salt would cost another key.
const FIXED: usize = 20;
const CHECKSUM: usize = 8;

/// Derived once; what it derives for others is bounded by the reader.
static KEY: LazyLock<ExportKey> = LazyLock::new(|| ExportKey::derive(SECRET, SALT));
static READER: LazyLock<Mutex<EnvelopeReader>> =
    LazyLock::new(|| Mutex::new(EnvelopeReader::new(SECRET)));

/// Randomness that is none, so that a finding can be repeated.
struct Constant;

impl Random for Constant {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(3);
    }
}

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    text: &'a str,
    algorithm: Option<&'a str>,
    sealed_for: &'a str,
    opened_for: &'a str,
    edits: Vec<(u16, u8)>,
    cut: u8,
}

fuzz_target!(|input: Input<'_>| {
    if let Ok(hash) = PasswordHash::parse(input.text, input.algorithm) {
        assert_eq!(hash.as_str(), input.text);
        assert!(PasswordHash::from_storage(hash.as_str()).is_ok_and(|again| again == hash));
    }
    let mut reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(reader.open_hash(input.opened_for, input.text).is_err());

    let hash = PasswordHash::from_storage(HASH).expect("a hash");
    let sealed = KEY.seal_hash(input.sealed_for, &hash, &Constant);
    let mut bytes = STANDARD.decode(&sealed).expect("base64");
    let before = bytes.clone();
    bytes.truncate(bytes.len() - usize::from(input.cut).min(bytes.len() - FIXED));
    for (at, change) in &input.edits {
        let places = bytes.len() - FIXED;
        if places > 0 {
            bytes[FIXED + usize::from(*at) % places] ^= change;
        }
    }
    // With the checksum made good, what is left to tell is the commitment and the tag.
    let mut again = bytes.clone();
    let covered = again.len().saturating_sub(CHECKSUM).max(FIXED);
    let sum = Sha256::digest(&again[..covered]);
    again.truncate(covered);
    again.extend_from_slice(&sum[..CHECKSUM]);
    for bytes in [bytes, again] {
        let opened = reader.open_hash(input.opened_for, &STANDARD.encode(&bytes));
        if bytes == before && input.opened_for == input.sealed_for {
            assert!(opened.is_ok_and(|opened| opened == hash));
        } else {
            assert!(opened.is_err());
        }
    }
});

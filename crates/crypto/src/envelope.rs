//! The envelope in which password hashes leave an instance: sealed with a secret that the operator chooses
//! (docs/formats/hash-envelope.md).
//!
//! `VBE1` ‖ salt (16) ‖ key commitment (16) ‖ nonce (12) ‖ AES-256-GCM ciphertext and tag ‖ checksum (8), in standard base64. The
//! key is Argon2id (19 MiB, t = 2, p = 1) of the secret. The checksum tells damage from a wrong secret without the secret; the
//! commitment tells a wrong secret from damage of the ciphertext.

use std::{collections::HashMap, fmt};

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{
    compare::constant_time_eq,
    password::{PasswordHash, PasswordHashError},
    random::Random,
};

const MAGIC: &[u8; 4] = b"VBE1";
const SALT: usize = 16;
const COMMITMENT: usize = 16;
const CHECKSUM: usize = 8;
const HEAD: usize = MAGIC.len() + SALT + COMMITMENT + NONCE_LEN;
/// Longest envelope text that is read, in bytes.
const LONGEST: usize = 4096;
/// Most keys one reader derives: each costs 19 MiB and tens of milliseconds, and a salt is the file's to choose.
const MOST_KEYS: usize = 64;

/// Why an envelope did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not an envelope of this product: another vendor's ciphertext, or no ciphertext at all.
    #[error("the password hash was not sealed by this product")]
    Foreign,
    /// Undamaged, but sealed with another secret.
    #[error("the encryption secret is not the one the password hash was sealed with")]
    WrongSecret,
    /// Changed since it was made, or moved from another user.
    #[error("the sealed password hash is damaged")]
    Damaged,
    /// The file wants more keys derived than one request may cost.
    #[error("the file uses too many different salts")]
    TooManySalts,
    /// It opens, but what is in it is no password hash we verify.
    #[error(transparent)]
    Contents(#[from] PasswordHashError),
}

/// A key derived from the operator's secret and a salt. Deriving takes tens of milliseconds.
pub struct ExportKey {
    salt: [u8; SALT],
    commitment: [u8; COMMITMENT],
    aead: LessSafeKey,
}

impl fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportKey(…)")
    }
}

impl ExportKey {
    /// Derives the key.
    pub fn derive(secret: &str, salt: [u8; SALT]) -> Self {
        let mut root = Zeroizing::new([0; 32]);
        // The parameters are constants that Argon2 accepts.
        let derived = Params::new(19_456, 2, 1, Some(32)).and_then(|params| {
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
                secret.as_bytes(),
                &salt,
                &mut *root,
            )
        });
        let root = hmac::Key::new(hmac::HMAC_SHA256, &*root);
        let sealing = hmac::sign(&root, b"vestibule envelope key v1");
        let check = hmac::sign(&root, b"vestibule envelope commitment v1");
        let (Ok(()), Ok(unbound)) = (derived, UnboundKey::new(&AES_256_GCM, sealing.as_ref()))
        else {
            std::process::abort()
        };
        let mut commitment = [0; COMMITMENT];
        for (to, from) in commitment.iter_mut().zip(check.as_ref()) {
            *to = *from;
        }
        Self {
            salt,
            commitment,
            aead: LessSafeKey::new(unbound),
        }
    }

    /// Seals a hash for one user: `context` (the user's original id) must be the same when it is opened.
    pub fn seal_hash(&self, context: &str, hash: &PasswordHash, random: &dyn Random) -> String {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut body = hash.as_str().as_bytes().to_vec();
        if self
            .aead
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context.as_bytes()),
                &mut body,
            )
            .is_err()
        {
            std::process::abort();
        }
        let mut whole = Vec::with_capacity(HEAD + body.len() + CHECKSUM);
        whole.extend_from_slice(MAGIC);
        whole.extend_from_slice(&self.salt);
        whole.extend_from_slice(&self.commitment);
        whole.extend_from_slice(&nonce);
        whole.append(&mut body);
        let sum = checksum(&whole);
        whole.extend_from_slice(&sum);
        STANDARD.encode(whole)
    }

    fn open(
        &self,
        context: &str,
        nonce: &[u8],
        body: &[u8],
    ) -> Result<PasswordHash, EnvelopeError> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| EnvelopeError::Damaged)?;
        let mut body = body.to_vec();
        let plain = self
            .aead
            .open_in_place(nonce, Aad::from(context.as_bytes()), &mut body)
            .map_err(|_| EnvelopeError::Damaged)?;
        let text = std::str::from_utf8(plain).map_err(|_| EnvelopeError::Damaged)?;
        Ok(PasswordHash::from_storage(text)?)
    }
}

/// Opens the envelopes of one import.
pub struct EnvelopeReader {
    secret: Zeroizing<String>,
    keys: HashMap<[u8; SALT], ExportKey>,
}

impl fmt::Debug for EnvelopeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvelopeReader(…)")
    }
}

impl EnvelopeReader {
    /// With the operator's secret.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: Zeroizing::new(secret.to_owned()),
            keys: HashMap::new(),
        }
    }

    /// Opens one user's hash.
    pub fn open_hash(&mut self, context: &str, text: &str) -> Result<PasswordHash, EnvelopeError> {
        if text.len() > LONGEST {
            return Err(EnvelopeError::Foreign);
        }
        let whole = STANDARD.decode(text).map_err(|_| EnvelopeError::Foreign)?;
        let rest = whole
            .strip_prefix(MAGIC.as_slice())
            .ok_or(EnvelopeError::Foreign)?;
        let split = whole
            .len()
            .checked_sub(CHECKSUM)
            .ok_or(EnvelopeError::Damaged)?;
        let (covered, sum) = whole
            .split_at_checked(split)
            .ok_or(EnvelopeError::Damaged)?;
        if checksum(covered) != sum {
            return Err(EnvelopeError::Damaged);
        }
        let (salt, rest) = rest
            .split_first_chunk::<SALT>()
            .ok_or(EnvelopeError::Damaged)?;
        let (commitment, rest) = rest
            .split_first_chunk::<COMMITMENT>()
            .ok_or(EnvelopeError::Damaged)?;
        let (nonce, rest) = rest
            .split_at_checked(NONCE_LEN)
            .ok_or(EnvelopeError::Damaged)?;
        let body = rest
            .len()
            .checked_sub(CHECKSUM)
            .and_then(|length| rest.get(..length))
            .ok_or(EnvelopeError::Damaged)?;
        if !self.keys.contains_key(salt) {
            if self.keys.len() >= MOST_KEYS {
                return Err(EnvelopeError::TooManySalts);
            }
            self.keys
                .insert(*salt, ExportKey::derive(&self.secret, *salt));
        }
        let key = self.keys.get(salt).ok_or(EnvelopeError::Damaged)?;
        if !constant_time_eq(&key.commitment, commitment) {
            return Err(EnvelopeError::WrongSecret);
        }
        key.open(context, nonce, body)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut out = [0; CHECKSUM];
    for (to, from) in out.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    out
}

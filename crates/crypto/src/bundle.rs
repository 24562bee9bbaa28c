//! The cryptography of `.vbundle` files (docs/formats/bundle.md): a key from the operator's secret, a seal for each part, and
//! incremental SHA-256.
//!
//! The key is made as in [`crate::envelope`]: Argon2id of the secret and a salt gives a root key, HMAC-SHA-256 under it of a label
//! gives the sealing key, and of another label the commitment, by which a wrong secret is told from damage. AES-256-GCM by itself
//! does not bind a ciphertext to one key; the commitment does.
//!
//! **Nonces** are random, 96 bits, and travel with each part. A counter would not do: an export that goes on after a crash may seal
//! other contents as the same part of the same bundle, and AES-GCM must never see one nonce with two messages. Every bundle has a
//! fresh salt and so a key of its own, under which at most some 65,000 parts are sealed, so two nonces meet with a probability below
//! 2^-64 (NIST SP 800-38D section 8.3 allows 2^32 messages for each key with random nonces).

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, hmac,
};
use zeroize::Zeroizing;

use crate::{compare::constant_time_eq, random::Random};

/// Bytes of a salt.
pub const SALT: usize = 16;
/// Bytes of a key commitment.
pub const COMMITMENT: usize = 32;
/// Bytes by which sealing makes longer: nonce and tag.
pub const SEAL_OVERHEAD: usize = NONCE_LEN + 16;

/// What deriving a key costs: parameters of Argon2id (RFC 9106).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl KeyCost {
    /// What this version writes, and what the hash envelope has: 19 MiB, two passes, one lane.
    pub const STANDARD: Self = Self {
        memory: 19_456,
        passes: 2,
        lanes: 1,
    };

    /// Whether the parameters are ones of Argon2id, and within what a reader spends for a file that somebody else made: 256 MiB,
    /// 10 passes, 8 lanes, and memory times passes up to 1 GiB.
    pub fn check(self) -> Result<(), KeyCostError> {
        let sane = self.passes >= 1 && self.lanes >= 1 && self.memory / 8 >= self.lanes;
        if !sane {
            return Err(KeyCostError::Malformed);
        }
        let affordable = self.memory <= 262_144
            && self.passes <= 10
            && self.lanes <= 8
            && u64::from(self.memory) * u64::from(self.passes) <= 1_048_576;
        if !affordable {
            return Err(KeyCostError::TooExpensive);
        }
        Ok(())
    }
}

/// Why no key is derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyCostError {
    /// Not parameters of Argon2id.
    #[error("these are no parameters of Argon2id")]
    Malformed,
    /// More memory or time than a reader spends.
    #[error("deriving the key costs more than this program spends")]
    TooExpensive,
}

/// The tag does not verify: another key, another context, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed part does not open")]
pub struct Unopened;

/// The key of one bundle.
pub struct BundleKey {
    salt: [u8; SALT],
    cost: KeyCost,
    commitment: [u8; COMMITMENT],
    aead: LessSafeKey,
}

impl fmt::Debug for BundleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BundleKey(…)")
    }
}

impl BundleKey {
    /// A key for a new bundle, with a fresh salt. Takes tens of milliseconds and 19 MiB.
    pub fn generate(secret: &str, random: &dyn Random) -> Self {
        let mut salt = [0; SALT];
        random.fill(&mut salt);
        match Self::derive(secret, salt, KeyCost::STANDARD) {
            Ok(key) => key,
            // The standard cost is within its own bounds.
            Err(_) => std::process::abort(),
        }
    }

    /// The key of a bundle that exists. Takes the time and the memory that `cost` says.
    pub fn derive(secret: &str, salt: [u8; SALT], cost: KeyCost) -> Result<Self, KeyCostError> {
        cost.check()?;
        let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(32))
            .map_err(|_| KeyCostError::Malformed)?;
        let mut root = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(secret.as_bytes(), &salt, &mut *root)
            .map_err(|_| KeyCostError::Malformed)?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, &*root);
        let sealing = hmac::sign(&root, b"vestibule bundle key v1");
        let check = hmac::sign(&root, b"vestibule bundle commitment v1");
        // A 32-byte key is always accepted for AES-256.
        let Ok(unbound) = UnboundKey::new(&AES_256_GCM, sealing.as_ref()) else {
            std::process::abort()
        };
        Ok(Self {
            salt,
            cost,
            commitment: array(check.as_ref()),
            aead: LessSafeKey::new(unbound),
        })
    }

    /// The salt, which is no secret.
    pub fn salt(&self) -> [u8; SALT] {
        self.salt
    }

    /// What deriving it costs.
    pub fn cost(&self) -> KeyCost {
        self.cost
    }

    /// The commitment, which is no secret.
    pub fn commitment(&self) -> [u8; COMMITMENT] {
        self.commitment
    }

    /// Whether a bundle with this commitment was sealed with this key. Takes the same time either way.
    pub fn commits_to(&self, commitment: &[u8]) -> bool {
        constant_time_eq(&self.commitment, commitment)
    }

    /// Seals `plain`: nonce (12), ciphertext, tag (16). It opens only with the same key and the same context.
    pub fn seal(&self, context: &[u8], plain: &[u8], random: &dyn Random) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_OVERHEAD);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = sealed.get_mut(NONCE_LEN..).map(|body| {
            self.aead.seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                body,
            )
        });
        // Sealing fails only above 64 GiB.
        let Some(Ok(tag)) = tag else {
            std::process::abort()
        };
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`BundleKey::seal`] made.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(Unopened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unopened)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = self
            .aead
            .open_in_place(nonce, Aad::from(context), &mut body)
            .map_err(|_| Unopened)?
            .len();
        body.truncate(length);
        Ok(body)
    }
}

/// SHA-256 piece by piece (FIPS 180-4).
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Sha256 {
    /// Of nothing so far.
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Of one piece.
    pub fn of(bytes: &[u8]) -> [u8; 32] {
        array(digest::digest(&digest::SHA256, bytes).as_ref())
    }

    /// Adds a piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest.
    pub fn finish(self) -> [u8; 32] {
        array(self.0.finish().as_ref())
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha256(…)")
    }
}

fn array(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    const CHEAP: KeyCost = KeyCost {
        memory: 8,
        passes: 1,
        lanes: 1,
    };

    #[test]
    fn a_part_opens_with_its_key_and_its_context_only() {
        let random = SystemRandom::new();
        let key = BundleKey::derive("secret", [1; SALT], CHEAP).unwrap();
        for plain in [&b""[..], b"x", &[7; 100_000]] {
            let sealed = key.seal(b"part 1", plain, &random);
            assert_eq!(sealed.len(), plain.len() + SEAL_OVERHEAD);
            assert_eq!(key.open(b"part 1", &sealed).unwrap().as_slice(), plain);
            assert_eq!(key.open(b"part 2", &sealed), Err(Unopened));
            for at in [0, NONCE_LEN, sealed.len() - 1] {
                let mut damaged = sealed.clone();
                damaged[at] ^= 1;
                assert_eq!(key.open(b"part 1", &damaged), Err(Unopened));
            }
            for length in [0, NONCE_LEN, sealed.len() - 1] {
                assert_eq!(key.open(b"part 1", &sealed[..length]), Err(Unopened));
            }
        }
    }

    #[test]
    fn secret_salt_and_cost_all_make_another_key() {
        let key = BundleKey::derive("secret", [1; SALT], CHEAP).unwrap();
        let same = BundleKey::derive("secret", [1; SALT], CHEAP).unwrap();
        assert!(same.commits_to(&key.commitment()));
        let dearer = KeyCost { passes: 2, ..CHEAP };
        for (secret, salt, cost) in [
            ("Secret", 1, CHEAP),
            ("secret", 2, CHEAP),
            ("secret", 1, dearer),
        ] {
            let other = BundleKey::derive(secret, [salt; SALT], cost).unwrap();
            assert!(!other.commits_to(&key.commitment()));
            let sealed = key.seal(b"", b"plain", &SystemRandom::new());
            assert_eq!(other.open(b"", &sealed), Err(Unopened));
        }
        assert!(!key.commits_to(&[]));
    }

    #[test]
    fn costs_have_bounds() {
        let cost = |memory, passes, lanes| KeyCost {
            memory,
            passes,
            lanes,
        };
        assert_eq!(KeyCost::STANDARD.check(), Ok(()));
        assert_eq!(cost(262_144, 4, 8).check(), Ok(()));
        for bad in [cost(7, 1, 1), cost(15, 1, 2), cost(8, 0, 1), cost(8, 1, 0)] {
            assert_eq!(bad.check(), Err(KeyCostError::Malformed));
        }
        for dear in [
            cost(262_145, 1, 1),
            cost(8, 11, 1),
            cost(4096, 1, 9),
            cost(262_144, 5, 1),
            cost(u32::MAX, u32::MAX, u32::MAX / 8),
        ] {
            assert_eq!(dear.check(), Err(KeyCostError::TooExpensive));
        }
    }

    #[test]
    fn sha_256_of_pieces_is_that_of_the_whole() {
        let mut pieces = Sha256::new();
        pieces.update(b"a");
        pieces.update(b"bc");
        assert_eq!(pieces.finish(), Sha256::of(b"abc"));
        assert_eq!(Sha256::of(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}

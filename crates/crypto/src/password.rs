//! Password hashes: Argon2id for our own, and the common notations of others, which are verified as they are until the next
//! sign-in replaces them. Parameters of imported hashes are bounded, so that a hostile import buys neither memory nor minutes.

mod notation;
mod pool;

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use notation::Parsed;
pub use notation::PasswordHashError;
pub use pool::{Busy, HasherPool};

use crate::{compare::constant_time_eq, random::Random};

/// Longest password that is ever hashed, in bytes. A longer one never matches.
pub const LONGEST_PASSWORD: usize = 1024;

/// Memory of our own Argon2id hashes in KiB (19 MiB, OWASP's first choice), with two passes and one lane.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;

/// A hash in a notation that this program verifies. It neither prints nor serializes.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    parsed: Parsed,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({})", self.algorithm_name())
    }
}

impl PasswordHash {
    /// Reads a hash. `algorithm` is the exporter's name for it, which must fit if it is one we know.
    pub fn parse(text: &str, algorithm: Option<&str>) -> Result<Self, PasswordHashError> {
        let parsed = Parsed::read(text)?;
        let hash = Self {
            text: text.to_owned(),
            parsed,
        };
        match algorithm {
            Some(name) if !notation::fits(name, hash.algorithm_name()) => {
                Err(PasswordHashError::Contradiction)
            }
            _ => Ok(hash),
        }
    }

    /// Reads what [`PasswordHash::as_str`] gave to storage.
    pub fn from_storage(text: &str) -> Result<Self, PasswordHashError> {
        Self::parse(text, None)
    }

    /// For storage and sealing.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name for exports.
    pub fn algorithm_name(&self) -> &'static str {
        self.parsed.name()
    }

    /// Hashes a password with our own parameters. Takes tens of milliseconds and 19 MiB: call it through [`HasherPool`].
    pub fn create(password: &str, random: &dyn Random) -> Self {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        Self::with_salt(password, &salt, &mut Vec::new())
    }

    fn with_salt(password: &str, salt: &[u8; 16], memory: &mut Vec<Block>) -> Self {
        let mut out = [0; 32];
        argon2(
            &Parsed::argon2id(MEMORY, PASSES, 1, salt.to_vec(), vec![0; 32]),
            password.as_bytes(),
            &mut out,
            memory,
        );
        let text = format!(
            "$argon2id$v=19$m={MEMORY},t={PASSES},p=1${}${}",
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(out)
        );
        Self {
            parsed: Parsed::argon2id(MEMORY, PASSES, 1, salt.to_vec(), out.to_vec()),
            text,
        }
    }

    /// Whether the password is the one that was hashed. Costs what its parameters say: call it through [`HasherPool`].
    pub fn verify(&self, password: &str) -> bool {
        self.verify_with(password, &mut Vec::new())
    }

    fn verify_with(&self, password: &str, memory: &mut Vec<Block>) -> bool {
        if password.len() > LONGEST_PASSWORD {
            return false;
        }
        match &self.parsed {
            Parsed::Argon2 { hash, .. } => {
                let mut out = vec![0; hash.len()];
                argon2(&self.parsed, password.as_bytes(), &mut out, memory)
                    && constant_time_eq(&out, hash)
            }
            Parsed::Bcrypt if self.text.starts_with("$2x$") => {
                bcrypt::verify(sign_extended(password), &self.text).unwrap_or(false)
            }
            Parsed::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
            other => other
                .compute(password.as_bytes())
                .is_some_and(|out| constant_time_eq(&out, other.expected())),
        }
    }

    /// Whether it is not what we would make today.
    pub fn needs_rehash(&self) -> bool {
        !matches!(&self.parsed, Parsed::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, memory: MEMORY, passes: PASSES, lanes: 1, hash, .. } if hash.len() == 32)
    }
}

/// The key of `$2x$`, for all of the 72 bytes that bcrypt looks at: whoever made such hashes took bytes for signed numbers, so that those
/// beyond ASCII run into those before them (CVE-2011-2483).
fn sign_extended(password: &str) -> [u8; 72] {
    let mut bytes = password.bytes().chain([0]).cycle();
    let mut key = [0; 72];
    for word in key.chunks_exact_mut(4) {
        let value = bytes.by_ref().take(4).fold(0_u32, |value, byte| {
            value << 8 | i32::from(byte.cast_signed()).cast_unsigned()
        });
        word.copy_from_slice(&value.to_be_bytes());
    }
    key
}

/// Computes Argon2 into `out`, reusing `memory`. False when the parameters do not hold together.
fn argon2(parsed: &Parsed, password: &[u8], out: &mut [u8], memory: &mut Vec<Block>) -> bool {
    let Parsed::Argon2 {
        algorithm,
        version,
        memory: kibibytes,
        passes,
        lanes,
        salt,
        ..
    } = parsed
    else {
        return false;
    };
    let Ok(params) = Params::new(*kibibytes, *passes, *lanes, Some(out.len())) else {
        return false;
    };
    let blocks = params.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    let Some(memory) = memory.get_mut(..blocks) else {
        return false;
    };
    Argon2::new(*algorithm, *version, params)
        .hash_password_into_with_memory(password, salt, out, memory)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_signed_bytes_are_verified_as_they_were_made() {
        // By crypt(3) of libxcrypt.
        const SALT: &str = "$2x$05$CCCCCCCCCCCCCCCCCCCCC.";
        let long = "ÿ".repeat(36) + "x";
        for (password, hash) in [
            ("Pässwörd-1 ☃", "G.9Q3pWOPsUtUb5H7fTgpNqeuAcfz4m"),
            ("plain password", "mbJ7ICTEnfxCTMLgohEoGnKbm.9SOnO"),
            ("é", "7aaX2qAyp3uavKvMROG1IMrXnHC6yBO"),
            (long.as_str(), "56RNrMt3oBE3dzvduCcOZpjMaXyr76m"),
            (&"äöü".repeat(15), "tAzm3lFxgF57sUXQkJ0Mu4B/6oB9h52"),
        ] {
            let hash = PasswordHash::from_storage(&format!("{SALT}{hash}")).unwrap();
            assert!(hash.verify(password), "{password}");
            assert!(!hash.verify("another password"), "{password}");
        }
        let right = "$2b$05$CCCCCCCCCCCCCCCCCCCCC..ib1O3wk4j4hrY3ckS9wFGfxP9.Q4TG";
        assert!(
            PasswordHash::from_storage(right)
                .unwrap()
                .verify("Pässwörd-1 ☃")
        );
    }
}

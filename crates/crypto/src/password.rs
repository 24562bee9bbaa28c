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

//! Notations of password hashes.

use std::num::NonZeroU32;

use argon2::{Algorithm, Version};
use aws_lc_rs::{
    digest,
    pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512},
};
use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longest notation that is read, in bytes.
const LONGEST: usize = 1024;

/// Why a hash was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashError {
    /// A notation or algorithm this program does not verify.
    #[error("the password hash is in no notation that this service verifies")]
    Unsupported,
    /// A notation beside the name of another algorithm.
    #[error(
        "the notation of the password hash and the algorithm named with it contradict one another"
    )]
    Contradiction,
    /// A known notation, wrongly written.
    #[error("the password hash is malformed")]
    Malformed,
    /// Parameters that would cost too much memory or time to verify.
    #[error("the password hash has parameters that are too expensive to verify")]
    TooExpensive,
}

use PasswordHashError::{Malformed, TooExpensive, Unsupported};

/// A hash, read.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Parsed {
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        memory: u32,
        passes: u32,
        lanes: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Bcrypt,
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Pbkdf2 {
        sha: Sha,
        iterations: NonZeroU32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Salted {
        sha: Sha,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sha {
    One,
    Two256,
    Two512,
}

impl Sha {
    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::One => PBKDF2_HMAC_SHA1,
            Self::Two256 => PBKDF2_HMAC_SHA256,
            Self::Two512 => PBKDF2_HMAC_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::One => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Two256 => &digest::SHA256,
            Self::Two512 => &digest::SHA512,
        }
    }

    fn length(self) -> usize {
        self.digest().output_len()
    }
}

impl Parsed {
    pub(super) fn argon2id(
        memory: u32,
        passes: u32,
        lanes: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    ) -> Self {
        Self::Argon2 {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            memory,
            passes,
            lanes,
            salt,
            hash,
        }
    }

    pub(super) fn read(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > LONGEST || !text.is_ascii() {
            return Err(Malformed);
        }
        if let Some(rest) = text.strip_prefix('{') {
            return ldap(rest);
        }
        if let Some(rest) = text.strip_prefix("pbkdf2_") {
            return django(rest);
        }
        let Some(rest) = text.strip_prefix('$') else {
            return Err(Unsupported);
        };
        let (scheme, rest) = rest.split_once('$').ok_or(Malformed)?;
        match scheme {
            "argon2id" => argon2(Algorithm::Argon2id, rest),
            "argon2i" => argon2(Algorithm::Argon2i, rest),
            "argon2d" => argon2(Algorithm::Argon2d, rest),
            "2a" | "2b" | "2x" | "2y" => bcrypt(text, rest),
            "scrypt" => scrypt(rest),
            "pbkdf2" | "pbkdf2-sha1" => pbkdf2(Sha::One, rest),
            "pbkdf2-sha256" => pbkdf2(Sha::Two256, rest),
            "pbkdf2-sha512" => pbkdf2(Sha::Two512, rest),
            _ => Err(Unsupported),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Argon2 { algorithm, .. } => match algorithm {
                Algorithm::Argon2d => "Argon2d",
                Algorithm::Argon2i => "Argon2i",
                Algorithm::Argon2id => "Argon2id",
            },
            Self::Bcrypt => "BCRYPT",
            Self::Scrypt { .. } => "SCRYPT",
            Self::Pbkdf2 { sha, .. } => match sha {
                Sha::One => "PBKDF2WithHmacSHA1",
                Sha::Two256 => "PBKDF2WithHmacSHA256",
                Sha::Two512 => "PBKDF2WithHmacSHA512",
            },
            Self::Salted { sha, .. } => match sha {
                Sha::One => "SSHA",
                Sha::Two256 => "SSHA256",
                Sha::Two512 => "SSHA512",
            },
        }
    }

    /// What must come out; for the kinds that [`Parsed::compute`] computes.
    pub(super) fn expected(&self) -> &[u8] {
        match self {
            Self::Argon2 { hash, .. }
            | Self::Scrypt { hash, .. }
            | Self::Pbkdf2 { hash, .. }
            | Self::Salted { hash, .. } => hash,
            Self::Bcrypt => &[],
        }
    }

    /// Computes scrypt, PBKDF2 and salted digests.
    pub(super) fn compute(&self, password: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Scrypt {
                log_n,
                r,
                p,
                salt,
                hash,
            } => {
                let params = scrypt::Params::new(*log_n, *r, *p).ok()?;
                let mut out = vec![0; hash.len()];
                scrypt::scrypt(password, salt, &params, &mut out).ok()?;
                Some(out)
            }
            Self::Pbkdf2 {
                sha,
                iterations,
                salt,
                hash,
            } => {
                let mut out = vec![0; hash.len()];
                pbkdf2::derive(sha.pbkdf2(), *iterations, salt, password, &mut out);
                Some(out)
            }
            Self::Salted { sha, salt, .. } => {
                let mut context = digest::Context::new(sha.digest());
                context.update(password);
                context.update(salt);
                Some(context.finish().as_ref().to_vec())
            }
            Self::Argon2 { .. } | Self::Bcrypt => None,
        }
    }
}

/// Whether an exporter's algorithm name may stand beside a hash of ours named `ours`. Names we do not know say nothing.
pub(super) fn fits(theirs: &str, ours: &str) -> bool {
    let fold = |name: &str| -> String {
        name.to_lowercase()
            .replace("withhmac", "")
            .replace("hmac", "")
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect()
    };
    let known = ["argon2", "bcrypt", "scrypt", "pbkdf2", "ssha"];
    let (theirs, ours) = (fold(theirs), fold(ours));
    match known.iter().find(|family| theirs.starts_with(**family)) {
        None => true,
        Some(family) => {
            ours.starts_with(family) && (theirs == *family || theirs == ours || *family == "bcrypt")
        }
    }
}

fn argon2(algorithm: Algorithm, rest: &str) -> Result<Parsed, PasswordHashError> {
    let fields: Vec<&str> = rest.split('$').collect();
    let (version, parameters, salt, hash) = match fields.as_slice() {
        [version, parameters, salt, hash] => (*version, *parameters, *salt, *hash),
        [parameters, salt, hash] => ("v=16", *parameters, *salt, *hash),
        _ => return Err(Malformed),
    };
    let version = match version {
        "v=19" => Version::V0x13,
        "v=16" => Version::V0x10,
        _ => return Err(Unsupported),
    };
    let (memory, passes, lanes) = (
        number(parameters, "m")?,
        number(parameters, "t")?,
        number(parameters, "p")?,
    );
    let (salt, hash) = (bytes(salt, 8..=64)?, bytes(hash, 16..=128)?);
    if memory > 262_144
        || passes > 10
        || lanes > 8
        || u64::from(memory) * u64::from(passes) > 1_048_576
    {
        return Err(TooExpensive);
    }
    if passes == 0 || lanes == 0 || memory < 8 * lanes {
        return Err(Malformed);
    }
    Ok(Parsed::Argon2 {
        algorithm,
        version,
        memory,
        passes,
        lanes,
        salt,
        hash,
    })
}

fn bcrypt(text: &str, rest: &str) -> Result<Parsed, PasswordHashError> {
    let (cost, body) = rest.split_once('$').ok_or(Malformed)?;
    let cost: u32 = cost.parse().map_err(|_| Malformed)?;
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'/';
    if text.len() != 60 || body.len() != 53 || !body.bytes().all(alphabet) || cost < 4 {
        return Err(Malformed);
    }
    if cost > 14 {
        return Err(TooExpensive);
    }
    Ok(Parsed::Bcrypt)
}

fn scrypt(rest: &str) -> Result<Parsed, PasswordHashError> {
    let [parameters, salt, hash] = three(rest)?;
    let (log_n, r, p) = (
        number(parameters, "ln")?,
        number(parameters, "r")?,
        number(parameters, "p")?,
    );
    let (salt, hash) = (bytes(salt, 1..=64)?, bytes(hash, 16..=64)?);
    if log_n > 17 || r > 16 || p > 4 {
        return Err(TooExpensive);
    }
    let log_n = u8::try_from(log_n).map_err(|_| Malformed)?;
    if log_n == 0 || r == 0 || p == 0 {
        return Err(Malformed);
    }
    Ok(Parsed::Scrypt {
        log_n,
        r,
        p,
        salt,
        hash,
    })
}

/// PHC (`i=25000$salt$hash`) and passlib (`25000$salt$hash`, with `.` for `+`).
fn pbkdf2(sha: Sha, rest: &str) -> Result<Parsed, PasswordHashError> {
    let [parameters, salt, hash] = three(rest)?;
    let iterations = match parameters.parse() {
        Ok(iterations) => iterations,
        Err(_) => number(parameters, "i")?,
    };
    pbkdf2_of(
        sha,
        iterations,
        bytes(salt, 1..=128)?,
        bytes(hash, 16..=128)?,
    )
}

/// Django: `sha256$iterations$salt$hash` after `pbkdf2_`; the salt is text, not base64.
fn django(rest: &str) -> Result<Parsed, PasswordHashError> {
    let (sha, rest) = rest.split_once('$').ok_or(Malformed)?;
    let sha = match sha {
        "sha1" => Sha::One,
        "sha256" => Sha::Two256,
        "sha512" => Sha::Two512,
        _ => return Err(Unsupported),
    };
    let [iterations, salt, hash] = three(rest)?;
    let iterations = iterations.parse().map_err(|_| Malformed)?;
    pbkdf2_of(
        sha,
        iterations,
        salt.as_bytes().to_vec(),
        bytes(hash, 16..=128)?,
    )
}

fn pbkdf2_of(
    sha: Sha,
    iterations: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
) -> Result<Parsed, PasswordHashError> {
    if iterations > 2_000_000 {
        return Err(TooExpensive);
    }
    Ok(Parsed::Pbkdf2 {
        sha,
        iterations: NonZeroU32::new(iterations).ok_or(Malformed)?,
        salt,
        hash,
    })
}

/// LDAP: `{SSHA}`, `{SSHA256}`, `{SSHA512}` hold base64(digest ‖ salt); `{PBKDF2-SHA512}` is passlib's body. Unsalted digests are
/// refused: they protect nobody.
fn ldap(rest: &str) -> Result<Parsed, PasswordHashError> {
    let (scheme, body) = rest.split_once('}').ok_or(Malformed)?;
    let sha = match scheme.to_ascii_uppercase().as_str() {
        "SSHA" => Sha::One,
        "SSHA256" => Sha::Two256,
        "SSHA512" => Sha::Two512,
        "PBKDF2" | "PBKDF2-SHA1" => return pbkdf2(Sha::One, body),
        "PBKDF2-SHA256" | "PBKDF2_SHA256" => return pbkdf2(Sha::Two256, body),
        "PBKDF2-SHA512" | "PBKDF2_SHA512" => return pbkdf2(Sha::Two512, body),
        "CRYPT" => return Parsed::read(body),
        _ => return Err(Unsupported),
    };
    let whole = STANDARD.decode(body).map_err(|_| Malformed)?;
    match whole.split_at_checked(sha.length()) {
        Some((hash, salt)) if (4..=64).contains(&salt.len()) => Ok(Parsed::Salted {
            sha,
            salt: salt.to_vec(),
            hash: hash.to_vec(),
        }),
        _ => Err(Malformed),
    }
}

fn three(rest: &str) -> Result<[&str; 3], PasswordHashError> {
    let fields: Vec<&str> = rest.split('$').collect();
    fields.try_into().map_err(|_| Malformed)
}

fn number(parameters: &str, name: &str) -> Result<u32, PasswordHashError> {
    parameters
        .split(',')
        .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        .and_then(|value| value.parse().ok())
        .ok_or(Malformed)
}

fn bytes(
    text: &str,
    length: std::ops::RangeInclusive<usize>,
) -> Result<Vec<u8>, PasswordHashError> {
    let bytes = LENIENT
        .decode(text.replace('.', "+"))
        .map_err(|_| Malformed)?;
    if length.contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(Malformed)
    }
}

//! Sealing of secrets at rest with the master key: AES-256-GCM, a version byte first, bound to a context.

use std::{fmt, fs, io, io::Write, path::Path};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use zeroize::Zeroizing;

use crate::random::Random;

const VERSION: u8 = 1;

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Another key, another context, or damage: which one cannot be told.
    #[error("a sealed value does not open with this master key")]
    Refused,
    /// The key file cannot be used.
    #[error("the master key file: {0}")]
    File(#[from] io::Error),
    /// The key file does not hold 32 bytes.
    #[error("the master key file does not hold a key of 32 bytes in hexadecimal")]
    Malformed,
}

/// The key that everything at rest is sealed with.
pub struct MasterKey {
    aead: LessSafeKey,
    derive: hmac::Key,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    /// From 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let root = hmac::Key::new(hmac::HMAC_SHA256, &*bytes);
        let sealing = hmac::sign(&root, b"vestibule sealing v1");
        // A 32-byte key is always accepted for AES-256.
        let Ok(unbound) = UnboundKey::new(&AES_256_GCM, sealing.as_ref()) else {
            std::process::abort()
        };
        Self {
            aead: LessSafeKey::new(unbound),
            derive: hmac::Key::new(
                hmac::HMAC_SHA256,
                hmac::sign(&root, b"vestibule derivation v1").as_ref(),
            ),
        }
    }

    /// Reads the key file, or makes it (mode 0600) when there is none.
    pub fn load_or_create(path: &Path, random: &dyn Random) -> Result<Self, SealError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::from_bytes(*from_hex(Zeroizing::new(text).trim())?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = Zeroizing::new([0; 32]);
                random.fill(&mut *bytes);
                create(path, &bytes)?;
                Ok(Self::from_bytes(*bytes))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Seals `plain`; it opens only with the same key and the same context.
    pub fn seal(&self, context: &[u8], plain: &[u8], random: &dyn Random) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut body = plain.to_vec();
        // Sealing fails only above 64 GiB.
        if self
            .aead
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut body,
            )
            .is_err()
        {
            std::process::abort();
        }
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut body);
        sealed
    }

    /// Opens what [`MasterKey::seal`] made.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (version, rest) = sealed.split_first().ok_or(SealError::Refused)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Refused)?;
        if *version != VERSION {
            return Err(SealError::Refused);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Refused)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = self
            .aead
            .open_in_place(nonce, Aad::from(context), &mut body)
            .map_err(|_| SealError::Refused)?
            .len();
        body.truncate(length);
        Ok(body)
    }

    /// A keyed digest of `data` under a label: for salts and tags that must be the same every time.
    pub fn derive(&self, label: &str, data: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.derive);
        context.update(&(label.len() as u64).to_be_bytes());
        context.update(label.as_bytes());
        context.update(data);
        let tag = context.sign();
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        out
    }
}

fn create(path: &Path, bytes: &[u8; 32]) -> Result<(), SealError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let text: Zeroizing<String> =
        Zeroizing::new(bytes.iter().map(|b| format!("{b:02x}")).collect());
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    Ok(())
}

fn from_hex(text: &str) -> Result<Zeroizing<[u8; 32]>, SealError> {
    if text.len() != 64 || !text.is_ascii() {
        return Err(SealError::Malformed);
    }
    let mut out = Zeroizing::new([0; 32]);
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = text
            .get(2 * i..2 * i + 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or(SealError::Malformed)?;
    }
    Ok(out)
}

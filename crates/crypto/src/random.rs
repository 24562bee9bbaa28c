//! Randomness as an argument.

use aws_lc_rs::rand::{SecureRandom, SystemRandom as Source};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Where randomness comes from. The program has the system's; tests seed theirs.
pub trait Random: Send + Sync {
    /// Fills the slice with random bytes.
    fn fill(&self, out: &mut [u8]);
}

/// The operating system's generator through aws-lc.
pub struct SystemRandom {
    source: Source,
}

impl SystemRandom {
    /// Opens it.
    pub fn new() -> Self {
        Self {
            source: Source::new(),
        }
    }
}

impl Default for SystemRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) {
        // aws-lc's generator has no failure short of a broken machine; going on without randomness would be worse than stopping.
        if self.source.fill(out).is_err() {
            std::process::abort();
        }
    }
}

/// `bytes` random bytes as unpadded base64url text.
pub fn token(random: &dyn Random, bytes: usize) -> String {
    let mut buffer = zeroize::Zeroizing::new(vec![0; bytes]);
    random.fill(&mut buffer);
    URL_SAFE_NO_PAD.encode(&*buffer)
}

/// A generator that always makes the same sequence from a seed: for tests.
#[cfg(feature = "testing")]
pub struct SeededRandom {
    counter: std::sync::atomic::AtomicU64,
    seed: u64,
}

#[cfg(feature = "testing")]
impl SeededRandom {
    /// Starts a sequence.
    pub fn new(seed: u64) -> Self {
        Self {
            counter: std::sync::atomic::AtomicU64::new(0),
            seed,
        }
    }
}

#[cfg(feature = "testing")]
impl Random for SeededRandom {
    fn fill(&self, out: &mut [u8]) {
        use aws_lc_rs::digest::{SHA256, digest};
        for chunk in out.chunks_mut(32) {
            let n = self
                .counter
                .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut input = [0; 16];
            for (to, from) in input
                .iter_mut()
                .zip(self.seed.to_le_bytes().into_iter().chain(n.to_le_bytes()))
            {
                *to = from;
            }
            for (to, from) in chunk.iter_mut().zip(digest(&SHA256, &input).as_ref()) {
                *to = *from;
            }
        }
    }
}

//! What the hardware can do with the same libraries and nothing around them, on all cores.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

/// RS256 signatures of a token-sized text a second, on all cores.
pub fn rs256_signatures(time: Duration) -> Result<f64> {
    let key = Arc::new(
        RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("cannot make an RSA key"))?,
    );
    rate(time, move || {
        let key = Arc::clone(&key);
        let random = SystemRandom::new();
        let text = vec![b'x'; 700];
        let mut signature = vec![0; key.public_modulus_len()];
        move || {
            key.sign(&RSA_PKCS1_SHA256, &random, &text, &mut signature)
                .map_err(|_| anyhow!("cannot sign"))
        }
    })
}

/// Argon2id hashes a second with the parameters the product stores passwords with, on all cores.
pub fn argon2_hashes(time: Duration) -> Result<f64> {
    rate(time, || {
        let mut memory = vec![Block::new(); 19_456];
        move || {
            let params = Params::new(19_456, 2, 1, Some(32)).map_err(|error| anyhow!("{error}"))?;
            let mut out = [0; 32];
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into_with_memory(
                    b"correct horse",
                    b"0123456789abcdef",
                    &mut out,
                    &mut memory,
                )
                .map_err(|error| anyhow!("{error}"))
        }
    })
}

/// An Argon2id hash of a password in PHC notation, with the product's parameters: what an import of users brings.
pub fn argon2_phc(password: &str) -> Result<String> {
    let params = Params::new(19_456, 2, 1, Some(32)).map_err(|error| anyhow!("{error}"))?;
    let (salt, mut out) = (b"0123456789abcdef", [0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut out)
        .map_err(|error| anyhow!("{error}"))?;
    Ok(format!(
        "$argon2id$v=19$m=19456,t=2,p=1${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(out)
    ))
}

/// Runs one worker a core for `time`, answers how often their work was done a second.
fn rate<W>(time: Duration, worker: impl Fn() -> W) -> Result<f64>
where
    W: FnMut() -> Result<()> + Send + 'static,
{
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let threads: Vec<_> = (0..crate::cores())
        .map(|_| {
            let (mut work, done) = (worker(), Arc::clone(&done));
            thread::spawn(move || -> Result<()> {
                while start.elapsed() < time {
                    work()?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        })
        .collect();
    for thread in threads {
        thread
            .join()
            .map_err(|_| anyhow!("a worker panicked"))
            .context("bound")??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64())
}

//! Generated people of about 1 KB: addresses in no order, attributes, roles, and a password that was hashed elsewhere.

use std::io::Write;

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

/// Roles that the people have, two each.
pub const ROLES: [&str; 5] = ["reader", "writer", "adult", "beta", "staff"];

/// Numbers that look random and are the same in every run (splitmix64).
pub struct Numbers(u64);

impl Numbers {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Writes people `from..to` as NDJSON of directory records.
pub fn write(out: &mut impl Write, from: u64, to: u64) -> Result<()> {
    for number in from..to {
        person(out, number).context("cannot write people")?;
    }
    Ok(())
}

fn person(out: &mut impl Write, number: u64) -> std::io::Result<()> {
    let mut numbers = Numbers::new(number.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let (a, b) = (numbers.next(), numbers.next());
    let mut secret = [0_u8; 48];
    for bytes in secret.chunks_exact_mut(8) {
        bytes.copy_from_slice(&numbers.next().to_le_bytes());
    }
    let (salt, hash) = secret.split_at(16);
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    let country = ["DE", "FR", "US", "JP"]
        .get((a % 4) as usize)
        .copied()
        .unwrap_or("DE");
    let roles = (
        ROLES.get((a % 5) as usize).copied().unwrap_or("reader"),
        ROLES
            .get(((a + 1 + b % 4) % 5) as usize)
            .copied()
            .unwrap_or("writer"),
    );
    writeln!(
        out,
        concat!(
            "{{\"scimUser\":{{\"originalId\":\"{a:016x}-{number:x}\",\"displayName\":\"Person {b:x}\",",
            "\"name\":{{\"givenName\":\"Given{b:x}\",\"familyName\":\"Family{a:x}\"}},",
            "\"emails\":[{{\"value\":\"p{a:016x}@mail{b3}.example.org\",\"primary\":true}}],",
            "\"phoneNumbers\":[{{\"value\":\"+49 30 {b2}\",\"type\":\"work\"}}],\"locale\":\"de\",",
            "\"active\":true,\"status\":\"CONFIRMED\",",
            "\"meta\":{{\"created\":\"2024-03-0{day}T10:11:12.345Z\",\"lastModified\":\"2025-05-0{day}T10:11:12.345Z\"}}}},",
            "\"passwordHash\":\"$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}\",\"passwordHashAlg\":\"Argon2id\",",
            "\"profile\":{{\"attributes\":{{\"country\":\"{country}\",\"points\":{b2},\"tags\":[\"t{b3}\",\"t{day}\"],",
            "\"note\":\"{note}\",\"ratio\":{b3}.25}}}},\"roles\":[\"{role1}\",\"{role2}\"]}}"
        ),
        a = a,
        b = b,
        number = number,
        b2 = b % 10_000_000,
        b3 = b % 97,
        day = 1 + a % 9,
        salt = salt,
        hash = hash,
        country = country,
        note = "lorem ipsum dolor sit amet consectetur "
            .repeat(5)
            .trim_end(),
        role1 = roles.0,
        role2 = roles.1,
    )
}

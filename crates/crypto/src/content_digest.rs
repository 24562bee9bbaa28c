//! A digest of a multiset of records that does not depend on their order.
//!
//! The sum modulo 2^256 of SHA-256 over each record's canonical bytes. Source and target of a move list people in different orders,
//! a move may be divided, and both sides count while records stream by; a sum is the digest that allows all three.
//!
//! **What it proves.** Equal digests, with equal counts of records, mean that nothing was lost, doubled or changed by accident: a
//! fault would have to hit one value in 2^256. It is no proof against someone who chooses the records: sums of hashes can be made to
//! collide with far less work than hashes themselves (generalised birthday problem). Against an adversary a seal or a signature
//! protects, never this.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{SHA256, digest};

/// The order-independent digest of the records added so far: 32 bytes, whatever their number. [`ContentDigest::EMPTY`] is of none.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ContentDigest {
    /// The sum, least significant limb first.
    limbs: [u64; 4],
}

/// A text that is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a content digest is 64 hexadecimal digits")]
pub struct MalformedDigest;

impl ContentDigest {
    /// The digest of no records.
    pub const EMPTY: Self = Self { limbs: [0; 4] };

    /// Adds a record by its canonical bytes. A record added twice counts twice.
    pub fn add_record(&mut self, canonical: &[u8]) {
        let hash = digest(&SHA256, canonical);
        let mut limbs = [0; 4];
        // The hash is read as one big-endian number.
        for (limb, bytes) in limbs.iter_mut().rev().zip(hash.as_ref().chunks_exact(8)) {
            *limb = bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        }
        self.combine(&Self { limbs });
    }

    /// Adds another digest: the digest of both multisets together.
    pub fn combine(&mut self, other: &Self) {
        let mut carry = false;
        for (limb, more) in self.limbs.iter_mut().zip(other.limbs) {
            let (sum, first) = limb.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = first || second;
        }
    }

    /// Reads 64 hexadecimal digits in either case.
    pub fn parse(text: &str) -> Result<Self, MalformedDigest> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(MalformedDigest);
        }
        let mut limbs = [0; 4];
        for (at, limb) in limbs.iter_mut().rev().enumerate() {
            *limb = text
                .get(16 * at..16 * at + 16)
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .ok_or(MalformedDigest)?;
        }
        Ok(Self { limbs })
    }
}

impl fmt::Display for ContentDigest {
    /// 64 lower-case hexadecimal digits, most significant first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.limbs;
        write!(f, "{d:016x}{c:016x}{b:016x}{a:016x}")
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentDigest({self})")
    }
}

impl FromStr for ContentDigest {
    type Err = MalformedDigest;

    fn from_str(text: &str) -> Result<Self, MalformedDigest> {
        Self::parse(text)
    }
}

impl serde::Serialize for ContentDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ContentDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(records: &[&str]) -> ContentDigest {
        let mut digest = ContentDigest::EMPTY;
        for record in records {
            digest.add_record(record.as_bytes());
        }
        digest
    }

    #[test]
    fn one_record_is_its_sha_256() {
        assert_eq!(
            of(&["abc"]).to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(ContentDigest::EMPTY.to_string(), "0".repeat(64));
    }

    #[test]
    fn order_and_division_do_not_matter_but_number_does() {
        let whole = of(&["a", "b", "c", "c"]);
        assert_eq!(whole, of(&["c", "a", "c", "b"]));
        let mut sum = of(&["c", "b"]);
        sum.combine(&of(&["a", "c"]));
        assert_eq!(whole, sum);
        for other in [
            of(&["a", "b", "c"]),
            of(&["a", "b", "c", "c", "c"]),
            of(&["a", "b", "c", "d"]),
        ] {
            assert_ne!(whole, other);
        }
    }

    #[test]
    fn the_sum_carries_and_wraps() {
        let most = ContentDigest::parse(&"f".repeat(64)).unwrap();
        let one = ContentDigest::parse(&format!("{:064x}", 1)).unwrap();
        let mut sum = most;
        sum.combine(&one);
        assert_eq!(sum, ContentDigest::EMPTY);
        sum.combine(&most);
        sum.combine(&most);
        assert_eq!(sum.to_string(), format!("{}e", "f".repeat(63)));
        let mut low = ContentDigest::parse(&format!("{:064x}", u64::MAX)).unwrap();
        low.combine(&one);
        assert_eq!(low.to_string(), format!("{:064x}", 1_u128 << 64));
    }

    #[test]
    fn text_round_trips() {
        let digest = of(&["a", "b"]);
        assert_eq!(ContentDigest::parse(&digest.to_string()), Ok(digest));
        assert_eq!(
            digest.to_string().to_uppercase().parse::<ContentDigest>(),
            Ok(digest)
        );
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(
            serde_json::from_str::<ContentDigest>(&json).unwrap(),
            digest
        );
        for bad in [
            "",
            "0",
            &"g".repeat(64),
            &"0".repeat(63),
            &"0".repeat(65),
            &format!("+{}", "0".repeat(63)),
            &"é".repeat(32),
        ] {
            assert_eq!(ContentDigest::parse(bad), Err(MalformedDigest), "{bad}");
        }
    }
}

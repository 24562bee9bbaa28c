//! The plain header: what a reader needs before it has a key.

use serde::{Deserialize, Serialize};
use vestibule_crypto::bundle::{BundleKey, COMMITMENT, KeyCost, KeyCostError, SALT, Sha256};
use vestibule_model::time::Timestamp;

use crate::{
    VERSION,
    error::{BundleError, Place},
    hex::Hex,
    manifest::BundleId,
};

/// `format` of every bundle.
pub const FORMAT: &str = "vestibule-bundle";
/// What stands between the checksum and what it covers, and behind it.
const BEFORE: &str = ",\"checksum\":\"";
const AFTER: &str = "\"}\n";
const DIGITS: usize = 64;

const DAMAGED: BundleError = BundleError::Damaged {
    part: Place::Header,
};

/// The header of a bundle.
#[derive(Debug, Clone)]
pub struct Header {
    /// The bytes as they stand in the file.
    text: String,
    /// SHA-256 of those bytes.
    digest: [u8; 32],
    fields: Fields,
}

/// What comes before the checksum, in the order in which it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Fields {
    format: String,
    version: u32,
    id: BundleId,
    created: Timestamp,
    kdf: Derivation,
    commitment: Hex<COMMITMENT>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Derivation {
    name: String,
    memory: u32,
    passes: u32,
    lanes: u32,
    salt: Hex<SALT>,
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Core {
    format: String,
    version: u32,
}

impl Header {
    /// The header of a new bundle.
    pub fn new(id: BundleId, created: Timestamp, key: &BundleKey) -> Self {
        let cost = key.cost();
        let fields = Fields {
            format: FORMAT.to_owned(),
            version: VERSION,
            id,
            created,
            kdf: Derivation {
                name: String::from("argon2id"),
                memory: cost.memory,
                passes: cost.passes,
                lanes: cost.lanes,
                salt: Hex(key.salt()),
            },
            commitment: Hex(key.commitment()),
        };
        // Strings and numbers always serialize.
        let mut text = serde_json::to_string(&fields).unwrap_or_default();
        text.pop();
        let checksum = Hex(Sha256::of(text.as_bytes()));
        text.push_str(BEFORE);
        text.push_str(&checksum.to_string());
        text.push_str(AFTER);
        Self {
            digest: Sha256::of(text.as_bytes()),
            text,
            fields,
        }
    }

    /// Reads a header. The checksum comes first, so that damage is not taken for another version or another secret.
    pub fn parse(body: Vec<u8>) -> Result<Self, BundleError> {
        let text = String::from_utf8(body).map_err(|_| DAMAGED)?;
        let checksum = text
            .strip_suffix(AFTER)
            .and_then(|rest| rest.split_at_checked(rest.len().checked_sub(DIGITS)?))
            .and_then(|(rest, digits)| Some((rest.strip_suffix(BEFORE)?, digits)));
        let Some((covered, digits)) = checksum else {
            return Err(DAMAGED);
        };
        if digits != Hex(Sha256::of(covered.as_bytes())).to_string() {
            return Err(DAMAGED);
        }
        let core: Core = serde_json::from_str(&text).map_err(|_| DAMAGED)?;
        if core.format != FORMAT {
            return Err(BundleError::NotABundle);
        }
        if core.version > VERSION {
            return Err(BundleError::NewerFormat {
                found: core.version,
            });
        }
        let fields: Fields = serde_json::from_str(&text).map_err(|_| DAMAGED)?;
        if fields.version == 0 || fields.kdf.name != "argon2id" {
            return Err(DAMAGED);
        }
        Ok(Self {
            digest: Sha256::of(text.as_bytes()),
            text,
            fields,
        })
    }

    /// The bytes in the file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the bytes in the file.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The bundle's id.
    pub fn id(&self) -> BundleId {
        self.fields.id
    }

    /// When the bundle was begun.
    pub fn created(&self) -> Timestamp {
        self.fields.created
    }

    /// Derives the key from the secret.
    pub fn key(&self, secret: &str) -> Result<BundleKey, BundleError> {
        let kdf = &self.fields.kdf;
        let cost = KeyCost {
            memory: kdf.memory,
            passes: kdf.passes,
            lanes: kdf.lanes,
        };
        let key = BundleKey::derive(secret, kdf.salt.0, cost).map_err(|error| match error {
            KeyCostError::Malformed => DAMAGED,
            KeyCostError::TooExpensive => BundleError::TooLarge {
                what: "the cost of deriving the key",
            },
        })?;
        self.check(&key)?;
        Ok(key)
    }

    /// Whether a key is this bundle's.
    pub fn check(&self, key: &BundleKey) -> Result<(), BundleError> {
        if key.commits_to(&self.fields.commitment.0) {
            Ok(())
        } else {
            Err(BundleError::WrongSecret)
        }
    }

    /// What a part or the manifest is sealed with besides the key: it opens only in this bundle and only at its place.
    pub fn context(&self, place: Place) -> Vec<u8> {
        let (kind, number) = match place {
            Place::Header => (0, 0),
            Place::Part(number) => (1_u8, number),
            Place::Manifest | Place::End => (2, 0),
        };
        let mut context = b"vestibule bundle v1".to_vec();
        context.extend_from_slice(&self.digest);
        context.push(kind);
        context.extend_from_slice(&number.to_be_bytes());
        context
    }
}

#[cfg(test)]
mod tests {
    use vestibule_crypto::random::SystemRandom;

    use super::*;

    fn header() -> Header {
        let key = BundleKey::generate("secret", &SystemRandom::new());
        Header::new(Hex([7; 16]), Timestamp::from_millis(12), &key)
    }

    fn with(change: impl Fn(String) -> String) -> Result<Header, BundleError> {
        let text = header().text;
        let covered = text.split(BEFORE).next().unwrap().to_owned();
        let covered = change(covered);
        let sum = Hex(Sha256::of(covered.as_bytes()));
        Header::parse(format!("{covered}{BEFORE}{sum}{AFTER}").into_bytes())
    }

    #[test]
    fn a_header_round_trips_and_later_members_are_ignored() {
        let header = header();
        let read = Header::parse(header.text.clone().into_bytes()).unwrap();
        assert_eq!(read.digest(), header.digest());
        assert_eq!(read.id(), header.id());
        read.key("secret").unwrap();
        assert!(matches!(read.key("other"), Err(BundleError::WrongSecret)));
        with(|text| format!("{text},\"later\":{{\"x\":[1]}}")).unwrap();
    }

    #[test]
    fn every_changed_byte_is_damage() {
        let text = header().text.into_bytes();
        for at in 0..text.len() {
            let mut damaged = text.clone();
            damaged[at] ^= 1;
            assert!(
                matches!(Header::parse(damaged), Err(BundleError::Damaged { .. })),
                "{at}"
            );
        }
    }

    #[test]
    fn versions_formats_and_costs_are_told_apart() {
        let newer = with(|_| String::from(r#"{"format":"vestibule-bundle","version":2"#));
        assert!(matches!(newer, Err(BundleError::NewerFormat { found: 2 })));
        let other = with(|text| text.replace("vestibule-bundle", "other"));
        assert!(matches!(other, Err(BundleError::NotABundle)));
        for (from, to) in [
            ("\"version\":1", "\"version\":0"),
            ("argon2id", "argon2i"),
            ("\"memory\"", "\"storage\""),
            ("\"created\":12", "\"created\":\"12\""),
        ] {
            let broken = with(|text| text.replace(from, to));
            assert!(matches!(broken, Err(BundleError::Damaged { .. })), "{to}");
        }
        let dear = with(|text| text.replace("\"memory\":19456", "\"memory\":4000000000"));
        assert!(matches!(
            dear.unwrap().key("secret"),
            Err(BundleError::TooLarge { .. })
        ));
        let mad = with(|text| text.replace("\"passes\":2", "\"passes\":0"));
        assert!(matches!(
            mad.unwrap().key("secret"),
            Err(BundleError::Damaged { .. })
        ));
    }
}

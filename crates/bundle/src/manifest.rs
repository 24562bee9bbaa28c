//! The manifest: what is in a bundle, said last, when it is known.

use serde::{Deserialize, Serialize};
use vestibule_crypto::{bundle::Sha256, content_digest::ContentDigest};
use vestibule_model::{id::TenantId, time::Timestamp};

use crate::{
    VERSION, archive,
    error::{BundleError, Place},
    header::{FORMAT, Header},
    hex::Hex,
    person::{Person, ProfileState},
};

/// A bundle's own id: 16 random bytes.
pub type BundleId = Hex<16>;

/// Where a bundle comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The instance whose people these are.
    pub instance: TenantId,
    /// Its name.
    pub name: String,
    /// The region that owns it.
    pub region: String,
    /// The version of the product that wrote the bundle.
    pub version: String,
    /// The predicate that chose these people among all that were there; none when everybody is meant.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
}

/// How much of what is in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Records.
    pub people: u64,
    /// Directory users.
    pub directory: u64,
    /// Directory users with a password.
    pub with_password: u64,
    /// Profiles of people who signed in or were imported.
    pub known: u64,
    /// Profiles of people prepared before their first sign-in.
    pub future: u64,
    /// Identities at providers.
    pub identities: u64,
}

impl Counts {
    /// Counts one person.
    pub fn add(&mut self, person: &Person) {
        self.people += 1;
        if let Some(directory) = &person.directory {
            self.directory += 1;
            self.with_password += u64::from(directory.password_hash.is_some());
        }
        if let Some(profile) = &person.profile {
            match profile.kind {
                ProfileState::Known => self.known += 1,
                ProfileState::Future => self.future += 1,
            }
            self.identities += profile.identities.len() as u64;
        }
    }

    /// Adds other counts.
    pub fn combine(&mut self, other: &Self) {
        self.people += other.people;
        self.directory += other.directory;
        self.with_password += other.with_password;
        self.known += other.known;
        self.future += other.future;
        self.identities += other.identities;
    }
}

/// A part in the table of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartEntry {
    /// The name of its entry in the archive.
    pub name: String,
    /// How many records it holds: at least 1.
    pub records: u32,
    /// Bytes of its entry: sealed, padding aside.
    pub bytes: u64,
    /// SHA-256 of those bytes.
    pub sha256: Hex<32>,
}

impl PartEntry {
    /// The entry of a sealed part.
    pub(crate) fn of(number: u32, records: u32, sealed: &[u8]) -> Self {
        Self {
            name: archive::name_of(Place::Part(number)),
            records,
            bytes: sealed.len() as u64,
            sha256: Hex(Sha256::of(sealed)),
        }
    }
}

/// What is in a bundle. A later version of the program may say more; what is not known here is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// `vestibule-bundle`.
    pub format: String,
    /// The version of the format.
    pub version: u32,
    /// The bundle's id, which its header has too.
    pub bundle: BundleId,
    /// When the bundle was begun, in milliseconds since 1970.
    pub created: Timestamp,
    /// Where it comes from.
    pub source: Source,
    /// How much is in it.
    pub counts: Counts,
    /// Its parts in order.
    pub parts: Vec<PartEntry>,
    /// The digest of the whole: SHA-256 over the SHA-256 of the header and those of all parts, in order.
    pub digest: Hex<32>,
    /// The digest of all records, which does not depend on their order or on their division into parts.
    pub content_digest: ContentDigest,
}

impl Manifest {
    /// Puts together what was written or read.
    pub(crate) fn new(
        header: &Header,
        source: Source,
        counts: Counts,
        parts: Vec<PartEntry>,
        content_digest: ContentDigest,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            bundle: header.id(),
            created: header.created(),
            source,
            counts,
            digest: digest(header, &parts),
            parts,
            content_digest,
        }
    }

    /// Reads an opened manifest: for readers, tools and fuzzing. What it says is not compared with anything yet.
    pub fn parse(json: &[u8]) -> Result<Self, BundleError> {
        let damaged = BundleError::Damaged {
            part: Place::Manifest,
        };
        match serde_json::from_slice::<Self>(json) {
            Ok(manifest) if manifest.format == FORMAT && manifest.version == VERSION => {
                Ok(manifest)
            }
            _ => Err(damaged),
        }
    }
}

/// The digest of a whole bundle.
pub fn digest(header: &Header, parts: &[PartEntry]) -> Hex<32> {
    let mut whole = Sha256::new();
    whole.update(&header.digest());
    for part in parts {
        whole.update(&part.sha256.0);
    }
    Hex(whole.finish())
}

//! `.vbundle`: the file in which people move between instances whole, with everything App ID's shapes have no place for
//! (docs/formats/bundle.md).
//!
//! A bundle is a tar archive of a plain header, sealed and compressed parts of NDJSON, and a sealed manifest, which is last. It is
//! written and read as a stream in memory that does not grow with the number of people. Everything that reading needs to be safe is
//! here: whatever bytes come in, the answer is people or a [`BundleError`], within the bounds of [`limits`].
//!
//! This crate knows no database, no HTTP and no clock. It blocks: in an asynchronous program it belongs on a thread of its own.

mod archive;
mod error;
mod header;
mod hex;
pub mod limits;
mod manifest;
mod part;
mod person;
mod reader;
mod writer;

pub use error::{BundleError, Place};
pub use hex::{Hex, MalformedHex};
pub use manifest::{BundleId, Counts, Manifest, PartEntry, Source};
pub use part::{Part, Record};
pub use person::{
    DirectoryRecord, HashNotation, IdentityRecord, MalformedRecord, Person, ProfileRecord,
    ProfileState,
};
pub use reader::{BundleReader, verify};
pub use writer::{BundleWriter, WriterState};

/// The version of the format that this crate writes and the newest that it reads.
pub const VERSION: u32 = 1;

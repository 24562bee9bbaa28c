//! Bounds that every bundle keeps. Writers refuse to cross them, and readers refuse what does, so that a hostile file buys neither
//! memory nor minutes. They are part of version 1 of the format.

/// Most bytes of the plain header.
pub const HEADER_BYTES: usize = 64 * 1024;
/// Most bytes of one record, its line feed aside: 1 MiB.
pub const RECORD_BYTES: usize = 1024 * 1024;
/// Most bytes of NDJSON in one part: 8 MiB. What zstd may need as a window follows from it.
pub const PART_BYTES: usize = 8 * 1024 * 1024;
/// Most records in one part.
pub const PART_RECORDS: usize = 10_000;
/// Most bytes of one sealed part: NDJSON that does not compress at all, and what zstd and the seal add.
pub const SEALED_PART_BYTES: usize = PART_BYTES + 64 * 1024;
/// Most parts of one bundle: up to 512 GiB of NDJSON.
pub const PARTS: u32 = 65_536;
/// Most bytes of the sealed manifest, whose table has an entry for each part.
pub const MANIFEST_BYTES: usize = 16 * 1024 * 1024;

/// The largest window a part's zstd frame may ask for, as a power of two: 8 MiB.
pub(crate) const WINDOW_LOG: u32 = 23;

//! What can be wrong with a bundle.

use std::{fmt, io};

/// A place in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The plain header, which is first.
    Header,
    /// A part, counted from 0.
    Part(u32),
    /// The manifest, which is last.
    Manifest,
    /// The two blocks of zeros that end the archive.
    End,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("the header"),
            Self::Part(number) => write!(f, "part {number}"),
            Self::Manifest => f.write_str("the manifest"),
            Self::End => f.write_str("the end of the archive"),
        }
    }
}

/// Why a bundle was not read, or not written. Messages are fit to show to the operator and repeat nothing of what people's records
/// hold.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The first entry is not a bundle's header.
    #[error("this is not a Vestibule bundle")]
    NotABundle,
    /// Made by a later version of the product.
    #[error(
        "the bundle has format version {found}, and this program reads up to version {}",
        crate::VERSION
    )]
    NewerFormat {
        /// The version it says it has.
        found: u32,
    },
    /// The header is undamaged, but the key was made from another secret.
    #[error("the encryption secret is not the one the bundle was sealed with")]
    WrongSecret,
    /// Something changed since the bundle was made.
    #[error("{part} is damaged")]
    Damaged {
        /// Where.
        part: Place,
    },
    /// An entry stands where another belongs: parts were swapped, repeated or left out.
    #[error("{expected} is missing: {found} stands in its place")]
    OutOfOrder {
        /// What belongs here.
        expected: Place,
        /// What is here.
        found: Place,
    },
    /// The file ends too early.
    #[error("the bundle is cut off at {part}")]
    Truncated {
        /// What it ends in, or what belongs behind its end.
        part: Place,
    },
    /// Something stands behind the end of the archive.
    #[error("there is something behind the end of the bundle")]
    TrailingData,
    /// Past one of the bounds of [`crate::limits`], or of what deriving a key may cost.
    #[error("{what} is larger than this program reads")]
    TooLarge {
        /// What is too large.
        what: &'static str,
    },
    /// Undamaged, but not a person.
    #[error("line {line} of part {part} is no valid record: {reason}")]
    Record {
        /// The part, counted from 0.
        part: u32,
        /// The line within the part, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A manifest or a key of one bundle was given for another.
    #[error("the bundle is not the one that was checked before")]
    OtherBundle,
    /// The file cannot be read or written.
    #[error("the bundle: {0}")]
    Io(#[from] io::Error),
}

impl BundleError {
    /// Where in the bundle it was found, if it was at one place.
    pub const fn place(&self) -> Option<Place> {
        match self {
            Self::NotABundle | Self::NewerFormat { .. } | Self::WrongSecret => Some(Place::Header),
            Self::Damaged { part } | Self::Truncated { part } => Some(*part),
            Self::OutOfOrder { expected, .. } => Some(*expected),
            Self::Record { part, .. } => Some(Place::Part(*part)),
            Self::TrailingData => Some(Place::End),
            Self::TooLarge { .. } | Self::OtherBundle | Self::Io(_) => None,
        }
    }

    /// A name for answers and reports; it never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotABundle => "not_a_bundle",
            Self::NewerFormat { .. } => "newer_format",
            Self::WrongSecret => "wrong_secret",
            Self::Damaged { .. } => "damaged",
            Self::OutOfOrder { .. } => "out_of_order",
            Self::Truncated { .. } => "truncated",
            Self::TrailingData => "trailing_data",
            Self::TooLarge { .. } => "too_large",
            Self::Record { .. } => "invalid_record",
            Self::OtherBundle => "other_bundle",
            Self::Io(_) => "io",
        }
    }
}

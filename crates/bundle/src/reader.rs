//! Reading a bundle as a stream, trusting nothing in it.

use std::{
    fmt, io,
    io::{Read, Seek},
    sync::Arc,
};

use vestibule_crypto::{bundle::BundleKey, content_digest::ContentDigest};

use crate::{
    archive::{self, ArchiveReader, Entry},
    error::{BundleError, Place},
    header::Header,
    limits,
    manifest::{self, BundleId, Counts, Manifest, PartEntry},
    part::Part,
};

/// Reads a whole bundle and says what is in it, if every byte of it is what was written. Needs nothing but the secret.
pub fn verify<R: Read>(reader: R, secret: &str) -> Result<Manifest, BundleError> {
    BundleReader::open(reader, secret)?.verify()
}

/// Reads the people of a bundle, a part at a time. Memory: one part sealed, compressed and as NDJSON, its people, and the table of
/// parts.
///
/// A part that [`BundleReader::next_part`] gives is what was written, at its place. That nothing is missing behind it is known only
/// at the end, when [`BundleReader::manifest`] has something to say: whoever must not begin what cannot be finished reads twice.
pub struct BundleReader<R> {
    archive: ArchiveReader<R>,
    key: Arc<BundleKey>,
    header: Header,
    stage: Stage,
    /// Parts that were read or passed over.
    parts: Vec<PartEntry>,
    counts: Counts,
    content_digest: ContentDigest,
    /// The number of the next record.
    record: u64,
}

enum Stage {
    /// At a part or the manifest.
    Reading,
    /// The same, but what this manifest tells was passed over.
    Skipped(Box<Manifest>),
    /// At the end, and everything was right.
    Done(Box<Manifest>),
    Failed,
}

impl<R> fmt::Debug for BundleReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BundleReader({})", self.header.id())
    }
}

impl<R: Read> BundleReader<R> {
    /// Reads the header and derives the key: tens of milliseconds and 19 MiB for what this version writes, and never more than
    /// [`vestibule_crypto::bundle::KeyCost::check`] allows. `reader` should be buffered.
    pub fn open(reader: R, secret: &str) -> Result<Self, BundleError> {
        let (archive, header) = begin(reader)?;
        let key = Arc::new(header.key(secret)?);
        Ok(Self::at(archive, header, key))
    }

    /// Opens a bundle with a key that was derived before: by [`BundleReader::key`] of the same bundle.
    pub fn open_with_key(reader: R, key: Arc<BundleKey>) -> Result<Self, BundleError> {
        let (archive, header) = begin(reader)?;
        header.check(&key)?;
        Ok(Self::at(archive, header, key))
    }

    fn at(archive: ArchiveReader<R>, header: Header, key: Arc<BundleKey>) -> Self {
        Self {
            archive,
            key,
            header,
            stage: Stage::Reading,
            parts: Vec::new(),
            counts: Counts::default(),
            content_digest: ContentDigest::EMPTY,
            record: 0,
        }
    }

    /// The bundle's id.
    pub fn id(&self) -> BundleId {
        self.header.id()
    }

    /// The key, for [`BundleReader::open_with_key`].
    pub fn key(&self) -> &Arc<BundleKey> {
        &self.key
    }

    /// The next part; none at the end of the bundle, which then was complete. After an error every call fails.
    pub fn next_part(&mut self) -> Result<Option<Part>, BundleError> {
        let stage = std::mem::replace(&mut self.stage, Stage::Failed);
        let skipped = match stage {
            Stage::Reading => None,
            Stage::Skipped(manifest) => Some(manifest),
            Stage::Done(manifest) => {
                self.stage = Stage::Done(manifest);
                return Ok(None);
            }
            Stage::Failed => {
                return Err(io::Error::other("reading failed before").into());
            }
        };
        let number = self.next_number();
        let time = archive::tar_time(self.header.created());
        let entry = self.archive.next(Place::Part(number), time)?;
        if entry.place == Place::Manifest {
            let manifest = self.conclude(&entry, skipped)?;
            self.stage = Stage::Done(Box::new(manifest));
            return Ok(None);
        }
        let part = self.part(number, &entry)?;
        self.stage = skipped.map_or(Stage::Reading, Stage::Skipped);
        Ok(Some(part))
    }

    /// The manifest, once [`BundleReader::next_part`] has said that the bundle is complete.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.stage {
            Stage::Done(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// Reads the rest and says what is in the bundle.
    pub fn verify(mut self) -> Result<Manifest, BundleError> {
        while self.next_part()?.is_some() {}
        match self.stage {
            Stage::Done(manifest) => Ok(*manifest),
            _ => Err(BundleError::Truncated { part: Place::End }),
        }
    }

    /// Passes over whole parts, to the one that holds record number `record`, without opening them, and returns the number of the
    /// first record that will come. Only before the first part. `verified` is what reading the bundle to its end gave: parts that are
    /// passed over are not read again, those that follow are checked as always.
    pub fn skip_to(&mut self, verified: &Manifest, record: u64) -> Result<u64, BundleError> {
        let bytes = self.pass_over(verified, record)?;
        self.archive.pass(bytes, self.next_place())?;
        Ok(self.record)
    }

    fn next_number(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    fn next_place(&self) -> Place {
        Place::Part(self.next_number())
    }

    /// Counts what is passed over, and says how many bytes that is.
    fn pass_over(&mut self, verified: &Manifest, record: u64) -> Result<u64, BundleError> {
        let fresh = matches!(self.stage, Stage::Reading) && self.parts.is_empty();
        if !fresh || verified.bundle != self.header.id() {
            return Err(BundleError::OtherBundle);
        }
        let mut bytes = 0_u64;
        for part in &verified.parts {
            let behind = self.record.saturating_add(u64::from(part.records));
            if behind > record {
                break;
            }
            self.record = behind;
            bytes = bytes.saturating_add(archive::entry_bytes(part.bytes));
            self.parts.push(part.clone());
        }
        self.stage = Stage::Skipped(Box::new(verified.clone()));
        Ok(bytes)
    }

    fn part(&mut self, number: u32, entry: &Entry) -> Result<Part, BundleError> {
        if number >= limits::PARTS {
            return Err(BundleError::TooLarge {
                what: "the number of parts",
            });
        }
        let sealed = self
            .archive
            .body(entry, limits::SEALED_PART_BYTES, "a part")?;
        let context = self.header.context(entry.place);
        let compressed = self
            .key
            .open(&context, &sealed)
            .map_err(|_| BundleError::Damaged { part: entry.place })?;
        let part = Part::decode(number, self.record, &compressed)?;
        for record in part.records() {
            self.counts.add(record.person);
            self.content_digest.add_record(record.line);
        }
        let records = u32::try_from(part.people().len()).unwrap_or(u32::MAX);
        self.record += u64::from(records);
        self.parts.push(PartEntry::of(number, records, &sealed));
        Ok(part)
    }

    /// Reads the manifest and the end, and compares them with what was read.
    fn conclude(
        &mut self,
        entry: &Entry,
        skipped: Option<Box<Manifest>>,
    ) -> Result<Manifest, BundleError> {
        let sealed = self
            .archive
            .body(entry, limits::MANIFEST_BYTES, "the manifest")?;
        let damaged = || BundleError::Damaged {
            part: Place::Manifest,
        };
        let context = self.header.context(Place::Manifest);
        let json = self.key.open(&context, &sealed).map_err(|_| damaged())?;
        let manifest = Manifest::parse(&json)?;
        if manifest.parts.len() > self.parts.len() {
            return Err(BundleError::OutOfOrder {
                expected: self.next_place(),
                found: Place::Manifest,
            });
        }
        let agrees = manifest.bundle == self.header.id()
            && manifest.created == self.header.created()
            && manifest.parts == self.parts
            && manifest.digest == manifest::digest(&self.header, &self.parts)
            && match skipped {
                // Records that were passed over were not counted now; they were when the manifest was verified.
                Some(verified) => *verified == manifest,
                None => {
                    manifest.counts == self.counts && manifest.content_digest == self.content_digest
                }
            };
        if !agrees {
            return Err(damaged());
        }
        self.archive.end()?;
        Ok(manifest)
    }
}

impl<R: Read + Seek> BundleReader<R> {
    /// [`BundleReader::skip_to`] without reading what is passed over.
    pub fn seek_to(&mut self, verified: &Manifest, record: u64) -> Result<u64, BundleError> {
        let bytes = self.pass_over(verified, record)?;
        self.archive.seek(bytes, self.next_place())?;
        Ok(self.record)
    }
}

/// Iterates over parts; after an error nothing more comes.
impl<R: Read> Iterator for BundleReader<R> {
    type Item = Result<Part, BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.stage, Stage::Failed) {
            return None;
        }
        self.next_part().transpose()
    }
}

fn begin<R: Read>(reader: R) -> Result<(ArchiveReader<R>, Header), BundleError> {
    let mut archive = ArchiveReader::new(reader);
    let entry = archive.first()?;
    let header = Header::parse(archive.body(&entry, limits::HEADER_BYTES, "the header")?)?;
    if entry.time != archive::tar_time(header.created()) {
        return Err(BundleError::Damaged {
            part: Place::Header,
        });
    }
    Ok((archive, header))
}

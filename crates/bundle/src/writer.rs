//! Writing a bundle as a stream.

use std::{fmt, io, io::Write, sync::Arc};

use serde::{Deserialize, Serialize};
use vestibule_crypto::{bundle::BundleKey, content_digest::ContentDigest, random::Random};
use vestibule_model::time::Timestamp;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    archive,
    error::{BundleError, Place},
    header::Header,
    hex::Hex,
    limits,
    manifest::{Counts, Manifest, PartEntry, Source},
    part,
    person::Person,
};

/// Where a bundle stands at the end of a part: what an export stores with what it has written, to go on after a crash. It holds no
/// secret and nothing of what people's records say. It grows by some 150 bytes of JSON with each part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriterState {
    header: String,
    source: Source,
    parts: Vec<PartEntry>,
    counts: Counts,
    content_digest: ContentDigest,
    bytes: u64,
}

impl WriterState {
    /// How many people are in the parts that are finished: the number of the next record.
    pub fn records(&self) -> u64 {
        self.counts.people
    }

    /// Length of the file up to the end of the last finished part, in bytes. Whoever goes on cuts the file to it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many parts are finished.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The content digest of the people in the finished parts.
    pub fn content_digest(&self) -> ContentDigest {
        self.content_digest
    }

    /// How much of what is in the finished parts.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

/// Writes people into a bundle. Memory: one part of NDJSON (8 MiB) and, while it is sealed, twice its compressed size.
///
/// After an error, what reached the writer behind [`WriterState::bytes`] is of no use; begin anew there with
/// [`BundleWriter::resume`], or from the start.
pub struct BundleWriter<'r, W> {
    writer: W,
    key: Arc<BundleKey>,
    random: &'r dyn Random,
    header: Header,
    state: WriterState,
    pending: Pending,
    failed: bool,
}

/// The part that is not finished.
struct Pending {
    text: Zeroizing<Vec<u8>>,
    counts: Counts,
    digest: ContentDigest,
}

impl<W> fmt::Debug for BundleWriter<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BundleWriter({})", self.header.id())
    }
}

impl<'r, W: Write> BundleWriter<'r, W> {
    /// Begins a bundle: derives a key of its own from the secret (tens of milliseconds, 19 MiB) and writes the header.
    pub fn new(
        writer: W,
        secret: &str,
        source: Source,
        created: Timestamp,
        random: &'r dyn Random,
    ) -> Result<Self, BundleError> {
        let key = Arc::new(BundleKey::generate(secret, random));
        Self::with_key(writer, key, source, created, random)
    }

    /// Begins a bundle with a key that was derived before. It should be a fresh one: [`BundleKey::generate`].
    pub fn with_key(
        mut writer: W,
        key: Arc<BundleKey>,
        source: Source,
        created: Timestamp,
        random: &'r dyn Random,
    ) -> Result<Self, BundleError> {
        let mut id = [0; 16];
        random.fill(&mut id);
        let header = Header::new(Hex(id), created, &key);
        let bytes = archive::write_entry(
            &mut writer,
            Place::Header,
            archive::tar_time(created),
            header.text().as_bytes(),
        )?;
        let state = WriterState {
            header: header.text().to_owned(),
            source,
            parts: Vec::new(),
            counts: Counts::default(),
            content_digest: ContentDigest::EMPTY,
            bytes,
        };
        Ok(Self::at(writer, key, random, header, state))
    }

    /// Goes on where a part ended. `writer` appends behind the first [`WriterState::bytes`] bytes of the file; the next record is
    /// number [`WriterState::records`]. It may differ from what was lost: nonces are random, so nothing is sealed twice alike.
    pub fn resume(
        writer: W,
        secret: &str,
        state: WriterState,
        random: &'r dyn Random,
    ) -> Result<Self, BundleError> {
        let header = Header::parse(state.header.clone().into_bytes())?;
        let key = Arc::new(header.key(secret)?);
        Ok(Self::at(writer, key, random, header, state))
    }

    /// [`BundleWriter::resume`] with the key that [`BundleWriter::key`] gave.
    pub fn resume_with_key(
        writer: W,
        key: Arc<BundleKey>,
        state: WriterState,
        random: &'r dyn Random,
    ) -> Result<Self, BundleError> {
        let header = Header::parse(state.header.clone().into_bytes())?;
        header.check(&key)?;
        Ok(Self::at(writer, key, random, header, state))
    }

    fn at(
        writer: W,
        key: Arc<BundleKey>,
        random: &'r dyn Random,
        header: Header,
        state: WriterState,
    ) -> Self {
        Self {
            writer,
            key,
            random,
            header,
            state,
            pending: Pending {
                text: Zeroizing::new(Vec::new()),
                counts: Counts::default(),
                digest: ContentDigest::EMPTY,
            },
            failed: false,
        }
    }

    /// Adds a person. When the part is full, it is finished and written first.
    pub fn write(&mut self, person: &Person) -> Result<(), BundleError> {
        self.usable()?;
        let mut line = Zeroizing::new(Vec::new());
        person
            .append_line(&mut line)
            .map_err(|error| BundleError::Record {
                part: self.number(),
                line: self.pending.records() + 1,
                reason: error.to_string(),
            })?;
        if line.len() > limits::RECORD_BYTES {
            return Err(BundleError::TooLarge { what: "a record" });
        }
        let full = self.pending.text.len() + line.len() + 1 > limits::PART_BYTES
            || self.pending.records() >= limits::PART_RECORDS;
        if full {
            self.end_part()?;
        }
        self.pending.add(person, &line);
        Ok(())
    }

    /// Finishes the part that is begun, if one is, and writes it. What it returns describes all people that were given so far, and
    /// everything it describes has been given to the writer.
    pub fn end_part(&mut self) -> Result<&WriterState, BundleError> {
        self.usable()?;
        if self.pending.records() > 0 {
            self.failed = true;
            self.write_part()?;
            self.failed = false;
        }
        Ok(&self.state)
    }

    fn write_part(&mut self) -> Result<(), BundleError> {
        let number = self.number();
        if number >= limits::PARTS {
            return Err(BundleError::TooLarge {
                what: "the number of parts",
            });
        }
        let compressed = Zeroizing::new(part::compress(&self.pending.text)?);
        let place = Place::Part(number);
        let context = self.header.context(place);
        let sealed = self.key.seal(&context, &compressed, self.random);
        self.state.bytes += self.entry(place, &sealed)?;
        let records = u32::try_from(self.pending.records()).unwrap_or(u32::MAX);
        self.state
            .parts
            .push(PartEntry::of(number, records, &sealed));
        self.state.counts.combine(&self.pending.counts);
        self.state.content_digest.combine(&self.pending.digest);
        self.pending.clear();
        Ok(())
    }

    /// Where the bundle stands: at the end of the last finished part, not behind the last person.
    pub fn state(&self) -> &WriterState {
        &self.state
    }

    /// The key, for [`BundleWriter::resume_with_key`].
    pub fn key(&self) -> &Arc<BundleKey> {
        &self.key
    }

    /// The writer: to take out what has been written so far. Bytes reach it only when a part is finished.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Finishes the last part, and writes the manifest and the end of the archive.
    pub fn finish(mut self) -> Result<(W, Manifest), BundleError> {
        self.end_part()?;
        let manifest = Manifest::new(
            &self.header,
            self.state.source.clone(),
            self.state.counts,
            std::mem::take(&mut self.state.parts),
            self.state.content_digest,
        );
        let json = serde_json::to_vec(&manifest).map_err(io::Error::from)?;
        let context = self.header.context(Place::Manifest);
        let sealed = self.key.seal(&context, &json, self.random);
        if sealed.len() > limits::MANIFEST_BYTES {
            return Err(BundleError::TooLarge {
                what: "the manifest",
            });
        }
        self.entry(Place::Manifest, &sealed)?;
        archive::write_end(&mut self.writer)?;
        self.writer.flush()?;
        Ok((self.writer, manifest))
    }

    fn entry(&mut self, place: Place, body: &[u8]) -> io::Result<u64> {
        let time = archive::tar_time(self.header.created());
        archive::write_entry(&mut self.writer, place, time, body)
    }

    /// The number of the part that is being written.
    fn number(&self) -> u32 {
        u32::try_from(self.state.parts.len()).unwrap_or(u32::MAX)
    }

    fn usable(&self) -> Result<(), BundleError> {
        if self.failed {
            return Err(BundleError::Io(io::Error::other("writing failed before")));
        }
        Ok(())
    }
}

impl Pending {
    fn records(&self) -> usize {
        usize::try_from(self.counts.people).unwrap_or(usize::MAX)
    }

    fn add(&mut self, person: &Person, line: &[u8]) {
        if self.text.capacity() == 0 {
            // All at once: a buffer that grows leaves copies behind that are never wiped.
            self.text.reserve_exact(limits::PART_BYTES);
        }
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.counts.add(person);
        self.digest.add_record(line);
    }

    fn clear(&mut self) {
        self.text.zeroize();
        self.counts = Counts::default();
        self.digest = ContentDigest::EMPTY;
    }
}

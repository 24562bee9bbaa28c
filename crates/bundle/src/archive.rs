//! The tar archive around the entries (POSIX.1-1988 ustar).
//!
//! Every byte of an entry's header follows from its name, its size and the time of the bundle, so a reader makes the header anew and
//! compares: no byte of the file is left that could change unnoticed, and no feature of tar (links, long names, sparse files) is
//! there to be abused.

use std::io::{self, Read, Seek, Write};

use crate::error::{BundleError, Place};

/// Bytes of a tar block.
const BLOCK: usize = 512;
/// Bytes of zeros that end an archive.
const END: usize = 2 * BLOCK;

/// The name of the first entry, in this and every later version.
const HEADER_NAME: &str = "vestibule-bundle.json";
const MANIFEST_NAME: &str = "manifest.json.sealed";
const PART_FOLDER: &str = "people/";
const PART_ENDING: &str = ".ndjson.zst.sealed";

/// What the entry at a place is called.
pub fn name_of(place: Place) -> String {
    match place {
        Place::Header => HEADER_NAME.to_owned(),
        Place::Part(number) => format!("{PART_FOLDER}{number:05}{PART_ENDING}"),
        Place::Manifest | Place::End => MANIFEST_NAME.to_owned(),
    }
}

fn place_of(name: &str) -> Option<Place> {
    let place = match name {
        HEADER_NAME => Place::Header,
        MANIFEST_NAME => Place::Manifest,
        _ => Place::Part(
            name.strip_prefix(PART_FOLDER)?
                .strip_suffix(PART_ENDING)?
                .parse()
                .ok()?,
        ),
    };
    (name_of(place) == name).then_some(place)
}

/// Bytes that an entry takes in the archive.
pub fn entry_bytes(size: u64) -> u64 {
    let block = BLOCK as u64;
    block.saturating_add(size.div_ceil(block).saturating_mul(block))
}

/// Time in headers: whole seconds since 1970, as many as eleven octal digits hold.
pub fn tar_time(created: vestibule_model::time::Timestamp) -> u64 {
    u64::try_from(created.seconds())
        .unwrap_or(0)
        .min(0o777_7777_7777)
}

/// Writes one entry whole and says how many bytes that took.
pub fn write_entry(
    writer: &mut impl Write,
    place: Place,
    time: u64,
    body: &[u8],
) -> io::Result<u64> {
    let size = body.len() as u64;
    writer.write_all(&block_for(&name_of(place), size, time))?;
    writer.write_all(body)?;
    let bytes = entry_bytes(size);
    let padding = bytes.saturating_sub(size) as usize % BLOCK;
    writer.write_all([0; BLOCK].get(..padding).unwrap_or_default())?;
    Ok(bytes)
}

/// Writes the end of the archive.
pub fn write_end(writer: &mut impl Write) -> io::Result<()> {
    writer.write_all(&[0; END])
}

/// The header block of a regular file that its owner may read and write.
fn block_for(name: &str, size: u64, time: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in block.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{time:011o}\0").as_bytes());
    // The sum is taken with spaces in its own place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\0");
    put(263, b"00");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let text = format!("{sum:06o}\0 ");
    for (to, from) in block.iter_mut().skip(148).zip(text.bytes()) {
        *to = from;
    }
    block
}

/// An entry's header.
pub struct Entry {
    /// What it is.
    pub place: Place,
    /// Bytes of its body.
    pub size: u64,
    /// Its time.
    pub time: u64,
}

/// Reads entries from a stream.
pub struct ArchiveReader<R> {
    reader: R,
}

impl<R: Read> ArchiveReader<R> {
    pub fn new(reader: R) -> Self {
        Self { reader }
    }

    /// The header of the first entry.
    pub fn first(&mut self) -> Result<Entry, BundleError> {
        let mut block = [0; BLOCK];
        let length = self.fill(&mut block)?;
        let name = HEADER_NAME.as_bytes();
        let read = block.get(..length.min(name.len())).unwrap_or_default();
        if read.is_empty() || !name.starts_with(read) {
            return Err(BundleError::NotABundle);
        }
        if length < BLOCK {
            return Err(BundleError::Truncated {
                part: Place::Header,
            });
        }
        match entry_of(&block) {
            Some(entry) if entry.place == Place::Header => Ok(entry),
            _ => Err(BundleError::Damaged {
                part: Place::Header,
            }),
        }
    }

    /// The header of the next entry, which is the part that is expected, or the manifest.
    pub fn next(&mut self, expected: Place, time: u64) -> Result<Entry, BundleError> {
        let mut block = [0; BLOCK];
        self.exact(&mut block, expected)?;
        if block == [0; BLOCK] {
            // An archive that ends without a manifest.
            return Err(BundleError::Truncated { part: expected });
        }
        let entry = entry_of(&block)
            .filter(|entry| entry.time == time)
            .ok_or(BundleError::Damaged { part: expected })?;
        if entry.place != expected && entry.place != Place::Manifest {
            return Err(BundleError::OutOfOrder {
                expected,
                found: entry.place,
            });
        }
        Ok(entry)
    }

    /// The body of the entry whose header was read, up to so many bytes.
    pub fn body(
        &mut self,
        entry: &Entry,
        most: usize,
        what: &'static str,
    ) -> Result<Vec<u8>, BundleError> {
        let size = usize::try_from(entry.size)
            .ok()
            .filter(|size| *size <= most)
            .ok_or(BundleError::TooLarge { what })?;
        // The size is a claim: memory is taken as bytes arrive.
        let mut body = Vec::with_capacity(size.min(64 * 1024));
        (&mut self.reader).take(entry.size).read_to_end(&mut body)?;
        if body.len() < size {
            return Err(BundleError::Truncated { part: entry.place });
        }
        let mut padding = [0; BLOCK];
        let padding = padding
            .get_mut(..(BLOCK - size % BLOCK) % BLOCK)
            .unwrap_or_default();
        self.exact(padding, entry.place)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(BundleError::Damaged { part: entry.place });
        }
        Ok(body)
    }

    /// Passes over bytes, up to a place, by reading them.
    pub fn pass(&mut self, bytes: u64, part: Place) -> Result<(), BundleError> {
        let passed = io::copy(&mut (&mut self.reader).take(bytes), &mut io::sink())?;
        if passed < bytes {
            return Err(BundleError::Truncated { part });
        }
        Ok(())
    }

    /// The end of the archive and of the file.
    pub fn end(&mut self) -> Result<(), BundleError> {
        let mut zeros = [0; END];
        self.exact(&mut zeros, Place::End)?;
        if zeros != [0; END] {
            return Err(BundleError::Damaged { part: Place::End });
        }
        if self.fill(&mut [0])? != 0 {
            return Err(BundleError::TrailingData);
        }
        Ok(())
    }

    fn exact(&mut self, out: &mut [u8], part: Place) -> Result<(), BundleError> {
        if self.fill(out)? < out.len() {
            return Err(BundleError::Truncated { part });
        }
        Ok(())
    }

    /// Reads until `out` is full or nothing is left, and says how many bytes that were.
    fn fill(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl<R: Read + Seek> ArchiveReader<R> {
    /// Passes over bytes, up to a place, without reading them.
    pub fn seek(&mut self, bytes: u64, part: Place) -> Result<(), BundleError> {
        let bytes = i64::try_from(bytes).map_err(|_| BundleError::Truncated { part })?;
        self.reader.seek_relative(bytes)?;
        Ok(())
    }
}

/// Reads a header block; none unless it is byte for byte what a writer makes.
fn entry_of(block: &[u8; BLOCK]) -> Option<Entry> {
    let name = block.get(..100)?.split(|byte| *byte == 0).next()?;
    let name = std::str::from_utf8(name).ok()?;
    let number = |at: usize| {
        let digits = std::str::from_utf8(block.get(at..at + 11)?).ok()?;
        u64::from_str_radix(digits, 8).ok()
    };
    let (size, time) = (number(124)?, number(136)?);
    let place = place_of(name)?;
    (block_for(name, size, time) == *block).then_some(Entry { place, size, time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_to_one() {
        for place in [
            Place::Header,
            Place::Manifest,
            Place::Part(0),
            Place::Part(65_535),
            Place::Part(1_234_567),
        ] {
            assert_eq!(place_of(&name_of(place)), Some(place));
        }
        for bad in [
            "",
            "people/0.ndjson.zst.sealed",
            "people/+0000.ndjson.zst.sealed",
            "people/00000.ndjson.zst",
            "people/000000.ndjson.zst.sealed",
            "people/99999999999.ndjson.zst.sealed",
            "../people/00000.ndjson.zst.sealed",
        ] {
            assert_eq!(place_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_bit_of_a_header_counts() {
        let block = block_for("people/00007.ndjson.zst.sealed", 1000, 1_700_000_000);
        let entry = entry_of(&block).unwrap();
        assert_eq!((entry.place, entry.size), (Place::Part(7), 1000));
        for at in 0..BLOCK {
            for bit in 0..8 {
                let mut damaged = block;
                damaged[at] ^= 1 << bit;
                assert!(entry_of(&damaged).is_none(), "{at}");
            }
        }
    }

    #[test]
    fn entries_take_whole_blocks() {
        for (size, bytes) in [(0, 512), (1, 1024), (512, 1024), (513, 1536)] {
            let mut out = Vec::new();
            let body = vec![7; size];
            let took = write_entry(&mut out, Place::Header, 0, &body).unwrap();
            assert_eq!((took, out.len() as u64), (bytes, bytes));
            let mut archive = ArchiveReader::new(out.as_slice());
            let entry = archive.first().unwrap();
            assert_eq!(archive.body(&entry, 600, "it").unwrap(), body);
        }
    }
}

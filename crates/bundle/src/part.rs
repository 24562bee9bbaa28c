//! Parts: NDJSON of several people, compressed.

use std::{fmt, io::Read, ops::Range};

use zeroize::Zeroizing;

use crate::{
    error::{BundleError, Place},
    limits,
    person::Person,
};

/// zstd's own choice: smaller than gzip and many times faster.
const LEVEL: i32 = 3;

/// An opened part: people together with their lines.
pub struct Part {
    number: u32,
    first: u64,
    text: Zeroizing<Vec<u8>>,
    lines: Vec<Range<usize>>,
    people: Vec<Person>,
}

/// A person in a part.
#[derive(Debug, Clone, Copy)]
pub struct Record<'p> {
    /// Its number in the bundle, counted from 0.
    pub index: u64,
    /// Its line as it stands, without line feed: its canonical bytes.
    pub line: &'p [u8],
    /// What the line says.
    pub person: &'p Person,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({}, {} people)", self.number, self.people.len())
    }
}

impl Part {
    /// Decompresses an opened part and reads its records: for readers, tools and fuzzing. `first` is the number of its first record
    /// in the bundle. Memory is bounded by [`limits::PART_BYTES`], whatever the bytes claim.
    pub fn decode(number: u32, first: u64, compressed: &[u8]) -> Result<Self, BundleError> {
        let text = decompress(number, compressed)?;
        let mut lines = Vec::new();
        let mut people = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let wrong = |reason: String| BundleError::Record {
                part: number,
                line: people.len() + 1,
                reason,
            };
            if people.len() >= limits::PART_RECORDS {
                return Err(BundleError::TooLarge {
                    what: "the number of records in a part",
                });
            }
            let body = line
                .strip_suffix(b"\n")
                .ok_or_else(|| wrong(String::from("its line does not end")))?;
            if body.len() > limits::RECORD_BYTES {
                return Err(BundleError::TooLarge { what: "a record" });
            }
            let person = Person::from_line(body).map_err(|error| wrong(error.to_string()))?;
            lines.push(at..at + body.len());
            people.push(person);
            at += line.len();
        }
        if people.is_empty() {
            return Err(BundleError::Damaged {
                part: Place::Part(number),
            });
        }
        Ok(Self {
            number,
            first,
            text,
            lines,
            people,
        })
    }

    /// Its number in the bundle, counted from 0.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The number of its first record in the bundle, counted from 0.
    pub fn first_record(&self) -> u64 {
        self.first
    }

    /// How many people are in it: at least one.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// People with their lines, in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let lines = self.lines.iter().map(|range| {
            // The ranges were cut out of this text.
            self.text.get(range.clone()).unwrap_or_default()
        });
        (0..)
            .zip(lines)
            .zip(&self.people)
            .map(|((at, line), person)| Record {
                index: self.first.saturating_add(at),
                line,
                person,
            })
    }

    /// The people.
    pub fn into_people(self) -> Vec<Person> {
        self.people
    }
}

/// Compresses the NDJSON of a part.
pub fn compress(text: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(text, LEVEL)
}

fn decompress(number: u32, compressed: &[u8]) -> Result<Zeroizing<Vec<u8>>, BundleError> {
    let damaged = || BundleError::Damaged {
        part: Place::Part(number),
    };
    let most = limits::PART_BYTES;
    // What the frame says of its length only spares growing; what comes out is counted.
    let claim = match zstd::zstd_safe::get_frame_content_size(compressed) {
        Ok(Some(claim)) => usize::try_from(claim).unwrap_or(most).min(most),
        _ => 0,
    };
    let mut text = Zeroizing::new(Vec::with_capacity(claim + 1));
    let mut decoder =
        zstd::stream::read::Decoder::with_buffer(compressed).map_err(|_| damaged())?;
    decoder
        .window_log_max(limits::WINDOW_LOG)
        .map_err(|_| damaged())?;
    decoder
        .take(most as u64 + 1)
        .read_to_end(&mut text)
        .map_err(|_| damaged())?;
    if text.len() > most {
        return Err(BundleError::TooLarge { what: "a part" });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &[u8]) -> Result<Part, BundleError> {
        Part::decode(3, 100, &compress(text).unwrap())
    }

    const LINE: &str = r#"{"profile":{"id":"7ae804f3-0ed3-45f0-bc6b-1c6af868e6d7","kind":"known","body":{},"attributes":{},"identities":[],"roles":[],"created":3,"modified":4}}"#;

    #[test]
    fn records_have_lines_and_numbers() {
        let part = decode(format!("{LINE}\n {LINE}\n").as_bytes()).unwrap();
        let seen: Vec<_> = part
            .records()
            .map(|record| (record.index, record.line.len() - LINE.len()))
            .collect();
        assert_eq!(seen, [(100, 0), (101, 1)]);
        assert_eq!(part.into_people().len(), 2);
    }

    #[test]
    fn bombs_do_not_go_off() {
        for size in [limits::PART_BYTES + 1, 64 * 1024 * 1024] {
            let bomb = compress(&vec![b' '; size]).unwrap();
            assert!(bomb.len() < 100_000);
            let error = Part::decode(0, 0, &bomb).unwrap_err();
            assert!(matches!(error, BundleError::TooLarge { what: "a part" }));
        }
        let many = format!("{LINE}\n").repeat(limits::PART_RECORDS + 1);
        assert!(matches!(
            decode(many.as_bytes()),
            Err(BundleError::TooLarge { .. })
        ));
        let long = format!("{}{LINE}\n", " ".repeat(limits::RECORD_BYTES));
        assert!(matches!(
            decode(long.as_bytes()),
            Err(BundleError::TooLarge { what: "a record" })
        ));
    }

    #[test]
    fn wrong_lines_are_named() {
        for (text, line) in [
            (format!("{LINE}\n\n"), 2),
            (format!("{LINE}\n{LINE}"), 2),
            (format!("{LINE}\n{LINE}\n{{}}\n"), 3),
        ] {
            let error = decode(text.as_bytes()).unwrap_err();
            assert!(
                matches!(error, BundleError::Record { part: 3, line: l, .. } if l == line),
                "{error}"
            );
        }
        for bytes in [&b""[..], b"nothing", &compress(b"").unwrap()] {
            let error = Part::decode(3, 0, bytes).unwrap_err();
            assert!(matches!(
                error,
                BundleError::Damaged {
                    part: Place::Part(3)
                }
            ));
        }
        let whole = compress(LINE.repeat(50).as_bytes()).unwrap();
        let error = Part::decode(3, 0, &whole[..whole.len() - 2]).unwrap_err();
        assert!(matches!(error, BundleError::Damaged { .. }));
    }

    #[test]
    fn huge_windows_are_refused() {
        use std::io::Write;
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(LINE.as_bytes()).unwrap();
        let frame = encoder.finish().unwrap();
        assert!(matches!(
            Part::decode(0, 0, &frame),
            Err(BundleError::Damaged { .. })
        ));
    }
}

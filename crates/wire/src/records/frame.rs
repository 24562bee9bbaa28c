//! The object around the records of an export, read byte by byte with JSON's whole grammar (RFC 8259): it is small, and a mistake
//! in it is how a broken line of NDJSON is told from an export.

use super::{element::is_word, nesting::Nesting};

/// The member that holds the records.
const RECORDS: &[u8] = b"users";
/// Longest spelling of a key that can still mean [`RECORDS`]: each of its letters may be escaped as `\uXXXX`.
const LONGEST_KEY: usize = RECORDS.len() * 6;

const CONTROL: &str = "a string holds a control character";
/// Whatever it is: readers differ about which of two members counts.
const SECOND: &str = "a second member \"users\" follows";

/// A reader of the frame, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Frame {
    nesting: Nesting,
    expects: Expects,
    /// The beginning of the last key of the outermost object, as it is spelled.
    key: Vec<u8>,
    /// Whether the records have been found.
    found: bool,
    lines: Lines,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expects {
    #[default]
    Value,
    /// Behind `[`.
    ValueOrEnd,
    Key,
    /// Behind `{`.
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    Word,
    Text(Text),
    Escape(Text),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Key,
    Value,
}

/// How the object is laid out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// On one line so far.
    #[default]
    One,
    /// On several, the first of which holds nothing but the bracket: no line of NDJSON begins like that.
    Indented,
    /// On several.
    Several,
}

/// What a byte did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing yet.
    On,
    /// It opened the array of records.
    Records,
    /// It closed the object.
    End,
}

impl Frame {
    pub fn lines(&self) -> Lines {
        self.lines
    }

    /// Takes the next byte. The array of records is not part of the frame: the byte behind it comes next.
    pub fn step(&mut self, byte: u8) -> Result<Step, &'static str> {
        match self.expects {
            Expects::Text(text) => return self.text(text, byte),
            // A broken line of NDJSON may end in a backslash.
            Expects::Escape(_) if byte < 0x20 => return Err(CONTROL),
            Expects::Escape(text) => {
                self.remember(text, byte);
                self.expects = Expects::Text(text);
                return Ok(Step::On);
            }
            Expects::Word if is_word(byte) => return Ok(Step::On),
            Expects::Word => self.expects = Expects::CommaOrEnd,
            _ => {}
        }
        match byte {
            b'\n' => self.break_line(),
            b' ' | b'\t' | b'\r' => {}
            _ => return self.structure(byte),
        }
        Ok(Step::On)
    }

    fn structure(&mut self, byte: u8) -> Result<Step, &'static str> {
        self.expects = match (self.expects, byte) {
            (Expects::Key | Expects::KeyOrEnd, b'"') => {
                self.key.clear();
                Expects::Text(Text::Key)
            }
            (Expects::Colon, b':') => {
                if self.found && self.nesting.depth() == 1 && self.is_records() {
                    return Err(SECOND);
                }
                Expects::Value
            }
            (Expects::CommaOrEnd, b',') if self.nesting.in_object() => Expects::Key,
            (Expects::CommaOrEnd, b',') => Expects::Value,
            (Expects::CommaOrEnd | Expects::KeyOrEnd, b'}')
            | (Expects::CommaOrEnd | Expects::ValueOrEnd, b']') => {
                self.nesting.close(byte)?;
                if self.nesting.depth() == 0 {
                    return Ok(Step::End);
                }
                Expects::CommaOrEnd
            }
            (Expects::Value, b'[') if self.nesting.depth() == 1 && self.is_records() => {
                self.expects = Expects::CommaOrEnd;
                self.found = true;
                return Ok(Step::Records);
            }
            (Expects::Value | Expects::ValueOrEnd, b'[') => {
                self.nesting.open(byte)?;
                Expects::ValueOrEnd
            }
            (Expects::Value | Expects::ValueOrEnd, b'{') => {
                self.nesting.open(byte)?;
                Expects::KeyOrEnd
            }
            (Expects::Value | Expects::ValueOrEnd, b'"') => Expects::Text(Text::Value),
            (Expects::Value | Expects::ValueOrEnd, _) if is_word(byte) => Expects::Word,
            (Expects::Value | Expects::ValueOrEnd, _) => return Err("a value is missing"),
            (Expects::Key | Expects::KeyOrEnd, _) => return Err("a key is missing"),
            (Expects::Colon, _) => return Err("a colon is missing"),
            _ => return Err("a comma or a closing bracket is missing"),
        };
        Ok(Step::On)
    }

    fn text(&mut self, text: Text, byte: u8) -> Result<Step, &'static str> {
        match (byte, text) {
            (0..0x20, _) => return Err(CONTROL),
            (b'"', Text::Key) => self.expects = Expects::Colon,
            (b'"', Text::Value) => self.expects = Expects::CommaOrEnd,
            (b'\\', _) => {
                self.remember(text, byte);
                self.expects = Expects::Escape(text);
            }
            _ => self.remember(text, byte),
        }
        Ok(Step::On)
    }

    fn remember(&mut self, text: Text, byte: u8) {
        // One byte too many is kept, so that a longer key is not taken for its beginning.
        if text == Text::Key && self.nesting.depth() == 1 && self.key.len() <= LONGEST_KEY {
            self.key.push(byte);
        }
    }

    /// Whether the last key of the outermost object means the records, however it is spelled.
    fn is_records(&self) -> bool {
        if !self.key.contains(&b'\\') {
            return self.key == RECORDS;
        }
        let quoted = [b"\"", self.key.as_slice(), b"\""].concat();
        serde_json::from_slice::<String>(&quoted).is_ok_and(|key| key.as_bytes() == RECORDS)
    }

    fn break_line(&mut self) {
        if self.lines == Lines::One {
            let bare = self.nesting.depth() == 1 && self.expects == Expects::KeyOrEnd;
            self.lines = if bare {
                Lines::Indented
            } else {
                Lines::Several
            };
        }
    }
}

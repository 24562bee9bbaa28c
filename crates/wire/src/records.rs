//! Streams of records, of any length: NDJSON, a JSON array, or an export object that holds an array `users`.
//!
//! A [`RecordSplitter`] is given the bytes as they come and hands over the bytes of each record. It finds out by itself what it reads,
//! keeps at most the one record that is not complete yet, and decides where records end, not whether they are good: of a value it
//! looks at brackets and strings only, and of a line of NDJSON at nothing. Whoever takes a record parses it.

mod element;
mod frame;
mod nesting;

use memchr::memchr;
use serde_json::value::RawValue;

use element::Element;
use frame::{Frame, Lines, Step};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How much a stream may ask to be kept or passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest record in bytes. This much is kept in memory.
    pub record: usize,
    /// Most bytes in a row that belong to no record: blank space, and members of an export object other than its records.
    pub space: usize,
}

impl Default for Limits {
    /// 1 MiB each.
    fn default() -> Self {
        Self {
            record: 1 << 20,
            space: 1 << 20,
        }
    }
}

/// What a stream turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// NDJSON: a value a line.
    Lines,
    /// A JSON array.
    Array,
    /// An object with an array `users`.
    Export,
}

/// A record as it stands in the stream, without the blank space around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawRecord<'a> {
    /// Its place in the stream, counted from 0.
    pub index: u64,
    /// What was found between two boundaries; possibly no JSON, not even text.
    pub bytes: &'a [u8],
}

impl RawRecord<'_> {
    /// The JSON value that it is.
    pub fn parse(&self) -> serde_json::Result<Box<RawValue>> {
        serde_json::from_slice(self.bytes)
    }
}

/// Why a stream cannot be read further. The records before were handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A record is longer than the limit.
    #[error("record {record} is too long")]
    TooLong {
        /// Its number, counted from 0.
        record: u64,
    },
    /// Too much that belongs to no record.
    #[error("there is too much beside the records before record {record}")]
    TooMuchSpace {
        /// The number that the next record would have had.
        record: u64,
    },
    /// Neither NDJSON nor an array nor an export object.
    #[error("no records can be read from byte {offset} on: {message}")]
    Malformed {
        /// The number of the record that was to come.
        record: u64,
        /// Where, in bytes from the beginning of the stream.
        offset: u64,
        /// What is wrong, in words for the caller.
        message: &'static str,
    },
    /// The array or the object does not end.
    #[error("the input ends before its last bracket, at record {record}")]
    Truncated {
        /// The number of the record that was to come.
        record: u64,
    },
}

/// Divides a stream into records.
#[derive(Debug)]
pub struct RecordSplitter {
    limits: Limits,
    state: State,
    form: Option<Form>,
    /// Bytes of earlier pushes.
    offset: u64,
    /// Number of the next record.
    next: u64,
    /// How much of the byte order mark was seen.
    mark: usize,
    /// Bytes since the last record.
    space: usize,
    /// What earlier pushes held of the record that is being read.
    pending: Vec<u8>,
    element: Element,
    frame: Frame,
    failed: Option<SplitError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but blank space yet.
    Start,
    /// In the object at the beginning, which is a line of NDJSON or an export.
    First,
    /// In or before a line of NDJSON.
    Line,
    /// Behind the bracket that opens the array.
    Opened,
    /// Behind a comma.
    Comma,
    /// In a record of an array.
    Element,
    /// Behind a record of an array.
    Behind,
    /// In the object, behind its records.
    Tail,
    /// Behind the last bracket.
    End,
}

impl RecordSplitter {
    /// A splitter at the beginning of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Start,
            form: None,
            offset: 0,
            next: 0,
            mark: 0,
            space: 0,
            pending: Vec::new(),
            element: Element::default(),
            frame: Frame::default(),
            failed: None,
        }
    }

    /// Takes the next bytes and hands over each record that they complete. After an error every call answers that error.
    pub fn push(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(RawRecord<'_>),
    ) -> Result<(), SplitError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.advance(bytes, sink);
        self.offset += bytes.len() as u64;
        self.failed = result.clone().err();
        result
    }

    /// Ends the stream: hands over a last line without a line end, and fails when an array or object was cut off.
    pub fn finish(mut self, sink: &mut impl FnMut(RawRecord<'_>)) -> Result<(), SplitError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.state {
            State::Start if (1..BYTE_ORDER_MARK.len()).contains(&self.mark) => {
                let line = BYTE_ORDER_MARK.get(..self.mark).unwrap_or_default();
                self.complete(line, sink);
                Ok(())
            }
            State::Line if !self.pending.is_empty() => {
                self.complete(&[], sink);
                Ok(())
            }
            State::Start | State::Line | State::End => Ok(()),
            _ => Err(SplitError::Truncated { record: self.next }),
        }
    }

    /// What the stream is, once that is known.
    pub fn form(&self) -> Option<Form> {
        self.form
    }

    fn advance(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(RawRecord<'_>),
    ) -> Result<(), SplitError> {
        let mut at = 0;
        while at < bytes.len() {
            at = match self.state {
                State::Start => self.start(bytes, at)?,
                State::First => self.first(bytes, at, sink)?,
                State::Line => self.line(bytes, at, sink)?,
                State::Element => self.element(bytes, at, sink)?,
                State::Tail => self.tail(bytes, at)?,
                State::Opened | State::Comma | State::Behind | State::End => {
                    self.between(bytes, at)?
                }
            };
        }
        Ok(())
    }

    fn start(&mut self, bytes: &[u8], at: usize) -> Result<usize, SplitError> {
        let byte = bytes.get(at);
        if self.offset + at as u64 == self.mark as u64 {
            match BYTE_ORDER_MARK.get(self.mark) {
                expected @ Some(_) if byte == expected => {
                    self.mark += 1;
                    return Ok(at + 1);
                }
                Some(_) if self.mark > 0 => {
                    let begun = BYTE_ORDER_MARK.get(..self.mark).unwrap_or_default();
                    self.pending.extend_from_slice(begun);
                    self.begin(State::Line, Form::Lines);
                    return Ok(at);
                }
                _ => {}
            }
        }
        let at = self.skip_blank(bytes, at)?;
        match bytes.get(at) {
            None => {}
            Some(b'[') => {
                self.begin(State::Opened, Form::Array);
                return Ok(at + 1);
            }
            Some(b'{') => self.state = State::First,
            Some(_) => self.begin(State::Line, Form::Lines),
        }
        Ok(at)
    }

    fn begin(&mut self, state: State, form: Form) {
        self.state = state;
        self.form = Some(form);
    }

    /// The object at the beginning is kept until it shows what it is: it may be the first line of NDJSON.
    fn first(
        &mut self,
        bytes: &[u8],
        from: usize,
        sink: &mut impl FnMut(RawRecord<'_>),
    ) -> Result<usize, SplitError> {
        let kept = self.pending.len();
        for (at, &byte) in bytes.iter().enumerate().skip(from) {
            let length = kept + at - from;
            if length >= self.limits.record {
                return Err(SplitError::TooLong { record: self.next });
            }
            let message = match self.frame.step(byte) {
                Ok(Step::On) => continue,
                Ok(Step::Records) => {
                    self.space = length + 1;
                    self.pending.clear();
                    self.begin(State::Opened, Form::Export);
                    return Ok(at + 1);
                }
                Ok(Step::End) if self.frame.lines() == Lines::One => None,
                Ok(Step::End) => Some("the object holds no array \"users\""),
                Err(message) if self.frame.lines() == Lines::Indented => Some(message),
                Err(_) => None,
            };
            if let Some(message) = message {
                return Err(self.malformed(at, message));
            }
            self.begin(State::Line, Form::Lines);
            let begun = std::mem::take(&mut self.pending);
            self.line_all(&begun, sink)?;
            return Ok(from);
        }
        self.pending
            .extend_from_slice(bytes.get(from..).unwrap_or_default());
        Ok(bytes.len())
    }

    fn line_all(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(RawRecord<'_>),
    ) -> Result<(), SplitError> {
        let mut at = 0;
        while at < bytes.len() {
            at = self.line(bytes, at, sink)?;
        }
        Ok(())
    }

    fn line(
        &mut self,
        bytes: &[u8],
        at: usize,
        sink: &mut impl FnMut(RawRecord<'_>),
    ) -> Result<usize, SplitError> {
        let mut at = at;
        // A line is pending from its first byte that is not blank.
        if self.pending.is_empty() {
            at = self.skip_blank(bytes, at)?;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let end = memchr(b'\n', rest);
        let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.check_line(line)?;
        match end {
            None => self.pending.extend_from_slice(line),
            Some(_) => self.complete(line, sink),
        }
        Ok(at + end.unwrap_or(rest.len()))
    }

    /// A carriage return before the line end is not counted.
    fn check_line(&self, line: &[u8]) -> Result<(), SplitError> {
        let room = self.limits.record.saturating_sub(self.pending.len());
        let over = line.len().saturating_sub(room);
        let excess = self.pending.len().saturating_sub(self.limits.record) + over;
        let last = line.last().or_else(|| self.pending.last());
        if excess > 1 || (excess == 1 && last != Some(&b'\r')) {
            return Err(SplitError::TooLong { record: self.next });
        }
        Ok(())
    }

    fn element(
        &mut self,
        bytes: &[u8],
        from: usize,
        sink: &mut impl FnMut(RawRecord<'_>),
    ) -> Result<usize, SplitError> {
        let rest = bytes.get(from..).unwrap_or_default();
        let room = self.limits.record.saturating_sub(self.pending.len());
        let seen = rest.get(..room).unwrap_or(rest);
        match self.element.scan(seen) {
            Err((at, message)) => Err(self.malformed(from + at, message)),
            Ok(Some(length)) => {
                self.complete(rest.get(..length).unwrap_or_default(), sink);
                self.state = State::Behind;
                Ok(from + length)
            }
            Ok(None) if seen.len() < rest.len() => Err(SplitError::TooLong { record: self.next }),
            Ok(None) => {
                self.pending.extend_from_slice(seen);
                Ok(bytes.len())
            }
        }
    }

    fn between(&mut self, bytes: &[u8], at: usize) -> Result<usize, SplitError> {
        let at = self.skip_blank(bytes, at)?;
        let Some(&byte) = bytes.get(at) else {
            return Ok(at);
        };
        self.state = match (self.state, byte) {
            (State::Behind, b',') => State::Comma,
            (State::Opened | State::Behind, b']') if self.form == Some(Form::Export) => State::Tail,
            (State::Opened | State::Behind, b']') => State::End,
            (State::Comma, b']') => return Err(self.malformed(at, "a value is missing")),
            (State::Opened | State::Comma, _) => {
                self.element = Element::default();
                self.space = 0;
                self.state = State::Element;
                return Ok(at);
            }
            (State::Behind, _) => return Err(self.malformed(at, "a comma or ] is missing")),
            _ => return Err(self.malformed(at, "something follows the last bracket")),
        };
        Ok(at + 1)
    }

    fn tail(&mut self, bytes: &[u8], from: usize) -> Result<usize, SplitError> {
        for (at, &byte) in bytes.iter().enumerate().skip(from) {
            self.pass_over(1)?;
            match self.frame.step(byte) {
                // The records are found once.
                Ok(Step::On | Step::Records) => {}
                Ok(Step::End) => {
                    self.state = State::End;
                    return Ok(at + 1);
                }
                Err(message) => return Err(self.malformed(at, message)),
            }
        }
        Ok(bytes.len())
    }

    fn skip_blank(&mut self, bytes: &[u8], at: usize) -> Result<usize, SplitError> {
        let rest = bytes.get(at..).unwrap_or_default();
        let blank = rest
            .iter()
            .position(|&byte| !is_blank(byte))
            .unwrap_or(rest.len());
        self.pass_over(blank)?;
        Ok(at + blank)
    }

    fn pass_over(&mut self, bytes: usize) -> Result<(), SplitError> {
        self.space += bytes;
        if self.space > self.limits.space {
            return Err(SplitError::TooMuchSpace { record: self.next });
        }
        Ok(())
    }

    /// Hands over what is pending and these bytes as one record.
    fn complete(&mut self, bytes: &[u8], sink: &mut impl FnMut(RawRecord<'_>)) {
        let index = self.next;
        self.next += 1;
        self.space = 0;
        if self.pending.is_empty() {
            let bytes = without_blank_end(bytes);
            sink(RawRecord { index, bytes });
            return;
        }
        self.pending.extend_from_slice(bytes);
        let bytes = without_blank_end(&self.pending);
        sink(RawRecord { index, bytes });
        self.pending.clear();
    }

    fn malformed(&self, at: usize, message: &'static str) -> SplitError {
        SplitError::Malformed {
            record: self.next,
            offset: self.offset + at as u64,
            message,
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn without_blank_end(bytes: &[u8]) -> &[u8] {
    let length = bytes
        .iter()
        .rposition(|&byte| !is_blank(byte))
        .map_or(0, |at| at + 1);
    bytes.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests;

//! The end of one JSON value. Only brackets and strings are looked at: whoever parses the value sees the rest.

use memchr::memchr2;

use super::nesting::Nesting;

/// How much of a string is looked at byte by byte before the search that is faster for long ones begins.
const SHORT: usize = 16;

/// A value that has begun.
#[derive(Debug, Default)]
pub(super) struct Element {
    nesting: Nesting,
    within: Within,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Between strings; before the value when nothing is open.
    #[default]
    Structure,
    Text,
    /// Behind a backslash.
    Escape,
    /// A number or a literal that is the whole value.
    Word,
}

/// Where, counted from the beginning of the bytes given, and why the value cannot be one.
pub(super) type Broken = (usize, &'static str);

impl Element {
    /// Reads on. The answer is where the value ends, or `None` if that is not in these bytes.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            match self.within {
                Within::Structure => {
                    let Some(length) = self.structure(rest).map_err(|(n, why)| (at + n, why))?
                    else {
                        return Ok(None);
                    };
                    at += length;
                    if self.within == Within::Structure {
                        return Ok(Some(at));
                    }
                }
                Within::Text => {
                    let Some(length) = quote_or_escape(rest) else {
                        return Ok(None);
                    };
                    at += length + 1;
                    if rest.get(length) == Some(&b'\\') {
                        self.within = Within::Escape;
                    } else {
                        self.within = Within::Structure;
                        if self.nesting.depth() == 0 {
                            return Ok(Some(at));
                        }
                    }
                }
                Within::Escape => {
                    at += 1;
                    self.within = Within::Text;
                }
                Within::Word => match rest.iter().position(|&byte| !is_word(byte)) {
                    Some(length) => return Ok(Some(at + length)),
                    None => return Ok(None),
                },
            }
        }
        Ok(None)
    }

    /// Goes on to the next string or word, which `within` then names, or behind the bracket that ends the value.
    fn structure(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b'"' => {
                    self.within = Within::Text;
                    return Ok(Some(at + 1));
                }
                b'{' | b'[' => self.nesting.open(byte).map_err(|why| (at, why))?,
                b'}' | b']' => {
                    self.nesting.close(byte).map_err(|why| (at, why))?;
                    if self.nesting.depth() == 0 {
                        return Ok(Some(at + 1));
                    }
                }
                _ if self.nesting.depth() > 0 => {}
                _ if is_word(byte) => {
                    self.within = Within::Word;
                    return Ok(Some(at));
                }
                _ => return Err((at, "a value is missing")),
            }
        }
        Ok(None)
    }
}

/// What numbers and literals are made of.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

fn quote_or_escape(bytes: &[u8]) -> Option<usize> {
    let (near, far) = bytes.split_at(bytes.len().min(SHORT));
    near.iter()
        .position(|&byte| byte == b'"' || byte == b'\\')
        .or_else(|| memchr2(b'"', b'\\', far).map(|at| near.len() + at))
}

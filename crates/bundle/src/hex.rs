//! Byte strings of a fixed length, written in hexadecimal.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// `N` bytes, shown as `2 N` lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

/// A text that is not hexadecimal, or of another length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not hexadecimal of the right length")]
pub struct MalformedHex;

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = MalformedHex;

    /// Reads digits in either case.
    fn from_str(text: &str) -> Result<Self, MalformedHex> {
        if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(MalformedHex);
        }
        let mut out = [0; N];
        for (at, byte) in out.iter_mut().enumerate() {
            *byte = text
                .get(2 * at..2 * at + 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or(MalformedHex)?;
        }
        Ok(Self(out))
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        let bytes = Hex([0, 1, 0xab, 0xff]);
        assert_eq!(bytes.to_string(), "0001abff");
        assert_eq!("0001ABFF".parse(), Ok(bytes));
        for bad in ["", "0001abf", "0001abff0", "0001abfg", "+001abff", "äöüß"] {
            assert_eq!(bad.parse::<Hex<4>>(), Err(MalformedHex), "{bad}");
        }
    }
}

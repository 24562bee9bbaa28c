//! The short code that a device shows and a person enters elsewhere (RFC 8628 section 6.1).

use std::fmt;

/// Consonants that are not taken for digits: no code is a word.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters of a code: 20^8 of them.
const LETTERS: usize = 8;
/// Most bytes of what a person enters.
const LONGEST: usize = 64;

/// A short code: eight letters.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode(String);

impl UserCode {
    /// Makes a code of random bytes. Each letter is as likely as any other: bytes that would favour some are left out.
    pub fn draw(mut byte: impl FnMut() -> u8) -> Self {
        let mut code = String::with_capacity(LETTERS);
        while code.len() < LETTERS {
            let drawn = usize::from(byte());
            let fair = drawn < 256 - 256 % ALPHABET.len();
            if let Some(letter) = ALPHABET.get(drawn % ALPHABET.len()).filter(|_| fair) {
                code.push(char::from(*letter));
            }
        }
        Self(code)
    }

    /// Reads what a person entered: case does not matter, nor does anything that is no letter or digit.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let code: String = text
            .chars()
            .filter(|c| c.is_alphanumeric())
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let good = code.len() == LETTERS && code.bytes().all(|b| ALPHABET.contains(&b));
        good.then_some(Self(code))
    }

    /// The letters, for hashing.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserCode {
    /// In two halves, as people read it: `WDJB-MJHT`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, two) = self.0.split_at_checked(LETTERS / 2).unwrap_or_default();
        write!(f, "{one}-{two}")
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(text in ".{0,100}") {
            if let Some(code) = UserCode::parse(&text) {
                prop_assert_eq!(UserCode::parse(&code.to_string()), Some(code));
            }
        }

        #[test]
        fn what_was_drawn_is_read_however_it_is_written(bytes in prop::collection::vec(0..240_u8, 8)) {
            let mut bytes = bytes.into_iter();
            let code = UserCode::draw(|| bytes.next().unwrap());
            let shown = code.to_string();
            prop_assert_eq!(shown.len(), 9);
            prop_assert_eq!(UserCode::parse(&shown), Some(code.clone()));
            prop_assert_eq!(UserCode::parse(&shown.to_lowercase().replace('-', " ")), Some(code.clone()));
            prop_assert_eq!(UserCode::parse(code.as_str()), Some(code));
        }
    }

    #[test]
    fn each_letter_is_as_likely_as_another() {
        let mut counts = std::collections::BTreeMap::new();
        for byte in 0..=255_u8 {
            let mut bytes = std::iter::once(byte).chain(std::iter::repeat(0));
            let code = UserCode::draw(|| bytes.next().unwrap());
            *counts.entry(code.0.chars().next().unwrap()).or_insert(0) += 1;
        }
        // The sixteen bytes past 239 are drawn again, as 0.
        assert_eq!(counts.remove(&'B'), Some(12 + 16));
        assert!(counts.len() == 19 && counts.values().all(|count| *count == 12));
    }

    #[test]
    fn other_text_is_no_code() {
        assert!(UserCode::parse(" wdjb–mjht ").is_some());
        for bad in [
            "",
            "WDJB-MJH",
            "WDJB-MJHTT",
            "WDJB-MJHA",
            "WDJB-MJH1",
            "ẞDJB-MJHT",
        ] {
            assert_eq!(UserCode::parse(bad), None, "{bad}");
        }
        assert_eq!(UserCode::parse(&"-".repeat(100)), None);
    }
}

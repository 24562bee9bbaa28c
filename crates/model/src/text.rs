//! Text that people are shown to decide by.

/// Whether a character is not seen, or changes the order in which others are: controls, marks of direction, blanks without width, fillers.
/// Joiners and non-joiners are not among them: Persian and many emoji are written with them.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
                | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text with a sign in place of each character that is not seen.
pub fn visible(text: &str) -> String {
    let seen = |c: char| match is_hidden(c) {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    };
    text.chars().map(seen).collect()
}

/// A name as it is shown: without characters that are not seen, or with signs for them where there are no others.
pub fn shown_name(name: &str) -> String {
    let seen: String = name.chars().filter(|c| !is_hidden(*c)).collect();
    match seen.trim().is_empty() {
        true => visible(name),
        false => seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_not_shown() {
        assert_eq!(shown_name("\u{200e}Chat\u{202e}knaB\u{2069}"), "ChatknaB");
        for name in ["Büro 東京 🏦", "می\u{200c}خواهم", "👨\u{200d}👩\u{200d}👧"]
        {
            assert_eq!(shown_name(name), name);
        }
        assert_eq!(shown_name("\u{200b} \u{3164}"), "\u{fffd} \u{fffd}");
        assert_eq!(visible("a\u{202e}b\n"), "a\u{fffd}b\u{fffd}");
        for hidden in "\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".chars() {
            assert!(is_hidden(hidden), "{hidden:?}");
        }
    }
}

//! What an expression is made of, before it is parsed.
//!
//! The parser and whatever walks its tree call themselves once for each level of nesting, so the levels are counted first. The count
//! is an upper bound, and it holds for what the parser sees because tokens are told apart exactly as its lexer does
//! (CEL's grammar, `CEL.g4`); what the lexer would stumble over is refused.

use super::PredicateError;

/// Longest expression in bytes.
pub(super) const LONGEST: usize = 4096;
/// Most levels: brackets, and operators and members in a row between `&&`, `||` and commas.
pub(super) const DEEPEST: usize = 40;

/// Refuses what is too long, too deeply nested, or no sequence of tokens.
pub(super) fn check(text: &str) -> Result<(), PredicateError> {
    if text.len() > LONGEST {
        return Err(PredicateError::new(format!(
            "an expression has at most {LONGEST} bytes"
        )));
    }
    if text.trim().is_empty() {
        return Err(PredicateError::new("an expression is missing"));
    }
    let mut scan = Scan {
        text,
        at: 0,
        levels: vec![Level::default()],
    };
    while let Some(found) = scan.rest().chars().next() {
        scan.token(found)?;
    }
    Ok(())
}

/// Levels inside of one pair of brackets.
#[derive(Default, Clone, Copy)]
struct Level {
    /// Levels around it, and conditions in it.
    base: usize,
    /// Operators and members since the last `&&`, `||` or comma.
    row: usize,
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    levels: Vec<Level>,
}

impl Scan<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn token(&mut self, found: char) -> Result<(), PredicateError> {
        let rest = self.rest();
        match found {
            ' ' | '\t' | '\r' | '\n' | '\u{c}' => self.at += 1,
            '/' if rest.starts_with("//") => {
                self.at += rest.find('\n').unwrap_or(rest.len());
            }
            '"' | '\'' => self.string(Escapes::Known)?,
            '_' | 'a'..='z' | 'A'..='Z' | '0'..='9' => self.word()?,
            '(' | '[' | '{' => {
                self.deepen(1)?;
                let Level { base, row } = self.level();
                self.levels.push(Level {
                    base: base + row,
                    row: 0,
                });
                self.at += 1;
            }
            ')' | ']' | '}' => {
                // Too many of them are the parser's to complain about.
                if self.levels.len() > 1 {
                    self.levels.pop();
                }
                self.at += 1;
            }
            ',' => self.next_operand(1),
            '&' if rest.starts_with("&&") => self.next_operand(2),
            '|' if rest.starts_with("||") => self.next_operand(2),
            '?' => {
                self.deepen(1)?;
                if let Some(level) = self.levels.last_mut() {
                    *level = Level {
                        base: level.base + 1,
                        row: level.row - 1,
                    };
                }
                self.at += 1;
            }
            ':' => self.at += 1,
            '=' | '!' | '<' | '>' if rest.get(1..2) == Some("=") => {
                self.deepen(1)?;
                self.at += 2;
            }
            '.' | '+' | '-' | '*' | '/' | '%' | '!' | '<' | '>' => {
                self.deepen(1)?;
                self.at += 1;
            }
            '=' => return Err(self.error("two values are compared with \"==\"")),
            '&' | '|' => return Err(self.error(format!("\"{found}{found}\" is meant"))),
            _ => return Err(self.error(format!("{found:?} means nothing here"))),
        }
        Ok(())
    }

    fn level(&self) -> Level {
        self.levels.last().copied().unwrap_or_default()
    }

    fn deepen(&mut self, by: usize) -> Result<(), PredicateError> {
        let Level { base, row } = self.level();
        if base + row + by > DEEPEST {
            return Err(self.error(format!("the expression nests more than {DEEPEST} deep")));
        }
        if let Some(level) = self.levels.last_mut() {
            level.row += by;
        }
        Ok(())
    }

    fn next_operand(&mut self, length: usize) {
        if let Some(level) = self.levels.last_mut() {
            level.row = 0;
        }
        self.at += length;
    }

    /// A name, a keyword or a number, and the string whose prefix it may be.
    fn word(&mut self) -> Result<(), PredicateError> {
        let rest = self.rest();
        let length = rest
            .bytes()
            .position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_')
            .unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default().to_owned();
        let before_string = matches!(rest.as_bytes().get(length), Some(b'"' | b'\''));
        if word == "in" {
            self.deepen(1)?;
        }
        if !before_string {
            self.at += length;
            return Ok(());
        }
        let escapes = match word.as_str() {
            "in" | "b" | "B" => Escapes::Known,
            "r" | "R" | "br" | "bR" | "Br" | "BR" => Escapes::None,
            _ => return Err(self.error(format!("{word:?} cannot stand before a string"))),
        };
        self.at += length;
        self.string(escapes)
    }

    /// A string from its opening quotes to its closing ones.
    fn string(&mut self, escapes: Escapes) -> Result<(), PredicateError> {
        let rest = self.rest();
        let quote = rest.get(..1).unwrap_or_default();
        let triple = quote.repeat(3);
        let quotes = if rest.starts_with(&triple) {
            triple.as_str()
        } else {
            quote
        };
        let mut at = quotes.len();
        loop {
            let left = rest.get(at..).unwrap_or_default();
            let Some(next) = left.chars().next() else {
                return Err(self.error("the string is not closed"));
            };
            if left.starts_with(quotes) {
                self.at += at + quotes.len();
                return Ok(());
            }
            if quotes.len() == 1 && matches!(next, '\n' | '\r') {
                return Err(self.error("the string is not closed on its line"));
            }
            at += match (next, escapes) {
                ('\\', Escapes::Known) => match escape_length(left) {
                    Some(length) => length,
                    None => {
                        self.at += at;
                        return Err(self.error("a backslash begins no escape that is known"));
                    }
                },
                _ => next.len_utf8(),
            };
        }
    }

    fn error(&self, message: impl Into<String>) -> PredicateError {
        PredicateError::new(message).at(self.text, self.at)
    }
}

/// Whether a backslash means something.
#[derive(Clone, Copy)]
enum Escapes {
    Known,
    None,
}

/// The length of the escape at the beginning, if it is one.
fn escape_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let hex = |digits: usize| {
        let all = bytes.get(2..2 + digits)?;
        all.iter().all(u8::is_ascii_hexdigit).then_some(2 + digits)
    };
    match bytes.get(1)? {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => {
            Some(2)
        }
        b'x' | b'X' => hex(2),
        b'u' => hex(4),
        b'U' => hex(8),
        b'0'..=b'3' => {
            let all = bytes.get(2..4)?;
            all.iter()
                .all(|byte| (b'0'..=b'7').contains(byte))
                .then_some(4)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart_as_the_lexer_does() {
        for text in [
            r#"a.b == "(((" && c in ["x", 'y', r"\", br'\d', b"\x00", """a"b
c""", "\u00e9\123"] // (((
 || !d ? -1 < 2.5e3 : x[0x1F] >= {"a": 1}"#,
            "1",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for (text, message, column) in [
            ("a = 1", "two values are compared with \"==\"", 3),
            ("a & b", "\"&&\" is meant", 3),
            ("é == #", "'é' means nothing here", 1),
            ("a == 'é' # b", "'#' means nothing here", 10),
            ("a == `b`", "'`' means nothing here", 6),
            ("a == \"b", "the string is not closed", 6),
            ("a == 'b\n'", "the string is not closed on its line", 6),
            (
                r#"a == "b\q""#,
                "a backslash begins no escape that is known",
                8,
            ),
            (
                r#"a == "\u12""#,
                "a backslash begins no escape that is known",
                7,
            ),
            (
                r#"0x1br"\" == "a""#,
                "\"0x1br\" cannot stand before a string",
                1,
            ),
        ] {
            let error = check(text).unwrap_err();
            assert_eq!(error.message, message, "{text}");
            assert_eq!(error.position, Some((1, column)), "{text}");
        }
        assert_eq!(
            check(" ").unwrap_err().to_string(),
            "an expression is missing"
        );
    }

    #[test]
    fn levels_are_counted() {
        for (open, close) in [
            ("(", ")"),
            ("[", "]"),
            ("{1:", "}"),
            ("!", ""),
            ("a?b:", "c"),
            ("x.", "y"),
            ("1 in ", "1"),
        ] {
            let nested = |n: usize| format!("{}{}", open.repeat(n), close.repeat(n.min(40)));
            assert_eq!(check(&nested(DEEPEST)), Ok(()), "{open}");
            let error = check(&nested(DEEPEST + 1)).unwrap_err();
            assert_eq!(error.message, "the expression nests more than 40 deep");
        }
        let long = vec!["a.b == \"c\""; 250].join(" && ");
        assert_eq!(check(&long), Ok(()));
    }
}

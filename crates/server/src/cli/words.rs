//! Words of commands that are printed for somebody to run, and of counts.

/// A word as a shell reads it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// `1 user`, `2 users`.
pub fn users(count: u64) -> String {
    let what = if count == 1 { "user" } else { "users" };
    format!("{count} {what}")
}

/// `1 person`, `2 people`.
pub fn people(count: u64) -> String {
    let what = if count == 1 { "person" } else { "people" };
    format!("{count} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("http://a.example:1:b"), "http://a.example:1:b");
        assert_eq!(quoted("http://a:my shop"), "'http://a:my shop'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("$(x)"), "'$(x)'");
        assert_eq!(quoted(""), "''");
    }
}

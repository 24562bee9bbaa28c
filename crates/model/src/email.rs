//! E-mail addresses as names of people.

use crate::Invalid;

/// An e-mail address, kept as it was given, with a folded key for look-ups. The check is for shape, not deliverability: one `@`,
/// something on both sides, no white space or control characters, at most 320 bytes (RFC 5321 section 4.5.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Checks the shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::new("emails", "is not an e-mail address");
        if text.len() > 320 || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(bad());
        }
        match text.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(bad()),
        }
    }

    /// As given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Folded for comparison: addresses that differ only in case name the same person.
    pub fn key(&self) -> String {
        fold(&self.0)
    }
}

/// Folds text for case-insensitive look-ups, the same on both databases because it is done here.
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

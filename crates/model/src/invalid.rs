//! Why a value was refused.

use std::fmt;

/// A value that breaks a rule of the model. `field` is the JSON member it arrived in, when known; `reason` is a sentence fit to
/// show to the caller and never repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// JSON member (dot path) at fault; empty when the whole value is.
    pub field: String,
    /// What is wrong, in words for the caller.
    pub reason: String,
}

impl Invalid {
    /// A complaint about one member.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.field, self.reason)
        }
    }
}

impl std::error::Error for Invalid {}

//! Errors with an outside and an inside: what the caller may read, and what the log should know.

use std::{error::Error as StdError, fmt};

use vestibule_model::Invalid;

/// What the engine answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal or a failure of an engine call.
pub struct Error {
    /// What sort; each API maps it to a status.
    pub kind: Kind,
    /// Short stable code for machines, e.g. `not_found`, `uniqueness`, `invalid_grant`.
    pub code: &'static str,
    /// A sentence for the caller. Never holds a secret or another tenant's data.
    pub public: String,
    /// For the log only.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
    /// What the caller's next proof of possession must repeat (RFC 9449 section 8).
    pub nonce: Option<String>,
}

/// The sorts of errors. What belongs to another tenant is `NotFound`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is malformed or breaks a rule (400).
    Invalid,
    /// Nobody, or a credential that is wrong or expired (401).
    Unauthenticated,
    /// Known, but not allowed (403).
    Forbidden,
    /// No such thing that the caller may know of (404).
    NotFound,
    /// Exists already, or is in the wrong state (409).
    Conflict,
    /// The caller's copy is older than ours (412).
    Stale,
    /// Understood, but the thing's state forbids it (422).
    Unprocessable,
    /// More than we take at once (413).
    TooLarge,
    /// Too many requests of this caller (429); seconds to wait.
    Throttled(u32),
    /// We cannot now (503); seconds to wait.
    Unavailable(u32),
    /// Our fault (500).
    Internal,
}

impl Error {
    /// An error without an inside.
    pub fn new(kind: Kind, code: &'static str, public: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            public: public.into(),
            source: None,
            nonce: None,
        }
    }

    /// 400 with code `invalid_request`.
    pub fn invalid(public: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, "invalid_request", public)
    }

    /// 404 with code `not_found`.
    pub fn not_found(public: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, "not_found", public)
    }

    /// 403 with code `forbidden`.
    pub fn forbidden(public: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, "forbidden", public)
    }

    /// 401 with code `unauthorized`.
    pub fn unauthenticated(public: impl Into<String>) -> Self {
        Self::new(Kind::Unauthenticated, "unauthorized", public)
    }

    /// 409 with the given code.
    pub fn conflict(code: &'static str, public: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, code, public)
    }

    /// 500 whose cause goes to the log.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Internal,
            code: "server_error",
            public: String::from(
                "Something went wrong on our side. The log of the service says what.",
            ),
            source: Some(source.into()),
            nonce: None,
        }
    }

    /// 503: try again after some seconds.
    pub fn busy(public: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable(1), "temporarily_unavailable", public)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.kind, self.code, self.public)?;
        match &self.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public)
    }
}

impl StdError for Error {}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::new(Kind::Invalid, "invalid_request", invalid.to_string())
    }
}

impl From<vestibule_store::Error> for Error {
    fn from(error: vestibule_store::Error) -> Self {
        use vestibule_store::Error as Store;
        let (kind, code, public) = match &error {
            Store::Unavailable(_) => (
                Kind::Unavailable(1),
                "temporarily_unavailable",
                "The database cannot be reached right now. Try again in a moment.",
            ),
            Store::Full(_) => (
                Kind::Unavailable(60),
                "storage_full",
                "The database has no space left. Nothing of this request was kept; try again when there is some.",
            ),
            Store::Conflict { .. } => (
                Kind::Conflict,
                "conflict",
                "Something with this name or id exists already.",
            ),
            // The store keeps no such text, on either database; only a request can have brought it.
            Store::Other(reason) if reason.contains("U+0000") => (
                Kind::Invalid,
                "invalid_request",
                "A text of the request holds the character U+0000.",
            ),
            _ => (
                Kind::Internal,
                "server_error",
                "Something went wrong on our side. The log of the service says what.",
            ),
        };
        Self {
            kind,
            code,
            public: String::from(public),
            source: Some(Box::new(error)),
            nonce: None,
        }
    }
}

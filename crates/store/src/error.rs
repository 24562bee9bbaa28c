//! What can go wrong with a database. No message contains a value from a row or a parameter.

/// Why the database did not do what was asked. "Not found" is not among them: that is `None`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It could not be done now: unreachable, overloaded, out of space, a deadlock, shutting down. The same call may succeed later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The disk of the database is full. The same call may succeed once there is space.
    #[error("the database has no space left: {0}")]
    Full(String),
    /// A row with this key exists. `constraint` names the columns alike on both engines: `table.column, table.column`; for a
    /// unique index over an expression it is the index's name.
    #[error("a row with the same {constraint} exists")]
    Conflict {
        /// The columns, or the name of the index.
        constraint: String,
    },
    /// What is stored is not what the program stores.
    #[error("stored data is not as expected: {0}")]
    Corrupt(String),
    /// Anything else: a mistake in the program, a schema of another version, a wrong configuration.
    #[error("the database refused: {0}")]
    Other(String),
}

/// The result of a store call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that may pass.
    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable(reason.into())
    }

    /// Stored data the program cannot have written. `what` names it without its value.
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }

    /// An error that will not pass.
    pub(crate) fn other(reason: impl Into<String>) -> Self {
        Self::Other(reason.into())
    }
}

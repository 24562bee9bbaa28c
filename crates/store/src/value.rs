//! What goes into a statement and what comes out: four kinds of value that both engines store alike.

use std::fmt;

use crate::{Error, Result};

/// A parameter or a column. Its `Debug` shows kind and size only, since values are personal data and key material.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// BIGINT on PostgreSQL, INTEGER on SQLite; also truth (0 or 1) and time (milliseconds since the Unix epoch).
    Int(i64),
    /// TEXT. Must not contain U+0000, which PostgreSQL cannot store.
    Text(String),
    /// BYTEA on PostgreSQL, BLOB on SQLite.
    Blob(Vec<u8>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Int(_) => "integer",
            Self::Text(_) => "text",
            Self::Blob(_) => "blob",
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null | Self::Int(_) => f.write_str(self.kind()),
            Self::Text(text) => write!(f, "text({} bytes)", text.len()),
            Self::Blob(bytes) => write!(f, "blob({} bytes)", bytes.len()),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(value.to_vec())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of a result. Columns count from 0; one of another kind than asked for is [`Error::Corrupt`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(Vec<Value>);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values)
    }

    /// How many columns the row has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the row has no column.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The column as it came.
    pub fn value(&self, column: usize) -> Result<&Value> {
        self.0
            .get(column)
            .ok_or_else(|| Error::corrupt(format!("column {column} of {}", self.0.len())))
    }

    /// Whether the column is NULL.
    pub fn is_null(&self, column: usize) -> Result<bool> {
        self.value(column).map(|value| *value == Value::Null)
    }

    /// An integer.
    pub fn int(&self, column: usize) -> Result<i64> {
        self.opt_int(column)?.ok_or_else(|| null(column))
    }

    /// An integer or NULL.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Int(value) => Ok(Some(*value)),
            other => Err(mismatch(column, "integer", other)),
        }
    }

    /// A truth value, stored as 0 or 1.
    pub fn bool(&self, column: usize) -> Result<bool> {
        match self.int(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::corrupt(format!(
                "column {column}: expected 0 or 1, found another integer"
            ))),
        }
    }

    /// A text.
    pub fn text(&self, column: usize) -> Result<String> {
        self.opt_text(column)?.ok_or_else(|| null(column))
    }

    /// A text or NULL.
    pub fn opt_text(&self, column: usize) -> Result<Option<String>> {
        self.opt_str(column).map(|text| text.map(str::to_owned))
    }

    /// A text, as it stands in the row.
    pub fn str(&self, column: usize) -> Result<&str> {
        self.opt_str(column)?.ok_or_else(|| null(column))
    }

    fn opt_str(&self, column: usize) -> Result<Option<&str>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(value) => Ok(Some(value)),
            other => Err(mismatch(column, "text", other)),
        }
    }

    /// A byte string.
    pub fn blob(&self, column: usize) -> Result<Vec<u8>> {
        self.opt_blob(column)?.ok_or_else(|| null(column))
    }

    /// A byte string or NULL.
    pub fn opt_blob(&self, column: usize) -> Result<Option<Vec<u8>>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Blob(value) => Ok(Some(value.clone())),
            other => Err(mismatch(column, "blob", other)),
        }
    }
}

fn null(column: usize) -> Error {
    Error::corrupt(format!("column {column}: unexpected NULL"))
}

fn mismatch(column: usize, expected: &str, found: &Value) -> Error {
    Error::corrupt(format!(
        "column {column}: expected {expected}, found {}",
        found.kind()
    ))
}

/// A row while it is being read: what it holds is borrowed from the driver. For scans, where a copy of each value would cost more than
/// finding it.
pub struct Cells<'a>(pub(crate) CellsOf<'a>);

pub(crate) enum CellsOf<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

impl Cells<'_> {
    /// An integer.
    pub fn int(&self, column: usize) -> Result<i64> {
        self.opt_int(column)?.ok_or_else(|| null(column))
    }

    /// An integer or NULL.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        match &self.0 {
            CellsOf::Sqlite(row) => {
                let cell = row.get_ref(column).ok();
                cell.and_then(|cell| cell.as_i64_or_null().ok())
            }
            CellsOf::Postgres(row) => row.try_get::<_, Option<i64>>(column).ok(),
        }
        .ok_or_else(|| unreadable(column, "integer"))
    }

    /// A text.
    pub fn text(&self, column: usize) -> Result<&str> {
        self.opt_text(column)?.ok_or_else(|| null(column))
    }

    /// A text or NULL.
    pub fn opt_text(&self, column: usize) -> Result<Option<&str>> {
        match &self.0 {
            CellsOf::Sqlite(row) => {
                let cell = row.get_ref(column).ok();
                cell.and_then(|cell| cell.as_str_or_null().ok())
            }
            CellsOf::Postgres(row) => row.try_get::<_, Option<&str>>(column).ok(),
        }
        .ok_or_else(|| unreadable(column, "text"))
    }
}

fn unreadable(column: usize, expected: &str) -> Error {
    Error::corrupt(format!("column {column}: expected {expected}"))
}

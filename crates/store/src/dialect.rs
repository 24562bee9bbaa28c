//! Each difference between the two engines that is not hidden by the drivers:
//!
//! 1. Types of columns: `BIGINT TEXT BYTEA` on PostgreSQL, `INTEGER TEXT BLOB` of STRICT tables on SQLite (the migrations).
//! 2. Placeholders: SQLite takes `$1` for a name ([`placeholder`]).
//! 3. PostgreSQL infers a parameter's type from its surroundings and may find a narrower one ([`parameter_type`]).
//! 4. What an engine's error means, and how a violated key is named ([`sqlite_error`], [`postgres_error`], [`unique_keys`]).
//! 5. U+0000 in text: PostgreSQL cannot store it, so neither does ([`check`]).
//! 6. Writes run one after another on SQLite and side by side on PostgreSQL ([`POSTGRES_LOCK`]).
//! 7. The order of text: bytes on SQLite, the server's choice on PostgreSQL unless columns say `COLLATE "C"` (the migrations).
//! 8. Many rows at a time: `COPY` on PostgreSQL, one prepared statement on SQLite ([`Conn::insert_many`], [`copy_row`]).
//! 9. The catalogue of tables and columns (only [`unique_keys`], [`outgrown`] and `tests/seam.rs` read it).
//! 10. What the planner knows: PostgreSQL plans by statistics that its daemon takes now and then, SQLite by the shapes of the indexes
//!     ([`outgrown`]).
//!
//! A statement text that means one thing on one engine and another on the other is a mistake, not a difference.

use std::collections::HashMap;

use bytes::{BufMut, BytesMut};
use rusqlite::ffi;
use tokio_postgres::{
    error::{DbError, SqlState},
    types::Type,
};

use crate::{Error, Result, Value, db::Conn};

/// Waits for a lock by name that lasts until the transaction ends. Takes the name.
pub(crate) const POSTGRES_LOCK: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended(CAST($1 AS TEXT), 0))";

/// Tables that hold many times the rows that PostgreSQL's planner believes in, if they hold `$1` rows. One it never looked at counts
/// as empty: plans for such a table may walk an index from end to end.
pub(crate) fn outgrown(tables: &[&str]) -> String {
    format!(
        "SELECT CAST(relname AS TEXT) FROM pg_class \
         WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) \
         AND relname IN ('{}') AND CAST(reltuples AS BIGINT) < CAST($1 AS BIGINT) / 4 ORDER BY relname",
        tables.join("', '")
    )
}

/// Lets a transaction wait for locks without end: another node may be at a long migration.
pub(crate) const POSTGRES_PATIENCE: &str = "SET LOCAL lock_timeout = 0";

/// How much of a statement an error quotes. Statements hold no values.
const QUOTED: usize = 120;

/// Column lists of unique keys, written as SQLite writes them, by the names that PostgreSQL has for the keys.
pub(crate) type UniqueKeys = HashMap<String, String>;

/// What the two engines would not store alike.
pub(crate) fn check(params: &[Value]) -> Result<()> {
    let holds_nul = |value: &Value| matches!(value, Value::Text(text) if text.contains('\0'));
    if params.iter().any(holds_nul) {
        return Err(Error::other("a text contains U+0000"));
    }
    Ok(())
}

/// The number of `$n`.
pub(crate) fn placeholder(name: &str) -> Option<usize> {
    let number = name.strip_prefix('$')?.parse().ok()?;
    (number > 0).then_some(number)
}

/// The type a parameter is sent as in place of the one that PostgreSQL inferred: `$1 + 1` makes it a 32-bit integer, too narrow for a
/// time.
pub(crate) fn parameter_type(inferred: &Type) -> Type {
    match *inferred {
        Type::INT2 | Type::INT4 | Type::NUMERIC => Type::INT8,
        Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => Type::TEXT,
        ref other => other.clone(),
    }
}

/// The statement that adds one row.
pub(crate) fn insert(table: &str, columns: &[&str]) -> String {
    let places: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
    format!(
        "INSERT INTO {table} ({}) VALUES ({})",
        columns.join(", "),
        places.join(", ")
    )
}

/// A row in the text format of PostgreSQL's `COPY`.
pub(crate) fn copy_row(values: &[Value], out: &mut BytesMut) {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.put_u8(b'\t');
        }
        match value {
            Value::Null => out.put_slice(b"\\N"),
            Value::Int(value) => out.put_slice(value.to_string().as_bytes()),
            Value::Text(text) => copy_text(text.as_bytes(), out),
            Value::Blob(bytes) => {
                out.put_slice(b"\\\\x");
                for byte in bytes {
                    out.put_slice(format!("{byte:02x}").as_bytes());
                }
            }
        }
    }
    out.put_u8(b'\n');
}

fn copy_text(mut text: &[u8], out: &mut BytesMut) {
    let special = |byte: &u8| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r');
    while let Some(at) = text.iter().position(special) {
        let (plain, rest) = text.split_at(at);
        out.put_slice(plain);
        let (escaped, rest) = rest.split_at(1);
        out.put_slice(match escaped {
            b"\t" => b"\\t",
            b"\n" => b"\\n",
            b"\r" => b"\\r",
            _ => b"\\\\",
        });
        text = rest;
    }
    out.put_slice(text);
}

/// A mistake of the program in a statement.
pub(crate) fn mistake(what: &str, sql: &str) -> Error {
    let quoted: String = sql.chars().take(QUOTED).collect();
    Error::other(format!("{what}, in: {quoted}"))
}

/// What an error of SQLite means.
pub(crate) fn sqlite_error(error: &rusqlite::Error, sql: &str) -> Error {
    let rusqlite::Error::SqliteFailure(code, message) = error else {
        // Statements that do not parse, and rows where none were expected.
        return mistake(&error.to_string(), sql);
    };
    let message = message.clone().unwrap_or_else(|| code.to_string());
    match code.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => {
            let constraint = message
                .strip_prefix("UNIQUE constraint failed: ")
                .unwrap_or(&message);
            let constraint = constraint
                .strip_prefix("index '")
                .and_then(|name| name.strip_suffix('\''))
                .unwrap_or(constraint)
                .to_owned();
            return Error::Conflict { constraint };
        }
        _ => {}
    }
    match code.extended_code & 0xff {
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Error::corrupt(message),
        ffi::SQLITE_FULL => Error::Full(message),
        ffi::SQLITE_BUSY
        | ffi::SQLITE_LOCKED
        | ffi::SQLITE_NOMEM
        | ffi::SQLITE_READONLY
        | ffi::SQLITE_INTERRUPT
        | ffi::SQLITE_IOERR
        | ffi::SQLITE_CANTOPEN
        | ffi::SQLITE_PROTOCOL
        | ffi::SQLITE_PERM
        | ffi::SQLITE_AUTH => Error::unavailable(message),
        _ => mistake(&message, sql),
    }
}

/// What an error of PostgreSQL, or of the connection to it, means.
pub(crate) fn postgres_error(
    error: &tokio_postgres::Error,
    sql: &str,
    keys: Option<&UniqueKeys>,
) -> Error {
    let cause = std::error::Error::source(error);
    let Some(refusal) = error.as_db_error() else {
        let text = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        // Parameters are checked before they are sent, so this is the connection.
        return Error::unavailable(text);
    };
    let code = refusal.code();
    if *code == SqlState::UNIQUE_VIOLATION {
        let name = refusal.constraint().unwrap_or("key");
        let columns = keys.and_then(|keys| keys.get(name));
        return Error::Conflict {
            constraint: columns.map_or(name, String::as_str).to_owned(),
        };
    }
    match code.code().get(..2).unwrap_or_default() {
        _ if *code == SqlState::DISK_FULL => Error::Full(described(refusal)),
        // Connection, authorization, rollback (serialization, deadlock), resources, operator, system.
        "08" | "28" | "40" | "53" | "57" | "58" => Error::unavailable(described(refusal)),
        _ if *code == SqlState::LOCK_NOT_AVAILABLE
            || *code == SqlState::READ_ONLY_SQL_TRANSACTION =>
        {
            Error::unavailable(described(refusal))
        }
        "XX" => Error::corrupt(described(refusal)),
        _ => mistake(&described(refusal), sql),
    }
}

/// The unique keys of a PostgreSQL database. One over an expression is left out and so keeps its name, as on SQLite.
pub(crate) fn unique_keys(conn: &mut Conn<'_>) -> Result<UniqueKeys> {
    let rows = conn.query(
        "SELECT CAST(i.relname AS TEXT), CAST(t.relname AS TEXT), CAST(a.attname AS TEXT), CAST(k.attnum AS BIGINT)
           FROM pg_index x
           JOIN pg_class i ON i.oid = x.indexrelid
           JOIN pg_class t ON t.oid = x.indrelid
           CROSS JOIN LATERAL unnest(x.indkey) WITH ORDINALITY AS k(attnum, position)
           LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
          WHERE x.indisunique AND i.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
            AND NOT EXISTS (SELECT 1 FROM unnest(x.indkey) AS e(attnum) WHERE e.attnum = 0)
          ORDER BY i.relname, k.position",
        &[],
    )?;
    let mut keys = UniqueKeys::new();
    for row in rows {
        let columns = keys.entry(row.text(0)?).or_default();
        if !columns.is_empty() {
            columns.push_str(", ");
        }
        columns.push_str(row.str(1)?);
        columns.push('.');
        columns.push_str(row.str(2)?);
    }
    Ok(keys)
}

/// The server's words, unless they may quote a value: class 22 (data exceptions) does, and so do details and hints everywhere.
fn described(refusal: &DbError) -> String {
    let code = refusal.code().code();
    if code.starts_with("22") {
        return format!("SQLSTATE {code}");
    }
    format!("{} (SQLSTATE {code})", refusal.message())
}

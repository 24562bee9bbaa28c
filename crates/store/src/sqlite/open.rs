//! Opens the database file: its connections, their settings, and the lock that keeps other processes out.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{Error, Result, dialect};

/// Prepared statements kept for each connection.
const STATEMENTS: usize = 256;

/// Page caches are filled as pages are used: at most 64 MiB for the writer, so that the pages of random keys that a batch of an import
/// touches fit in, and 4 MiB for a reader. The log is written back to the database by a thread of its own; the writer does it only when
/// that cannot keep up. Pages of a new database are small, since what an import touches of the index of addresses is one page a user.
const WRITER_SETTINGS: &str = "
    PRAGMA page_size = 2048;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA busy_timeout = 5000;
    PRAGMA cache_size = -65536;
    PRAGMA wal_autocheckpoint = 65536;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA trusted_schema = OFF;";
pub(super) const READER_SETTINGS: &str = "
    PRAGMA query_only = ON;
    PRAGMA busy_timeout = 5000;
    PRAGMA cache_size = -4096;
    PRAGMA trusted_schema = OFF;";

const LOG_SETTINGS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -1024;
    PRAGMA trusted_schema = OFF;";

/// The connections of the writer, of the log and of the readers, and the lock.
pub(super) type Opened = (Connection, Connection, Vec<Connection>, Lock);

pub(super) fn open_connections(path: &Path, readers: usize) -> Result<Opened> {
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        std::fs::create_dir_all(parent).map_err(|error| cannot_open(parent, &error))?;
    }
    let lock = lock(path)?;
    // Made here for its mode: SQLite gives its log the mode of the database.
    private(path).map_err(|error| cannot_open(path, &error))?;
    let failed = |error: rusqlite::Error| dialect::sqlite_error(&error, "opening the file");
    let access = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let writer = connect(path, access, WRITER_SETTINGS).map_err(failed)?;
    let log = connect(path, access, LOG_SETTINGS).map_err(failed)?;
    let readers = (0..readers)
        .map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_SETTINGS))
        .collect::<rusqlite::Result<Vec<_>>>()
        .map_err(failed)?;
    Ok((writer, log, readers, lock))
}

pub(super) fn connect(
    path: &Path,
    access: OpenFlags,
    settings: &str,
) -> rusqlite::Result<Connection> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    // A statement is planned once, not anew for each value that is bound.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch(settings)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

/// The lock on a database. Let go of explicitly: closing the file is not enough while a child process that is just being started
/// still has it.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock on the database could not be let go of");
        }
    }
}

/// SQLite would let several processes in. Group commit, and caches above the store, rely on there being one.
fn lock(path: &Path) -> Result<Lock> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let path_of_lock = PathBuf::from(name);
    let file = private(&path_of_lock).map_err(|error| cannot_open(&path_of_lock, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Error::unavailable(format!(
            "another process has {} open",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(cannot_open(&path_of_lock, &error)),
    }
}

/// Opens a file, made for its owner alone if it is not there.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn cannot_open(path: &Path, error: &io::Error) -> Error {
    Error::unavailable(format!("cannot open {}: {error}", path.display()))
}

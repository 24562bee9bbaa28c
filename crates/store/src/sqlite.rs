//! SQLite: one thread that writes, with group commit, one that writes the log back, and a few that read.

mod checkpoint;
mod open;

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, Weak},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rusqlite::{CachedStatement, Connection, OpenFlags, types::ValueRef};
use tokio::sync::{Mutex, oneshot};

use self::{
    checkpoint::{Checkpoints, Committed},
    open::{Lock, READER_SETTINGS, connect, open_connections},
};
use crate::{
    Cells, Error, Result, Row, Value,
    db::{Conn, ConnEngine, DbOptions, run},
    dialect,
    queue::Queue,
    value::CellsOf,
};

/// A commit is shared by the calls that are waiting when it begins: at most so many,
const GROUP_CALLS: usize = 256;
/// and no further one is taken once those in the group have run for so long.
const GROUP_TIME: Duration = Duration::from_millis(5);

type Calls = Queue<Box<dyn Call>>;

pub(crate) struct Sqlite {
    writes: Arc<Calls>,
    reads: Arc<Calls>,
    readers: Mutex<Vec<JoinHandle<()>>>,
    log: Mutex<Option<Checkpoints>>,
    writer: Mutex<Vec<JoinHandle<()>>>,
    path: PathBuf,
    lock: Weak<Lock>,
}

impl Sqlite {
    pub(crate) async fn open(path: &str, options: &DbOptions) -> Result<Self> {
        let path = PathBuf::from(path);
        let readers = options.readers.max(1);
        let opened = path.clone();
        let (writer, log, readers, lock) =
            tokio::task::spawn_blocking(move || open_connections(&opened, readers))
                .await
                .map_err(|_| Error::other("opening the database file panicked"))??;
        if let Some(most) = options.most_pages {
            script(&writer, &format!("PRAGMA max_page_count = {most}"))?;
        }
        let writes = Arc::new(Calls::new(options.queue));
        let reads = Arc::new(Calls::new(options.queue));
        // Whichever thread ends last lets go of the lock.
        let lock = Arc::new(lock);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(|error| Error::unavailable(format!("cannot start a thread: {error}")))
        };
        let log = Checkpoints::start(log, Arc::clone(&lock))
            .map_err(|error| Error::unavailable(format!("cannot start a thread: {error}")))?;
        let committed = log.committed();
        let sqlite = Self {
            writes: Arc::clone(&writes),
            reads: Arc::clone(&reads),
            readers: Mutex::default(),
            log: Mutex::new(Some(log)),
            writer: Mutex::default(),
            path,
            lock: Arc::downgrade(&lock),
        };
        let held = Arc::clone(&lock);
        sqlite.writer.lock().await.push(spawn(
            "db-writer",
            Box::new(move || {
                write_all(&writer, &writes, &committed);
                drop(writer);
                drop(held);
            }),
        )?);
        for reader in readers {
            let (held, reads) = (Arc::clone(&lock), Arc::clone(&reads));
            sqlite.readers.lock().await.push(spawn(
                "db-reader",
                Box::new(move || {
                    read_all(&reader, &reads);
                    drop(reader);
                    drop(held);
                }),
            )?);
        }
        Ok(sqlite)
    }

    pub(crate) async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Conn<'_>) -> Result<T, E> + Send + 'static,
    {
        submit(&self.reads, Calls::push, f).await
    }

    pub(crate) async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Conn<'_>) -> Result<T, E> + Send + 'static,
    {
        submit(&self.writes, Calls::push, f).await
    }

    /// The same for long work that lets others go first.
    pub(crate) async fn write_patiently<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Conn<'_>) -> Result<T, E> + Send + 'static,
    {
        submit(&self.writes, Calls::push_patient, f).await
    }

    /// Runs a closure on a connection and a thread of its own.
    pub(crate) async fn snapshot<T, E, F>(&self, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Conn<'_>) -> Result<T, E> + Send + 'static,
    {
        let Some(held) = self.lock.upgrade() else {
            return Err(Error::unavailable("it is closed").into());
        };
        let path = self.path.clone();
        let work = move || {
            let conn = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_SETTINGS)
                .map_err(|error| dialect::sqlite_error(&error, "opening the file"))?;
            control(&conn, "BEGIN")?;
            let outcome = run(&mut Conn::new(ConnEngine::Sqlite(&conn)), f);
            roll_back(&conn);
            drop(conn);
            drop(held);
            outcome
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|_| Err(Error::other("a database closure panicked").into()))
    }

    /// Ends the readers first, so that the writer's last act, writing the whole log back, finds nobody in its way.
    pub(crate) async fn close(&self) {
        self.reads.close();
        join(&self.readers).await;
        let log = self.log.lock().await.take();
        join(&Mutex::new(log.map(Checkpoints::end).into_iter().collect())).await;
        self.writes.close();
        join(&self.writer).await;
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.reads.close();
        drop(self.log.get_mut().take().map(Checkpoints::end));
        self.writes.close();
    }
}

/// All rows of a statement.
pub(crate) fn query(conn: &Connection, sql: &str, params: &[Value]) -> Result<Vec<Row>> {
    let failed = |error| dialect::sqlite_error(&error, sql);
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    bind(&mut statement, sql, params)?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut result = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let values = (0..columns)
            .map(|column| value(row.get_ref(column).map_err(failed)?, column))
            .collect::<Result<Vec<_>>>()?;
        result.push(Row::new(values));
    }
    Ok(result)
}

/// Shows each row to `each`.
pub(crate) fn scan(
    conn: &Connection,
    sql: &str,
    params: &[Value],
    each: &mut dyn FnMut(&Cells<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let failed = |error| dialect::sqlite_error(&error, sql);
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    bind(&mut statement, sql, params)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(failed)? {
        if each(&Cells(CellsOf::Sqlite(row)))?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Runs a statement; how many rows it changed.
pub(crate) fn execute(conn: &Connection, sql: &str, params: &[Value]) -> Result<u64> {
    execute_each(conn, sql, [params])
}

/// Runs a statement for each set of parameters; how many rows were changed in all.
pub(crate) fn execute_many(conn: &Connection, sql: &str, rows: &[&[Value]]) -> Result<u64> {
    execute_each(conn, sql, rows.iter().copied())
}

/// Runs several statements without parameters.
pub(crate) fn script(conn: &Connection, sql: &str) -> Result<()> {
    conn.execute_batch(sql)
        .map_err(|error| dialect::sqlite_error(&error, sql))
}

/// Runs a statement that controls the transaction.
pub(crate) fn control(conn: &Connection, sql: &str) -> Result<()> {
    conn.prepare_cached(sql)
        .and_then(|mut statement| statement.raw_execute())
        .map(drop)
        .map_err(|error| dialect::sqlite_error(&error, sql))
}

fn execute_each<'a>(
    conn: &Connection,
    sql: &str,
    rows: impl IntoIterator<Item = &'a [Value]>,
) -> Result<u64> {
    let failed = |error| dialect::sqlite_error(&error, sql);
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let mut changed = 0;
    for params in rows {
        bind(&mut statement, sql, params)?;
        changed += statement.raw_execute().map_err(failed)? as u64;
    }
    Ok(changed)
}

/// SQLite takes `$1` for a name and numbers names as they first occur, so each is bound by the number in its name.
fn bind(statement: &mut CachedStatement<'_>, sql: &str, params: &[Value]) -> Result<()> {
    let mut highest = 0;
    for index in 1..=statement.parameter_count() {
        let number = statement
            .parameter_name(index)
            .and_then(dialect::placeholder)
            .ok_or_else(|| dialect::mistake("a placeholder is not of the form $n", sql))?;
        highest = highest.max(number);
        let Some(param) = params.get(number - 1) else {
            return Err(dialect::mistake("fewer parameters than placeholders", sql));
        };
        match param {
            Value::Null => statement.raw_bind_parameter(index, rusqlite::types::Null),
            Value::Int(value) => statement.raw_bind_parameter(index, value),
            Value::Text(value) => statement.raw_bind_parameter(index, value),
            Value::Blob(value) => statement.raw_bind_parameter(index, value),
        }
        .map_err(|error| dialect::sqlite_error(&error, sql))?;
    }
    if highest < params.len() {
        return Err(dialect::mistake("more parameters than placeholders", sql));
    }
    Ok(())
}

fn value(found: ValueRef<'_>, column: usize) -> Result<Value> {
    match found {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(value) => Ok(Value::Int(value)),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes)
            .map(Value::from)
            .map_err(|_| Error::corrupt(format!("column {column}: text that is not UTF-8"))),
        ValueRef::Blob(bytes) => Ok(Value::from(bytes)),
        ValueRef::Real(_) => Err(Error::corrupt(format!(
            "column {column}: a floating point number"
        ))),
    }
}

/// A caller's closure with the way back to it.
trait Call: Send {
    /// Runs the closure. Whether it wants kept what it did.
    fn run(&mut self, conn: &mut Conn<'_>) -> bool;
    /// Puts an error in the place of what the closure returned.
    fn fail(&mut self, error: Error);
    /// Hands what the closure returned to the caller.
    fn answer(self: Box<Self>);
    /// Whether the caller has gone before the closure ran.
    fn abandoned(&self) -> bool;
}

struct Pending<T, E, F> {
    closure: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Call for Pending<T, E, F>
where
    T: Send,
    E: From<Error> + Send,
    F: FnOnce(&mut Conn<'_>) -> Result<T, E> + Send,
{
    fn run(&mut self, conn: &mut Conn<'_>) -> bool {
        self.outcome = self.closure.take().map(|closure| run(conn, closure));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn fail(&mut self, error: Error) {
        self.outcome = Some(Err(error.into()));
    }

    fn answer(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // A caller that has gone does not want the answer.
            drop(self.reply.send(outcome));
        }
    }

    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

async fn submit<T, E, F>(
    queue: &Calls,
    push: fn(&Calls, Box<dyn Call>) -> Result<()>,
    f: F,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
    F: FnOnce(&mut Conn<'_>) -> Result<T, E> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let call = Pending {
        closure: Some(f),
        outcome: None,
        reply,
    };
    push(queue, Box::new(call))?;
    answer
        .await
        .unwrap_or_else(|_| Err(Error::unavailable("it is closed").into()))
}

fn read_all(conn: &Connection, calls: &Calls) {
    while let Some(mut call) = calls.pop() {
        if call.abandoned() {
            continue;
        }
        match control(conn, "BEGIN") {
            Ok(()) => {
                call.run(&mut Conn::new(ConnEngine::Sqlite(conn)));
                roll_back(conn);
            }
            Err(error) => call.fail(error),
        }
        call.answer();
    }
}

fn write_all(conn: &Connection, calls: &Calls, committed: &Committed) {
    while let Some(call) = calls.pop() {
        write_group(conn, calls, call);
        committed.tell();
    }
    if let Err(error) = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())) {
        // Nothing is lost: the log is read at the next start.
        tracing::warn!(%error, "the database log could not be written back");
    }
}

/// Runs the first call and those that wait behind it, each in a savepoint, and commits them together.
fn write_group(conn: &Connection, calls: &Calls, first: Box<dyn Call>) {
    let started = Instant::now();
    let mut kept: Vec<Box<dyn Call>> = Vec::new();
    let mut next = Some(first);
    let mut taken = 0;
    let mut result = control(conn, "BEGIN IMMEDIATE");
    while let Some(mut call) = next {
        if let Err(error) = &result {
            call.fail(error.clone());
            call.answer();
            break;
        }
        if !call.abandoned() {
            match write_one(conn, &mut *call) {
                Ok(true) => kept.push(call),
                Ok(false) => call.answer(),
                Err(error) => {
                    kept.push(call);
                    result = Err(error);
                    break;
                }
            }
        }
        taken += 1;
        next = if taken < GROUP_CALLS && started.elapsed() < GROUP_TIME {
            calls.try_pop()
        } else {
            None
        };
    }
    if result.is_ok() && !kept.is_empty() {
        result = control(conn, "COMMIT");
    }
    roll_back(conn);
    for mut call in kept {
        if let Err(error) = &result {
            call.fail(error.clone());
        }
        call.answer();
    }
}

/// Whether what the call did is to be kept. An error says that the transaction, and with it the whole group, is lost: SQLite undoes
/// all of it by itself when the disk is full or fails.
fn write_one(conn: &Connection, call: &mut dyn Call) -> Result<bool> {
    control(conn, "SAVEPOINT call")?;
    let mut seam = Conn::new(ConnEngine::Sqlite(conn));
    let keep = call.run(&mut seam);
    if conn.is_autocommit() {
        return Err(seam.undone());
    }
    if !keep {
        control(conn, "ROLLBACK TO call")?;
    }
    control(conn, "RELEASE call")?;
    Ok(keep)
}

fn roll_back(conn: &Connection) {
    if !conn.is_autocommit()
        && let Err(error) = control(conn, "ROLLBACK")
    {
        tracing::error!(%error, "a transaction could not be undone");
    }
}

async fn join(threads: &Mutex<Vec<JoinHandle<()>>>) {
    // Held while waiting, so that a second caller waits as well.
    let mut threads = threads.lock().await;
    let ended = std::mem::take(&mut *threads);
    let joined =
        tokio::task::spawn_blocking(move || ended.into_iter().all(|thread| thread.join().is_ok()));
    if !matches!(joined.await, Ok(true)) {
        tracing::error!("a database thread panicked");
    }
}

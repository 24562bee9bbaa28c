//! The seam between the store and its two engines. What is above it is plain sequential code that names no driver.

use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crate::{
    Cells, Error, Result, Row, Value, dialect, migrate,
    postgres::{Mode, Postgres, Session},
    sqlite::Sqlite,
};

/// From so many rows on, PostgreSQL's `COPY` is worth its extra round trip.
const COPIED: usize = 16;

/// An open database. Clones are handles to the same one.
#[derive(Clone)]
pub struct Db {
    engine: Arc<Engine>,
}

enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Which of the two engines a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// The embedded database.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct DbOptions {
    /// SQLite: threads that read. At least 1.
    pub readers: usize,
    /// PostgreSQL: connections at most, and so closures that run at the same time. At least 1.
    pub pool_size: usize,
    /// How many calls may wait, for SQLite's writer, for its readers, and for a connection; past it they are refused at once.
    pub queue: usize,
    /// PostgreSQL: how long a call waits for a connection, and a statement for a lock.
    pub wait: Duration,
    /// SQLite: how many pages the file may have; none for as many as the disk holds. For tests of a full disk.
    pub most_pages: Option<u32>,
    /// The present time in milliseconds since the Unix epoch, kept beside a migration that is applied now.
    pub now_ms: i64,
}

impl Default for DbOptions {
    fn default() -> Self {
        Self {
            readers: 3,
            pool_size: 16,
            queue: 4096,
            wait: Duration::from_secs(5),
            most_pages: None,
            now_ms: 0,
        }
    }
}

impl Db {
    /// Opens `sqlite:<path>` or `postgres://…` and brings its schema up to date.
    ///
    /// # Errors
    /// `Unavailable` when the server cannot be reached or another process has the file; `Other` when the URL is not understood or
    /// the database belongs to another version of the program.
    pub async fn open(url: &str, options: DbOptions) -> Result<Self> {
        let now_ms = options.now_ms;
        let engine = if let Some(path) = url.strip_prefix("sqlite:") {
            Engine::Sqlite(Sqlite::open(path, &options).await?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Engine::Postgres(Postgres::open(url, &options)?)
        } else {
            return Err(Error::other(
                "a database URL starts with sqlite: or postgres://",
            ));
        };
        let db = Self {
            engine: Arc::new(engine),
        };
        let kind = db.engine();
        let prepared = db.write(move |conn| migrate::run(conn, kind, now_ms)).await;
        if let Err(error) = prepared {
            db.close().await;
            return Err(error);
        }
        if let Engine::Postgres(postgres) = &*db.engine {
            let keys = db.read(dialect::unique_keys).await?;
            postgres.name_keys(keys);
        }
        Ok(db)
    }

    /// Runs `f`, which must not write. All its statements see the database as of one moment.
    pub async fn read<T, E>(
        &self,
        f: impl FnOnce(&mut Conn<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(f).await,
            Engine::Postgres(postgres) => postgres.run(Mode::Read, f).await,
        }
    }

    /// Runs `f`, which must not write, for as long as it likes: all its statements see the database as of one moment, and it keeps
    /// nobody else from reading. The caller bounds how many there are at a time, and for how long: while one lasts, the log of the
    /// database grows.
    pub async fn snapshot<T, E>(
        &self,
        f: impl FnOnce(&mut Conn<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.snapshot(f).await,
            Engine::Postgres(postgres) => postgres.run(Mode::Read, f).await,
        }
    }

    /// Runs `f` in one transaction, which is kept if `f` returns `Ok` and undone if not. Returns when what is kept is durable.
    ///
    /// On SQLite writes run one after another. On PostgreSQL they run beside each other (READ COMMITTED): a decision on what was
    /// read holds only if the statement that acts on it checks it again, or after [`Conn::lock`].
    pub async fn write<T, E>(
        &self,
        f: impl FnOnce(&mut Conn<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(f).await,
            Engine::Postgres(postgres) => postgres.run(Mode::Write, f).await,
        }
    }

    /// The same for long work that is one of many steps: where writes run one after another, those that wait go first.
    pub async fn write_patiently<T, E>(
        &self,
        f: impl FnOnce(&mut Conn<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.write_patiently(f).await,
            Engine::Postgres(postgres) => postgres.run(Mode::Write, f).await,
        }
    }

    /// Refuses new calls, finishes those that were accepted, and lets go of the database.
    pub async fn close(&self) {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }

    /// Which engine this is.
    pub fn engine(&self) -> EngineKind {
        match &*self.engine {
            Engine::Sqlite(_) => EngineKind::Sqlite,
            Engine::Postgres(_) => EngineKind::Postgres,
        }
    }
}

/// A transaction in which statements run. It is synchronous on purpose: the code above is plain sequential code for both engines.
///
/// Statements have `$n` placeholders, numbered from 1 without gaps; one may occur several times and in any order. After a statement
/// failed, all others fail too until the enclosing [`Conn::savepoint`] ends, on both engines.
pub struct Conn<'a> {
    engine: ConnEngine<'a>,
    depth: u32,
    failed: bool,
    /// That the disk is full, if a statement found it so: SQLite may undo everything then.
    full: Option<Error>,
}

pub(crate) enum ConnEngine<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a mut Session),
}

impl<'a> Conn<'a> {
    pub(crate) fn new(engine: ConnEngine<'a>) -> Self {
        Self {
            engine,
            depth: 0,
            failed: false,
            full: None,
        }
    }

    /// All rows of a statement.
    pub fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>> {
        self.guard(|engine| {
            dialect::check(params)?;
            match engine {
                ConnEngine::Sqlite(conn) => crate::sqlite::query(conn, sql, params),
                ConnEngine::Postgres(session) => session.query(sql, params),
            }
        })
    }

    /// The only row of a statement. More than one is `Corrupt`.
    pub fn query_opt(&mut self, sql: &str, params: &[Value]) -> Result<Option<Row>> {
        let mut rows = self.query(sql, params)?;
        if rows.len() > 1 {
            return Err(Error::corrupt("several rows where one is expected"));
        }
        Ok(rows.pop())
    }

    /// Runs a statement and tells how many rows it changed.
    pub fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        self.guard(|engine| {
            dialect::check(params)?;
            match engine {
                ConnEngine::Sqlite(conn) => crate::sqlite::execute(conn, sql, params),
                ConnEngine::Postgres(session) => session.execute(sql, params),
            }
        })
    }

    /// Runs one statement for each set of parameters, in their order, and tells how many rows were changed in all.
    pub fn execute_many(&mut self, sql: &str, rows: &[Vec<Value>]) -> Result<u64> {
        self.guard(|engine| {
            let rows: Vec<&[Value]> = rows.iter().map(Vec::as_slice).collect();
            rows.iter().try_for_each(|params| dialect::check(params))?;
            match engine {
                ConnEngine::Sqlite(conn) => crate::sqlite::execute_many(conn, sql, &rows),
                ConnEngine::Postgres(session) => session.execute_many(sql, &rows),
            }
        })
    }

    /// Adds rows to a table, by the fastest way that the engine has, and tells how many. A row that is there already is a `Conflict`.
    /// `columns` names the column of each value.
    pub fn insert_many(&mut self, table: &str, columns: &[&str], rows: &[&[Value]]) -> Result<u64> {
        self.guard(|engine| {
            rows.iter().try_for_each(|values| dialect::check(values))?;
            match engine {
                ConnEngine::Postgres(session) if rows.len() >= COPIED => {
                    session.copy(table, columns, rows)
                }
                ConnEngine::Postgres(session) => {
                    session.execute_many(&dialect::insert(table, columns), rows)
                }
                ConnEngine::Sqlite(conn) => {
                    crate::sqlite::execute_many(conn, &dialect::insert(table, columns), rows)
                }
            }
        })
    }

    /// Shows each row of a statement to `each` without copying it, until that has enough. On PostgreSQL the driver may hold all of them:
    /// bound their number.
    pub fn scan(
        &mut self,
        sql: &str,
        params: &[Value],
        mut each: impl FnMut(&Cells<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.guard(|engine| {
            dialect::check(params)?;
            match engine {
                ConnEngine::Sqlite(conn) => crate::sqlite::scan(conn, sql, params, &mut each),
                ConnEngine::Postgres(session) => session.scan(sql, params, &mut each),
            }
        })
    }

    /// Runs `f` as a part of the transaction: what it changed is undone if it returns `Err`, what came before stays. The way to go on
    /// after a statement that may fail.
    pub fn savepoint<T, E>(&mut self, f: impl FnOnce(&mut Conn<'_>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<Error>,
    {
        let depth = self.depth;
        self.control(&format!("SAVEPOINT s{depth}"))?;
        self.depth += 1;
        let result = f(self);
        self.depth = depth;
        let result = self.settled(result);
        match result {
            Ok(_) => self.control(&format!("RELEASE s{depth}"))?,
            Err(_) => {
                self.failed = false;
                self.control(&format!("ROLLBACK TO s{depth}"))?;
                self.control(&format!("RELEASE s{depth}"))?;
            }
        }
        result
    }

    /// Waits until no other write that locked the same name is under way, and keeps others waiting until this transaction ends. For
    /// decisions on what was read. Nothing to do on SQLite, where writes run one after another.
    pub fn lock(&mut self, name: &str) -> Result<()> {
        match &self.engine {
            ConnEngine::Sqlite(_) => Ok(()),
            ConnEngine::Postgres(_) => self
                .execute(dialect::POSTGRES_LOCK, &[Value::from(name)])
                .map(drop),
        }
    }

    /// Has the planner look anew at those of these tables that it believes to be far smaller than `rows`; other transactions plan anew
    /// once this one has ended. Nothing to do on SQLite.
    pub fn refresh_statistics(&mut self, tables: &[&str], rows: u64) -> Result<()> {
        if matches!(self.engine, ConnEngine::Sqlite(_)) {
            return Ok(());
        }
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        for table in self.query(&dialect::outgrown(tables), &[Value::from(rows)])? {
            self.execute(&format!("ANALYZE {}", table.text(0)?), &[])?;
        }
        Ok(())
    }

    /// Runs a script of several statements without parameters. For migrations.
    pub(crate) fn script(&mut self, sql: &str) -> Result<()> {
        self.guard(|engine| match engine {
            ConnEngine::Sqlite(conn) => crate::sqlite::script(conn, sql),
            ConnEngine::Postgres(session) => session.script(sql),
        })
    }

    fn control(&mut self, sql: &str) -> Result<()> {
        self.guard(|engine| match engine {
            ConnEngine::Sqlite(conn) => crate::sqlite::control(conn, sql),
            ConnEngine::Postgres(session) => {
                session.control(sql);
                Ok(())
            }
        })
    }

    fn guard<T>(&mut self, f: impl FnOnce(&mut ConnEngine<'a>) -> Result<T>) -> Result<T> {
        if self.failed {
            return Err(Error::other(
                "an earlier statement of the transaction failed",
            ));
        }
        let result = f(&mut self.engine);
        self.failed = result.is_err();
        if let Err(full @ Error::Full(_)) = &result {
            self.full = Some(full.clone());
        }
        result
    }

    /// Why SQLite undid the transaction by itself.
    pub(crate) fn undone(&mut self) -> Error {
        self.full
            .take()
            .unwrap_or_else(|| Error::unavailable("the transaction was undone"))
    }

    /// A success in which a statement failed is none: PostgreSQL undoes such a transaction at its end without an error.
    fn settled<T, E: From<Error>>(&self, result: Result<T, E>) -> Result<T, E> {
        match result {
            Ok(_) if self.failed => {
                Err(Error::other("a statement failed and its error was disregarded").into())
            }
            result => result,
        }
    }
}

/// Runs a caller's closure. A panic in it is an error and goes no further.
pub(crate) fn run<T, E: From<Error>>(
    conn: &mut Conn<'_>,
    f: impl FnOnce(&mut Conn<'_>) -> Result<T, E>,
) -> Result<T, E> {
    match catch_unwind(AssertUnwindSafe(|| f(conn))) {
        Ok(result) => conn.settled(result),
        Err(_) => Err(Error::other("a database closure panicked").into()),
    }
}

//! PostgreSQL: a pool of connections, and closures that run on threads of their own while the statements are asynchronous.

use std::{
    collections::VecDeque,
    mem,
    ops::ControlFlow,
    sync::{Arc, OnceLock},
    task::Poll,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use futures_util::{SinkExt, TryStreamExt, future::join, poll};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
    time::timeout,
};
use tokio_postgres::{
    NoTls, Statement,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    Cells, Error, Result, Row, Value,
    db::{Conn, ConnEngine, DbOptions, run},
    dialect::{self, UniqueKeys},
    tls,
    value::CellsOf,
};

/// Sets of parameters that `execute_many` has under way at a time.
const WINDOW: usize = 512;
/// Bytes of `COPY` that go out at a time.
const PACKET: usize = 1 << 16;
/// How long the network may take to make a connection; with encryption and sign-in it may take twice as long.
const CONNECT: Duration = Duration::from_secs(5);
/// After how long without a word a connection is probed, and after how long without an answer it is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// After how long without a statement the server undoes a transaction: that of a node that vanished must not keep its locks.
const ABANDONED: Duration = Duration::from_secs(60);

/// What a closure may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

impl Mode {
    fn begin(self) -> &'static str {
        match self {
            Self::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;",
            Self::Write => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;",
        }
    }
}

pub(crate) struct Postgres {
    pool: Pool,
    /// One permit for each connection. A closure keeps its permit to its end, even when its caller has gone.
    permits: Arc<Semaphore>,
    /// One permit for each closure that runs or waits. It is given back before the connection's: whoever gets the connection next must not
    /// find the queue behind it fuller than it is.
    places: Arc<Semaphore>,
    size: u32,
    wait: Duration,
    keys: Arc<OnceLock<UniqueKeys>>,
}

impl Postgres {
    pub(crate) fn open(url: &str, options: &DbOptions) -> Result<Self> {
        let (mut config, encryption) = tls::parse(url)?;
        if config.get_application_name().is_none() {
            config.application_name("vestibule");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        config.keepalives_idle(SILENCE);
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        // What stands in the URL comes later and so prevails.
        let bounds = format!(
            "-c lock_timeout={} -c idle_in_transaction_session_timeout={} {}",
            options.wait.as_millis().max(1),
            ABANDONED.as_millis(),
            config.get_options().unwrap_or_default(),
        );
        config.options(bounds);
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match encryption {
            Some(encryption) => {
                Manager::from_config(config, MakeRustlsConnect::new(encryption), recycling)
            }
            None => Manager::from_config(config, NoTls, recycling),
        };
        let size = options.pool_size.max(1);
        let pool = Pool::builder(manager)
            .max_size(size)
            .create_timeout(Some(2 * CONNECT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::other(error.to_string()))?;
        Ok(Self {
            pool,
            permits: Arc::new(Semaphore::new(size)),
            places: Arc::new(Semaphore::new(size.saturating_add(options.queue))),
            size: u32::try_from(size).unwrap_or(u32::MAX),
            wait: options.wait,
            keys: Arc::default(),
        })
    }

    /// Sets the names by which conflicts are told. Until then they are PostgreSQL's.
    pub(crate) fn name_keys(&self, keys: UniqueKeys) {
        // Called once, at opening; a second set would be equal.
        drop(self.keys.set(keys));
    }

    /// Runs a closure in a transaction on a thread that may block.
    pub(crate) async fn run<T, E, F>(&self, mode: Mode, f: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Conn<'_>) -> Result<T, E> + Send + 'static,
    {
        let closed = |_| Error::unavailable("it is closed");
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Error::unavailable("too many calls are waiting for it"))?;
        let permit = timeout(self.wait, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| Error::unavailable("no connection became free in time"))?
            .map_err(closed)?;
        let client = self.pool.get().await.map_err(pool_error)?;
        let keys = Arc::clone(&self.keys);
        let runtime = Handle::current();
        let (reply, answer) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let mut session = Session::new(client, runtime, mode, keys);
            let outcome = run(&mut Conn::new(ConnEngine::Postgres(&mut session)), f);
            // A caller that has gone does not want the answer.
            if mode == Mode::Read {
                // What was read stands: the caller need not wait for the transaction's end.
                drop(place);
                drop(reply.send(outcome));
                session.leave();
                drop(session);
                drop(permit);
                return;
            }
            let answer = if outcome.is_ok() {
                session.end("COMMIT").map_err(E::from).and(outcome)
            } else {
                session.end("ROLLBACK").unwrap_or_default();
                outcome
            };
            // Whoever has an answer must not be refused for the place that the call before held.
            drop(session);
            drop(place);
            drop(permit);
            drop(reply.send(answer));
        });
        answer
            .await
            .unwrap_or_else(|_| Err(Error::unavailable("it is shutting down").into()))
    }

    pub(crate) async fn close(&self) {
        self.places.close();
        // All permits together are free when the last closure has ended.
        if let Ok(all) = self.permits.acquire_many(self.size).await {
            all.forget();
        }
        self.permits.close();
        self.pool.close();
    }
}

fn pool_error(error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => dialect::postgres_error(&error, "connecting", None),
        other => Error::unavailable(other.to_string()),
    }
}

/// One transaction on one connection.
pub(crate) struct Session {
    client: Option<Object>,
    runtime: Handle,
    /// Transaction control that goes out with the next statement, in the same packet, so that it costs no round trip.
    pending: String,
    begun: bool,
    keys: Arc<OnceLock<UniqueKeys>>,
}

impl Session {
    fn new(client: Object, runtime: Handle, mode: Mode, keys: Arc<OnceLock<UniqueKeys>>) -> Self {
        Self {
            client: Some(client),
            runtime,
            pending: mode.begin().to_owned(),
            begun: false,
            keys,
        }
    }

    /// All rows of a statement.
    pub(crate) fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>> {
        self.with(sql, async |client, before| {
            let rows = async {
                let statement = prepare(client, sql, &[params]).await?;
                let stream = client.query_raw(&statement, params).await?;
                Ok::<_, Failure>(stream.try_collect::<Vec<_>>().await?)
            };
            let rows = together(client, &before, rows).await?;
            Ok(rows.iter().map(decode).collect::<Result<_>>()?)
        })
    }

    /// Runs a statement; how many rows it changed.
    pub(crate) fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        self.with(sql, async |client, before| {
            let changed = async {
                let statement = prepare(client, sql, &[params]).await?;
                Ok::<_, Failure>(client.execute_raw(&statement, params).await?)
            };
            together(client, &before, changed).await
        })
    }

    /// Runs a statement for each set of parameters without waiting for one before the next is sent.
    pub(crate) fn execute_many(&mut self, sql: &str, rows: &[&[Value]]) -> Result<u64> {
        self.with(sql, async |client, before| {
            client.batch_execute(&before).await?;
            let statement = prepare(client, sql, rows).await?;
            let mut changed = 0;
            let mut sent = VecDeque::with_capacity(WINDOW);
            for params in rows.iter().copied() {
                if sent.len() == WINDOW
                    && let Some(oldest) = sent.pop_front()
                {
                    changed += oldest.await?;
                }
                let mut next = Box::pin(client.execute_raw(&statement, params));
                // The first poll sends, so that rows go out in their order.
                match poll!(next.as_mut()) {
                    Poll::Ready(done) => changed += done?,
                    Poll::Pending => sent.push_back(next),
                }
            }
            for oldest in sent {
                changed += oldest.await?;
            }
            Ok(changed)
        })
    }

    /// Adds rows in PostgreSQL's text format.
    pub(crate) fn copy(&mut self, table: &str, columns: &[&str], rows: &[&[Value]]) -> Result<u64> {
        let sql = format!("COPY {table} ({}) FROM STDIN", columns.join(", "));
        self.with(&sql, async |client, before| {
            if let Some(values) = rows.iter().find(|values| values.len() != columns.len()) {
                let what = format!("{} values for {} columns", values.len(), columns.len());
                return Err(dialect::mistake(&what, &sql).into());
            }
            client.batch_execute(&before).await?;
            let sink = client.copy_in::<_, Bytes>(&sql).await?;
            let mut sink = std::pin::pin!(sink);
            let mut buffer = BytesMut::with_capacity(2 * PACKET);
            for values in rows {
                dialect::copy_row(values, &mut buffer);
                if buffer.len() >= PACKET {
                    sink.send(buffer.split().freeze()).await?;
                }
            }
            sink.send(buffer.freeze()).await?;
            Ok(sink.finish().await?)
        })
    }

    /// Shows each row to `each` while the rest is on its way.
    pub(crate) fn scan(
        &mut self,
        sql: &str,
        params: &[Value],
        each: &mut dyn FnMut(&Cells<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.with(sql, async |client, before| {
            let rows = async {
                let statement = prepare(client, sql, &[params]).await?;
                Ok::<_, Failure>(client.query_raw(&statement, params).await?)
            };
            let rows = together(client, &before, rows).await?;
            let mut rows = std::pin::pin!(rows);
            while let Some(row) = rows.try_next().await? {
                if each(&Cells(CellsOf::Postgres(&row)))?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Runs several statements without parameters.
    pub(crate) fn script(&mut self, sql: &str) -> Result<()> {
        self.with(sql, async |client, before| {
            client.batch_execute(&before).await?;
            Ok(client.batch_execute(sql).await?)
        })
    }

    /// Adds transaction control to what goes out with the next statement.
    pub(crate) fn control(&mut self, sql: &str) {
        self.pending.push_str(sql);
        self.pending.push(';');
    }

    /// Ends a transaction of reads without waiting for the answer, which tells nothing: whoever has the connection next speaks after it,
    /// and finds out by himself if it is lost.
    fn leave(&mut self) {
        if let Some(client) = self.client.as_ref().filter(|_| self.begun) {
            let end = std::pin::pin!(client.batch_execute("ROLLBACK"));
            // The first poll sends.
            self.runtime.block_on(async { drop(poll!(end)) });
        }
    }

    /// Ends the transaction, if a statement began it. A connection on which that fails is given up.
    fn end(&mut self, sql: &str) -> Result<()> {
        if !self.begun {
            return Ok(());
        }
        self.control(sql);
        let result = self.with(sql, async |client, before| {
            Ok(client.batch_execute(&before).await?)
        });
        if let Err(error) = &result {
            tracing::warn!(%error, "a transaction did not end as it should");
            drop(self.client.take().map(Object::take));
        }
        result
    }

    /// Runs asynchronous work on this thread; it gets what has to go out first.
    fn with<T>(
        &mut self,
        sql: &str,
        work: impl AsyncFnOnce(&Object, String) -> std::result::Result<T, Failure>,
    ) -> Result<T> {
        let Some(client) = &self.client else {
            return Err(Error::unavailable("the connection was given up"));
        };
        let before = mem::take(&mut self.pending);
        self.begun = true;
        self.runtime
            .block_on(work(client, before))
            .map_err(|failure| match failure {
                Failure::Driver(error) => dialect::postgres_error(&error, sql, self.keys.get()),
                Failure::Store(error) => error,
            })
    }
}

enum Failure {
    Driver(tokio_postgres::Error),
    Store(Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Sends `before` and then, without waiting for its answer, `work`. `join` polls in the order of its arguments, and the first poll
/// sends.
async fn together<T>(
    client: &Object,
    before: &str,
    work: impl Future<Output = std::result::Result<T, Failure>>,
) -> std::result::Result<T, Failure> {
    if before.is_empty() {
        return work.await;
    }
    let (before, done) = join(client.batch_execute(before), work).await;
    before?;
    done
}

/// The statement from the connection's cache, after a look at whether the parameters fit it: so an error on the way is never theirs.
async fn prepare(
    client: &Object,
    sql: &str,
    rows: &[&[Value]],
) -> std::result::Result<Statement, Failure> {
    let mut statement = client.prepare_cached(sql).await?;
    let types: Vec<Type> = statement
        .params()
        .iter()
        .map(dialect::parameter_type)
        .collect();
    if types != statement.params() {
        statement = client.prepare_typed_cached(sql, &types).await?;
    }
    for params in rows {
        if params.len() != types.len() {
            let what = "the numbers of parameters and placeholders differ";
            return Err(dialect::mistake(what, sql).into());
        }
        if !params.iter().zip(&types).all(|(value, ty)| fits(value, ty)) {
            return Err(
                dialect::mistake("a parameter is of another type than its place", sql).into(),
            );
        }
    }
    Ok(statement)
}

fn fits(value: &Value, ty: &Type) -> bool {
    match value {
        Value::Null => true,
        Value::Int(_) => *ty == Type::INT8,
        Value::Text(_) => *ty == Type::TEXT,
        Value::Blob(_) => *ty == Type::BYTEA,
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => value.to_sql(ty, out),
            Self::Text(value) => value.to_sql(ty, out),
            Self::Blob(value) => value.to_sql(ty, out),
        }
    }

    /// Any, for NULL; what is not NULL was compared with its place by [`prepare`].
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn decode(row: &tokio_postgres::Row) -> Result<Row> {
    (0..row.len())
        .map(|column| {
            row.try_get::<_, Value>(column)
                .map_err(|_| unreadable(row, column))
        })
        .collect::<Result<Vec<_>>>()
        .map(Row::new)
}

fn unreadable(row: &tokio_postgres::Row, column: usize) -> Error {
    let ty = row
        .columns()
        .get(column)
        .map_or("none", |found| found.type_().name());
    Error::corrupt(format!(
        "column {column}: the type {ty} (cast it in the statement)"
    ))
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(
        ty: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *ty {
            Type::BOOL => Self::from(bool::from_sql(ty, raw)?),
            Type::INT2 => Self::Int(i16::from_sql(ty, raw)?.into()),
            Type::INT4 => Self::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT8 => Self::Int(i64::from_sql(ty, raw)?),
            Type::BYTEA => Self::from(raw),
            _ => Self::from(<&str>::from_sql(ty, raw)?),
        })
    }

    fn from_sql_null(
        _: &Type,
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(
            *ty,
            Type::BOOL
                | Type::INT2
                | Type::INT4
                | Type::INT8
                | Type::BYTEA
                | Type::TEXT
                | Type::VARCHAR
        )
    }
}

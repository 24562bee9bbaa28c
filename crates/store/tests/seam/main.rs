//! What both engines promise alike: each body runs on SQLite and on PostgreSQL. What only one of them has stands apart.

// The starter is not taken from the crate, which would build everything above the store first.
#[path = "../../../testkit/src/postgres.rs"]
mod postgres;

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use vestibule_store::{Conn, Db, DbOptions, EngineKind, Error, Result, Value};

/// Turns each body into a test on SQLite and one on PostgreSQL.
macro_rules! on_each_engine {
    ($($(#[$meta:meta])* async fn $name:ident($fixture:ident: $options:expr) -> Result<()> $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn body($fixture: Fixture) -> Result<()> $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() -> Result<()> {
                body(Fixture::sqlite($options).await?).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() -> Result<()> {
                match Fixture::postgres($options).await? {
                    Some(fixture) => body(fixture).await,
                    None => Ok(()),
                }
            }
        }
    )*};
}

mod person;
mod rates;
mod schema;
mod server;
mod sqlite;
mod tenant;
mod transaction;
mod value;

/// A database of a test, with a table of its own beside the schema.
struct Fixture {
    db: Db,
    url: String,
    options: DbOptions,
    _dir: Option<TempDir>,
}

impl Fixture {
    async fn sqlite(options: DbOptions) -> Result<Self> {
        let dir = tempfile::tempdir().map_err(|error| Error::Other(error.to_string()))?;
        let url = format!("sqlite:{}", dir.path().join("test.db").display());
        let mut fixture = Self::open(url, options).await?;
        fixture._dir = Some(dir);
        Ok(fixture)
    }

    async fn postgres(options: DbOptions) -> Result<Option<Self>> {
        match postgres::test_database_url() {
            Some(url) => Self::open(url, options).await.map(Some),
            None => Ok(None),
        }
    }

    async fn open(url: String, options: DbOptions) -> Result<Self> {
        let db = Db::open(&url, options.clone()).await?;
        let (integer, blob) = match db.engine() {
            EngineKind::Sqlite => ("INTEGER", "BLOB"),
            EngineKind::Postgres => ("BIGINT", "BYTEA"),
        };
        let statements = [
            format!("CREATE TABLE item (id {integer} NOT NULL PRIMARY KEY, n {integer}, t TEXT, b {blob})"),
            "CREATE TABLE pair (a TEXT NOT NULL, b TEXT NOT NULL, c TEXT, d TEXT, PRIMARY KEY (a, b))".to_owned(),
            "CREATE UNIQUE INDEX pair_c ON pair (a, c)".to_owned(),
            "CREATE UNIQUE INDEX pair_folded ON pair (lower(d))".to_owned(),
        ];
        db.write(move |conn| {
            statements
                .iter()
                .try_for_each(|sql| conn.execute(sql, &[]).map(drop))
        })
        .await?;
        db.close().await;
        // Opened again, so that the seam knows the names of the keys.
        Ok(Self {
            db: Db::open(&url, options.clone()).await?,
            url,
            options,
            _dir: None,
        })
    }

    async fn reopen(&self) -> Result<Db> {
        self.db.close().await;
        Db::open(&self.url, self.options.clone()).await
    }
}

fn options() -> DbOptions {
    DbOptions {
        now_ms: 1_700_000_000_000,
        ..DbOptions::default()
    }
}

fn insert(conn: &mut Conn<'_>, id: i64) -> Result<u64> {
    conn.execute("INSERT INTO item (id) VALUES ($1)", &[Value::from(id)])
}

fn ids(conn: &mut Conn<'_>) -> Result<Vec<i64>> {
    conn.query("SELECT id FROM item ORDER BY id", &[])?
        .iter()
        .map(|row| row.int(0))
        .collect()
}

fn conflict(constraint: &str) -> Error {
    Error::Conflict {
        constraint: constraint.to_owned(),
    }
}

fn is_other<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Other(_)))
}

fn is_unavailable<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Unavailable(_)))
}

async fn insert_one(db: &Db, id: i64) -> Result<u64> {
    db.write(move |conn| insert(conn, id)).await
}

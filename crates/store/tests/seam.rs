//! What both engines promise alike: each body runs on SQLite and on PostgreSQL. What only one of them has is at the end.

// The starter is not taken from the crate, which would build everything above the store first.
#[path = "../../testkit/src/postgres.rs"]
mod postgres;

use std::{
    collections::BTreeMap,
    sync::mpsc,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use vestibule_store::{Conn, Db, DbOptions, EngineKind, Error, Result, Value};

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

on_each_engine! {
    async fn values_come_back_as_they_went_in(fixture: options()) -> Result<()> {
        let rows: Vec<Vec<Value>> = vec![
            vec![1.into(), i64::MIN.into(), "".into(), Vec::<u8>::new().into()],
            vec![2.into(), i64::MAX.into(), "Ω 'quoted' \"x\" \\ 😀\n".into(), vec![0_u8, 255, 7].into()],
            vec![3.into(), Value::Null, Value::Null, Value::Null],
            vec![4.into(), true.into(), "x".repeat(200_000).into(), vec![9_u8; 200_000].into()],
        ];
        let sent = rows.clone();
        let written = fixture
            .db
            .write(move |conn| conn.execute_many("INSERT INTO item (id, n, t, b) VALUES ($1, $2, $3, $4)", &sent))
            .await?;
        assert_eq!(written, 4);
        let found = fixture.db.read(|conn| conn.query("SELECT id, n, t, b FROM item ORDER BY id", &[])).await?;
        assert_eq!(found.len(), rows.len());
        for (row, expected) in found.iter().zip(&rows) {
            assert_eq!(row.len(), 4);
            for (column, value) in expected.iter().enumerate() {
                assert_eq!(row.value(column)?, value);
            }
        }
        assert_eq!(found[1].text(2)?, "Ω 'quoted' \"x\" \\ 😀\n");
        assert_eq!(found[1].blob(3)?, [0, 255, 7]);
        assert_eq!((found[2].opt_int(1)?, found[2].opt_text(2)?, found[2].opt_blob(3)?), (None, None, None));
        assert!(found[3].bool(1)?);
        // What is not of the kind asked for is not made into it.
        for wrong in [found[1].text(1).err(), found[1].int(2).err(), found[1].blob(2).err(), found[2].int(1).err(), found[1].int(4).err()] {
            assert!(matches!(wrong, Some(Error::Corrupt(_))), "{wrong:?}");
        }
        assert!(found[1].bool(1).is_err());
        Ok(())
    }

    async fn placeholders_repeat_and_come_in_any_order(fixture: options()) -> Result<()> {
        let row = fixture
            .db
            .write(|conn| {
                conn.execute(
                    "INSERT INTO item (t, id, n) VALUES ($3, $2, $1)",
                    &[10.into(), 2.into(), "three".into()],
                )?;
                conn.query_opt("SELECT id, n, t FROM item WHERE t = $2 AND (id = $1 OR n = $1) AND $2 = t", &[2.into(), "three".into()])
            })
            .await?
            .ok_or(Error::Other("no row".into()))?;
        assert_eq!((row.int(0)?, row.int(1)?, row.text(2)?), (2, 10, "three".to_owned()));
        // More than nine, and times in arithmetic with small numbers.
        let params: Vec<Value> = (1..=12_i64).map(|n| Value::from(1_700_000_000_000 + n)).collect();
        let row = fixture
            .db
            .read(move |conn| {
                conn.query_opt(
                    "SELECT $12 - 1, $11 - 1 - $10, $9 + 0 + $8 - $7, $6 + 0, $5 + 0, $4 + 0, $3 + 0, $2 + 0, $1 - 60000",
                    &params,
                )
            })
            .await?
            .ok_or(Error::Other("no row".into()))?;
        assert_eq!((row.int(0)?, row.int(1)?), (1_700_000_000_011, 0));
        assert_eq!((row.int(2)?, row.int(8)?), (1_700_000_000_010, 1_699_999_940_001));
        Ok(())
    }

    async fn parameters_must_fit_the_statement(fixture: options()) -> Result<()> {
        for params in [vec![], vec![Value::from(1)], vec![1.into(), 2.into(), 3.into()]] {
            let result = fixture
                .db
                .read(move |conn| conn.query("SELECT id FROM item WHERE id = $1 AND n = $2", &params))
                .await;
            assert!(is_other(&result), "{result:?}");
        }
        let nul = fixture
            .db
            .write(|conn| conn.execute("INSERT INTO item (id, t) VALUES (1, $1)", &["a\0b".into()]))
            .await;
        assert!(is_other(&nul), "{nul:?}");
        let nonsense = fixture.db.read(|conn| conn.query("SELEKT 1", &[])).await;
        assert!(is_other(&nonsense), "{nonsense:?}");
        assert!(!format!("{:?}", Value::from("secret")).contains("secret"));
        Ok(())
    }

    async fn errors_hold_no_values(fixture: options()) -> Result<()> {
        let result = fixture
            .db
            .write(|conn| {
                let row: Vec<Value> = vec!["s3cret".into(), "s3cret".into()];
                conn.execute_many("INSERT INTO pair (a, b) VALUES ($1, $2)", &[row.clone(), row])
            })
            .await;
        assert_eq!(result, Err(conflict("pair.a, pair.b")));
        let result = fixture
            .db
            .write(|conn| conn.execute("INSERT INTO pair (a) VALUES ($1)", &["s3cret".into()]))
            .await;
        assert!(is_other(&result) && !format!("{result:?}").contains("s3cret"), "{result:?}");
        let result = fixture
            .db
            .read(|conn| conn.query("SELECT CAST($1 AS TEXT) || 1 WHERE CAST(CAST($1 AS TEXT) AS BIGINT) = 1 AND nothing = 2", &["s3cret".into()]))
            .await;
        assert!(is_other(&result) && !format!("{result:?}").contains("s3cret"), "{result:?}");
        Ok(())
    }

    async fn rows_changed_are_counted(fixture: options()) -> Result<()> {
        let counts = fixture
            .db
            .write(|conn| {
                let rows: Vec<Vec<Value>> = (0..1500).map(|id| vec![Value::from(id as i64)]).collect();
                let inserted = conn.execute_many("INSERT INTO item (id) VALUES ($1)", &rows)?;
                let updated = conn.execute("UPDATE item SET n = $1 WHERE id < $2", &[7.into(), 10.into()])?;
                let missed = conn.execute("UPDATE item SET n = $1 WHERE id = $2", &[7.into(), (-1).into()])?;
                let skipped = conn.execute("INSERT INTO item (id) VALUES ($1) ON CONFLICT DO NOTHING", &[5.into()])?;
                let deleted = conn.execute("DELETE FROM item WHERE n = $1", &[7.into()])?;
                let none = conn.execute_many("DELETE FROM item WHERE n = $1", &[])?;
                Ok::<_, Error>([inserted, updated, missed, skipped, deleted, none])
            })
            .await?;
        assert_eq!(counts, [1500, 10, 0, 0, 10, 0]);
        let returned = fixture
            .db
            .write(|conn| conn.query_opt("DELETE FROM item WHERE id = $1 RETURNING id", &[20.into()]))
            .await?;
        assert_eq!(returned.map(|row| row.int(0)), Some(Ok(20)));
        let several = fixture.db.read(|conn| conn.query_opt("SELECT id FROM item", &[])).await;
        assert!(matches!(several, Err(Error::Corrupt(_))), "{several:?}");
        Ok(())
    }

    async fn later_rows_of_many_see_earlier_ones(fixture: options()) -> Result<()> {
        let rows: Vec<Vec<Value>> = (0..2000).map(|n| vec![Value::from(1), Value::from(n as i64)]).collect();
        fixture
            .db
            .write(move |conn| {
                conn.execute_many(
                    "INSERT INTO item (id, n) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
                    &rows,
                )
            })
            .await?;
        let last = fixture.db.read(|conn| conn.query_opt("SELECT n FROM item", &[])).await?;
        assert_eq!(last.map(|row| row.int(0)), Some(Ok(1999)));
        Ok(())
    }

    async fn an_error_undoes_the_whole_write(fixture: options()) -> Result<()> {
        #[derive(Debug, PartialEq)]
        enum Own {
            Refused,
            Store(Error),
        }
        impl From<Error> for Own {
            fn from(error: Error) -> Self {
                Self::Store(error)
            }
        }
        let result: Result<(), Own> = fixture
            .db
            .write(|conn| {
                insert(conn, 1)?;
                insert(conn, 2)?;
                Err(Own::Refused)
            })
            .await;
        assert_eq!(result, Err(Own::Refused));
        let result: Result<u64, Own> = fixture
            .db
            .write(|conn| {
                insert(conn, 3)?;
                Ok(insert(conn, 3)?)
            })
            .await;
        assert_eq!(result, Err(Own::Store(conflict("item.id"))));
        fixture.db.write(|conn| insert(conn, 4)).await?;
        assert_eq!(fixture.db.read(ids).await?, [4]);
        Ok(())
    }

    async fn a_savepoint_undoes_its_part(fixture: options()) -> Result<()> {
        let outcome = fixture
            .db
            .write(|conn| {
                insert(conn, 1)?;
                let clash = conn.savepoint(|conn| {
                    insert(conn, 2)?;
                    insert(conn, 1)
                });
                insert(conn, 3)?;
                let nested = conn.savepoint(|conn| {
                    insert(conn, 4)?;
                    let inner = conn.savepoint(|conn| {
                        insert(conn, 5)?;
                        Err::<(), _>(Error::Other("mine".into()))
                    });
                    conn.savepoint(|conn| insert(conn, 6))?;
                    Ok::<_, Error>(inner)
                })?;
                // Without a statement, first and last.
                conn.savepoint(|_| Ok::<_, Error>(()))?;
                let empty = conn.savepoint(|_| Err::<(), _>(Error::Other("empty".into())));
                Ok::<_, Error>((clash, nested, empty))
            })
            .await?;
        assert_eq!(outcome.0, Err(conflict("item.id")));
        assert_eq!(outcome.1, Err(Error::Other("mine".into())));
        assert_eq!(outcome.2, Err(Error::Other("empty".into())));
        assert_eq!(fixture.db.read(ids).await?, [1, 3, 4, 6]);
        // As the first thing of a transaction.
        fixture
            .db
            .write(|conn| {
                let clash = conn.savepoint(|conn| insert(conn, 1));
                assert_eq!(clash, Err(conflict("item.id")));
                insert(conn, 7)
            })
            .await?;
        assert_eq!(fixture.db.read(ids).await?, [1, 3, 4, 6, 7]);
        Ok(())
    }

    async fn a_failed_statement_cannot_be_disregarded(fixture: options()) -> Result<()> {
        insert_one(&fixture.db, 1).await?;
        let result = fixture
            .db
            .write(|conn| {
                insert(conn, 2)?;
                let _ = insert(conn, 1);
                Ok::<_, Error>(())
            })
            .await;
        assert!(is_other(&result), "{result:?}");
        let result = fixture
            .db
            .write(|conn| {
                let _ = insert(conn, 1);
                insert(conn, 3)
            })
            .await;
        assert!(is_other(&result), "{result:?}");
        let result = fixture
            .db
            .write(|conn| {
                insert(conn, 4)?;
                let inner = conn.savepoint(|conn| {
                    let _ = insert(conn, 1);
                    Ok::<_, Error>(())
                });
                assert!(is_other(&inner), "{inner:?}");
                insert(conn, 5)
            })
            .await;
        assert_eq!(result, Ok(1));
        assert_eq!(fixture.db.read(ids).await?, [1, 4, 5]);
        Ok(())
    }

    async fn conflicts_are_named_alike(fixture: options()) -> Result<()> {
        let names = fixture
            .db
            .write(|conn| {
                const SQL: &str = "INSERT INTO pair (a, b, c, d) VALUES ($1, $2, $3, $4)";
                conn.execute(SQL, &["a".into(), "b".into(), "c".into(), "D".into()])?;
                let mut clash = |row: [&str; 4]| {
                    let params = row.map(Value::from);
                    conn.savepoint(|conn| conn.execute(SQL, &params)).err()
                };
                Ok::<_, Error>([
                    clash(["a", "b", "x", "x"]),
                    clash(["a", "x", "c", "x"]),
                    clash(["x", "x", "x", "d"]),
                ])
            })
            .await?;
        assert_eq!(
            names,
            [Some(conflict("pair.a, pair.b")), Some(conflict("pair.a, pair.c")), Some(conflict("pair_folded"))]
        );
        // A key of the schema.
        let subject = fixture
            .db
            .write(|conn| {
                let now = Value::from(1);
                conn.execute("INSERT INTO accounts (id, name, created_at) VALUES ('a', 'A', $1)", std::slice::from_ref(&now))?;
                conn.execute("INSERT INTO accounts (id, name, created_at) VALUES ('a', 'A', $1)", &[now])
            })
            .await;
        assert_eq!(subject, Err(conflict("accounts.id")));
        let orphan = fixture
            .db
            .write(|conn| {
                conn.execute(
                    "INSERT INTO reclamations (id, account_id, instance, state, target_time, created_by, updated_by, created_at, updated_at)
                     VALUES ('r', 'a', 'missing', 's', 1, 'x', 'x', 1, 1)",
                    &[],
                )
            })
            .await;
        assert!(is_other(&orphan), "{orphan:?}");
        Ok(())
    }

    async fn many_writers_at_once_lose_nothing(fixture: options()) -> Result<()> {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..64_i64 {
            let db = fixture.db.clone();
            writers.spawn(async move {
                let mut kept = Vec::new();
                for round in 0..10 {
                    let id = writer * 10 + round;
                    // Every third is undone, in the midst of others that are not.
                    let fails = id % 3 == 0;
                    let done = db
                        .write(move |conn| {
                            insert(conn, id)?;
                            if fails { Err(Error::Other("undone".into())) } else { Ok(()) }
                        })
                        .await;
                    match done {
                        Ok(()) => kept.push(id),
                        Err(error) => assert_eq!((error, fails), (Error::Other("undone".into()), true)),
                    }
                    // Acknowledged is visible.
                    let seen = db
                        .read(move |conn| conn.query_opt("SELECT 1 FROM item WHERE id = $1", &[id.into()]))
                        .await?;
                    assert_eq!(seen.is_some(), !fails);
                }
                Ok::<_, Error>(kept)
            });
        }
        let mut kept = Vec::new();
        while let Some(writer) = writers.join_next().await {
            kept.extend(writer.map_err(|error| Error::Other(error.to_string()))??);
        }
        kept.sort_unstable();
        assert_eq!(kept.len(), 640 - 214);
        let db = fixture.reopen().await?;
        assert_eq!(db.read(ids).await?, kept);
        Ok(())
    }

    async fn a_read_sees_one_moment(fixture: options()) -> Result<()> {
        insert_one(&fixture.db, 1).await?;
        let (looked, first_look) = tokio::sync::oneshot::channel();
        let (go_on, waits) = mpsc::channel::<()>();
        let db = fixture.db.clone();
        let reader = tokio::spawn(async move {
            db.read(move |conn| {
                let before = ids(conn)?;
                let _ = looked.send(());
                let _ = waits.recv();
                Ok::<_, Error>((before, ids(conn)?))
            })
            .await
        });
        first_look.await.map_err(|error| Error::Other(error.to_string()))?;
        insert_one(&fixture.db, 2).await?;
        assert_eq!(fixture.db.read(ids).await?, [1, 2]);
        drop(go_on);
        let (before, after) = reader.await.map_err(|error| Error::Other(error.to_string()))??;
        assert_eq!((before, after), (vec![1], vec![1]));
        Ok(())
    }

    async fn a_read_cannot_write(fixture: options()) -> Result<()> {
        let result = fixture.db.read(|conn| insert(conn, 1)).await;
        assert!(result.is_err());
        assert_eq!(fixture.db.read(ids).await?, Vec::<i64>::new());
        Ok(())
    }

    async fn a_panic_ends_only_its_own_call(fixture: options()) -> Result<()> {
        let write = fixture
            .db
            .write(|conn| -> Result<()> {
                insert(conn, 1)?;
                conn.savepoint(|conn| -> Result<()> {
                    insert(conn, 2)?;
                    panic!("on purpose")
                })
            })
            .await;
        assert!(is_other(&write), "{write:?}");
        let read = fixture.db.read(|_| -> Result<()> { panic!("on purpose") }).await;
        assert!(is_other(&read), "{read:?}");
        for id in 3..20 {
            insert_one(&fixture.db, id).await?;
            fixture.db.read(ids).await?;
        }
        assert_eq!(fixture.db.read(ids).await?, (3..20).collect::<Vec<_>>());
        Ok(())
    }

    async fn a_full_queue_refuses_at_once(fixture: DbOptions { pool_size: 1, queue: 1, ..options() }) -> Result<()> {
        let (started, start) = tokio::sync::oneshot::channel();
        let (go_on, waits) = mpsc::channel::<()>();
        let db = fixture.db.clone();
        let running = tokio::spawn(async move {
            db.write(move |conn| {
                let _ = started.send(());
                let _ = waits.recv();
                insert(conn, 1)
            })
            .await
        });
        start.await.map_err(|error| Error::Other(error.to_string()))?;
        let db = fixture.db.clone();
        let waiting = tokio::spawn(async move { insert_one(&db, 2).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let began = Instant::now();
        let refused = insert_one(&fixture.db, 3).await;
        assert!(is_unavailable(&refused), "{refused:?}");
        assert!(began.elapsed() < Duration::from_millis(500));
        drop(go_on);
        for accepted in [running.await, waiting.await] {
            assert_eq!(accepted.map_err(|error| Error::Other(error.to_string()))?, Ok(1));
        }
        insert_one(&fixture.db, 3).await?;
        assert_eq!(fixture.db.read(ids).await?, [1, 2, 3]);
        Ok(())
    }

    async fn a_lock_makes_reads_hold_for_the_write(fixture: options()) -> Result<()> {
        insert_one(&fixture.db, 1).await?;
        fixture.db.write(|conn| conn.execute("UPDATE item SET n = 0", &[])).await?;
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let db = fixture.db.clone();
            writers.spawn(async move {
                db.write(|conn| {
                    conn.lock("counter")?;
                    let row = conn.query_opt("SELECT n FROM item WHERE id = 1", &[])?;
                    let n = row.map_or(Ok(0), |row| row.int(0))?;
                    conn.execute("UPDATE item SET n = $1 WHERE id = 1", &[Value::from(n + 1)])
                })
                .await
            });
        }
        for done in writers.join_all().await {
            assert_eq!(done, Ok(1));
        }
        let row = fixture.db.read(|conn| conn.query_opt("SELECT n FROM item", &[])).await?;
        assert_eq!(row.map(|row| row.int(0)), Some(Ok(40)));
        Ok(())
    }

    async fn a_closed_database_refuses(fixture: options()) -> Result<()> {
        let mut writers = tokio::task::JoinSet::new();
        for id in 0..50 {
            let db = fixture.db.clone();
            writers.spawn(async move { (id, insert_one(&db, id).await) });
        }
        tokio::task::yield_now().await;
        fixture.db.close().await;
        fixture.db.close().await;
        let mut kept = Vec::new();
        for (id, done) in writers.join_all().await {
            match done {
                Ok(_) => kept.push(id),
                Err(error) => assert!(is_unavailable(&Err::<(), _>(error))),
            }
        }
        kept.sort_unstable();
        let refused = fixture.db.read(ids).await;
        assert!(is_unavailable(&refused), "{refused:?}");
        let db = Db::open(&fixture.url, fixture.options.clone()).await?;
        assert_eq!(db.read(ids).await?, kept);
        Ok(())
    }

    async fn a_changed_migration_is_refused(fixture: options()) -> Result<()> {
        let row = fixture
            .db
            .read(|conn| conn.query_opt("SELECT name, checksum, applied_at FROM schema_migrations WHERE version = 1", &[]))
            .await?
            .ok_or(Error::Other("no row".into()))?;
        assert_eq!((row.text(0)?.as_str(), row.text(1)?.len(), row.int(2)?), ("0001_init", 16, 1_700_000_000_000));
        fixture
            .db
            .write(|conn| conn.execute("UPDATE schema_migrations SET checksum = 'other' WHERE version = 1", &[]))
            .await?;
        let refused = fixture.reopen().await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("0001_init") && refused.contains("changed"), "{refused}");
        Ok(())
    }

    async fn a_newer_database_is_refused(fixture: options()) -> Result<()> {
        fixture
            .db
            .write(|conn| conn.execute("INSERT INTO schema_migrations VALUES (9999, '9999_future', 'x', 1)", &[]))
            .await?;
        let refused = fixture.reopen().await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("newer") && refused.contains("9999_future"), "{refused}");
        Ok(())
    }
}

async fn insert_one(db: &Db, id: i64) -> Result<u64> {
    db.write(move |conn| insert(conn, id)).await
}

/// A table's columns, as `name type nullability key`, in their order.
type Schema = BTreeMap<String, Vec<String>>;

fn sqlite_schema(conn: &mut Conn<'_>) -> Result<Schema> {
    let rows = conn.query(
        "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_schema m, pragma_table_info(m.name) c
          WHERE m.type = 'table' ORDER BY m.name, c.cid",
        &[],
    )?;
    schema(&rows)
}

fn postgres_schema(conn: &mut Conn<'_>) -> Result<Schema> {
    let rows = conn.query(
        "SELECT CAST(c.table_name AS TEXT), CAST(c.column_name AS TEXT),
                CASE c.data_type WHEN 'bigint' THEN 'INTEGER' WHEN 'text' THEN 'TEXT' WHEN 'bytea' THEN 'BLOB' ELSE c.data_type END,
                CASE c.is_nullable WHEN 'NO' THEN 1 ELSE 0 END,
                CAST(COALESCE((
                  SELECT k.ordinal_position FROM information_schema.table_constraints t
                    JOIN information_schema.key_column_usage k USING (constraint_schema, constraint_name)
                   WHERE t.constraint_type = 'PRIMARY KEY' AND t.table_name = c.table_name AND k.column_name = c.column_name
                ), 0) AS BIGINT)
           FROM information_schema.columns c WHERE c.table_schema = current_schema()
          ORDER BY c.table_name, c.ordinal_position",
        &[],
    )?;
    schema(&rows)
}

fn schema(rows: &[vestibule_store::Row]) -> Result<Schema> {
    let mut tables = Schema::new();
    for row in rows {
        let column = format!(
            "{} {} notnull={} pk={}",
            row.text(1)?,
            row.text(2)?,
            row.int(3)?,
            row.int(4)?
        );
        tables.entry(row.text(0)?).or_default().push(column);
    }
    Ok(tables)
}

/// Unique keys beside primary ones, and other indexes, by table: the columns, with `unique` before those of a key.
fn sqlite_indexes(conn: &mut Conn<'_>) -> Result<Schema> {
    let rows = conn.query(
        "SELECT m.name, i.name, i.\"unique\", c.name FROM sqlite_schema m, pragma_index_list(m.name) i, pragma_index_info(i.name) c
          WHERE m.type = 'table' AND i.origin <> 'pk' ORDER BY m.name, i.name, c.seqno",
        &[],
    )?;
    indexes(&rows)
}

fn postgres_indexes(conn: &mut Conn<'_>) -> Result<Schema> {
    let rows = conn.query(
        "SELECT CAST(t.relname AS TEXT), CAST(i.relname AS TEXT), CAST(CAST(x.indisunique AS INTEGER) AS BIGINT), CAST(a.attname AS TEXT)
           FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
           JOIN pg_namespace s ON s.oid = t.relnamespace AND s.nspname = current_schema()
           CROSS JOIN LATERAL unnest(x.indkey) WITH ORDINALITY AS k(attnum, position)
           LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum AND k.attnum > 0
          WHERE NOT x.indisprimary ORDER BY t.relname, i.relname, k.position",
        &[],
    )?;
    indexes(&rows)
}

fn indexes(rows: &[vestibule_store::Row]) -> Result<Schema> {
    let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
    for row in rows {
        let columns = found
            .entry((row.text(0)?, row.text(1)?))
            .or_insert_with(|| {
                if row.int(2) == Ok(1) {
                    "unique".to_owned()
                } else {
                    "index".to_owned()
                }
            });
        columns.push(' ');
        columns.push_str(
            &row.opt_text(3)?
                .unwrap_or_else(|| "(expression)".to_owned()),
        );
    }
    let mut tables = Schema::new();
    for ((table, _), columns) in found {
        tables.entry(table).or_default().push(columns);
    }
    tables.values_mut().for_each(|columns| columns.sort());
    Ok(tables)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_engines_have_the_same_schema() -> Result<()> {
    let sqlite = Fixture::sqlite(options()).await?;
    let Some(postgres) = Fixture::postgres(options()).await? else {
        return Ok(());
    };
    let tables = sqlite.db.read(sqlite_schema).await?;
    assert!(tables.len() > 10, "{tables:?}");
    assert_eq!(tables, postgres.db.read(postgres_schema).await?);
    let keys = sqlite.db.read(sqlite_indexes).await?;
    assert!(keys.len() > 10, "{keys:?}");
    assert_eq!(keys, postgres.db.read(postgres_indexes).await?);
    Ok(())
}

/// A deferred constraint would fail at the commit, and with it all calls of a group.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_constraint_is_deferred() -> Result<()> {
    let sqlite = Fixture::sqlite(options()).await?;
    let deferred = sqlite
        .db
        .read(|conn| {
            conn.query(
                "SELECT name FROM sqlite_schema WHERE upper(sql) LIKE '%DEFER%'",
                &[],
            )
        })
        .await?;
    assert_eq!(deferred, []);
    Ok(())
}

mod sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_second_holder_of_the_file_is_refused() -> Result<()> {
        let fixture = Fixture::sqlite(options()).await?;
        let second = Db::open(&fixture.url, options()).await;
        let refused = second
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            refused.contains("another process") && refused.contains("test.db"),
            "{refused}"
        );
        insert_one(&fixture.db, 1).await?;
        let db = fixture.reopen().await?;
        assert_eq!(db.read(ids).await?, [1]);
        // All of it is in the one file after a close.
        db.close().await;
        let path = fixture.url.trim_start_matches("sqlite:");
        assert!(!std::path::Path::new(&format!("{path}-wal")).exists());
        Ok(())
    }

    /// SQLite does not complain about a setting it did not take.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn commits_are_durable_and_references_checked() -> Result<()> {
        let fixture = Fixture::sqlite(options()).await?;
        let settings = fixture
            .db
            .write(|conn| {
                let mut setting = |name: &str| {
                    let row = conn.query_opt(&format!("PRAGMA {name}"), &[])?;
                    row.map_or(Ok(Value::Null), |row| row.value(0).cloned())
                };
                Ok::<_, Error>([
                    setting("journal_mode")?,
                    setting("synchronous")?,
                    setting("foreign_keys")?,
                ])
            })
            .await?;
        assert!(settings == [Value::from("wal"), Value::from(2), Value::from(1)]);
        Ok(())
    }

    #[cfg(unix)]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_files_are_for_their_owner_alone() -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("deeper/test.db");
        let db = Db::open(&format!("sqlite:{}", path.display()), options())
            .await
            .map_err(std::io::Error::other)?;
        let mut seen = 0;
        for entry in std::fs::read_dir(dir.path().join("deeper"))? {
            let entry = entry?;
            assert_eq!(
                entry.metadata()?.permissions().mode() & 0o777,
                0o600,
                "{:?}",
                entry.path()
            );
            seen += 1;
        }
        assert_eq!(seen, 4);
        db.close().await;
        Ok(())
    }

    /// Calls that wait while the writer is busy are committed together: here seen by a commit that fails, and fails all of them.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn waiting_calls_share_a_commit_and_its_failure() -> Result<()> {
        let fixture = Fixture::sqlite(options()).await?;
        fixture
            .db
            .write(|conn| {
                conn.execute(
                    "CREATE TABLE child (parent INTEGER REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED)",
                    &[],
                )
            })
            .await?;
        let (started, start) = tokio::sync::oneshot::channel();
        let (go_on, waits) = mpsc::channel::<()>();
        let db = fixture.db.clone();
        let busy = tokio::spawn(async move {
            db.write(move |conn| {
                let _ = started.send(());
                let _ = waits.recv();
                // So long that nobody joins this group.
                std::thread::sleep(Duration::from_millis(20));
                insert(conn, 1)
            })
            .await
        });
        start
            .await
            .map_err(|error| Error::Other(error.to_string()))?;
        let mut group = tokio::task::JoinSet::new();
        for id in 2..10 {
            let db = fixture.db.clone();
            group.spawn(async move {
                db.write(move |conn| match id {
                    5 => conn.execute("INSERT INTO child VALUES (77)", &[]),
                    6 => Err(Error::Other("own".into())),
                    _ => insert(conn, id),
                })
                .await
            });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(go_on);
        assert_eq!(
            busy.await
                .map_err(|error| Error::Other(error.to_string()))?,
            Ok(1)
        );
        let mut own = 0;
        for result in group.join_all().await {
            match result {
                Err(Error::Other(reason)) if reason == "own" => own += 1,
                other => assert!(
                    matches!(&other, Err(Error::Other(reason)) if reason.contains("FOREIGN KEY")),
                    "{other:?}"
                ),
            }
        }
        assert_eq!(own, 1);
        assert_eq!(fixture.db.read(ids).await?, [1]);
        insert_one(&fixture.db, 2).await?;
        Ok(())
    }
}

mod on_postgres {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_lost_connection_is_unavailable_and_replaced() -> Result<()> {
        let Some(fixture) = Fixture::postgres(DbOptions {
            pool_size: 1,
            ..options()
        })
        .await?
        else {
            return Ok(());
        };
        const END: &str = "SELECT 1 FROM (SELECT pg_terminate_backend(pg_backend_pid())) x";
        let lost = fixture
            .db
            .write(|conn| {
                insert(conn, 1)?;
                conn.query(END, &[])?;
                insert(conn, 2)
            })
            .await;
        assert!(is_unavailable(&lost), "{lost:?}");
        let lost = fixture.db.read(|conn| conn.query(END, &[])).await;
        assert!(is_unavailable(&lost), "{lost:?}");
        insert_one(&fixture.db, 3).await?;
        assert_eq!(fixture.db.read(ids).await?, [3]);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_long_wait_for_a_connection_ends() -> Result<()> {
        let wait = Duration::from_millis(100);
        let Some(fixture) = Fixture::postgres(DbOptions {
            pool_size: 1,
            wait,
            ..options()
        })
        .await?
        else {
            return Ok(());
        };
        let (started, start) = tokio::sync::oneshot::channel();
        let (go_on, waits) = mpsc::channel::<()>();
        let db = fixture.db.clone();
        let busy = tokio::spawn(async move {
            db.read(move |conn| {
                let _ = started.send(());
                let _ = waits.recv();
                ids(conn)
            })
            .await
        });
        start
            .await
            .map_err(|error| Error::Other(error.to_string()))?;
        let refused = fixture.db.read(ids).await;
        assert!(is_unavailable(&refused), "{refused:?}");
        drop(go_on);
        assert_eq!(
            busy.await
                .map_err(|error| Error::Other(error.to_string()))?,
            Ok(vec![])
        );
        Ok(())
    }

    /// Two writes that wait for each other: one is told to come again, the other is kept.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_deadlock_is_unavailable() -> Result<()> {
        let Some(fixture) = Fixture::postgres(options()).await? else {
            return Ok(());
        };
        let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
        let write = |first: &'static str, second: &'static str| {
            let (db, barrier) = (fixture.db.clone(), std::sync::Arc::clone(&barrier));
            async move {
                db.write(move |conn| {
                    conn.lock(first)?;
                    barrier.wait();
                    conn.lock(second)?;
                    insert(conn, 1)
                })
                .await
            }
        };
        let (one, other) = tokio::join!(write("a", "b"), write("b", "a"));
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        assert!(
            is_unavailable(&one) || is_unavailable(&other),
            "{one:?} {other:?}"
        );
        assert_eq!(fixture.db.read(ids).await?, [1]);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nodes_that_start_together_migrate_once() -> Result<()> {
        let Some(url) = postgres::test_database_url() else {
            return Ok(());
        };
        let mut nodes = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let url = url.clone();
            nodes.spawn(async move { Db::open(&url, options()).await.map(drop) });
        }
        assert_eq!(nodes.join_all().await, vec![Ok(()); 6]);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_way_is_encrypted_when_asked_and_the_server_checked() -> Result<()> {
        let Some(url) = postgres::test_database_url() else {
            return Ok(());
        };
        let Some(authority) = postgres::test_authority() else {
            return Ok(());
        };
        let encrypted = |conn: &mut Conn<'_>| {
            let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            conn.query_opt(sql, &[])?
                .map_or(Ok(false), |row| row.bool(0))
        };
        let authority = authority.display().to_string();
        let with = |mode: &str, host: &str| {
            url.replace("sslmode=disable", mode)
                .replace("127.0.0.1", host)
        };
        let plain = Db::open(&url, options()).await?;
        assert!(!plain.read(encrypted).await?);
        for mode in ["require", "verify-full"] {
            let query = format!("sslmode={mode}&sslrootcert={authority}");
            let db = Db::open(&with(&query, "127.0.0.1"), options()).await?;
            assert!(db.read(encrypted).await?);
            db.close().await;
            // Certified for another name.
            let other = Db::open(&with(&query, "localhost"), options()).await;
            assert!(is_unavailable(&other.map(drop)));
            // Certified by nobody the machine knows.
            let query = format!("sslmode={mode}");
            let unknown = Db::open(&with(&query, "127.0.0.1"), options()).await;
            assert!(unknown.is_err());
        }
        Ok(())
    }

    /// Paging and search by prefix rely on the order of bytes, which a server's own order is not.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn text_is_ordered_by_bytes() -> Result<()> {
        let Some(url) = postgres::test_database_url() else {
            return Ok(());
        };
        let db = Db::open(&url, options()).await?;
        let others = db
            .read(|conn| {
                conn.query(
                    "SELECT CAST(table_name || '.' || column_name AS TEXT) FROM information_schema.columns
                      WHERE table_schema = current_schema() AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'",
                    &[],
                )
            })
            .await?;
        let names: Vec<_> = others
            .iter()
            .map(|row| row.text(0))
            .collect::<Result<_>>()?;
        assert_eq!(names, Vec::<String>::new());
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_cannot_be_opened_says_why() {
        for (url, word) in [
            ("mysql://localhost/x", "sqlite: or postgres:"),
            ("postgres://user:pa ss@[", "cannot be read"),
            (
                "postgres://localhost/x?sslmode=verify-ca&password=s3cret",
                "sslmode",
            ),
        ] {
            let error = Db::open(url, options())
                .await
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(
                error.contains(word) && !error.contains("s3cret"),
                "{url}: {error}"
            );
        }
        let unreachable = Db::open("postgres://127.0.0.1:1/x", options())
            .await
            .map(drop);
        assert!(is_unavailable(&unreachable), "{unreachable:?}");
    }
}

/// Rates for docs/adr/002-storage-seam.md, which has the command. Not a test: it asserts nothing about speed.
mod rates {
    use super::*;

    const CALLERS: i64 = 64;
    const ROWS: i64 = 1_000;

    async fn measure(name: &str, fixture: Fixture) -> Result<()> {
        let body = "x".repeat(900);
        let row = move |id: i64| vec![Value::from(id), id.into(), body.as_str().into()];
        const INSERT: &str = "INSERT INTO item (id, n, t) VALUES ($1, $2, $3)";

        let each = 300;
        let began = Instant::now();
        let mut writers = tokio::task::JoinSet::new();
        for caller in 0..CALLERS {
            let (db, row) = (fixture.db.clone(), row.clone());
            writers.spawn(async move {
                for round in 0..each {
                    let params = row(caller * each + round);
                    db.write(move |conn| conn.execute(INSERT, &params)).await?;
                }
                Ok::<_, Error>(())
            });
        }
        for done in writers.join_all().await {
            done?;
        }
        report(name, "one-row writes, 64 callers", CALLERS * each, began);

        let began = Instant::now();
        let batches = 50;
        for batch in 0..batches {
            let first = 1_000_000 + batch * ROWS;
            let rows: Vec<_> = (first..first + ROWS).map(&row).collect();
            fixture
                .db
                .write(move |conn| conn.execute_many(INSERT, &rows))
                .await?;
        }
        report(name, "execute_many of 1,000 rows", batches * ROWS, began);

        for callers in [1, 8] {
            let began = Instant::now();
            let each = 10_000 / callers;
            let mut readers = tokio::task::JoinSet::new();
            for caller in 0..callers {
                let db = fixture.db.clone();
                readers.spawn(async move {
                    for round in 0..each {
                        let id = Value::from((caller * each + round) % (CALLERS * 300));
                        let read = move |conn: &mut Conn<'_>| {
                            conn.query_opt("SELECT n, t FROM item WHERE id = $1", &[id])
                        };
                        if db.read(read).await?.is_none() {
                            return Err(Error::Other("a row is missing".into()));
                        }
                    }
                    Ok::<_, Error>(())
                });
            }
            for done in readers.join_all().await {
                done?;
            }
            report(
                name,
                &format!("point reads, {callers} callers"),
                each * callers,
                began,
            );
        }
        fixture.db.close().await;
        Ok(())
    }

    fn report(engine: &str, what: &str, count: i64, began: Instant) {
        let rate = count as f64 / began.elapsed().as_secs_f64();
        println!("{engine:<9} {what:<28} {rate:>9.0} /s");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "takes a quiet machine"]
    async fn sqlite() -> Result<()> {
        measure("sqlite", Fixture::sqlite(options()).await?).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "takes a quiet machine"]
    async fn postgres() -> Result<()> {
        match Fixture::postgres(options()).await? {
            Some(fixture) => measure("postgres", fixture).await,
            None => Ok(()),
        }
    }
}

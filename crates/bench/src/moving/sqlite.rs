//! On the embedded database.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rusqlite::{Connection, types::Value};

use super::{Instance, export, import, import_rows, users, write_people};
use crate::{Goal, Row, load, runtime::Stage, server::Server};

/// Tables of people in the order in which they refer to each other.
const TABLES: [&str; 4] = ["directory_users", "profiles", "identities", "user_roles"];

/// Export through HTTP, in users a second.
const EXPORT: f64 = 150_000.0;

/// Users whose rows the bound holds in memory.
const MOST_IN_MEMORY: u64 = 1_000_000;

/// Between one sign-in and the next.
const PAUSE: Duration = Duration::from_millis(100);

/// How long sign-ins are measured before the import begins.
const IDLE: Duration = Duration::from_secs(20);

pub(super) async fn run(program: &Path) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let users = users();
    let people = write_people(folder.path(), users)?;
    let data = folder.path().join("data");
    let server = Server::start(program, &data).await?;
    let instance = Instance::make(&server, &data).await?;
    let signing_in = SigningIn::prepare(&server, &data).await?;
    let (imported, beside) = signing_in.beside(import(&instance, &people, users)).await?;
    let exported = export(&instance, users).await?;
    let memory = server.most_megabytes()?;
    server.stop().await?;
    std::fs::remove_file(&people).context("cannot remove people")?;
    let from = data.join("vestibule.db");
    let to = folder.path().join("raw.db");
    let bound = tokio::task::spawn_blocking(move || raw_load((&from, &instance.guid), &to, users))
        .await
        .context("the bound panicked")??;
    let mut rows = Vec::from(import_rows(
        ["import-sqlite", "import-sqlite-steady"],
        &imported,
        bound,
    ));
    rows.push(Row {
        name: "export-sqlite",
        value: exported,
        unit: "/s",
        bound: EXPORT,
        bound_is: "a fixed goal",
        goal: Goal::AtLeast(1.0),
    });
    rows.push(Row {
        name: "moving-memory",
        value: memory,
        unit: "MB",
        bound: 300.0,
        bound_is: "a fixed limit",
        goal: Goal::AtMost,
    });
    rows.push(Row {
        name: "sign-in-beside-import",
        value: beside.as_secs_f64() * 1000.0,
        unit: "ms",
        bound: signing_in.idle.as_secs_f64() * 5000.0,
        bound_is: "5 times the same without import, p99",
        goal: Goal::AtMost,
    });
    Ok(rows)
}

/// People of another instance who sign in now and then.
struct SigningIn {
    address: String,
    requests: Vec<Vec<u8>>,
    /// 99th percentile of the time to answer when nothing else happens.
    idle: Duration,
}

impl SigningIn {
    async fn prepare(server: &Server, data: &Path) -> Result<Self> {
        let requests = Stage::set(server, data).await?.sign_ins();
        let address = server.address.clone();
        let stop = AtomicBool::new(false);
        let sign_ins = load::now_and_then(&address, &requests, PAUSE, &stop);
        let wait = async {
            tokio::time::sleep(IDLE).await;
            stop.store(true, Ordering::Relaxed);
        };
        let (idle, ()) = tokio::join!(sign_ins, wait);
        Ok(Self {
            idle: idle?,
            address,
            requests,
        })
    }

    /// Does the work while people sign in; the 99th percentile of what they waited.
    async fn beside<T>(&self, work: impl Future<Output = Result<T>>) -> Result<(T, Duration)> {
        let stop = AtomicBool::new(false);
        let sign_ins = load::now_and_then(&self.address, &self.requests, PAUSE, &stop);
        let work = async {
            let done = work.await;
            stop.store(true, Ordering::Relaxed);
            done
        };
        let (waited, done) = tokio::join!(sign_ins, work);
        Ok((done?, waited?))
    }
}

/// The rows that the import made, the first million of them, into an empty database of the same schema, 1,000 users to a transaction; users
/// a second.
fn raw_load((from, tenant): (&Path, &str), to: &Path, users: u64) -> Result<f64> {
    let users = users.min(MOST_IN_MEMORY);
    let source = Connection::open(from).context("no database")?;
    let target = Connection::open(to).context("no second database")?;
    target.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536; \
         PRAGMA wal_autocheckpoint = 4096;",
    )?;
    let mut schema = source.prepare(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, rowid",
    )?;
    let statements = schema.query_map([], |row| row.get::<_, String>(0))?;
    for statement in statements {
        target.execute_batch(&statement?)?;
    }
    // What people refer to.
    copy_small(&source, &target, (tenant, users), "roles")?;
    // Everything in memory first: the bound is of writing.
    let mut loaded = Vec::new();
    for table in TABLES {
        loaded.push(read(&source, (tenant, users), table)?);
    }
    let started = Instant::now();
    let chunk = 1000;
    let mut at = vec![0_usize; TABLES.len()];
    let mut from = 0;
    while from < users as usize {
        let upto = from + chunk;
        target.execute_batch("BEGIN IMMEDIATE")?;
        for ((rows, at), table) in loaded.iter().zip(&mut at).zip(TABLES) {
            // As many rows of each table as there are for so many users.
            let end = rows.rows.len() * upto.min(users as usize) / users as usize;
            let mut insert = target.prepare_cached(&rows.insert(table))?;
            for row in rows.rows.get(*at..end).unwrap_or_default() {
                insert.execute(rusqlite::params_from_iter(row))?;
            }
            *at = end;
        }
        target.execute_batch("COMMIT")?;
        from = upto;
    }
    Ok(users as f64 / started.elapsed().as_secs_f64())
}

struct Rows {
    columns: usize,
    rows: Vec<Vec<Value>>,
}

impl Rows {
    fn insert(&self, table: &str) -> String {
        let places = vec!["?"; self.columns].join(", ");
        format!("INSERT INTO {table} VALUES ({places})")
    }
}

fn read(source: &Connection, (tenant, users): (&str, u64), table: &str) -> Result<Rows> {
    // In the order in which they were written.
    let select = match table {
        "user_roles" => String::from(
            "SELECT r.* FROM user_roles r JOIN profiles p ON p.tenant = r.tenant AND p.id = r.profile_id \
             WHERE r.tenant = ?1 AND p.rowid <= (SELECT MAX(n) FROM \
             (SELECT rowid AS n FROM profiles WHERE tenant = ?1 ORDER BY rowid LIMIT ?2)) ORDER BY p.rowid",
        ),
        "roles" => String::from("SELECT * FROM roles WHERE tenant = ?1 LIMIT ?2"),
        _ => format!("SELECT * FROM {table} WHERE tenant = ?1 ORDER BY rowid LIMIT ?2"),
    };
    let mut select = source.prepare(&select)?;
    let columns = select.column_count();
    let rows = select
        .query_map((tenant, users.cast_signed()), |row| {
            (0..columns).map(|i| row.get(i)).collect()
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Rows { columns, rows })
}

fn copy_small(
    source: &Connection,
    target: &Connection,
    of: (&str, u64),
    table: &str,
) -> Result<()> {
    let rows = read(source, of, table)?;
    let mut insert = target.prepare(&rows.insert(table))?;
    for row in &rows.rows {
        insert.execute(rusqlite::params_from_iter(row))?;
    }
    Ok(())
}

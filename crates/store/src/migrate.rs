//! Brings a database's schema up to date: numbered scripts, one list for each engine, applied once and in order.

use crate::{
    Error, Result, Value,
    db::{Conn, EngineKind},
    dialect,
};

/// A step of the schema. `name` is that of the file.
struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($engine:literal: $($version:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../migrations/", $engine, "/", $name, ".sql")),
        }),+]
    };
}

// A script that was released is never changed: a change is a new one, in both lists.
const SQLITE: &[Migration] = migrations!("sqlite": 1 "0001_init", 2 "0002_jobs", 3 "0003_sessions", 4 "0004_clients", 5 "0005_possession", 8 "0008_device");
const POSTGRES: &[Migration] = migrations!("postgres": 1 "0001_init", 2 "0002_jobs", 3 "0003_sessions", 4 "0004_clients", 5 "0005_possession", 8 "0008_device");

/// Keeps nodes that start at the same time from applying the same script.
const LOCK: &str = "schema_migrations";

/// Applies what is missing, in the transaction of `conn`. `now_ms` is kept beside each script applied.
///
/// # Errors
/// `Other` if a script was changed after it was applied, or the database has one that this program does not know.
pub(crate) fn run(conn: &mut Conn<'_>, engine: EngineKind, now_ms: i64) -> Result<()> {
    let (migrations, table) = match engine {
        EngineKind::Sqlite => (
            SQLITE,
            "CREATE TABLE IF NOT EXISTS schema_migrations (
               version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
             ) STRICT",
        ),
        EngineKind::Postgres => (
            POSTGRES,
            r#"CREATE TABLE IF NOT EXISTS schema_migrations (
               version BIGINT NOT NULL PRIMARY KEY, name TEXT COLLATE "C" NOT NULL, checksum TEXT COLLATE "C" NOT NULL,
               applied_at BIGINT NOT NULL
             )"#,
        ),
    };
    if engine == EngineKind::Postgres {
        conn.script(dialect::POSTGRES_PATIENCE)?;
    }
    conn.lock(LOCK)?;
    conn.script(table)?;
    let applied = conn.query(
        "SELECT version, name, checksum FROM schema_migrations ORDER BY version",
        &[],
    )?;
    let mut reached = 0;
    for row in &applied {
        let (version, name) = (row.int(0)?, row.text(1)?);
        reached = version;
        let known = migrations.iter().find(|known| known.version == version);
        let Some(known) = known else {
            return Err(Error::other(format!(
                "the database is newer than this program: it has schema step {name}; start a program that knows it"
            )));
        };
        if known.name != name || checksum(known.sql) != row.text(2)? {
            return Err(Error::other(format!(
                "schema step {name} of the database is not this program's {}: it was changed after it was applied",
                known.name
            )));
        }
    }
    for migration in migrations.iter().filter(|step| step.version > reached) {
        conn.script(migration.sql)?;
        conn.execute(
            "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
            &[
                Value::from(migration.version),
                Value::from(migration.name),
                Value::from(checksum(migration.sql)),
                Value::from(now_ms),
            ],
        )?;
        tracing::info!(step = migration.name, "applied to the database's schema");
    }
    Ok(())
}

/// 64-bit FNV-1a over the text without carriage returns, in hexadecimal. It tells an edited file, not a hostile one.
fn checksum(sql: &str) -> String {
    let hash = sql
        .bytes()
        .filter(|byte| *byte != b'\r')
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_have_the_same_numbers() {
        let names = |list: &[Migration]| {
            list.iter()
                .map(|step| (step.version, step.name))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(SQLITE), names(POSTGRES));
        assert!(SQLITE.is_sorted_by(|one, next| one.version < next.version));
        for step in SQLITE {
            assert!(step.name.starts_with(&format!("{:04}_", step.version)));
        }
    }

    #[test]
    fn checksum_is_fnv_1a() {
        // Test vectors of draft-eastlake-fnv.
        assert_eq!(checksum(""), "cbf29ce484222325");
        assert_eq!(checksum("a"), "af63dc4c8601ec8c");
        assert_eq!(checksum("foobar"), "85944171f73967e8");
        assert_eq!(checksum("a\r\nb"), checksum("a\nb"));
    }
}

//! Migrations, and the equality of what they make.

use std::collections::BTreeMap;

use super::*;

on_each_engine! {
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

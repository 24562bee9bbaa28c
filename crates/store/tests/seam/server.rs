//! What only PostgreSQL has: connections, concurrent writes, encryption.

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
    // The pool may hand the dead connection out until its end was noticed; each such call says so and changes nothing.
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let inserted = insert_one(&fixture.db, 3).await;
        if !is_unavailable(&inserted) || Instant::now() > until {
            inserted?;
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_wait_for_a_lock_ends() -> Result<()> {
    let wait = Duration::from_millis(300);
    let Some(fixture) = Fixture::postgres(DbOptions { wait, ..options() }).await? else {
        return Ok(());
    };
    let (started, start) = tokio::sync::oneshot::channel();
    let (go_on, waits) = mpsc::channel::<()>();
    let db = fixture.db.clone();
    let busy = tokio::spawn(async move {
        db.write(move |conn| {
            conn.lock("a")?;
            let _ = started.send(());
            let _ = waits.recv();
            insert(conn, 1)
        })
        .await
    });
    start
        .await
        .map_err(|error| Error::Other(error.to_string()))?;
    let refused = fixture.db.write(|conn| conn.lock("a")).await;
    assert!(is_unavailable(&refused), "{refused:?}");
    assert_eq!(fixture.db.write(|conn| conn.lock("b")).await, Ok(()));
    drop(go_on);
    let done = busy
        .await
        .map_err(|error| Error::Other(error.to_string()))?;
    assert_eq!(done, Ok(1));
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

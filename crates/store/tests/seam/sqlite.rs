//! What only SQLite has: one file, one writer, shared commits.

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

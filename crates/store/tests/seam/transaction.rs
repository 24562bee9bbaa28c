//! What is kept and what is undone, who sees what when, and how calls are refused.

use super::*;

on_each_engine! {
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
        // There is room for one of these two, whichever comes first.
        let mut both = tokio::task::JoinSet::new();
        for id in [2, 3] {
            let db = fixture.db.clone();
            both.spawn(async move { (id, insert_one(&db, id).await) });
        }
        let failed = |error: tokio::task::JoinError| Error::Other(error.to_string());
        let refused = both.join_next().await.transpose().map_err(failed)?;
        let Some((refused, outcome)) = refused else {
            return Err(Error::Other(String::from("nobody was refused")));
        };
        assert!(is_unavailable(&outcome), "{outcome:?}");
        // Had it waited for its turn in vain, the other would have too.
        drop(go_on);
        assert_eq!(running.await.map_err(failed)?, Ok(1));
        let accepted = both.join_next().await.transpose().map_err(failed)?;
        assert_eq!(accepted, Some((5 - refused, Ok(1))));
        insert_one(&fixture.db, refused).await?;
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

    async fn the_planner_learns_how_large_a_table_has_become(fixture: options()) -> Result<()> {
        let known = |conn: &mut Conn<'_>| {
            let sql = "SELECT CAST(reltuples AS BIGINT) FROM pg_class WHERE relname = 'item'";
            conn.query_opt(sql, &[])?.map(|row| row.int(0)).transpose()
        };
        let grown = |rows: i64, believed: u64| {
            move |conn: &mut Conn<'_>| {
                let first = conn.query("SELECT id FROM item", &[])?.len() as i64;
                (first..first + rows).try_for_each(|id| insert(conn, id).map(drop))?;
                conn.refresh_statistics(&["item", "pair"], believed)
            }
        };
        // Of a table that nobody looked at, of one that grew a little, and of one that outgrew what was known.
        for (rows, believed, expected) in [(100, 100, 100), (50, 150, 100), (1000, 1150, 1150)] {
            fixture.db.write(grown(rows, believed)).await?;
            if fixture.db.engine() == EngineKind::Postgres {
                assert_eq!(fixture.db.read(known).await?, Some(expected));
            }
        }
        assert_eq!(fixture.db.read(ids).await?.len(), 1150);
        Ok(())
    }
}

//! Values, parameters, rows and the names of conflicts.

use super::*;

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
}

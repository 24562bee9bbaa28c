//! Rates for docs/adr/002-storage-seam.md, which has the command. No tests: they assert nothing about speed.

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

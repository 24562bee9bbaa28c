//! A node with many instances, all of them in use, against the same with one.

use std::path::Path;

use anyhow::Result;

use super::{
    CONNECTIONS, TIME,
    stage::{Operator, Stage},
};
use crate::{Goal, Row, http::Connection, load, server::Server};

/// Instances of one run, unless `VESTIBULE_BENCH_INSTANCES` says otherwise.
const INSTANCES: usize = 10_000;

pub(super) async fn run(program: &Path) -> Result<Vec<Row>> {
    let count = std::env::var("VESTIBULE_BENCH_INSTANCES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(INSTANCES);
    let folder = tempfile::tempdir()?;
    let server = Server::start(program, folder.path()).await?;
    let stages = instances(&server, folder.path(), count).await?;
    server.stop().await?;
    let server = Server::start(program, folder.path()).await?;
    let mut connection = Connection::open(&server.address).await?;
    let mut asked = [Vec::new(), Vec::new()];
    for stage in &stages {
        asked[1].push(stage.introspection(&mut connection).await?);
        asked[0].push(stage.token_request.clone());
    }
    let memory = server.resident_megabytes()?;
    let mut rows = Vec::new();
    for (name, all) in ["many-client-credentials", "many-introspection"]
        .into_iter()
        .zip(asked)
    {
        let one = all.iter().take(1).cloned().collect();
        let one = load::run(&server.address, one, CONNECTIONS, TIME).await?;
        let all = load::run(&server.address, all, CONNECTIONS, TIME).await?;
        rows.push(Row {
            name,
            value: all.rate,
            unit: "/s",
            bound: one.rate,
            bound_is: "the same of one instance",
            goal: Goal::AtLeast(0.9),
        });
    }
    rows.push(Row {
        name: "many-memory",
        value: memory,
        unit: "MB",
        bound: 250.0,
        bound_is: "limit, resident",
        goal: Goal::AtMost,
    });
    server.stop().await?;
    Ok(rows)
}

/// Makes instances, one a core at a time: each needs a new key.
async fn instances(server: &Server, data: &Path, count: usize) -> Result<Vec<Stage>> {
    let makers = crate::cores();
    let mut stages = Vec::with_capacity(count);
    while stages.len() < count {
        // The token of an operator lasts an hour.
        let mut tasks = Vec::new();
        for _ in 0..makers {
            let mut operator = Operator::of(server, data).await?;
            let own = (count - stages.len()).div_ceil(makers).min(500);
            tasks.push(tokio::spawn(async move {
                let mut made = Vec::with_capacity(own);
                for _ in 0..own {
                    made.push(Stage::instance(&mut operator).await?);
                }
                anyhow::Ok(made)
            }));
        }
        for task in tasks {
            stages.extend(task.await??);
        }
        eprintln!("{} instances", stages.len());
    }
    Ok(stages)
}

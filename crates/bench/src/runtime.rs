//! The runtime plane: tokens, introspection, user info, codes, passwords, start and memory.

mod flows;
mod many;
mod overload;
mod signer;
mod stage;

use std::{path::Path, time::Duration};

use anyhow::Result;

use self::{
    flows::{CodeFlow, Refresh},
    stage::{Operator, call},
};
pub use self::{signer::serve as serve_signer, stage::Stage};
use crate::{
    Goal, Row, bound,
    http::{Connection, request},
    load::{self, Flow, Outcome, Pace, Requests},
    server::Server,
};

const TIME: Duration = Duration::from_secs(8);
const CONNECTIONS: usize = 32;
/// Most milliseconds of the 99th percentile at half of the rate that was reached.
const HALF_LOAD: f64 = 20.0;

/// Runs the named benchmarks, or all.
pub async fn all(program: &Path, names: &[String]) -> Result<Vec<Row>> {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name || n == "runtime");
    const NAMES: [&str; 10] = [
        "memory",
        "client-credentials",
        "es256",
        "introspection",
        "userinfo",
        "code-flow",
        "refresh",
        "password",
        "overload",
        "start",
    ];
    let mut rows = Vec::new();
    if NAMES.into_iter().any(wanted) {
        let folder = tempfile::tempdir()?;
        let server = Server::start(program, folder.path()).await?;
        let stage = Stage::set(&server, folder.path()).await?;
        if wanted("memory") {
            rows.push(memory(program).await?);
        }
        if wanted("client-credentials") {
            rows.extend(client_credentials(&server, &stage).await?);
        }
        if wanted("es256") {
            rows.push(es256(&server, folder.path()).await?);
        }
        if wanted("introspection") {
            rows.extend(introspection(&server, &stage).await?);
        }
        if wanted("userinfo") {
            rows.extend(userinfo(&server, &stage).await?);
        }
        if wanted("code-flow") {
            rows.extend(code_flow(&server, &stage).await?);
        }
        if wanted("refresh") {
            rows.extend(refresh(&server, &stage).await?);
        }
        if wanted("password") {
            rows.push(password(&server, &stage).await?);
        }
        if wanted("overload") {
            rows.extend(overload::run(&server, &stage).await?);
        }
        server.stop().await?;
        if wanted("start") {
            rows.push(start(program, folder.path(), &stage).await?);
        }
    }
    if wanted("many-instances") {
        rows.extend(many::run(program).await?);
    }
    Ok(rows)
}

/// The rate as fast as it goes, and the 99th percentile at half of it.
async fn twice<F: Flow>(
    server: &Server,
    flows: Vec<F>,
    p99: &'static str,
) -> Result<(Outcome, Row)> {
    let (most, flows) = load::drive(&server.address, flows, Pace::Closed, TIME).await?;
    let half = Pace::PerSecond(most.rate / 2.0);
    let (half, _) = load::drive(&server.address, flows, half, TIME).await?;
    let row = Row {
        name: p99,
        value: half.p99.as_secs_f64() * 1000.0,
        unit: "ms",
        bound: HALF_LOAD,
        bound_is: "limit, at half of the rate reached",
        goal: Goal::AtMost,
    };
    Ok((most, row))
}

async fn client_credentials(server: &Server, stage: &Stage) -> Result<[Row; 3]> {
    let raw = bound::rs256_signatures(TIME)?;
    let signer = signer::measure("RS256", CONNECTIONS, TIME).await?;
    let requests = Requests::on(CONNECTIONS, vec![stage.token_request.clone()]);
    let (most, p99) = twice(server, requests, "client-credentials-p99").await?;
    let row = |bound, bound_is, goal| Row {
        name: "client-credentials",
        value: most.rate,
        unit: "/s",
        bound,
        bound_is,
        goal,
    };
    Ok([
        row(raw, "raw RS256 signatures, all cores", Goal::AtLeast(0.65)),
        row(
            signer,
            "a route that signs and nothing else",
            Goal::AtLeast(0.85),
        ),
        p99,
    ])
}

/// The same of an instance that signs with ES256.
async fn es256(server: &Server, data: &Path) -> Result<Row> {
    let mut operator = Operator::of(server, data).await?;
    let stage = Stage::instance(&mut operator).await?;
    stage.sign_with(&mut operator, "ES256").await?;
    let bound = signer::measure("ES256", CONNECTIONS, TIME).await?;
    let grants = vec![stage.token_request];
    let reached = load::run(&server.address, grants, CONNECTIONS, TIME).await?;
    Ok(Row {
        name: "client-credentials-es256",
        value: reached.rate,
        unit: "/s",
        bound,
        bound_is: "a route that signs and nothing else",
        goal: Goal::AtLeast(0.5),
    })
}

/// What a route that does nothing answers.
async fn hello(server: &Server) -> Result<f64> {
    let hello = vec![request("GET", "/health/live", &[], b"")];
    Ok(load::run(&server.address, hello, CONNECTIONS, TIME)
        .await?
        .rate)
}

async fn introspection(server: &Server, stage: &Stage) -> Result<[Row; 2]> {
    let hello = hello(server).await?;
    let mut connection = Connection::open(&server.address).await?;
    let introspect = stage.introspection(&mut connection).await?;
    let requests = Requests::on(CONNECTIONS, vec![introspect]);
    let (most, p99) = twice(server, requests, "introspection-p99").await?;
    let row = Row {
        name: "introspection",
        value: most.rate,
        unit: "/s",
        bound: hello,
        bound_is: "hello-world route, same server",
        goal: Goal::AtLeast(0.5),
    };
    Ok([row, p99])
}

async fn userinfo(server: &Server, stage: &Stage) -> Result<[Row; 2]> {
    let hello = hello(server).await?;
    let mut connection = Connection::open(&server.address).await?;
    let mut requests = Vec::new();
    for sign_in in stage.sign_ins().iter().take(CONNECTIONS) {
        requests.push(stage.userinfo(&call(&mut connection, sign_in).await?)?);
    }
    let requests = Requests::on(CONNECTIONS, requests);
    let (most, p99) = twice(server, requests, "userinfo-p99").await?;
    let row = Row {
        name: "userinfo",
        value: most.rate,
        unit: "/s",
        bound: hello,
        bound_is: "hello-world route, same server",
        goal: Goal::AtLeast(0.3),
    };
    Ok([row, p99])
}

async fn code_flow(server: &Server, stage: &Stage) -> Result<[Row; 2]> {
    let mut flows = Vec::new();
    for n in 0..CONNECTIONS {
        flows.push(CodeFlow::sign_in(server, stage, n).await?);
    }
    let (most, p99) = twice(server, flows, "code-flow-p99").await?;
    let row = Row {
        name: "code-flow",
        value: most.rate,
        unit: "/s",
        bound: 800.0,
        bound_is: "a fixed goal",
        goal: Goal::AtLeast(1.0),
    };
    Ok([row, p99])
}

async fn refresh(server: &Server, stage: &Stage) -> Result<[Row; 2]> {
    stage.refresh_tokens(server).await?;
    let mut connection = Connection::open(&server.address).await?;
    let mut flows = Vec::new();
    for sign_in in stage.sign_ins().iter().rev().take(CONNECTIONS) {
        let tokens = call(&mut connection, sign_in).await?;
        flows.push(Refresh::new(stage, &tokens)?);
    }
    let (most, p99) = twice(server, flows, "refresh-p99").await?;
    let row = Row {
        name: "refresh",
        value: most.rate,
        unit: "/s",
        bound: 1200.0,
        bound_is: "a fixed goal",
        goal: Goal::AtLeast(1.0),
    };
    Ok([row, p99])
}

async fn password(server: &Server, stage: &Stage) -> Result<Row> {
    let bound = bound::argon2_hashes(TIME)?;
    let reached = load::run(&server.address, stage.sign_ins(), 8, TIME).await?;
    eprintln!("password p99 {:?}", reached.p99);
    Ok(Row {
        name: "password",
        value: reached.rate,
        unit: "/s",
        bound,
        bound_is: "raw Argon2id hashes, all cores",
        goal: Goal::AtLeast(0.9),
    })
}

/// The best of five: what the machine does besides must not count.
async fn start(program: &Path, data: &Path, stage: &Stage) -> Result<Row> {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let server = Server::start(program, data).await?;
        let mut connection = Connection::open(&server.address).await?;
        call(&mut connection, &stage.token_request).await?;
        best = best.min(server.started.elapsed().as_secs_f64() * 1000.0);
        server.stop().await?;
    }
    Ok(Row {
        name: "first-token",
        value: best,
        unit: "ms",
        bound: 150.0,
        bound_is: "limit, from process start",
        goal: Goal::AtMost,
    })
}

/// Of a server that has just started on a fresh database and is left alone for a moment.
async fn memory(program: &Path) -> Result<Row> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(program, folder.path()).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let value = server.resident_megabytes()?;
    server.stop().await?;
    Ok(Row {
        name: "idle-memory",
        value,
        unit: "MB",
        bound: 60.0,
        bound_is: "limit, resident",
        goal: Goal::AtMost,
    })
}

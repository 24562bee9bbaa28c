//! The runtime plane: tokens, introspection, passwords, start and memory.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    Goal, Row, bound,
    http::{Connection, request},
    load,
    server::Server,
};

const TIME: Duration = Duration::from_secs(8);
const CONNECTIONS: usize = 32;
const USERS: usize = 1500;
const PASSWORD: &str = "correct horse battery staple 9";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// Runs the named benchmarks, or all.
pub async fn all(program: &Path, names: &[String]) -> Result<Vec<Row>> {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name || n == "runtime");
    const NAMES: [&str; 5] = [
        "memory",
        "client-credentials",
        "introspection",
        "password",
        "start",
    ];
    if !NAMES.into_iter().any(wanted) {
        return Ok(Vec::new());
    }
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let server = Server::start(program, folder.path()).await?;
    let stage = Stage::set(&server, folder.path()).await?;
    let mut rows = Vec::new();
    if wanted("memory") {
        rows.push(memory(program, &stage).await?);
    }
    if wanted("client-credentials") {
        rows.push(client_credentials(&server, &stage).await?);
    }
    if wanted("introspection") {
        rows.push(introspection(&server, &stage).await?);
    }
    if wanted("password") {
        rows.push(password(&server, &stage).await?);
    }
    server.stop().await?;
    if wanted("start") {
        rows.push(start(program, folder.path(), &stage).await?);
    }
    Ok(rows)
}

/// What the benchmarks act on.
struct Stage {
    basic: String,
    base: String,
    token_request: Vec<u8>,
}

impl Stage {
    async fn set(server: &Server, data: &Path) -> Result<Self> {
        let key = std::fs::read_to_string(data.join("admin-api-key")).context("no API key")?;
        let mut connection = Connection::open(&server.address).await?;
        let form = format!(
            "grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey={}",
            key.trim()
        );
        let answer = call(
            &mut connection,
            &request("POST", "/identity/token", &[FORM], form.as_bytes()),
        )
        .await?;
        let token = format!("Bearer {}", text(&answer, "access_token")?);
        let mut post = async |path: &str, body: Value| -> Result<Value> {
            let headers = [
                ("Authorization", token.as_str()),
                ("Content-Type", "application/json"),
            ];
            call(
                &mut connection,
                &request("POST", path, &headers, body.to_string().as_bytes()),
            )
            .await
        };
        let instance = post(
            "/v2/resource_instances",
            json!({"name": "bench", "target": "local"}),
        )
        .await?;
        let guid = text(&instance, "guid")?;
        let app = post(
            &format!("/management/v4/{guid}/applications"),
            json!({"name": "bench"}),
        )
        .await?;
        let basic = STANDARD.encode(format!(
            "{}:{}",
            text(&app, "clientId")?,
            text(&app, "secret")?
        ));
        let hash = bound::argon2_phc(PASSWORD)?;
        let users: Vec<Value> = (0..USERS).map(|n| user(n, &hash)).collect();
        let path = format!("/management/v4/{guid}/cloud_directory/import?encryption_secret=unused");
        let mut added = 0;
        for chunk in users.chunks(500) {
            added += post(&path, json!({"users": chunk})).await?["added"]
                .as_u64()
                .unwrap_or(0);
        }
        if added != USERS as u64 {
            bail!("only {added} of {USERS} users were imported");
        }
        let base = format!("/oauth/v4/{guid}");
        let basic = format!("Basic {basic}");
        let token_request = request(
            "POST",
            &format!("{base}/token"),
            &[FORM, ("Authorization", &basic)],
            b"grant_type=client_credentials",
        );
        Ok(Self {
            basic,
            base,
            token_request,
        })
    }
}

async fn client_credentials(server: &Server, stage: &Stage) -> Result<Row> {
    let bound = bound::rs256_signatures(TIME)?;
    let reached = load::run(
        &server.address,
        vec![stage.token_request.clone()],
        CONNECTIONS,
        TIME,
    )
    .await?;
    eprintln!("client-credentials p99 {:?}", reached.p99);
    Ok(Row {
        name: "client-credentials",
        value: reached.rate,
        unit: "/s",
        bound,
        bound_is: "raw RS256 signatures, all cores",
        goal: Goal::AtLeast(0.65),
    })
}

async fn introspection(server: &Server, stage: &Stage) -> Result<Row> {
    let hello = load::run(
        &server.address,
        vec![request("GET", "/health/live", &[], b"")],
        CONNECTIONS,
        TIME,
    )
    .await?;
    let mut connection = Connection::open(&server.address).await?;
    let token = text(
        &call(&mut connection, &stage.token_request).await?,
        "access_token",
    )?;
    let introspect = request(
        "POST",
        &format!("{}/introspect", stage.base),
        &[FORM, ("Authorization", &stage.basic)],
        format!("token={token}").as_bytes(),
    );
    let active = call(&mut connection, &introspect).await?;
    if active["active"] != true {
        bail!("the token is not active: {active}");
    }
    let reached = load::run(&server.address, vec![introspect], CONNECTIONS, TIME).await?;
    eprintln!("introspection p99 {:?}", reached.p99);
    Ok(Row {
        name: "introspection",
        value: reached.rate,
        unit: "/s",
        bound: hello.rate,
        bound_is: "hello-world route, same server",
        goal: Goal::AtLeast(0.4),
    })
}

async fn password(server: &Server, stage: &Stage) -> Result<Row> {
    let bound = bound::argon2_hashes(TIME)?;
    let requests = (0..USERS)
        .map(|n| {
            let form = format!(
                "grant_type=password&username={}&password={}",
                address(n).replace('@', "%40"),
                PASSWORD.replace(' ', "+")
            );
            request(
                "POST",
                &format!("{}/token", stage.base),
                &[FORM, ("Authorization", &stage.basic)],
                form.as_bytes(),
            )
        })
        .collect();
    let reached = load::run(&server.address, requests, 8, TIME).await?;
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
async fn memory(program: &Path, _: &Stage) -> Result<Row> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
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

fn user(n: usize, hash: &str) -> Value {
    json!({
        "scimUser": {
            "originalId": format!("bench-{n}"),
            "emails": [{"value": address(n), "primary": true}],
            "active": true,
            "status": "CONFIRMED",
        },
        "passwordHash": hash,
        "passwordHashAlg": "Argon2id",
        "profile": {"attributes": {}},
        "roles": [],
    })
}

fn address(n: usize) -> String {
    format!("user{n}@bench.example")
}

async fn call(connection: &mut Connection, request: &[u8]) -> Result<Value> {
    let answer = connection.call(request).await?;
    if !(200..300).contains(&answer.status) {
        bail!(
            "status {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    serde_json::from_slice(&answer.body).context("not JSON")
}

fn text(value: &Value, member: &str) -> Result<String> {
    value[member]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no {member} in the answer"))
}

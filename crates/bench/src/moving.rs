//! Moving users: import and export of many users through HTTP, against the raw load and the raw scan of the same rows.

mod postgres;
mod sqlite;

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Goal, Row,
    http::{Connection, request},
    people::{self, ROLES},
    server::Server,
};

/// Users of one run, unless `VESTIBULE_BENCH_USERS` says otherwise.
const USERS: u64 = 1_000_000;
/// The secret of the exports.
const SECRET: &str = "a secret that is long enough for a benchmark";

/// Runs the named benchmarks, or all of moving.
pub async fn all(program: &Path, names: &[String]) -> Result<Vec<Row>> {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name || n == "moving");
    let mut rows = Vec::new();
    if wanted("moving-sqlite") {
        rows.extend(sqlite::run(program).await?);
    }
    if wanted("moving-postgresql") {
        rows.extend(postgres::run(program).await?);
    }
    Ok(rows)
}

/// How many users.
fn users() -> u64 {
    std::env::var("VESTIBULE_BENCH_USERS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(USERS)
}

/// Writes the people to a file.
fn write_people(folder: &Path, users: u64) -> Result<PathBuf> {
    let path = folder.join("people.ndjson");
    let file = std::fs::File::create(&path).context("cannot make the file of people")?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    people::write(&mut out, 0, users)?;
    out.flush().context("cannot write people")?;
    Ok(path)
}

/// An instance with the roles that the people have.
struct Instance {
    address: String,
    guid: String,
    key: String,
}

impl Instance {
    async fn make(server: &Server, data: &Path) -> Result<Self> {
        let key = std::fs::read_to_string(data.join("admin-api-key")).context("no API key")?;
        let mut connection = Connection::open(&server.address).await?;
        let bearer = bearer(&mut connection, &key).await?;
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        let instance = json!({"name": "bench", "target": "local", "resource_group": "default", "resource_plan_id": "standard"});
        let instance = call(
            &mut connection,
            "POST",
            "/v2/resource_instances",
            &headers,
            instance.to_string().as_bytes(),
        )
        .await?;
        let guid = instance["guid"].as_str().context("no GUID")?.to_owned();
        let app = call(
            &mut connection,
            "POST",
            &format!("/management/v4/{guid}/applications"),
            &headers,
            b"{\"name\":\"bench\"}",
        )
        .await?;
        let client = app["clientId"].as_str().context("no client")?.to_owned();
        call(
            &mut connection,
            "PUT",
            &format!("/management/v4/{guid}/applications/{client}/scopes"),
            &headers,
            b"{\"scopes\":[\"read\"]}",
        )
        .await?;
        for role in ROLES {
            let role =
                json!({"name": role, "access": [{"application_id": client, "scopes": ["read"]}]});
            call(
                &mut connection,
                "POST",
                &format!("/management/v4/{guid}/roles"),
                &headers,
                role.to_string().as_bytes(),
            )
            .await?;
        }
        Ok(Self {
            address: server.address.clone(),
            guid,
            key,
        })
    }

    /// A token of the operator, which lasts an hour: work that takes longer asks for another.
    async fn bearer(&self) -> Result<String> {
        bearer(&mut Connection::open(&self.address).await?, &self.key).await
    }

    fn path(&self, rest: &str) -> String {
        format!("/management/v4/{}/{rest}", self.guid)
    }
}

async fn bearer(connection: &mut Connection, key: &str) -> Result<String> {
    let form = format!(
        "grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey={}",
        key.trim()
    );
    let token = call(
        connection,
        "POST",
        "/identity/token",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        form.as_bytes(),
    )
    .await?;
    let token = token["access_token"].as_str().context("no token")?;
    Ok(format!("Bearer {token}"))
}

async fn call(
    connection: &mut Connection,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Value> {
    let answer = connection
        .call(&request(method, path, headers, body))
        .await?;
    if !(200..300).contains(&answer.status) {
        bail!(
            "{method} {path}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    serde_json::from_slice(&answer.body).with_context(|| format!("{method} {path}: no JSON"))
}

/// What an import came to.
struct Imported {
    /// Users a second over all.
    rate: f64,
    /// The same over the first tenth.
    first: f64,
    /// And over the last.
    last: f64,
}

/// Sends the file as one body and watches the job.
async fn import(instance: &Instance, file: &Path, users: u64) -> Result<Imported> {
    let job = "0191f3d0-0000-4000-8000-00000000cafe";
    let path = instance.path(&format!("cloud_directory/import/stream?job={job}"));
    let started = Instant::now();
    let sending = send(instance, &path, file);
    let watching = watch(instance, job, users, started);
    let (answer, marks) = tokio::join!(sending, watching);
    let (answer, marks) = (answer?, marks?);
    let total = started.elapsed();
    if answer["state"] != "succeeded" || answer["counts"]["added"] != json!(users) {
        bail!("the import did not add all users: {answer}");
    }
    let tenth = users as f64 / 10.0;
    let at = |share: f64| {
        let wanted = share * users as f64;
        marks
            .iter()
            .find(|(done, _)| *done as f64 >= wanted)
            .map_or(total, |(_, at)| *at)
    };
    let done_at = |moment: Duration| {
        marks
            .iter()
            .find(|(_, at)| *at >= moment)
            .map_or(users, |(done, _)| *done) as f64
    };
    let (first, before_last) = (at(0.1), at(0.9));
    Ok(Imported {
        rate: users as f64 / total.as_secs_f64(),
        first: done_at(first).max(tenth) / first.as_secs_f64(),
        last: (users as f64 - done_at(before_last)) / (total - before_last).as_secs_f64(),
    })
}

async fn send(instance: &Instance, path: &str, file: &Path) -> Result<Value> {
    let length = tokio::fs::metadata(file).await.context("no people")?.len();
    let mut people = File::open(file).await.context("no people")?;
    let mut stream = TcpStream::connect(&instance.address)
        .await
        .context("cannot connect")?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {}\r\nX-Vestibule-Encryption-Secret: {SECRET}\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
        instance.bearer().await?
    );
    stream
        .write_all(head.as_bytes())
        .await
        .context("cannot send")?;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = people
            .read(&mut buffer)
            .await
            .context("cannot read people")?;
        if n == 0 {
            break;
        }
        stream
            .write_all(buffer.get(..n).unwrap_or_default())
            .await
            .context("the service took no more")?;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.context("no answer")?;
    let text = String::from_utf8_lossy(&answer);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).with_context(|| format!("no JSON: {text}"))
}

/// How many users were there at what time.
async fn watch(
    instance: &Instance,
    job: &str,
    users: u64,
    started: Instant,
) -> Result<Vec<(u64, Duration)>> {
    let mut connection = Connection::open(&instance.address).await?;
    let path = instance.path(&format!("jobs/{job}"));
    let mut bearer = instance.bearer().await?;
    let mut marks = Vec::new();
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let headers = [("Authorization", bearer.as_str())];
        let answer = connection
            .call(&request("GET", &path, &headers, b""))
            .await?;
        match answer.status {
            200 => {}
            // It begins when its first users have arrived.
            404 => continue,
            401 => {
                bearer = instance.bearer().await?;
                continue;
            }
            status => bail!("the job cannot be watched: {status}"),
        }
        let job: Value = serde_json::from_slice(&answer.body).context("no job")?;
        let done = job["counts"]["done"].as_u64().unwrap_or(0);
        marks.push((done, started.elapsed()));
        let state = job["state"].as_str().unwrap_or_default();
        if done >= users || matches!(state, "failed" | "paused" | "cancelled") {
            return Ok(marks);
        }
    }
}

/// Reads an export to its end; users a second.
async fn export(instance: &Instance, users: u64) -> Result<f64> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(&instance.address)
        .await
        .context("cannot connect")?;
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: bench\r\nAuthorization: {}\r\nX-Vestibule-Encryption-Secret: {SECRET}\r\n\
         Connection: close\r\n\r\n",
        instance.path("cloud_directory/export/stream"),
        instance.bearer().await?
    );
    stream
        .write_all(head.as_bytes())
        .await
        .context("cannot send")?;
    let mut buffer = vec![0; 1 << 20];
    let (mut lines, mut bytes) = (0_u64, 0_u64);
    let mut tail = Vec::new();
    loop {
        let n = stream.read(&mut buffer).await.context("it broke off")?;
        if n == 0 {
            break;
        }
        let part = buffer.get(..n).unwrap_or_default();
        // A record ends in `}` and a line end; no other line of the answer does.
        lines += part.windows(2).filter(|pair| *pair == b"}\n").count() as u64;
        if part.first() == Some(&b'\n') && tail.last() == Some(&b'}') {
            lines += 1;
        }
        tail = part.get(n.saturating_sub(8)..).unwrap_or_default().to_vec();
        bytes += n as u64;
    }
    if lines != users || !tail.ends_with(b"0\r\n\r\n") {
        bail!("the export holds {lines} of {users} users in {bytes} bytes");
    }
    Ok(users as f64 / started.elapsed().as_secs_f64())
}

fn import_rows(names: [&'static str; 2], imported: &Imported, bound: f64) -> [Row; 2] {
    let [import, steadiness] = names;
    [
        Row {
            name: import,
            value: imported.rate,
            unit: "/s",
            bound,
            bound_is: "raw load of the same rows",
            goal: Goal::AtLeast(0.5),
        },
        Row {
            name: steadiness,
            value: imported.last,
            unit: "/s",
            bound: imported.first,
            bound_is: "the first tenth of the same import",
            goal: Goal::AtLeast(0.8),
        },
    ]
}

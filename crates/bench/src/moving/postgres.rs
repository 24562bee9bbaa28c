//! On a PostgreSQL server that is made for the run.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    time::Instant,
};

use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use tokio::process::Command;
use tokio_postgres::{Client, NoTls};

use super::{Instance, export, import, import_rows, users, write_people};
use crate::{Goal, Row, server::Server};

/// Tables of people in the order in which they refer to each other.
const TABLES: [&str; 4] = ["directory_users", "profiles", "identities", "user_roles"];

pub(super) async fn run(program: &Path) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let cluster = Cluster::start(folder.path().join("pg")).await?;
    let result = measure(program, folder.path(), &cluster.url).await;
    cluster.stop().await?;
    result
}

async fn measure(program: &Path, folder: &Path, url: &str) -> Result<Vec<Row>> {
    let users = users();
    let people = write_people(folder, users)?;
    let data = folder.join("data");
    let server = Server::start_on(program, &data, Some(url)).await?;
    let instance = Instance::make(&server, &data).await?;
    let imported = import(&instance, &people, users).await?;
    let client = connect(url).await?;
    // What autovacuum would do in a while; the scan of the bound profits from it as the export does.
    client.batch_execute("VACUUM ANALYZE").await?;
    let exported = export(&instance, users).await?;
    let scanned = raw_scan(&client, users).await?;
    server.stop().await?;
    std::fs::remove_file(&people).context("cannot remove people")?;
    let bound = raw_load(&client, folder, url, program, users).await?;
    let mut rows = Vec::from(import_rows(
        ["import-postgresql", "import-postgresql-steady"],
        &imported,
        bound,
    ));
    rows.push(Row {
        name: "export-postgresql",
        value: exported,
        unit: "/s",
        bound: scanned,
        bound_is: "raw ordered scan, same serialisation",
        goal: Goal::AtLeast(0.5),
    });
    Ok(rows)
}

/// The rows that the import made, by `COPY` into empty tables with the same indexes; users a second.
async fn raw_load(
    source: &Client,
    folder: &Path,
    url: &str,
    program: &Path,
    users: u64,
) -> Result<f64> {
    source
        .batch_execute("CREATE DATABASE raw")
        .await
        .context("no second database")?;
    let (base, _) = url.rsplit_once('/').context("no database in the URL")?;
    let raw = format!("{base}/raw");
    // The program makes the schema.
    let server = Server::start_on(program, &folder.join("raw"), Some(&raw)).await?;
    server.stop().await?;
    let target = connect(&raw).await?;
    let roles = copy_out(source, "roles").await?;
    copy_in(&target, "roles", &roles).await?;
    let mut loaded = Vec::new();
    for table in TABLES {
        loaded.push((table, copy_out(source, table).await?));
    }
    let started = Instant::now();
    for (table, rows) in &loaded {
        copy_in(&target, table, rows).await?;
    }
    Ok(users as f64 / started.elapsed().as_secs_f64())
}

async fn copy_out(client: &Client, table: &str) -> Result<Vec<Bytes>> {
    let rows = client
        .copy_out(&format!("COPY {table} TO STDOUT"))
        .await
        .with_context(|| format!("cannot read {table}"))?;
    Ok(rows.try_collect().await?)
}

async fn copy_in(client: &Client, table: &str, rows: &[Bytes]) -> Result<()> {
    let sink = client
        .copy_in(&format!("COPY {table} FROM STDIN"))
        .await
        .with_context(|| format!("cannot write {table}"))?;
    let mut sink = pin!(sink);
    // Rows come one by one; packets of them go out.
    for rows in rows.chunks(64) {
        sink.send(Bytes::from(rows.concat())).await?;
    }
    sink.finish().await?;
    Ok(())
}

/// One ordered statement for everything that an export shows, with the same sealing and the same JSON; users a second.
async fn raw_scan(client: &Client, users: u64) -> Result<f64> {
    let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(|_| anyhow!("no key"))?;
    let key = LessSafeKey::new(key);
    let started = Instant::now();
    let rows = client
        .query_raw(
            "SELECT u.id, u.body, u.status, u.active, u.created_at, u.modified_at, u.password_hash, p.attributes, \
             (SELECT string_agg(r.role_id, ',') FROM user_roles r WHERE r.tenant = p.tenant AND r.profile_id = p.id) \
             FROM directory_users u \
             LEFT JOIN identities i ON i.tenant = u.tenant AND i.provider = 'cloud_directory' AND i.subject = u.id \
             LEFT JOIN profiles p ON p.tenant = i.tenant AND p.id = i.profile_id ORDER BY u.tenant, u.id",
            Vec::<String>::new(),
        )
        .await
        .context("cannot scan")?;
    let mut rows = pin!(rows);
    let (mut count, mut bytes) = (0, 0);
    let mut text = String::new();
    while let Some(row) = rows.next().await {
        let row = row?;
        text.clear();
        let (id, body): (&str, &str) = (row.get(0), row.get(1));
        let (status, active): (&str, i64) = (row.get(2), row.get(3));
        let (created, modified): (i64, i64) = (row.get(4), row.get(5));
        let (hash, attributes): (&str, &str) = (row.get(6), row.get(7));
        let roles: Option<&str> = row.get(8);
        let mut sealed = hash.as_bytes().to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key([0; 12]),
            Aad::from(id.as_bytes()),
            &mut sealed,
        )
        .map_err(|_| anyhow!("cannot seal"))?;
        text.push_str("{\"scimUser\":");
        text.push_str(body.strip_suffix('}').unwrap_or(body));
        text.push_str(&format!(
            ",\"active\":{},\"status\":\"{status}\",\"meta\":{{\"created\":{created},\"lastModified\":{modified}}},\
             \"originalId\":\"{id}\"}},\"passwordHash\":\"{}\",\"profile\":{{\"attributes\":{attributes}}},\"roles\":[\"{}\"]}}\n",
            active == 1,
            STANDARD.encode(&sealed),
            roles.unwrap_or_default().replace(',', "\",\""),
        ));
        count += 1;
        bytes += text.len();
    }
    if count != users || bytes == 0 {
        bail!("the scan found {count} of {users} users");
    }
    Ok(users as f64 / started.elapsed().as_secs_f64())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("cannot reach PostgreSQL")?;
    tokio::spawn(connection);
    Ok(client)
}

/// A cluster of its own, made by the script that the tests use.
struct Cluster {
    folder: PathBuf,
    url: String,
}

impl Cluster {
    async fn start(folder: PathBuf) -> Result<Self> {
        let output = Command::new("tests/postgres")
            .arg("start")
            .arg(&folder)
            .output()
            .await
            .context("cannot run tests/postgres")?;
        let url = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() || url.is_empty() {
            bail!(
                "PostgreSQL does not start: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(Self { folder, url })
    }

    async fn stop(self) -> Result<()> {
        let status = Command::new("tests/postgres")
            .arg("stop")
            .arg(&self.folder)
            .status()
            .await
            .context("cannot run tests/postgres")?;
        if !status.success() {
            bail!("PostgreSQL does not stop");
        }
        Ok(())
    }
}

//! `vestibule bundle …`: everybody of an instance in one sealed file.

use std::{
    io::BufReader,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Subcommand;
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    app::At,
    client::{Client, Request, refusal},
    directory::{Confirm, Secret},
    files::{Force, To, input},
    job,
    output::{Output, print_json},
    stream,
    upload::{Bytes, Upload},
    words::{people, quoted},
};

/// Everybody of an instance in one sealed file.
#[derive(Subcommand)]
pub enum BundleCommand {
    /// Write everybody, with passwords, profiles, roles, states and ids, to a bundle sealed with a secret of yours.
    Export {
        /// File to write, e.g. people.vbundle; - for standard output
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        secret: Secret,
        #[command(flatten)]
        at: At,
    },
    /// Check a bundle as a whole, then import it.
    Import {
        /// File to read.
        file: PathBuf,
        /// Whether everybody keeps their ids or gets new ones
        #[arg(long, default_value = "keep", value_parser = ["keep", "remap"])]
        ids: String,
        /// What happens to users who exist already
        #[arg(long, default_value = "fail", value_parser = ["fail", "skip", "update"])]
        on_conflict: String,
        /// Only say what would happen
        #[arg(long)]
        dry_run: bool,
        /// Go on with this job, whose upload was interrupted; the file is the same
        #[arg(long, value_name = "JOB", value_parser = job::id)]
        resume: Option<String>,
        #[command(flatten)]
        secret: Secret,
        #[command(flatten)]
        at: At,
    },
    /// Counts and content digest of everybody in an instance, as a bundle of this moment would have them.
    Digest {
        #[command(flatten)]
        at: At,
    },
    /// Say what is in a bundle and whether it is whole. Talks to no service.
    Verify {
        /// File to read.
        file: PathBuf,
        #[command(flatten)]
        secret: Secret,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs one.
pub async fn run(command: BundleCommand) -> Result<()> {
    match command {
        BundleCommand::Export {
            output: file,
            force,
            secret,
            at,
        } => {
            let to = To::new(Some(&file), force)?;
            let secret = secret.read(Confirm::Twice)?;
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            export(&client, output, &guid, &secret, to).await
        }
        BundleCommand::Import {
            file,
            ids,
            on_conflict,
            dry_run,
            resume,
            secret,
            at,
        } => {
            input(&file)?;
            let secret_words = secret.words();
            let secret = secret.read(Confirm::Once)?;
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            if let Some(job) = &resume {
                let asked = [
                    ("kind", json!("bundle_import")),
                    ("ids", json!(ids)),
                    ("onConflict", json!(on_conflict)),
                    ("dryRun", json!(dry_run)),
                ];
                if let Some(ended) = job::known(&client, &guid, job, &asked).await? {
                    return stream::tell(&client, output, &guid, &ended).await;
                }
            }
            let job = resume.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
            let upload = Upload {
                client: &client,
                output,
                guid: &guid,
                job: &job,
                ids: &ids,
                on_conflict: &on_conflict,
                dry_run,
                secret: &secret,
            };
            import(&upload, &file, &secret_words).await
        }
        BundleCommand::Digest { at } => {
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            let summary = digest(&client, output, &guid, "adding up").await?;
            output.one(&summary, DIGEST_MEMBERS)
        }
        BundleCommand::Verify { file, secret, json } => {
            let secret = secret.read(Confirm::Once)?;
            verify(&file, &secret, json)
        }
    }
}

const DIGEST_MEMBERS: &[(&str, &str)] = &[
    ("People", "counts.people"),
    ("Directory users", "counts.directory"),
    ("  with password", "counts.withPassword"),
    ("Known profiles", "counts.known"),
    ("Future profiles", "counts.future"),
    ("Identities", "counts.identities"),
    ("Content digest", "digest"),
];

/// Counts and content digest of everybody in an instance.
pub async fn digest(client: &Client, output: Output, guid: &str, what: &str) -> Result<Value> {
    let path = format!("/management/v4/{guid}/bundle/digest");
    let answer = client.stream(Request::new(Method::GET, &path)).await?;
    let bar = output.counter(what);
    let mut parts = answer.bytes_stream();
    let mut text = Vec::new();
    while let Some(part) = parts.next().await {
        text.extend_from_slice(&part.context("the answer broke off")?);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let line: Value = serde_json::from_slice(&line).context("the answer is not JSON")?;
            if !line["summary"].is_null() {
                bar.finish_and_clear();
                return Ok(line["summary"].clone());
            }
            bar.set_position(line["people"].as_u64().unwrap_or(0));
        }
    }
    bail!("the answer ended before its summary")
}

/// Uploads a file and follows its job. Ctrl-C tells how to go on.
async fn import(upload: &Upload<'_>, file: &Path, secret_words: &str) -> Result<()> {
    let (client, output, guid) = (upload.client, upload.output, upload.guid);
    let bytes = if file.as_os_str() == "-" {
        Bytes::StandardInput
    } else {
        Bytes::File(file)
    };
    let again = format!(
        "what arrived stays, and this goes on behind it:\n  vestibule bundle import {} --resume {} --ids {} --on-conflict {}{}{secret_words} {}",
        quoted(&file.to_string_lossy()),
        upload.job,
        upload.ids,
        upload.on_conflict,
        if upload.dry_run { " --dry-run" } else { "" },
        client.at(guid),
    );
    let sent = tokio::select! {
        sent = upload.send(bytes) => sent,
        _ = tokio::signal::ctrl_c() => bail!("interrupted; {again}"),
    };
    let job = sent.map_err(|error| match refusal(&error) {
        Some(_) => error,
        None => anyhow!("{error:#}; {again}"),
    })?;
    let done = follow(client, output, guid, &job).await?;
    stream::tell(client, output, guid, &done).await
}

/// Has a bundle made; answers its job, which succeeded.
async fn make(client: &Client, output: Output, guid: &str, secret: &str) -> Result<Value> {
    let path = format!("/management/v4/{guid}/bundle/export");
    let body = json!({ "encryptionSecret": secret });
    let started = client.post(&path, &body).await?;
    let done = follow(client, output, guid, &started).await?;
    if done["state"] != "succeeded" {
        bail!(
            "the bundle was not made: {}",
            done["error"]["message"]
                .as_str()
                .unwrap_or("the job did not succeed")
        );
    }
    Ok(done)
}

async fn export(
    client: &Client,
    output: Output,
    guid: &str,
    secret: &str,
    to: To<'_>,
) -> Result<()> {
    let done = make(client, output, guid, secret).await?;
    let download = download_of(guid, &done)?;
    let kept = || format!("the service keeps the bundle for a while: GET {download}");
    let fetched = tokio::select! {
        fetched = fetch(client, &download, to) => fetched,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
    };
    fetched.with_context(kept)?;
    let To::File(file, _) = to else {
        return Ok(());
    };
    let words = format!(
        "{} written to {}. Check it: vestibule bundle verify {}",
        people(done["counts"]["added"].as_u64().unwrap_or(0)),
        file.display(),
        quoted(&file.to_string_lossy())
    );
    output.done(&words, &done)
}

/// Writes the file of a job. Nothing stays of one that does not come whole.
async fn fetch(client: &Client, download: &str, to: To<'_>) -> Result<()> {
    let answer = client.stream(Request::new(Method::GET, download)).await?;
    let To::File(file, _) = to else {
        return job::copy(answer, &mut std::io::stdout()).await;
    };
    let failed = || format!("cannot write {}", file.display());
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut part = tempfile::Builder::new()
        .prefix(".vestibule-")
        .suffix(".part")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .with_context(failed)?;
    job::copy(answer, part.as_file_mut()).await?;
    part.as_file().sync_all().with_context(failed)?;
    // Somebody may have made it meanwhile.
    to.check()?;
    part.persist(file).with_context(failed)?;
    Ok(())
}

fn download_of(guid: &str, made: &Value) -> Result<String> {
    let id = made["id"].as_str().context("the service answered no job")?;
    Ok(format!("/management/v4/{guid}/jobs/{id}/download"))
}

/// Copies everybody of an instance to another one of the same service. Answers the job of the import.
pub async fn carry(client: &Client, output: Output, source: &str, target: &str) -> Result<Value> {
    // Nobody sees this secret: it seals everybody on the way.
    let secret = uuid::Uuid::new_v4().to_string();
    let made = make(client, output, source, &secret).await?;
    let download = download_of(source, &made)?;
    let job = uuid::Uuid::new_v4().to_string();
    let upload = Upload {
        client,
        output,
        guid: target,
        job: &job,
        ids: "keep",
        on_conflict: "fail",
        dry_run: false,
        secret: &secret,
    };
    let bytes = Bytes::Job(client, &download, made["bytes"].as_u64());
    let sent = tokio::select! {
        sent = upload.send(bytes) => sent?,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    };
    let done = follow(client, output, target, &sent).await?;
    let bundle = download.trim_end_matches("/download");
    if let Err(error) = client.delete(bundle).await {
        eprintln!("  note: the sealed bundle is still there, as the file of a job: {error:#}");
    }
    Ok(done)
}

/// Follows a job that was just started. Ctrl-C leaves it at work and tells how to come back to it.
async fn follow(client: &Client, output: Output, guid: &str, started: &Value) -> Result<Value> {
    let id = started["id"]
        .as_str()
        .context("the service answered no job")?;
    let path = format!("/management/v4/{guid}/jobs/{id}");
    let at = client.at(guid);
    tokio::select! {
        done = job::watch(client, output, &path, "working") => done.map_err(|error| match refusal(&error) {
            Some(_) => error,
            None => anyhow!("{error:#}; look how far it is with: vestibule job watch {id} {at}"),
        }),
        _ = tokio::signal::ctrl_c() => bail!(
            "the service goes on with the job; look at it with: vestibule job watch {id} {at}\n\
             or let it rest: vestibule job pause {id} {at}"
        ),
    }
}

fn verify(file: &Path, secret: &str, json: bool) -> Result<()> {
    let opened =
        std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let manifest = vestibule_bundle::verify(BufReader::new(opened), secret)
        .with_context(|| format!("{} cannot be used", file.display()))?;
    let manifest = serde_json::to_value(&manifest).context("cannot print JSON")?;
    if json {
        return print_json(&manifest);
    }
    Output { json }.one(
        &manifest,
        &[
            ("Instance", "source.name"),
            ("GUID", "source.instance"),
            ("Region", "source.region"),
            ("People", "counts.people"),
            ("Directory users", "counts.directory"),
            ("  with password", "counts.withPassword"),
            ("Known profiles", "counts.known"),
            ("Future profiles", "counts.future"),
            ("Identities", "counts.identities"),
            ("Content digest", "contentDigest"),
        ],
    )?;
    super::output::print("The bundle is whole.")
}

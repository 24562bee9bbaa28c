//! `vestibule job …`: the ledger of long work.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    app::At,
    client::{Client, Request, refusal},
    output::{Output, set_total},
    stream::TRIES,
};

/// Long work on an instance.
#[derive(Subcommand)]
pub enum JobCommand {
    /// All jobs, newest first.
    List {
        /// Only jobs in this state
        #[arg(long, value_parser = ["queued", "running", "paused", "succeeded", "failed", "cancelled"])]
        state: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// One job with its counts.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Follow a job to its end.
    Watch {
        /// Its id.
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// What became of records that were not simply added, as NDJSON.
    Report {
        /// Its id.
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Let a job rest at its next checkpoint.
    Pause {
        /// Its id.
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Let a paused job go on.
    Resume {
        /// Its id.
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Cancel a live job (what it imported stays), or remove an ended one.
    Cancel {
        /// Its id.
        id: String,
        #[command(flatten)]
        at: At,
    },
}

const MEMBERS: &[(&str, &str)] = &[
    ("Id", "id"),
    ("Kind", "kind"),
    ("State", "state"),
    ("Paused by", "pausedBy"),
    ("Waits for input", "waitsForInput"),
    ("Ids", "ids"),
    ("Only where", "where"),
    ("Done", "counts.done"),
    ("Of", "counts.total"),
    ("Added", "counts.added"),
    ("Updated", "counts.updated"),
    ("Skipped", "counts.skipped"),
    ("Failed", "counts.failed"),
    ("Per second", "rate"),
    ("Seconds left", "secondsLeft"),
    ("Created", "created"),
    ("Started", "started"),
    ("Ended", "ended"),
    ("Expires", "expires"),
    ("Digest", "digest"),
    ("Error", "error.message"),
    ("Warnings", "warnings"),
];

/// Runs one.
pub async fn run(command: JobCommand) -> Result<()> {
    match command {
        JobCommand::List { state, at } => {
            let (client, output) = at.connection.open().await?;
            let base = base(&client, &at.instance).await?;
            let jobs = list(&client, &base, state.as_deref()).await?;
            output.list(
                &jobs,
                &[
                    ("ID", "id"),
                    ("KIND", "kind"),
                    ("STATE", "state"),
                    ("DONE", "counts.done"),
                    ("OF", "counts.total"),
                    ("FAILED", "counts.failed"),
                    ("PER SECOND", "rate"),
                    ("CREATED", "created"),
                ],
                "There are no jobs.",
            )
        }
        JobCommand::Show { id, at } => {
            let (client, output) = at.connection.open().await?;
            let base = base(&client, &at.instance).await?;
            let job = client.get(&format!("{base}/{id}"), &[]).await?;
            output.one(&job, MEMBERS)
        }
        JobCommand::Watch { id, at } => {
            let (client, output) = at.connection.open().await?;
            let base = base(&client, &at.instance).await?;
            let job = watch(&client, output, &format!("{base}/{id}"), "working").await?;
            output.one(&job, MEMBERS)?;
            match job["state"].as_str() {
                Some("succeeded") => Ok(()),
                state => bail!("the job is {}", state.unwrap_or("in no state")),
            }
        }
        JobCommand::Report { id, at } => {
            let (client, _) = at.connection.open().await?;
            let base = base(&client, &at.instance).await?;
            let path = format!("{base}/{id}/report");
            let answer = client
                .stream(Request::new(reqwest::Method::GET, &path))
                .await?;
            copy(answer, &mut std::io::stdout()).await
        }
        JobCommand::Pause { id, at } => {
            let (output, job) = ask(&id, at, "pause").await?;
            output.done("The job rests soon, or does already.", &job)
        }
        JobCommand::Resume { id, at } => {
            let (output, job) = ask(&id, at, "resume").await?;
            let words = match job["state"].as_str() {
                Some("paused") => "The job takes its input again: import it with --resume.",
                _ => "The job goes on.",
            };
            output.done(words, &job)
        }
        JobCommand::Cancel { id, at } => {
            let (client, output) = at.connection.open().await?;
            let base = base(&client, &at.instance).await?;
            let answer = client.delete(&format!("{base}/{id}")).await?;
            output.done("Cancelled, or removed if it had ended.", &answer)
        }
    }
}

/// Follows a job until it ends or rests; answers it. A service that is away for a while is waited for.
pub async fn watch(client: &Client, output: Output, path: &str, what: &str) -> Result<Value> {
    let bar = output.counter(what);
    let mut tries = 0;
    loop {
        let job = match client.get(path, &[]).await {
            Ok(job) => job,
            Err(error) if refusal(&error).is_some() || tries >= TRIES => return Err(error),
            Err(error) => {
                tries += 1;
                bar.println(format!("the connection broke ({error:#}); trying again"));
                tokio::time::sleep(Duration::from_millis(500) * tries).await;
                continue;
            }
        };
        tries = 0;
        if let Some(total) = job["counts"]["total"].as_u64() {
            set_total(&bar, total);
        }
        bar.set_position(job["counts"]["done"].as_u64().unwrap_or(0));
        match job["state"].as_str() {
            Some("queued" | "running") => tokio::time::sleep(Duration::from_millis(500)).await,
            _ => {
                bar.finish_and_clear();
                return Ok(job);
            }
        }
    }
}

/// Reads the id of a job.
pub fn id(text: &str) -> Result<String> {
    let id = uuid::Uuid::parse_str(text).context("is not the id of a job")?;
    Ok(id.to_string())
}

/// Looks whether a job that is to be gone on with is of this instance and was asked for like this: its kind, and how its command line
/// said it. Answers it if it has ended.
pub async fn known(
    client: &Client,
    guid: &str,
    id: &str,
    asked: &[(&str, Value)],
) -> Result<Option<Value>> {
    let path = format!("/management/v4/{guid}/jobs/{id}");
    let job = match client.get(&path, &[]).await {
        Ok(job) => job,
        Err(error) if refusal(&error) == Some(404) => bail!(
            "there is no job {id} at instance {guid} of {}: name the one that the import was begun at, or begin anew, without --resume",
            client.url()
        ),
        Err(error) => return Err(error),
    };
    for (member, wanted) in asked {
        if job[*member] == *wanted {
            continue;
        }
        let said = job[*member].as_str().unwrap_or_default();
        let how = match *member {
            "kind" => bail!("job {id} is no such import, it is of kind {said}"),
            "onConflict" => format!("with --on-conflict {said}"),
            "ids" => format!("with --ids {said}"),
            flag => {
                let option = match flag {
                    "dryRun" => "--dry-run",
                    _ => "--without-password",
                };
                let with = if job[flag] == true { "with" } else { "without" };
                format!("{with} {option}")
            }
        };
        bail!("job {id} was begun {how}: go on {how}, or begin anew, without --resume");
    }
    if !matches!(
        job["state"].as_str(),
        Some("succeeded" | "failed" | "cancelled")
    ) {
        take_up(client, &path, &job).await?;
        return Ok(None);
    }
    eprintln!("  note: this import had ended before; nothing was sent now");
    Ok(Some(job))
}

/// Whether a job rests because somebody asked it to.
pub async fn somebody_paused(client: &Client, path: &str) -> bool {
    let job = client.get(path, &[]).await;
    job.is_ok_and(|job| job["state"] == "paused" && by_a_person(&job))
}

/// A service that does not say who paused a job notes every reason but this one.
fn by_a_person(job: &Value) -> bool {
    match job["pausedBy"].as_str() {
        Some(who) => who == "person",
        None => job["warnings"][0].is_null(),
    }
}

/// Lets a job take its input again that somebody paused: whoever goes on with it by its id wants that.
pub async fn take_up(client: &Client, path: &str, job: &Value) -> Result<()> {
    if job["state"] == "paused" && job["pausedBy"] == "person" {
        client.post(&format!("{path}/resume"), &json!({})).await?;
    }
    Ok(())
}

/// Writes an answer as it comes.
pub async fn copy(answer: reqwest::Response, out: &mut impl std::io::Write) -> Result<()> {
    use futures_util::StreamExt;
    let mut parts = answer.bytes_stream();
    while let Some(part) = parts.next().await {
        let part = part.context("the answer broke off")?;
        out.write_all(&part).context("cannot write what came")?;
    }
    out.flush().context("cannot write what came")
}

async fn base(client: &Client, instance: &str) -> Result<String> {
    let guid = client.find_guid(instance).await?;
    Ok(format!("/management/v4/{guid}/jobs"))
}

async fn list(client: &Client, base: &str, state: Option<&str>) -> Result<Vec<Value>> {
    let mut jobs = Vec::new();
    let mut after = String::new();
    loop {
        let query = [
            ("state", state.unwrap_or("")),
            ("after", after.as_str()),
            ("count", "200"),
        ];
        let mut page = client.get(base, &query).await?;
        if let Some(rows) = page["jobs"].as_array_mut() {
            jobs.append(rows);
        }
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return Ok(jobs),
        }
    }
}

/// Asks something of a job; answers it.
async fn ask(id: &str, at: At, what: &str) -> Result<(Output, Value)> {
    let (client, output) = at.connection.open().await?;
    let base = base(&client, &at.instance).await?;
    let path = format!("{base}/{id}/{what}");
    let job = client.post(&path, &json!({})).await?;
    Ok((output, job))
}

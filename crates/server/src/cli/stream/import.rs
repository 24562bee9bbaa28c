//! In: a file sent as one body.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use futures_util::StreamExt;
use indicatif::ProgressBar;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Kind, TRIES, wait};
use crate::cli::{
    client::{Client, Request, refusal},
    files::{Input, input},
    job,
    output::{Output, print, print_json},
    upload::parts_of,
    words::{quoted, users},
};

/// What an import is asked for.
#[derive(clap::Args, Clone)]
pub struct ImportOptions {
    /// What happens to users who exist already
    #[arg(long, default_value = "fail", value_parser = ["fail", "skip", "update"])]
    pub on_conflict: String,
    /// Only say what would happen
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with this job, which was interrupted; the file is the same
    #[arg(long, value_name = "JOB", value_parser = job::id)]
    pub resume: Option<String>,
}

/// An import of a file by stream.
pub struct Import<'a> {
    pub client: &'a Client,
    pub output: Output,
    /// The instance.
    pub guid: &'a str,
    pub kind: Kind<'a>,
    pub file: &'a Path,
    pub options: &'a ImportOptions,
    /// Whether users whose password hash cannot be used come in without a password.
    pub without_password: bool,
    /// Words of the command line that say where the secret is.
    pub secret_words: &'a str,
}

impl Import<'_> {
    /// Sends the file as one body, follows its job, and says what it did.
    pub async fn run(&self) -> Result<()> {
        let job = self.send().await?;
        tell(self.client, self.output, self.guid, &job).await
    }

    async fn send(&self) -> Result<Value> {
        let input = input(self.file)?;
        let id = match &self.options.resume {
            Some(id) => {
                if let Some(ended) = self.known(id).await? {
                    return Ok(ended);
                }
                id.clone()
            }
            None => uuid::Uuid::new_v4().to_string(),
        };
        let bar = self.output.counter("importing");
        let job_path = format!("/management/v4/{}/jobs/{id}", self.guid);
        let mut tries = 0;
        loop {
            let body = body_of(self.file).await?;
            let why = match self.attempt(&id, body, &bar).await {
                Ok(job) if job["state"] != "paused" => {
                    bar.finish_and_clear();
                    return Ok(job);
                }
                Ok(job) => {
                    let why = job["warnings"][0].as_str();
                    anyhow!(why.unwrap_or("the service stopped").to_owned())
                }
                Err(error) if refusal(&error).is_some_and(|status| status != 409) => {
                    return Err(error);
                }
                Err(error) => error,
            };
            if !why.is::<Interrupted>() && job::somebody_paused(self.client, &job_path).await {
                bail!(
                    "somebody paused this import; what was imported stays, and this goes on behind it:\n  {}",
                    self.again(&id)
                );
            }
            if refusal(&why).is_some() {
                return Err(why);
            }
            let last = input == Input::Once || tries >= TRIES || why.is::<Interrupted>();
            tries += 1;
            if !last {
                bar.println(format!("the connection broke ({why:#}); going on"));
            }
            if last || !wait(tries).await {
                bail!(
                    "{why:#}; what was imported stays, and this goes on behind it:\n  {}",
                    self.again(&id)
                );
            }
        }
    }

    /// Sends the body once and answers the job.
    async fn attempt(&self, id: &str, body: reqwest::Body, bar: &ProgressBar) -> Result<Value> {
        let job_path = format!("/management/v4/{}/jobs/{id}", self.guid);
        let path = format!(
            "/management/v4/{}/{}/import/stream",
            self.guid,
            self.kind.path()
        );
        let mut query = vec![
            ("job", id),
            ("on_conflict", self.options.on_conflict.as_str()),
        ];
        if self.options.dry_run {
            query.push(("dry_run", "true"));
        }
        if self.without_password {
            query.push(("without_password", "true"));
        }
        let mut request = Request::new(Method::POST, &path)
            .query(&query)
            .stream_body(body);
        if let Some(secret) = self.kind.secret() {
            request = request.secret(secret);
        }
        let sending = self.client.call(request);
        tokio::pin!(sending);
        loop {
            tokio::select! {
                sent = &mut sending => return sent,
                () = tokio::time::sleep(Duration::from_millis(500)) => show(self.client, &job_path, bar).await,
                _ = tokio::signal::ctrl_c() => {
                    bar.finish_and_clear();
                    return Err(Interrupted.into());
                }
            }
        }
    }

    /// Looks whether the job that is to be gone on with is this one; answers it if it has ended.
    async fn known(&self, id: &str) -> Result<Option<Value>> {
        let kind = match self.kind {
            Kind::Federated => "users_import",
            Kind::Directory(_) => "directory_import",
        };
        let mut asked = vec![
            ("kind", json!(kind)),
            ("onConflict", json!(self.options.on_conflict)),
            ("dryRun", json!(self.options.dry_run)),
        ];
        if matches!(self.kind, Kind::Directory(_)) {
            asked.push(("withoutPassword", json!(self.without_password)));
        }
        job::known(self.client, self.guid, id, &asked).await
    }

    /// The command that goes on. Holds no secret.
    fn again(&self, id: &str) -> String {
        let command = match self.kind {
            Kind::Federated => "users",
            Kind::Directory(_) => "directory",
        };
        let mut words = format!(
            "vestibule {command} import {} --resume {id} --on-conflict {}",
            quoted(&self.file.to_string_lossy()),
            self.options.on_conflict
        );
        if self.options.dry_run {
            words.push_str(" --dry-run");
        }
        if self.without_password {
            words.push_str(" --without-password");
        }
        words.push_str(self.secret_words);
        format!("{words} {}", self.client.at(self.guid))
    }
}

/// Somebody pressed Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

/// A file, or standard input for `-`, as a body that is read while it is sent. One in which there is nothing is refused before anything
/// is asked of the service: whoever sends it is at the end of a pipe that failed.
async fn body_of(file: &Path) -> Result<reqwest::Body> {
    let reader: Box<dyn tokio::io::AsyncRead + Send + Unpin> = if file.as_os_str() == "-" {
        Box::new(tokio::io::stdin())
    } else {
        let opened = tokio::fs::File::open(file).await;
        Box::new(opened.with_context(|| format!("cannot read {}", file.display()))?)
    };
    let mut parts = Box::pin(parts_of(reader));
    match parts.next().await {
        None => bail!("nothing was sent: there is nothing in {}", file.display()),
        Some(first) => {
            let first = first.with_context(|| format!("cannot read {}", file.display()))?;
            let all = futures_util::stream::iter([Ok(first)]).chain(parts);
            Ok(reqwest::Body::wrap_stream(all))
        }
    }
}

/// Moves the bar to where the job is. Whoever only wants to see it does not mind a failure.
async fn show(client: &Client, path: &str, bar: &ProgressBar) {
    if let Ok(job) = client.get(path, &[]).await {
        if let Some(total) = job["counts"]["total"].as_u64() {
            bar.set_length(total);
        }
        bar.set_position(job["counts"]["done"].as_u64().unwrap_or(0));
    }
}

/// Says what an import did; one with refusals ends with exit code 1.
pub async fn tell(client: &Client, output: Output, guid: &str, job: &Value) -> Result<()> {
    let counts = &job["counts"];
    let count = |name: &str| counts[name].as_u64().unwrap_or(0);
    let mut words = format!("{} added, {} failed", count("added"), count("failed"));
    for (name, what) in [
        ("updated", "updated"),
        ("skipped", "skipped"),
        ("withoutPassword", "without a password"),
    ] {
        if count(name) > 0 {
            words.push_str(&format!(", {} {what}", count(name)));
        }
    }
    words.push_str(&format!(", of {} sent.", count("done")));
    if job["dryRun"] == true {
        words.push_str(" This was a rehearsal: nothing was changed.");
    }
    if output.json {
        print_json(job)?;
    } else {
        print(&words)?;
        explain(client, guid, job).await?;
    }
    let id = job["id"].as_str().unwrap_or_default();
    match job["state"].as_str() {
        Some("succeeded") => match count("failed") {
            0 => Ok(()),
            1 => bail!("1 user was not imported"),
            failed => bail!("{} were not imported", users(failed)),
        },
        Some("failed") => {
            let place = match (&job["error"]["place"], job["error"]["record"].as_u64()) {
                (Value::String(place), _) => format!(" at {place}"),
                (_, Some(record)) => format!(" at record {}", record + 1),
                _ => String::new(),
            };
            bail!(
                "the import ended early{place}: {}",
                job["error"]["message"]
                    .as_str()
                    .unwrap_or("no reason given")
            )
        }
        Some("paused") if job["waitsForInput"] == false => bail!(
            "somebody paused the import; this lets it go on: vestibule job resume {id} {}",
            client.at(guid)
        ),
        state => bail!(
            "the import is {}; look at it with: vestibule job show {id} {}",
            state.unwrap_or("in no state"),
            client.at(guid)
        ),
    }
}

/// Who was refused and why, and what the service notes.
pub async fn explain(client: &Client, guid: &str, job: &Value) -> Result<()> {
    if job["counts"]["failed"].as_u64().unwrap_or(0) > 0 {
        reasons(client, guid, job).await?;
    }
    for warning in job["warnings"].as_array().into_iter().flatten() {
        eprintln!("  note: {}", warning.as_str().unwrap_or_default());
    }
    Ok(())
}

/// The first refusals of a report.
async fn reasons(client: &Client, guid: &str, job: &Value) -> Result<()> {
    const SHOWN: usize = 20;
    let id = job["id"].as_str().unwrap_or_default();
    let path = format!("/management/v4/{guid}/jobs/{id}/report");
    let text = client
        .stream(Request::new(Method::GET, &path))
        .await?
        .text()
        .await
        .context("the report broke off")?;
    let failed: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["outcome"] == "failed")
        .collect();
    for line in failed.iter().take(SHOWN) {
        eprintln!("  {}", sentence(line));
    }
    if failed.len() > SHOWN {
        eprintln!(
            "  … and {} more: vestibule job report {id} {}",
            failed.len() - SHOWN,
            client.at(guid)
        );
    }
    Ok(())
}

/// Who was refused, where in the file (counted from 1, as people do), and why.
fn sentence(line: &Value) -> String {
    let who = ["email", "userName", "originalId", "idp"]
        .iter()
        .find_map(|name| line[*name].as_str())
        .map_or_else(String::new, |who| format!(", {who}"));
    format!(
        "record {}{who}: {} ({})",
        line["index"].as_u64().unwrap_or(0) + 1,
        line["message"].as_str().unwrap_or("no reason was given"),
        line["code"].as_str().unwrap_or("?")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_are_told_in_words() {
        let line = json!({
            "index": 60, "originalId": "old-60", "email": "a@example.org", "outcome": "failed",
            "code": "uniqueness", "message": "The user exists already.",
        });
        assert_eq!(
            sentence(&line),
            "record 61, a@example.org: The user exists already. (uniqueness)"
        );
        assert_eq!(
            sentence(&json!({"index": 0})),
            "record 1: no reason was given (?)"
        );
    }
}

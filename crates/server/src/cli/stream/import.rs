//! In: a file sent as one body.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use reqwest::Method;
use serde_json::Value;

use super::{Kind, TRIES};
use crate::cli::{
    client::{Client, Request, refusal},
    output::{Output, print, print_json},
    upload::parts_of,
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
    #[arg(long, value_name = "JOB")]
    pub resume: Option<String>,
}

/// Sends a file as one body and follows its job. Answers the job.
pub async fn import(
    client: &Client,
    output: Output,
    guid: &str,
    kind: Kind<'_>,
    file: &Path,
    options: &ImportOptions,
    without_password: bool,
) -> Result<Value> {
    let standard_input = file.as_os_str() == "-";
    let job = match &options.resume {
        Some(job) => job.clone(),
        None => uuid::Uuid::new_v4().to_string(),
    };
    let command = match kind {
        Kind::Federated => "users",
        Kind::Directory(_) => "directory",
    };
    let again = format!(
        "vestibule {command} import {} --resume {job} --on-conflict {}",
        file.display(),
        options.on_conflict
    );
    let bar = output.counter("importing");
    let path = format!("/management/v4/{guid}/{}/import/stream", kind.path());
    let job_path = format!("/management/v4/{guid}/jobs/{job}");
    let mut tries = 0;
    loop {
        let mut query = vec![
            ("job", job.as_str()),
            ("on_conflict", options.on_conflict.as_str()),
        ];
        if options.dry_run {
            query.push(("dry_run", "true"));
        }
        if without_password {
            query.push(("without_password", "true"));
        }
        let body = body_of(file).await?;
        let mut request = Request::new(Method::POST, &path)
            .query(&query)
            .stream_body(body);
        if let Some(secret) = kind.secret() {
            request = request.secret(secret);
        }
        let sending = client.call(request);
        tokio::pin!(sending);
        let sent = loop {
            tokio::select! {
                sent = &mut sending => break sent,
                () = tokio::time::sleep(Duration::from_millis(500)) => show(client, &job_path, &bar).await,
                _ = tokio::signal::ctrl_c() => {
                    bar.finish_and_clear();
                    bail!("interrupted; what was imported stays, and this goes on behind it:\n  {again}");
                }
            }
        };
        match sent {
            Ok(job) if job["state"] == "paused" && !standard_input && tries < TRIES => tries += 1,
            Ok(job) => {
                bar.finish_and_clear();
                return Ok(job);
            }
            Err(error) if refusal(&error).is_some() || standard_input || tries >= TRIES => {
                return Err(error);
            }
            Err(error) => {
                tries += 1;
                bar.println(format!("the connection broke ({error:#}); going on"));
                tokio::time::sleep(Duration::from_millis(500) * tries).await;
            }
        }
    }
}

/// A file, or standard input for `-`, as a body that is read while it is sent.
async fn body_of(file: &Path) -> Result<reqwest::Body> {
    let reader: Box<dyn tokio::io::AsyncRead + Send + Unpin> = if file.as_os_str() == "-" {
        Box::new(tokio::io::stdin())
    } else {
        let opened = tokio::fs::File::open(file).await;
        Box::new(opened.with_context(|| format!("cannot read {}", file.display()))?)
    };
    Ok(reqwest::Body::wrap_stream(parts_of(reader)))
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
        if count("failed") > 0 {
            reasons(client, guid, job).await?;
        }
        for warning in job["warnings"].as_array().into_iter().flatten() {
            eprintln!("  note: {}", warning.as_str().unwrap_or_default());
        }
    }
    match job["state"].as_str() {
        Some("succeeded") if count("failed") == 0 => Ok(()),
        Some("succeeded") => bail!("{} users were not imported", count("failed")),
        Some("failed") => bail!(
            "the import ended early at record {}: {}",
            job["error"]["record"],
            job["error"]["message"]
                .as_str()
                .unwrap_or("no reason given")
        ),
        state => bail!(
            "the import is {}; look at it with: vestibule job show {}",
            state.unwrap_or("in no state"),
            job["id"].as_str().unwrap_or_default()
        ),
    }
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
            "  … and {} more: vestibule job report {id}",
            failed.len() - SHOWN
        );
    }
    Ok(())
}

/// Who was refused, where in the file (counted from 0), and why.
fn sentence(line: &Value) -> String {
    let who = ["email", "userName", "originalId", "idp"]
        .iter()
        .find_map(|name| line[*name].as_str())
        .map_or_else(String::new, |who| format!(", {who}"));
    format!(
        "record {}{who}: {} ({})",
        line["index"],
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
            "record 60, a@example.org: The user exists already. (uniqueness)"
        );
        assert_eq!(
            sentence(&json!({"index": 0})),
            "record 0: no reason was given (?)"
        );
    }
}

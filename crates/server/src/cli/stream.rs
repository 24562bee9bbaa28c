//! Exports and imports of any size by stream, with progress; broken ones go on where they stopped.

use std::{
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use indicatif::ProgressBar;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::{
    client::{Client, Request},
    output::{Output, print, print_json},
};

/// How often a broken connection is tried again before giving up.
const TRIES: u32 = 8;

/// Which users: they are exported and imported by different calls.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    /// Profiles of federated users.
    Federated,
    /// Cloud Directory users; their password hashes are sealed with this secret.
    Directory(&'a str),
}

impl<'a> Kind<'a> {
    fn path(self) -> &'static str {
        match self {
            Self::Federated => "users",
            Self::Directory(_) => "cloud_directory",
        }
    }

    fn secret(self) -> Option<&'a str> {
        match self {
            Self::Federated => None,
            Self::Directory(secret) => Some(secret),
        }
    }

    /// The id that an exported record is gone on behind.
    fn id(self, record: &Value) -> Option<&str> {
        match self {
            Self::Federated => record["id"].as_str(),
            Self::Directory(_) => record["scimUser"]["originalId"].as_str(),
        }
    }
}

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

/// Writes all users to a file: NDJSON if its name ends in .ndjson, otherwise an export as App ID's. An interrupted export leaves
/// `FILE.part`, and the next one goes on with it.
pub async fn export(
    client: &Client,
    output: Output,
    guid: &str,
    kind: Kind<'_>,
    to: Option<&Path>,
) -> Result<()> {
    let part = match to {
        Some(path) => PathBuf::from(format!("{}.part", path.display())),
        None => std::env::temp_dir().join(format!("vestibule-{}.part", uuid::Uuid::new_v4())),
    };
    let mut file = private_file(&part)?;
    let (mut users, mut after) = good_part(&mut file, kind)?;
    if users > 0 {
        eprintln!("going on behind the {users} users in {}", part.display());
    }
    let bar = output.counter("exporting");
    bar.set_position(users);
    let mut tries = 0;
    let summary = loop {
        let before = users;
        let call = receive(client, guid, kind, &after, &mut file, &bar, &mut users);
        let received = tokio::select! {
            received = call => received,
            _ = tokio::signal::ctrl_c() => {
                bail!("interrupted; run the same command again to go on behind the users in {}", part.display())
            }
        };
        match received {
            Ok(summary) => break summary,
            Err(error) => {
                // What was received whole is kept.
                (users, after) = good_part(&mut file, kind)?;
                tries = if users > before { 1 } else { tries + 1 };
                if tries > TRIES || is_refusal(&error) {
                    return Err(error.context(format!(
                        "{users} users are in {}; the same command goes on behind them",
                        part.display()
                    )));
                }
                bar.println(format!("the connection broke ({error:#}); going on"));
                tokio::time::sleep(Duration::from_millis(500) * tries).await;
            }
        }
    };
    bar.finish_and_clear();
    file.sync_all().context("cannot write the file")?;
    finish(&part, to, users)?;
    if let Some(words) = not_carried(&summary["lost"]) {
        eprintln!("  note: this format does not carry {words}; `vestibule bundle export` does");
    }
    if summary["moments"].as_u64().unwrap_or(1) > 1 {
        eprintln!("  note: this export took so long that it is not of one moment");
    }
    Ok(())
}

/// What a format could not carry, in words.
fn not_carried(lost: &Value) -> Option<String> {
    const WORDS: [(&str, &str); 4] = [
        ("profileIds", "profile ids"),
        ("profileDetails", "pictures and other details of profiles"),
        ("passwordChangedAt", "when passwords were changed"),
        ("usersWithoutProfile", "that users have no profile yet"),
    ];
    let words: Vec<String> = WORDS
        .iter()
        .filter_map(|(name, words)| Some(format!("{words} ({})", lost[*name].as_u64()?)))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Receives users behind `after`; answers the summary.
async fn receive(
    client: &Client,
    guid: &str,
    kind: Kind<'_>,
    after: &str,
    file: &mut std::fs::File,
    bar: &ProgressBar,
    users: &mut u64,
) -> Result<Value> {
    let path = format!("/management/v4/{guid}/{}/export/stream", kind.path());
    let mut request =
        Request::new(Method::GET, &path).query(&[("summary", "true"), ("after", after)]);
    if let Some(secret) = kind.secret() {
        request = request.secret(secret);
    }
    let mut body = client.stream(request).await?.bytes_stream();
    let mut line: Vec<u8> = Vec::new();
    while let Some(bytes) = body.next().await {
        let bytes = bytes.context("the answer broke off")?;
        let mut rest: &[u8] = &bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end + 1);
            line.extend_from_slice(head);
            rest = tail;
            if line.starts_with(b"{\"summary\":") {
                let summary: Value =
                    serde_json::from_slice(&line).context("the summary is not JSON")?;
                return Ok(summary["summary"].clone());
            }
            file.write_all(&line).context("cannot write the file")?;
            line.clear();
            *users += 1;
        }
        line.extend_from_slice(rest);
        bar.set_position(*users);
    }
    bail!("the answer ended before its summary")
}

/// Cuts a file to its whole lines; how many there are, and the id of the last.
fn good_part(file: &mut std::fs::File, kind: Kind<'_>) -> Result<(u64, String)> {
    let failed = "cannot read the part of the file that is there";
    file.seek(SeekFrom::Start(0)).context(failed)?;
    let mut reader = BufReader::new(&*file);
    let (mut lines, mut length) = (0, 0);
    let (mut line, mut last) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let n = reader.read_until(b'\n', &mut line).context(failed)?;
        if n == 0 || line.last() != Some(&b'\n') {
            break;
        }
        lines += 1;
        length += n as u64;
        std::mem::swap(&mut line, &mut last);
    }
    file.set_len(length).context(failed)?;
    file.seek(SeekFrom::Start(length)).context(failed)?;
    if last.is_empty() {
        return Ok((0, String::new()));
    }
    let record: Value = serde_json::from_slice(&last)
        .context("the part of the file that is there is no export; remove it first")?;
    let id = kind.id(&record).context(
        "the part of the file that is there is no export of such users; remove it first",
    )?;
    Ok((lines, id.to_owned()))
}

/// Gives the file its name and form, or prints it.
fn finish(part: &Path, to: Option<&Path>, users: u64) -> Result<()> {
    let lines = BufReader::new(std::fs::File::open(part).context("cannot read the file")?);
    match to {
        None => {
            write_export(lines, &mut std::io::stdout().lock(), users)?;
            std::fs::remove_file(part).context("cannot remove a temporary file")?;
            return Ok(());
        }
        Some(path) if path.extension().is_some_and(|ending| ending == "ndjson") => {
            std::fs::rename(part, path)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Some(path) => {
            let whole = PathBuf::from(format!("{}.whole", path.display()));
            let mut out = std::io::BufWriter::new(private_file(&whole)?);
            out.get_mut().set_len(0).context("cannot write the file")?;
            write_export(lines, &mut out, users)?;
            let file = out.into_inner().context("cannot write the file")?;
            file.sync_all()
                .and_then(|()| std::fs::rename(&whole, path))
                .and_then(|()| std::fs::remove_file(part))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    if let Some(path) = to {
        let what = if users == 1 { "user" } else { "users" };
        eprintln!("{users} {what} written to {}", path.display());
    }
    Ok(())
}

/// App ID's form of an export, a user a line.
fn write_export(lines: impl BufRead, out: &mut impl Write, users: u64) -> Result<()> {
    let failed = "cannot write the file";
    write!(
        out,
        "{{\"itemsPerPage\":{users},\"totalResults\":{users},\"requestOptions\":{{}},\"users\":["
    )
    .context(failed)?;
    for (place, line) in lines.lines().enumerate() {
        let line = line.context("cannot read the file")?;
        let comma = if place > 0 { "," } else { "" };
        write!(out, "{comma}\n{line}").context(failed)?;
    }
    writeln!(out, "\n]}}")
        .and_then(|()| out.flush())
        .context(failed)
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
            Err(error) if is_refusal(&error) || standard_input || tries >= TRIES => {
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
pub async fn body_of(file: &Path) -> Result<reqwest::Body> {
    let reader: Box<dyn tokio::io::AsyncRead + Send + Unpin> = if file.as_os_str() == "-" {
        Box::new(tokio::io::stdin())
    } else {
        let opened = tokio::fs::File::open(file).await;
        Box::new(opened.with_context(|| format!("cannot read {}", file.display()))?)
    };
    let parts = futures_util::stream::try_unfold(reader, |mut reader| async move {
        let mut buffer = vec![0; 1 << 17];
        let n = reader.read(&mut buffer).await?;
        buffer.truncate(n);
        Ok::<_, std::io::Error>((n > 0).then_some((buffer, reader)))
    });
    Ok(reqwest::Body::wrap_stream(parts))
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

/// Copies all users of both kinds from one instance to another of the same service.
pub async fn move_users(
    client: &Client,
    output: Output,
    source: &str,
    target: &str,
) -> Result<Value> {
    // Nobody sees this secret: it protects the hashes for the moment that they are in a file of this process.
    let secret = uuid::Uuid::new_v4().to_string();
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let mut answer = json!({});
    for (name, kind) in [
        ("federated", Kind::Federated),
        ("directory", Kind::Directory(secret.as_str())),
    ] {
        let file = folder.path().join(format!("{name}.ndjson"));
        export(client, output, source, kind, Some(&file)).await?;
        let options = ImportOptions {
            on_conflict: String::from("fail"),
            dry_run: false,
            resume: None,
        };
        let job = import(client, output, target, kind, &file, &options, false).await?;
        if !output.json {
            print(&format!(
                "  {name} users: {} copied, {} failed",
                job["counts"]["added"], job["counts"]["failed"]
            ))?;
        }
        answer[name] = job;
    }
    Ok(answer)
}

/// A refusal of the service is final; a broken connection is not.
fn is_refusal(error: &anyhow::Error) -> bool {
    error.downcast_ref::<super::client::Refused>().is_some()
}

/// Opens a file that only its owner reads, and keeps what is in it.
pub fn private_file(path: &Path) -> Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_part_of_an_export_is_cut_to_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.part");
        std::fs::write(&path, "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":").unwrap();
        let mut file = private_file(&path).unwrap();
        let good = good_part(&mut file, Kind::Federated).unwrap();
        assert_eq!(good, (2, String::from("b")));
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"id\":\"a\"}\n{\"id\":\"b\"}\n"
        );
        assert!(good_part(&mut file, Kind::Directory("x")).is_err());
    }
}

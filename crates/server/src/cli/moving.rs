//! Moving users page by page and chunk by chunk, with progress.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::{Client, Request},
    output::Output,
};

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

    /// App ID takes 50 directory users a call.
    fn page(self) -> usize {
        match self {
            Self::Federated => 500,
            Self::Directory(_) => 50,
        }
    }

    fn secret(self) -> Option<&'a str> {
        match self {
            Self::Federated => None,
            Self::Directory(secret) => Some(secret),
        }
    }
}

/// All users of an instance, page after page.
pub async fn export(
    client: &Client,
    output: Output,
    guid: &str,
    kind: Kind<'_>,
) -> Result<Vec<Value>> {
    let path = format!("/management/v4/{guid}/{}/export", kind.path());
    let bar = output.progress(0, "exporting");
    let mut users: Vec<Value> = Vec::new();
    loop {
        let (start, count) = (users.len().to_string(), kind.page().to_string());
        let mut request =
            Request::new(Method::GET, &path).query(&[("startIndex", &start), ("count", &count)]);
        if let Some(secret) = kind.secret() {
            request = request.secret(secret);
        }
        let mut page = client.call(request).await?;
        let total = page["totalResults"].as_u64().unwrap_or(0);
        bar.set_length(total);
        let before = users.len();
        if let Some(rows) = page["users"].as_array_mut() {
            users.append(rows);
        }
        bar.set_position(users.len() as u64);
        if users.len() == before || users.len() as u64 >= total {
            bar.finish_and_clear();
            return Ok(users);
        }
    }
}

/// What an import did.
#[derive(Default)]
pub struct Report {
    /// Users in the file that were sent.
    pub sent: usize,
    /// Users that exist now and did not before.
    pub added: u64,
    /// Users that were refused, with reasons in `reasons`.
    pub failed: u64,
    /// The service's `failReasons`.
    pub reasons: Vec<Value>,
    /// Whether Ctrl-C ended it early.
    pub interrupted: bool,
}

impl Report {
    /// For `--json` and for report files.
    pub fn to_json(&self) -> Value {
        json!({
            "sent": self.sent,
            "added": self.added,
            "failed": self.failed,
            "interrupted": self.interrupted,
            "failReasons": self.reasons,
        })
    }
}

/// The users of a file, and how many at its start are left out.
pub struct Batch {
    /// All users of the file.
    pub users: Vec<Value>,
    /// How many were sent before.
    pub skip: usize,
}

/// Sends users in chunks. Ctrl-C lets the running chunk finish, so that the report is exact.
pub async fn import(
    client: &Client,
    output: Output,
    guid: &str,
    kind: Kind<'_>,
    batch: &Batch,
) -> Result<Report> {
    let path = format!("/management/v4/{guid}/{}/import", kind.path());
    let users = batch.users.get(batch.skip..).unwrap_or_default();
    let bar = output.progress(users.len() as u64, "importing");
    let mut report = Report::default();
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    for chunk in users.chunks(kind.page()) {
        let body = json!({ "users": chunk });
        let mut request = Request::new(Method::POST, &path).body(&body);
        if let Some(secret) = kind.secret() {
            request = request.secret(secret);
        }
        let call = client.call(request);
        tokio::pin!(call);
        let answer = loop {
            tokio::select! {
                answer = &mut call => break answer,
                _ = &mut interrupt, if !report.interrupted => report.interrupted = true,
            }
        };
        let answer = match answer {
            Err(error) if report.sent > 0 => {
                return Err(error.context(format!(
                    "stopped after {} of {} users ({} added, {} failed); go on with --skip {}",
                    report.sent,
                    users.len(),
                    report.added,
                    report.failed,
                    batch.skip + report.sent
                )));
            }
            answer => answer?,
        };
        let first = batch.skip + report.sent;
        report.sent += chunk.len();
        report.added += answer["added"].as_u64().unwrap_or(0);
        report.failed += answer["failed"].as_u64().unwrap_or(0);
        if let Some(reasons) = answer["failReasons"].as_array() {
            let at = |reason: &Value| {
                let mut reason = reason.clone();
                // The service counts from the start of a chunk, people from the start of the file.
                if let Some(index) = reason["index"].as_u64() {
                    reason["index"] = json!(first as u64 + index);
                }
                reason
            };
            report.reasons.extend(reasons.iter().map(at));
        }
        bar.set_position(report.sent as u64);
        if report.interrupted {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(report)
}

/// Says what an import did; an import with refusals, or one that was interrupted, ends with exit code 1.
pub fn tell(output: Output, report: &Report, batch: &Batch) -> Result<()> {
    let words = format!(
        "{} added, {} failed, of {} sent.",
        report.added, report.failed, report.sent
    );
    output.done(&words, &report.to_json())?;
    if !output.json {
        for reason in report.reasons.iter().take(20) {
            eprintln!("  {}", sentence(reason));
        }
        if report.reasons.len() > 20 {
            eprintln!(
                "  … and {} more; --json prints all",
                report.reasons.len() - 20
            );
        }
    }
    let reached = batch.skip + report.sent;
    if report.interrupted && reached < batch.users.len() {
        bail!("interrupted; go on with --skip {reached}");
    }
    if report.failed > 0 {
        bail!("{} users were not imported", report.failed);
    }
    Ok(())
}

/// Who was refused, where in the file (counted from 0, as for `--skip`), and why.
fn sentence(reason: &Value) -> String {
    let word = |pointer: &str| reason.pointer(pointer).and_then(Value::as_str);
    let who = ["/email", "/userName", "/originalId", "/idp"]
        .iter()
        .find_map(|pointer| word(pointer))
        .map_or_else(String::new, |who| format!(", {who}"));
    format!(
        "record {}{who}: {} ({})",
        reason["index"],
        word("/error/message").unwrap_or("no reason was given"),
        word("/error/code").unwrap_or("?")
    )
}

/// Copies all users of both kinds from one instance to another of the same service.
pub async fn move_users(
    client: &Client,
    output: Output,
    source: &str,
    target: &str,
) -> Result<Value> {
    // Nobody sees this secret: it protects the hashes for the moment that they are in this process.
    let secret = uuid::Uuid::new_v4().to_string();
    let mut answer = json!({});
    for (name, kind) in [
        ("federated", Kind::Federated),
        ("directory", Kind::Directory(secret.as_str())),
    ] {
        let users = export(client, output, source, kind).await?;
        let batch = Batch { users, skip: 0 };
        let report = import(client, output, target, kind, &batch).await?;
        if !output.json {
            super::output::print(&format!(
                "  {name} users: {} copied, {} failed",
                report.added, report.failed
            ))?;
        }
        answer[name] = report.to_json();
    }
    Ok(answer)
}

/// Writes an export in App ID's shape to a file that only its owner reads, or to standard output.
pub fn write_export(users: Vec<Value>, to: Option<&Path>) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let total = users.len();
    let whole = json!({ "itemsPerPage": total, "totalResults": total, "requestOptions": {}, "users": users });
    let text = serde_json::to_string_pretty(&whole).context("cannot write JSON")?;
    match to {
        None => writeln!(std::io::stdout(), "{text}").context("cannot write to standard output"),
        Some(path) => {
            let part = PathBuf::from(format!("{}.part", path.display()));
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&part)
                .with_context(|| format!("cannot write {}", part.display()))?;
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
                .and_then(|()| fs::rename(&part, path))
                .with_context(|| format!("cannot write {}", path.display()))?;
            let users = if total == 1 { "user" } else { "users" };
            eprintln!("{total} {users} written to {}", path.display());
            Ok(())
        }
    }
}

/// Reads users from a file (`-` is standard input): an export object, or a bare array.
pub fn read_users(path: &Path) -> Result<Vec<Value>> {
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        text
    } else {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    let whole: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    match whole {
        Value::Array(users) => Ok(users),
        Value::Object(mut members) => match members.remove("users") {
            Some(Value::Array(users)) => Ok(users),
            _ => bail!("{} holds no \"users\" array", path.display()),
        },
        _ => bail!(
            "{} is neither an export nor an array of users",
            path.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_in_words() {
        let reason = json!({
            "index": 60, "originalId": "old-60", "email": "a@example.org",
            "error": {"code": "uniqueness", "message": "The user exists already."},
        });
        assert_eq!(
            sentence(&reason),
            "record 60, a@example.org: The user exists already. (uniqueness)"
        );
        assert_eq!(
            sentence(&json!({"index": 0})),
            "record 0: no reason was given (?)"
        );
    }
}

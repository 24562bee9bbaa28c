//! Out: users received into a file.

use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use indicatif::ProgressBar;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Kind, TRIES, part::Part, wait};
use crate::cli::{
    client::{Client, Request, refusal},
    files::{To, beside, private_file},
    output::{Output, print_json},
    words::users,
};

/// Writes all users: NDJSON if the file's name ends in .ndjson, otherwise an export as App ID's. An interrupted export leaves `FILE.part`,
/// and the next one of the same instance goes on with it.
pub async fn export(
    client: &Client,
    output: Output,
    guid: &str,
    kind: Kind<'_>,
    to: To<'_>,
) -> Result<()> {
    let mut part = Part::open(client, guid, kind, to)?;
    let mut resumed = part.users > 0;
    if resumed {
        eprintln!("{}", part.place().replace("the same command", "this"));
    }
    let bar = output.counter("exporting");
    bar.set_position(part.users);
    let mut tries = 0;
    let summary = loop {
        let before = part.users;
        let after = part.last.clone();
        let received = tokio::select! {
            received = receive(client, guid, kind, &after, &mut part, &bar) => Some(received),
            _ = tokio::signal::ctrl_c() => None,
        };
        let error = match received {
            Some(Ok(summary)) => break summary,
            Some(Err(error)) => error,
            None => {
                part.keep_whole(kind)?;
                bail!("interrupted; {}", part.place());
            }
        };
        // What was received whole is kept.
        part.keep_whole(kind)?;
        resumed = part.users > 0;
        tries = if part.users > before { 1 } else { tries + 1 };
        if tries > TRIES || refusal(&error).is_some() {
            return Err(error.context(part.place()));
        }
        bar.println(format!("the connection broke ({error:#}); going on"));
        if !wait(tries).await {
            bail!("interrupted; {}", part.place());
        }
    };
    bar.finish_and_clear();
    part.file.sync_all().context("cannot write the file")?;
    finish(&mut part, to)?;
    tell(&part, to, &summary, resumed, output)
}

/// Says what was written, and what an export does not hold.
fn tell(part: &Part, to: To<'_>, summary: &Value, resumed: bool, output: Output) -> Result<()> {
    // One that went on behind a break was only told of the rest.
    let about = if resumed { "at least " } else { "" };
    if let To::File(path, _) = to {
        if output.json {
            print_json(&json!({
                "file": path.display().to_string(), "users": part.users, "resumed": resumed,
                "moments": summary["moments"].as_u64().unwrap_or(1) + u64::from(resumed), "lost": summary["lost"],
            }))?;
        } else {
            eprintln!("{} written to {}", users(part.users), path.display());
        }
    }
    if let Some(words) = not_carried(&summary["lost"], about) {
        eprintln!("  note: this format does not carry {words}; `vestibule bundle export` does");
    }
    if let Some(anonymous) = summary["lost"]["anonymousUsers"].as_u64() {
        eprintln!("  note: {anonymous} anonymous profiles stay behind, as in every export");
    }
    if resumed {
        eprintln!(
            "  note: this export was interrupted and went on, so it is not of one moment: who came or was changed meanwhile may be missing or as before"
        );
    } else if summary["moments"].as_u64().unwrap_or(1) > 1 {
        eprintln!("  note: this export took so long that it is not of one moment");
    }
    Ok(())
}

/// What a format could not carry, in words. `about` stands before each count.
fn not_carried(lost: &Value, about: &str) -> Option<String> {
    const WORDS: [(&str, &str); 11] = [
        ("directoryIds", "directory ids"),
        ("originalIds", "ids from before these"),
        ("profileIds", "profile ids"),
        ("profileTimes", "when profiles were made"),
        ("profileNames", "names of profiles that differ"),
        ("profileDetails", "pictures and other details of profiles"),
        ("otherIdentities", "identities at other providers"),
        ("passwordChangedAt", "when passwords were changed"),
        ("usersWithoutProfile", "that users have no profile yet"),
        ("futureUsers", "prepared users"),
        ("removedUsers", "profiles of removed users"),
    ];
    let words: Vec<String> = WORDS
        .iter()
        .filter_map(|(name, words)| Some(format!("{words} ({about}{})", lost[*name].as_u64()?)))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Receives users behind `after`; answers the summary.
async fn receive(
    client: &Client,
    guid: &str,
    kind: Kind<'_>,
    after: &str,
    part: &mut Part,
    bar: &ProgressBar,
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
            part.file
                .write_all(&line)
                .context("cannot write the file")?;
            line.clear();
            part.users += 1;
        }
        line.extend_from_slice(rest);
        bar.set_position(part.users);
    }
    bail!("the answer ended before its summary")
}

/// Gives the file its name and form, or prints it.
fn finish(part: &mut Part, to: To<'_>) -> Result<()> {
    part.file
        .seek(SeekFrom::Start(0))
        .context("cannot read the file")?;
    let lines = BufReader::new(&part.file);
    let (To::File(path, _), Some(unfinished)) = (to, &part.path) else {
        return write_export(lines, &mut std::io::stdout().lock(), part.users);
    };
    // Somebody may have made it meanwhile.
    to.check()
        .with_context(|| format!("everybody is in {}", unfinished.display()))?;
    if path.extension().is_some_and(|ending| ending == "ndjson") {
        std::fs::rename(unfinished, path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        return part.forget();
    }
    let whole = beside(path, ".whole");
    let mut out = std::io::BufWriter::new(private_file(&whole)?);
    out.get_mut().set_len(0).context("cannot write the file")?;
    write_export(lines, &mut out, part.users)?;
    let file = out.into_inner().context("cannot write the file")?;
    file.sync_all()
        .and_then(|()| std::fs::rename(&whole, path))
        .and_then(|()| std::fs::remove_file(unfinished))
        .with_context(|| format!("cannot write {}", path.display()))?;
    part.forget()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_carried_is_told_in_words() {
        let lost = serde_json::json!({"profileIds": 3, "futureUsers": 1, "anonymousUsers": 9});
        assert_eq!(
            not_carried(&lost, "").unwrap(),
            "profile ids (3), prepared users (1)"
        );
        assert_eq!(
            not_carried(&lost, "at least ").unwrap(),
            "profile ids (at least 3), prepared users (at least 1)"
        );
        assert_eq!(
            not_carried(&serde_json::json!({"anonymousUsers": 9}), ""),
            None
        );
        assert_eq!(not_carried(&Value::Null, ""), None);
    }
}

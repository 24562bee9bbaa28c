//! Out: users received into a file.

use std::{
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use indicatif::ProgressBar;
use reqwest::Method;
use serde_json::Value;

use super::{Kind, TRIES, private_file};
use crate::cli::{
    client::{Client, Request, refusal},
    output::Output,
};

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
    let (mut tries, mut resumed) = (0, users > 0);
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
                resumed = users > 0;
                tries = if users > before { 1 } else { tries + 1 };
                if tries > TRIES || refusal(&error).is_some() {
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
    // One that went on behind a break was only told of the rest.
    let about = if resumed { "at least " } else { "" };
    if let Some(words) = not_carried(&summary["lost"], about) {
        eprintln!("  note: this format does not carry {words}; `vestibule bundle export` does");
    }
    if let Some(anonymous) = summary["lost"]["anonymousUsers"].as_u64() {
        eprintln!("  note: {anonymous} anonymous profiles stay behind, as in every export");
    }
    if summary["moments"].as_u64().unwrap_or(1) > 1 {
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

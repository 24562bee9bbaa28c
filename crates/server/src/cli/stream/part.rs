//! `FILE.part`, what there is of an export, and `FILE.part.json`, which says of whom it is: users of two instances, or hashes that were
//! sealed with two secrets, must never come into one file.

use std::{
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vestibule_crypto::{
    envelope::{EnvelopeReader, ExportKey},
    password::PasswordHash,
    random::{Random, SystemRandom},
};

use super::Kind;
use crate::cli::{
    client::Client,
    files::{To, beside, private_file},
};

/// What is sealed so that a secret can be known again. It takes as long to guess as the secret of the hashes in the file does.
const SEALED: &str = "{SSHA512}on1RX5e0hrIm7Gx2wAMTdqlGiNHXdZsJEVcB39oGzHchpQaNDAva0PCALewepx9Ghf1vBFK38f7/tdfVPCylemNyYXNoLXRlc3Qtc2FsdDE=";
const CONTEXT: &str = "part of an export";
const UNREADABLE: &str = "cannot read the part of the file that is there";

/// What there is of an export.
pub struct Part {
    pub file: File,
    /// Where it is; nowhere when it goes to standard output, and then nothing of it stays.
    pub path: Option<PathBuf>,
    /// How many users there are.
    pub users: u64,
    /// The id of the last one.
    pub last: String,
}

/// Of whom a part is.
#[derive(Serialize, Deserialize)]
struct Origin {
    service: String,
    instance: String,
    /// `users` or `cloud_directory`.
    kind: String,
    format: String,
    /// Opens with the secret that the hashes in the part are sealed with.
    secret: Option<String>,
}

impl Part {
    /// Opens what an earlier command left, or begins.
    pub fn open(client: &Client, guid: &str, kind: Kind<'_>, to: To<'_>) -> Result<Self> {
        let To::File(path, _) = to else {
            return Ok(Self {
                file: tempfile::tempfile().context("no temporary file")?,
                path: None,
                users: 0,
                last: String::new(),
            });
        };
        let path = beside(path, ".part");
        let mut part = Self {
            file: private_file(&path)?,
            users: 0,
            last: String::new(),
            path: Some(path.clone()),
        };
        if part.file.try_lock().is_err() {
            bail!("another command is writing {}", path.display());
        }
        if part.file.metadata().context(UNREADABLE)?.len() > 0 {
            same_origin(&path, client, guid, kind)?;
        }
        part.keep_whole(kind)?;
        if part.users == 0 {
            write_origin(&path, client, guid, kind)?;
        }
        Ok(part)
    }

    /// Cuts the file to its whole lines and counts them.
    pub fn keep_whole(&mut self, kind: Kind<'_>) -> Result<()> {
        self.file.seek(SeekFrom::Start(0)).context(UNREADABLE)?;
        let mut reader = BufReader::new(&self.file);
        let (mut lines, mut length) = (0, 0);
        let (mut line, mut last) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            let n = reader.read_until(b'\n', &mut line).context(UNREADABLE)?;
            if n == 0 || line.last() != Some(&b'\n') {
                break;
            }
            lines += 1;
            length += n as u64;
            std::mem::swap(&mut line, &mut last);
        }
        self.file.set_len(length).context(UNREADABLE)?;
        self.file
            .seek(SeekFrom::Start(length))
            .context(UNREADABLE)?;
        (self.users, self.last) = (lines, String::new());
        if lines == 0 {
            return Ok(());
        }
        let record: Value = serde_json::from_slice(&last)
            .context("the part of the file that is there is no export; remove it first")?;
        let id = kind.id(&record).context(
            "the part of the file that is there is no export of such users; remove it first",
        )?;
        self.last = id.to_owned();
        Ok(())
    }

    /// Where what was received can be found after a failure.
    pub fn place(&self) -> String {
        match &self.path {
            Some(path) => format!(
                "the same command goes on behind the {} in {}",
                crate::cli::words::users(self.users),
                path.display()
            ),
            None => String::from("nothing was written"),
        }
    }

    /// Forgets of whom it was: the export is whole.
    pub fn forget(&self) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let origin = origin_of(path);
        std::fs::remove_file(&origin).with_context(|| format!("cannot remove {}", origin.display()))
    }
}

fn origin_of(part: &Path) -> PathBuf {
    beside(part, ".json")
}

fn write_origin(part: &Path, client: &Client, guid: &str, kind: Kind<'_>) -> Result<()> {
    let origin = Origin {
        service: client.url().to_owned(),
        instance: guid.to_owned(),
        kind: kind.path().to_owned(),
        format: String::from("ndjson"),
        secret: kind.secret().map(fingerprint).transpose()?,
    };
    let text = serde_json::to_vec_pretty(&origin).context("cannot print JSON")?;
    let path = origin_of(part);
    let mut file = private_file(&path)?;
    file.set_len(0)
        .and_then(|()| std::io::Write::write_all(&mut file, &text))
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Refuses the part of another export.
fn same_origin(part: &Path, client: &Client, guid: &str, kind: Kind<'_>) -> Result<()> {
    let text = std::fs::read(origin_of(part)).ok();
    let origin: Option<Origin> = text.and_then(|text| serde_json::from_slice(&text).ok());
    let what = match &origin {
        None => String::from("an export of nobody knows which instance"),
        Some(origin) if origin.service != client.url() || origin.instance != guid => format!(
            "another export, of instance {} at {}",
            origin.instance, origin.service
        ),
        Some(origin) if origin.kind != kind.path() || origin.format != "ndjson" => {
            format!("another export, of {}", origin.kind)
        }
        Some(origin) if !fits(origin.secret.as_deref(), kind.secret()) => {
            String::from("an export with another encryption secret")
        }
        Some(_) => return Ok(()),
    };
    bail!(
        "{} is the beginning of {what}. Nothing was written: finish that export with its own command, remove {0}, or write to another file",
        part.display()
    )
}

fn fingerprint(secret: &str) -> Result<String> {
    let random = SystemRandom::new();
    let mut salt = [0; 16];
    random.fill(&mut salt);
    let sealed = PasswordHash::from_storage(SEALED).context("cannot seal")?;
    Ok(ExportKey::derive(secret, salt).seal_hash(CONTEXT, &sealed, &random))
}

fn fits(fingerprint: Option<&str>, secret: Option<&str>) -> bool {
    match (fingerprint, secret) {
        (None, None) => true,
        (Some(fingerprint), Some(secret)) => EnvelopeReader::new(secret)
            .open_hash(CONTEXT, fingerprint)
            .is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_an_export_is_cut_to_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.part");
        std::fs::write(&path, "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":").unwrap();
        let mut part = Part {
            file: private_file(&path).unwrap(),
            path: Some(path.clone()),
            users: 0,
            last: String::new(),
        };
        part.keep_whole(Kind::Federated).unwrap();
        assert_eq!((part.users, part.last.as_str()), (2, "b"));
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"id\":\"a\"}\n{\"id\":\"b\"}\n"
        );
        assert!(part.keep_whole(Kind::Directory("x")).is_err());
    }

    #[test]
    fn a_secret_is_known_again_and_not_told() {
        let one = fingerprint("a secret").unwrap();
        assert!(!one.contains("secret"));
        assert_ne!(one, fingerprint("a secret").unwrap());
        assert!(fits(Some(&one), Some("a secret")));
        assert!(!fits(Some(&one), Some("another")));
        assert!(!fits(Some(&one), None) && !fits(None, Some("a secret")));
        assert!(fits(None, None));
    }
}

//! `vestibule users split`: divides an export by expressions, without a service.
//!
//! Each `--where` is a predicate over one user (docs/api/predicates.md). A user belongs to the first predicate that is true of it,
//! and to the rest if none is.

use std::{
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use vestibule_crypto::content_digest::ContentDigest;
use vestibule_engine::moving::predicate::{Partition, Predicate};
use vestibule_wire::records::{Limits, RawRecord, RecordSplitter};

use super::{
    files::private_file,
    output::{print, print_json},
    words,
};

/// Divide an export.
#[derive(Args)]
pub struct SplitArguments {
    /// An export (or a bare array of users); works for federated and for directory users.
    file: PathBuf,
    /// CEL expression, e.g. 'attributes.country == "DE" && "adult" in roles'; may be given several times
    #[arg(long = "where", value_name = "EXPR", required = true)]
    expressions: Vec<String>,
    /// Folder for part-1.json, part-2.json, … and rest.json; must not hold such files yet
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reads, divides and writes in constant memory, and shows that the parts add up: counts and content digests of the parts give those of
/// the whole.
pub fn run(arguments: &SplitArguments) -> Result<()> {
    let predicates = arguments
        .expressions
        .iter()
        .map(|text| parse(text))
        .collect::<Result<Vec<_>>>()?;
    let partition = Partition::new(predicates);
    let mut file = File::open(&arguments.file)
        .with_context(|| format!("cannot read {}", arguments.file.display()))?;
    fs::create_dir_all(&arguments.output)
        .with_context(|| format!("cannot make {}", arguments.output.display()))?;
    let names = file_names(&arguments.output, arguments.expressions.len())?;
    let mut parts = names
        .into_iter()
        .map(Part::begin)
        .collect::<Result<Vec<_>>>()?;
    let mut whole = Whole::default();
    let divided = divide(&mut file, &partition, &mut parts, &mut whole)
        .with_context(|| format!("{} is no export", arguments.file.display()));
    if let Err(error) = divided {
        parts.iter().for_each(Part::abandon);
        return Err(error);
    }
    let (mut written, mut users, mut digest) = (Vec::new(), 0, ContentDigest::EMPTY);
    for part in parts {
        users += part.users;
        digest.combine(&part.digest);
        written.push(part.end()?);
    }
    if users != whole.users || digest != whole.digest {
        bail!("the parts hold {users} users, the file {}", whole.users);
    }
    if arguments.json {
        return print_json(&json!({
            "users": whole.users, "digest": whole.digest.to_string(), "parts": written,
        }));
    }
    print(&format!(
        "{} users in, {users} users out, each in exactly one file.",
        whole.users
    ))
}

/// What was read.
#[derive(Default)]
struct Whole {
    users: u64,
    digest: ContentDigest,
}

fn divide(
    file: &mut File,
    partition: &Partition,
    parts: &mut [Part],
    whole: &mut Whole,
) -> Result<()> {
    let mut splitter = RecordSplitter::new(Limits::default());
    let mut buffer = vec![0; 1 << 18];
    let mut failed = None;
    let mut take = |record: RawRecord<'_>| {
        if failed.is_none() {
            failed = one(record, partition, parts, whole).err();
        }
    };
    loop {
        let n = file.read(&mut buffer).context("it cannot be read")?;
        if n == 0 {
            break;
        }
        splitter.push(buffer.get(..n).unwrap_or_default(), &mut take)?;
    }
    splitter.finish(&mut take)?;
    failed.map_or(Ok(()), Err)
}

fn one(
    record: RawRecord<'_>,
    partition: &Partition,
    parts: &mut [Part],
    whole: &mut Whole,
) -> Result<()> {
    let user: Value = serde_json::from_slice(record.bytes)
        .with_context(|| format!("record {} is not JSON", record.index + 1))?;
    whole.users += 1;
    whole.digest.add_record(record.bytes);
    match parts.get_mut(partition.part_of(&user)) {
        Some(part) => part.add(record.bytes),
        None => bail!("record {} belongs to no part", record.index + 1),
    }
}

/// A file of users that is being written; it gets its name when it is whole.
struct Part {
    path: PathBuf,
    unfinished: PathBuf,
    out: BufWriter<File>,
    users: u64,
    digest: ContentDigest,
}

impl Part {
    fn begin(path: PathBuf) -> Result<Self> {
        let unfinished = PathBuf::from(format!("{}.part", path.display()));
        let file = private_file(&unfinished)?;
        file.set_len(0).context("cannot write the file")?;
        let mut out = BufWriter::new(file);
        out.write_all(b"{\"users\":[")
            .context("cannot write the file")?;
        Ok(Self {
            path,
            unfinished,
            out,
            users: 0,
            digest: ContentDigest::EMPTY,
        })
    }

    fn add(&mut self, record: &[u8]) -> Result<()> {
        let before: &[u8] = if self.users > 0 { b",\n" } else { b"\n" };
        self.users += 1;
        self.digest.add_record(record);
        self.out
            .write_all(before)
            .and_then(|()| self.out.write_all(record))
            .context("cannot write the file")
    }

    fn end(mut self) -> Result<Value> {
        let users = self.users;
        writeln!(
            self.out,
            "\n],\"itemsPerPage\":{users},\"totalResults\":{users},\"requestOptions\":{{}}}}"
        )
        .and_then(|()| self.out.flush())
        .and_then(|()| self.out.get_ref().sync_all())
        .and_then(|()| fs::rename(&self.unfinished, &self.path))
        .with_context(|| format!("cannot write {}", self.path.display()))?;
        eprintln!("{} written to {}", words::users(users), self.path.display());
        Ok(json!({
            "file": self.path.display().to_string(), "users": users, "digest": self.digest.to_string(),
        }))
    }

    /// What was written of a file that is no export is of no use.
    fn abandon(&self) {
        if let Err(error) = fs::remove_file(&self.unfinished) {
            eprintln!("cannot remove {}: {error}", self.unfinished.display());
        }
    }
}

fn parse(text: &str) -> Result<Predicate> {
    Predicate::parse(text).with_context(|| format!("{text:?} is not a valid expression"))
}

fn file_names(folder: &Path, parts: usize) -> Result<Vec<PathBuf>> {
    let names: Vec<PathBuf> = (1..=parts)
        .map(|n| folder.join(format!("part-{n}.json")))
        .chain([folder.join("rest.json")])
        .collect();
    match names.iter().find(|path| path.exists()) {
        Some(path) => bail!("{} exists already; nothing was written", path.display()),
        None => Ok(names),
    }
}

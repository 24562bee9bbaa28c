//! `vestibule users split`: divides an export by expressions, without a service.
//!
//! Each `--where` is a predicate over one user (docs/api/predicates.md). A user belongs to the first predicate that is true of it,
//! and to the rest if none is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use vestibule_engine::moving::predicate::{Partition, Predicate};

use super::{
    moving,
    output::{print, print_json},
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

/// Reads, divides, writes, and shows that the parts add up.
pub fn run(arguments: &SplitArguments) -> Result<()> {
    let predicates = arguments
        .expressions
        .iter()
        .map(|text| parse(text))
        .collect::<Result<Vec<_>>>()?;
    let partition = Partition::new(predicates);
    let users = moving::read_users(&arguments.file)?;
    let total = users.len();
    let mut parts: Vec<Vec<Value>> = vec![Vec::new(); partition.parts()];
    for user in users {
        let part = partition.part_of(&user);
        if let Some(part) = parts.get_mut(part) {
            part.push(user);
        }
    }
    fs::create_dir_all(&arguments.output)
        .with_context(|| format!("cannot make {}", arguments.output.display()))?;
    let names = file_names(&arguments.output, arguments.expressions.len())?;
    let mut written = Vec::new();
    let mut sum = 0;
    for (path, part) in names.iter().zip(parts) {
        sum += part.len();
        written.push(json!({ "file": path.display().to_string(), "users": part.len() }));
        moving::write_export(part, Some(path))?;
    }
    if sum != total {
        bail!("the parts hold {sum} users, the file {total}");
    }
    if arguments.json {
        return print_json(&json!({ "users": total, "parts": written }));
    }
    print(&format!(
        "{total} users in, {sum} users out, each in exactly one file."
    ))
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

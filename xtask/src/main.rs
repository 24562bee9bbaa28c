//! Chores of the repository: `cargo xtask tidy | openapi [--check] | bench [name]`.

mod bench;
mod openapi;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::check(&root()),
        ["openapi"] => openapi::write(&root()),
        ["openapi", "--check"] => openapi::check(&root()),
        ["bench", rest @ ..] => bench::run(&root(), rest),
        _ => bail!("usage: cargo xtask tidy | openapi [--check] | bench [name]"),
    }
}

/// The repository.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

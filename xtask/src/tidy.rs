//! The house rules that compiler and clippy cannot see (ARCHITECTURE.md, invariants).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// Lines of code a source file may have, tests, comments and blank lines aside.
const MOST_LINES: usize = 500;
/// Lines a handler may have, signature and closing brace included.
const MOST_HANDLER_LINES: usize = 25;
/// Lines ARCHITECTURE.md may have.
const MOST_MAP_LINES: usize = 300;

/// Which crates may depend on what.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("axum", &["web", "server", "testkit", "bench"]),
    ("rusqlite", &["store", "bench"]),
    ("tokio-postgres", &["store", "bench"]),
    ("deadpool-postgres", &["store"]),
    ("lettre", &["engine"]),
    ("aws-lc-rs", &["crypto", "bench"]),
];

/// Checks every rule and lists all breaches.
pub fn check(root: &Path) -> Result<()> {
    let mut breaches = Vec::new();
    let files = tracked(root)?;
    for file in &files {
        let path = root.join(file);
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        names(file, &mut breaches);
        words(file, &text, &mut breaches);
        if file.starts_with("crates/") && file.ends_with("Cargo.toml") {
            dependencies(file, &text, &mut breaches);
        }
        if file.ends_with(".rs") {
            source(file, &text, &mut breaches);
        }
    }
    migrations(root, &mut breaches)?;
    let map =
        fs::read_to_string(root.join("ARCHITECTURE.md")).context("cannot read ARCHITECTURE.md")?;
    if map.lines().count() > MOST_MAP_LINES {
        breaches.push(format!(
            "ARCHITECTURE.md has more than {MOST_MAP_LINES} lines"
        ));
    }
    if breaches.is_empty() {
        println!("tidy: {} files, no breach", files.len());
        return Ok(());
    }
    for breach in &breaches {
        eprintln!("{breach}");
    }
    bail!("{} breaches of the house rules", breaches.len())
}

fn tracked(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!("git ls-files failed");
    }
    Ok(String::from_utf8(output.stdout)
        .context("a file name is not UTF-8")?
        .lines()
        .filter(|file| !file.starts_with("console/dist/"))
        .map(str::to_owned)
        .collect())
}

/// No drawers: a file is named after its idea.
fn names(file: &str, breaches: &mut Vec<String>) {
    let stem = PathBuf::from(file)
        .file_stem()
        .map(|s| s.to_string_lossy().into_owned())
        .unwrap_or_default();
    if ["utils", "util", "types", "common", "helpers", "misc"].contains(&stem.as_str())
        && file.ends_with(".rs")
    {
        breaches.push(format!("{file}: name the file after what is in it"));
    }
}

/// Nothing undone, nothing that belongs to one machine.
fn words(file: &str, text: &str, breaches: &mut Vec<String>) {
    let code = [".rs", ".ts", ".tsx", ".svelte", ".mjs", ".py"]
        .iter()
        .any(|ending| file.ends_with(ending));
    for (number, line) in text.lines().enumerate() {
        let at = || format!("{file}:{}", number + 1);
        if code
            && [concat!("TO", "DO"), concat!("FIX", "ME")]
                .iter()
                .any(|word| line.contains(word))
        {
            breaches.push(format!("{}: something is undone", at()));
        }
        if line.contains(concat!("/wor", "k/")) || line.contains(concat!("/roo", "t/")) {
            breaches.push(format!("{}: a path of one machine", at()));
        }
    }
}

fn dependencies(file: &str, text: &str, breaches: &mut Vec<String>) {
    let name = file.split('/').nth(1).unwrap_or_default();
    let tables = text.split("[dev-dependencies]").next().unwrap_or(text);
    for (dependency, homes) in ONLY_IN {
        let named = tables
            .lines()
            .any(|line| line.split(['.', ' ', '=']).next() == Some(dependency));
        if named && !homes.contains(&name) {
            breaches.push(format!(
                "{file}: {dependency} may be used only in {}",
                homes.join(", ")
            ));
        }
    }
}

fn source(file: &str, text: &str, breaches: &mut Vec<String>) {
    let in_tests = file.contains("/tests/") || file.starts_with("crates/testkit/");
    let body = text.split("#[cfg(test)]").next().unwrap_or(text);
    let lines = body
        .lines()
        .filter(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with("//")
        })
        .count();
    if lines > MOST_LINES && !in_tests {
        breaches.push(format!(
            "{file}: {lines} lines of code hold two ideas (at most {MOST_LINES})"
        ));
    }
    if text.contains(concat!("#[al", "low(")) {
        breaches.push(format!("{file}: use #[expect(…, reason = \"…\")]"));
    }
    let store = file.starts_with("crates/store/")
        || file.starts_with("crates/bench/")
        || file.starts_with("xtask/");
    if !store && !in_tests {
        for (number, line) in body.lines().enumerate() {
            let sql = ["\"SELECT ", "\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM "]
                .iter()
                .any(|start| line.contains(start));
            if sql {
                breaches.push(format!("{file}:{}: SQL lives in crates/store", number + 1));
            }
        }
    }
    if file.starts_with("crates/web/src/") {
        handlers(file, body, breaches);
    }
}

/// A handler parses, makes one engine call and renders.
fn handlers(file: &str, body: &str, breaches: &mut Vec<String>) {
    let lines: Vec<&str> = body.lines().collect();
    let mut start = None;
    for (number, line) in lines.iter().enumerate() {
        let begins = [
            "async fn ",
            "pub async fn ",
            "pub(crate) async fn ",
            "pub(super) async fn ",
        ]
        .iter()
        .any(|words| line.starts_with(words));
        if begins {
            start = Some(number);
        }
        if *line == "}"
            && let Some(from) = start.take()
            && number - from + 1 > MOST_HANDLER_LINES
        {
            let name = lines.get(from).copied().unwrap_or_default();
            breaches.push(format!(
                "{file}:{}: {} lines in `{name}` (at most {MOST_HANDLER_LINES})",
                from + 1,
                number - from + 1
            ));
        }
    }
}

/// Both databases have the same migrations.
fn migrations(root: &Path, breaches: &mut Vec<String>) -> Result<()> {
    let list = |engine: &str| -> Result<Vec<String>> {
        let folder = root.join("crates/store/migrations").join(engine);
        let mut found = fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<_>>>()?;
        found.sort();
        Ok(found)
    };
    if list("sqlite")? != list("postgres")? {
        breaches.push(String::from(
            "crates/store/migrations: the two engines differ in their files",
        ));
    }
    Ok(())
}

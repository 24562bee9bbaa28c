//! `vestibule users split`: divides an export by expressions, without a service.
//!
//! Each `--where` is a CEL expression (Common Expression Language) over one user: `attributes`, `roles`, `identities`, `provider`
//! (of the first identity), `id`, `name`, `email` and whatever else the record holds. A user belongs to the first expression that
//! is true for it, and to the rest if none is; an expression that fails for a user (a missing attribute, say) is not true.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cel::{Context, Program, Value as Cel};
use clap::Args;
use serde_json::{Value, json};

use super::{
    moving,
    output::{print, print_json},
};

/// Longest expression in bytes; with no loops in the language, this bounds the work a user costs.
const LONGEST: usize = 4096;

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
    let programs = arguments
        .expressions
        .iter()
        .map(|text| compile(text))
        .collect::<Result<Vec<_>>>()?;
    let users = moving::read_users(&arguments.file)?;
    let total = users.len();
    let mut parts: Vec<Vec<Value>> = vec![Vec::new(); programs.len() + 1];
    for user in users {
        let part = programs
            .iter()
            .position(|program| holds(program, &user))
            .unwrap_or(programs.len());
        if let Some(part) = parts.get_mut(part) {
            part.push(user);
        }
    }
    fs::create_dir_all(&arguments.output)
        .with_context(|| format!("cannot make {}", arguments.output.display()))?;
    let names = file_names(&arguments.output, programs.len())?;
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

fn compile(text: &str) -> Result<Program> {
    if text.len() > LONGEST {
        bail!("an expression may have at most {LONGEST} bytes");
    }
    Program::compile(text)
        .map_err(|error| anyhow::anyhow!("{text:?} is not a valid expression: {error}"))
}

fn holds(program: &Program, user: &Value) -> bool {
    let mut context = Context::default();
    for (name, value) in user.as_object().into_iter().flatten() {
        if context.add_variable(name.clone(), value).is_err() {
            return false;
        }
    }
    // Directory records keep who the user is in `scimUser`, and attributes in `profile`.
    for (name, pointer) in [
        ("attributes", "/profile/attributes"),
        ("email", "/scimUser/emails/0/value"),
        ("name", "/scimUser/displayName"),
        ("provider", "/identities/0/provider"),
    ] {
        if user.get(name).is_none()
            && let Some(value) = user.pointer(pointer)
            && context.add_variable(name, value).is_err()
        {
            return false;
        }
    }
    matches!(program.execute(&context), Ok(Cel::Bool(true)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_see_the_record() {
        let user = json!({
            "id": "x", "email": "a@example.de", "roles": ["adult"],
            "attributes": {"country": "DE", "points": 150},
            "identities": [{"provider": "google", "id": "1"}],
        });
        for (text, expected) in [
            (r#"attributes.country == "DE" && "adult" in roles"#, true),
            (r#"attributes.points > 100"#, true),
            (r#"provider == "facebook""#, false),
            (r#"email.endsWith("@example.de")"#, true),
            (r#"attributes.missing == "x""#, false),
            (r#"1 + 1"#, false),
        ] {
            assert_eq!(holds(&compile(text).unwrap(), &user), expected, "{text}");
        }
        assert!(compile("attributes.").is_err());
        assert!(compile(&"1+".repeat(4000)).is_err());
    }
}

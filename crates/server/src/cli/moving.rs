//! Export files as a whole, for `users split`.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

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

//! Writes `openapi.json` from the table of routes, or proves that the committed one is current.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

/// Writes the document.
pub fn write(root: &Path) -> Result<()> {
    let path = root.join("openapi.json");
    fs::write(&path, text()?).with_context(|| format!("cannot write {}", path.display()))
}

/// Fails when the committed document differs from what the routes say.
pub fn check(root: &Path) -> Result<()> {
    let committed = fs::read_to_string(root.join("openapi.json")).unwrap_or_default();
    if committed != text()? {
        bail!("openapi.json is not current: run `cargo xtask openapi` and commit it");
    }
    println!("openapi.json is current");
    Ok(())
}

fn text() -> Result<String> {
    let mut text = serde_json::to_string_pretty(&vestibule_web::openapi::document())?;
    text.push('\n');
    Ok(text)
}

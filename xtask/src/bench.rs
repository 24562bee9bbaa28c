//! Builds the service and the load generator with optimisation and runs the latter, which prints a table of ratios and writes
//! `bench-results.json`.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

/// Runs the benchmarks; `rest` names one of them, or none for all.
pub fn run(root: &Path, rest: &[&str]) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| String::from("cargo"));
    step(
        Command::new(cargo)
            .args([
                "build",
                "--release",
                "-p",
                "vestibule-server",
                "-p",
                "vestibule-bench",
            ])
            .current_dir(root),
    )?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let release = target.join("release");
    step(
        Command::new(release.join("vestibule-bench"))
            .arg("--server")
            .arg(release.join("vestibule"))
            .args(rest)
            .current_dir(root),
    )
}

fn step(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} failed", command.get_program().display());
    }
    Ok(())
}

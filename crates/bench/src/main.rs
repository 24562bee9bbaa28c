//! Measures the built program over loopback against bounds taken in the same run, prints a table of ratios and writes
//! `bench-results.json`. Run by `cargo xtask bench [name]`; load is bounded in count and time.

mod bound;
mod http;
mod load;
mod moving;
mod people;
mod runtime;
mod server;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// One line of the table.
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// What we reached.
    pub value: f64,
    /// Unit of `value` and `bound`.
    pub unit: &'static str,
    /// What bounds it: a rate of the same run, or a fixed limit.
    pub bound: f64,
    /// What the bound is.
    pub bound_is: &'static str,
    /// The least (or, for limits, the most) share of the bound that is good enough.
    pub goal: Goal,
}

/// When a row is good.
#[derive(Clone, Copy)]
pub enum Goal {
    /// `value / bound` at least this.
    AtLeast(f64),
    /// `value` at most `bound`.
    AtMost,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.value / self.bound
    }

    fn good(&self) -> bool {
        match self.goal {
            Goal::AtLeast(share) => self.ratio() >= share,
            Goal::AtMost => self.value <= self.bound,
        }
    }

    fn goal_text(&self) -> String {
        match self.goal {
            Goal::AtLeast(share) => format!(">= {share:.2}"),
            Goal::AtMost => String::from("<= 1.00"),
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("bench: some goals were missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let mut arguments = std::env::args().skip(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let server = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--signer"), Some(algorithm)) => {
            runtime.block_on(runtime::serve_signer(&algorithm))?;
            return Ok(true);
        }
        (Some("--server"), Some(path)) => PathBuf::from(path),
        _ => bail!("usage: vestibule-bench --server PROGRAM [name …]"),
    };
    let names: Vec<String> = arguments.collect();
    let rows = runtime.block_on(async {
        let mut rows = runtime::all(&server, &names).await?;
        rows.extend(moving::all(&server, &names).await?);
        anyhow::Ok(rows)
    })?;
    if rows.is_empty() {
        bail!("no benchmark is named {}", names.join(", "));
    }
    print(&rows);
    write(&rows)?;
    Ok(rows.iter().all(Row::good))
}

fn print(rows: &[Row]) {
    println!(
        "{:<24} {:>12} {:>12}  {:<36} {:>6}  {:>8}",
        "what", "reached", "bound", "bound is", "ratio", "goal"
    );
    for row in rows {
        println!(
            "{:<24} {:>9.1} {:<2} {:>9.1} {:<2}  {:<36} {:>6.2}  {:>8} {}",
            row.name,
            row.value,
            row.unit,
            row.bound,
            row.unit,
            row.bound_is,
            row.ratio(),
            row.goal_text(),
            if row.good() { "ok" } else { "MISSED" }
        );
    }
}

fn write(rows: &[Row]) -> Result<()> {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name,
                "value": row.value,
                "unit": row.unit,
                "bound": row.bound,
                "boundIs": row.bound_is,
                "ratio": row.ratio(),
                "goal": row.goal_text(),
                "good": row.good(),
            })
        })
        .collect();
    let text = serde_json::to_string_pretty(&json!({ "cores": cores(), "rows": rows }))
        .context("cannot print JSON")?;
    std::fs::write("bench-results.json", text + "\n").context("cannot write bench-results.json")
}

/// Cores of this machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

//! Tables for people, JSON for machines, progress bars on terminals.

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// How results are printed.
#[derive(Clone, Copy)]
pub struct Output {
    /// JSON instead of tables.
    pub json: bool,
}

impl Output {
    /// Prints rows: the named members of each, or the whole JSON.
    pub fn list(self, rows: &[Value], columns: &[(&str, &str)], empty: &str) -> Result<()> {
        if self.json {
            return print_json(&Value::Array(rows.to_vec()));
        }
        if rows.is_empty() {
            return print(empty);
        }
        let mut table = Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(columns.iter().map(|(title, _)| *title));
        for row in rows {
            table.add_row(columns.iter().map(|(_, member)| cell(row, member)));
        }
        print(&table.to_string())
    }

    /// Prints one thing: member by member, or the whole JSON.
    pub fn one(self, value: &Value, members: &[(&str, &str)]) -> Result<()> {
        if self.json {
            return print_json(value);
        }
        let width = members
            .iter()
            .map(|(title, _)| title.len())
            .max()
            .unwrap_or(0);
        for (title, member) in members {
            print(&format!("{title:width$}  {}", cell(value, member)))?;
        }
        Ok(())
    }

    /// Says that something was done; with `--json`, prints what the service answered.
    pub fn done(self, words: &str, value: &Value) -> Result<()> {
        if self.json {
            print_json(value)
        } else {
            print(words)
        }
    }

    /// A bar for long work: shown only to people at a terminal.
    pub fn progress(self, total: u64, what: &str) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(total);
        // A template that does not parse leaves the library's own bar, which is good too.
        if let Ok(style) = ProgressStyle::with_template(OF_TOTAL) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar
    }

    /// A bar for bytes, of which there are `total` if that is known.
    pub fn bytes(self, total: Option<u64>, what: &str) -> ProgressBar {
        let bar = self.progress(total.unwrap_or(0), what);
        let template = match total {
            Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left",
            None => "{msg} {bytes}, {binary_bytes_per_sec}, {elapsed} so far",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    }
}

const OF_TOTAL: &str = "{msg} {wide_bar} {pos}/{len} {per_sec} {eta} left";

/// Tells a counter how many there are, once that is known.
pub fn set_total(bar: &ProgressBar, total: u64) {
    if bar.length() != Some(total) {
        if let Ok(style) = ProgressStyle::with_template(OF_TOTAL) {
            bar.set_style(style);
        }
        bar.set_length(total);
    }
}

impl Output {
    /// A count of users with its rate, for work whose end is not known at first.
    pub fn counter(self, what: &str) -> ProgressBar {
        let bar = self.progress(0, what);
        bar.unset_length();
        let counting = "{msg} {pos} users, {per_sec}, {elapsed} so far";
        if let Ok(style) = ProgressStyle::with_template(counting) {
            bar.set_style(style);
        }
        bar
    }
}

/// A line on standard output. A closed pipe is an error like any other.
pub fn print(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
}

/// Pretty JSON on standard output.
pub fn print_json(value: &Value) -> Result<()> {
    print(&serde_json::to_string_pretty(value).context("cannot print JSON")?)
}

fn cell(value: &Value, member: &str) -> String {
    match value.pointer(&format!("/{}", member.replace('.', "/"))) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| {
                item.as_str()
                    .map_or_else(|| item.to_string(), str::to_owned)
            })
            .collect::<Vec<_>>()
            .join(", "),
        Some(other) => other.to_string(),
    }
}

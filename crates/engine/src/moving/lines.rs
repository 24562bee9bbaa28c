//! What jobs keep of an import as lines of JSON: what became of records, and new ids.

use serde_json::json;

use super::{ImportReport, Outcome};

/// The lines of a report, in the order of the file.
pub(super) fn of_records(first: u64, report: &ImportReport) -> String {
    let mut lines: Vec<(usize, serde_json::Value)> = Vec::new();
    let failures = report.failures.iter().map(|failure| {
        let refusal = &failure.refusal;
        let why = (refusal.code, refusal.message.as_str());
        (failure.index, "failed", Some(why), &failure.name)
    });
    let passed = report.passed.iter().map(|passed| {
        let outcome = match passed.outcome {
            Outcome::Updated => "updated",
            Outcome::Skipped => "skipped",
        };
        (passed.index, outcome, None, &passed.name)
    });
    let without = report
        .without_password
        .iter()
        .map(|(index, name)| (*index, "without_password", None, name));
    for (index, outcome, why, name) in failures.chain(passed).chain(without) {
        let mut line = json!({"index": first + index as u64, "outcome": outcome});
        let members = [
            ("code", why.map(|(code, _)| code)),
            ("message", why.map(|(_, message)| message)),
            ("originalId", name.original_id.as_deref()),
            ("id", name.id.as_deref()),
            ("idp", name.provider.as_deref()),
            ("email", name.email.as_deref()),
            ("userName", name.user_name.as_deref()),
        ];
        for (member, value) in members {
            if let (Some(value), Some(line)) = (value, line.as_object_mut()) {
                line.insert(member.to_owned(), value.into());
            }
        }
        lines.push((index, line));
    }
    lines.sort_by_key(|(index, _)| *index);
    let mut text = String::new();
    for (_, line) in lines {
        // U+0000 cannot be stored, and stands escaped in JSON.
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

/// A line for everybody who got a new id.
pub(super) fn of_new_ids(report: &ImportReport) -> String {
    let mut text = String::new();
    for renamed in &report.renamed {
        let line = json!({"kind": renamed.kind, "from": renamed.from, "to": renamed.to});
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

//! What a move did, or would do, in words.

use anyhow::{Result, bail};
use serde_json::{Value, json};
use vestibule_crypto::content_digest::ContentDigest;

use super::{people::Moved, settings::Settings, side::Side};
use crate::cli::{
    output::{Output, print, print_json},
    words::people,
};

/// What no move carries.
const STAYS: [&str; 4] = [
    "sessions, authorization codes and refresh tokens: everybody signs in once more",
    "signing keys: tokens of the source are none of the target, which has keys of its own",
    "client ids and secrets of applications: those that are created have their own",
    "the account's API keys, service credentials and policies, anonymous profiles, jobs and mails",
];

const NEW_IDS: &str = "ids are new";
const NOT_ALL: &str = "somebody was refused, or was at the target before";
const EXPORT_GONE: &str =
    "the source does not know any more what was exported, and differs from the target now";
const BEFORE_UNKNOWN: &str =
    "the move was interrupted, and nobody knows what the target held when it began";

const KINDS: [(&str, &str); 6] = [
    ("People", "people"),
    ("Directory users", "directory"),
    ("  with password", "withPassword"),
    ("Known profiles", "known"),
    ("Prepared profiles", "future"),
    ("Identities", "identities"),
];

/// What a move did, or would do.
pub struct Report {
    dry_run: bool,
    from: Value,
    to: Value,
    settings: Option<Settings>,
    /// The import at the target.
    job: Option<Value>,
    source: Option<Value>,
    target: Option<Value>,
    /// How the digests compare.
    comparison: Option<Comparison>,
    warnings: Vec<String>,
    steps: Vec<String>,
    /// Where the target is, for commands.
    at: String,
}

/// How what the target holds compares with what was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// The target holds what was exported, besides what it held before.
    Same,
    /// Digests cannot be compared, and why.
    None(&'static str),
    /// They should be the same, and are not.
    Different,
}

impl Report {
    pub fn new(from: &Side, to: &Side, dry_run: bool) -> Self {
        let side = |side: &Side| json!({ "url": side.client.url(), "instance": side.guid, "name": side.title });
        Self {
            dry_run,
            from: side(from),
            to: side(to),
            settings: None,
            job: None,
            source: None,
            target: None,
            comparison: None,
            warnings: Vec::new(),
            steps: Vec::new(),
            at: format!("--instance {} --url {}", to.guid, to.client.url()),
        }
    }

    pub fn note(&mut self, note: String) {
        self.warnings.push(note);
    }

    pub fn configuration(&mut self, mut settings: Settings) {
        self.warnings.append(&mut settings.warnings);
        self.steps.append(&mut settings.steps);
        if !settings.applications.is_empty() {
            self.steps.push(format!(
                "Configure each application with its client id, secret and addresses at the target: vestibule app credentials NAME {}",
                self.at
            ));
        }
        self.settings = Some(settings);
    }

    /// `job` is what the target said that it would do with everybody, if it was asked.
    pub fn rehearsed(
        &mut self,
        [source, target]: [Value; 2],
        job: Option<Value>,
        on_conflict: &str,
    ) {
        let there = count(&target, "people");
        if there > 0 {
            let what = match on_conflict {
                "skip" => "stays at the target as they are there",
                "update" => "becomes at the target what they are at the source",
                _ => "is refused",
            };
            self.warnings.push(format!(
                "The target holds {there} people already. Who is at both {what}, by --on-conflict {on_conflict}."
            ));
        }
        if job.is_none() {
            self.warnings.push(String::from(
                "This rehearsal counted people, but did not look at each: whether somebody would be refused is only seen by the move.",
            ));
        }
        self.job = job;
        (self.source, self.target) = (Some(source), Some(target));
    }

    /// `remapped` says that those who were added got new ids, `anew` how those are moved who changed.
    pub fn people(&mut self, moved: Moved, remapped: bool, anew: &str) {
        let counted = |name: &str| moved.job["counts"][name].as_u64().unwrap_or(0);
        let all_added = counted("added") == counted("done");
        self.comparison = Some(match &moved.exported {
            _ if !all_added => Comparison::None(NOT_ALL),
            _ if remapped => Comparison::None(NEW_IDS),
            Some(exported) => compare(exported, moved.before.as_ref(), &moved.target),
            // The source does not know any more: what it holds now will do if it is the same.
            None if moved.source["digest"] == moved.target["digest"] => Comparison::Same,
            None => Comparison::None(EXPORT_GONE),
        });
        let exported = moved.exported.as_deref();
        if exported.is_some_and(|exported| moved.source["digest"] != exported) {
            self.warnings.push(String::from(
                "The source changed since it was exported: who was added or changed, or signed in, meanwhile is not at the target in that state.",
            ));
            self.steps.push(format!(
                "Keep people from changing the source, and move those who changed meanwhile: {anew}"
            ));
        }
        for warning in moved.job["warnings"].as_array().into_iter().flatten() {
            self.warnings.extend(warning.as_str().map(str::to_owned));
        }
        if remapped && counted("added") > 0 {
            let job = moved.job["id"].as_str().unwrap_or_default();
            let who = if all_added {
                String::from("Everybody has")
            } else {
                format!("The {} who were added have", counted("added"))
            };
            self.warnings.push(format!(
                "{who} new ids, and tokens another `sub`: GET /management/v4/…/jobs/{job}/map at the target lists old and new."
            ));
        }
        self.job = Some(moved.job);
        (self.source, self.target) = (Some(moved.source), Some(moved.target));
        self.steps.push(String::from(
            "Try a sign-in at the target, switch the applications over, and delete the source when nobody uses it any more: it can be restored for a while.",
        ));
    }

    /// Prints it.
    pub fn print(&self, output: Output) -> Result<()> {
        if output.json {
            return print_json(&self.json());
        }
        let name = |side: &Value| side["name"].as_str().unwrap_or_default().to_owned();
        let did = if self.dry_run { "Would move" } else { "Moved" };
        print(&format!(
            "{did} {} to {}.",
            name(&self.from),
            name(&self.to)
        ))?;
        if let Some(settings) = &self.settings {
            print_settings(settings)?;
        }
        self.print_people(output)?;
        print("Not carried, by any move:")?;
        for what in STAYS {
            print(&format!("  - {what}"))?;
        }
        for warning in &self.warnings {
            print(&format!("Note: {warning}"))?;
        }
        if self.dry_run {
            return print("Nothing was changed.");
        }
        if !self.steps.is_empty() {
            print("Next:")?;
        }
        for (place, step) in self.steps.iter().enumerate() {
            print(&format!("  {}. {step}", place + 1))?;
        }
        Ok(())
    }

    /// Whether all went well.
    pub fn verdict(&self) -> Result<()> {
        let failed = self
            .job
            .as_ref()
            .map_or(0, |job| job["counts"]["failed"].as_u64().unwrap_or(0));
        if failed > 0 && self.dry_run {
            bail!("{} would not be moved", people(failed));
        }
        if failed > 0 {
            let job = self.job.as_ref().and_then(|job| job["id"].as_str());
            bail!(
                "{} not moved; who and why: vestibule job report {} {}",
                if failed == 1 {
                    String::from("1 person was")
                } else {
                    format!("{failed} people were")
                },
                job.unwrap_or_default(),
                self.at
            );
        }
        if self.comparison == Some(Comparison::Different) {
            bail!(
                "the target does not hold what was exported: somebody changed it meanwhile, or something was lost; compare with vestibule bundle digest"
            );
        }
        Ok(())
    }

    fn print_people(&self, output: Output) -> Result<()> {
        if let Some(job) = &self.job {
            let counted: Vec<String> = ["added", "updated", "skipped", "failed"]
                .into_iter()
                .map(|name| (job["counts"][name].as_u64().unwrap_or(0), name))
                .filter(|(count, name)| *count > 0 || *name == "added" || *name == "failed")
                .map(|(count, name)| format!("{count} {name}"))
                .collect();
            print(&format!("People: {}.", counted.join(", ")))?;
        }
        let (Some(source), Some(target)) = (&self.source, &self.target) else {
            return Ok(());
        };
        let mut rows: Vec<Value> = KINDS
            .iter()
            .map(|(title, kind)| {
                json!({ "kind": title, "source": count(source, kind), "target": count(target, kind) })
            })
            .collect();
        let short = |side: &Value| {
            let digest = side["digest"].as_str().unwrap_or_default();
            format!("{}…", digest.get(..16).unwrap_or(digest))
        };
        rows.push(json!({
            "kind": "Content digest", "source": short(source), "target": short(target),
        }));
        output.list(
            &rows,
            &[
                ("", "kind"),
                ("SOURCE NOW", "source"),
                ("TARGET NOW", "target"),
            ],
            "",
        )?;
        match self.comparison {
            Some(Comparison::Same) => {
                print("The target holds exactly what was exported: the digests agree.")
            }
            Some(Comparison::Different) => {
                print("The target does not hold what was exported: the digests differ.")
            }
            Some(Comparison::None(why)) => {
                print(&format!("The digests cannot be compared: {why}."))
            }
            None => Ok(()),
        }
    }

    fn json(&self) -> Value {
        let settings = self.settings.as_ref().map(|settings| {
            let named = |all: &[(String, String)]| -> Vec<Value> {
                let one = |(name, outcome): &(String, String)| json!({ "name": name, "outcome": outcome });
                all.iter().map(one).collect()
            };
            let applications: Vec<Value> = settings
                .applications
                .iter()
                .map(|(name, outcome, client)| {
                    json!({ "name": name, "outcome": outcome, "clientId": client })
                })
                .collect();
            json!({
                "families": named(&settings.families), "roles": named(&settings.roles), "applications": applications,
            })
        });
        json!({
            "dryRun": self.dry_run, "from": self.from, "to": self.to,
            "configuration": settings, "job": self.job, "source": self.source, "target": self.target,
            "digestsAgree": self.comparison.and_then(|compared| match compared {
                Comparison::Same => Some(true),
                Comparison::Different => Some(false),
                Comparison::None(_) => None,
            }),
            "notCarried": STAYS, "warnings": self.warnings, "nextSteps": self.steps,
        })
    }
}

fn print_settings(settings: &Settings) -> Result<()> {
    for (name, outcome) in &settings.families {
        print(&format!("  {name}: {outcome}"))?;
    }
    for (name, outcome, client) in &settings.applications {
        let client = client
            .as_ref()
            .map_or_else(String::new, |client| format!(", new client id {client}"));
        print(&format!("  application {name}: {outcome}{client}"))?;
    }
    for (name, outcome) in &settings.roles {
        print(&format!("  role {name}: {outcome}"))?;
    }
    Ok(())
}

fn count(side: &Value, kind: &str) -> u64 {
    side["counts"][kind].as_u64().unwrap_or(0)
}

/// Compares what the target holds with what was exported and what it held before.
fn compare(exported: &str, before: Option<&Value>, target: &Value) -> Comparison {
    let read = |text: &str| ContentDigest::parse(text).ok();
    let now = target["digest"].as_str().and_then(read);
    let (Some(exported), Some(now)) = (read(exported), now) else {
        return Comparison::Different;
    };
    if exported == now {
        return Comparison::Same;
    }
    let Some(before) = before.and_then(|before| before["digest"].as_str().and_then(read)) else {
        // The move was interrupted, and nobody knows what the target held when it began.
        return Comparison::None(BEFORE_UNKNOWN);
    };
    let mut sum = before;
    sum.combine(&exported);
    if sum == now {
        Comparison::Same
    } else {
        Comparison::Different
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(records: &[&str]) -> String {
        let mut digest = ContentDigest::EMPTY;
        for record in records {
            digest.add_record(record.as_bytes());
        }
        digest.to_string()
    }

    #[test]
    fn what_was_there_before_is_allowed_for() {
        let side = |records: &[&str]| json!({ "digest": digest(records) });
        let exported = digest(&["a", "b"]);
        let compared = |before: Option<&[&str]>, now: &[&str]| {
            compare(&exported, before.map(side).as_ref(), &side(now))
        };
        assert_eq!(compared(Some(&[]), &["b", "a"]), Comparison::Same);
        assert_eq!(compared(None, &["b", "a"]), Comparison::Same);
        assert_eq!(compared(Some(&["c"]), &["c", "a", "b"]), Comparison::Same);
        assert_eq!(compared(Some(&["c"]), &["a", "c"]), Comparison::Different);
        assert_eq!(compared(Some(&[]), &["a"]), Comparison::Different);
        assert_eq!(
            compared(None, &["a", "b", "c"]),
            Comparison::None(BEFORE_UNKNOWN)
        );
    }
}

//! `vestibule migrate`: an instance moves to another one, of the same service or of two.
//!
//! Configuration first, since people have roles; then people, as a bundle that streams from the one side to the other and is stored nowhere
//! but at the two services. One id names the job at the source that makes the bundle and the job at the target that imports it, so that this
//! id is all that is needed to go on after an interruption.

mod access;
mod people;
mod report;
mod settings;
mod side;

use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use self::{
    report::Report,
    side::{Given, Place, Side},
};
use super::{client::refusal, output::Output};

/// Move an instance.
#[derive(Args)]
pub struct MigrateArguments {
    /// What moves: address of its service, a colon, and its name, GUID or CRN, e.g. https://old.example.com:shop
    #[arg(long, value_name = "URL:INSTANCE", value_parser = Place::parse)]
    from: Place,
    /// Where it goes; this instance exists already
    #[arg(long, value_name = "URL:INSTANCE", value_parser = Place::parse)]
    to: Place,
    /// Move the configuration, applications and roles [default: these and the users]
    #[arg(long)]
    config: bool,
    /// Move everybody: directory users, profiles, prepared profiles [default: these and the configuration]
    #[arg(long)]
    users: bool,
    /// Go on with a move of users that was interrupted
    #[arg(long, value_name = "JOB", value_parser = job_id, conflicts_with = "dry_run")]
    resume: Option<String>,
    /// Change nothing; say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Whether everybody keeps their ids, and tokens their `sub`, or gets new ones
    #[arg(long, default_value = "keep", value_parser = ["keep", "remap"])]
    ids: String,
    /// What happens to users whom the target has already
    #[arg(long, default_value = "fail", value_parser = ["fail", "skip", "update"])]
    on_conflict: String,
    /// API key of the source (prefer the environment, the file or a profile: other users can see command lines) [env: VESTIBULE_FROM_API_KEY]
    #[arg(long, value_name = "KEY")]
    from_api_key: Option<String>,
    /// File that holds the API key of the source [env: VESTIBULE_FROM_API_KEY_FILE]
    #[arg(long, value_name = "FILE", conflicts_with = "from_api_key")]
    from_api_key_file: Option<PathBuf>,
    /// Profile that holds the API key of the source [default: the one of its address]
    #[arg(long, env = "VESTIBULE_FROM_PROFILE", value_name = "NAME")]
    from_profile: Option<String>,
    /// API key of the target [env: VESTIBULE_TO_API_KEY]
    #[arg(long, value_name = "KEY")]
    to_api_key: Option<String>,
    /// File that holds the API key of the target [env: VESTIBULE_TO_API_KEY_FILE]
    #[arg(long, value_name = "FILE", conflicts_with = "to_api_key")]
    to_api_key_file: Option<PathBuf>,
    /// Profile that holds the API key of the target [default: the one of its address]
    #[arg(long, env = "VESTIBULE_TO_PROFILE", value_name = "NAME")]
    to_profile: Option<String>,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// A move from one instance to another.
struct Move {
    from: Side,
    to: Side,
    output: Output,
    ids: String,
    on_conflict: String,
    /// Names the jobs at both sides.
    job: String,
    /// Whether that job was begun before.
    resumed: bool,
    /// Whether there may be a job to pause.
    begun: Cell<bool>,
    report: RefCell<Report>,
}

/// Runs it.
pub async fn run(arguments: MigrateArguments) -> Result<()> {
    let output = Output {
        json: arguments.json,
    };
    let shared = arguments.from.url == arguments.to.url;
    let from = Given {
        key: arguments.from_api_key.as_deref(),
        file: arguments.from_api_key_file.as_deref(),
        profile: arguments.from_profile.as_deref(),
    };
    let to = Given {
        key: arguments.to_api_key.as_deref(),
        file: arguments.to_api_key_file.as_deref(),
        profile: arguments.to_profile.as_deref(),
    };
    let from = Side::open("source", "FROM", &arguments.from, &from, shared).await?;
    let to = Side::open("target", "TO", &arguments.to, &to, shared).await?;
    if from.guid == to.guid {
        bail!(
            "source and target are the same instance, {}: there is nothing to move",
            from.guid
        );
    }
    let report = RefCell::new(Report::new(&from, &to, arguments.dry_run));
    let job = arguments.resume.clone();
    let this = Move {
        resumed: job.is_some(),
        job: job.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        from,
        to,
        output,
        ids: arguments.ids.clone(),
        on_conflict: arguments.on_conflict.clone(),
        begun: Cell::new(false),
        report,
    };
    let done = tokio::select! {
        done = this.go(&arguments) => done,
        _ = tokio::signal::ctrl_c() => this.interrupted().await,
    };
    done.map_err(|error| this.explained(&arguments, error))?;
    let report = this.report.into_inner();
    report.print(output)?;
    report.verdict()
}

impl Move {
    async fn go(&self, arguments: &MigrateArguments) -> Result<()> {
        // Whoever names neither wants both; whoever goes on has moved the configuration before.
        let both = !arguments.config && !arguments.users && !self.resumed;
        let (config, users) = (
            arguments.config || both,
            arguments.users || both || self.resumed,
        );
        if config {
            let settings = settings::carry(self, arguments.dry_run).await?;
            self.report.borrow_mut().configuration(settings);
        }
        if !users {
            return Ok(());
        }
        self.check_roles(config).await?;
        if arguments.dry_run {
            self.rehearse().await
        } else {
            self.move_people().await
        }
    }

    /// Lets both sides rest.
    async fn interrupted(&self) -> Result<()> {
        if self.begun.get() {
            for side in [&self.from, &self.to] {
                let path = side.path(&format!("jobs/{}/pause", self.job));
                let paused = side.client.post(&path, &serde_json::json!({})).await;
                // There is no such job yet, or it has ended: then there is nothing to pause.
                if let Err(error) = paused
                    && refusal(&error).is_none()
                {
                    eprintln!("the {} could not be told to rest: {error:#}", side.name);
                }
            }
            bail!("interrupted");
        }
        bail!("interrupted before anybody moved; run the same command again")
    }

    /// An error with what to do next.
    fn explained(&self, arguments: &MigrateArguments, error: anyhow::Error) -> anyhow::Error {
        if self.begun.get() {
            anyhow!(
                "{error:#}\nWhat was moved stays. This goes on behind it:\n  {}",
                self.again(arguments)
            )
        } else {
            error
        }
    }

    /// The command that goes on. Holds no secret: keys come from where they came.
    fn again(&self, arguments: &MigrateArguments) -> String {
        let mut words = vec![
            String::from("vestibule migrate --from"),
            quoted(&arguments.from.text()),
            String::from("--to"),
            quoted(&arguments.to.text()),
        ];
        let mut option = |name: &str, value: &str| {
            words.push(name.to_owned());
            words.push(quoted(value));
        };
        if self.ids != "keep" {
            option("--ids", &self.ids);
        }
        if self.on_conflict != "fail" {
            option("--on-conflict", &self.on_conflict);
        }
        for (name, file) in [
            ("--from-api-key-file", &arguments.from_api_key_file),
            ("--to-api-key-file", &arguments.to_api_key_file),
        ] {
            if let Some(file) = file {
                option(name, &file.display().to_string());
            }
        }
        for (name, profile) in [
            ("--from-profile", &arguments.from_profile),
            ("--to-profile", &arguments.to_profile),
        ] {
            if let Some(profile) = profile {
                option(name, profile);
            }
        }
        option("--resume", &self.job);
        if arguments.from_api_key.is_some() || arguments.to_api_key.is_some() {
            words.push(String::from("  (with the same API keys)"));
        }
        words.join(" ")
    }
}

fn job_id(text: &str) -> Result<String> {
    let id = uuid::Uuid::parse_str(text).context("is not the id of a job")?;
    Ok(id.to_string())
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("http://a.example:1:b"), "http://a.example:1:b");
        assert_eq!(quoted("http://a:my shop"), "'http://a:my shop'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("$(x)"), "'$(x)'");
        assert_eq!(quoted(""), "''");
    }
}

//! `vestibule migrate`: an instance moves to another one, of the same service or of two.
//!
//! Configuration first, since people have roles; then people, as a bundle that streams from the one side to the other and is stored nowhere
//! but at the two services. One id names the job at the source that makes the bundle and the job at the target that imports it, so that this
//! id is all that is needed to go on after an interruption.

mod access;
mod name;
mod people;
mod report;
mod settings;
mod side;

use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
};

use anyhow::{Result, anyhow, bail};
use clap::Args;

use self::{
    name::Asked,
    report::Report,
    side::{Given, Place, Side},
};
use super::{client::refusal, job, output::Output, words::quoted};

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
    #[arg(long, value_name = "JOB", value_parser = job::id, conflicts_with = "dry_run")]
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
    /// Whether nothing is to be changed.
    dry_run: bool,
    /// Whether that job was begun before.
    resumed: bool,
    /// The command that moves those who changed since.
    anew: String,
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
    let asked = Asked {
        from: &from.guid,
        to: &to.guid,
        ids: &arguments.ids,
        on_conflict: &arguments.on_conflict,
    };
    let job = match &arguments.resume {
        Some(job) => asked.check(job)?,
        None => asked.name(uuid::Uuid::new_v4()),
    };
    let report = RefCell::new(Report::new(&from, &to, arguments.dry_run));
    let this = Move {
        resumed: arguments.resume.is_some(),
        dry_run: arguments.dry_run,
        job: job.to_string(),
        anew: anew(&arguments),
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
        if self.dry_run {
            self.rehearse().await
        } else {
            self.move_people().await
        }
    }

    /// Lets both sides rest.
    async fn interrupted(&self) -> Result<()> {
        if self.dry_run {
            self.forget_rehearsal().await;
            bail!("interrupted; nothing was changed");
        }
        if self.begun.get() {
            for side in [&self.from, &self.to] {
                let path = side.path(&format!("jobs/{}/pause", self.job));
                let paused = side.client.post(&path, &serde_json::json!({})).await;
                if paused.is_ok() {
                    side.until_it_rests(&self.job).await;
                }
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
        let more = [
            (
                "--ids",
                Some(self.ids.as_str()).filter(|ids| *ids != "keep"),
            ),
            (
                "--on-conflict",
                Some(self.on_conflict.as_str()).filter(|policy| *policy != "fail"),
            ),
            ("--resume", Some(self.job.as_str())),
        ];
        command(arguments, &more)
    }
}

/// The command of a new move, of those who changed.
fn anew(arguments: &MigrateArguments) -> String {
    let ids = Some(arguments.ids.as_str()).filter(|ids| *ids != "keep");
    let more = [("--ids", ids), ("--on-conflict", Some("update"))];
    command(arguments, &more).replacen("migrate", "migrate --users", 1)
}

/// A command with the same sides and keys as this one.
fn command(arguments: &MigrateArguments, more: &[(&str, Option<&str>)]) -> String {
    let file = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let (from_file, to_file) = (
        file(&arguments.from_api_key_file),
        file(&arguments.to_api_key_file),
    );
    let (from, to) = (arguments.from.text(), arguments.to.text());
    let sides = [
        ("--from", Some(from.as_str())),
        ("--to", Some(to.as_str())),
        ("--from-api-key-file", from_file.as_deref()),
        ("--to-api-key-file", to_file.as_deref()),
        ("--from-profile", arguments.from_profile.as_deref()),
        ("--to-profile", arguments.to_profile.as_deref()),
    ];
    let mut words = String::from("vestibule migrate");
    for (name, value) in sides.iter().chain(more) {
        if let Some(value) = value {
            words.push_str(&format!(" {name} {}", quoted(value)));
        }
    }
    if arguments.from_api_key.is_some() || arguments.to_api_key.is_some() {
        words.push_str("  (with the same API keys)");
    }
    words
}

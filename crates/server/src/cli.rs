//! The client commands: they talk HTTP to a running service, print tables for people and JSON for machines.

mod apikey;
mod app;
mod bundle;
mod client;
mod directory;
mod files;
mod instance;
mod job;
mod login;
mod migrate;
mod output;
mod profile;
mod split;
mod stream;
mod upload;
mod users;
mod words;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::{Args, CommandFactory, Subcommand};

use client::Client;
use output::Output;

/// Commands that talk to a running service.
#[derive(Subcommand)]
pub enum ClientCommand {
    /// Service instances: list, create, rename, delete, restore, duplicate.
    #[command(subcommand)]
    Instance(instance::InstanceCommand),
    /// Applications of an instance and their credentials.
    #[command(subcommand)]
    App(app::AppCommand),
    /// Profiles of federated users: export, import, split.
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// Cloud Directory users with their password hashes: export, import.
    #[command(subcommand)]
    Directory(directory::DirectoryCommand),
    /// Everybody of an instance in one sealed file: export, import, verify, digest.
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// Move an instance, configuration and people, to another one, here or at another service.
    Migrate(migrate::MigrateArguments),
    /// Long work: list, show, watch, report, pause, resume, cancel.
    #[command(subcommand)]
    Job(job::JobCommand),
    /// API keys of the account.
    #[command(subcommand)]
    Apikey(apikey::ApikeyCommand),
    /// Remember a service and an API key for later commands.
    Login(login::LoginArguments),
    /// Print a completion script for a shell.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: clap_complete::Shell,
    },
}

/// Which service to talk to, as whom, and how to print.
#[derive(Args)]
pub struct Connection {
    /// Address of the service, e.g. http://127.0.0.1:8080
    #[arg(long, env = "VESTIBULE_URL", value_name = "URL")]
    url: Option<String>,
    /// API key (prefer the environment, --api-key-file or `vestibule login`: other users can see command lines) [env: VESTIBULE_API_KEY]
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// File that holds the API key [env: VESTIBULE_API_KEY_FILE]
    #[arg(long, value_name = "FILE", conflicts_with = "api_key")]
    api_key_file: Option<PathBuf>,
    /// Profile of ~/.config/vestibule/config.toml
    #[arg(
        long,
        env = "VESTIBULE_PROFILE",
        default_value = "default",
        value_name = "NAME"
    )]
    profile: String,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

impl Connection {
    async fn open(self) -> Result<(Client, Output)> {
        let output = Output { json: self.json };
        let client = Client::sign_in(&self).await?;
        Ok((client, output))
    }

    /// These options as words of a command line, without a key.
    fn words(&self) -> String {
        let file = self
            .api_key_file
            .as_ref()
            .map(|path| path.to_string_lossy());
        let profile = Some(self.profile.as_str()).filter(|name| *name != "default");
        let mut words = String::new();
        for (option, value) in [
            ("--url", self.url.as_deref()),
            ("--api-key-file", file.as_deref()),
            ("--profile", profile),
        ] {
            if let Some(value) = value {
                words.push_str(&format!(" {option} {}", words::quoted(value)));
            }
        }
        if self.api_key.is_some() {
            words.push_str("  (with the same API key)");
        }
        words
    }

    /// The key that was given. The command line wins over the environment, which is why the latter is read here: a key in the
    /// environment must not clash with a file on the command line.
    fn given_key(&self) -> Result<Option<String>> {
        match key_on_line(self.api_key.as_deref(), self.api_key_file.as_deref())? {
            Some(key) => Ok(Some(key)),
            None => key_in_environment("VESTIBULE_API_KEY"),
        }
    }
}

/// A key from the command line.
fn key_on_line(key: Option<&str>, file: Option<&Path>) -> Result<Option<String>> {
    match (key, file) {
        (Some(key), _) => Ok(Some(key.to_owned())),
        (None, Some(path)) => key_in(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// A key from the environment: from this variable, or from the file that is named in `<variable>_FILE`.
fn key_in_environment(variable: &str) -> Result<Option<String>> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(key) = set(variable) {
        let key = key.into_string().ok();
        return key
            .with_context(|| format!("{variable} is not text"))
            .map(Some);
    }
    set(&format!("{variable}_FILE"))
        .map(|path| key_in(&PathBuf::from(path)))
        .transpose()
}

fn key_in(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the API key in {}", path.display()))?;
    if text.trim().is_empty() {
        bail!("{} holds no API key", path.display());
    }
    Ok(text.trim().to_owned())
}

/// Runs one.
pub fn run(command: ClientCommand) -> Result<()> {
    if let ClientCommand::Completions { shell } = command {
        let mut program = crate::Arguments::command();
        // Not straight to standard output: `generate` panics when nobody reads it to its end.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut program, "vestibule", &mut script);
        return std::io::stdout()
            .write_all(&script)
            .context("cannot write to standard output");
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(async {
            match command {
                ClientCommand::Instance(command) => instance::run(command).await,
                ClientCommand::App(command) => app::run(command).await,
                ClientCommand::Users(command) => users::run(command).await,
                ClientCommand::Directory(command) => directory::run(command).await,
                ClientCommand::Bundle(command) => bundle::run(command).await,
                ClientCommand::Migrate(arguments) => migrate::run(arguments).await,
                ClientCommand::Job(command) => job::run(command).await,
                ClientCommand::Apikey(command) => apikey::run(command).await,
                ClientCommand::Login(arguments) => login::run(arguments).await,
                ClientCommand::Completions { .. } => Ok(()),
            }
        })
}

//! The client commands: they talk HTTP to a running service, print tables for people and JSON for machines.

mod apikey;
mod app;
mod bundle;
mod client;
mod directory;
mod instance;
mod job;
mod login;
mod moving;
mod output;
mod profile;
mod split;
mod stream;
mod users;

use std::path::PathBuf;

use anyhow::{Context, Result};
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
    /// Everybody of an instance in one sealed file: export, import, verify.
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
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
    /// API key (prefer the environment, --api-key-file or `vestibule login`: other users can see command lines)
    #[arg(
        long,
        env = "VESTIBULE_API_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    api_key: Option<String>,
    /// File that holds the API key
    #[arg(
        long,
        env = "VESTIBULE_API_KEY_FILE",
        value_name = "FILE",
        conflicts_with = "api_key"
    )]
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

    fn key_from_file(&self) -> Result<Option<String>> {
        let Some(path) = &self.api_key_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the API key in {}", path.display()))?;
        Ok(Some(text.trim().to_owned()))
    }
}

/// Runs one.
pub fn run(command: ClientCommand) -> Result<()> {
    if let ClientCommand::Completions { shell } = command {
        let mut program = crate::Arguments::command();
        clap_complete::generate(shell, &mut program, "vestibule", &mut std::io::stdout());
        return Ok(());
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
                ClientCommand::Job(command) => job::run(command).await,
                ClientCommand::Apikey(command) => apikey::run(command).await,
                ClientCommand::Login(arguments) => login::run(arguments).await,
                ClientCommand::Completions { .. } => Ok(()),
            }
        })
}

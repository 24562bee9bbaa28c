//! `vestibule directory …`: Cloud Directory users with their password hashes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use super::{app::At, moving};

/// Cloud Directory users.
#[derive(Subcommand)]
pub enum DirectoryCommand {
    /// Write all directory users to a file; their password hashes are sealed with a secret of yours.
    Export {
        /// File to write [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        secret: Secret,
        #[command(flatten)]
        at: At,
    },
    /// Import directory users from an export.
    Import {
        /// File to read, - for standard input.
        file: PathBuf,
        /// Leave out so many users at the start of the file (to go on after an interruption)
        #[arg(long, default_value_t = 0)]
        skip: usize,
        #[command(flatten)]
        secret: Secret,
        #[command(flatten)]
        at: At,
    },
}

/// Where the encryption secret comes from; asked for at a terminal when neither is given.
#[derive(Args)]
pub struct Secret {
    /// File that holds the encryption secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The encryption secret; set it in the environment, never on the command line
    #[arg(
        long = "secret",
        env = "VESTIBULE_ENCRYPTION_SECRET",
        hide = true,
        hide_env_values = true
    )]
    secret: Option<String>,
}

impl Secret {
    fn read(&self, confirm: Confirm) -> Result<String> {
        let secret = match (&self.secret_file, &self.secret) {
            (Some(path), _) => from_file(path)?,
            (None, Some(secret)) => secret.clone(),
            (None, None) => {
                let mut prompt = dialoguer::Password::new().with_prompt("Encryption secret");
                if matches!(confirm, Confirm::Twice) {
                    prompt = prompt.with_confirmation("Once more", "The two differ");
                }
                prompt.interact().context(
                    "no encryption secret: give --secret-file or set VESTIBULE_ENCRYPTION_SECRET",
                )?
            }
        };
        if secret.is_empty() {
            bail!("the encryption secret is empty");
        }
        Ok(secret)
    }
}

enum Confirm {
    Once,
    Twice,
}

fn from_file(path: &Path) -> Result<String> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Runs one.
pub async fn run(command: DirectoryCommand) -> Result<()> {
    match command {
        DirectoryCommand::Export {
            output: file,
            secret,
            at,
        } => {
            let secret = secret.read(Confirm::Twice)?;
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            let users =
                moving::export(&client, output, &guid, moving::Kind::Directory(&secret)).await?;
            moving::write_export(users, file.as_deref())
        }
        DirectoryCommand::Import {
            file,
            skip,
            secret,
            at,
        } => {
            let users = moving::read_users(&file)?;
            let secret = secret.read(Confirm::Once)?;
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            let batch = moving::Batch { users, skip };
            let kind = moving::Kind::Directory(&secret);
            let report = moving::import(&client, output, &guid, kind, &batch).await?;
            moving::tell(output, &report, &batch)
        }
    }
}

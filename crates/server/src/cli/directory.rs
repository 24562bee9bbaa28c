//! `vestibule directory …`: Cloud Directory users with their password hashes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use super::{
    app::At,
    files::{Force, To, input},
    stream,
    words::quoted,
};

/// Cloud Directory users.
#[derive(Subcommand)]
pub enum DirectoryCommand {
    /// Write all directory users to a file; their password hashes are sealed with a secret of yours.
    Export {
        /// File to write, NDJSON if it ends in .ndjson; - for standard output [default: -]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        force: Force,
        #[command(flatten)]
        secret: Secret,
        #[command(flatten)]
        at: At,
    },
    /// Import directory users from an export: NDJSON, a JSON array or a whole export, of any size.
    Import {
        /// File to read, - for standard input.
        file: PathBuf,
        /// Import also users whose password hash cannot be used; they cannot sign in until a password is set
        #[arg(long)]
        without_password: bool,
        #[command(flatten)]
        options: stream::ImportOptions,
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
    /// The option as words of a command line; the secret itself is never in them.
    pub fn words(&self) -> String {
        self.secret_file.as_ref().map_or_else(String::new, |path| {
            format!(" --secret-file {}", quoted(&path.to_string_lossy()))
        })
    }

    /// Reads it, or asks for it.
    pub fn read(&self, confirm: Confirm) -> Result<String> {
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
        // It travels in a header too.
        let is_odd = |c: char| c.is_control() && c != '\t';
        if secret.chars().any(is_odd) || secret.trim() != secret {
            bail!(
                "the encryption secret must be one line of text, without spaces around it: `openssl rand -hex 32` makes a good one"
            );
        }
        Ok(secret)
    }
}

/// Whether a secret that is typed is typed twice.
pub enum Confirm {
    /// It exists.
    Once,
    /// It is being chosen.
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
            force,
            secret,
            at,
        } => {
            let to = To::new(file.as_deref(), force)?;
            let secret = secret.read(Confirm::Twice)?;
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            let kind = stream::Kind::Directory(&secret);
            stream::export(&client, output, &guid, kind, to).await
        }
        DirectoryCommand::Import {
            file,
            without_password,
            options,
            secret,
            at,
        } => {
            input(&file)?;
            let secret_words = secret.words();
            let secret = secret.read(Confirm::Once)?;
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            let import = stream::Import {
                client: &client,
                output,
                guid: &guid,
                kind: stream::Kind::Directory(&secret),
                file: &file,
                options: &options,
                without_password,
                secret_words: &secret_words,
            };
            import.run().await
        }
    }
}

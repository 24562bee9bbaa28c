//! `vestibule users …`: profiles of federated users.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use super::{app::At, split, stream};

/// Profiles of federated users.
#[derive(Subcommand)]
pub enum UsersCommand {
    /// Write all known users of an instance to a file.
    Export {
        /// File to write, NDJSON if it ends in .ndjson [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        at: At,
    },
    /// Import users from an export: NDJSON, a JSON array or a whole export, of any size.
    Import {
        /// File to read, - for standard input.
        file: PathBuf,
        #[command(flatten)]
        options: stream::ImportOptions,
        #[command(flatten)]
        at: At,
    },
    /// Divide an export into those for whom an expression holds, and the rest. Talks to no service.
    Split(split::SplitArguments),
}

/// Runs one.
pub async fn run(command: UsersCommand) -> Result<()> {
    match command {
        UsersCommand::Export { output: file, at } => {
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            stream::export(
                &client,
                output,
                &guid,
                stream::Kind::Federated,
                file.as_deref(),
            )
            .await
        }
        UsersCommand::Import { file, options, at } => {
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            let kind = stream::Kind::Federated;
            let job = stream::import(&client, output, &guid, kind, &file, &options, false).await?;
            stream::tell(&client, output, &guid, &job).await
        }
        UsersCommand::Split(arguments) => split::run(&arguments),
    }
}

//! `vestibule users …`: profiles of federated users.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use super::{
    app::At,
    files::{Force, To, input},
    split, stream,
};

/// Profiles of federated users.
#[derive(Subcommand)]
pub enum UsersCommand {
    /// Write all known users of an instance to a file.
    Export {
        /// File to write, NDJSON if it ends in .ndjson; - for standard output [default: -]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        force: Force,
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
        UsersCommand::Export {
            output: file,
            force,
            at,
        } => {
            let to = To::new(file.as_deref(), force)?;
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            stream::export(&client, output, &guid, stream::Kind::Federated, to).await
        }
        UsersCommand::Import { file, options, at } => {
            input(&file)?;
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            let import = stream::Import {
                client: &client,
                output,
                guid: &guid,
                kind: stream::Kind::Federated,
                file: &file,
                options: &options,
                without_password: false,
                secret_words: "",
            };
            import.run().await
        }
        UsersCommand::Split(arguments) => split::run(&arguments),
    }
}

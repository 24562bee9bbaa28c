//! `vestibule users …`: profiles of federated users.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use super::{app::At, moving, split};

/// Profiles of federated users.
#[derive(Subcommand)]
pub enum UsersCommand {
    /// Write all known users of an instance to a file.
    Export {
        /// File to write [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        at: At,
    },
    /// Import users from an export.
    Import {
        /// File to read, - for standard input.
        file: PathBuf,
        /// Leave out so many users at the start of the file (to go on after an interruption)
        #[arg(long, default_value_t = 0)]
        skip: usize,
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
            let users = moving::export(&client, output, &guid, moving::Kind::Federated).await?;
            moving::write_export(users, file.as_deref())
        }
        UsersCommand::Import { file, skip, at } => {
            let users = moving::read_users(&file)?;
            let (client, output) = at.connection.open().await?;
            let guid = client.find_guid(&at.instance).await?;
            let batch = moving::Batch { users, skip };
            let report =
                moving::import(&client, output, &guid, moving::Kind::Federated, &batch).await?;
            moving::tell(output, &report, &batch)
        }
        UsersCommand::Split(arguments) => split::run(&arguments),
    }
}

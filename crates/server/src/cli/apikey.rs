//! `vestibule apikey …`

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{Connection, client::Client};

/// API keys of the account.
#[derive(Subcommand)]
pub enum ApikeyCommand {
    /// Your API keys.
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Make an API key; it is shown this once.
    Create {
        /// Its name.
        name: String,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Revoke an API key.
    Revoke {
        /// Id, as `vestibule apikey list` shows it.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
}

/// Runs one.
pub async fn run(command: ApikeyCommand) -> Result<()> {
    match command {
        ApikeyCommand::List { connection } => {
            let (client, output) = connection.open().await?;
            let rows = list(&client).await?;
            output.list(
                &rows,
                &[
                    ("NAME", "name"),
                    ("ID", "id"),
                    ("CREATED", "created_at"),
                    ("LOCKED", "locked"),
                ],
                "There are no API keys.",
            )
        }
        ApikeyCommand::Create {
            name,
            description,
            connection,
        } => {
            let (client, output) = connection.open().await?;
            let me = client
                .call(
                    super::client::Request::new(reqwest::Method::GET, "/v1/apikeys/details")
                        .api_key(client.api_key()),
                )
                .await?;
            let iam_id = me["iam_id"]
                .as_str()
                .context("the service does not say who you are")?;
            let body = json!({ "name": name, "iam_id": iam_id, "description": description });
            let made = client.post("/v1/apikeys", &body).await?;
            output.one(
                &made,
                &[("Name", "name"), ("Id", "id"), ("API key", "apikey")],
            )?;
            if !output.json {
                eprintln!("Keep the key: it is not shown again.");
            }
            Ok(())
        }
        ApikeyCommand::Revoke { id, connection } => {
            let (client, output) = connection.open().await?;
            let answer = client.delete(&format!("/v1/apikeys/{id}")).await?;
            output.done(&format!("Revoked {id}."), &answer)
        }
    }
}

async fn list(client: &Client) -> Result<Vec<Value>> {
    let mut page = client.get("/v1/apikeys", &[("pagesize", "100")]).await?;
    let mut found = Vec::new();
    loop {
        if let Some(rows) = page["apikeys"].as_array_mut() {
            found.append(rows);
        }
        let Some(next) = page["next"].as_str().filter(|next| !next.is_empty()) else {
            return Ok(found);
        };
        let next = client.relative(next).to_owned();
        page = client.get(&next, &[]).await?;
    }
}

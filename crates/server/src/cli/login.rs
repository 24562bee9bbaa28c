//! `vestibule login`

use anyhow::{Context, Result};
use clap::Args;

use super::{
    client::Client,
    output::print,
    profile::{self, Profile},
};

/// Remember a service and an API key for later commands.
#[derive(Args)]
pub struct LoginArguments {
    #[command(flatten)]
    connection: super::Connection,
}

/// Tries the key, then keeps it.
pub async fn run(arguments: LoginArguments) -> Result<()> {
    let connection = arguments.connection;
    let url = connection
        .url
        .clone()
        .unwrap_or_else(|| String::from("http://127.0.0.1:8080"));
    let api_key = match connection.given_key()? {
        Some(key) => key,
        None => dialoguer::Password::new()
            .with_prompt("API key")
            .interact()
            .context("no API key: give --api-key-file or set VESTIBULE_API_KEY")?,
    };
    Client::new(&url, &api_key)?.token().await?;
    let path = profile::save(
        &connection.profile,
        Profile {
            url: url.trim_end_matches('/').to_owned(),
            api_key: api_key.trim().to_owned(),
        },
    )?;
    print(&format!(
        "Signed in to {url}. Profile {:?} is kept in {}",
        connection.profile,
        path.display()
    ))
}

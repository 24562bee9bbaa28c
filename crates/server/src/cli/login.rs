//! `vestibule login`

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use super::{
    client::{Client, address},
    output::Output,
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
    let url = address(&url)?;
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
            url: url.clone(),
            api_key: api_key.trim().to_owned(),
        },
    )?;
    let output = Output {
        json: connection.json,
    };
    let words = format!(
        "Signed in to {url}. Profile {:?} is kept in {}",
        connection.profile,
        path.display()
    );
    let kept =
        json!({"url": url, "profile": connection.profile, "file": path.display().to_string()});
    output.done(&words, &kept)
}

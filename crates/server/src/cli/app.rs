//! `vestibule app …`

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{Connection, client::Client, output::print_json};

/// Applications of an instance.
#[derive(Subcommand)]
pub enum AppCommand {
    /// All applications.
    List {
        #[command(flatten)]
        at: At,
    },
    /// Register an application and print its credentials.
    Create {
        /// Its name.
        name: String,
        /// Whether it is a server that keeps a secret, or a browser app.
        #[arg(long = "type", default_value = "regularwebapp", value_parser = ["regularwebapp", "singlepageapp"])]
        kind: String,
        #[command(flatten)]
        at: At,
    },
    /// Print an application's credentials as JSON.
    Credentials {
        /// Name or client id.
        app: String,
        #[command(flatten)]
        at: At,
    },
    /// Give an application a new secret; the old one stops working at once.
    RotateSecret {
        /// Name or client id.
        app: String,
        #[command(flatten)]
        at: At,
    },
    /// Delete an application; its tokens stop working.
    Delete {
        /// Name or client id.
        app: String,
        #[command(flatten)]
        at: At,
    },
}

/// Which instance.
#[derive(clap::Args)]
pub struct At {
    /// Name, GUID or CRN of the instance
    #[arg(long, short, env = "VESTIBULE_INSTANCE", value_name = "INSTANCE")]
    pub instance: String,
    #[command(flatten)]
    pub connection: Connection,
}

/// Runs one.
pub async fn run(command: AppCommand) -> Result<()> {
    match command {
        AppCommand::List { at } => {
            let (client, output) = at.connection.open().await?;
            let base = base(&client, &at.instance).await?;
            let answer = client.get(&base, &[]).await?;
            let rows: Vec<Value> = answer["applications"]
                .as_array()
                .into_iter()
                .flatten()
                .map(without_secret)
                .collect();
            output.list(
                &rows,
                &[("NAME", "name"), ("TYPE", "type"), ("CLIENT ID", "clientId")],
                "There are no applications yet. Make one: vestibule app create NAME --instance INSTANCE",
            )
        }
        AppCommand::Create { name, kind, at } => {
            let (client, _) = at.connection.open().await?;
            let base = base(&client, &at.instance).await?;
            print_json(
                &client
                    .post(&base, &json!({ "name": name, "type": kind }))
                    .await?,
            )
        }
        AppCommand::Credentials { app, at } => {
            let (client, _) = at.connection.open().await?;
            let base = base(&client, &at.instance).await?;
            print_json(&find(&client, &base, &app).await?)
        }
        AppCommand::RotateSecret { app, at } => {
            let (client, _) = at.connection.open().await?;
            let base = base(&client, &at.instance).await?;
            let id = client_id(&find(&client, &base, &app).await?)?;
            print_json(
                &client
                    .post(&format!("{base}/{id}/rotate_secret"), &json!({}))
                    .await?,
            )
        }
        AppCommand::Delete { app, at } => {
            let (client, output) = at.connection.open().await?;
            let base = base(&client, &at.instance).await?;
            let id = client_id(&find(&client, &base, &app).await?)?;
            client.delete(&format!("{base}/{id}")).await?;
            output.done(&format!("Deleted {app}."), &json!({"deleted": id}))
        }
    }
}

async fn base(client: &Client, instance: &str) -> Result<String> {
    Ok(format!(
        "/management/v4/{}/applications",
        client.find_guid(instance).await?
    ))
}

async fn find(client: &Client, base: &str, wanted: &str) -> Result<Value> {
    let answer = client.get(base, &[]).await?;
    let mut found: Vec<Value> = answer["applications"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|app| app["clientId"] == wanted || app["name"] == wanted)
        .cloned()
        .collect();
    match found.len() {
        0 => bail!(
            "there is no application {wanted:?}; `vestibule app list --instance …` shows them"
        ),
        1 => Ok(found.remove(0)),
        n => bail!("{n} applications are named {wanted:?}; say which by client id"),
    }
}

fn client_id(app: &Value) -> Result<String> {
    app["clientId"]
        .as_str()
        .map(str::to_owned)
        .context("the service answered no client id")
}

fn without_secret(app: &Value) -> Value {
    let mut app = app.clone();
    if let Some(members) = app.as_object_mut() {
        members.remove("secret");
    }
    app
}

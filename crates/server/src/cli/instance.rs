//! `vestibule instance …`

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Connection,
    client::{Client, Request},
    output::{Output, print, print_json},
};

const COLUMNS: &[(&str, &str)] = &[
    ("NAME", "name"),
    ("GUID", "guid"),
    ("REGION", "region_id"),
    ("STATE", "state"),
    ("CREATED", "created_at"),
];
const MEMBERS: &[(&str, &str)] = &[
    ("Name", "name"),
    ("GUID", "guid"),
    ("CRN", "crn"),
    ("Region", "region_id"),
    ("State", "state"),
    ("Locked", "locked"),
    ("Created", "created_at"),
    ("Console", "dashboard_url"),
];

/// Service instances.
#[derive(Subcommand)]
pub enum InstanceCommand {
    /// All instances you may see.
    List {
        /// Those of this state instead: deleted ones are `pending_reclamation` until they are destroyed.
        #[arg(long, default_value = "active", value_parser = ["active", "pending_reclamation", "removed"])]
        state: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Make an instance.
    Create {
        /// Its name.
        name: String,
        /// Its region [default: the service's]
        #[arg(long)]
        region: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// One instance and where the console shows it.
    Show {
        /// Name, GUID or CRN.
        instance: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Give an instance another name.
    Rename {
        /// Name, GUID or CRN.
        instance: String,
        /// The new name.
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Delete an instance and its service credentials; it can be restored, without these, until its retention period ends.
    Delete {
        /// Name, GUID or CRN.
        instance: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        connection: Connection,
    },
    /// Bring a deleted instance back with all that it held.
    Restore {
        /// GUID or CRN (names may be in use again), or the name if only one deleted instance has it.
        instance: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Make an instance with another one's configuration.
    Duplicate {
        /// Name, GUID or CRN of the instance to copy.
        source: String,
        /// Name of the new instance.
        #[arg(long)]
        name: String,
        /// Region of the new instance [default: the source's]
        #[arg(long)]
        region: Option<String>,
        /// What to take along beside the configuration: applications, roles, users (comma-separated).
        #[arg(long, value_delimiter = ',', value_parser = ["applications", "roles", "users"])]
        with: Vec<String>,
        #[command(flatten)]
        connection: Connection,
    },
}

/// Runs one.
pub async fn run(command: InstanceCommand) -> Result<()> {
    match command {
        InstanceCommand::List { state, connection } => {
            let (client, output) = connection.open().await?;
            let rows = client
                .list_all("/v2/resource_instances", &[("state", &state)])
                .await?;
            let empty = if state == "active" {
                "There are no instances yet. Make one: vestibule instance create NAME"
            } else {
                "There are none in this state."
            };
            output.list(&rows, COLUMNS, empty)
        }
        InstanceCommand::Create {
            name,
            region,
            connection,
        } => {
            let (client, output) = connection.open().await?;
            let made = create(&client, &name, region.as_deref()).await?;
            output.one(&made, MEMBERS)
        }
        InstanceCommand::Show {
            instance,
            connection,
        } => {
            let (client, output) = connection.open().await?;
            let found = client.find_instance(&instance).await?;
            output.one(&found, MEMBERS)
        }
        InstanceCommand::Rename {
            instance,
            name,
            connection,
        } => {
            let (client, output) = connection.open().await?;
            let guid = client.find_guid(&instance).await?;
            let changed = client
                .patch(
                    &format!("/v2/resource_instances/{guid}"),
                    &json!({ "name": name }),
                )
                .await?;
            output.one(&changed, MEMBERS)
        }
        InstanceCommand::Delete {
            instance,
            yes,
            connection,
        } => {
            let (client, output) = connection.open().await?;
            delete(&client, output, &instance, yes).await
        }
        InstanceCommand::Restore {
            instance,
            connection,
        } => {
            let (client, output) = connection.open().await?;
            restore(&client, output, &instance).await
        }
        InstanceCommand::Duplicate {
            source,
            name,
            region,
            with,
            connection,
        } => {
            let (client, output) = connection.open().await?;
            duplicate(
                &client,
                output,
                &Copy {
                    source,
                    name,
                    region,
                    with,
                },
            )
            .await
        }
    }
}

async fn create(client: &Client, name: &str, region: Option<&str>) -> Result<Value> {
    let mut body =
        json!({ "name": name, "resource_plan_id": "standard", "resource_group": "default" });
    if let Some(region) = region {
        body["target"] = region.into();
    }
    client.post("/v2/resource_instances", &body).await
}

async fn delete(client: &Client, output: Output, instance: &str, yes: bool) -> Result<()> {
    let found = client.find_instance(instance).await?;
    let (name, guid) = (text(&found, "name")?, text(&found, "guid")?);
    if !yes {
        let question = format!(
            "Delete instance {name} ({guid})? Its users cannot sign in until it is restored, and its service credentials are gone for good."
        );
        let sure = dialoguer::Confirm::new()
            .with_prompt(question)
            .default(false)
            .interact()
            .context("cannot ask here; say --yes to delete without being asked")?;
        if !sure {
            bail!("nothing was deleted");
        }
    }
    let path = format!("/v2/resource_instances/{guid}");
    client
        .call(Request::new(Method::DELETE, &path).query(&[("recursive", "true")]))
        .await?;
    output.done(
        &format!("Deleted {name}. To bring it back: vestibule instance restore {guid}"),
        &json!({"deleted": guid}),
    )
}

async fn restore(client: &Client, output: Output, instance: &str) -> Result<()> {
    let waiting = client.list_all("/v1/reclamations", &[]).await?;
    let deleted = client
        .list_all(
            "/v2/resource_instances",
            &[("state", "pending_reclamation")],
        )
        .await?;
    let guids: Vec<&str> = deleted
        .iter()
        .filter(|i| {
            ["name", "guid", "crn"]
                .iter()
                .any(|member| i[*member] == instance)
        })
        .filter_map(|i| i["guid"].as_str())
        .collect();
    let guid = match guids.as_slice() {
        [] => bail!("there is no deleted instance {instance:?}"),
        [one] => *one,
        many => bail!(
            "{} deleted instances have that name; say which by GUID: {}",
            many.len(),
            many.join(", ")
        ),
    };
    let id = waiting
        .iter()
        .find(|r| {
            r["resource_instance_id"]
                .as_str()
                .is_some_and(|crn| crn.contains(guid))
        })
        .and_then(|r| r["id"].as_str())
        .context("the service keeps no reclamation for that instance")?;
    let answer = client
        .post(
            &format!("/v1/reclamations/{id}/actions/restore"),
            &json!({}),
        )
        .await?;
    output.done(&format!("Restored {guid}."), &answer)
}

struct Copy {
    source: String,
    name: String,
    region: Option<String>,
    with: Vec<String>,
}

async fn duplicate(client: &Client, output: Output, copy: &Copy) -> Result<()> {
    let source = client.find_instance(&copy.source).await?;
    let source_guid = text(&source, "guid")?;
    let with = |what: &str| copy.with.iter().any(|with| with == what);
    if with("users") && !with("roles") {
        no_roles(client, &source_guid).await?;
    }
    let region = copy.region.as_deref().or(source["region_id"].as_str());
    let made = create(client, &copy.name, region).await?;
    let target = text(&made, "guid")?;
    let include: Vec<&str> = copy
        .with
        .iter()
        .map(String::as_str)
        .filter(|what| *what != "users")
        .collect();
    let report = client
        .post(
            &format!("/management/v4/{target}/config/duplicate"),
            &json!({ "sourceTenantId": source_guid, "include": include }),
        )
        .await
        .with_context(|| {
            format!("instance {target} was made, but its configuration was not copied")
        })?;
    if !output.json {
        print(&format!("Made {} ({target}).", copy.name))?;
        for (family, outcome) in report["families"].as_object().into_iter().flatten() {
            print(&format!("  {family}: {}", outcome.as_str().unwrap_or("?")))?;
        }
        for (kind, what) in [("applications", "application"), ("roles", "role")] {
            for copied in report[kind].as_array().into_iter().flatten() {
                let word = |member: &str| copied[member].as_str().unwrap_or("?").to_owned();
                print(&format!("  {what} {}: {}", word("name"), word("outcome")))?;
            }
        }
        for warning in report["warnings"].as_array().into_iter().flatten() {
            print(&format!("  note: {}", warning.as_str().unwrap_or("")))?;
        }
    }
    let mut answer = json!({ "instance": made, "configuration": report });
    let mut failed = None;
    if with("users") {
        let job = super::bundle::carry(client, output, &source_guid, &target).await;
        let job = job.with_context(|| {
            format!("instance {target} was made, but not everybody was copied to it")
        })?;
        let count = |name: &str| job["counts"][name].as_u64().unwrap_or(0);
        if !output.json {
            print(&format!(
                "  users: {} copied, {} failed",
                count("added"),
                count("failed")
            ))?;
            super::stream::explain(client, &target, &job).await?;
        }
        if job["state"] != "succeeded" || count("failed") > 0 {
            failed = Some(format!(
                "not everybody was copied; look at it with: vestibule job show {} {}",
                job["id"].as_str().unwrap_or_default(),
                client.at(&target)
            ));
        }
        answer["users"] = job;
    }
    match failed {
        None => output.done("Done.", &answer),
        Some(why) if output.json => print_json(&answer).and_then(|()| bail!(why)),
        Some(why) => bail!(why),
    }
}

/// Users without their roles would be refused one by one: better before there is an instance.
async fn no_roles(client: &Client, source: &str) -> Result<()> {
    let roles = client
        .get(&format!("/management/v4/{source}/roles"), &[])
        .await?;
    match roles["roles"].as_array() {
        Some(roles) if !roles.is_empty() => bail!(
            "users may have roles of the source, which are not copied: say --with roles,users. Nothing was made"
        ),
        _ => Ok(()),
    }
}

fn text(value: &Value, member: &str) -> Result<String> {
    value[member]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("the service answered no {member}"))
}

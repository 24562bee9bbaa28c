//! Applications and roles on their way to another service. Both are matched by name; what a target has besides stays.

use std::collections::HashMap;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    settings::{Settings, list},
    side::Side,
};
use crate::cli::client::Request;

/// What stands for the id of something that a rehearsal does not make.
const NOT_MADE: &str = "";

/// An application of the source and the one that stands for it at the target.
struct Pair {
    name: String,
    /// Its client id at the source.
    from: String,
    /// Its client id at the target.
    to: String,
    made: bool,
    /// Its place among the outcomes.
    place: usize,
}

/// Changes the target, or leaves it at saying so.
struct Writing<'a> {
    to: &'a Side,
    dry_run: bool,
}

impl Writing<'_> {
    /// The answer; null of a rehearsal.
    async fn send(&self, method: Method, rest: &str, body: &Value) -> Result<Value> {
        if self.dry_run {
            return Ok(Value::Null);
        }
        let path = self.to.path(rest);
        let sent = self.to.client.call(Request::new(method, &path).body(body));
        sent.await
            .with_context(|| format!("the target did not take {rest}"))
    }
}

/// Carries applications with their scopes, roles with their access, and the roles of applications.
pub async fn carry(from: &Side, to: &Side, dry_run: bool, settings: &mut Settings) -> Result<()> {
    let writing = Writing { to, dry_run };
    let pairs = carry_applications(from, &writing, settings).await?;
    let roles = carry_roles(from, &writing, &pairs, settings).await?;
    carry_roles_of_applications(from, &writing, &pairs, &roles, settings).await?;
    if pairs.iter().any(|pair| pair.made) {
        settings.warnings.push(String::from(
            "Applications that are created have a client id and a secret of their own.",
        ));
    }
    Ok(())
}

async fn carry_applications(
    from: &Side,
    writing: &Writing<'_>,
    settings: &mut Settings,
) -> Result<Vec<Pair>> {
    let (there, here) = (
        from.get("applications").await?,
        writing.to.get("applications").await?,
    );
    let mut free: Vec<&Value> = list(&here["applications"]).iter().collect();
    let mut pairs = Vec::new();
    for source in list(&there["applications"]) {
        let (name, id) = (text(source, "name")?, text(source, "clientId")?);
        let scopes = scopes(from, &id).await?;
        let known = free.iter().position(|app| app["name"] == source["name"]);
        let known = known.map(|at| free.remove(at));
        let (client, outcome) = match known {
            Some(known) => {
                let client = text(known, "clientId")?;
                note_type(source, known, settings);
                let present = self::scopes(writing.to, &client).await?;
                if present == scopes {
                    (client, "unchanged")
                } else {
                    note_scopes(&name, &present, &scopes, settings);
                    set_scopes(writing, &client, &scopes).await?;
                    (client, "updated")
                }
            }
            None => {
                let body = json!({ "name": name, "type": source["type"] });
                let made = writing.send(Method::POST, "applications", &body).await?;
                let client = made["clientId"].as_str().unwrap_or(NOT_MADE).to_owned();
                if !scopes.is_empty() {
                    set_scopes(writing, &client, &scopes).await?;
                }
                (client, "created")
            }
        };
        let made = outcome == "created";
        let shown = Some(client.clone()).filter(|client| made && client != NOT_MADE);
        settings
            .applications
            .push((name.clone(), outcome.to_owned(), shown));
        pairs.push(Pair {
            name,
            from: id,
            to: client,
            made,
            place: settings.applications.len() - 1,
        });
    }
    Ok(pairs)
}

async fn carry_roles(
    from: &Side,
    writing: &Writing<'_>,
    pairs: &[Pair],
    settings: &mut Settings,
) -> Result<HashMap<String, String>> {
    let (there, here) = (from.get("roles").await?, writing.to.get("roles").await?);
    let mut ids = HashMap::new();
    for source in list(&there["roles"]) {
        let name = text(source, "name")?;
        let body = json!({
            "name": name, "description": source["description"], "access": access(source, pairs),
        });
        let known = list(&here["roles"])
            .iter()
            .find(|role| role["name"] == source["name"]);
        let (id, outcome) = match known {
            None => {
                let made = writing.send(Method::POST, "roles", &body).await?;
                (
                    made["id"].as_str().unwrap_or(NOT_MADE).to_owned(),
                    "created",
                )
            }
            Some(known) => {
                let id = text(known, "id")?;
                if same(known, &body) {
                    (id, "unchanged")
                } else {
                    let path = format!("roles/{id}");
                    writing.send(Method::PUT, &path, &body).await?;
                    (id, "updated")
                }
            }
        };
        ids.insert(text(source, "id")?, id);
        settings.roles.push((name, outcome.to_owned()));
    }
    Ok(ids)
}

async fn carry_roles_of_applications(
    from: &Side,
    writing: &Writing<'_>,
    pairs: &[Pair],
    roles: &HashMap<String, String>,
    settings: &mut Settings,
) -> Result<()> {
    for pair in pairs {
        let wanted = roles_of(from, &pair.from).await?;
        let mut wanted: Vec<&String> = wanted.iter().filter_map(|id| roles.get(id)).collect();
        let present = if pair.to == NOT_MADE {
            Vec::new()
        } else {
            roles_of(writing.to, &pair.to).await?
        };
        let mut present: Vec<&String> = present.iter().collect();
        wanted.sort_unstable();
        present.sort_unstable();
        if wanted == present {
            continue;
        }
        let path = format!("applications/{}/roles", pair.to);
        let body = json!({ "roles": { "ids": wanted } });
        writing.send(Method::PUT, &path, &body).await?;
        if let Some((_, outcome, _)) = settings.applications.get_mut(pair.place)
            && outcome == "unchanged"
        {
            "updated".clone_into(outcome);
        }
    }
    Ok(())
}

/// The access of a role in terms of the target's applications.
fn access(role: &Value, pairs: &[Pair]) -> Vec<Value> {
    list(&role["access"])
        .iter()
        .filter_map(|access| {
            let pair = pairs
                .iter()
                .find(|pair| access["application_id"] == pair.from.as_str())?;
            // A rehearsal has no ids of what it would make; names tell them apart as well.
            let id = if pair.to == NOT_MADE {
                &pair.name
            } else {
                &pair.to
            };
            Some(json!({ "application_id": id, "scopes": access["scopes"] }))
        })
        .collect()
}

/// Whether two roles are alike, whatever the order in which they name applications.
fn same(role: &Value, other: &Value) -> bool {
    let sorted = |role: &Value| {
        let mut access: Vec<String> = list(&role["access"]).iter().map(Value::to_string).collect();
        access.sort_unstable();
        access
    };
    role["description"] == other["description"] && sorted(role) == sorted(other)
}

fn note_type(source: &Value, known: &Value, settings: &mut Settings) {
    if source["type"] != known["type"] {
        settings.warnings.push(format!(
            "Application {} stays a {}: the type of an application cannot change.",
            known["name"].as_str().unwrap_or_default(),
            known["type"].as_str().unwrap_or_default(),
        ));
    }
}

fn note_scopes(name: &str, present: &[String], scopes: &[String], settings: &mut Settings) {
    let dropped: Vec<&str> = present
        .iter()
        .filter(|scope| !scopes.contains(scope))
        .map(String::as_str)
        .collect();
    if !dropped.is_empty() {
        settings.warnings.push(format!(
            "Application {name} has no scope {} at the source: it leaves the roles of the target that hold it.",
            dropped.join(", ")
        ));
    }
}

async fn set_scopes(writing: &Writing<'_>, client: &str, scopes: &[String]) -> Result<()> {
    let path = format!("applications/{client}/scopes");
    let body = json!({ "scopes": scopes });
    writing.send(Method::PUT, &path, &body).await.map(drop)
}

async fn scopes(side: &Side, client: &str) -> Result<Vec<String>> {
    let answer = side.get(&format!("applications/{client}/scopes")).await?;
    let scopes = list(&answer["scopes"]).iter();
    Ok(scopes
        .filter_map(|s| s.as_str().map(str::to_owned))
        .collect())
}

/// Ids of the roles of an application itself.
async fn roles_of(side: &Side, client: &str) -> Result<Vec<String>> {
    let answer = side.get(&format!("applications/{client}/roles")).await?;
    let roles = list(&answer["roles"]).iter();
    Ok(roles
        .filter_map(|role| role["id"].as_str().map(str::to_owned))
        .collect())
}

fn text(value: &Value, member: &str) -> Result<String> {
    let found = value[member].as_str().map(str::to_owned);
    found.with_context(|| format!("a service answered no {member}"))
}

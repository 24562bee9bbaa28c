//! The configuration of an instance on its way to another one.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use vestibule_engine::config::FAMILIES;

use super::{Move, access, side::Side};
use crate::cli::client::{Request, refusal};

/// Members of answers that no document has: they follow from it.
const DERIVED: [&str; 2] = ["redirectURL", "validation_data"];

/// What became of the configuration.
#[derive(Default)]
pub struct Settings {
    /// Name and outcome of each family.
    pub families: Vec<(String, String)>,
    /// Name, outcome and, of those that are new, the client id of each application.
    pub applications: Vec<(String, String, Option<String>)>,
    /// Name and outcome of each role.
    pub roles: Vec<(String, String)>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// What the operator has to do elsewhere.
    pub steps: Vec<String>,
}

/// Carries it, or says what would be carried.
pub async fn carry(this: &Move, dry_run: bool) -> Result<Settings> {
    let (from, to) = (&this.from, &this.to);
    let one_service =
        from.client.url() == to.client.url() && from.client.api_key() == to.client.api_key();
    if one_service {
        return within(from, to, dry_run).await;
    }
    let mut settings = Settings::default();
    for family in FAMILIES {
        let outcome = carry_family(from, to, family.name, dry_run, &mut settings).await?;
        settings
            .families
            .push((family.name.to_owned(), outcome.to_owned()));
    }
    access::carry(from, to, dry_run, &mut settings).await?;
    Ok(settings)
}

/// Within one service, which does it in one transaction.
async fn within(from: &Side, to: &Side, dry_run: bool) -> Result<Settings> {
    let names: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    let asked = json!({
        "sourceTenantId": from.guid, "families": names, "include": ["applications", "roles"], "dryRun": dry_run,
    });
    let told = to.client.post(&to.path("config/duplicate"), &asked).await;
    let told = told.context("the configuration was not copied")?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut settings = Settings {
        families: names
            .iter()
            .map(|name| ((*name).to_owned(), word(&told["families"][*name])))
            .collect(),
        warnings: list(&told["warnings"]).iter().map(word).collect(),
        ..Settings::default()
    };
    let outcomes = |kind: &str| -> Vec<(String, String)> {
        let all = list(&told[kind]);
        let pair = |one: &Value| (word(&one["name"]), word(&one["outcome"]));
        all.iter().map(pair).collect()
    };
    settings.roles = outcomes("roles");
    let here = to.get("applications").await?;
    let mut here: Vec<&Value> = list(&here["applications"]).iter().collect();
    for (name, outcome) in outcomes("applications") {
        // Those that share a name are paired in order of creation.
        let at = here.iter().position(|app| app["name"] == name.as_str());
        let id = at.and_then(|at| here.remove(at)["clientId"].as_str());
        let id = id.filter(|_| outcome == "created").map(str::to_owned);
        settings.applications.push((name, outcome, id));
    }
    Ok(settings)
}

/// Between two services: what the one shows is set at the other.
async fn carry_family(
    from: &Side,
    to: &Side,
    name: &str,
    dry_run: bool,
    settings: &mut Settings,
) -> Result<&'static str> {
    let path = format!("config/{name}");
    let mut shown = Vec::new();
    for side in [from, to] {
        match side.get(&path).await {
            Ok(answer) => shown.push(answer),
            Err(error) if unknown(&error) => {
                settings.warnings.push(format!(
                    "{name} stays behind: the {} does not know it.",
                    side.name
                ));
                return Ok("skipped");
            }
            Err(error) => return Err(error),
        }
    }
    let advice = advice(name, shown.get(1));
    let documents: Vec<Value> = shown.into_iter().map(document).collect();
    let [source, target] = documents.as_slice() else {
        return Ok("skipped");
    };
    if source == target {
        return Ok("unchanged");
    }
    if !dry_run {
        let place = to.path(&path);
        let sent = to
            .client
            .call(Request::new(Method::PUT, &place).body(source))
            .await;
        match sent {
            Ok(_) => {}
            Err(error) if refusal(&error).is_some() => {
                settings.warnings.push(format!(
                    "{name} stays as it is, the target refused it: {error:#}"
                ));
                return Ok("skipped");
            }
            Err(error) => return Err(error.context(format!("{name} was not set"))),
        }
        if document(to.get(&path).await?) != *source {
            settings.warnings.push(format!(
                "{name} was set, but the target keeps something of its own there: compare both."
            ));
        }
    }
    settings.steps.extend(advice);
    Ok("updated")
}

/// What a family holds, without what the service says about it.
fn document(mut answer: Value) -> Value {
    if let Some(members) = answer.as_object_mut() {
        for derived in DERIVED {
            members.remove(derived);
        }
    }
    answer
}

/// What has to be done at the provider when its settings were carried to another service.
fn advice(name: &str, target: Option<&Value>) -> Option<String> {
    let redirect = || target?.get("redirectURL")?.as_str();
    match name {
        "idps/google" | "idps/facebook" => {
            let provider = if name.ends_with("google") {
                "Google"
            } else {
                "Facebook"
            };
            let redirect = redirect()?;
            Some(format!(
                "Register {redirect} as a redirect URI at {provider}."
            ))
        }
        "idps/saml" => Some(String::from(
            "Register the target as a service provider at the SAML identity provider.",
        )),
        "idps/custom" => Some(String::from(
            "Assertions of the custom identity provider must name the target's issuer as their audience.",
        )),
        _ => None,
    }
}

/// Whether a service does not know a call.
pub fn unknown(error: &anyhow::Error) -> bool {
    matches!(refusal(error), Some(404 | 405))
}

/// The members of an array; none of anything else.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

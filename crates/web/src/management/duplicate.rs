//! `config/duplicate`: the configuration of another instance, with a dry run (interface.md).

use std::collections::BTreeMap;

use axum::{Json, extract::State, routing::post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vestibule_engine::{
    Error,
    config::{Duplication, DuplicationReport, Outcome, Part},
};
use vestibule_model::{id::TenantId, privilege::ServiceRole};

use crate::{
    App,
    error::ManagementError,
    extract::{AsManager, JsonBody},
    route::{Guard, Route},
};

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const PATH: &str = "/management/v4/{tenantId}/config/duplicate";
    vec![
        Route::new("post", PATH, "duplicate_config", || post(duplicate))
            .guard(Guard::Role(ServiceRole::Manager))
            .summary("Copy configuration from another instance; the caller is Manager of both.")
            .takes::<DuplicateRequest>()
            .answers::<DuplicateAnswer>(200),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DuplicateRequest {
    /// The instance to copy from.
    source_tenant_id: String,
    /// Names of configuration families; left out, those that are copied by default.
    families: Option<Vec<String>>,
    /// `applications`, `roles` or both.
    include: Option<Vec<String>>,
    /// Tells what would happen and changes nothing.
    dry_run: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
struct DuplicateAnswer {
    families: BTreeMap<&'static str, OutcomeBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applications: Option<Vec<NamedOutcome>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<NamedOutcome>>,
    warnings: Vec<String>,
}

/// Names of applications are not unique, hence a list.
#[derive(Serialize, JsonSchema)]
struct NamedOutcome {
    name: String,
    outcome: OutcomeBody,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OutcomeBody {
    Created,
    Updated,
    Unchanged,
    Skipped,
}

impl From<Outcome> for OutcomeBody {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Created => Self::Created,
            Outcome::Updated => Self::Updated,
            Outcome::Unchanged => Self::Unchanged,
            Outcome::Skipped => Self::Skipped,
        }
    }
}

impl From<DuplicationReport> for DuplicateAnswer {
    fn from(report: DuplicationReport) -> Self {
        let named = |all: Vec<(String, Outcome)>| {
            all.into_iter()
                .map(|(name, outcome)| NamedOutcome {
                    name,
                    outcome: outcome.into(),
                })
                .collect()
        };
        Self {
            families: report
                .families
                .into_iter()
                .map(|(name, outcome)| (name, outcome.into()))
                .collect(),
            applications: report.applications.map(named),
            roles: report.roles.map(named),
            warnings: report.warnings,
        }
    }
}

impl DuplicateRequest {
    fn parse(self) -> Result<Duplication, Error> {
        let include = self.include.unwrap_or_default();
        Ok(Duplication {
            source: TenantId::parse(&self.source_tenant_id)
                .map_err(|_| Error::invalid("sourceTenantId: is not a UUID"))?,
            families: self.families,
            include: include
                .iter()
                .map(|name| Part::parse(name))
                .collect::<Result<_, _>>()?,
            dry_run: self.dry_run.unwrap_or(false),
        })
    }
}

async fn duplicate(
    State(app): State<App>,
    AsManager(manager): AsManager,
    JsonBody(body, _): JsonBody<DuplicateRequest>,
) -> Result<Json<DuplicateAnswer>, ManagementError> {
    let asked = body.parse()?;
    let report = app.engine.duplicate_configuration(&manager, asked).await?;
    Ok(Json(report.into()))
}

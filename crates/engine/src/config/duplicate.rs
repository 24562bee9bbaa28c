//! Duplication: an instance gets the configuration of another one. A plan is made from what both hold; a dry run stops there.
//!
//! Keys are never copied. Documents and secrets are sealed for one instance, so what is copied is opened and sealed anew.

mod access;
mod plan;

use vestibule_model::{
    family::{Family, oauth::OauthConfig},
    id::TenantId,
};
use vestibule_store::snapshot::SealedKey;

use crate::{
    Engine, Error, Result,
    access::{Manager, Reader},
    keys,
};

use super::{Configuration, FAMILIES, FamilyEntry};
use plan::Plan;

/// What to duplicate.
#[derive(Debug, Clone)]
pub struct Duplication {
    /// The instance to copy from.
    pub source: TenantId,
    /// Names of families; `None` stands for those that are copied by default.
    pub families: Option<Vec<String>>,
    /// What else to copy.
    pub include: Vec<Part>,
    /// Whether to tell what would happen, and leave it at that.
    pub dry_run: bool,
}

/// What can be copied besides configuration families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Applications with their scopes, matched by name; new ones get a client id and a secret of their own.
    Applications,
    /// Roles, matched by name; their access follows the applications' names.
    Roles,
}

/// What became of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there before.
    Created,
    /// It was replaced.
    Updated,
    /// Both instances had the same already.
    Unchanged,
    /// It was left as it is; a warning says why.
    Skipped,
}

/// What a duplication did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DuplicationReport {
    /// By family, in the registry's order.
    pub families: Vec<(&'static str, Outcome)>,
    /// By name of the source's applications, if they were asked for.
    pub applications: Option<Vec<(String, Outcome)>>,
    /// By name of the source's roles, if they were asked for.
    pub roles: Option<Vec<(String, Outcome)>>,
    /// What the operator has to know or do.
    pub warnings: Vec<String>,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 2] = [Self::Applications, Self::Roles];

    /// Reads a part's name.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|part| part.name() == text)
            .ok_or_else(|| Error::invalid("include: may hold applications and roles."))
    }

    /// The part's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applications => "applications",
            Self::Roles => "roles",
        }
    }
}

impl Engine {
    /// Copies configuration from another instance. The caller must be a Manager of both, since secrets travel. Everything is
    /// written in one transaction, or nothing is; the source is read as of one moment.
    pub async fn duplicate_configuration(
        &self,
        target: &Manager,
        asked: Duplication,
    ) -> Result<DuplicationReport> {
        if asked.source == target.tenant() {
            return Err(Error::invalid(
                "sourceTenantId: must be another instance than the target.",
            ));
        }
        let families = named(asked.families.as_deref())?;
        let source = self
            .permit_manager(target.caller().clone(), asked.source)
            .await?;
        let snapshot = self
            .store()
            .read(source.tenant(), |tenant| tenant.find_snapshot())
            .await?
            .ok_or_else(|| Error::not_found("There is no such instance."))?;
        let engine = self.clone();
        let dry_run = asked.dry_run;
        let work = plan::Work {
            source: snapshot,
            source_id: asked.source,
            all_defaults: asked.families.is_none(),
            families,
            parts: asked.include,
        };
        if dry_run {
            let reader: &Reader = target;
            let now = self.now();
            return self
                .store()
                .read(reader.tenant(), move |tenant| {
                    Plan::make(&engine, &work, tenant, now).map(|plan| plan.report)
                })
                .await;
        }
        let fresh = self.keys_for(&work, target.tenant()).await?;
        self.change_tenant(target, move |tenant, now| {
            let plan = Plan::make(&engine, &work, tenant, now)?;
            plan.carry_out(&engine, tenant, now)?;
            keys::adopt(tenant, &fresh)?;
            Ok(plan.report)
        })
        .await
    }

    /// Keys are not copied: a signing algorithm that comes along, with the instance's choice or with an application's, needs one of
    /// the target's own.
    async fn keys_for(&self, work: &plan::Work, target: TenantId) -> Result<Vec<SealedKey>> {
        let mut chosen = Vec::new();
        if work
            .families
            .iter()
            .any(|entry| entry.name == OauthConfig::NAME)
        {
            let config = Configuration::open(self, work.source_id, &work.source.config)?;
            chosen.push(config.get::<OauthConfig>().signing_algorithm);
        }
        if work.parts.contains(&Part::Applications) {
            let applications = work.source.applications.iter();
            chosen.extend(applications.flat_map(|(one, _)| keys::wanted(&one.metadata)));
        }
        self.missing_keys(target, &chosen).await
    }
}

/// The families of a request, each once, in the registry's order.
fn named(names: Option<&[String]>) -> Result<Vec<&'static FamilyEntry>> {
    let Some(names) = names else {
        return Ok(FAMILIES
            .iter()
            .filter(|entry| entry.duplicated_by_default)
            .collect());
    };
    if names
        .iter()
        .any(|name| !FAMILIES.iter().any(|entry| entry.name == name))
    {
        let known: Vec<&str> = FAMILIES.iter().map(|entry| entry.name).collect();
        return Err(Error::invalid(format!(
            "families: may hold {}.",
            known.join(", ")
        )));
    }
    Ok(FAMILIES
        .iter()
        .filter(|entry| names.iter().any(|name| name == entry.name))
        .collect())
}

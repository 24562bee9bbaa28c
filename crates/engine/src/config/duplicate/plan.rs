//! What a duplication will write, decided before anything is written.

use std::sync::Arc;

use vestibule_model::{
    application::{Application, metadata::ClientMetadata},
    family::{Family, redirects::RedirectUris},
    id::{ClientId, RoleId, TenantId},
    role::Role,
    time::Timestamp,
};
use vestibule_store::{scope::Tenant, snapshot::Snapshot};
use zeroize::Zeroizing;

use super::{DuplicationReport, FamilyEntry, Outcome, Part, access};
use crate::{Engine, Error, Result, config::registry::Carried};

/// What is to be copied.
pub(super) struct Work {
    pub source: Snapshot,
    pub source_id: TenantId,
    /// Whether no family was named.
    pub all_defaults: bool,
    pub families: Vec<&'static FamilyEntry>,
    pub parts: Vec<Part>,
}

/// What will be written at the target.
#[derive(Default)]
pub(super) struct Plan {
    pub documents: Vec<(&'static str, Zeroizing<Vec<u8>>)>,
    pub new_applications: Vec<Application>,
    pub scopes: Vec<(ClientId, Vec<String>)>,
    pub metadata: Vec<(ClientId, Arc<ClientMetadata>)>,
    pub new_roles: Vec<Role>,
    pub changed_roles: Vec<Role>,
    pub application_roles: Vec<(ClientId, Vec<RoleId>)>,
    pub report: DuplicationReport,
}

impl Plan {
    /// Compares both instances. Reads only.
    pub fn make(
        engine: &Engine,
        work: &Work,
        tenant: &mut Tenant<'_, '_>,
        now: Timestamp,
    ) -> Result<Self> {
        let target = tenant
            .find_snapshot()?
            .ok_or_else(|| Error::not_found("There is no such instance."))?;
        let mut plan = Self::default();
        plan.carry_families(engine, work, &target, tenant)?;
        access::carry(engine, work, &target, &mut plan, now)?;
        Ok(plan)
    }

    /// Writes it.
    pub fn carry_out(
        &self,
        engine: &Engine,
        tenant: &mut Tenant<'_, '_>,
        now: Timestamp,
    ) -> Result<()> {
        for (family, plain) in &self.documents {
            engine.write_document(tenant, family, plain, now)?;
        }
        for application in &self.new_applications {
            let sealed = engine
                .new_secret_for(application.kind)
                .map(|secret| engine.seal_secret(tenant.id(), application.client_id, &secret));
            tenant.insert_application(application, sealed.as_deref())?;
        }
        for (client, scopes) in &self.scopes {
            tenant.update_application_scopes(*client, scopes)?;
        }
        for (client, metadata) in &self.metadata {
            tenant.update_application_metadata(*client, metadata, now)?;
        }
        for role in &self.new_roles {
            tenant.insert_role(role, now)?;
        }
        for role in &self.changed_roles {
            tenant.update_role(role, now)?;
        }
        for (client, roles) in &self.application_roles {
            tenant.update_application_roles(*client, roles)?;
        }
        Ok(())
    }

    fn carry_families(
        &mut self,
        engine: &Engine,
        work: &Work,
        target: &Snapshot,
        tenant: &mut Tenant<'_, '_>,
    ) -> Result<()> {
        let has_users = tenant.has_directory_users()?;
        let to = engine.place(tenant.id());
        for entry in &work.families {
            let source = plain(engine, work.source_id, &work.source, entry.name)?;
            let old = plain(engine, tenant.id(), target, entry.name)?;
            let carrying = (entry.carry)(&Carried {
                source: source.as_ref().map(|plain| plain.as_slice()),
                target: old.as_ref().map(|plain| plain.as_slice()),
                to: &to,
                has_users,
            })?;
            if let Some(document) = carrying.document {
                self.documents.push((entry.name, document));
            }
            self.report.families.push((entry.name, carrying.outcome));
            self.report.warnings.extend(carrying.warning);
        }
        if work.all_defaults {
            self.note_redirect_uris(engine, work)?;
        }
        Ok(())
    }

    /// Redirect URIs stay behind unless they are named; whoever copies everything else should hear of it.
    fn note_redirect_uris(&mut self, engine: &Engine, work: &Work) -> Result<()> {
        let name = RedirectUris::NAME;
        self.report.families.push((name, Outcome::Skipped));
        let source = plain(engine, work.source_id, &work.source, name)?;
        let uris: RedirectUris = match &source {
            Some(plain) => serde_json::from_slice(plain).map_err(Error::internal)?,
            None => RedirectUris::default(),
        };
        if !uris.redirect_uris.is_empty() {
            self.report.warnings.push(format!(
                "{name} stay behind: the source allows {} of them. Set the target's own, or name {name} among the families.",
                uris.redirect_uris.len()
            ));
        }
        Ok(())
    }
}

fn plain(
    engine: &Engine,
    tenant: TenantId,
    snapshot: &Snapshot,
    family: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    snapshot
        .config
        .iter()
        .find(|(name, _)| name == family)
        .map(|(_, sealed)| engine.open_document(tenant, family, sealed))
        .transpose()
}

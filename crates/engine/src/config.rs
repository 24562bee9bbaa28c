//! Configuration families of an instance: the registry, and what is derived from it.

mod certificate;
mod duplicate;
mod registry;
mod rules;

use std::{any::Any, collections::HashMap, sync::Arc};

use vestibule_model::{family::Family, id::TenantId, time::Timestamp};
use vestibule_store::scope::Tenant;
use zeroize::Zeroizing;

use crate::{
    Engine, Error, Kind, Result,
    access::{Reader, Writer},
};

pub use certificate::CertificateCheck;
pub use duplicate::{Duplication, DuplicationReport, Outcome, Part};
pub use registry::{FAMILIES, FamilyEntry};
pub use rules::Rules;

/// The configuration of one instance, decoded.
pub struct Configuration {
    documents: HashMap<&'static str, Arc<dyn Any + Send + Sync>>,
}

impl Configuration {
    /// The document of one family, or the family's default when none was ever set.
    pub fn get<F: Family>(&self) -> Arc<F> {
        self.documents
            .get(F::NAME)
            .and_then(|document| Arc::clone(document).downcast::<F>().ok())
            .unwrap_or_default()
    }

    /// Opens and decodes stored documents. A document of a family this program does not know is left alone.
    pub(crate) fn open(
        engine: &Engine,
        tenant: TenantId,
        sealed: &[(String, Vec<u8>)],
    ) -> Result<Self> {
        let mut documents = HashMap::with_capacity(sealed.len());
        for (name, bytes) in sealed {
            let Some(entry) = FAMILIES.iter().find(|entry| entry.name == name) else {
                continue;
            };
            let plain = engine.open_document(tenant, entry.name, bytes)?;
            documents.insert(entry.name, (entry.decode)(&plain)?);
        }
        Ok(Self { documents })
    }
}

/// Where an instance is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The instance.
    pub tenant: TenantId,
    /// Scheme and authority that clients see.
    pub host: String,
}

impl Place {
    /// `{host}/oauth/v4/{tenantId}`: issuer and base of the OAuth endpoints.
    pub fn issuer(&self) -> String {
        format!("{}/oauth/v4/{}", self.host, self.tenant)
    }

    /// Where a social provider sends people back to.
    pub fn callback(&self, provider: &str) -> String {
        format!("{}/callback/{provider}", self.issuer())
    }

    /// Where a SAML provider posts its assertions (contract/runtime.md section 4.10).
    pub fn assertion_consumer(&self) -> String {
        format!("{}/saml2/v1/{}/login-acs", self.host, self.tenant)
    }

    /// The entity ID of the instance as a SAML service provider.
    pub fn entity_id(&self) -> String {
        format!("urn:ibm:cloud:services:appid:{}", self.tenant)
    }
}

impl Engine {
    /// Where an instance is found.
    pub fn place(&self, tenant: TenantId) -> Place {
        Place {
            tenant,
            host: self.settings().public_url.clone(),
        }
    }

    /// The document of one family.
    pub async fn family<F: Family>(&self, reader: &Reader) -> Result<Arc<F>> {
        Ok(self.tenant(reader.tenant()).await?.config.get::<F>())
    }

    /// Replaces the document of one family.
    pub async fn set_family<F: Rules>(&self, writer: &Writer, next: F) -> Result<F> {
        self.change_family(writer, move |_| next).await
    }

    /// Makes a new document of one family from the one there is. Changes of one instance follow one another, so none is lost.
    pub async fn change_family<F: Rules>(
        &self,
        writer: &Writer,
        change: impl FnOnce(&F) -> F + Send + 'static,
    ) -> Result<F> {
        self.change_family_and(writer, change, |_| Ok(())).await
    }

    /// The same, with what else belongs to the change, in one transaction.
    pub(crate) async fn change_family_and<F: Rules>(
        &self,
        writer: &Writer,
        change: impl FnOnce(&F) -> F + Send + 'static,
        also: impl FnOnce(&mut Tenant<'_, '_>) -> Result<()> + Send + 'static,
    ) -> Result<F> {
        let engine = self.clone();
        self.change_tenant(writer, move |tenant, now| {
            let current = engine.read_document::<F>(tenant)?;
            let next = change(&current);
            next.validate()?;
            next.examine()?;
            if next == current {
                return Ok(next);
            }
            if current.needs_empty_directory(&next) && tenant.has_directory_users()? {
                return Err(settled_by_users());
            }
            let plain = Zeroizing::new(serde_json::to_vec(&next).map_err(Error::internal)?);
            engine.write_document(tenant, F::NAME, &plain, now)?;
            also(tenant)?;
            Ok(next)
        })
        .await
    }

    fn read_document<F: Family>(&self, tenant: &mut Tenant<'_, '_>) -> Result<F> {
        let Some(sealed) = tenant.find_config(F::NAME)? else {
            return Ok(F::default());
        };
        let plain = self.open_document(tenant.id(), F::NAME, &sealed)?;
        serde_json::from_slice(&plain).map_err(Error::internal)
    }

    fn write_document(
        &self,
        tenant: &mut Tenant<'_, '_>,
        family: &str,
        plain: &[u8],
        now: Timestamp,
    ) -> Result<()> {
        let context = document_context(tenant.id(), family);
        let sealed = self.master().seal(context.as_bytes(), plain, self.random());
        Ok(tenant.update_config(family, &sealed, now)?)
    }

    fn open_document(
        &self,
        tenant: TenantId,
        family: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.master()
            .open(document_context(tenant, family).as_bytes(), sealed)
            .map_err(Error::internal)
    }
}

/// What a sealed document is bound to: a row copied to another instance or family does not open.
pub(crate) fn document_context(tenant: TenantId, family: &str) -> String {
    format!("config:{tenant}:{family}")
}

fn settled_by_users() -> Error {
    Error::new(
        Kind::Invalid,
        "directory_not_empty",
        "config.identityField: can change only while the directory is empty.",
    )
}

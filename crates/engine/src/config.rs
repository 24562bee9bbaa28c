//! Configuration families of an instance: the registry, and what is derived from it.

mod registry;

use std::{any::Any, collections::HashMap, sync::Arc};

use vestibule_model::{family::Family, id::TenantId};

use crate::{Engine, Error, Result};

pub use registry::{FAMILIES, FamilyEntry};

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
            let plain = engine
                .master()
                .open(document_context(tenant, entry.name).as_bytes(), bytes)
                .map_err(Error::internal)?;
            documents.insert(entry.name, (entry.decode)(&plain)?);
        }
        Ok(Self { documents })
    }
}

/// What a sealed document is bound to: a row copied to another instance or family does not open.
pub(crate) fn document_context(tenant: TenantId, family: &str) -> String {
    format!("config:{tenant}:{family}")
}

//! The one list of configuration families. A family in this list is read, written, defaulted and duplicated; nothing else has to
//! be told about it.

use std::{any::Any, sync::Arc};

use vestibule_model::family::{
    Family, idps::CloudDirectory, profiles::UsersProfile, redirects::RedirectUris,
    tokens::TokensConfig,
};

use crate::{Error, Result};

/// What the engine knows of a family without knowing its type.
pub struct FamilyEntry {
    /// The family's name, e.g. `idps/google`.
    pub name: &'static str,
    /// Whether `config/duplicate` copies it when no family is named.
    pub duplicated_by_default: bool,
    /// Reads a stored document.
    pub(crate) decode: fn(&[u8]) -> Result<Arc<dyn Any + Send + Sync>>,
}

impl FamilyEntry {
    const fn of<F: Family>() -> Self {
        Self {
            name: F::NAME,
            duplicated_by_default: F::DUPLICATED_BY_DEFAULT,
            decode: decode::<F>,
        }
    }
}

/// Every family there is.
pub const FAMILIES: &[FamilyEntry] = &[
    FamilyEntry::of::<CloudDirectory>(),
    FamilyEntry::of::<TokensConfig>(),
    FamilyEntry::of::<UsersProfile>(),
    FamilyEntry::of::<RedirectUris>(),
];

fn decode<F: Family>(bytes: &[u8]) -> Result<Arc<dyn Any + Send + Sync>> {
    let family: F = serde_json::from_slice(bytes).map_err(Error::internal)?;
    Ok(Arc::new(family))
}

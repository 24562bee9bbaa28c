//! The one list of configuration families. A family in this list is read, written, defaulted and duplicated; nothing else has to
//! be told about it.

use std::{any::Any, sync::Arc};

use serde::Serialize;
use vestibule_model::family::{
    idps::{CloudDirectory, CustomIdp, Facebook, Google, SamlIdp},
    oauth::OauthConfig,
    profiles::UsersProfile,
    redirects::RedirectUris,
    registration::RegistrationConfig,
    sso::SsoConfig,
    tokens::TokensConfig,
    ui::{Languages, ThemeColor, ThemeText},
};
use zeroize::Zeroizing;

use super::{Outcome, Place, Rules};
use crate::{Error, Result};

/// What the engine knows of a family without knowing its type.
pub struct FamilyEntry {
    /// The family's name, e.g. `idps/google`.
    pub name: &'static str,
    /// Whether `config/duplicate` copies it when no family is named.
    pub duplicated_by_default: bool,
    /// Reads a stored document.
    pub(crate) decode: fn(&[u8]) -> Result<Arc<dyn Any + Send + Sync>>,
    /// Decides how the document of one instance becomes another's.
    pub(super) carry: fn(&Carried<'_>) -> Result<Carrying>,
}

/// The documents of one family at two instances, each `None` if it was never set there.
pub(super) struct Carried<'a> {
    /// What is copied.
    pub source: Option<&'a [u8]>,
    /// What it replaces.
    pub target: Option<&'a [u8]>,
    /// Where it goes.
    pub to: &'a Place,
    /// Whether the target's directory has users.
    pub has_users: bool,
}

/// What copying comes to.
pub(super) struct Carrying {
    pub outcome: Outcome,
    /// The new document, if there is one to write.
    pub document: Option<Zeroizing<Vec<u8>>>,
    /// What the operator should know.
    pub warning: Option<String>,
}

impl FamilyEntry {
    const fn of<F: Rules>() -> Self {
        Self {
            name: F::NAME,
            duplicated_by_default: F::DUPLICATED_BY_DEFAULT,
            decode: |bytes| Ok(Arc::new(document::<F>(bytes)?)),
            carry: carry::<F>,
        }
    }
}

/// Every family there is.
pub const FAMILIES: &[FamilyEntry] = &[
    FamilyEntry::of::<CloudDirectory>(),
    FamilyEntry::of::<Facebook>(),
    FamilyEntry::of::<Google>(),
    FamilyEntry::of::<CustomIdp>(),
    FamilyEntry::of::<SamlIdp>(),
    FamilyEntry::of::<SsoConfig>(),
    FamilyEntry::of::<TokensConfig>(),
    FamilyEntry::of::<OauthConfig>(),
    FamilyEntry::of::<UsersProfile>(),
    FamilyEntry::of::<ThemeText>(),
    FamilyEntry::of::<ThemeColor>(),
    FamilyEntry::of::<Languages>(),
    FamilyEntry::of::<RedirectUris>(),
    FamilyEntry::of::<RegistrationConfig>(),
];

fn document<F: Rules>(bytes: &[u8]) -> Result<F> {
    serde_json::from_slice(bytes).map_err(Error::internal)
}

fn carry<F: Rules>(carried: &Carried<'_>) -> Result<Carrying> {
    let read = |bytes: Option<&[u8]>| bytes.map_or_else(|| Ok(F::default()), document::<F>);
    let (source, target) = (read(carried.source)?, read(carried.target)?);
    if source == target {
        return Ok(Carrying {
            outcome: Outcome::Unchanged,
            document: None,
            warning: None,
        });
    }
    if carried.has_users && target.needs_empty_directory(&source) {
        return Ok(Carrying {
            outcome: Outcome::Skipped,
            document: None,
            warning: Some(format!(
                "{} stays as it is: its identity field can change only while the directory is empty.",
                F::NAME
            )),
        });
    }
    Ok(Carrying {
        outcome: match carried.target {
            Some(_) => Outcome::Updated,
            None => Outcome::Created,
        },
        document: Some(encode(&source)?),
        warning: source.advice(carried.to),
    })
}

fn encode(document: &impl Serialize) -> Result<Zeroizing<Vec<u8>>> {
    serde_json::to_vec(document)
        .map(Zeroizing::new)
        .map_err(Error::internal)
}

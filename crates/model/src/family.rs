//! Configuration families: the documents that make up an instance's configuration.
//!
//! A family is a type with [`Family`] and one line in the engine's registry; from the registry come reading, writing, defaults,
//! duplication, and whatever later handles all configuration at once.

pub mod idps;
pub(crate) mod input;
pub mod oauth;
pub mod profiles;
pub mod redirects;
pub mod registration;
mod secret;
pub mod sso;
pub mod tokens;
pub mod ui;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::Invalid;

pub use secret::Secret;

/// One configuration document of an instance. `Default` is what an instance has before anyone sets it. The document in storage
/// and the body on the wire are the same JSON, so a family is written down once.
pub trait Family:
    Serialize + DeserializeOwned + JsonSchema + Default + Clone + PartialEq + Send + Sync + 'static
{
    /// The name in storage, in `config/duplicate` and in bundles, e.g. `idps/google`. Never changes.
    const NAME: &'static str;

    /// Whether `config/duplicate` copies it when no family is named (redirect URIs stay behind, interface.md).
    const DUPLICATED_BY_DEFAULT: bool = true;

    /// Whether the document is valid as a whole; called on every write. Serde has already checked the shape.
    fn validate(&self) -> Result<(), Invalid>;
}

//! Identity providers (contract/management-v4.openapi.yaml, `config/idps/*`).

pub mod cloud_directory;
pub mod custom;
pub mod saml;
pub mod social;

pub use cloud_directory::CloudDirectory;
pub use custom::CustomIdp;
pub use saml::SamlIdp;
pub use social::{Facebook, Google};

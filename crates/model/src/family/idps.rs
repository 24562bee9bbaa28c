//! Identity providers (contract/management-v4.openapi.yaml, `config/idps/*`).

pub mod cloud_directory;

pub use cloud_directory::CloudDirectory;

//! What the words of the product mean: identifiers, roles, configuration families, users. Values here are valid by
//! construction (`parse` is the only door); nothing here does I/O, reads the clock or knows SQL, HTTP or cryptography.

pub mod application;
pub mod attributes;
pub mod details;
pub mod directory;
pub mod email;
pub mod family;
pub mod iam;
pub mod id;
pub mod instance;
pub mod invalid;
pub mod job;
pub mod object;
pub mod privilege;
pub mod profile;
pub mod resource;
pub mod role;
pub mod text;
pub mod time;
mod uri;

pub use invalid::Invalid;

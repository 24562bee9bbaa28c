//! OAuth and OpenID Connect messages: reading and rendering. Knows the model; knows no database and no HTTP server.

pub mod authorization;
pub mod client;
pub mod discovery;
pub mod language;
pub mod parameters;
pub mod redirect;
pub mod token;

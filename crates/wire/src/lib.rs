//! OAuth and OpenID Connect messages, and streams of records: reading and rendering. Knows the model; knows no database and no
//! HTTP server.

pub mod authorization;
pub mod claims_request;
pub mod client;
pub mod details;
pub mod discovery;
pub mod language;
pub mod parameters;
pub mod records;
pub mod redirect;
pub mod target;
pub mod token;
pub mod user_code;

//! SQL for SQLite and PostgreSQL. Knows the model and the two databases; knows nothing of HTTP, protocols or cryptography:
//! what is sealed or hashed arrives so.
//!
//! Store functions are methods of [`scope::Tenant`] (one instance's rows) or [`scope::Platform`], written once, in plain
//! sequential code, for both engines; the seam is `db`.

mod application;
pub mod client;
mod config;
mod db;
pub mod device;
mod dialect;
pub mod directory;
mod error;
mod identity;
pub mod job;
pub mod key;
mod migrate;
mod page;
pub mod people;
pub mod platform;
mod postgres;
pub mod profile;
pub mod pushed;
mod queue;
mod role;
pub mod runtime;
pub mod scope;
pub mod session;
pub mod snapshot;
mod sqlite;
mod tls;
mod value;

pub use db::{Conn, Db, DbOptions, EngineKind};
pub use error::{Error, Result};
pub use page::Page;
pub use scope::Store;
pub use value::{Cells, Row, Value};

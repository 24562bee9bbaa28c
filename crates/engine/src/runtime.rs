//! The runtime plane: tokens for applications and the people who sign in (contract/runtime.md sections 3 to 7).
//!
//! Discovery, public keys, client credentials and introspection read no row: they live on [`crate::tenant::TenantState`].
//! Signing and hashing stay outside of transactions.

mod anonymous;
mod attributes;
pub mod authorization;
mod basis;
mod bearer;
mod certificate;
mod check_session;
mod claims;
mod client;
mod code;
mod custom;
mod details;
pub mod device;
mod directory;
mod dpop;
mod exchange;
mod farewell;
pub mod logout;
mod mapping;
mod mobile;
mod person;
pub mod presentation;
mod public;
mod pushed;
mod registration;
mod renewal;
mod request_object;
mod resource;
mod revocation;
pub mod session;
mod subject;
mod throttle;
mod token;
mod verified;

pub use attributes::UserInfo;
pub(crate) use certificate::is_certificate;
pub use certificate::{Chain, ClientCertificate};
pub use client::ClientRequest;
pub use details::ShownDetail;
pub use dpop::{Possession, Presented, Scheme};
pub use registration::{NewClient, Registered};
pub(crate) use throttle::Throttle;
pub(crate) use verified::Verified;

use vestibule_wire::parameters::ParameterError;

use crate::{Error, Kind};

/// Seconds that the longest-lived signed token lives: an anonymous one, 90 days.
pub(crate) const LONGEST_LIFE: i64 = 7_776_000;

/// Wrong credentials, a used code, a bad refresh token (RFC 6749 section 5.2).
fn invalid_grant(public: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, "invalid_grant", public)
}

impl From<ParameterError> for Error {
    fn from(error: ParameterError) -> Self {
        Self::invalid(error.to_string())
    }
}

//! What handlers take from requests: permissions, bodies, tokens.

mod body;
mod object;
mod permission;
mod query;

pub use body::{JsonBody, parse};
pub use object::{AtApplication, AtDirectoryUser, AtJob, AtProfile, AtRole};
pub use permission::{AsManager, AsReader, AsWriter, Bearer, Calling, FromTheStart, own_account};
pub use query::{Paging, QueryOf};

//! What handlers take from requests: permissions, bodies, tokens.

mod body;
mod object;
mod permission;

pub use body::JsonBody;
pub use object::{AtApplication, AtRole};
pub use permission::{AsManager, AsReader, AsWriter, Bearer, Calling};

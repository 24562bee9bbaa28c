//! What handlers take from requests: permissions, bodies, tokens.

mod body;
mod permission;

pub use body::JsonBody;
pub use permission::{AsManager, AsReader, AsWriter, Bearer, Calling};

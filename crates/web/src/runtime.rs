//! The runtime plane: the OAuth server and the Profiles API (contract/runtime.md sections 3 to 7).

mod cors;
mod device;
mod discovery;
mod people;
mod registration;
mod request;
mod sign_in;
mod tokens;
mod visitor;

use crate::route::Route;

/// Its routes.
pub fn routes() -> Vec<Route> {
    [
        discovery::routes(),
        sign_in::routes(),
        tokens::routes(),
        people::routes(),
        registration::routes(),
        device::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

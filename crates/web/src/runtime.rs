//! The runtime plane: the OAuth server and the Profiles API (contract/runtime.md sections 3 to 7).

mod cors;
mod discovery;
mod request;
mod tokens;

use crate::route::Route;

/// Its routes.
pub fn routes() -> Vec<Route> {
    [discovery::routes(), tokens::routes()]
        .into_iter()
        .flatten()
        .collect()
}

//! The management plane: what administrators of one instance do (contract/management-v4.openapi.yaml).

mod applications;
mod config;
mod duplicate;
mod roles;

use crate::route::Route;

/// Its routes.
pub fn routes() -> Vec<Route> {
    [
        applications::routes(),
        roles::routes(),
        config::routes(),
        duplicate::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

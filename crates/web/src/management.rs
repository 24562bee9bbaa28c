//! The management plane: what administrators of one instance do (contract/management-v4.openapi.yaml).

mod applications;
mod clients;
mod config;
mod directory;
mod directory_accounts;
mod duplicate;
mod jobs;
mod keys;
mod moving;
mod roles;
mod users;

use crate::route::Route;

/// Its routes.
pub fn routes() -> Vec<Route> {
    [
        applications::routes(),
        clients::routes(),
        roles::routes(),
        config::routes(),
        duplicate::routes(),
        directory::routes(),
        directory_accounts::routes(),
        users::routes(),
        jobs::routes(),
        keys::routes(),
        moving::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

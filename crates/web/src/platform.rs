//! The platform plane: IAM tokens and policies, resource instances and keys (contract/platform.md).

mod apikeys;
mod credentials;
mod instances;
mod outbox;
mod paging;
mod policies;
mod policies_v2;
mod reclamations;
mod serviceids;
mod tokens;

use crate::route::Route;

/// Its routes.
pub fn routes() -> Vec<Route> {
    let mut routes = tokens::routes();
    routes.extend(instances::routes());
    routes.extend(credentials::routes());
    routes.extend(reclamations::routes());
    routes.extend(apikeys::routes());
    routes.extend(serviceids::routes());
    routes.extend(policies::routes());
    routes.extend(policies_v2::routes());
    routes.extend(outbox::routes());
    routes
}

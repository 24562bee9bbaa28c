//! The platform plane.

use crate::route::Route;

/// Its routes.
pub fn routes() -> Vec<Route> {
    Vec::new()
}

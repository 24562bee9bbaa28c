//! Discovery and public keys.

use axum::{Json, extract::State, routing::get};
use vestibule_wire::discovery::{Discovery, KeySet};

use super::{cors, request::At};
use crate::{App, error::OauthError, route::Route};

/// The places of the discovery document: OpenID Connect's, and both that RFC 8414 section 3.1 and section 5 speak of.
const DISCOVERY: [(&str, &str); 3] = [
    (
        "/oauth/v4/{tenantId}/.well-known/openid-configuration",
        "discovery",
    ),
    (
        "/oauth/v4/{tenantId}/.well-known/oauth-authorization-server",
        "server_metadata",
    ),
    (
        "/.well-known/oauth-authorization-server/oauth/v4/{tenantId}",
        "server_metadata_of_host",
    ),
];

/// Documents that everybody may read.
pub(super) fn routes() -> Vec<Route> {
    let discovered = DISCOVERY.map(|(path, operation)| {
        Route::new("get", path, operation, || cors::open(get(discovery)))
            .summary("What clients can find out about the instance.")
            .answers::<Discovery>(200)
    });
    let keys = vec![
        Route::new(
            "get",
            "/oauth/v4/{tenantId}/publickeys",
            "publickeys",
            || cors::open(get(public_keys)),
        )
        .summary("The keys that verify the instance's tokens.")
        .answers::<KeySet>(200),
    ];
    discovered.into_iter().chain(keys).collect()
}

async fn discovery(State(app): State<App>, At(tenant): At) -> Result<Json<Discovery>, OauthError> {
    Ok(Json(app.engine.discover(tenant).await?))
}

async fn public_keys(State(app): State<App>, At(tenant): At) -> Result<Json<KeySet>, OauthError> {
    Ok(Json(app.engine.public_keys(tenant).await?))
}

//! Discovery and public keys.

use axum::{Json, extract::State, routing::get};
use vestibule_wire::discovery::{Discovery, KeySet};

use super::{cors, request::At};
use crate::{App, error::OauthError, route::Route};

/// Two documents that everybody may read.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            "get",
            "/oauth/v4/{tenantId}/.well-known/openid-configuration",
            "discovery",
            || cors::open(get(discovery)),
        )
        .summary("What clients can find out about the instance.")
        .answers::<Discovery>(200),
        Route::new(
            "get",
            "/oauth/v4/{tenantId}/publickeys",
            "publickeys",
            || cors::open(get(public_keys)),
        )
        .summary("The keys that verify the instance's tokens.")
        .answers::<KeySet>(200),
    ]
}

async fn discovery(State(app): State<App>, At(tenant): At) -> Result<Json<Discovery>, OauthError> {
    Ok(Json(app.engine.discover(tenant).await?))
}

async fn public_keys(State(app): State<App>, At(tenant): At) -> Result<Json<KeySet>, OauthError> {
    Ok(Json(app.engine.public_keys(tenant).await?))
}

//! Signing keys of an instance.

use axum::{
    Json,
    extract::State,
    routing::{get, post},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vestibule_engine::keys::KeyInfo;
use vestibule_model::privilege::ServiceRole;

use crate::{
    App,
    error::ManagementError,
    extract::{AsManager, AsReader, JsonBody},
    route::{Guard, Route},
};

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            "get",
            "/management/v4/{tenantId}/keys",
            "list_signing_keys",
            || get(list),
        )
        .guard(Guard::Role(ServiceRole::Reader))
        .summary("The keys that sign and verify the instance's tokens.")
        .answers::<Keys>(200),
        Route::new(
            "post",
            "/management/v4/{tenantId}/keys/rotate",
            "rotate_signing_keys",
            || post(rotate),
        )
        .guard(Guard::Role(ServiceRole::Manager))
        .summary("Sign with a new key. Tokens of the old one stay good until they run out.")
        .takes::<Rotation>()
        .answers::<Keys>(200),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Rotation {
    /// Whether every token that an old key signed is refused from now on: for a key that somebody else may have.
    #[serde(default)]
    at_once: bool,
}

/// Newest first.
#[derive(Serialize, JsonSchema)]
struct Keys {
    keys: Vec<Key>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Key {
    kid: String,
    algorithm: String,
    created_at: String,
    /// When it ceased to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<String>,
    /// When it ceases to verify.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl From<Vec<KeyInfo>> for Keys {
    fn from(keys: Vec<KeyInfo>) -> Self {
        let keys = keys.into_iter().map(|key| Key {
            kid: key.kid,
            algorithm: key.algorithm,
            created_at: key.created_at.rfc3339(),
            retired_at: key.retired_at.map(|at| at.rfc3339()),
            expires_at: key.expires_at.map(|at| at.rfc3339()),
        });
        Self {
            keys: keys.collect(),
        }
    }
}

async fn list(
    State(app): State<App>,
    AsReader(reader): AsReader,
) -> Result<Json<Keys>, ManagementError> {
    Ok(Json(app.engine.list_signing_keys(&reader).await?.into()))
}

async fn rotate(
    State(app): State<App>,
    AsManager(manager): AsManager,
    JsonBody(body, _): JsonBody<Rotation>,
) -> Result<Json<Keys>, ManagementError> {
    let keys = app
        .engine
        .rotate_signing_keys(&manager, body.at_once)
        .await?;
    Ok(Json(keys.into()))
}

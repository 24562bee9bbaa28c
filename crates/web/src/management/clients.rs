//! `applications/{clientId}/metadata`: what clients say of themselves, in the words of RFC 7591 and OpenID Connect.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vestibule_engine::client::{Consent, InitialToken};
use vestibule_model::{application::metadata::ClientMetadata, privilege::ServiceRole};

use crate::{
    App,
    error::ManagementError,
    extract::{AsReader, AsWriter, AtApplication, AtProfile, JsonBody},
    route::{Guard, Route},
};

const READER: Guard = Guard::Role(ServiceRole::Reader);
const WRITER: Guard = Guard::Role(ServiceRole::Writer);

type Answer<T> = Result<Json<T>, ManagementError>;

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const METADATA: &str = "/management/v4/{tenantId}/applications/{clientId}/metadata";
    const CONSENTS: &str = "/management/v4/{tenantId}/users/{id}/consents";
    const CONSENT: &str = "/management/v4/{tenantId}/users/{id}/consents/{clientId}";
    const TOKENS: &str = "/management/v4/{tenantId}/oauth/initial_access_tokens";
    const TOKEN: &str = "/management/v4/{tenantId}/oauth/initial_access_tokens/{id}";
    vec![
        Route::new("get", METADATA, "get_client_metadata", || get(metadata))
            .guard(READER)
            .summary("What the application says of itself; empty where it follows the instance's lists.")
            .answers::<ClientMetadata>(200),
        Route::new("put", METADATA, "set_client_metadata", || put(set_metadata))
            .guard(WRITER)
            .summary("Replace what the application says of itself: its own redirect URIs, grants, keys and so on.")
            .takes::<ClientMetadata>()
            .answers::<ClientMetadata>(200),
        Route::new("get", CONSENTS, "list_consents", || get(consents))
            .guard(READER)
            .summary("What a person agreed to, by application.")
            .answers::<Consents>(200),
        Route::new("delete", CONSENT, "withdraw_consent", || delete(withdraw))
            .guard(WRITER)
            .summary("Take back what a person agreed to with one application; its refresh tokens end.")
            .answers_nothing(204),
        Route::new("get", TOKENS, "list_initial_access_tokens", || get(tokens))
            .guard(READER)
            .summary("Tokens with which clients may register themselves, without the tokens.")
            .answers::<InitialTokens>(200),
        Route::new("post", TOKENS, "create_initial_access_token", || post(create_token))
            .guard(WRITER)
            .summary("Make a token with which clients may register themselves. It is shown once.")
            .takes::<CreateInitialToken>()
            .answers::<InitialTokenBody>(201),
        Route::new("delete", TOKEN, "delete_initial_access_token", || delete(delete_token))
            .guard(WRITER)
            .summary("End a token with which clients may register themselves.")
            .answers_nothing(204),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CreateInitialToken {
    /// How many clients may register with it; 1 unless said otherwise, 10,000 at most.
    uses: Option<i64>,
    /// How long it lives; a day unless said otherwise, a year at most.
    expires_in_seconds: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct InitialTokenBody {
    id: String,
    /// Only when it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    uses_left: i64,
    created_at: String,
    expires_at: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct InitialTokens {
    initial_access_tokens: Vec<InitialTokenBody>,
}

impl From<InitialToken> for InitialTokenBody {
    fn from(kept: InitialToken) -> Self {
        Self {
            id: kept.id,
            token: None,
            uses_left: kept.uses_left,
            created_at: kept.created_at.rfc3339(),
            expires_at: kept.expires_at.rfc3339(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ConsentBody {
    client_id: String,
    scopes: Vec<String>,
    granted_at: String,
}

#[derive(Serialize, JsonSchema)]
struct Consents {
    consents: Vec<ConsentBody>,
}

impl From<Consent> for ConsentBody {
    fn from(consent: Consent) -> Self {
        Self {
            client_id: consent.client.to_string(),
            scopes: consent.scopes.split(' ').map(str::to_owned).collect(),
            granted_at: consent.granted_at.rfc3339(),
        }
    }
}

async fn consents(
    State(app): State<App>,
    AsReader(reader): AsReader,
    AtProfile(profile): AtProfile,
) -> Answer<Consents> {
    let all = app.engine.consents(&reader, profile).await?;
    Ok(Json(Consents {
        consents: all.into_iter().map(Into::into).collect(),
    }))
}

async fn withdraw(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtProfile(profile): AtProfile,
    AtApplication(client): AtApplication,
) -> Result<StatusCode, ManagementError> {
    app.engine
        .withdraw_consent(&writer, profile, client)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn tokens(State(app): State<App>, AsReader(reader): AsReader) -> Answer<InitialTokens> {
    let all = app.engine.list_initial_tokens(&reader).await?;
    Ok(Json(InitialTokens {
        initial_access_tokens: all.into_iter().map(Into::into).collect(),
    }))
}

async fn create_token(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(body, _): JsonBody<CreateInitialToken>,
) -> Result<(StatusCode, Json<InitialTokenBody>), ManagementError> {
    let asked = (
        body.uses.unwrap_or(1),
        body.expires_in_seconds.unwrap_or(86_400),
    );
    let made = app.engine.create_initial_token(&writer, asked).await?;
    let body = InitialTokenBody {
        token: Some(made.token.expose().to_owned()),
        ..made.kept.into()
    };
    Ok((StatusCode::CREATED, Json(body)))
}

async fn delete_token(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, ManagementError> {
    app.engine.delete_initial_token(&writer, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn metadata(
    State(app): State<App>,
    AsReader(reader): AsReader,
    AtApplication(client): AtApplication,
) -> Answer<Arc<ClientMetadata>> {
    Ok(Json(app.engine.client_metadata(&reader, client).await?))
}

async fn set_metadata(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtApplication(client): AtApplication,
    JsonBody(body, _): JsonBody<Value>,
) -> Answer<Arc<ClientMetadata>> {
    let metadata = ClientMetadata::parse(body)?;
    Ok(Json(
        app.engine
            .set_client_metadata(&writer, client, metadata)
            .await?,
    ))
}

//! What the bearer of an access token may ask: user info, attributes, activity.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use serde_json::{Value, json};
use vestibule_engine::runtime::{Presented, Scheme, UserInfo};
use vestibule_model::object::RawObject;

use super::{
    cors,
    request::{At, Shown},
};
use crate::{
    App,
    error::{ManagementError, OauthError},
    extract::Bearer,
    route::{Guard, Route},
};

/// An access token of this plane, with or without a proof.
struct AccessToken {
    token: String,
    scheme: Scheme,
    shown: Shown,
}

impl AccessToken {
    /// For the engine.
    fn presented(&self) -> Presented<'_> {
        Presented {
            token: &self.token,
            scheme: self.scheme,
            possession: self.shown.possession(),
        }
    }
}

impl FromRequestParts<App> for AccessToken {
    type Rejection = OauthError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, OauthError> {
        let (scheme, text) = match Bearer::with_scheme(parts, "dpop") {
            Some(text) => (Scheme::Dpop, text),
            None => (Scheme::Bearer, Bearer::of(parts)?.0),
        };
        // Servers of App ID's kind send `Bearer <access> <identity>`: the first is meant.
        let token = text.split_whitespace().next().unwrap_or_default();
        Ok(Self {
            token: token.to_owned(),
            scheme,
            shown: Shown::of(parts)?,
        })
    }
}

/// Calls with an access token.
pub(super) fn routes() -> Vec<Route> {
    let bearing = |method, path, operation, handler| {
        Route::new(method, path, operation, handler).guard(Guard::AccessToken)
    };
    vec![
        bearing("get", "/oauth/v4/{tenantId}/userinfo", "userinfo", || {
            cors::open(get(user_info))
        })
        .summary("Who the bearer is: JSON, or a signed token where the application wants that.")
        .answers::<Value>(200),
        bearing(
            "post",
            "/oauth/v4/{tenantId}/userinfo",
            "userinfo_post",
            || cors::shared(post(user_info)),
        )
        .summary("Who the bearer is: JSON, or a signed token where the application wants that.")
        .answers::<Value>(200),
        bearing(
            "post",
            "/oauth/v4/{tenantId}/activity_logging",
            "activity_logging",
            || post(note_activity),
        )
        .summary("Takes note of what an application says its user did.")
        .takes::<Value>()
        .answers::<Value>(200),
        bearing("get", "/api/v1/attributes", "attributes", || {
            get(attributes)
        })
        .summary("All custom attributes of the bearer.")
        .answers::<RawObject>(200),
        bearing("delete", "/api/v1/attributes", "delete_attributes", || {
            delete(delete_attributes)
        })
        .summary("Removes all custom attributes of the bearer.")
        .answers_nothing(204),
        bearing("get", "/api/v1/attributes/{name}", "attribute", || {
            get(attribute)
        })
        .summary("One custom attribute of the bearer.")
        .answers::<RawObject>(200),
        bearing("put", "/api/v1/attributes/{name}", "set_attribute", || {
            put(set_attribute)
        })
        .summary("Sets a custom attribute of the bearer to the text of the body.")
        .takes::<Value>()
        .answers::<RawObject>(200),
        bearing(
            "delete",
            "/api/v1/attributes/{name}",
            "delete_attribute",
            || delete(delete_attribute),
        )
        .summary("Removes a custom attribute of the bearer.")
        .answers_nothing(204),
    ]
}

async fn user_info(
    State(app): State<App>,
    At(tenant): At,
    token: AccessToken,
) -> Result<Response, OauthError> {
    let info = app.engine.user_info(tenant, token.presented()).await?;
    Ok(told(info))
}

/// User info as JSON or as a signed token (OpenID Connect Core section 5.3.2).
fn told(info: UserInfo) -> Response {
    match info {
        UserInfo::Plain(info) => Json(info).into_response(),
        UserInfo::Signed(token) => {
            ([(header::CONTENT_TYPE, "application/jwt")], token).into_response()
        }
    }
}

async fn note_activity(
    State(app): State<App>,
    At(tenant): At,
    token: AccessToken,
) -> Result<Json<Value>, OauthError> {
    app.engine.note_activity(tenant, token.presented()).await?;
    Ok(Json(json!({})))
}

async fn attributes(
    State(app): State<App>,
    token: AccessToken,
) -> Result<Json<RawObject>, ProfilesError> {
    Ok(Json(app.engine.own_attributes(token.presented()).await?))
}

async fn attribute(
    State(app): State<App>,
    token: AccessToken,
    Path(name): Path<String>,
) -> Result<Json<RawObject>, ProfilesError> {
    Ok(Json(
        app.engine.own_attribute(token.presented(), &name).await?,
    ))
}

async fn set_attribute(
    State(app): State<App>,
    token: AccessToken,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<RawObject>, ProfilesError> {
    Ok(Json(
        app.engine
            .set_own_attribute(token.presented(), &name, &body)
            .await?,
    ))
}

async fn delete_attribute(
    State(app): State<App>,
    token: AccessToken,
    Path(name): Path<String>,
) -> Result<StatusCode, ProfilesError> {
    app.engine
        .delete_own_attributes(token.presented(), Some(name))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_attributes(
    State(app): State<App>,
    token: AccessToken,
) -> Result<StatusCode, ProfilesError> {
    app.engine
        .delete_own_attributes(token.presented(), None)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Errors of the Profiles API: bearer errors as OAuth has them, the rest as the management API words them.
struct ProfilesError(vestibule_engine::Error);

impl<E: Into<vestibule_engine::Error>> From<E> for ProfilesError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl axum::response::IntoResponse for ProfilesError {
    fn into_response(self) -> axum::response::Response {
        match self.0.kind {
            vestibule_engine::Kind::Unauthenticated | vestibule_engine::Kind::Forbidden => {
                OauthError(self.0).into_response()
            }
            _ => ManagementError(self.0).into_response(),
        }
    }
}

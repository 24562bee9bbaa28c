//! What is done with directory users as a whole: sign-up, passwords, removal together with the profile, the joined view.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vestibule_engine::{
    Error,
    directory::{FirstProfile, sign_in_of, user_object},
};
use vestibule_model::{Invalid, id::DirectoryUserId, object::RawObject, privilege::ServiceRole};

use crate::{
    App,
    error::{ManagementError, ScimError},
    extract::{AsReader, AsWriter, AtDirectoryUser, JsonBody, QueryOf},
    route::{Guard, Query, Route, optional},
};

const READER: Guard = Guard::Role(ServiceRole::Reader);
const WRITER: Guard = Guard::Role(ServiceRole::Writer);

const LANGUAGE: Query = optional("language", "RFC 5646 tag of the language of mails.");

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const SIGN_UP: &str = "/management/v4/{tenantId}/cloud_directory/sign_up";
    const PASSWORD: &str = "/management/v4/{tenantId}/cloud_directory/change_password";
    const REMOVE: &str = "/management/v4/{tenantId}/cloud_directory/remove/{userId}";
    const BULK: &str = "/management/v4/{tenantId}/cloud_directory/bulk_remove";
    const SSO_LOGOUT: &str = "/management/v4/{tenantId}/cloud_directory/Users/{userId}/sso/logout";
    const USERINFO: &str = "/management/v4/{tenantId}/cloud_directory/{userId}/userinfo";
    const SIGN_UP_QUERY: &[Query] = &[
        optional(
            "shouldCreateProfile",
            "Also make the profile at once: true or false.",
        ),
        LANGUAGE,
    ];
    vec![
        Route::new("post", SIGN_UP, "sign_up", || post(sign_up))
            .guard(WRITER)
            .summary("Create a directory user who signed up.")
            .query(SIGN_UP_QUERY)
            .takes::<RawObject>()
            .answers::<RawObject>(201),
        Route::new("post", PASSWORD, "change_password", || {
            post(change_password)
        })
        .guard(WRITER)
        .summary("Set a directory user's password and end all of the user's sessions.")
        .query(&[LANGUAGE])
        .takes::<PasswordChange>()
        .answers::<RawObject>(200),
        Route::new(
            "delete",
            REMOVE,
            "remove_cloud_directory_user_and_profile",
            || delete(remove),
        )
        .guard(WRITER)
        .summary("Delete the directory user together with the profile.")
        .answers_nothing(204),
        Route::new("post", BULK, "bulk_remove_cloud_directory_users", || {
            post(bulk_remove)
        })
        .guard(WRITER)
        .summary("Delete up to 100 directory users and their profiles.")
        .takes::<BulkRemoval>()
        .answers::<BulkRemoved>(200),
        Route::new("post", SSO_LOGOUT, "invalidate_user_sso_sessions", || {
            post(end_sessions)
        })
        .guard(WRITER)
        .summary("End every session of the user in every browser.")
        .answers_nothing(204),
        Route::new("get", USERINFO, "get_cloud_directory_userinfo", || {
            get(userinfo)
        })
        .guard(READER)
        .summary("SCIM record joined with the profile: sub is the profile id.")
        .answers::<UserInfo>(200),
    ]
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignUpQuery {
    should_create_profile: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PasswordChange {
    /// Directory user id.
    uuid: String,
    new_password: String,
    /// For the mail about the change.
    #[serde(rename = "changedIpAddress")]
    _changed_ip_address: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct BulkRemoval {
    /// Directory user ids, 1 to 100.
    ids: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct BulkRemoved {
    removed: Vec<String>,
    not_found: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct UserInfo {
    /// Profile id.
    sub: String,
    name: Option<String>,
    email: Option<String>,
    identities: Vec<Value>,
    attributes: RawObject,
}

async fn sign_up(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    QueryOf(query, _): QueryOf<SignUpQuery, ScimError>,
    JsonBody(body, _): JsonBody<RawObject, ScimError>,
) -> Result<(StatusCode, Json<RawObject>), ScimError> {
    let profile = match query.should_create_profile {
        Some(true) => FirstProfile::Now,
        _ => FirstProfile::AtSignIn,
    };
    let user = app
        .engine
        .create_directory_user(&writer, body, profile)
        .await?;
    let body = user_object(writer.tenant(), &user);
    Ok((StatusCode::CREATED, Json(body)))
}

async fn change_password(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(body, _): JsonBody<PasswordChange, ScimError>,
) -> Result<Json<RawObject>, ScimError> {
    let id = DirectoryUserId::parse(&body.uuid)
        .map_err(|_| Error::not_found("There is no such user in the directory."))?;
    let user = app
        .engine
        .change_password(&writer, id, body.new_password)
        .await?;
    Ok(Json(user_object(writer.tenant(), &user)))
}

async fn remove(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtDirectoryUser(id): AtDirectoryUser,
) -> Result<StatusCode, ScimError> {
    app.engine.remove_directory_user(&writer, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn bulk_remove(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(body, _): JsonBody<BulkRemoval>,
) -> Result<Json<BulkRemoved>, ManagementError> {
    let ids = body
        .ids
        .iter()
        .map(|id| DirectoryUserId::parse(id).map_err(|error| Invalid::new("ids", error.reason)))
        .collect::<Result<Vec<_>, _>>()?;
    let done = app.engine.remove_directory_users(&writer, ids).await?;
    let texts = |ids: Vec<DirectoryUserId>| ids.iter().map(ToString::to_string).collect();
    Ok(Json(BulkRemoved {
        removed: texts(done.removed),
        not_found: texts(done.not_found),
    }))
}

async fn end_sessions(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtDirectoryUser(id): AtDirectoryUser,
) -> Result<StatusCode, ScimError> {
    app.engine.end_user_sessions(&writer, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn userinfo(
    State(app): State<App>,
    AsReader(reader): AsReader,
    AtDirectoryUser(id): AtDirectoryUser,
) -> Result<Json<UserInfo>, ScimError> {
    let (user, view) = app.engine.get_directory_userinfo(&reader, id).await?;
    let sign_in = sign_in_of(reader.tenant(), &user);
    Ok(Json(UserInfo {
        sub: view.profile.id.to_string(),
        name: sign_in.name,
        email: sign_in.email,
        identities: vec![json!({
            "provider": sign_in.provider,
            "id": sign_in.subject,
            "idpUserInfo": sign_in.user_info,
        })],
        attributes: view.profile.attributes.into_object(),
    }))
}

//! `cloud_directory/Users`: directory users in SCIM form. Errors are SCIM's.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vestibule_engine::directory::{FirstProfile, user_object};
use vestibule_model::{object::RawObject, privilege::ServiceRole};

use crate::{
    App,
    error::ScimError,
    extract::{AsReader, AsWriter, AtDirectoryUser, JsonBody, Paging, QueryOf},
    route::{Guard, Query, Route, optional},
};

const READER: Guard = Guard::Role(ServiceRole::Reader);
const WRITER: Guard = Guard::Role(ServiceRole::Writer);

/// Query parameters of a list.
const LIST: &[Query] = &[
    optional("startIndex", "First row of the page, counted from 0."),
    optional("count", "Rows per page: 100 unless told, and at most."),
    optional(
        "query",
        "Exact value of e-mail address, user name or id, in any case.",
    ),
];

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const ALL: &str = "/management/v4/{tenantId}/cloud_directory/Users";
    const ONE: &str = "/management/v4/{tenantId}/cloud_directory/Users/{userId}";
    vec![
        Route::new("get", ALL, "list_cloud_directory_users", || get(list))
            .guard(READER)
            .summary("Page through directory users; optional exact match.")
            .query(LIST)
            .answers::<UserList>(200),
        Route::new("post", ALL, "create_cloud_directory_user", || post(create))
            .guard(WRITER)
            .summary("Create a directory record only: no mail is sent and no profile is made.")
            .takes::<RawObject>()
            .answers::<RawObject>(201),
        Route::new("get", ONE, "get_cloud_directory_user", || get(show))
            .guard(READER)
            .summary("One directory user in SCIM form.")
            .answers::<RawObject>(200),
        Route::new("put", ONE, "update_cloud_directory_user", || put(update))
            .guard(WRITER)
            .summary("Replace the SCIM record of a directory user; active true lifts a lockout.")
            .takes::<RawObject>()
            .answers::<RawObject>(200),
        Route::new("delete", ONE, "delete_cloud_directory_user", || {
            delete(remove)
        })
        .guard(WRITER)
        .summary("Delete the directory record but keep the profile.")
        .answers_nothing(204),
    ]
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct UserList {
    #[serde(rename = "Resources")]
    resources: Vec<RawObject>,
    start_index: u32,
    items_per_page: usize,
    total_results: usize,
}

#[derive(Deserialize)]
struct Match {
    query: Option<String>,
}

async fn list(
    State(app): State<App>,
    AsReader(reader): AsReader,
    QueryOf(wanted, _): QueryOf<Match, ScimError>,
    QueryOf(paging, _): QueryOf<Paging, ScimError>,
) -> Result<Json<UserList>, ScimError> {
    let page = paging.page(100, 100);
    let query = wanted.query.filter(|query| !query.is_empty());
    let found = app
        .engine
        .list_directory_users(&reader, query, page)
        .await?;
    let resources: Vec<RawObject> = found
        .users
        .iter()
        .map(|user| user_object(reader.tenant(), user))
        .collect();
    Ok(Json(UserList {
        start_index: page.start,
        items_per_page: resources.len(),
        total_results: found.total,
        resources,
    }))
}

async fn create(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(body, _): JsonBody<RawObject, ScimError>,
) -> Result<(StatusCode, Json<RawObject>), ScimError> {
    let user = app
        .engine
        .create_directory_user(&writer, body, FirstProfile::AtSignIn)
        .await?;
    let body = user_object(writer.tenant(), &user);
    Ok((StatusCode::CREATED, Json(body)))
}

async fn show(
    State(app): State<App>,
    AsReader(reader): AsReader,
    AtDirectoryUser(id): AtDirectoryUser,
) -> Result<Json<RawObject>, ScimError> {
    let user = app.engine.get_directory_user(&reader, id).await?;
    Ok(Json(user_object(reader.tenant(), &user)))
}

async fn update(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtDirectoryUser(id): AtDirectoryUser,
    JsonBody(body, _): JsonBody<RawObject, ScimError>,
) -> Result<Json<RawObject>, ScimError> {
    let user = app.engine.update_directory_user(&writer, id, body).await?;
    Ok(Json(user_object(writer.tenant(), &user)))
}

async fn remove(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    AtDirectoryUser(id): AtDirectoryUser,
) -> Result<StatusCode, ScimError> {
    app.engine.delete_directory_user(&writer, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `users/export`, `users/import`, `cloud_directory/export`, `cloud_directory/import` (contract/migration.md).

mod answer;
mod body;
mod bundle;
mod form;
mod large;
mod secret;
mod stream;

use axum::{
    Json,
    extract::State,
    routing::{get, post},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vestibule_engine::moving::{DirectoryImport, OnConflict, WithoutPassword};
use vestibule_model::{Invalid, object::RawObject, privilege::ServiceRole};

use self::{
    answer::{DirectoryImported, ProfilesImported},
    body::ImportBody,
    secret::EncryptionSecret,
};
use crate::{
    App,
    error::ManagementError,
    extract::{AsManager, Paging, QueryOf},
    route::{Guard, Query, Route, optional},
};

const MANAGER: Guard = Guard::Role(ServiceRole::Manager);

const START: Query = optional("startIndex", "First user of the page, counted from 0.");
const ON_CONFLICT: Query = optional(
    "on_conflict",
    "What happens to a user who exists already: fail (unless told), skip or update.",
);
const SECRET: Query = optional(
    "encryption_secret",
    "Seals and opens the password hashes. Better sent in the header X-Vestibule-Encryption-Secret; one of both is required.",
);

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const USERS_OUT: &str = "/management/v4/{tenantId}/users/export";
    const USERS_IN: &str = "/management/v4/{tenantId}/users/import";
    const DIRECTORY_OUT: &str = "/management/v4/{tenantId}/cloud_directory/export";
    const DIRECTORY_IN: &str = "/management/v4/{tenantId}/cloud_directory/import";
    const USERS_PAGE: &[Query] = &[
        START,
        optional("count", "Users per page: 100 unless told, at most 1000."),
    ];
    const DIRECTORY_PAGE: &[Query] = &[
        SECRET,
        START,
        optional("count", "Users per page: 50 unless told, and at most."),
    ];
    const DIRECTORY_OPTIONS: &[Query] = &[
        SECRET,
        ON_CONFLICT,
        optional(
            "without_password",
            "true: users whose password hash cannot be used are imported without one, and named.",
        ),
    ];
    let mut routes = stream::routes();
    routes.extend(large::routes());
    routes.extend(bundle::routes());
    routes.extend([
        Route::new("get", USERS_OUT, "export_user_profiles", || {
            get(export_profiles)
        })
        .guard(MANAGER)
        .summary("Export known users of all providers except Cloud Directory.")
        .query(USERS_PAGE)
        .answers::<Export>(200),
        Route::new("post", USERS_IN, "import_user_profiles", || {
            post(import_profiles)
        })
        .guard(MANAGER)
        .summary("Import exported users: the whole export or any part of it.")
        .query(&[ON_CONFLICT])
        .takes::<Import>()
        .answers::<ProfilesImported>(200),
        Route::new("get", DIRECTORY_OUT, "export_cloud_directory_users", || {
            get(export_directory)
        })
        .guard(MANAGER)
        .summary("Export directory users with sealed password hashes, attributes and roles.")
        .query(DIRECTORY_PAGE)
        .answers::<Export>(200),
        Route::new("post", DIRECTORY_IN, "import_cloud_directory_users", || {
            post(import_directory)
        })
        .guard(MANAGER)
        .summary("Import directory users with the secret they were exported with.")
        .query(DIRECTORY_OPTIONS)
        .takes::<Import>()
        .answers::<DirectoryImported>(200),
    ]);
    routes
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Export {
    items_per_page: usize,
    total_results: usize,
    /// What was asked; empty when nothing was.
    request_options: Paging,
    users: Vec<RawObject>,
}

/// For the description of the API; bodies are read by [`ImportBody`].
#[derive(JsonSchema)]
struct Import {
    /// Users as exported. Other members of an export may stand beside them.
    #[expect(dead_code, reason = "read by ImportBody, described here")]
    users: Vec<RawObject>,
}

#[derive(Deserialize)]
struct Options {
    on_conflict: Option<String>,
    without_password: Option<bool>,
}

impl Options {
    fn policy(&self) -> Result<OnConflict, Invalid> {
        self.on_conflict
            .as_deref()
            .map_or(Ok(OnConflict::Fail), OnConflict::parse)
    }

    fn without_password(&self) -> WithoutPassword {
        match self.without_password {
            Some(true) => WithoutPassword::Import,
            _ => WithoutPassword::Refuse,
        }
    }
}

async fn export_profiles(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(paging, _): QueryOf<Paging>,
) -> Result<Json<Export>, ManagementError> {
    let page = paging.page(100, 1000);
    let export = app.engine.export_profiles(&manager, page).await?;
    Ok(Json(Export {
        items_per_page: export.users.len(),
        total_results: export.total,
        request_options: paging,
        users: export.users,
    }))
}

async fn import_profiles(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(options, _): QueryOf<Options>,
    ImportBody(records): ImportBody,
) -> Result<Json<ProfilesImported>, ManagementError> {
    let policy = options.policy()?;
    let report = app
        .engine
        .import_profiles(&manager, records, policy)
        .await?;
    Ok(Json(report.into()))
}

async fn export_directory(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(paging, _): QueryOf<Paging>,
    EncryptionSecret(secret): EncryptionSecret,
) -> Result<Json<Export>, ManagementError> {
    let page = paging.page(50, 50);
    let export = app.engine.export_directory(&manager, secret, page).await?;
    Ok(Json(Export {
        items_per_page: export.users.len(),
        total_results: export.total,
        request_options: paging,
        users: export.users,
    }))
}

async fn import_directory(
    State(app): State<App>,
    AsManager(manager): AsManager,
    QueryOf(options, _): QueryOf<Options>,
    EncryptionSecret(secret): EncryptionSecret,
    ImportBody(records): ImportBody,
) -> Result<Json<DirectoryImported>, ManagementError> {
    let import = DirectoryImport {
        secret,
        policy: options.policy()?,
        without_password: options.without_password(),
    };
    let report = app
        .engine
        .import_directory(&manager, records, import)
        .await?;
    Ok(Json(report.into()))
}

//! `config`: the families of an instance's configuration. A family whose body on the wire is its document needs two lines here; the
//! identity providers, whose answers say more, have a file of their own.

mod idps;

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{get, put},
};
use vestibule_engine::config::Rules;
use vestibule_model::{
    family::{
        oauth::OauthConfig,
        profiles::UsersProfile,
        redirects::RedirectUris,
        registration::RegistrationConfig,
        sso::SsoConfig,
        tokens::TokensConfig,
        ui::{Languages, ThemeColor, ThemeText},
    },
    privilege::ServiceRole,
};

use crate::{
    App,
    error::ManagementError,
    extract::{AsReader, AsWriter, JsonBody},
    route::{Guard, Route},
};

const READER: Guard = Guard::Role(ServiceRole::Reader);
const WRITER: Guard = Guard::Role(ServiceRole::Writer);

/// Its routes.
pub(super) fn routes() -> Vec<Route> {
    const TOKENS: &str = "/management/v4/{tenantId}/config/tokens";
    const OAUTH: &str = "/management/v4/{tenantId}/config/oauth";
    const SSO: &str = "/management/v4/{tenantId}/config/cloud_directory/sso";
    const REDIRECTS: &str = "/management/v4/{tenantId}/config/redirect_uris";
    const REGISTRATION: &str = "/management/v4/{tenantId}/config/oauth/registration";
    const PROFILES: &str = "/management/v4/{tenantId}/config/users_profile";
    const TEXT: &str = "/management/v4/{tenantId}/config/ui/theme_text";
    const COLOR: &str = "/management/v4/{tenantId}/config/ui/theme_color";
    const LANGUAGES: &str = "/management/v4/{tenantId}/config/ui/languages";
    let mut routes = vec![
        shown::<TokensConfig>(TOKENS, "get_tokens_config").summary("Token lifetimes and claim mappings."),
        Route::new("put", TOKENS, "set_tokens_config", || put(set_and_show::<TokensConfig>))
            .guard(WRITER)
            .summary("Replace token lifetimes and claim mappings; what is left out goes back to its default.")
            .takes::<TokensConfig>()
            .answers::<TokensConfig>(200),
        shown::<OauthConfig>(OAUTH, "get_oauth_config")
            .summary("What the OAuth server offers and what it insists on."),
        Route::new("put", OAUTH, "set_oauth_config", || put(set_oauth))
            .guard(WRITER)
            .summary("Set what the OAuth server offers and insists on; what is left out goes back to its default.")
            .takes::<OauthConfig>()
            .answers::<OauthConfig>(200),
        shown::<SsoConfig>(SSO, "get_sso_config").summary("Whether browsers stay signed in."),
        Route::new("put", SSO, "set_sso_config", || put(set_and_show_made::<SsoConfig>))
            .guard(WRITER)
            .summary("Set whether browsers stay signed in.")
            .takes::<SsoConfig>()
            .answers::<SsoConfig>(201),
        shown::<RedirectUris>(REDIRECTS, "get_redirect_uris").summary("Allowed redirect URIs."),
        set_silently::<RedirectUris>(REDIRECTS, "set_redirect_uris").summary("Replace the allowed redirect URIs."),
        shown::<RegistrationConfig>(REGISTRATION, "get_registration_config")
            .summary("Whether clients may register themselves."),
        set_silently::<RegistrationConfig>(REGISTRATION, "set_registration_config")
            .summary("Set whether clients may register themselves."),
        shown::<UsersProfile>(PROFILES, "get_user_profiles_config")
            .summary("Whether applications may use custom attributes."),
        set_silently::<UsersProfile>(PROFILES, "set_user_profiles_config")
            .summary("Turn custom attributes on or off."),
        shown::<ThemeText>(TEXT, "get_theme_text").summary("Texts of the sign-in page."),
        set_silently::<ThemeText>(TEXT, "set_theme_text").summary("Set the texts of the sign-in page."),
        shown::<ThemeColor>(COLOR, "get_theme_color").summary("Colours of the sign-in page."),
        set_silently::<ThemeColor>(COLOR, "set_theme_color").summary("Set the colours of the sign-in page."),
        shown::<Languages>(LANGUAGES, "get_languages").summary("Languages of pages and mails."),
        set_silently::<Languages>(LANGUAGES, "set_languages").summary("Replace the languages of pages and mails."),
    ];
    routes.extend(idps::routes());
    routes
}

/// A route that answers a family's document.
fn shown<F: Rules>(path: &'static str, operation: &'static str) -> Route {
    Route::new("get", path, operation, || get(show::<F>))
        .guard(READER)
        .answers::<F>(200)
}

/// A route that replaces a family's document and answers 204.
fn set_silently<F: Rules>(path: &'static str, operation: &'static str) -> Route {
    Route::new("put", path, operation, || put(set::<F>))
        .guard(WRITER)
        .takes::<F>()
        .answers_nothing(204)
}

async fn show<F: Rules>(
    State(app): State<App>,
    AsReader(reader): AsReader,
) -> Result<Json<Arc<F>>, ManagementError> {
    Ok(Json(app.engine.family::<F>(&reader).await?))
}

async fn set<F: Rules>(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(document, _): JsonBody<F>,
) -> Result<StatusCode, ManagementError> {
    app.engine.set_family(&writer, document).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_and_show<F: Rules>(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(document, _): JsonBody<F>,
) -> Result<Json<F>, ManagementError> {
    Ok(Json(app.engine.set_family(&writer, document).await?))
}

/// A signing algorithm that is selected for the first time needs a key.
async fn set_oauth(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(document, _): JsonBody<OauthConfig>,
) -> Result<Json<OauthConfig>, ManagementError> {
    Ok(Json(app.engine.set_oauth(&writer, document).await?))
}

/// As [`set_and_show`], for the calls that answer 201 (contract/README.md, easy to miss).
async fn set_and_show_made<F: Rules>(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(document, _): JsonBody<F>,
) -> Result<(StatusCode, Json<F>), ManagementError> {
    let set = app.engine.set_family(&writer, document).await?;
    Ok((StatusCode::CREATED, Json(set)))
}

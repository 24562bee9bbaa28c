//! `config/idps`: identity providers. A write that leaves out `config` keeps what is stored, so a provider is switched on and off
//! without sending its secret again.

use axum::{
    Json,
    extract::State,
    routing::{get, put},
};
use schemars::JsonSchema;
use serde::Serialize;
use vestibule_engine::config::{CertificateCheck, Rules};
use vestibule_model::family::idps::{
    CloudDirectory, CustomIdp, Facebook, Google, SamlIdp, cloud_directory::CloudDirectoryChange,
    social::SocialIdp,
};

use super::{READER, WRITER, shown};
use crate::{
    App,
    error::ManagementError,
    extract::{AsReader, AsWriter, JsonBody},
    route::Route,
};

type Answer<T> = Result<Json<T>, ManagementError>;

pub(super) fn routes() -> Vec<Route> {
    const DIRECTORY: &str = "/management/v4/{tenantId}/config/idps/cloud_directory";
    const FACEBOOK: &str = "/management/v4/{tenantId}/config/idps/facebook";
    const GOOGLE: &str = "/management/v4/{tenantId}/config/idps/google";
    const CUSTOM: &str = "/management/v4/{tenantId}/config/idps/custom";
    const SAML: &str = "/management/v4/{tenantId}/config/idps/saml";
    vec![
        shown::<CloudDirectory>(DIRECTORY, "get_cloud_directory_idp").summary("The Cloud Directory provider."),
        Route::new("put", DIRECTORY, "set_cloud_directory_idp", || put(set_directory))
            .guard(WRITER)
            .summary("Set the Cloud Directory provider; its identity field changes only while the directory is empty.")
            .takes::<CloudDirectoryChange>()
            .answers::<CloudDirectory>(200),
        Route::new("get", FACEBOOK, "get_facebook_idp", || get(show_social::<Facebook>))
            .guard(READER)
            .summary("The Facebook provider.")
            .answers::<SocialBody>(200),
        Route::new("put", FACEBOOK, "set_facebook_idp", || put(set_social::<Facebook>))
            .guard(WRITER)
            .summary("Set the Facebook provider.")
            .takes::<SocialIdp>()
            .answers::<SocialBody>(200),
        Route::new("get", GOOGLE, "get_google_idp", || get(show_social::<Google>))
            .guard(READER)
            .summary("The Google provider.")
            .answers::<SocialBody>(200),
        Route::new("put", GOOGLE, "set_google_idp", || put(set_social::<Google>))
            .guard(WRITER)
            .summary("Set the Google provider.")
            .takes::<SocialIdp>()
            .answers::<SocialBody>(200),
        shown::<CustomIdp>(CUSTOM, "get_custom_idp").summary("The custom identity provider."),
        Route::new("put", CUSTOM, "set_custom_idp", || put(set_custom))
            .guard(WRITER)
            .summary("Set the custom identity provider.")
            .takes::<CustomIdp>()
            .answers::<CustomIdp>(200),
        shown::<SamlIdp>(SAML, "get_saml_idp").summary("The SAML provider."),
        Route::new("put", SAML, "set_saml_idp", || put(set_saml))
            .guard(WRITER)
            .summary("Set the SAML provider; the answer tells when its certificates expire.")
            .takes::<SamlIdp>()
            .answers::<SamlBody>(200),
    ]
}

#[derive(Serialize, JsonSchema)]
struct SocialBody {
    #[serde(flatten)]
    idp: SocialIdp,
    /// What to register at the provider as redirect URI.
    #[serde(rename = "redirectURL")]
    redirect_url: String,
}

#[derive(Serialize, JsonSchema)]
struct SamlBody {
    #[serde(flatten)]
    idp: SamlIdp,
    validation_data: ValidationData,
}

#[derive(Serialize, JsonSchema)]
struct ValidationData {
    certificates: Vec<CertificateBody>,
}

#[derive(Serialize, JsonSchema)]
struct CertificateBody {
    /// Place in the list, counted from 0.
    certificate_index: usize,
    /// Milliseconds since the Unix epoch.
    expiration_timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
}

impl From<CertificateCheck> for CertificateBody {
    fn from(check: CertificateCheck) -> Self {
        Self {
            certificate_index: check.index,
            expiration_timestamp: check.expires_at.millis(),
            warning: check.warning,
        }
    }
}

async fn set_directory(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(change, _): JsonBody<CloudDirectoryChange>,
) -> Answer<CloudDirectory> {
    let changed = app
        .engine
        .change_family(&writer, move |current| change.apply(current))
        .await?;
    Ok(Json(changed))
}

async fn show_social<F: Rules + AsRef<SocialIdp>>(
    State(app): State<App>,
    AsReader(reader): AsReader,
) -> Answer<SocialBody> {
    let idp = app.engine.family::<F>(&reader).await?;
    Ok(Json(social::<F>(&app, reader.tenant(), &idp)))
}

async fn set_social<F: Rules + AsRef<SocialIdp> + From<SocialIdp>>(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(given, _): JsonBody<SocialIdp>,
) -> Answer<SocialBody> {
    let idp = app
        .engine
        .change_family(&writer, move |current: &F| {
            given.over(current.as_ref()).into()
        })
        .await?;
    Ok(Json(social::<F>(&app, writer.tenant(), &idp)))
}

fn social<F: Rules + AsRef<SocialIdp>>(
    app: &App,
    tenant: vestibule_model::id::TenantId,
    idp: &F,
) -> SocialBody {
    let provider = F::NAME.strip_prefix("idps/").unwrap_or(F::NAME);
    SocialBody {
        idp: idp.as_ref().clone(),
        redirect_url: app.engine.place(tenant).callback(provider),
    }
}

async fn set_custom(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(given, _): JsonBody<CustomIdp>,
) -> Answer<CustomIdp> {
    let changed = app
        .engine
        .change_family(&writer, move |current| given.over(current))
        .await?;
    Ok(Json(changed))
}

async fn set_saml(
    State(app): State<App>,
    AsWriter(writer): AsWriter,
    JsonBody(given, _): JsonBody<SamlIdp>,
) -> Answer<SamlBody> {
    let idp = app
        .engine
        .change_family(&writer, move |current| given.over(current))
        .await?;
    let checks = app.engine.check_certificates(&idp);
    Ok(Json(SamlBody {
        idp,
        validation_data: ValidationData {
            certificates: checks.into_iter().map(Into::into).collect(),
        },
    }))
}

//! Devices that register themselves, as App ID's mobile SDKs do (contract/runtime.md section 4.11), and how they prove who they are
//! afterwards: with a signature over their client id (section 4.2).

use std::{net::IpAddr, sync::Arc};

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value, json};
use vestibule_crypto::jose::{Algorithm, JwkSet};
use vestibule_model::{
    Invalid,
    application::{Application, ApplicationType, Origin, metadata::ClientMetadata},
    family::registration::RegistrationConfig,
    id::{ClientId, TenantId},
};
use vestibule_wire::client::ClientClaim;

use super::registration::{name_of, refused};
use crate::{Engine, Error, Result, tenant::ApplicationState};

/// What an answer repeats of a request.
const REPEATED: [&str; 14] = [
    "redirect_uris",
    "token_endpoint_auth_method",
    "response_types",
    "grant_types",
    "client_name",
    "software_id",
    "software_version",
    "device_id",
    "device_model",
    "device_os",
    "device_os_version",
    "client_type",
    "jwks",
    "application_type",
];

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// Android signs in base64, iOS in base64url.
const ALPHABETS: [GeneralPurpose; 2] = [
    GeneralPurpose::new(&STANDARD, LENIENT),
    GeneralPurpose::new(&URL_SAFE, LENIENT),
];

impl Engine {
    /// Registers a device; answers what it sent, with its client id.
    ///
    /// # Errors
    /// `invalid_redirect_uri`, `invalid_client_metadata`; `NotFound` where devices do not register; `Throttled`; `Unavailable` when
    /// there are too many.
    pub async fn register_device(
        &self,
        tenant: TenantId,
        body: Value,
        from: IpAddr,
    ) -> Result<Map<String, Value>> {
        let state = self.tenant(tenant).await?;
        let config = state.config.get::<RegistrationConfig>();
        if !config.mobile {
            return Err(Error::not_found("Devices do not register themselves here."));
        }
        self.throttle().registration(from, self.now())?;
        let metadata = device(&body).map_err(refused)?;
        let app = metadata.software_id.as_deref().unwrap_or_default();
        if !config.admits(app) {
            return Err(refused(Invalid::new(
                "software_id",
                "devices with this app do not register here",
            )));
        }
        let application = Application {
            client_id: ClientId::from_random_bytes(self.random_id()),
            name: name_of(&metadata),
            kind: ApplicationType::MobileApp,
            scopes: Vec::new(),
            origin: Origin::Mobile,
            metadata: Arc::new(metadata),
            created_at: self.now(),
        };
        let row = application.clone();
        self.change_as_service(state.id, move |tenant, _| {
            Self::has_room(tenant, config.most)?;
            Ok(tenant.insert_application(&row, None)?)
        })
        .await?;
        let mut answer = Map::new();
        answer.insert("client_id".into(), json!(application.client_id));
        answer.insert(
            "client_id_issued_at".into(),
            application.created_at.seconds().into(),
        );
        for name in REPEATED {
            if let Some(value) = body.get(name) {
                answer.insert(name.into(), value.clone());
            }
        }
        Ok(answer)
    }
}

/// Whether a device signed its client id with the key it registered.
pub(super) fn signed_its_id(found: &ApplicationState, claim: &ClientClaim) -> bool {
    let metadata = &found.application.metadata;
    let keys = metadata
        .jwks
        .as_ref()
        .and_then(|set| JwkSet::parse(&set.to_string()).ok());
    let (Some(keys), Some(id)) = (keys, claim.client_id.as_deref()) else {
        return false;
    };
    claim.by_header
        && claim.secrets.iter().any(|given| {
            ALPHABETS
                .iter()
                .filter_map(|alphabet| alphabet.decode(given.as_bytes()).ok())
                .any(|signature| {
                    keys.keys()
                        .iter()
                        .any(|key| key.signed(id.as_bytes(), &signature, Algorithm::RS256))
                })
        })
}

/// What is kept of a device.
fn device(body: &Value) -> Result<ClientMetadata, Invalid> {
    let kept = json!({
        "application_type": "native",
        "redirect_uris": body.get("redirect_uris"),
        "response_types": ["code"],
        "grant_types": ["authorization_code", "password", "refresh_token"],
        "client_name": body.get("client_name").or_else(|| body.get("software_id")),
        "software_id": body.get("software_id"),
        "software_version": body.get("software_version"),
        "jwks": body.get("jwks"),
    });
    let metadata = ClientMetadata::parse(kept)?;
    let app = metadata
        .software_id
        .as_deref()
        .ok_or_else(|| Invalid::new("software_id", "is required"))?;
    // Package and bundle ids have dots; schemes that mean something else, such as `https`, have none (RFC 8252 section 7.1).
    if !app.contains('.') {
        return Err(Invalid::new(
            "software_id",
            "must be a package or bundle id, such as com.example.app",
        ));
    }
    // A scheme of another app would hand people's codes to it.
    let own = |uri: &String| {
        uri.strip_prefix(app)
            .is_some_and(|rest| rest.starts_with(":/"))
    };
    if metadata.redirect_uris.is_empty() || !metadata.redirect_uris.iter().all(own) {
        return Err(Invalid::new(
            "redirect_uris",
            "must begin with the package or bundle id and ':/'",
        ));
    }
    let set = metadata
        .jwks
        .as_ref()
        .ok_or_else(|| Invalid::new("jwks", "is required"))?;
    let keys = JwkSet::parse(&set.to_string());
    let good = keys.is_ok_and(|keys| {
        !keys.keys().is_empty() && keys.keys().iter().all(|key| key.suits(Algorithm::RS256))
    });
    if !good {
        return Err(Invalid::new(
            "jwks",
            "must hold RSA keys of 2048 to 8192 bits: shorter ones can be broken",
        ));
    }
    Ok(metadata)
}

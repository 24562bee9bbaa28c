//! What everybody may read: discovery and public keys (contract/runtime.md section 3).

use vestibule_model::{
    family::{
        registration::{Registering, RegistrationConfig},
        sso::SsoConfig,
        tokens::TokensConfig,
    },
    id::TenantId,
};
use vestibule_wire::discovery::{Discovery, KeySet};

use crate::{Engine, Result};

impl Engine {
    /// The discovery document. It lists what works, nothing else.
    pub async fn discover(&self, tenant: TenantId) -> Result<Discovery> {
        let state = self.tenant(tenant).await?;
        let host = &self.settings().public_url;
        let tenant = tenant.to_string();
        let mut discovery = Discovery::of(state.issuer(host), (host, &tenant), &state.oauth);
        if let Some(base) = self.settings().mutual_tls.url() {
            discovery = discovery.with_mutual_tls(&state.issuer(base));
        }
        if state.config.get::<SsoConfig>().is_active {
            discovery = discovery.with_sessions();
        }
        if state.config.get::<TokensConfig>().refresh.enabled {
            discovery = discovery.with_refresh_tokens();
        }
        Ok(match state.config.get::<RegistrationConfig>().enabled {
            Registering::Off => discovery,
            Registering::InitialToken | Registering::Open => discovery.with_registration(),
        })
    }

    /// The public keys, the signing one first.
    pub async fn public_keys(&self, tenant: TenantId) -> Result<KeySet> {
        let state = self.tenant(tenant).await?;
        let keys = state
            .keys
            .iter()
            .map(|key| serde_json::to_value(key.public_jwk()))
            .collect::<Result<_, _>>()
            .map_err(crate::Error::internal)?;
        Ok(KeySet { keys })
    }
}

//! Clients that register themselves (RFC 7591) and manage their registration (RFC 7592).
//!
//! Nobody vouches for them, so they get less than applications that an administrator made: codes and refresh tokens only, their own
//! redirect URIs only, and people are asked before they learn of them.

use std::{net::IpAddr, sync::Arc};

use serde_json::Value;
use vestibule_crypto::{
    compare::constant_time_eq,
    token::{PlainToken, TokenHash},
};
use vestibule_model::{
    Invalid,
    application::{
        Application, ApplicationType, Origin,
        metadata::{AuthMethod, ClientMetadata},
    },
    family::registration::{Registering, RegistrationConfig},
    id::{ClientId, TenantId},
    time::Timestamp,
};
use vestibule_wire::token::DEVICE_CODE;

use super::bearer::invalid_token;
use crate::{
    Engine, Error, Kind, Result,
    client::supported,
    keys,
    tenant::{ApplicationState, TenantState},
};

/// Grants of clients that nobody vouches for.
const GRANTS: [&str; 3] = ["authorization_code", "refresh_token", DEVICE_CODE];

/// A request to register a client.
pub struct NewClient<'a> {
    /// The instance in the path.
    pub tenant: TenantId,
    /// The token that came as a bearer, if one did.
    pub token: Option<&'a str>,
    /// What the client says of itself.
    pub body: Value,
    /// Where the request came from.
    pub from: IpAddr,
}

/// A client as its registration is answered (RFC 7591 section 3.2.1).
pub struct Registered {
    /// Its id.
    pub client_id: ClientId,
    /// When it registered.
    pub created_at: Timestamp,
    /// What is kept of what it said.
    pub metadata: Arc<ClientMetadata>,
    /// Its secret, if its way to prove itself needs one.
    pub secret: Option<PlainToken>,
    /// The token with which it manages its registration, where that is a new one.
    pub token: Option<PlainToken>,
    /// Where it manages its registration.
    pub uri: String,
}

impl Engine {
    /// Registers a client.
    ///
    /// # Errors
    /// `invalid_redirect_uri`, `invalid_client_metadata`; `invalid_token` without an initial access token where one is needed;
    /// `NotFound` where clients do not register themselves; `Throttled`; `Unavailable` when there are too many.
    pub async fn register_client(&self, new: NewClient<'_>) -> Result<Registered> {
        let state = self.tenant(new.tenant).await?;
        let config = state.config.get::<RegistrationConfig>();
        let initial = match (config.enabled, new.token) {
            (Registering::Off, _) => {
                return Err(Error::not_found("Clients do not register themselves here."));
            }
            (Registering::Open, None) => None,
            (Registering::InitialToken, None) => return Err(invalid_token()),
            (_, Some(token)) => Some(TokenHash::of(token)),
        };
        self.throttle().registration(new.from, self.now())?;
        if let Some(initial) = initial.clone() {
            // Before anything is fetched for the client.
            let now = self.now();
            let good = self
                .store()
                .read::<_, Error>(state.id, move |t| {
                    Ok(t.has_initial_token(initial.as_str(), now)?)
                })
                .await?;
            if !good {
                return Err(invalid_token());
            }
        }
        let metadata = self.proposed(&state, new.body).await?;
        let fresh = self
            .missing_keys(state.id, &keys::wanted(&metadata))
            .await?;
        let application = Application {
            client_id: ClientId::from_random_bytes(self.random_id()),
            name: name_of(&metadata),
            kind: kind_of(&metadata),
            scopes: Vec::new(),
            origin: Origin::Registration,
            metadata: Arc::new(metadata),
            created_at: self.now(),
        };
        let client = application.client_id;
        let method = application.metadata.token_endpoint_auth_method;
        let secret = method
            .is_some_and(AuthMethod::needs_secret)
            .then(|| PlainToken::generate(self.random()));
        let sealed = secret
            .as_ref()
            .map(|secret| self.seal_secret(state.id, client, secret));
        let token = PlainToken::generate(self.random());
        let (row, hash) = (application.clone(), token.hash());
        self.change_as_service(state.id, move |tenant, now| {
            if let Some(initial) = &initial
                && !tenant.use_initial_token(initial.as_str(), now)?
            {
                return Err(invalid_token());
            }
            Self::has_room(tenant, config.most)?;
            tenant.insert_application(&row, sealed.as_deref())?;
            tenant.update_registration_hash(client, hash.as_str())?;
            keys::adopt(tenant, &fresh)
        })
        .await?;
        Ok(Registered {
            client_id: client,
            created_at: application.created_at,
            metadata: application.metadata,
            secret,
            token: Some(token),
            uri: self.registration_uri(&state, client),
        })
    }

    /// A client's registration, for who holds its token.
    ///
    /// # Errors
    /// `invalid_token`, also for a client that there is not.
    pub async fn registration(
        &self,
        tenant: TenantId,
        (client, token): (ClientId, &str),
    ) -> Result<Registered> {
        let state = self.tenant_of(tenant).await?;
        let found = self.manages(&state, client, token).await?;
        Ok(Registered {
            client_id: client,
            created_at: found.application.created_at,
            metadata: Arc::clone(&found.application.metadata),
            secret: found.secret.clone(),
            token: None,
            uri: self.registration_uri(&state, client),
        })
    }

    /// Replaces what a client says of itself, and its token (RFC 7592 section 2.2). What is left out is gone.
    ///
    /// # Errors
    /// As [`Engine::register_client`] and [`Engine::registration`].
    pub async fn update_registration(
        &self,
        tenant: TenantId,
        (client, token): (ClientId, &str),
        body: Value,
        from: IpAddr,
    ) -> Result<Registered> {
        let state = self.tenant_of(tenant).await?;
        let found = self.manages(&state, client, token).await?;
        self.throttle().update(from, self.now())?;
        repeats(&body, client, found)?;
        let metadata = Arc::new(self.proposed(&state, body).await?);
        let keys = self
            .missing_keys(state.id, &keys::wanted(&metadata))
            .await?;
        let needs = metadata
            .token_endpoint_auth_method
            .is_some_and(AuthMethod::needs_secret);
        let fresh = (needs && found.secret.is_none()).then(|| PlainToken::generate(self.random()));
        let sealed = fresh
            .as_ref()
            .map(|secret| self.seal_secret(state.id, client, secret));
        let next = PlainToken::generate(self.random());
        let (kept, hash) = (Arc::clone(&metadata), next.hash());
        let (shown, name) = (TokenHash::of(token), name_of(&metadata));
        self.change_as_service(state.id, move |tenant, now| {
            // Two updates at once: the token of the second is the first one's old one.
            let current = tenant.find_registration_hash(client)?;
            if current.as_deref() != Some(shown.as_str()) {
                return Err(invalid_token());
            }
            tenant.update_application_name(client, &name, now)?;
            tenant.update_application_metadata(client, &kept, now)?;
            if let Some(sealed) = &sealed {
                tenant.update_application_secret(client, sealed, now)?;
            }
            tenant.update_registration_hash(client, hash.as_str())?;
            keys::adopt(tenant, &keys)
        })
        .await?;
        Ok(Registered {
            client_id: client,
            created_at: found.application.created_at,
            metadata,
            secret: fresh.or_else(|| found.secret.clone()).filter(|_| needs),
            token: Some(next),
            uri: self.registration_uri(&state, client),
        })
    }

    /// Ends a client's registration, its tokens and what people agreed to with it.
    ///
    /// # Errors
    /// As [`Engine::registration`].
    pub async fn delete_registration(
        &self,
        tenant: TenantId,
        (client, token): (ClientId, &str),
    ) -> Result<()> {
        let state = self.tenant_of(tenant).await?;
        self.manages(&state, client, token).await?;
        self.change_as_service(state.id, move |tenant, _| {
            tenant.delete_application(client)?;
            Ok(())
        })
        .await
    }

    /// What a client proposes, checked and completed with the defaults that it is told of.
    async fn proposed(&self, state: &TenantState, body: Value) -> Result<ClientMetadata> {
        let mut metadata = ClientMetadata::parse(body).map_err(refused)?;
        supported(&metadata, &state.oauth).map_err(refused)?;
        metadata.check_visible().map_err(refused)?;
        self.check_sector(&metadata).await.map_err(refused)?;
        if metadata.grant_types.is_empty() {
            metadata
                .grant_types
                .push(String::from("authorization_code"));
        }
        let uses_codes = metadata.names_grant("authorization_code");
        if metadata.response_types.is_empty() && uses_codes {
            metadata.response_types.push(String::from("code"));
        }
        let foreign = |grant: &String| !GRANTS.contains(&grant.as_str());
        if metadata.grant_types.iter().any(foreign) {
            return Err(refused(Invalid::new(
                "grant_types",
                "clients that register themselves use authorization_code, refresh_token and the codes of devices",
            )));
        }
        if metadata.redirect_uris.is_empty() && uses_codes {
            return Err(refused(Invalid::new("redirect_uris", "is required")));
        }
        metadata
            .token_endpoint_auth_method
            .get_or_insert(AuthMethod::ClientSecretBasic);
        Ok(metadata)
    }

    /// The client whose registration a token manages. An unknown client and a wrong token are one answer (RFC 7592 section 2.1).
    async fn manages<'s>(
        &self,
        state: &'s TenantState,
        client: ClientId,
        token: &str,
    ) -> Result<&'s ApplicationState> {
        let found = state.applications.get(&client).ok_or_else(invalid_token)?;
        let hash = TokenHash::of(token);
        let kept = self
            .store()
            .read::<_, Error>(state.id, move |t| Ok(t.find_registration_hash(client)?))
            .await?;
        kept.filter(|kept| constant_time_eq(kept.as_bytes(), hash.as_str().as_bytes()))
            .map(|_| found)
            .ok_or_else(invalid_token)
    }

    /// An instance that does not exist has no registrations either.
    async fn tenant_of(&self, tenant: TenantId) -> Result<Arc<TenantState>> {
        self.tenant(tenant).await.map_err(|error| match error.kind {
            Kind::NotFound => invalid_token(),
            _ => error,
        })
    }

    fn registration_uri(&self, state: &TenantState, client: ClientId) -> String {
        let issuer = state.issuer(&self.settings().public_url);
        format!("{issuer}/register/{client}")
    }
}

/// What an update repeats must be so (RFC 7592 section 2.2).
fn repeats(body: &Value, client: ClientId, found: &ApplicationState) -> Result<()> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let own = text("client_id").is_some_and(|id| id == client.to_string());
    if !own {
        return Err(refused(Invalid::new(
            "client_id",
            "must be that of the client",
        )));
    }
    let secret = text("client_secret");
    let matches = |given: &str| {
        found
            .secret
            .as_ref()
            .is_some_and(|secret| secret.matches(given))
    };
    if secret.is_some_and(|given| !matches(given)) {
        return Err(refused(Invalid::new(
            "client_secret",
            "cannot be chosen by the client",
        )));
    }
    Ok(())
}

/// RFC 7591 section 3.2.2.
pub(super) fn refused(invalid: Invalid) -> Error {
    let code = match invalid.field.as_str() {
        "redirect_uris" => "invalid_redirect_uri",
        _ => "invalid_client_metadata",
    };
    Error::new(Kind::Invalid, code, invalid.to_string())
}

/// What people know it by: its own word, or the host they come back to.
pub(super) fn name_of(metadata: &ClientMetadata) -> String {
    let own = metadata.client_name.clone();
    let name = own.or_else(|| metadata.sector()).unwrap_or_default();
    let short: String = name.chars().take(50).collect();
    if short.trim().is_empty() {
        String::from("client")
    } else {
        short
    }
}

fn kind_of(metadata: &ClientMetadata) -> ApplicationType {
    match metadata.token_endpoint_auth_method {
        _ if metadata.is_native() => ApplicationType::MobileApp,
        Some(AuthMethod::None) => ApplicationType::SinglePageApp,
        _ => ApplicationType::RegularWebApp,
    }
}

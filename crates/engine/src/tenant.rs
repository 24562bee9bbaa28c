//! What a node holds in memory of each live instance, behind the instance's version: configuration, applications, roles, keys and
//! revocations. Requests that need no user touch no row (architecture.md, hot paths).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use moka::sync::Cache;
use vestibule_crypto::{jose::SigningKey, token::PlainToken};
use vestibule_model::{
    application::{
        Application, ApplicationType, Origin,
        metadata::{AuthMethod, SignatureAlgorithm},
    },
    family::{
        oauth::{Demand, Demands, OauthConfig},
        redirects::RedirectUris,
        sso::SsoConfig,
    },
    id::{ClientId, RoleId, TenantId},
    role::Role,
    time::Timestamp,
};
use vestibule_store::{
    scope::Tenant,
    snapshot::{Revocation, RevocationKind, SealedKey},
};
use vestibule_wire::token::DEVICE_CODE;

use crate::{
    Engine, Error, MutualTls, Result, access::Writer, config::Configuration, keys::algorithm_of,
};

/// Most instances one node keeps in memory; the least recently used make room.
const MOST_TENANTS: u64 = 20_000;

/// One instance as of one version. Immutable: a change makes a new one.
pub struct TenantState {
    /// The instance.
    pub id: TenantId,
    /// Display name.
    pub name: String,
    /// Region.
    pub region: String,
    /// Whether it serves: a deleted or switched-off instance does not.
    pub active: bool,
    /// Rises with each change.
    pub version: i64,
    /// Configuration families.
    pub config: Configuration,
    /// What the OAuth server offers.
    pub oauth: Arc<OauthConfig>,
    /// What it insists on.
    pub demands: Demands,
    /// Applications by client id.
    pub applications: HashMap<ClientId, ApplicationState>,
    /// Roles by id.
    pub roles: HashMap<RoleId, Role>,
    /// The key that signs now.
    pub signing_key: Arc<SigningKey>,
    /// All keys that verify, the signing one first.
    pub keys: Vec<Arc<SigningKey>>,
    /// The keys that have not ceased to sign, one of each algorithm.
    pub signers: Vec<Arc<SigningKey>>,
    /// Refused tokens: (kind, subject) → issued before.
    pub revocations: HashMap<(RevocationKind, String), Timestamp>,
}

/// An application with what a token request needs of it.
pub struct ApplicationState {
    /// The application.
    pub application: Application,
    /// Its secret, if it has one. Compared in constant time, never printed.
    pub secret: Option<PlainToken>,
    /// Its roles.
    pub roles: Vec<RoleId>,
}

impl ApplicationState {
    /// Whether PKCE is all the proof there is of it.
    pub fn is_public(&self) -> bool {
        match self.application.metadata.token_endpoint_auth_method {
            Some(method) => method == AuthMethod::None,
            None => self.application.kind == ApplicationType::SinglePageApp,
        }
    }

    /// Whether it is on a device that registered itself.
    pub fn is_device(&self) -> bool {
        self.application.origin == Origin::Mobile
    }

    /// Whether nobody who runs the instance vouches for it: people are asked before it learns of them.
    pub fn is_third_party(&self) -> bool {
        self.application.origin == Origin::Registration
    }

    /// Whether it may use a grant.
    pub fn may_use(&self, grant: &str) -> bool {
        let metadata = &self.application.metadata;
        if !self.is_public() {
            return metadata.may_use(grant);
        }
        match grant {
            "authorization_code" => true,
            "refresh_token" => self.gets_refresh_tokens(),
            // Without a secret anybody could ask in its name: it must say that it is on devices.
            DEVICE_CODE => metadata.names_grant(grant),
            _ => false,
        }
    }

    /// Whether it gets refresh tokens where the instance gives any. A public client gets them only where it says so: they are
    /// replaced at each use.
    pub fn gets_refresh_tokens(&self) -> bool {
        let grants = &self.application.metadata.grant_types;
        if grants.is_empty() {
            !self.is_public()
        } else {
            grants.iter().any(|grant| grant == "refresh_token")
        }
    }

    /// Whether sign-in may return to `uri`: one of its own where it has any, else one of the instance's.
    pub fn returns_to(&self, state: &TenantState, uri: &str) -> bool {
        let metadata = &self.application.metadata;
        if metadata.redirect_uris.is_empty() && self.application.origin == Origin::Management {
            state.config.get::<RedirectUris>().allows(uri)
        } else {
            metadata.returns_to(uri)
        }
    }

    /// Whether signing out may return to `uri`: one of its own where it has any, else one of the instance's.
    pub fn leaves_to(&self, state: &TenantState, uri: &str) -> bool {
        let own = &self.application.metadata.post_logout_redirect_uris;
        if own.is_empty() && self.application.origin == Origin::Management {
            state.config.get::<SsoConfig>().may_return_to(uri)
        } else {
            own.iter().any(|one| one == uri)
        }
    }
}

impl TenantState {
    /// `{host}/oauth/v4/{tenantId}`: issuer and base of the OAuth endpoints.
    pub fn issuer(&self, public_url: &str) -> String {
        format!("{public_url}/oauth/v4/{}", self.id)
    }

    /// What signs for an application that wants an algorithm: its key, or the instance's where the application wants none, or one that
    /// the instance has no key of or does not allow any more.
    pub fn signer(&self, wanted: Option<SignatureAlgorithm>) -> &Arc<SigningKey> {
        let allowed = self.demands.client_algorithms;
        wanted
            .filter(|wanted| allowed.iter().any(|one| one.name() == wanted.name()))
            .and_then(|wanted| {
                let signs = |key: &&Arc<SigningKey>| key.algorithm().name() == wanted.name();
                self.signers.iter().find(signs)
            })
            .unwrap_or(&self.signing_key)
    }

    /// Whether access tokens for an application say when and how the person signed in (RFC 9470 section 6), which App ID's do not.
    pub(crate) fn says_how_people_signed_in(&self, application: Option<&ApplicationState>) -> bool {
        self.oauth.jwt_access_tokens || application.is_some_and(ApplicationState::is_third_party)
    }
}

/// Snapshots by instance.
pub(crate) struct TenantCache {
    states: Cache<TenantId, Arc<TenantState>>,
    /// Rises when anything is forgotten, so that a load which began before a change never overwrites its effect.
    forgotten: AtomicU64,
}

impl TenantCache {
    pub(crate) fn new() -> Self {
        Self {
            states: Cache::new(MOST_TENANTS),
            forgotten: AtomicU64::new(0),
        }
    }

    /// Forgets an instance: the next request reads it again.
    pub(crate) fn forget(&self, tenant: TenantId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.states.invalidate(&tenant);
    }
}

impl Engine {
    /// The instance as it is now, for the runtime plane: `NotFound` when there is none or it does not serve.
    pub async fn tenant(&self, id: TenantId) -> Result<Arc<TenantState>> {
        let state = self.tenant_in_any_state(id).await?;
        if state.active {
            Ok(state)
        } else {
            Err(no_such_instance())
        }
    }

    /// The instance whatever its state.
    pub(crate) async fn tenant_in_any_state(&self, id: TenantId) -> Result<Arc<TenantState>> {
        if let Some(state) = self.tenants().states.get(&id) {
            return Ok(state);
        }
        let before = self.tenants().forgotten.load(Ordering::SeqCst);
        let state = Arc::new(self.load_tenant(id).await?);
        if self.tenants().forgotten.load(Ordering::SeqCst) == before {
            self.tenants().states.insert(id, Arc::clone(&state));
        }
        Ok(state)
    }

    /// Drops snapshots that other nodes made old, and answers the time to ask from next time. Called twice a second by a worker.
    pub async fn refresh_tenants(&self, since: Timestamp) -> Result<Timestamp> {
        let now = self.now();
        let changed = self
            .store()
            .platform_read(move |platform| platform.list_changed_instances(since))
            .await?;
        for (guid, version) in changed {
            let Ok(id) = TenantId::parse(&guid) else {
                continue;
            };
            if self
                .tenants()
                .states
                .get(&id)
                .is_some_and(|state| state.version != version)
            {
                self.tenants().forget(id);
            }
        }
        // Clocks of nodes differ and transactions last: look back a little further than the last look.
        Ok(now.plus_seconds(-10))
    }

    /// Changes configuration, applications, roles or keys of an instance in one transaction, and forgets what was in memory. `f`
    /// runs after the instance's row is locked, so such changes follow one another and what it reads holds until it is done.
    pub(crate) async fn change_tenant<T, F>(&self, writer: &Writer, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tenant<'_, '_>, Timestamp) -> Result<T> + Send + 'static,
    {
        self.change_as_service(writer.tenant(), f).await
    }

    /// The same for changes that no administrator makes.
    pub(crate) async fn change_as_service<T, F>(&self, id: TenantId, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tenant<'_, '_>, Timestamp) -> Result<T> + Send + 'static,
    {
        let now = self.now();
        let result = self
            .store()
            .write(id, move |tenant| {
                tenant.touch(now)?;
                f(tenant, now)
            })
            .await;
        // Also after a failure: a commit whose answer was lost may have happened.
        self.tenants().forget(id);
        result
    }

    /// What an instance offers, without certificates where none reach the service. That they are required stays: then nobody gets
    /// tokens rather than such as everybody could use.
    fn within_reach(&self, oauth: Arc<OauthConfig>) -> Arc<OauthConfig> {
        let unseen = self.settings().mutual_tls == MutualTls::Unseen;
        if !unseen || oauth.mutual_tls != Demand::Allowed {
            return oauth;
        }
        Arc::new(OauthConfig {
            mutual_tls: Demand::Off,
            ..oauth.as_ref().clone()
        })
    }

    async fn load_tenant(&self, id: TenantId) -> Result<TenantState> {
        let snapshot = self
            .store()
            .read(id, |tenant| tenant.find_snapshot())
            .await?
            .ok_or_else(no_such_instance)?;
        let config = Configuration::open(self, id, &snapshot.config)?;
        let oauth = self.within_reach(config.get::<OauthConfig>());
        let mut keys = snapshot
            .signing_keys
            .iter()
            .map(|key| {
                SigningKey::from_sealed(
                    self.master(),
                    key_context(id, &key.kid).as_bytes(),
                    &key.sealed,
                )
                .map(Arc::new)
                .map_err(Error::internal)
            })
            .collect::<Result<Vec<_>>>()?;
        let live = |key: &SealedKey| key.retired_at.is_none();
        let wanted = algorithm_of(oauth.signing_algorithm);
        let signing = snapshot
            .signing_keys
            .iter()
            .position(|key| live(key) && key.algorithm == wanted.name())
            .or_else(|| snapshot.signing_keys.iter().position(live))
            .ok_or_else(|| Error::internal(format!("instance {id} has no signing key")))?;
        let mut signers: Vec<Arc<SigningKey>> = Vec::new();
        for (_, key) in snapshot
            .signing_keys
            .iter()
            .zip(&keys)
            .filter(|(kept, _)| live(kept))
        {
            if !signers.iter().any(|one| one.algorithm() == key.algorithm()) {
                signers.push(Arc::clone(key));
            }
        }
        let signing_key: Arc<SigningKey> = keys.remove(signing);
        keys.insert(0, Arc::clone(&signing_key));
        let mut applications = HashMap::with_capacity(snapshot.applications.len());
        for (application, sealed) in snapshot.applications {
            let secret = match sealed {
                Some(sealed) => Some(self.open_secret(id, application.client_id, &sealed)?),
                None => None,
            };
            let roles = snapshot
                .application_roles
                .iter()
                .filter(|(client, _)| *client == application.client_id)
                .map(|(_, role)| *role)
                .collect();
            applications.insert(
                application.client_id,
                ApplicationState {
                    application,
                    secret,
                    roles,
                },
            );
        }
        Ok(TenantState {
            id,
            name: snapshot.name,
            region: snapshot.region,
            active: snapshot.state == "active",
            version: snapshot.version,
            config,
            demands: oauth.demands(),
            oauth,
            applications,
            roles: snapshot
                .roles
                .into_iter()
                .map(|role| (role.id, role))
                .collect(),
            signing_key,
            keys,
            signers,
            revocations: snapshot
                .revocations
                .into_iter()
                .map(
                    |Revocation {
                         kind,
                         subject,
                         issued_before,
                         ..
                     }| ((kind, subject), issued_before),
                )
                .collect(),
        })
    }

    /// Seals an application's secret for storage.
    pub(crate) fn seal_secret(
        &self,
        tenant: TenantId,
        client: ClientId,
        secret: &PlainToken,
    ) -> Vec<u8> {
        self.master().seal(
            secret_context(tenant, client).as_bytes(),
            secret.expose().as_bytes(),
            self.random(),
        )
    }

    /// Opens an application's secret.
    pub(crate) fn open_secret(
        &self,
        tenant: TenantId,
        client: ClientId,
        sealed: &[u8],
    ) -> Result<PlainToken> {
        let plain = self
            .master()
            .open(secret_context(tenant, client).as_bytes(), sealed)
            .map_err(Error::internal)?;
        String::from_utf8(plain.to_vec())
            .map(PlainToken::new)
            .map_err(|_| Error::internal("an application secret is not text"))
    }
}

/// What an instance's sealed signing key is bound to.
pub(crate) fn key_context(tenant: TenantId, kid: &str) -> String {
    format!("signing-key:{tenant}:{kid}")
}

fn secret_context(tenant: TenantId, client: ClientId) -> String {
    format!("application-secret:{tenant}:{client}")
}

fn no_such_instance() -> Error {
    Error::not_found("There is no such instance.")
}

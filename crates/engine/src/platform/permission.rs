//! Who may do what: policies, evaluated in memory.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use vestibule_model::{
    iam::Policy,
    id::TenantId,
    instance::{Instance, InstanceState},
    privilege::{PlatformRole, ServiceRole},
};

use crate::{
    Engine, Error, Result,
    access::{Caller, Manager, Reader, Writer},
    platform::tokens::PlatformKeys,
};

/// How old a node's knowledge of a subject may be: a change on another node counts within this time.
const FRESH: Duration = Duration::from_secs(1);

/// What the platform keeps in memory.
pub(crate) struct PlatformCache {
    standings: Cache<String, Arc<Standing>>,
    keys: parking_lot::RwLock<Option<Arc<PlatformKeys>>>,
    instances: Cache<TenantId, Arc<Instance>>,
}

/// What is known of a subject: whether it exists, which of its keys work, and its policies.
pub(crate) struct Standing {
    pub(super) exists: bool,
    pub(super) live_keys: Vec<String>,
    policies: Vec<Policy>,
}

/// A caller with a platform role over something: proof for functions of the platform plane.
#[derive(Debug, Clone)]
pub struct Platform {
    /// Who it is.
    pub caller: Caller,
    /// The greatest role it has over the whole account, if any.
    pub account_role: Option<PlatformRole>,
}

impl PlatformCache {
    pub(crate) fn new() -> Self {
        Self {
            standings: Cache::builder()
                .max_capacity(100_000)
                .time_to_live(FRESH)
                .build(),
            keys: parking_lot::RwLock::new(None),
            instances: Cache::builder()
                .max_capacity(100_000)
                .time_to_live(FRESH)
                .build(),
        }
    }
}

impl Standing {
    fn platform_role(&self, instance: Option<&Instance>) -> Option<PlatformRole> {
        self.matching(instance)
            .filter_map(|role| PlatformRole::parse(role).ok())
            .max()
    }

    fn service_role(&self, instance: &Instance) -> Option<ServiceRole> {
        self.matching(Some(instance))
            .filter_map(|role| ServiceRole::parse(role).ok())
            .max()
    }

    /// Roles of the policies that cover an instance, or the whole account when there is none.
    fn matching<'a>(&'a self, instance: Option<&'a Instance>) -> impl Iterator<Item = &'a str> {
        self.policies
            .iter()
            .filter(move |policy| {
                policy.kind == "access" && policy.state == "active" && covers(policy, instance)
            })
            .flat_map(|policy| policy.roles.iter().map(String::as_str))
    }
}

/// Whether every attribute of a policy matches. An attribute this program does not know matches nothing.
fn covers(policy: &Policy, instance: Option<&Instance>) -> bool {
    policy
        .attributes
        .iter()
        .all(|(name, value)| match name.as_str() {
            "accountId" => *value == policy.account_id,
            "serviceName" => value == "appid",
            "serviceType" => value == "service",
            "serviceInstance" => {
                instance.is_some_and(|i| *value == i.guid.to_string() || *value == i.crn())
            }
            "region" => instance.is_some_and(|i| *value == i.region),
            "resourceGroupId" => instance.is_some_and(|i| *value == i.resource_group_id),
            "resourceType" => value == "instance",
            _ => false,
        })
}

impl Engine {
    /// Whoever may read the instance.
    ///
    /// # Errors
    /// `NotFound` when there is no such live instance or the caller may not know of it; `Forbidden` when its role is too small.
    pub async fn permit_reader(&self, caller: Caller, tenant: TenantId) -> Result<Reader> {
        self.permit(&caller, tenant, ServiceRole::Reader).await?;
        Ok(Reader::grant(tenant, caller))
    }

    /// Whoever may change the instance. Errors as [`Engine::permit_reader`].
    pub async fn permit_writer(&self, caller: Caller, tenant: TenantId) -> Result<Writer> {
        self.permit(&caller, tenant, ServiceRole::Writer).await?;
        Ok(Writer::grant(Reader::grant(tenant, caller)))
    }

    /// Whoever may move users of the instance. Errors as [`Engine::permit_reader`].
    pub async fn permit_manager(&self, caller: Caller, tenant: TenantId) -> Result<Manager> {
        self.permit(&caller, tenant, ServiceRole::Manager).await?;
        Ok(Manager::grant(Writer::grant(Reader::grant(tenant, caller))))
    }

    async fn permit(&self, caller: &Caller, tenant: TenantId, least: ServiceRole) -> Result<()> {
        let unknown = || Error::not_found("There is no such instance.");
        let instance = self.instance_row(tenant).await?.ok_or_else(unknown)?;
        if instance.account_id != caller.account_id || instance.state != InstanceState::Active {
            return Err(unknown());
        }
        let standing = self.standing(caller).await?;
        match standing.service_role(&instance) {
            Some(role) if role >= least => Ok(()),
            Some(_) => Err(Error::forbidden(format!(
                "This needs the role {}.",
                least.name()
            ))),
            None if standing.platform_role(Some(&instance)).is_some() => Err(Error::forbidden(
                format!("This needs the role {}.", least.name()),
            )),
            None => Err(unknown()),
        }
    }

    /// The caller with its role over the whole account.
    pub async fn on_platform(&self, caller: Caller) -> Result<Platform> {
        let account_role = self.standing(&caller).await?.platform_role(None);
        Ok(Platform {
            caller,
            account_role,
        })
    }

    /// Insists on a platform role over the whole account.
    pub(super) fn insist(by: &Platform, least: PlatformRole) -> Result<()> {
        match by.account_role {
            Some(role) if role >= least => Ok(()),
            _ => Err(Error::forbidden(format!(
                "This needs the platform role {} in the account.",
                least.name()
            ))),
        }
    }

    /// An instance that the caller has at least this platform role over.
    ///
    /// # Errors
    /// `NotFound` when the caller may not know of it; `Forbidden` when its role is too small.
    pub(super) async fn permit_instance(
        &self,
        by: &Platform,
        tenant: TenantId,
        least: PlatformRole,
    ) -> Result<Instance> {
        let unknown = || Error::not_found("There is no such instance.");
        let instance = self
            .store()
            .platform_read::<_, Error>(move |platform| Ok(platform.find_instance(tenant)?))
            .await?
            .filter(|instance| instance.account_id == by.caller.account_id)
            .ok_or_else(unknown)?;
        let standing = self.standing(&by.caller).await?;
        match standing.platform_role(Some(&instance)) {
            Some(role) if role >= least => Ok(instance),
            None if standing.service_role(&instance).is_none() => Err(unknown()),
            None if least == PlatformRole::Viewer => Ok(instance),
            _ => Err(Error::forbidden(format!(
                "This needs the platform role {}.",
                least.name()
            ))),
        }
    }

    /// Whether the caller may see an instance in lists.
    pub(super) async fn may_see(&self, by: &Platform, instance: &Instance) -> Result<bool> {
        let standing = self.standing(&by.caller).await?;
        Ok(standing.platform_role(Some(instance)).is_some()
            || standing.service_role(instance).is_some())
    }

    /// What is known of a caller, at most a second old.
    pub(super) async fn standing(&self, caller: &Caller) -> Result<Arc<Standing>> {
        if let Some(standing) = self.platform_cache().standings.get(&caller.iam_id) {
            return Ok(standing);
        }
        let (account, iam_id, now) = (caller.account_id.clone(), caller.iam_id.clone(), self.now());
        let standing = self
            .store()
            .platform_read::<_, Error>(move |platform| {
                let start = (vestibule_model::time::Timestamp::default(), "");
                Ok(Standing {
                    exists: platform.find_subject(&account, &iam_id)?.is_some(),
                    live_keys: platform
                        .list_api_keys(&account, Some(&iam_id), start, 10_000)?
                        .into_iter()
                        .filter(|key| !key.disabled && key.expires_at.is_none_or(|at| at > now))
                        .map(|key| key.id)
                        .collect(),
                    policies: platform.list_policies(&account, Some(&iam_id), start, 10_000)?,
                })
            })
            .await?;
        let standing = Arc::new(standing);
        self.platform_cache()
            .standings
            .insert(caller.iam_id.clone(), Arc::clone(&standing));
        Ok(standing)
    }

    /// Forgets what is known of everyone: called after each change of subjects, keys and policies.
    pub(super) fn forget_standings(&self) {
        self.platform_cache().standings.invalidate_all();
    }

    /// Forgets an instance on this node.
    pub(super) fn forget_instance(&self, tenant: TenantId) {
        self.platform_cache().instances.invalidate(&tenant);
        self.tenants().forget(tenant);
    }

    async fn instance_row(&self, tenant: TenantId) -> Result<Option<Arc<Instance>>> {
        if let Some(instance) = self.platform_cache().instances.get(&tenant) {
            return Ok(Some(instance));
        }
        let found = self
            .store()
            .platform_read::<_, Error>(move |platform| Ok(platform.find_instance(tenant)?))
            .await?
            .map(Arc::new);
        if let Some(instance) = &found {
            self.platform_cache()
                .instances
                .insert(tenant, Arc::clone(instance));
        }
        Ok(found)
    }

    pub(super) fn platform_keys(&self) -> Result<Arc<PlatformKeys>> {
        self.platform_cache()
            .keys
            .read()
            .clone()
            .ok_or_else(|| Error::internal("the account was not set up"))
    }

    pub(super) fn keep_platform_keys(&self, keys: PlatformKeys) {
        *self.platform_cache().keys.write() = Some(Arc::new(keys));
    }
}

//! Service instances: make, show, change, lock, delete.

use serde_json::Value;
use vestibule_crypto::jose::{Algorithm, SigningKey};
use vestibule_model::{
    id::TenantId,
    instance::{Instance, InstanceState, Reclamation, parse_name, parse_region},
    privilege::PlatformRole,
};
use vestibule_store::snapshot::SealedKey;

use super::{MOST_LOOKED_AT, Page, PageStart, Platform, page};
use crate::{Engine, Error, Kind, Result, tenant::key_context};

/// What an instance is made of.
#[derive(Debug, Default)]
pub struct NewInstance {
    /// Display name.
    pub name: String,
    /// Region; the service's own when none is given.
    pub region: Option<String>,
    /// Resource group.
    pub resource_group_id: Option<String>,
    /// Plan.
    pub resource_plan_id: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Free parameters: a JSON object.
    pub parameters: Option<Value>,
    /// Whether it is locked from the start.
    pub locked: bool,
}

/// What of an instance is to change.
#[derive(Debug, Default)]
pub struct InstanceChange {
    /// New name.
    pub name: Option<String>,
    /// New plan.
    pub resource_plan_id: Option<String>,
    /// New parameters.
    pub parameters: Option<Value>,
}

/// Which instances a list shows.
#[derive(Debug, Default)]
pub struct InstanceFilter {
    /// Exact GUID.
    pub guid: Option<String>,
    /// Exact name.
    pub name: Option<String>,
    /// Exact resource group.
    pub resource_group_id: Option<String>,
    /// Exact plan.
    pub resource_plan_id: Option<String>,
    /// Exact state; active and inactive ones when none is given.
    pub state: Option<String>,
}

impl InstanceFilter {
    fn shows(&self, instance: &Instance) -> bool {
        let same =
            |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let state = match &self.state {
            Some(wanted) => wanted == instance.state.name(),
            None => instance.state == InstanceState::Active,
        };
        state
            && same(&self.guid, &instance.guid.to_string())
            && same(&self.name, &instance.name)
            && same(&self.resource_group_id, &instance.resource_group_id)
            && same(&self.resource_plan_id, &instance.resource_plan_id)
    }
}

impl Engine {
    /// Makes an instance with its first signing key.
    ///
    /// # Errors
    /// `Forbidden` below Editor in the account; `Invalid` for a bad name, region or parameters.
    pub async fn create_instance(&self, by: &Platform, new: NewInstance) -> Result<Instance> {
        Self::insist(by, PlatformRole::Editor)?;
        let now = self.now();
        let guid = TenantId::from_random_bytes(self.random_id());
        let instance = Instance {
            guid,
            account_id: by.caller.account_id.clone(),
            name: parse_name(&new.name)?,
            region: match new.region {
                Some(region) => parse_region(&region)?,
                None => self.settings().region.clone(),
            },
            resource_group_id: short("resource_group", new.resource_group_id, "default")?,
            resource_plan_id: short("resource_plan_id", new.resource_plan_id, "standard")?,
            state: InstanceState::Active,
            locked: new.locked,
            parameters: object("parameters", new.parameters)?,
            tags: tags(&new.tags)?,
            last_operation: String::from("create"),
            created_by: by.caller.iam_id.clone(),
            updated_by: by.caller.iam_id.clone(),
            deleted_by: None,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        };
        let key = self.make_signing_key(guid, Algorithm::RS256).await?;
        let row = instance.clone();
        self.store()
            .platform_write::<_, Error>(move |platform| {
                platform.insert_instance(&row)?;
                platform.instance(guid, |tenant| tenant.insert_signing_key(&key))?;
                Ok(())
            })
            .await?;
        Ok(instance)
    }

    /// One instance.
    pub async fn show_instance(&self, by: &Platform, guid: TenantId) -> Result<Instance> {
        self.permit_instance(by, guid, PlatformRole::Viewer).await
    }

    /// Instances the caller may see, in order of creation.
    pub async fn list_instances(
        &self,
        by: &Platform,
        filter: &InstanceFilter,
        start: PageStart,
        count: u32,
    ) -> Result<Page<Instance>> {
        let wanted = usize::try_from(count)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let (mut found, mut from, mut looked_at) = (Vec::new(), start, 0);
        while found.len() < wanted && looked_at < MOST_LOOKED_AT {
            let (account, after) = (by.caller.account_id.clone(), from.clone());
            let rows = self
                .store()
                .platform_read::<_, Error>(move |platform| {
                    Ok(platform.list_instances(&account, after.after(), 1000)?)
                })
                .await?;
            looked_at += rows.len();
            let last = rows.len() < 1000;
            if let Some(row) = rows.last() {
                from = PageStart {
                    time: row.created_at,
                    id: row.guid.to_string(),
                };
            }
            for row in rows {
                if found.len() < wanted && filter.shows(&row) && self.may_see(by, &row).await? {
                    found.push(row);
                }
            }
            if last {
                break;
            }
        }
        Ok(page(found, count, |row| {
            (row.created_at, row.guid.to_string())
        }))
    }

    /// Changes name, plan or parameters.
    ///
    /// # Errors
    /// `Conflict` when the instance is locked or deleted.
    pub async fn change_instance(
        &self,
        by: &Platform,
        guid: TenantId,
        change: InstanceChange,
    ) -> Result<Instance> {
        self.modify_instance(by, guid, move |instance| {
            must_be_unlocked(instance)?;
            if let Some(name) = &change.name {
                instance.name = parse_name(name)?;
            }
            if let Some(plan) = change.resource_plan_id {
                instance.resource_plan_id = short("resource_plan_id", Some(plan), "")?;
            }
            if change.parameters.is_some() {
                instance.parameters = object("parameters", change.parameters)?;
            }
            instance.last_operation = String::from("update");
            Ok(())
        })
        .await
    }

    /// Locks an instance against change and deletion, or unlocks it.
    pub async fn set_instance_lock(
        &self,
        by: &Platform,
        guid: TenantId,
        lock: Lock,
    ) -> Result<Instance> {
        self.modify_instance(by, guid, move |instance| {
            instance.locked = lock == Lock::Locked;
            Ok(())
        })
        .await
    }

    /// Deletes an instance: it stops serving at once, rests for the retention period, and can be restored whole until then. With
    /// `keys`, its credentials are removed; without, an instance that has credentials is refused.
    ///
    /// # Errors
    /// `Conflict` when it is locked, deleted already, or has credentials.
    pub async fn delete_instance(&self, by: &Platform, guid: TenantId, keys: Keys) -> Result<()> {
        let instance = self.permit_instance(by, guid, PlatformRole::Editor).await?;
        let (now, who) = (self.now(), by.caller.iam_id.clone());
        let reclamation = Reclamation {
            id: self.random_uuid(),
            account_id: instance.account_id.clone(),
            instance: guid,
            target_time: now.plus_seconds(i64::from(self.settings().retention_days) * 86_400),
            created_by: by.caller.iam_id.clone(),
            created_at: now,
        };
        self.store()
            .platform_write::<_, Error>(move |platform| {
                let mut instance = locked_instance(platform, guid)?;
                must_be_unlocked(&instance)?;
                instance.state = InstanceState::PendingReclamation;
                instance.last_operation = String::from("delete");
                instance.deleted_by = Some(who.clone());
                instance.updated_by = who;
                instance.deleted_at = Some(now);
                instance.updated_at = now;
                let credentials = platform.list_resource_keys(
                    &instance.account_id,
                    Some(guid),
                    (vestibule_model::time::Timestamp::default(), ""),
                    10_000,
                )?;
                if !credentials.is_empty() && keys == Keys::Keep {
                    return Err(Error::conflict(
                        "RC-KeysExist",
                        "The instance has credentials. Delete them first, or delete with recursive=true.",
                    ));
                }
                for key in credentials {
                    platform.delete_resource_key(&key.guid)?;
                    platform.delete_subject(&key.account_id, &key.iam_id)?;
                }
                platform.update_instance(&instance)?;
                platform.insert_reclamation(&reclamation)?;
                Ok(())
            })
            .await?;
        self.forget_instance(guid);
        self.forget_standings();
        Ok(())
    }

    /// Changes an active instance as it is at that moment.
    async fn modify_instance(
        &self,
        by: &Platform,
        guid: TenantId,
        change: impl FnOnce(&mut Instance) -> Result<()> + Send + 'static,
    ) -> Result<Instance> {
        self.permit_instance(by, guid, PlatformRole::Editor).await?;
        let (now, who) = (self.now(), by.caller.iam_id.clone());
        let instance = self
            .store()
            .platform_write::<_, Error>(move |platform| {
                let mut instance = locked_instance(platform, guid)?;
                change(&mut instance)?;
                instance.updated_at = now;
                instance.updated_by = who;
                platform.update_instance(&instance)?;
                Ok(instance)
            })
            .await?;
        self.forget_instance(guid);
        Ok(instance)
    }

    /// A fresh signing key for an instance, sealed. Made on a thread of its own: it takes long.
    pub(crate) async fn make_signing_key(
        &self,
        guid: TenantId,
        algorithm: Algorithm,
    ) -> Result<SealedKey> {
        let now = self.now();
        // The form of App ID's key ids (contract/runtime.md section 3.2); clients treat it as opaque. Keys of several algorithms may
        // be made at the same moment.
        let mut kid = format!("appId-{guid}-{}", now.rfc3339().trim_end_matches('Z'));
        if algorithm != Algorithm::RS256 {
            kid.push('-');
            kid.push_str(algorithm.name());
        }
        let name = kid.clone();
        let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm, name))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)?;
        Ok(SealedKey {
            sealed: key
                .to_sealed(
                    self.master(),
                    key_context(guid, &kid).as_bytes(),
                    self.random(),
                )
                .map_err(Error::internal)?,
            algorithm: key.algorithm().name().to_owned(),
            kid,
            created_at: now,
            retired_at: None,
        })
    }
}

/// Whether an instance may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// It may not.
    Locked,
    /// It may.
    Unlocked,
}

/// What happens to credentials of a deleted instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// They are removed first.
    Remove,
    /// They are kept, and the instance with them.
    Keep,
}

/// The GUID that an id means: the GUID itself or the CRN.
pub fn parse_instance_id(text: &str) -> Result<TenantId> {
    let guid = match text.strip_prefix("crn:") {
        Some(crn) => crn.split(':').nth(6).unwrap_or_default(),
        None => text,
    };
    TenantId::parse(guid).map_err(|_| Error::not_found("There is no such instance."))
}

/// An active instance, whose state nobody else changes until the transaction ends.
fn locked_instance(
    platform: &mut vestibule_store::scope::Platform<'_, '_>,
    guid: TenantId,
) -> Result<Instance> {
    platform.lock_instance(guid)?;
    let instance = platform
        .find_instance(guid)?
        .ok_or_else(|| Error::not_found("There is no such instance."))?;
    must_be_active(&instance)?;
    Ok(instance)
}

fn must_be_active(instance: &Instance) -> Result<()> {
    if instance.state == InstanceState::Active {
        Ok(())
    } else {
        Err(Error::conflict(
            "RC-InstanceNotActive",
            "The instance is deleted. Restore it first.",
        ))
    }
}

/// The Resource Controller answers 422 to a change of a locked instance.
fn must_be_unlocked(instance: &Instance) -> Result<()> {
    if instance.locked {
        Err(Error::new(
            Kind::Unprocessable,
            "RC-IN_InstanceLocked",
            "The instance is locked. Unlock it first.",
        ))
    } else {
        Ok(())
    }
}

fn short(field: &str, value: Option<String>, default: &str) -> Result<String> {
    let value = value.unwrap_or_else(|| default.to_owned());
    if value.is_empty() || value.len() > 200 || value.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "{field} must be 1 to 200 printable characters."
        )));
    }
    Ok(value)
}

/// A JSON object of bounded size as text.
pub(super) fn object(field: &str, value: Option<Value>) -> Result<String> {
    let text = match value {
        None | Some(Value::Null) => return Ok(String::from("{}")),
        Some(Value::Object(members)) => Value::Object(members).to_string(),
        Some(_) => return Err(Error::invalid(format!("{field} must be an object."))),
    };
    if text.len() > 10_000 {
        return Err(Error::invalid(format!(
            "{field} is larger than 10,000 bytes."
        )));
    }
    Ok(text)
}

fn tags(tags: &[String]) -> Result<String> {
    if tags.len() > 100 || tags.iter().any(|tag| tag.len() > 128) {
        return Err(Error::invalid("At most 100 tags of at most 128 bytes."));
    }
    serde_json::to_string(tags).map_err(Error::internal)
}

//! Resource keys: credentials of an instance for programs. Each is a service ID with one policy and one API key, so that removing
//! it revokes everything at once.

use vestibule_crypto::token::PlainToken;
use vestibule_model::{
    iam::{ApiKey, Policy, Subject, SubjectKind},
    id::TenantId,
    instance::{Instance, ResourceKey, parse_name},
    privilege::{PlatformRole, ServiceRole},
};

use super::{Page, PageStart, Platform, filtered_page, instances::object};
use crate::{Engine, Error, Result};

/// What credentials are made of.
#[derive(Debug)]
pub struct NewCredentials {
    /// Display name.
    pub name: String,
    /// The instance.
    pub instance: TenantId,
    /// What the holder may do.
    pub role: ServiceRole,
    /// Free parameters: a JSON object.
    pub parameters: Option<serde_json::Value>,
}

/// Which credentials a list shows.
#[derive(Debug, Default)]
pub struct CredentialsFilter {
    /// Only of this instance.
    pub instance: Option<TenantId>,
    /// Exact GUID.
    pub guid: Option<String>,
    /// Exact name.
    pub name: Option<String>,
}

impl CredentialsFilter {
    fn shows(&self, key: &ResourceKey) -> bool {
        self.guid.as_deref().is_none_or(|guid| guid == key.guid)
            && self.name.as_deref().is_none_or(|name| name == key.name)
    }
}

/// Credentials with their instance, and with the API key when they were made just now.
pub struct Credentials {
    /// The row.
    pub key: ResourceKey,
    /// The instance they are for.
    pub instance: Instance,
    /// Shown this once.
    pub api_key: Option<PlainToken>,
}

impl Engine {
    /// Makes credentials.
    ///
    /// # Errors
    /// `Forbidden` below Operator at the instance, or for a role greater than the caller's own at that instance (an Administrator
    /// may give any).
    pub async fn create_credentials(
        &self,
        by: &Platform,
        new: NewCredentials,
    ) -> Result<Credentials> {
        let instance = self
            .permit_instance(by, new.instance, PlatformRole::Operator)
            .await?;
        self.permit_reader(by.caller.clone(), new.instance).await?;
        if by.account_role != Some(PlatformRole::Administrator) {
            match new.role {
                ServiceRole::Reader => {}
                ServiceRole::Writer => {
                    drop(self.permit_writer(by.caller.clone(), new.instance).await?)
                }
                ServiceRole::Manager => {
                    drop(self.permit_manager(by.caller.clone(), new.instance).await?)
                }
            }
        }
        let (now, name) = (self.now(), parse_name(&new.name)?);
        let (guid, service) = (self.random_uuid(), self.random_uuid());
        let iam_id = format!("iam-ServiceId-{service}");
        let secret = PlainToken::generate(self.random());
        let key = ResourceKey {
            guid: guid.clone(),
            account_id: instance.account_id.clone(),
            instance: new.instance,
            name: name.clone(),
            role: new.role,
            parameters: object("parameters", new.parameters)?,
            iam_id: iam_id.clone(),
            api_key_id: format!("ApiKey-{}", self.random_uuid()),
            created_by: by.caller.iam_id.clone(),
            created_at: now,
            updated_at: now,
        };
        let subject = Subject {
            iam_id: iam_id.clone(),
            id: format!("ServiceId-{service}"),
            account_id: instance.account_id.clone(),
            kind: SubjectKind::Service,
            name: name.clone(),
            description: format!("Credentials of instance {}", new.instance),
            email: None,
            locked: false,
            resource_key: Some(guid),
            version: 1,
            created_at: now,
            modified_at: now,
        };
        let api_key = ApiKey {
            id: key.api_key_id.clone(),
            account_id: instance.account_id.clone(),
            iam_id: iam_id.clone(),
            name: format!("auto-generated-apikey-{}", key.guid),
            description: format!("Made for the credentials {name}"),
            locked: false,
            disabled: false,
            version: 1,
            created_by: by.caller.iam_id.clone(),
            created_at: now,
            modified_at: now,
            expires_at: None,
        };
        let policy = Policy {
            id: self.random_uuid(),
            account_id: instance.account_id.clone(),
            iam_id,
            kind: String::from("access"),
            state: String::from("active"),
            roles: vec![new.role.crn()],
            attributes: vec![
                (String::from("accountId"), instance.account_id.clone()),
                (String::from("serviceName"), String::from("appid")),
                (String::from("serviceInstance"), new.instance.to_string()),
            ],
            description: String::new(),
            version: 1,
            created_by: by.caller.iam_id.clone(),
            modified_by: by.caller.iam_id.clone(),
            created_at: now,
            modified_at: now,
        };
        let (row, hash) = (key.clone(), secret.hash());
        self.store()
            .platform_write::<_, Error>(move |platform| {
                platform.insert_subject(&subject)?;
                platform.insert_api_key(&api_key, hash.as_str())?;
                platform.insert_policy(&policy)?;
                platform.insert_resource_key(&row)?;
                Ok(())
            })
            .await?;
        Ok(Credentials {
            key,
            instance,
            api_key: Some(secret),
        })
    }

    /// Credentials by id, without the API key.
    pub async fn show_credentials(&self, by: &Platform, guid: String) -> Result<Credentials> {
        self.find_credentials(by, guid, PlatformRole::Viewer).await
    }

    /// Credentials of an instance, or of the account, that the caller may see.
    pub async fn list_credentials(
        &self,
        by: &Platform,
        filter: CredentialsFilter,
        start: PageStart,
        count: u32,
    ) -> Result<Page<Credentials>> {
        let account = by.caller.account_id.clone();
        if let Some(instance) = filter.instance {
            self.permit_instance(by, instance, PlatformRole::Viewer)
                .await?;
        } else {
            Self::insist(by, PlatformRole::Viewer)?;
        }
        self.store()
            .platform_read::<_, Error>(move |platform| {
                let keys = filtered_page(
                    start,
                    count,
                    |key: &ResourceKey| (key.created_at, key.guid.clone()),
                    |key| filter.shows(key),
                    |start, rows| {
                        Ok(platform.list_resource_keys(
                            &account,
                            filter.instance,
                            start.after(),
                            rows,
                        )?)
                    },
                )?;
                let mut rows = Vec::with_capacity(keys.rows.len());
                for key in keys.rows {
                    if let Some(instance) = platform.find_instance(key.instance)? {
                        rows.push(Credentials {
                            key,
                            instance,
                            api_key: None,
                        });
                    }
                }
                Ok(Page {
                    rows,
                    next: keys.next,
                })
            })
            .await
    }

    /// Gives credentials another name.
    pub async fn rename_credentials(
        &self,
        by: &Platform,
        guid: String,
        name: &str,
    ) -> Result<Credentials> {
        let mut found = self
            .find_credentials(by, guid, PlatformRole::Operator)
            .await?;
        found.key.name = parse_name(name)?;
        found.key.updated_at = self.now();
        let (guid, name, now) = (found.key.guid.clone(), found.key.name.clone(), self.now());
        self.store()
            .platform_write::<_, Error>(move |platform| {
                Ok(platform.update_resource_key(&guid, &name, now)?)
            })
            .await?;
        Ok(found)
    }

    /// Revokes credentials: the API key stops working at once, tokens got with it within a second.
    pub async fn delete_credentials(&self, by: &Platform, guid: String) -> Result<()> {
        let found = self
            .find_credentials(by, guid, PlatformRole::Operator)
            .await?;
        self.store()
            .platform_write::<_, Error>(move |platform| {
                platform.delete_resource_key(&found.key.guid)?;
                platform.delete_subject(&found.key.account_id, &found.key.iam_id)?;
                Ok(())
            })
            .await?;
        self.forget_standings();
        Ok(())
    }

    async fn find_credentials(
        &self,
        by: &Platform,
        guid: String,
        least: PlatformRole,
    ) -> Result<Credentials> {
        let account = by.caller.account_id.clone();
        let id = guid.rsplit(':').next().unwrap_or_default().to_owned();
        let key = self
            .store()
            .platform_read::<_, Error>(move |platform| {
                Ok(platform.find_resource_key(&account, &id)?)
            })
            .await?
            .ok_or_else(|| Error::not_found("There are no such credentials."))?;
        let instance = self.permit_instance(by, key.instance, least).await?;
        Ok(Credentials {
            key,
            instance,
            api_key: None,
        })
    }
}

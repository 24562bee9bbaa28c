//! Service IDs: identities for programs. Administrators make them.

use vestibule_crypto::token::PlainToken;
use vestibule_model::{
    iam::{ApiKey, Subject, SubjectKind},
    privilege::PlatformRole,
};

use super::{
    Page, PageStart, Platform,
    apikeys::{NewApiKey, description, locked, stale},
    filtered_page,
};
use crate::{Engine, Error, Result};

/// What of a service ID is to change.
#[derive(Debug, Default)]
pub struct ServiceIdChange {
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// Lock or unlock.
    pub locked: Option<bool>,
    /// The version the caller saw; any when none is given.
    pub version: Option<i64>,
}

impl Engine {
    /// Makes a service ID, with a first API key if one is asked for.
    pub async fn create_service_id(
        &self,
        by: &Platform,
        name: &str,
        text: String,
        locked: bool,
        api_key: Option<NewApiKey>,
    ) -> Result<(Subject, Option<(ApiKey, PlainToken)>)> {
        Self::insist(by, PlatformRole::Administrator)?;
        let (now, uuid) = (self.now(), self.random_uuid());
        let subject = Subject {
            iam_id: format!("iam-ServiceId-{uuid}"),
            id: format!("ServiceId-{uuid}"),
            account_id: by.caller.account_id.clone(),
            kind: SubjectKind::Service,
            name: vestibule_model::instance::parse_name(name)?,
            description: description(text)?,
            email: None,
            locked,
            resource_key: None,
            version: 1,
            created_at: now,
            modified_at: now,
        };
        let key = api_key
            .map(|new| {
                let iam_id = Some(subject.iam_id.clone());
                self.new_api_key(by, NewApiKey { iam_id, ..new })
            })
            .transpose()?;
        let row = subject.clone();
        let first = key
            .as_ref()
            .map(|(key, secret)| (key.clone(), secret.hash()));
        self.store()
            .platform_write::<_, Error>(move |platform| {
                platform.insert_subject(&row)?;
                if let Some((key, hash)) = first {
                    platform.insert_api_key(&key, hash.as_str())?;
                }
                Ok(())
            })
            .await?;
        self.forget_standings();
        Ok((subject, key))
    }

    /// One service ID.
    pub async fn show_service_id(&self, by: &Platform, id: &str) -> Result<Subject> {
        Self::insist(by, PlatformRole::Viewer)?;
        let (account, id) = (by.caller.account_id.clone(), id.to_owned());
        self.store()
            .platform_read::<_, Error>(move |platform| Ok(platform.find_subject(&account, &id)?))
            .await?
            .filter(|subject| subject.kind == SubjectKind::Service)
            .ok_or_else(|| Error::not_found("There is no such service ID."))
    }

    /// Service IDs of the account, or those with exactly this name.
    pub async fn list_service_ids(
        &self,
        by: &Platform,
        name: Option<String>,
        start: PageStart,
        count: u32,
    ) -> Result<Page<Subject>> {
        Self::insist(by, PlatformRole::Viewer)?;
        let account = by.caller.account_id.clone();
        self.store()
            .platform_read::<_, Error>(move |platform| {
                filtered_page(
                    start,
                    count,
                    |row: &Subject| (row.created_at, row.id.clone()),
                    |row| name.as_deref().is_none_or(|name| name == row.name),
                    |start, rows| Ok(platform.list_service_ids(&account, start.after(), rows)?),
                )
            })
            .await
    }

    /// Changes a service ID. Errors as [`Engine::change_api_key`].
    pub async fn change_service_id(
        &self,
        by: &Platform,
        id: &str,
        change: ServiceIdChange,
    ) -> Result<Subject> {
        Self::insist(by, PlatformRole::Administrator)?;
        let mut subject = self.show_service_id(by, id).await?;
        if change
            .version
            .is_some_and(|version| version != subject.version)
        {
            return Err(stale());
        }
        if subject.locked && change.locked.is_none() {
            return Err(locked());
        }
        if let Some(name) = &change.name {
            subject.name = vestibule_model::instance::parse_name(name)?;
        }
        if let Some(text) = change.description {
            subject.description = description(text)?;
        }
        subject.locked = change.locked.unwrap_or(subject.locked);
        subject.version += 1;
        subject.modified_at = self.now();
        let row = subject.clone();
        let kept = self
            .store()
            .platform_write::<_, Error>(move |platform| Ok(platform.update_subject(&row)?))
            .await?;
        if kept { Ok(subject) } else { Err(stale()) }
    }

    /// Removes a service ID with its API keys and policies.
    pub async fn delete_service_id(&self, by: &Platform, id: &str) -> Result<()> {
        Self::insist(by, PlatformRole::Administrator)?;
        let subject = self.show_service_id(by, id).await?;
        if subject.locked {
            return Err(locked());
        }
        if subject.resource_key.is_some() {
            return Err(Error::conflict(
                "resource_key_exists",
                "It belongs to credentials of an instance. Delete the credentials instead.",
            ));
        }
        self.store()
            .platform_write::<_, Error>(move |platform| {
                Ok(platform.delete_subject(&subject.account_id, &subject.iam_id)?)
            })
            .await?;
        self.forget_standings();
        Ok(())
    }
}

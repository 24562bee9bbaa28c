//! API keys of the account. Everyone has their own; an Administrator has everybody's.

use vestibule_crypto::token::{PlainToken, TokenHash};
use vestibule_model::{iam::ApiKey, privilege::PlatformRole, time::Timestamp};

use super::{Page, PageStart, Platform, page};
use crate::{Engine, Error, Kind, Result};

/// What an API key is made of.
#[derive(Debug, Default)]
pub struct NewApiKey {
    /// Display name.
    pub name: String,
    /// Whose it is; the caller's when none is given.
    pub iam_id: Option<String>,
    /// Free text.
    pub description: String,
    /// The secret, when the caller brings one of at least 20 characters.
    pub secret: Option<String>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// Whether it is locked from the start.
    pub locked: bool,
    /// Whether it does not work until it is enabled.
    pub disabled: bool,
}

/// What of an API key is to change.
#[derive(Debug, Default)]
pub struct ApiKeyChange {
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// Lock or unlock.
    pub locked: Option<bool>,
    /// Disable or enable.
    pub disabled: Option<bool>,
    /// The version the caller saw; any when none is given.
    pub version: Option<i64>,
}

impl Engine {
    /// Makes an API key; the secret is shown this once.
    pub async fn create_api_key(
        &self,
        by: &Platform,
        new: NewApiKey,
    ) -> Result<(ApiKey, PlainToken)> {
        let (key, secret) = self.new_api_key(by, new)?;
        let (row, hash) = (key.clone(), secret.hash());
        self.store()
            .platform_write::<_, Error>(move |platform| {
                if platform
                    .find_subject(&row.account_id, &row.iam_id)?
                    .is_none()
                {
                    return Err(Error::invalid("iam_id names nobody in this account."));
                }
                platform.insert_api_key(&row, hash.as_str())?;
                Ok(())
            })
            .await?;
        self.forget_standings();
        Ok((key, secret))
    }

    /// An API key that is not stored yet.
    pub(super) fn new_api_key(
        &self,
        by: &Platform,
        new: NewApiKey,
    ) -> Result<(ApiKey, PlainToken)> {
        let iam_id = new.iam_id.unwrap_or_else(|| by.caller.iam_id.clone());
        own_or_administrator(by, &iam_id)?;
        let now = self.now();
        if new.expires_at.is_some_and(|at| at <= now) {
            return Err(Error::invalid("expires_at lies in the past."));
        }
        let secret = match new.secret {
            Some(secret) if secret.len() < 20 || secret.len() > 512 => {
                return Err(Error::invalid("apikey must have 20 to 512 characters."));
            }
            Some(secret) => PlainToken::new(secret),
            None => PlainToken::generate(self.random()),
        };
        let key = ApiKey {
            id: format!("ApiKey-{}", self.random_uuid()),
            account_id: by.caller.account_id.clone(),
            iam_id,
            name: vestibule_model::instance::parse_name(&new.name)?,
            description: description(new.description)?,
            locked: new.locked,
            disabled: new.disabled,
            version: 1,
            created_by: by.caller.iam_id.clone(),
            created_at: now,
            modified_at: now,
            expires_at: new.expires_at,
        };
        Ok((key, secret))
    }

    /// The API key whose secret this is.
    pub async fn api_key_details(&self, by: &Platform, secret: &str) -> Result<ApiKey> {
        let hash = TokenHash::of(secret);
        let key = self
            .store()
            .platform_read::<_, Error>(move |platform| {
                Ok(platform.find_api_key_by_hash(hash.as_str())?)
            })
            .await?
            .filter(|key| key.account_id == by.caller.account_id)
            .ok_or_else(no_such_key)?;
        own_or_administrator(by, &key.iam_id)?;
        Ok(key)
    }

    /// One API key.
    pub async fn show_api_key(&self, by: &Platform, id: &str) -> Result<ApiKey> {
        let (account, id) = (by.caller.account_id.clone(), id.to_owned());
        let key = self
            .store()
            .platform_read::<_, Error>(move |platform| Ok(platform.find_api_key(&account, &id)?))
            .await?
            .ok_or_else(no_such_key)?;
        own_or_administrator(by, &key.iam_id).map_err(|_| no_such_key())?;
        Ok(key)
    }

    /// API keys of a subject, or of the account when `everybody`.
    pub async fn list_api_keys(
        &self,
        by: &Platform,
        whose: Whose,
        start: PageStart,
        count: u32,
    ) -> Result<Page<ApiKey>> {
        let iam_id = match whose {
            Whose::Everybody => {
                Self::insist(by, PlatformRole::Administrator)?;
                None
            }
            Whose::Subject(iam_id) => {
                own_or_administrator(by, &iam_id)?;
                Some(iam_id)
            }
        };
        let account = by.caller.account_id.clone();
        let rows = self
            .store()
            .platform_read::<_, Error>(move |platform| {
                Ok(platform.list_api_keys(
                    &account,
                    iam_id.as_deref(),
                    start.after(),
                    count.saturating_add(1),
                )?)
            })
            .await?;
        Ok(page(rows, count, |row| (row.created_at, row.id.clone())))
    }

    /// Changes an API key.
    ///
    /// # Errors
    /// `Stale` when it changed since the caller saw it; `Conflict` when it is locked and the change is not unlocking.
    pub async fn change_api_key(
        &self,
        by: &Platform,
        id: &str,
        change: ApiKeyChange,
    ) -> Result<ApiKey> {
        let mut key = self.show_api_key(by, id).await?;
        if change.version.is_some_and(|version| version != key.version) {
            return Err(stale());
        }
        if key.locked && change.locked.is_none() {
            return Err(locked());
        }
        if let Some(name) = &change.name {
            key.name = vestibule_model::instance::parse_name(name)?;
        }
        if let Some(text) = change.description {
            key.description = description(text)?;
        }
        key.locked = change.locked.unwrap_or(key.locked);
        key.disabled = change.disabled.unwrap_or(key.disabled);
        key.version += 1;
        key.modified_at = self.now();
        let row = key.clone();
        let kept = self
            .store()
            .platform_write::<_, Error>(move |platform| Ok(platform.update_api_key(&row)?))
            .await?;
        self.forget_standings();
        if kept { Ok(key) } else { Err(stale()) }
    }

    /// Revokes an API key: tokens got with it stop working within a second.
    pub async fn delete_api_key(&self, by: &Platform, id: &str) -> Result<()> {
        let key = self.show_api_key(by, id).await?;
        if key.locked {
            return Err(locked());
        }
        self.store()
            .platform_write::<_, Error>(move |platform| {
                Ok(platform.delete_api_key(&key.account_id, &key.id)?)
            })
            .await?;
        self.forget_standings();
        Ok(())
    }
}

/// Whose API keys a list shows.
#[derive(Debug)]
pub enum Whose {
    /// Everybody's in the account.
    Everybody,
    /// One subject's.
    Subject(String),
}

fn own_or_administrator(by: &Platform, iam_id: &str) -> Result<()> {
    if by.caller.iam_id == iam_id {
        Ok(())
    } else {
        Engine::insist(by, PlatformRole::Administrator)
    }
}

/// Free text of at most 1,000 characters.
pub(super) fn description(text: String) -> Result<String> {
    if text.chars().count() > 1000 {
        return Err(Error::invalid(
            "description is longer than 1,000 characters.",
        ));
    }
    Ok(text)
}

/// The caller's copy is old.
pub(super) fn stale() -> Error {
    Error::new(
        Kind::Stale,
        "version_mismatch",
        "It changed since you read it. Read it again and repeat the change.",
    )
}

/// It may not be changed.
pub(super) fn locked() -> Error {
    Error::conflict("locked", "It is locked. Unlock it first.")
}

fn no_such_key() -> Error {
    Error::not_found("There is no such API key.")
}

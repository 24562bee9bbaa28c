//! `cloud_directory/export`: directory users with sealed password hashes, attributes and role names.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::json;
use vestibule_crypto::{
    envelope::ExportKey,
    password::{PasswordHash, PasswordHashError},
};
use vestibule_model::{id::TenantId, object::RawObject, profile::CLOUD_DIRECTORY};
use vestibule_store::directory::StoredUser;
use zeroize::Zeroizing;

use super::aside;
use crate::{
    Engine, Error, Page, Result,
    access::Manager,
    directory::carried_object,
    profile::{ProfileView, with_details},
};

/// Longest encryption secret in bytes.
const LONGEST_SECRET: usize = 1024;

/// A page of an export.
#[derive(Debug)]
pub struct DirectoryExport {
    /// The users of this page, in order of creation.
    pub users: Vec<RawObject>,
    /// How many there are in all.
    pub total: usize,
}

impl Engine {
    /// A page of directory users; their password hashes are sealed with a key made of `secret`. All pages of one instance under one
    /// secret share a key, so that an import derives it once.
    pub async fn export_directory(
        &self,
        manager: &Manager,
        secret: Zeroizing<String>,
        page: Page,
    ) -> Result<DirectoryExport> {
        check_new_secret(&secret)?;
        let tenant = manager.tenant();
        let (stored, total, profiles) = self
            .store()
            .read(tenant, move |t| {
                let stored = t.list_directory_users(page)?;
                let total = t.count_directory_users()?;
                let ids: Vec<String> = stored.iter().map(|s| s.user.id.to_string()).collect();
                let held = t.list_profiles_at(CLOUD_DIRECTORY, &ids)?;
                let mut profiles = HashMap::with_capacity(held.len());
                for (subject, id) in held {
                    if let Some(profile) = t.find_profile(id)? {
                        profiles.insert(subject, profile);
                    }
                }
                let (subjects, rows): (Vec<String>, Vec<_>) = profiles.into_iter().unzip();
                let views = with_details(t, rows)?;
                let profiles: HashMap<String, ProfileView> =
                    subjects.into_iter().zip(views).collect();
                Ok::<_, Error>((stored, total, profiles))
            })
            .await?;
        let engine = self.clone();
        aside(move || {
            let key = engine.export_key(tenant, &secret);
            let users = stored
                .iter()
                .map(|user| {
                    let profile = profiles.get(&user.user.id.to_string());
                    engine.exported(&key, user, profile)
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(DirectoryExport { users, total })
        })
        .await?
    }

    /// The salt of an instance's exports under one secret: the same for every page, and known to nobody who lacks the master key.
    pub(super) fn export_salt(&self, tenant: TenantId, secret: &str) -> [u8; 16] {
        let data = Zeroizing::new(format!("{tenant}:{secret}"));
        let tag = self
            .master()
            .derive("directory-export-salt", data.as_bytes());
        let mut salt = [0; 16];
        salt.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
        salt
    }

    fn exported(
        &self,
        key: &ExportKey,
        stored: &StoredUser,
        profile: Option<&ProfileView>,
    ) -> Result<RawObject> {
        let id = stored.user.id.to_string();
        let hash = stored
            .password_hash
            .as_deref()
            .map(PasswordHash::from_storage);
        let hash = hash
            .transpose()
            .map_err(|error: PasswordHashError| Error::internal(error))?;
        let mut user = carried_object(&stored.user);
        user.set_value("originalId", &id.as_str().into());
        let sealed = hash
            .as_ref()
            .map(|hash| key.seal_hash(&id, hash, self.random()));
        let roles: Vec<&str> = profile.map_or(Vec::new(), |view| {
            view.roles.iter().map(|(_, name)| name.as_str()).collect()
        });
        let mut record = RawObject::default();
        record.set("scimUser", raw(&user)?);
        record.set_value("passwordHash", &sealed.into());
        record.set_value(
            "passwordHashAlg",
            &hash.as_ref().map(PasswordHash::algorithm_name).into(),
        );
        let attributes = profile.map(|view| view.profile.attributes.object().clone());
        let mut carried = RawObject::default();
        carried.set("attributes", raw(&attributes.unwrap_or_default())?);
        record.set("profile", raw(&carried)?);
        record.set_value("roles", &json!(roles));
        Ok(record)
    }
}

/// A secret must be there, and short enough to be one.
pub(super) fn check_secret(secret: &str) -> Result<()> {
    if secret.is_empty() || secret.len() > LONGEST_SECRET {
        return Err(Error::invalid(
            "The encryption secret must be 1 to 1024 bytes long.",
        ));
    }
    Ok(())
}

/// The same for one that is being chosen: whoever opens the seal again may have to send it in a header, which is one line.
pub(super) fn check_new_secret(secret: &str) -> Result<()> {
    check_secret(secret)?;
    let is_odd = |c: char| c.is_control() && c != '\t';
    if secret.chars().any(is_odd) || secret.trim() != secret {
        return Err(Error::invalid(
            "The encryption secret must be one line of text, without spaces around it.",
        ));
    }
    Ok(())
}

fn raw(value: &impl Serialize) -> Result<Box<serde_json::value::RawValue>> {
    serde_json::value::to_raw_value(value).map_err(Error::internal)
}

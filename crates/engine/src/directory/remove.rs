//! Removing directory users, with or without their profiles.

use vestibule_model::{id::DirectoryUserId, time::Timestamp};
use vestibule_store::scope::Tenant;

use super::{no_such_user, revoke_user};
use crate::{Engine, Error, Result, access::Writer};

/// What a bulk removal did.
#[derive(Debug, Default)]
pub struct Removed {
    /// Users that are gone now, with their profiles.
    pub removed: Vec<DirectoryUserId>,
    /// Ids that no user has.
    pub not_found: Vec<DirectoryUserId>,
}

impl Removed {
    /// Most users of one call.
    pub const MOST: usize = 100;
}

impl Engine {
    /// Removes a user and keeps the profile. Its tokens are refused from now on.
    pub async fn delete_directory_user(&self, writer: &Writer, id: DirectoryUserId) -> Result<()> {
        let now = self.now();
        let tenant = writer.tenant();
        self.store()
            .write(tenant, move |t| {
                t.touch(now)?;
                // A sign-in that is under way ends before this; then its profile is seen.
                if !t.delete_directory_user(id)? {
                    return Err(no_such_user());
                }
                revoke_user(t, id, now)?;
                Ok(())
            })
            .await?;
        self.tenants().forget(tenant);
        Ok(())
    }

    /// Removes a user together with the profile.
    pub async fn remove_directory_user(&self, writer: &Writer, id: DirectoryUserId) -> Result<()> {
        let done = self.remove_directory_users(writer, vec![id]).await?;
        if done.removed.is_empty() {
            return Err(no_such_user());
        }
        Ok(())
    }

    /// Removes up to a hundred users together with their profiles, all in one transaction.
    pub async fn remove_directory_users(
        &self,
        writer: &Writer,
        ids: Vec<DirectoryUserId>,
    ) -> Result<Removed> {
        if ids.is_empty() || ids.len() > Removed::MOST {
            return Err(Error::invalid("ids must name 1 to 100 users."));
        }
        let now = self.now();
        let tenant = writer.tenant();
        let done = self
            .store()
            .write(tenant, move |t| {
                t.touch(now)?;
                let mut done = Removed::default();
                for id in ids {
                    if done.removed.contains(&id) || done.not_found.contains(&id) {
                        continue;
                    }
                    if remove(t, id, now)? {
                        done.removed.push(id);
                    } else {
                        done.not_found.push(id);
                    }
                }
                Ok::<_, Error>(done)
            })
            .await?;
        self.tenants().forget(tenant);
        Ok(done)
    }
}

fn remove(t: &mut Tenant<'_, '_>, id: DirectoryUserId, now: Timestamp) -> Result<bool> {
    if !t.delete_directory_user(id)? {
        return Ok(false);
    }
    if let Some(profile) = revoke_user(t, id, now)? {
        t.delete_profile(profile)?;
    }
    Ok(true)
}

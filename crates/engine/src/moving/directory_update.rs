//! Directory users who are there already, made what a record says.

use std::collections::HashSet;

use vestibule_model::{
    directory::DirectoryUser,
    id::{DirectoryUserId, RoleId},
    profile::{CLOUD_DIRECTORY, Identity, Profile, ProfileKind},
    time::Timestamp,
};
use vestibule_store::scope::Tenant;

use super::{
    directory_apply::{Placed, carried, first_profile, hash, kept_profile, keys, past},
    directory_record::KeptProfile,
    profile_apply::key,
};
use crate::{Error, Result};

/// Makes a user what the record says, password included; the id stays, the tokens end. Answers which of its keys are free then. `held`
/// are the identities that the profile has.
pub(super) fn overwrite(
    t: &mut Tenant<'_, '_>,
    (owner, held): (DirectoryUserId, &[Identity]),
    placed: &Placed,
    roles: &[RoleId],
    now: Timestamp,
) -> Result<Vec<String>> {
    let record = &placed.record;
    let Some(stored) = t.find_directory_user(owner)? else {
        return Err(Error::conflict("conflict", "The user vanished."));
    };
    let mut user = stored.user;
    let mut freed = keys(&user.card);
    let kept = keys(&record.card);
    freed.retain(|key| !kept.contains(key));
    user.card = record.card.clone();
    user.status = record.status;
    user.active = record.active;
    user.locked_until = record.locked_until;
    user.modified_at = now;
    let hash = hash(record);
    let mut changed_at = now;
    // App ID's shape does not say when a password was changed, and keeps the last sign-in here.
    if record.kept.is_some() {
        if let Some(at) = past(record.last_login_at, now) {
            user.last_login_at = Some(at);
            t.record_login(owner, at)?;
        }
        let changed = hash.as_ref().and(record.password_changed_at);
        changed_at = past(changed, now).unwrap_or(now);
    }
    // The password first: with it goes when the user was changed, and that is now.
    t.update_password(owner, hash.as_deref(), changed_at)?;
    t.update_directory_user(&user)?;
    let carried = carried(placed);
    let profile = match t.find_profile_by_identity(CLOUD_DIRECTORY, &owner.to_string())? {
        Some(stored) => {
            t.revoke_profile_tokens(stored.id, now)?;
            match carried {
                Some(carried) => renew(t, &user, (&stored, held), carried, now)?,
                None => {
                    t.update_attributes(stored.id, &record.attributes, now)?;
                }
            }
            stored.id
        }
        None => {
            // The profile's own id if the record brought one.
            let Some(id) = placed.profile else {
                return Ok(freed);
            };
            let (profile, identities) = match carried {
                Some(carried) => kept_profile(t.id(), &user, carried),
                None => first_profile(t.id(), &user, record, (id, now)),
            };
            t.insert_profile(&profile)?;
            t.update_identities(id, &identities)?;
            id
        }
    };
    t.update_user_roles(profile, roles)?;
    Ok(freed)
}

/// Makes the profile of a user what a bundle says. Its id stays, and so do identities that only it has, since people sign in with them.
fn renew(
    t: &mut Tenant<'_, '_>,
    user: &DirectoryUser,
    (stored, held): (&Profile, &[Identity]),
    carried: &KeptProfile,
    now: Timestamp,
) -> Result<()> {
    let (mut profile, mut identities) = kept_profile(t.id(), user, carried);
    profile.id = stored.id;
    if profile.kind == ProfileKind::Future {
        profile.kind = stored.kind;
    }
    profile.modified_at = now;
    t.update_profile(&profile)?;
    let keys: HashSet<(String, String)> = identities.iter().map(key).collect();
    let only_here = held.iter().filter(|old| !keys.contains(&key(old)));
    identities.extend(only_here.cloned());
    t.update_identities(stored.id, &identities)?;
    Ok(())
}

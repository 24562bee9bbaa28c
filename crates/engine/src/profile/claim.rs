//! The profile of who signs in.

use vestibule_model::{
    attributes::Attributes,
    email::fold,
    id::ProfileId,
    object::RawObject,
    profile::{CLOUD_DIRECTORY, Identity, Profile, ProfileKind},
    time::Timestamp,
};
use vestibule_store::scope::Tenant;

use crate::Result;

/// What an identity provider said of someone who signed in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// `cloud_directory`, `google`, …
    pub provider: String,
    /// The provider's identifier; the directory id of a directory user.
    pub subject: String,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Whether the provider vouches for the address.
    pub email_verified: bool,
    /// `picture`, `gender`, `locale`, `preferred_username`, where known.
    pub claims: RawObject,
    /// What the provider said, as it said it.
    pub user_info: Option<RawObject>,
}

/// The profile of who signs in: the known one brought up to date, else the one prepared for them, else a new one with `new_id`.
/// Runs within the transaction of the sign-in.
///
/// A prepared profile is found by the provider's identifier, then by e-mail address. A directory user whose address is not verified
/// does not get what was prepared: attributes and roles are deleted and the profile begins empty (contract/runtime.md section 6.8).
pub fn claim_profile(
    t: &mut Tenant<'_, '_>,
    sign_in: &SignIn,
    new_id: ProfileId,
    now: Timestamp,
) -> Result<Profile> {
    if let Some(known) = find_known(t, sign_in)? {
        return refresh(t, known, sign_in, now);
    }
    // Two first sign-ins at once would make two profiles.
    t.lock_identity(&sign_in.provider, &sign_in.subject)?;
    if let Some(known) = find_known(t, sign_in)? {
        return refresh(t, known, sign_in, now);
    }
    let mut profile = Profile {
        id: new_id,
        kind: ProfileKind::Known,
        name: sign_in.name.clone(),
        email: sign_in.email.clone(),
        body: sign_in.claims.clone(),
        attributes: Attributes::default(),
        created_at: now,
        modified_at: now,
    };
    let own = identity_of(
        &sign_in.provider,
        &sign_in.subject,
        sign_in.user_info.as_ref(),
    );
    if let Some(prepared) = find_prepared(t, sign_in)? {
        let entitled = sign_in.provider != CLOUD_DIRECTORY || sign_in.email_verified;
        // Someone else may have claimed it since it was read; deleting tells who was first.
        if entitled {
            let roles = t.list_user_roles(prepared.id)?;
            if t.delete_profile(prepared.id)? {
                profile.id = prepared.id;
                profile.attributes = prepared.attributes;
                profile.created_at = prepared.created_at;
                t.insert_profile(&profile)?;
                t.insert_identity(profile.id, 0, &own)?;
                t.update_user_roles(profile.id, &roles)?;
                return Ok(profile);
            }
        } else {
            t.delete_profile(prepared.id)?;
        }
    }
    t.insert_profile(&profile)?;
    t.insert_identity(profile.id, 0, &own)?;
    Ok(profile)
}

/// The identity object of a sign-in, in the place that App ID puts the provider's words: `idpUserInfo`.
pub(crate) fn identity_of(
    provider: &str,
    subject: &str,
    user_info: Option<&RawObject>,
) -> Identity {
    let mut body = RawObject::default();
    body.set_value("provider", &provider.into());
    body.set_value("id", &subject.into());
    if let Some(info) = user_info
        && let Ok(raw) = serde_json::value::to_raw_value(info)
    {
        body.set("idpUserInfo", raw);
    }
    Identity {
        provider: provider.to_owned(),
        subject: subject.to_owned(),
        body,
    }
}

fn find_known(t: &mut Tenant<'_, '_>, sign_in: &SignIn) -> Result<Option<Profile>> {
    let found = t.find_profile_by_identity(&sign_in.provider, &sign_in.subject)?;
    Ok(found.filter(|profile| profile.kind != ProfileKind::Future))
}

fn find_prepared(t: &mut Tenant<'_, '_>, sign_in: &SignIn) -> Result<Option<Profile>> {
    let mut names = vec![sign_in.subject.clone(), fold(&sign_in.subject)];
    names.extend(sign_in.email.as_deref().map(fold));
    names.dedup();
    Ok(t.find_future_profile(&sign_in.provider, &names)?)
}

/// Brings a known profile up to date with what the provider says now; writes only what changed.
fn refresh(
    t: &mut Tenant<'_, '_>,
    known: Profile,
    sign_in: &SignIn,
    now: Timestamp,
) -> Result<Profile> {
    let mut profile = known.clone();
    if sign_in.name.is_some() {
        profile.name.clone_from(&sign_in.name);
    }
    if sign_in.email.is_some() {
        profile.email.clone_from(&sign_in.email);
    }
    profile.body.merge(sign_in.claims.clone());
    if profile != known {
        profile.modified_at = now;
        t.update_profile(&profile)?;
    }
    if let Some(info) = &sign_in.user_info {
        let fresh = identity_of(&sign_in.provider, &sign_in.subject, Some(info));
        let stored = t
            .list_identities(profile.id)?
            .into_iter()
            .find(|old| old.provider == fresh.provider && old.subject == fresh.subject);
        if stored.as_ref() != Some(&fresh) {
            t.update_identity(&fresh)?;
        }
    }
    Ok(profile)
}

//! Profiles: search, future users, attributes, roles; and finding or making the profile of who signs in.

mod claim;
mod roles;

use uuid::Uuid;
use vestibule_model::{
    Invalid,
    attributes::Attributes,
    email::{EmailAddress, fold},
    id::{ProfileId, RoleId},
    object::RawObject,
    profile::{ANONYMOUS, FUTURE_PROVIDERS, Identity, Profile, ProfileKind},
};
use vestibule_store::{Page, scope::Tenant};

use crate::{
    Engine, Error, Result,
    access::{Reader, Writer},
};

pub(crate) use claim::identity_of;
pub use claim::{SignIn, claim_profile};
pub use vestibule_store::profile::ProfileSearch;

/// A profile with its identities and roles.
#[derive(Debug, Clone)]
pub struct ProfileView {
    /// The profile.
    pub profile: Profile,
    /// Its identities, in order.
    pub identities: Vec<Identity>,
    /// Ids and names of its roles, by name.
    pub roles: Vec<(RoleId, String)>,
}

/// A page of profiles.
#[derive(Debug)]
pub struct ProfilePage {
    /// The profiles of this page.
    pub profiles: Vec<ProfileView>,
    /// How many there are in all.
    pub total: usize,
}

/// Someone prepared before the first sign-in.
#[derive(Debug)]
pub struct FutureUser {
    /// One of [`FUTURE_PROVIDERS`].
    pub provider: String,
    /// The provider's identifier, an e-mail address, or the `sub` of a JWT.
    pub identity: String,
    /// Attributes to begin with.
    pub attributes: RawObject,
}

impl ProfileView {
    /// The provider that the profile is from: the first identity's.
    pub fn provider(&self) -> Option<&str> {
        match self.profile.kind {
            ProfileKind::Anonymous => Some(ANONYMOUS),
            _ => self
                .identities
                .first()
                .map(|identity| identity.provider.as_str()),
        }
    }

    /// Identities to show: a future user has none yet.
    pub fn shown_identities(&self) -> &[Identity] {
        match self.profile.kind {
            ProfileKind::Future => &[],
            _ => &self.identities,
        }
    }

    /// The profile as a JSON object, in the member order of App ID's export: id, name, email, whatever else there is, identities,
    /// attributes, roles by name. `name`, `email` and `roles` are left out when there is nothing to say.
    pub fn to_object(&self) -> Result<RawObject> {
        let profile = &self.profile;
        let mut object = RawObject::default();
        object.set_value("id", &profile.id.to_string().into());
        for (member, text) in [("name", &profile.name), ("email", &profile.email)] {
            if let Some(text) = text {
                object.set_value(member, &text.as_str().into());
            }
        }
        for (member, value) in profile.body.iter() {
            object.set(member, value.to_owned());
        }
        let bodies: Vec<&RawObject> = self
            .shown_identities()
            .iter()
            .map(|identity| &identity.body)
            .collect();
        let raw = |text: Result<Box<serde_json::value::RawValue>, serde_json::Error>| {
            text.map_err(Error::internal)
        };
        object.set("identities", raw(serde_json::value::to_raw_value(&bodies))?);
        object.set(
            "attributes",
            raw(serde_json::value::to_raw_value(profile.attributes.object()))?,
        );
        if !self.roles.is_empty() {
            let names: Vec<&str> = self.roles.iter().map(|(_, name)| name.as_str()).collect();
            object.set("roles", raw(serde_json::value::to_raw_value(&names))?);
        }
        Ok(object)
    }
}

impl Engine {
    /// Profiles by e-mail address or identifier at the provider, or all; anonymous ones never.
    pub async fn search_profiles(
        &self,
        reader: &Reader,
        search: ProfileSearch,
        page: Page,
    ) -> Result<ProfilePage> {
        self.store()
            .read(reader.tenant(), move |t| {
                let (profiles, total) = t.list_profiles(&search, page)?;
                Ok(ProfilePage {
                    profiles: with_details(t, profiles)?,
                    total,
                })
            })
            .await
    }

    /// One profile.
    pub async fn get_profile(&self, reader: &Reader, id: ProfileId) -> Result<ProfileView> {
        self.store()
            .read(reader.tenant(), move |t| view(t, id))
            .await
    }

    /// Prepares a profile for someone who has not signed in yet. 409 when one is prepared, or known, under this name.
    pub async fn create_future_user(&self, writer: &Writer, user: FutureUser) -> Result<ProfileId> {
        if !FUTURE_PROVIDERS.contains(&user.provider.as_str()) {
            return Err(Invalid::new(
                "idp",
                format!("must be one of {}", FUTURE_PROVIDERS.join(", ")),
            )
            .into());
        }
        Identity::check(&user.provider, &user.identity)
            .map_err(|invalid| Invalid::new("idp-identity", invalid.reason))?;
        let email = EmailAddress::parse(&user.identity).ok();
        // Addresses match in any case, other identifiers exactly.
        let subject = email
            .as_ref()
            .map_or_else(|| user.identity.clone(), |_| fold(&user.identity));
        let now = self.now();
        let profile = Profile {
            id: ProfileId::from_random_bytes(self.random_id()),
            kind: ProfileKind::Future,
            name: None,
            email: email.map(|_| user.identity),
            body: RawObject::default(),
            attributes: Attributes::parse(user.attributes)?,
            created_at: now,
            modified_at: now,
        };
        let id = profile.id;
        let identity = identity_of(&user.provider, &subject, None);
        self.store()
            .write(writer.tenant(), move |t| {
                t.insert_profile(&profile)?;
                t.insert_identity(id, 0, &identity)?;
                Ok(())
            })
            .await
            .map_err(|error: Error| match error.kind {
                crate::Kind::Conflict => {
                    Error::conflict("conflict", "There is a profile of this identity already.")
                }
                _ => error,
            })?;
        Ok(id)
    }

    /// Lays attributes over those that a profile has, member by member at the top level. 400 past 100 kB in all.
    pub async fn set_profile_attributes(
        &self,
        writer: &Writer,
        id: ProfileId,
        changes: RawObject,
    ) -> Result<ProfileView> {
        let now = self.now();
        self.store()
            .write(writer.tenant(), move |t| {
                t.lock_profile(id)?;
                let profile = t.find_profile(id)?.ok_or_else(no_such_profile)?;
                let attributes = profile.attributes.merged(changes)?;
                t.update_attributes(id, &attributes, now)?;
                view(t, id)
            })
            .await
    }

    /// Removes a profile with everything it holds; its tokens are refused from now on. A directory user keeps the account.
    pub async fn delete_profile(&self, writer: &Writer, id: ProfileId) -> Result<()> {
        let now = self.now();
        let tenant = writer.tenant();
        self.store()
            .write(tenant, move |t| {
                t.touch(now)?;
                t.revoke_profile_tokens(id, now)?;
                if t.delete_profile(id)? {
                    Ok(())
                } else {
                    Err(no_such_profile())
                }
            })
            .await?;
        self.tenants().forget(tenant);
        Ok(())
    }

    /// Ends a user's refresh tokens; access tokens live on until they expire.
    pub async fn revoke_refresh_tokens(&self, writer: &Writer, id: ProfileId) -> Result<()> {
        let now = self.now();
        self.store()
            .write(writer.tenant(), move |t| {
                t.find_profile(id)?.ok_or_else(no_such_profile)?;
                t.revoke_profile_grants(id, now)?;
                Ok(())
            })
            .await
    }

    /// So many new ids of this moment in ascending order: rows made together keep the order of the file they came in, and stand
    /// together in every index.
    pub(crate) fn ordered_ids(&self, count: usize) -> Vec<Uuid> {
        let now = self.now();
        let mut ids: Vec<Uuid> = (0..count)
            .map(|_| {
                let mut random = [0; 10];
                self.random().fill(&mut random);
                ProfileId::from_time(now, &random).uuid()
            })
            .collect();
        ids.sort_unstable();
        ids
    }
}

/// One profile with its details, within a transaction.
pub(crate) fn view(t: &mut Tenant<'_, '_>, id: ProfileId) -> Result<ProfileView> {
    let profile = t.find_profile(id)?.ok_or_else(no_such_profile)?;
    with_details(t, vec![profile])?
        .pop()
        .ok_or_else(no_such_profile)
}

/// Adds identities and roles, with one look-up for all of each.
pub(crate) fn with_details(
    t: &mut Tenant<'_, '_>,
    profiles: Vec<Profile>,
) -> Result<Vec<ProfileView>> {
    let ids: Vec<ProfileId> = profiles.iter().map(|profile| profile.id).collect();
    let mut identities = t.list_identities_of(&ids)?;
    let mut roles = t.list_roles_of(&ids)?;
    Ok(profiles
        .into_iter()
        .map(|profile| ProfileView {
            identities: identities.remove(&profile.id).unwrap_or_default(),
            roles: roles.remove(&profile.id).unwrap_or_default(),
            profile,
        })
        .collect())
}

fn no_such_profile() -> Error {
    Error::not_found("There is no such profile.")
}

//! Cloud Directory users: list, create, change, remove; their passwords.

mod password;
mod remove;
mod scim;

use vestibule_model::{
    Invalid,
    directory::{DirectoryUser, NewPassword, UserCard, UserStatus},
    family::idps::cloud_directory::{CloudDirectory, IdentityField},
    id::{DirectoryUserId, ProfileId},
    object::RawObject,
    profile::CLOUD_DIRECTORY,
    time::Timestamp,
};
use vestibule_store::{Page, directory::StoredUser, scope::Tenant};
use zeroize::Zeroizing;

use crate::{
    Engine, Error, Kind, Result,
    access::{Reader, Writer},
    profile::{ProfileView, SignIn, claim_profile, with_details},
};

pub use remove::Removed;
pub(crate) use scim::user_info;
pub(crate) use scim::{SCHEMA, carried_object};
pub use scim::{sign_in_of, user_object};

/// A page of directory users.
#[derive(Debug)]
pub struct DirectoryPage {
    /// The users of this page.
    pub users: Vec<DirectoryUser>,
    /// How many there are in all.
    pub total: usize,
}

/// Whether a user is made with a profile or gets one at the first sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstProfile {
    /// Made together with the user.
    Now,
    /// Made at the first sign-in.
    AtSignIn,
}

impl Engine {
    /// Users in order of creation, or those whose address, name or id is exactly `query`, in any case.
    pub async fn list_directory_users(
        &self,
        reader: &Reader,
        query: Option<String>,
        page: Page,
    ) -> Result<DirectoryPage> {
        self.store()
            .read(reader.tenant(), move |t| {
                let (found, total) = match query {
                    Some(query) => {
                        let all = t.list_directory_users_matching(&query)?;
                        let total = all.len();
                        let start = usize::try_from(page.start).unwrap_or(usize::MAX);
                        let count = usize::try_from(page.count).unwrap_or(usize::MAX);
                        (all.into_iter().skip(start).take(count).collect(), total)
                    }
                    None => (t.list_directory_users(page)?, t.count_directory_users()?),
                };
                let users = found.into_iter().map(|stored: StoredUser| stored.user);
                Ok(DirectoryPage {
                    users: users.collect(),
                    total,
                })
            })
            .await
    }

    /// One user.
    pub async fn get_directory_user(
        &self,
        reader: &Reader,
        id: DirectoryUserId,
    ) -> Result<DirectoryUser> {
        self.store()
            .read(reader.tenant(), move |t| Ok(find(t, id)?.user))
            .await
    }

    /// One user with the profile; `NotFound` also when the user has not signed in yet.
    pub async fn get_directory_userinfo(
        &self,
        reader: &Reader,
        id: DirectoryUserId,
    ) -> Result<(DirectoryUser, ProfileView)> {
        self.store()
            .read(reader.tenant(), move |t| {
                let user = find(t, id)?.user;
                let profile = t
                    .find_profile_by_identity(CLOUD_DIRECTORY, &id.to_string())?
                    .ok_or_else(|| Error::not_found("This user has no profile yet."))?;
                let view = with_details(t, vec![profile])?
                    .pop()
                    .ok_or_else(no_such_user)?;
                Ok((user, view))
            })
            .await
    }

    /// Signs a user out in every browser. Tokens that applications hold stay.
    pub async fn end_user_sessions(&self, writer: &Writer, id: DirectoryUserId) -> Result<()> {
        self.store()
            .write(writer.tenant(), move |t| {
                find(t, id)?;
                let profile = t.find_profile_by_identity(CLOUD_DIRECTORY, &id.to_string())?;
                if let Some(profile) = profile {
                    t.delete_profile_sessions(profile.id)?;
                }
                Ok(())
            })
            .await
    }

    /// Makes a user. `uniqueness` when the address or the name is taken.
    pub async fn create_directory_user(
        &self,
        writer: &Writer,
        body: RawObject,
        profile: FirstProfile,
    ) -> Result<DirectoryUser> {
        let password = body
            .string("password")
            .map(Zeroizing::new)
            .ok_or_else(|| Invalid::new("password", "is required and a string"))?;
        let state = UserState::read(&body)?;
        let card = UserCard::parse(body)?;
        self.require_sign_in_name(writer, &card).await?;
        let hash = self.hash_new_password(password, &card).await?;
        let now = self.now();
        let user = DirectoryUser {
            id: DirectoryUserId::from_random_bytes(self.random_id()),
            card,
            status: state.status.unwrap_or_default(),
            active: state.active.unwrap_or(true),
            locked_until: state.locked_until,
            original_id: None,
            last_login_at: None,
            created_at: now,
            modified_at: now,
        };
        let profile_id = ProfileId::from_random_bytes(self.random_id());
        let stored = StoredUser {
            user: user.clone(),
            password_hash: Some(hash.as_str().to_owned()),
            password_changed_at: Some(now),
        };
        self.store()
            .write(writer.tenant(), move |t| {
                t.insert_directory_user(&stored)?;
                if profile == FirstProfile::Now {
                    let sign_in: SignIn = sign_in_of(t.id(), &stored.user);
                    claim_profile(t, &sign_in, profile_id, now)?;
                }
                Ok(())
            })
            .await
            .map_err(taken)?;
        Ok(user)
    }

    /// Replaces what a user says of itself. The primary address stays what it is; `active: true` lifts a lockout, and members of the
    /// state that are left out stay, as does the user name. A password in the body is not looked at: `change_password` sets it.
    pub async fn update_directory_user(
        &self,
        writer: &Writer,
        id: DirectoryUserId,
        body: RawObject,
    ) -> Result<DirectoryUser> {
        let state = UserState::read(&body)?;
        let now = self.now();
        let tenant = writer.tenant();
        let ends = state.active == Some(false);
        let user = self
            .store()
            .write(tenant, move |t| {
                if ends {
                    t.touch(now)?;
                }
                t.lock_directory_user(id)?;
                let mut user = find(t, id)?.user;
                user.card = replaced(&user.card, body)?;
                user.status = state.status.unwrap_or(user.status);
                user.active = state.active.unwrap_or(user.active);
                user.locked_until = match state.active {
                    Some(true) if state.locked_until.is_none_or(|until| until <= now) => None,
                    _ => state.locked_until.or(user.locked_until),
                };
                user.modified_at = now;
                t.update_directory_user(&user)?;
                if ends {
                    revoke_user(t, id, now)?;
                }
                Ok(user)
            })
            .await
            .map_err(taken)?;
        if ends {
            self.tenants().forget(tenant);
        }
        Ok(user)
    }

    /// Where people sign in with a name, everyone needs one.
    async fn require_sign_in_name(&self, writer: &Writer, card: &UserCard) -> Result<()> {
        let state = self.tenant(writer.tenant()).await?;
        let directory = state.config.get::<CloudDirectory>();
        let wanted = directory.config.identity_field == IdentityField::UserName;
        if wanted && card.user_name().is_none() {
            return Err(Invalid::new("userName", "is required: users sign in with it").into());
        }
        Ok(())
    }

    /// Checks and hashes a password that a user is to have.
    pub(crate) async fn hash_new_password(
        &self,
        password: Zeroizing<String>,
        card: &UserCard,
    ) -> Result<vestibule_crypto::password::PasswordHash> {
        let password = NewPassword::parse(password, card)?;
        self.hashers()
            .hash(password.into_inner(), self.random())
            .await
            .map_err(|_| {
                Error::busy("Too many passwords are being checked. Try again in a moment.")
            })
    }
}

/// The members of a SCIM user that say what state it is in.
pub(crate) struct UserState {
    pub status: Option<UserStatus>,
    pub active: Option<bool>,
    pub locked_until: Option<Timestamp>,
}

impl UserState {
    /// Reads them; each may be left out or `null`.
    pub(crate) fn read(body: &RawObject) -> Result<Self, Invalid> {
        let status = match body.value("status") {
            None => None,
            Some(value) => Some(UserStatus::parse(value.as_str().unwrap_or_default())?),
        };
        let active = match body.value("active") {
            None => None,
            Some(serde_json::Value::Bool(active)) => Some(active),
            Some(_) => return Err(Invalid::new("active", "must be true or false")),
        };
        let locked_until =
            match body.value("lockedUntil") {
                None => None,
                Some(value) => Some(value.as_i64().filter(|millis| *millis >= 0).ok_or_else(
                    || Invalid::new("lockedUntil", "must be milliseconds since 1970"),
                )?),
            };
        Ok(Self {
            status,
            active,
            // 0 is how some clients say "not locked".
            locked_until: locked_until
                .filter(|millis| *millis > 0)
                .map(Timestamp::from_millis),
        })
    }
}

pub(crate) fn find(t: &mut Tenant<'_, '_>, id: DirectoryUserId) -> Result<StoredUser> {
    t.find_directory_user(id)?.ok_or_else(no_such_user)
}

pub(crate) fn no_such_user() -> Error {
    Error::not_found("There is no such user in the directory.")
}

/// Refuses the tokens of a directory user from now on. The caller has touched the instance, and forgets it after the transaction.
pub(crate) fn revoke_user(
    t: &mut Tenant<'_, '_>,
    id: DirectoryUserId,
    now: Timestamp,
) -> Result<Option<ProfileId>> {
    let profile = t.find_profile_by_identity(CLOUD_DIRECTORY, &id.to_string())?;
    let profile = profile.map(|profile| profile.id);
    if let Some(profile) = profile {
        t.revoke_profile_tokens(profile, now)?;
    }
    Ok(profile)
}

fn replaced(old: &UserCard, mut body: RawObject) -> Result<UserCard> {
    if body.value("userName").is_none()
        && let Some(name) = old.user_name()
    {
        body.set_value("userName", &name.into());
    }
    let card = UserCard::parse(body)?;
    if card.email().key() != old.email().key() {
        return Err(
            Invalid::new("emails", "the primary address of a user cannot be changed").into(),
        );
    }
    Ok(card)
}

/// App ID's code for an address or a name that is taken.
pub(crate) fn taken(error: Error) -> Error {
    match (error.kind, error.code) {
        (Kind::Conflict, "conflict") => Error::conflict(
            "uniqueness",
            "A user with this e-mail address or user name exists already.",
        ),
        _ => error,
    }
}

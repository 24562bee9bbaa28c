//! Sign-in of directory users with a password. Nothing here tells who has an account: unknown users cost as much as known ones and
//! get the same answer, and what is wrong with an account is said only to who knows its password.

use std::net::IpAddr;

use vestibule_crypto::password::{LONGEST_PASSWORD, PasswordHash};
use vestibule_model::{
    directory::{DirectoryUser, LoginField, UserStatus},
    email::fold,
    family::idps::{
        CloudDirectory,
        cloud_directory::{AccessMode, IdentityField},
    },
    id::{DirectoryUserId, ProfileId, TenantId},
    profile::CLOUD_DIRECTORY,
};
use vestibule_store::directory::StoredUser;
use zeroize::Zeroizing;

use super::{anonymous::Anonymous, invalid_grant, person::Person};
use crate::{
    Engine, Error, Kind, Result, directory::sign_in_of, profile::claim_profile, tenant::TenantState,
};

/// Someone who says who they are.
pub(super) struct Login<'a> {
    /// Address or name, whichever the directory goes by.
    pub(super) name: &'a str,
    pub(super) password: &'a str,
    /// Where the request came from.
    pub(super) from: IpAddr,
    /// The anonymous profile that becomes theirs, if they have none yet.
    pub(super) anonymous: Option<Anonymous>,
}

impl Engine {
    /// Signs a directory user in.
    ///
    /// # Errors
    /// `invalid_grant` for a wrong name or password; `Forbidden` for someone who gave the right one and may not sign in; `Throttled`;
    /// `Unavailable` when too much password work is waiting.
    pub(super) async fn sign_in(&self, state: &TenantState, login: Login<'_>) -> Result<Person> {
        let config = state.config.get::<CloudDirectory>();
        if !config.is_active {
            return Err(may_not(
                "directory_off",
                "Sign-in with a password is switched off.",
            ));
        }
        let key = fold(login.name);
        let throttled = format!("{}:{key}", state.id);
        let attempt = self.throttle().attempt(
            self.master()
                .derive("sign-in throttle", throttled.as_bytes()),
            login.from,
            self.now(),
        )?;
        let password = Zeroizing::new(login.password.to_owned());
        let field = match config.config.identity_field {
            IdentityField::Email => LoginField::Email,
            IdentityField::UserName => LoginField::UserName,
        };
        let found = self
            .verify_password(state.id, (field, key), password.clone())
            .await;
        let user = match found {
            Ok(Some(user)) => user,
            Ok(None) => return Err(wrong_credentials()),
            Err(error) => {
                attempt.unjudged();
                return Err(error);
            }
        };
        attempt.succeeded();
        self.may_sign_in(&config, &user)?;
        let sign_in = sign_in_of(state.id, &user);
        let (now, fresh) = (self.now(), self.random_id());
        let anonymous = login.anonymous;
        let person = self
            .store()
            .write::<_, Error>(state.id, move |t| {
                if anonymous.is_some() {
                    t.touch(now)?;
                }
                // Removed while the password was checked.
                if !t.record_login(user.id, now)? {
                    return Err(wrong_credentials());
                }
                let mut new_id = ProfileId::from_random_bytes(fresh);
                let continued = match anonymous {
                    Some(anonymous) => anonymous.give_up(t, &sign_in, now)?,
                    None => None,
                };
                if let Some(old) = &continued {
                    new_id = old.id;
                }
                let profile = claim_profile(t, &sign_in, new_id, now)?;
                if let Some(old) = continued
                    && profile.id == old.id
                {
                    t.update_attributes(profile.id, &old.attributes, now)?;
                }
                Person::of(t, profile.id, CLOUD_DIRECTORY)
            })
            .await;
        if anonymous.is_some() {
            self.tenants().forget(state.id);
        }
        let person = person?;
        if let Some(user) = &person.user {
            self.may_sign_in(&config, user)?;
        }
        Ok(person)
    }

    /// Whether a directory user may sign in, now that the password was right; also asked when tokens are renewed.
    pub(super) fn may_sign_in(&self, config: &CloudDirectory, user: &DirectoryUser) -> Result<()> {
        if !user.active {
            return Err(may_not("user_disabled", "This account is disabled."));
        }
        if user.locked_until.is_some_and(|until| until > self.now()) {
            return Err(may_not(
                "user_locked",
                "This account is locked for a while.",
            ));
        }
        let mode = config.config.interactions.identity_confirmation.access_mode;
        if user.status == UserStatus::Pending && mode == AccessMode::Restrictive {
            return Err(may_not(
                "user_unverified",
                "The e-mail address of this account is not verified yet.",
            ));
        }
        Ok(())
    }

    /// The user whose password this is. Replaces hashes of other makers by our own while the password is at hand.
    async fn verify_password(
        &self,
        tenant: TenantId,
        (field, key): (LoginField, String),
        password: Zeroizing<String>,
    ) -> Result<Option<DirectoryUser>> {
        // Longer passwords match nothing and are not hashed; names with control characters are nobody's.
        if password.len() > LONGEST_PASSWORD {
            return Ok(None);
        }
        let found = if key.chars().any(char::is_control) || key.len() > 1000 {
            None
        } else {
            self.store()
                .read::<_, Error>(tenant, move |t| {
                    Ok(t.find_directory_user_by_login(field, &key)?)
                })
                .await?
        };
        let busy =
            |_| Error::busy("Too many people are signing in right now. Try again in a moment.");
        let known = found.and_then(
            |StoredUser {
                 user,
                 password_hash,
                 ..
             }| {
                let hash = PasswordHash::from_storage(&password_hash?).ok()?;
                Some((user, hash))
            },
        );
        let Some((user, hash)) = known else {
            self.hashers().verify_dummy(password).await.map_err(busy)?;
            return Ok(None);
        };
        let right = self
            .hashers()
            .verify(hash.clone(), password.clone())
            .await
            .map_err(busy)?;
        if !right {
            // Hashes of other makers are checked in less time, which would tell that there is such an account.
            if hash.needs_rehash() {
                self.hashers().verify_dummy(password).await.map_err(busy)?;
            }
            return Ok(None);
        }
        if hash.needs_rehash()
            && let Err(error) = self.rehash(tenant, user.id, &hash, password).await
        {
            tracing::debug!(
                ?error,
                "a password hash was not renewed; the next sign-in tries again"
            );
        }
        Ok(Some(user))
    }

    async fn rehash(
        &self,
        tenant: TenantId,
        user: DirectoryUserId,
        old: &PasswordHash,
        password: Zeroizing<String>,
    ) -> Result<()> {
        let new = self
            .hashers()
            .hash(password, self.random())
            .await
            .map_err(Error::internal)?;
        let old = old.as_str().to_owned();
        self.store()
            .write::<_, Error>(tenant, move |t| {
                t.update_password_hash(user, &old, new.as_str())?;
                Ok(())
            })
            .await
    }
}

/// The same for a name nobody has and for a password that is not theirs.
fn wrong_credentials() -> Error {
    invalid_grant("The e-mail address, user name or password is wrong.")
}

fn may_not(code: &'static str, public: &str) -> Error {
    Error::new(Kind::Forbidden, code, public)
}

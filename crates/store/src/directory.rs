//! Cloud Directory users.

use std::collections::{HashMap, HashSet};

use vestibule_model::{
    directory::{DirectoryUser, LoginField, UserCard, UserStatus},
    email::fold,
    id::DirectoryUserId,
    object::RawObject,
    profile::CLOUD_DIRECTORY,
    time::Timestamp,
};

use crate::{Error, Page, Result, Row, Value, people::PersonRows, scope::Tenant};

/// A directory user with the hash of the password, if there is one. Not `Debug`: hashes stay out of logs.
#[derive(Clone)]
pub struct StoredUser {
    /// The user.
    pub user: DirectoryUser,
    /// The password's hash in a notation that `vestibule-crypto` reads.
    pub password_hash: Option<String>,
    /// When the password was set.
    pub password_changed_at: Option<Timestamp>,
}

pub(crate) const COLUMNS: &str = "u.id, u.body, u.status, u.active, u.locked_until, u.original_id, u.last_login_at, u.created_at, u.modified_at, \
    u.password_hash, u.password_changed_at";

impl Tenant<'_, '_> {
    /// One user.
    pub fn find_directory_user(&mut self, user: DirectoryUserId) -> Result<Option<StoredUser>> {
        self.one_directory_user("id = $2", &user.to_string())
    }

    /// The user who signs in with this address or name, given folded.
    pub fn find_directory_user_by_login(
        &mut self,
        field: LoginField,
        key: &str,
    ) -> Result<Option<StoredUser>> {
        let condition = match field {
            LoginField::Email => "email_key = $2",
            LoginField::UserName => "user_name_key = $2",
        };
        self.one_directory_user(condition, key)
    }

    /// Users whose address, name or id is this, in any case.
    pub fn list_directory_users_matching(&mut self, text: &str) -> Result<Vec<StoredUser>> {
        self.conn
            .query(
                &format!(
                    "SELECT {COLUMNS} FROM directory_users u WHERE tenant = $1 \
                     AND (email_key = $2 OR user_name_key = $2 OR id = $2) ORDER BY created_at, id"
                ),
                &[Value::from(self.key()), Value::from(fold(text))],
            )?
            .iter()
            .map(|row| stored_user(row, 0))
            .collect()
    }

    /// Users in order of creation.
    pub fn list_directory_users(&mut self, page: Page) -> Result<Vec<StoredUser>> {
        self.conn
            .query(
                &format!(
                    "SELECT {COLUMNS} FROM directory_users u WHERE tenant = $1 ORDER BY created_at, id LIMIT $2 OFFSET $3"
                ),
                &[
                    Value::from(self.key()),
                    Value::from(page.count),
                    Value::from(page.start),
                ],
            )?
            .iter()
            .map(|row| stored_user(row, 0))
            .collect()
    }

    /// How many users there are.
    pub fn count_directory_users(&mut self) -> Result<usize> {
        self.count("SELECT COUNT(*) FROM directory_users WHERE tenant = $1")
    }

    /// Which of these directory ids are taken.
    pub fn list_known_user_ids(&mut self, ids: &[String]) -> Result<HashSet<String>> {
        self.query_each(
            "SELECT id FROM directory_users WHERE tenant = $1 AND id IN ({list})",
            ids,
        )?
        .iter()
        .map(|row| row.text(0))
        .collect()
    }

    /// Which of these folded addresses users have, and who.
    pub fn list_users_by_email(
        &mut self,
        keys: &[String],
    ) -> Result<HashMap<String, DirectoryUserId>> {
        let rows = self.query_each(
            "SELECT email_key, id FROM directory_users WHERE tenant = $1 AND email_key IN ({list})",
            keys,
        )?;
        by_key(&rows)
    }

    /// Which of these folded names users have, and who.
    pub fn list_users_by_user_name(
        &mut self,
        keys: &[String],
    ) -> Result<HashMap<String, DirectoryUserId>> {
        let rows = self.query_each(
            "SELECT user_name_key, id FROM directory_users WHERE tenant = $1 AND user_name_key IN ({list})",
            keys,
        )?;
        by_key(&rows)
    }

    /// Adds a user. `Conflict` when the address or the name is taken.
    pub fn insert_directory_user(&mut self, user: &StoredUser) -> Result<()> {
        let rows = PersonRows::new(self.id(), Some(user), None);
        self.insert_people(&[(&rows, Vec::new())])
    }

    /// Replaces what a user says of itself and its state; password, original id and sign-ins stay. `false` when there is no such
    /// user, `Conflict` when the address or the name is another's.
    pub fn update_directory_user(&mut self, user: &DirectoryUser) -> Result<bool> {
        self.keep_address(user.id, &user.card.email().key())?;
        let changed = self.conn.execute(
            "UPDATE directory_users SET email_key = $3, user_name_key = $4, status = $5, active = $6, locked_until = $7, \
             body = $8, modified_at = $9 WHERE tenant = $1 AND id = $2",
            &[
                Value::from(self.key()),
                Value::from(user.id.to_string()),
                Value::from(user.card.email().key()),
                Value::from(user.card.user_name_key()),
                Value::from(user.status.name()),
                Value::from(user.active),
                Value::from(user.locked_until.map(Timestamp::millis)),
                Value::from(user.card.body().to_text()),
                Value::from(user.modified_at.millis()),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Sets a user's password; `false` when there is no such user.
    pub fn update_password(
        &mut self,
        user: DirectoryUserId,
        hash: Option<&str>,
        now: Timestamp,
    ) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE directory_users SET password_hash = $3, password_changed_at = $4, modified_at = $4 \
             WHERE tenant = $1 AND id = $2",
            &[
                Value::from(self.key()),
                Value::from(user.to_string()),
                Value::from(hash),
                Value::from(now.millis()),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Keeps the same password under another hash, unless the password was changed since `old` was read.
    pub fn update_password_hash(
        &mut self,
        user: DirectoryUserId,
        old: &str,
        new: &str,
    ) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE directory_users SET password_hash = $4 WHERE tenant = $1 AND id = $2 AND password_hash = $3",
            &[
                Value::from(self.key()),
                Value::from(user.to_string()),
                Value::from(old),
                Value::from(new),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Notes a sign-in; `false` when there is no such user. Other changes of the user wait until this transaction ends.
    pub fn record_login(&mut self, user: DirectoryUserId, now: Timestamp) -> Result<bool> {
        let noted = self.conn.execute(
            "UPDATE directory_users SET last_login_at = $3 WHERE tenant = $1 AND id = $2",
            &[
                Value::from(self.key()),
                Value::from(user.to_string()),
                Value::from(now.millis()),
            ],
        )?;
        Ok(noted == 1)
    }

    /// Removes a user, not the profile; `false` when there is no such user.
    pub fn delete_directory_user(&mut self, user: DirectoryUserId) -> Result<bool> {
        self.keep_address(user, "")?;
        let deleted = self.conn.execute(
            "DELETE FROM directory_users WHERE tenant = $1 AND id = $2",
            &[Value::from(self.key()), Value::from(user.to_string())],
        )?;
        Ok(deleted == 1)
    }

    /// Keeps other writes that import people into this instance waiting until this one ends.
    pub fn lock_people(&mut self) -> Result<()> {
        let name = format!("people:{}", self.key());
        self.conn.lock(&name)
    }

    /// Keeps other writes that change what they read of this user waiting until this one ends.
    pub fn lock_directory_user(&mut self, user: DirectoryUserId) -> Result<()> {
        let name = format!("directory-user:{}:{user}", self.key());
        self.conn.lock(&name)
    }

    /// Lets a search find the profile of a user by its own address, where it was found by the user's until now, which is about to become
    /// `next`.
    fn keep_address(&mut self, user: DirectoryUserId, next: &str) -> Result<()> {
        // Said so, the condition keeps databases from going through everybody without a key, who are all: few have an id in the list.
        self.conn.execute(
            "UPDATE profiles SET email_key = \
             (SELECT u.email_key FROM directory_users u WHERE u.tenant = $1 AND u.id = $3) \
             WHERE tenant = $1 AND email IS NOT NULL AND COALESCE(email_key, '') = '' AND id IN \
             (SELECT i.profile_id FROM identities i JOIN directory_users u ON u.tenant = i.tenant AND u.id = i.subject \
             WHERE i.tenant = $1 AND i.provider = $2 AND i.subject = $3 AND u.email_key <> $4)",
            &[
                Value::from(self.key()),
                Value::from(CLOUD_DIRECTORY),
                Value::from(user.to_string()),
                Value::from(next),
            ],
        )?;
        Ok(())
    }

    fn one_directory_user(&mut self, condition: &str, value: &str) -> Result<Option<StoredUser>> {
        self.conn
            .query_opt(
                &format!(
                    "SELECT {COLUMNS} FROM directory_users u WHERE tenant = $1 AND {condition}"
                ),
                &[Value::from(self.key()), Value::from(value)],
            )?
            .as_ref()
            .map(|row| stored_user(row, 0))
            .transpose()
    }
}

/// The user in the columns [`COLUMNS`] from this one on.
pub(crate) fn stored_user(row: &Row, from: usize) -> Result<StoredUser> {
    let body = RawObject::stored(row.str(from + 1)?)
        .map_err(|_| Error::corrupt("body of a directory user"))?;
    Ok(StoredUser {
        user: DirectoryUser {
            id: user_id(row, from)?,
            card: UserCard::parse(body).map_err(|_| Error::corrupt("directory user"))?,
            status: UserStatus::parse(row.str(from + 2)?)
                .map_err(|_| Error::corrupt("status of a directory user"))?,
            active: row.bool(from + 3)?,
            locked_until: row.opt_int(from + 4)?.map(Timestamp::from_millis),
            original_id: row.opt_text(from + 5)?,
            last_login_at: row.opt_int(from + 6)?.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(row.int(from + 7)?),
            modified_at: Timestamp::from_millis(row.int(from + 8)?),
        },
        password_hash: row.opt_text(from + 9)?,
        password_changed_at: row.opt_int(from + 10)?.map(Timestamp::from_millis),
    })
}

fn by_key(rows: &[Row]) -> Result<HashMap<String, DirectoryUserId>> {
    rows.iter()
        .map(|row| Ok((row.text(0)?, user_id(row, 1)?)))
        .collect()
}

fn user_id(row: &Row, column: usize) -> Result<DirectoryUserId> {
    DirectoryUserId::parse(row.str(column)?).map_err(|_| Error::corrupt("directory user id"))
}

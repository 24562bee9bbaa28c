//! Identities: who a profile is at which provider.

use std::collections::HashMap;

use vestibule_model::{
    directory::DirectoryUser,
    id::ProfileId,
    object::RawObject,
    profile::{CLOUD_DIRECTORY, Identity, Profile},
};

use crate::{
    Error, Result, Row, Value,
    directory::{self, stored_user},
    people::{IDENTITY_COLUMNS, identity_values},
    profile::{COLUMNS, profile_id, profile_of},
    scope::Tenant,
};

/// A profile with what is told of the person.
pub struct Person {
    /// The profile.
    pub profile: Profile,
    /// Its identities, in their order.
    pub identities: Vec<Identity>,
    /// The directory user that the first of its identities in the directory names, if there is one.
    pub user: Option<DirectoryUser>,
}

impl Tenant<'_, '_> {
    /// A profile with its identities and its directory user, in one statement.
    pub fn find_person(&mut self, profile: ProfileId) -> Result<Option<Person>> {
        let users = directory::COLUMNS;
        let rows = self.conn.query(
            &format!(
                "SELECT {COLUMNS}, i.provider, i.subject, i.body, {users} FROM profiles p \
                 LEFT JOIN identities i ON i.tenant = p.tenant AND i.profile_id = p.id \
                 LEFT JOIN directory_users u ON u.tenant = i.tenant AND u.id = i.subject AND i.provider = $3 \
                 WHERE p.tenant = $1 AND p.id = $2 ORDER BY i.position, i.provider, i.subject"
            ),
            &[
                Value::from(self.key()),
                Value::from(profile.to_string()),
                Value::from(CLOUD_DIRECTORY),
            ],
        )?;
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        let (to_identity, to_user) = (8, 11);
        let mut person = Person {
            profile: profile_of(first)?,
            identities: Vec::with_capacity(rows.len()),
            user: None,
        };
        let mut looked = false;
        for row in &rows {
            // A profile without identities has one row all the same.
            if row.is_null(to_identity)? {
                break;
            }
            let identity = identity(row, to_identity)?;
            if !looked && identity.provider == CLOUD_DIRECTORY {
                looked = true;
                if !row.is_null(to_user)? {
                    person.user = Some(stored_user(row, to_user)?.user);
                }
            }
            person.identities.push(identity);
        }
        Ok(Some(person))
    }

    /// The profile of someone at a provider, future ones included.
    pub fn find_profile_by_identity(
        &mut self,
        provider: &str,
        subject: &str,
    ) -> Result<Option<Profile>> {
        self.conn
            .query_opt(
                &format!(
                    "SELECT {COLUMNS} FROM identities i JOIN profiles p ON p.tenant = i.tenant AND p.id = i.profile_id \
                     WHERE i.tenant = $1 AND i.provider = $2 AND i.subject = $3"
                ),
                &[
                    Value::from(self.key()),
                    Value::from(provider),
                    Value::from(subject),
                ],
            )?
            .as_ref()
            .map(profile_of)
            .transpose()
    }

    /// The profile prepared at this provider under one of these names, tried in order.
    pub fn find_future_profile(
        &mut self,
        provider: &str,
        names: &[String],
    ) -> Result<Option<Profile>> {
        for name in names {
            let row = self.conn.query_opt(
                &format!(
                    "SELECT {COLUMNS} FROM identities i JOIN profiles p ON p.tenant = i.tenant AND p.id = i.profile_id \
                     WHERE i.tenant = $1 AND i.provider = $2 AND i.subject = $3 AND p.kind = 'future'"
                ),
                &[
                    Value::from(self.key()),
                    Value::from(provider),
                    Value::from(name),
                ],
            )?;
            if let Some(row) = row {
                return profile_of(&row).map(Some);
            }
        }
        Ok(None)
    }

    /// Identities of a profile, in their order.
    pub fn list_identities(&mut self, profile: ProfileId) -> Result<Vec<Identity>> {
        self.conn
            .query(
                "SELECT provider, subject, body FROM identities WHERE tenant = $1 AND profile_id = $2 \
                 ORDER BY position, provider, subject",
                &[Value::from(self.key()), Value::from(profile.to_string())],
            )?
            .iter()
            .map(|row| identity(row, 0))
            .collect()
    }

    /// Identities of several profiles, in their order.
    pub fn list_identities_of(
        &mut self,
        profiles: &[ProfileId],
    ) -> Result<HashMap<ProfileId, Vec<Identity>>> {
        let ids: Vec<String> = profiles.iter().map(ProfileId::to_string).collect();
        let rows = self.query_each(
            "SELECT profile_id, provider, subject, body FROM identities \
             WHERE tenant = $1 AND profile_id IN ({list}) ORDER BY profile_id, position, provider, subject",
            &ids,
        )?;
        let mut found: HashMap<ProfileId, Vec<Identity>> = HashMap::new();
        for row in &rows {
            found
                .entry(profile_id(row, 0)?)
                .or_default()
                .push(identity(row, 1)?);
        }
        Ok(found)
    }

    /// Which of these subjects, of any provider, have profiles: `(provider, subject)` → profile.
    pub fn list_profiles_by_subject(
        &mut self,
        subjects: &[String],
    ) -> Result<HashMap<(String, String), ProfileId>> {
        self.query_each(
            "SELECT i.provider, i.subject, i.profile_id FROM identities i WHERE i.tenant = $1 AND i.subject IN ({list})",
            subjects,
        )?
        .iter()
        .map(|row| Ok(((row.text(0)?, row.text(1)?), profile_id(row, 2)?)))
        .collect()
    }

    /// The profiles of these subjects at one provider.
    pub fn list_profiles_at(
        &mut self,
        provider: &str,
        subjects: &[String],
    ) -> Result<HashMap<String, ProfileId>> {
        let found = self.list_profiles_by_subject(subjects)?;
        Ok(found
            .into_iter()
            .filter(|((at, _), _)| at == provider)
            .map(|((_, subject), profile)| (subject, profile))
            .collect())
    }

    /// Gives a profile one more identity. `Conflict` when someone has it.
    pub fn insert_identity(
        &mut self,
        profile: ProfileId,
        position: u32,
        identity: &Identity,
    ) -> Result<()> {
        self.insert_identities(&[(profile, position, identity)])
    }

    /// Gives profiles identities. `Conflict` when someone has one of them.
    pub fn insert_identities(&mut self, given: &[(ProfileId, u32, &Identity)]) -> Result<()> {
        let rows: Vec<Vec<Value>> = given
            .iter()
            .map(|(profile, position, identity)| {
                identity_values(self.key(), *profile, *position, identity)
            })
            .collect();
        let rows: Vec<&[Value]> = rows.iter().map(Vec::as_slice).collect();
        self.conn
            .insert_many("identities", &IDENTITY_COLUMNS, &rows)?;
        Ok(())
    }

    /// Replaces what the provider says of someone; `false` when nobody has this identity.
    pub fn update_identity(&mut self, identity: &Identity) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE identities SET body = $4 WHERE tenant = $1 AND provider = $2 AND subject = $3",
            &[
                Value::from(self.key()),
                Value::from(&identity.provider),
                Value::from(&identity.subject),
                Value::from(identity.body.to_text()),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Replaces all identities of a profile. `Conflict` when someone else has one of them.
    pub fn update_identities(&mut self, profile: ProfileId, identities: &[Identity]) -> Result<()> {
        // A profile that was found by the address of its directory user may have another directory user from now on, or none.
        self.conn.execute(
            "UPDATE profiles SET email_key = \
             (SELECT MIN(u.email_key) FROM identities i JOIN directory_users u ON u.tenant = i.tenant AND u.id = i.subject \
             WHERE i.tenant = $1 AND i.provider = $3 AND i.profile_id = $2) \
             WHERE tenant = $1 AND id = $2 AND email IS NOT NULL AND email_key IS NULL",
            &[
                Value::from(self.key()),
                Value::from(profile.to_string()),
                Value::from(CLOUD_DIRECTORY),
            ],
        )?;
        self.conn.execute(
            "DELETE FROM identities WHERE tenant = $1 AND profile_id = $2",
            &[Value::from(self.key()), Value::from(profile.to_string())],
        )?;
        let given: Vec<(ProfileId, u32, &Identity)> = (0..)
            .zip(identities)
            .map(|(position, identity)| (profile, position, identity))
            .collect();
        self.insert_identities(&given)
    }

    /// Keeps other sign-ins of the same person waiting until this write ends.
    pub fn lock_identity(&mut self, provider: &str, subject: &str) -> Result<()> {
        let name = format!("identity:{}:{provider}:{subject}", self.key());
        self.conn.lock(&name)
    }
}

fn identity(row: &Row, from: usize) -> Result<Identity> {
    Ok(Identity {
        provider: row.text(from)?,
        subject: row.text(from + 1)?,
        body: RawObject::stored(row.str(from + 2)?)
            .map_err(|_| Error::corrupt("body of an identity"))?,
    })
}

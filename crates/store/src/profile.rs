//! Profiles and the roles of their users.

use std::collections::{BTreeSet, HashMap, HashSet};

use vestibule_model::{
    attributes::Attributes,
    email::fold,
    id::{ProfileId, RoleId},
    object::RawObject,
    profile::{CLOUD_DIRECTORY, Profile, ProfileKind},
    time::Timestamp,
};

use crate::{Error, Page, Result, Row, Value, people::PersonRows, scope::Tenant};

/// Which profiles a search is for. Anonymous ones are never found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileSearch {
    /// The whole e-mail address, in any case.
    pub email: Option<String>,
    /// The whole identifier at the provider.
    pub subject: Option<String>,
}

/// How many people App ID's exports leave out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Prepared for a first sign-in.
    pub future: u64,
    /// Anonymous.
    pub anonymous: u64,
    /// Profiles whose directory user was removed.
    pub removed: u64,
    /// Directory users with identities at other providers, which are left out.
    pub linked: u64,
}

pub(crate) const COLUMNS: &str =
    "p.id, p.kind, p.name, p.email, p.body, p.attributes, p.created_at, p.modified_at";

impl Tenant<'_, '_> {
    /// One profile.
    pub fn find_profile(&mut self, profile: ProfileId) -> Result<Option<Profile>> {
        self.conn
            .query_opt(
                &format!("SELECT {COLUMNS} FROM profiles p WHERE p.tenant = $1 AND p.id = $2"),
                &[Value::from(self.key()), Value::from(profile.to_string())],
            )?
            .as_ref()
            .map(profile_of)
            .transpose()
    }

    /// Profiles that a search finds, in order of creation, and how many there are in all.
    pub fn list_profiles(
        &mut self,
        search: &ProfileSearch,
        page: Page,
    ) -> Result<(Vec<Profile>, usize)> {
        let mut condition = String::from("p.tenant = $1 AND p.kind <> 'anonymous'");
        let mut params = vec![Value::from(self.key())];
        if let Some(email) = &search.email {
            params.push(Value::from(fold(email)));
            params.push(Value::from(CLOUD_DIRECTORY));
            let (key, directory) = (params.len() - 1, params.len());
            // Profiles of directory users with the same address have no key of their own.
            condition.push_str(&format!(
                " AND p.id IN (SELECT k.id FROM profiles k WHERE k.tenant = $1 AND k.email_key = ${key} UNION \
                 SELECT k.id FROM directory_users u \
                 JOIN identities i ON i.tenant = u.tenant AND i.provider = ${directory} AND i.subject = u.id \
                 JOIN profiles k ON k.tenant = i.tenant AND k.id = i.profile_id \
                 WHERE u.tenant = $1 AND u.email_key = ${key} AND k.email IS NOT NULL AND k.email_key IS NULL)"
            ));
        }
        if let Some(subject) = &search.subject {
            params.push(Value::from(subject));
            condition.push_str(&format!(
                " AND p.id IN (SELECT i.profile_id FROM identities i WHERE i.tenant = $1 AND i.subject = ${})",
                params.len()
            ));
        }
        self.page_of_profiles(&condition, params, page)
    }

    /// Known profiles of all providers but the directory, in order of creation, and how many there are in all.
    pub fn list_federated_profiles(&mut self, page: Page) -> Result<(Vec<Profile>, usize)> {
        let condition = "p.tenant = $1 AND p.kind = 'known' AND NOT EXISTS (SELECT 1 FROM identities i \
                         WHERE i.tenant = $1 AND i.profile_id = p.id AND i.provider = $2)";
        let params = vec![Value::from(self.key()), Value::from(CLOUD_DIRECTORY)];
        self.page_of_profiles(condition, params, page)
    }

    /// Who is in no export of directory users although the directory is their provider. Looks at each of its identities.
    pub fn count_left_out_of_directory(&mut self) -> Result<LeftOut> {
        let params = [Value::from(self.key()), Value::from(CLOUD_DIRECTORY)];
        let kinds = self.conn.query(
            "SELECT k.kind, COUNT(*) FROM (SELECT (SELECT p.kind FROM profiles p WHERE p.tenant = i.tenant AND p.id = i.profile_id) AS kind \
             FROM identities i WHERE i.tenant = $1 AND i.provider = $2 AND NOT EXISTS \
             (SELECT 1 FROM directory_users u WHERE u.tenant = i.tenant AND u.id = i.subject)) k GROUP BY k.kind",
            &params,
        )?;
        let mut left = LeftOut::default();
        for row in &kinds {
            match ProfileKind::parse(row.str(0)?) {
                Ok(ProfileKind::Future) => left.future = counted(row, 1)?,
                Ok(ProfileKind::Known) => left.removed = counted(row, 1)?,
                _ => {}
            }
        }
        // Two ranges of the primary key rather than all identities of the directory.
        let linked = |side: &str| {
            format!(
                "SELECT i.profile_id FROM identities i \
                 JOIN identities d ON d.tenant = i.tenant AND d.profile_id = i.profile_id AND d.provider = $2 \
                 JOIN directory_users u ON u.tenant = d.tenant AND u.id = d.subject \
                 WHERE i.tenant = $1 AND i.provider {side} $2"
            )
        };
        let row = self.conn.query_opt(
            &format!(
                "SELECT COUNT(*) FROM ({} UNION {}) l",
                linked("<"),
                linked(">")
            ),
            &params,
        )?;
        left.linked = row.map_or(Ok(0), |row| counted(&row, 0))?;
        Ok(left)
    }

    /// Who is in no export of federated users although another provider than the directory is theirs. Looks at each profile.
    pub fn count_left_out_of_profiles(&mut self) -> Result<LeftOut> {
        let kinds = self.conn.query(
            "SELECT p.kind, COUNT(*) FROM profiles p WHERE p.tenant = $1 AND p.kind IN ('future', 'anonymous') AND NOT EXISTS \
             (SELECT 1 FROM identities i WHERE i.tenant = p.tenant AND i.profile_id = p.id AND i.provider = $2) GROUP BY p.kind",
            &[Value::from(self.key()), Value::from(CLOUD_DIRECTORY)],
        )?;
        let mut left = LeftOut::default();
        for row in &kinds {
            match ProfileKind::parse(row.str(0)?) {
                Ok(ProfileKind::Future) => left.future = counted(row, 1)?,
                Ok(ProfileKind::Anonymous) => left.anonymous = counted(row, 1)?,
                _ => {}
            }
        }
        Ok(left)
    }

    /// Which of these profile ids are taken.
    pub fn list_known_profile_ids(&mut self, ids: &[String]) -> Result<HashSet<String>> {
        self.query_each(
            "SELECT id FROM profiles WHERE tenant = $1 AND id IN ({list})",
            ids,
        )?
        .iter()
        .map(|row| row.text(0))
        .collect()
    }

    /// When the newest profile was made.
    pub fn find_newest_profile_time(&mut self) -> Result<Option<Timestamp>> {
        Ok(self
            .conn
            .query_opt(
                "SELECT created_at FROM profiles WHERE tenant = $1 ORDER BY created_at DESC, id DESC LIMIT 1",
                &[Value::from(self.key())],
            )?
            .map(|row| row.int(0))
            .transpose()?
            .map(Timestamp::from_millis))
    }

    /// Adds a profile without identities and roles.
    pub fn insert_profile(&mut self, profile: &Profile) -> Result<()> {
        let rows = PersonRows::new(self.id(), None, Some((profile, &[])));
        self.insert_people(&[(&rows, Vec::new())])
    }

    /// Replaces a profile; its id and time of creation stay. `false` when there is no such profile.
    pub fn update_profile(&mut self, profile: &Profile) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE profiles SET kind = $3, name = $4, email = $5, email_key = $6, body = $7, attributes = $8, \
             modified_at = $9 WHERE tenant = $1 AND id = $2",
            &[
                Value::from(self.key()),
                Value::from(profile.id.to_string()),
                Value::from(profile.kind.name()),
                Value::from(profile.name.as_deref()),
                Value::from(profile.email.as_deref()),
                Value::from(profile.email.as_deref().map(fold)),
                Value::from(profile.body.to_text()),
                Value::from(profile.attributes.object().to_text()),
                Value::from(profile.modified_at.millis()),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Replaces the attributes of a profile; `false` when there is no such profile. Call [`Tenant::lock_profile`] before reading
    /// what is replaced.
    pub fn update_attributes(
        &mut self,
        profile: ProfileId,
        attributes: &Attributes,
        now: Timestamp,
    ) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE profiles SET attributes = $3, modified_at = $4 WHERE tenant = $1 AND id = $2",
            &[
                Value::from(self.key()),
                Value::from(profile.to_string()),
                Value::from(attributes.object().to_text()),
                Value::from(now.millis()),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Keeps other writes that lock this profile waiting until this one ends.
    pub fn lock_profile(&mut self, profile: ProfileId) -> Result<()> {
        let name = format!("profile:{}:{profile}", self.key());
        self.conn.lock(&name)
    }

    /// Removes a profile with its identities, roles, codes, grants and refresh tokens; `false` when there is no such profile.
    pub fn delete_profile(&mut self, profile: ProfileId) -> Result<bool> {
        let params = [Value::from(self.key()), Value::from(profile.to_string())];
        self.conn.execute(
            "DELETE FROM auth_codes WHERE tenant = $1 AND grant_id IN \
             (SELECT id FROM grants WHERE tenant = $1 AND profile_id = $2)",
            &params,
        )?;
        self.conn.execute(
            "DELETE FROM grants WHERE tenant = $1 AND profile_id = $2",
            &params,
        )?;
        let deleted = self.conn.execute(
            "DELETE FROM profiles WHERE tenant = $1 AND id = $2",
            &params,
        )?;
        Ok(deleted == 1)
    }

    /// Ids of a user's roles, by name of the role.
    pub fn list_user_roles(&mut self, profile: ProfileId) -> Result<Vec<RoleId>> {
        let mut roles = self.list_roles_of(&[profile])?;
        let found = roles.remove(&profile).unwrap_or_default();
        Ok(found.into_iter().map(|(id, _)| id).collect())
    }

    /// Ids and names of the roles of several users, by name.
    pub fn list_roles_of(
        &mut self,
        profiles: &[ProfileId],
    ) -> Result<HashMap<ProfileId, Vec<(RoleId, String)>>> {
        let ids: Vec<String> = profiles.iter().map(ProfileId::to_string).collect();
        let rows = self.query_each(
            "SELECT u.profile_id, r.id, r.name FROM user_roles u JOIN roles r ON r.tenant = u.tenant AND r.id = u.role_id \
             WHERE u.tenant = $1 AND u.profile_id IN ({list}) ORDER BY u.profile_id, r.name",
            &ids,
        )?;
        let mut found: HashMap<ProfileId, Vec<(RoleId, String)>> = HashMap::new();
        for row in &rows {
            let role = RoleId::parse(row.str(1)?).map_err(|_| Error::corrupt("role id"))?;
            found
                .entry(profile_id(row, 0)?)
                .or_default()
                .push((role, row.text(2)?));
        }
        Ok(found)
    }

    /// Replaces the roles of a user. Profile and roles exist.
    pub fn update_user_roles(&mut self, profile: ProfileId, roles: &[RoleId]) -> Result<()> {
        self.conn.execute(
            "DELETE FROM user_roles WHERE tenant = $1 AND profile_id = $2",
            &[Value::from(self.key()), Value::from(profile.to_string())],
        )?;
        let rows: Vec<Vec<Value>> = roles
            .iter()
            .map(|role| {
                vec![
                    Value::from(self.key()),
                    Value::from(profile.to_string()),
                    Value::from(role.to_string()),
                ]
            })
            .collect();
        // Someone else may be giving the same role at this moment.
        self.conn.execute_many(
            "INSERT INTO user_roles (tenant, profile_id, role_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &rows,
        )?;
        Ok(())
    }

    /// Gives users roles that they do not have yet. Profiles and roles exist.
    pub(crate) fn insert_user_roles(&mut self, given: &[(ProfileId, RoleId)]) -> Result<()> {
        let given: BTreeSet<&(ProfileId, RoleId)> = given.iter().collect();
        let rows: Vec<[Value; 3]> = given
            .into_iter()
            .map(|(profile, role)| {
                [
                    Value::from(self.key()),
                    Value::from(profile.to_string()),
                    Value::from(role.to_string()),
                ]
            })
            .collect();
        let rows: Vec<&[Value]> = rows.iter().map(<[Value; 3]>::as_slice).collect();
        self.conn
            .insert_many("user_roles", &["tenant", "profile_id", "role_id"], &rows)?;
        Ok(())
    }

    fn page_of_profiles(
        &mut self,
        condition: &str,
        mut params: Vec<Value>,
        page: Page,
    ) -> Result<(Vec<Profile>, usize)> {
        let total = self.conn.query_opt(
            &format!("SELECT COUNT(*) FROM profiles p WHERE {condition}"),
            &params,
        )?;
        let total = total.map_or(Ok(0), |row| row.int(0))?;
        params.push(Value::from(page.count));
        params.push(Value::from(page.start));
        let rows = self.conn.query(
            &format!(
                "SELECT {COLUMNS} FROM profiles p WHERE {condition} ORDER BY p.created_at, p.id LIMIT ${} OFFSET ${}",
                params.len() - 1,
                params.len()
            ),
            &params,
        )?;
        let profiles = rows.iter().map(profile_of).collect::<Result<_>>()?;
        let total = usize::try_from(total).map_err(|_| Error::corrupt("a negative count"))?;
        Ok((profiles, total))
    }
}

fn counted(row: &Row, column: usize) -> Result<u64> {
    u64::try_from(row.int(column)?).map_err(|_| Error::corrupt("a negative count"))
}

pub(crate) fn profile_of(row: &Row) -> Result<Profile> {
    let object = |column: usize| {
        RawObject::stored(row.str(column)?).map_err(|_| Error::corrupt("JSON of a profile"))
    };
    Ok(Profile {
        id: profile_id(row, 0)?,
        kind: ProfileKind::parse(row.str(1)?).map_err(|_| Error::corrupt("kind of a profile"))?,
        name: row.opt_text(2)?,
        email: row.opt_text(3)?,
        body: object(4)?,
        attributes: Attributes::parse(object(5)?)
            .map_err(|_| Error::corrupt("attributes of a profile"))?,
        created_at: Timestamp::from_millis(row.int(6)?),
        modified_at: Timestamp::from_millis(row.int(7)?),
    })
}

pub(crate) fn profile_id(row: &Row, column: usize) -> Result<ProfileId> {
    ProfileId::parse(row.str(column)?).map_err(|_| Error::corrupt("profile id"))
}

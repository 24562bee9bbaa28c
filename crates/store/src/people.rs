//! People in the order of their ids, a page at a time and with everything that travels: what exports read.

use std::{collections::HashMap, ops::ControlFlow};

use vestibule_model::{
    email::fold,
    id::{ProfileId, RoleId, TenantId},
    profile::{CLOUD_DIRECTORY, Identity, Profile},
    time::Timestamp,
};

use crate::{
    Cells, Error, Result, Value,
    directory::StoredUser,
    scope::{Platform, Tenant},
};

const PEOPLE: [&str; 4] = ["directory_users", "profiles", "identities", "user_roles"];
const USER_COLUMNS: [&str; 14] = [
    "tenant",
    "id",
    "email_key",
    "user_name_key",
    "status",
    "active",
    "locked_until",
    "body",
    "password_hash",
    "password_changed_at",
    "original_id",
    "last_login_at",
    "created_at",
    "modified_at",
];
const PROFILE_COLUMNS: [&str; 10] = [
    "tenant",
    "id",
    "kind",
    "name",
    "email",
    "email_key",
    "body",
    "attributes",
    "created_at",
    "modified_at",
];
pub(crate) const IDENTITY_COLUMNS: [&str; 6] = [
    "tenant",
    "provider",
    "subject",
    "profile_id",
    "position",
    "body",
];

/// Everything of one new person as rows, made where the processor is free and not where the database waits.
pub struct PersonRows {
    tenant: TenantId,
    user: Option<Vec<Value>>,
    profile: Option<(ProfileId, Vec<Value>)>,
    identities: Vec<Vec<Value>>,
}

impl PersonRows {
    /// Of a directory user, a profile with its identities, or both.
    pub fn new(
        tenant: TenantId,
        user: Option<&StoredUser>,
        profile: Option<(&Profile, &[Identity])>,
    ) -> Self {
        let key = tenant.to_string();
        Self {
            tenant,
            user: user.map(|user| user_values(&key, user)),
            profile: profile.map(|(profile, identities)| {
                let known = user.is_some_and(|user| found_by_user(user, profile, identities));
                let email_key = profile.email.as_deref().filter(|_| !known).map(fold);
                (profile.id, profile_values(&key, profile, email_key))
            }),
            identities: profile.map_or_else(Vec::new, |(profile, identities)| {
                (0_u32..)
                    .zip(identities)
                    .map(|(position, identity)| {
                        identity_values(&key, profile.id, position, identity)
                    })
                    .collect()
            }),
        }
    }
}

/// A directory user as it is stored, with the profile of the same person if there is one. JSON is text that was checked when it was
/// written. Not `Debug`: it holds a password hash.
#[derive(Clone, Default)]
pub struct DirectoryRow {
    /// Directory id.
    pub id: String,
    /// SCIM members apart from id, password and state.
    pub body: String,
    /// `PENDING` or `CONFIRMED`.
    pub status: String,
    /// Whether sign-in is allowed.
    pub active: bool,
    /// Milliseconds since 1970, as all times here.
    pub locked_until: Option<i64>,
    /// The id it had where it was imported from.
    pub original_id: Option<String>,
    /// Last sign-in.
    pub last_login_at: Option<i64>,
    /// Creation.
    pub created_at: i64,
    /// Last change.
    pub modified_at: i64,
    /// In a notation that the crypto crate reads.
    pub password_hash: Option<String>,
    /// When it was set.
    pub password_changed_at: Option<i64>,
    /// The profile.
    pub profile: Option<ProfileRow>,
}

/// A profile as it is stored.
#[derive(Clone, Default)]
pub struct ProfileRow {
    /// Profile id.
    pub id: String,
    /// `known` or `future`.
    pub kind: String,
    /// Display name.
    pub name: Option<String>,
    /// Address.
    pub email: Option<String>,
    /// Whatever else it holds, an object.
    pub body: String,
    /// Custom attributes, an object.
    pub attributes: String,
    /// Creation.
    pub created_at: i64,
    /// Last change.
    pub modified_at: i64,
    /// Ids of its roles.
    pub roles: Vec<String>,
    /// Its identities, in order.
    pub identities: Vec<IdentityRow>,
}

/// An identity as it is stored.
#[derive(Clone)]
pub struct IdentityRow {
    /// Provider.
    pub provider: String,
    /// Identifier at the provider.
    pub subject: String,
    /// The whole identity object.
    pub body: String,
}

/// Which profiles a page is of. Anonymous ones are in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileScan {
    /// Those who signed in or were imported, at other providers than the directory: what App ID's export shows.
    Federated,
    /// All that no directory user has: federated ones, those prepared for a first sign-in, and those whose directory user was removed.
    WithoutDirectoryUser,
}

impl ProfileRow {
    fn bytes(&self) -> usize {
        self.body.len() + self.attributes.len()
    }
}

/// Bytes of a page beyond which no further person is read.
const PAGE_BYTES: usize = 2 << 20;

/// Roles of one person as one text: looked up with the person, not by a statement of their own.
const ROLES: &str = "(SELECT string_agg(r.role_id, ',') FROM user_roles r WHERE r.tenant = p.tenant AND r.profile_id = p.id)";

impl Tenant<'_, '_> {
    /// Adds people with their roles, which exist. `Conflict` when anything of them is there already.
    pub fn insert_people(&mut self, people: &[(&PersonRows, Vec<RoleId>)]) -> Result<()> {
        if people.iter().any(|(rows, _)| rows.tenant != self.id()) {
            return Err(Error::other("rows of another instance"));
        }
        let users = people.iter().filter_map(|(rows, _)| rows.user.as_deref());
        let users: Vec<&[Value]> = users.collect();
        self.conn
            .insert_many("directory_users", &USER_COLUMNS, &users)?;
        let profiles = people.iter().filter_map(|(rows, _)| rows.profile.as_ref());
        let profiles: Vec<&[Value]> = profiles.map(|(_, values)| values.as_slice()).collect();
        self.conn
            .insert_many("profiles", &PROFILE_COLUMNS, &profiles)?;
        let identities = people.iter().flat_map(|(rows, _)| rows.identities.iter());
        let identities: Vec<&[Value]> = identities.map(Vec::as_slice).collect();
        self.conn
            .insert_many("identities", &IDENTITY_COLUMNS, &identities)?;
        let given: Vec<(ProfileId, RoleId)> = people
            .iter()
            .filter_map(|(rows, roles)| Some((rows.profile.as_ref()?.0, roles)))
            .flat_map(|(profile, roles)| roles.iter().map(move |role| (profile, *role)))
            .collect();
        self.insert_user_roles(&given)
    }

    /// Directory users behind the id `after` (empty for all), at most `most` and at least one if there is one. The profile comes without
    /// identities.
    pub fn scan_directory_users(&mut self, after: &str, most: usize) -> Result<Vec<DirectoryRow>> {
        let mut rows = Vec::with_capacity(most);
        let mut bytes = 0;
        let params = [
            Value::from(self.key()),
            Value::from(CLOUD_DIRECTORY),
            Value::from(after),
            Value::from(i64::try_from(most).unwrap_or(i64::MAX)),
        ];
        self.conn.scan(
            &format!(
                "SELECT u.id, u.body, u.status, u.active, u.locked_until, u.original_id, u.last_login_at, u.created_at, \
                 u.modified_at, u.password_hash, u.password_changed_at, \
                 p.id, p.kind, p.name, p.email, p.body, p.attributes, p.created_at, p.modified_at, {ROLES} \
                 FROM directory_users u \
                 LEFT JOIN identities i ON i.tenant = u.tenant AND i.provider = $2 AND i.subject = u.id \
                 LEFT JOIN profiles p ON p.tenant = i.tenant AND p.id = i.profile_id \
                 WHERE u.tenant = $1 AND u.id > $3 ORDER BY u.id LIMIT $4"
            ),
            &params,
            |cells| {
                let row = directory_row(cells)?;
                bytes += row.body.len() + row.profile.as_ref().map_or(0, ProfileRow::bytes);
                rows.push(row);
                Ok(enough(bytes))
            },
        )?;
        Ok(rows)
    }

    /// Profiles with their identities, behind the id `after` (empty for all), at most `most`.
    pub fn scan_profiles(
        &mut self,
        which: ProfileScan,
        after: &str,
        most: usize,
    ) -> Result<Vec<ProfileRow>> {
        let mut rows = Vec::with_capacity(most);
        let mut bytes = 0;
        let condition = match which {
            ProfileScan::Federated => {
                "p.kind = 'known' AND NOT EXISTS (SELECT 1 FROM identities i \
                 WHERE i.tenant = p.tenant AND i.profile_id = p.id AND i.provider = $2)"
            }
            ProfileScan::WithoutDirectoryUser => {
                // Counted, so that each profile is looked up by itself: as an anti-join, a database without statistics yet reads
                // the whole instance for each.
                "p.kind IN ('known', 'future') AND (SELECT COUNT(*) FROM identities i \
                 JOIN directory_users u ON u.tenant = i.tenant AND u.id = i.subject \
                 WHERE i.tenant = p.tenant AND i.profile_id = p.id AND i.provider = $2) = 0"
            }
        };
        let params = [
            Value::from(self.key()),
            Value::from(CLOUD_DIRECTORY),
            Value::from(after),
            Value::from(i64::try_from(most).unwrap_or(i64::MAX)),
        ];
        self.conn.scan(
            &format!(
                "SELECT p.id, p.kind, p.name, p.email, p.body, p.attributes, p.created_at, p.modified_at, {ROLES} \
                 FROM profiles p WHERE p.tenant = $1 AND p.id > $3 AND {condition} ORDER BY p.id LIMIT $4"
            ),
            &params,
            |cells| {
                let row = profile_row(cells, 0)?;
                bytes += row.bytes();
                rows.push(row);
                Ok(enough(bytes))
            },
        )?;
        self.add_identities_of(rows.iter_mut())?;
        Ok(rows)
    }

    /// Reads the identities of these profiles.
    pub fn add_identities_of<'r>(
        &mut self,
        rows: impl Iterator<Item = &'r mut ProfileRow>,
    ) -> Result<()> {
        let rows: Vec<&mut ProfileRow> = rows.collect();
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let found = self.query_each(
            "SELECT profile_id, provider, subject, body FROM identities \
             WHERE tenant = $1 AND profile_id IN ({list}) ORDER BY profile_id, position, provider, subject",
            &ids,
        )?;
        let mut identities: HashMap<String, Vec<IdentityRow>> = HashMap::new();
        for row in &found {
            identities
                .entry(row.text(0)?)
                .or_default()
                .push(IdentityRow {
                    provider: row.text(1)?,
                    subject: row.text(2)?,
                    body: row.text(3)?,
                });
        }
        for row in rows {
            row.identities = identities.remove(&row.id).unwrap_or_default();
        }
        Ok(())
    }
}

impl Platform<'_, '_> {
    /// Lets the database plan for `rows` more people than it may know of yet. For imports: a plan that was made for empty tables gets
    /// slower with each user.
    pub fn expect_people(&mut self, rows: u64) -> Result<()> {
        self.conn.refresh_statistics(&PEOPLE, rows)
    }
}

fn user_values(tenant: &str, stored: &StoredUser) -> Vec<Value> {
    let user = &stored.user;
    vec![
        Value::from(tenant),
        Value::from(user.id.to_string()),
        Value::from(user.card.email().key()),
        Value::from(user.card.user_name_key()),
        Value::from(user.status.name()),
        Value::from(user.active),
        Value::from(user.locked_until.map(Timestamp::millis)),
        Value::from(user.card.body().to_text()),
        Value::from(stored.password_hash.as_deref()),
        Value::from(stored.password_changed_at.map(Timestamp::millis)),
        Value::from(user.original_id.as_deref()),
        Value::from(user.last_login_at.map(Timestamp::millis)),
        Value::from(user.created_at.millis()),
        Value::from(user.modified_at.millis()),
    ]
}

/// Whether a search by address finds the profile through its directory user, so that the profile needs no entry of its own in an index:
/// at random places of a large index, that costs an import more than all that it writes in order. [`Tenant::keep_address`] adds the
/// entry when the two are about to differ.
fn found_by_user(user: &StoredUser, profile: &Profile, identities: &[Identity]) -> bool {
    let mut at_directory = identities
        .iter()
        .filter(|identity| identity.provider == CLOUD_DIRECTORY);
    let own = at_directory
        .next()
        .is_some_and(|identity| identity.subject == user.user.id.to_string());
    let address = profile.email.as_deref().map(fold);
    own && at_directory.next().is_none() && address == Some(user.user.card.email().key())
}

fn profile_values(tenant: &str, profile: &Profile, email_key: Option<String>) -> Vec<Value> {
    vec![
        Value::from(tenant),
        Value::from(profile.id.to_string()),
        Value::from(profile.kind.name()),
        Value::from(profile.name.as_deref()),
        Value::from(profile.email.as_deref()),
        Value::from(email_key),
        Value::from(profile.body.to_text()),
        Value::from(profile.attributes.object().to_text()),
        Value::from(profile.created_at.millis()),
        Value::from(profile.modified_at.millis()),
    ]
}

pub(crate) fn identity_values(
    tenant: &str,
    profile: ProfileId,
    position: u32,
    identity: &Identity,
) -> Vec<Value> {
    vec![
        Value::from(tenant),
        Value::from(&identity.provider),
        Value::from(&identity.subject),
        Value::from(profile.to_string()),
        Value::from(position),
        Value::from(identity.body.to_text()),
    ]
}

fn enough(bytes: usize) -> ControlFlow<()> {
    if bytes > PAGE_BYTES {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

fn directory_row(cells: &Cells<'_>) -> Result<DirectoryRow> {
    let profile = match cells.opt_text(11)? {
        Some(_) => Some(profile_row(cells, 11)?),
        None => None,
    };
    Ok(DirectoryRow {
        id: cells.text(0)?.to_owned(),
        body: cells.text(1)?.to_owned(),
        status: cells.text(2)?.to_owned(),
        active: cells.int(3)? == 1,
        locked_until: cells.opt_int(4)?,
        original_id: cells.opt_text(5)?.map(str::to_owned),
        last_login_at: cells.opt_int(6)?,
        created_at: cells.int(7)?,
        modified_at: cells.int(8)?,
        password_hash: cells.opt_text(9)?.map(str::to_owned),
        password_changed_at: cells.opt_int(10)?,
        profile,
    })
}

fn profile_row(cells: &Cells<'_>, from: usize) -> Result<ProfileRow> {
    let roles = cells.opt_text(from + 8)?;
    Ok(ProfileRow {
        id: cells.text(from)?.to_owned(),
        kind: cells.text(from + 1)?.to_owned(),
        name: cells.opt_text(from + 2)?.map(str::to_owned),
        email: cells.opt_text(from + 3)?.map(str::to_owned),
        body: cells.text(from + 4)?.to_owned(),
        attributes: cells.text(from + 5)?.to_owned(),
        created_at: cells.int(from + 6)?,
        modified_at: cells.int(from + 7)?,
        roles: roles.map_or_else(Vec::new, |roles| {
            roles.split(',').map(str::to_owned).collect()
        }),
        identities: Vec::new(),
    })
}

//! Writing directory users that were read and checked.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;
use vestibule_model::{
    directory::{DirectoryUser, UserCard},
    id::{DirectoryUserId, ProfileId, RoleId, TenantId},
    object::RawObject,
    profile::{CLOUD_DIRECTORY, Identity, Profile, ProfileKind},
    time::Timestamp,
};
use vestibule_store::{directory::StoredUser, people::PersonRows, scope::Tenant};

use super::{
    Failure, ImportReport, OnConflict, Outcome, Passed, Refusal, Renamed, RoleNames,
    directory_record::{DirectoryRecord, KeptProfile, Password},
    directory_update::overwrite,
    profile_apply::key,
};
use crate::{Engine, Result, directory::sign_in_of, profile::identity_of};

/// A record that is ready to be written, under the ids that it gets if it is added.
pub(super) struct Placed {
    /// Its place in the file.
    pub index: usize,
    /// What it says.
    pub record: DirectoryRecord,
    user: DirectoryUserId,
    pub(super) profile: Option<ProfileId>,
    rows: PersonRows,
}

impl Placed {
    /// The id it gets if it is added.
    pub(super) fn id(&self) -> String {
        self.user.to_string()
    }
}

impl Engine {
    /// Gives records ids and makes their rows, so that the transaction only has to decide and to write. Ids ascend: rows made together
    /// stand together, in the order of their file.
    pub(super) fn place_directory(
        &self,
        tenant: TenantId,
        records: Vec<(usize, DirectoryRecord)>,
        now: Timestamp,
    ) -> Vec<Placed> {
        let ids = self.ordered_ids(records.len()).into_iter();
        let ids = ids.zip(self.ordered_ids(records.len()));
        records
            .into_iter()
            .zip(ids)
            .map(|((index, record), fresh)| place(tenant, index, record, fresh, now))
            .collect()
    }
}

fn place(
    tenant: TenantId,
    index: usize,
    record: DirectoryRecord,
    (user, profile): (Uuid, Uuid),
    now: Timestamp,
) -> Placed {
    let kept = record.kept.as_deref();
    let id = kept.map_or(DirectoryUserId::from_uuid(user), |kept| kept.user);
    let past = |time| past(time, now);
    let created_at = past(record.created_at).unwrap_or(now);
    let modified_at = past(record.modified_at).unwrap_or(created_at);
    let hash = hash(&record);
    let stored = StoredUser {
        user: DirectoryUser {
            id,
            card: record.card.clone(),
            status: record.status,
            active: record.active,
            locked_until: record.locked_until,
            original_id: record.original_id.clone(),
            last_login_at: past(record.last_login_at),
            created_at,
            modified_at,
        },
        password_changed_at: hash
            .is_some()
            .then(|| past(record.password_changed_at).unwrap_or(modified_at)),
        password_hash: hash,
    };
    let first = match kept {
        None => Some(first_profile(
            tenant,
            &stored.user,
            &record,
            (ProfileId::from_uuid(profile), now),
        )),
        Some(kept) => kept
            .profile
            .as_ref()
            .map(|profile| kept_profile(tenant, &stored.user, profile)),
    };
    let rows = PersonRows::new(
        tenant,
        Some(&stored),
        first.as_ref().map(|(p, i)| (p, i.as_slice())),
    );
    Placed {
        index,
        record,
        user: id,
        profile: first.map(|(profile, _)| profile.id),
        rows,
    }
}

/// Applies one chunk within one transaction.
pub(super) fn apply(
    t: &mut Tenant<'_, '_>,
    records: &[Placed],
    policy: OnConflict,
    now: Timestamp,
) -> Result<ImportReport> {
    if policy == OnConflict::Update {
        // Overwritten users lose their tokens.
        t.touch(now)?;
    }
    t.lock_people()?;
    let mut report = ImportReport::default();
    let mut left = records;
    while !left.is_empty() {
        let done = apply_some(t, left, policy, now, &mut report)?;
        left = left.get(done..).unwrap_or_default();
    }
    Ok(report)
}

/// Applies the first records, up to one of a user whom an earlier one changed: what belongs to whom has to be looked up anew then. How
/// many they were.
fn apply_some(
    t: &mut Tenant<'_, '_>,
    records: &[Placed],
    policy: OnConflict,
    now: Timestamp,
    report: &mut ImportReport,
) -> Result<usize> {
    let mut plan = Plan::load(t, records, policy)?;
    let mut done = 0;
    for placed in records {
        let record = &placed.record;
        let owners = plan.owners(record);
        if owners.iter().any(|owner| plan.overwritten.contains(owner)) {
            break;
        }
        done += 1;
        let roles = match plan.roles.ids(&record.roles) {
            Ok(roles) => roles,
            Err(refusal) => {
                report.failures.push(refused(placed, refusal));
                continue;
            }
        };
        match (owners.as_slice(), policy) {
            ([], _) => {
                if plan.ids_are_taken(placed) {
                    report.failures.push(refused(placed, id_taken()));
                    continue;
                }
                plan.added.push((&placed.rows, roles));
                report.added += 1;
                report.renamed.extend(renamed(placed));
            }
            (owners, OnConflict::Skip) => {
                report.skipped += 1;
                report.passed.push(passed(placed, owners, Outcome::Skipped));
                continue;
            }
            ([owner], OnConflict::Update) if plan.is_another_profiles(*owner, placed) => {
                report.failures.push(refused(placed, id_taken()));
                continue;
            }
            ([owner], OnConflict::Update) => {
                plan.overwritten.insert(*owner);
                let held = plan.held(*owner);
                let freed = overwrite(t, (*owner, held), placed, &roles, now)?;
                report.updated += 1;
                let passed = passed(placed, &[*owner], Outcome::Updated);
                report.passed.push(Passed { freed, ..passed });
            }
            (owners, policy) => {
                let mut failure = refused(placed, in_the_way(policy));
                failure.name.id = owners.first().map(DirectoryUserId::to_string);
                report.failures.push(failure);
                continue;
            }
        }
        if matches!(record.password, Password::Unusable(_)) {
            report
                .without_password
                .push((placed.index, record.label.clone()));
        }
    }
    t.insert_people(&plan.added)?;
    Ok(done)
}

/// What a chunk adds, and what it was decided on.
struct Plan<'a> {
    roles: RoleNames,
    emails: HashMap<String, DirectoryUserId>,
    names: HashMap<String, DirectoryUserId>,
    taken_users: HashSet<String>,
    taken_profiles: HashSet<String>,
    taken_identities: HashMap<(String, String), ProfileId>,
    /// The identities of those whom a bundle updates.
    held: HashMap<ProfileId, Vec<Identity>>,
    overwritten: HashSet<DirectoryUserId>,
    added: Vec<(&'a PersonRows, Vec<RoleId>)>,
}

impl<'a> Plan<'a> {
    /// Looks up everything that the whole chunk is decided on at once: no record costs a look-up of its own.
    fn load(t: &mut Tenant<'_, '_>, records: &'a [Placed], policy: OnConflict) -> Result<Self> {
        let emails: Vec<String> = records
            .iter()
            .map(|placed| placed.record.card.email().key())
            .collect();
        let names: Vec<String> = records
            .iter()
            .filter_map(|placed| placed.record.card.user_name_key())
            .collect();
        // Only ids that came from elsewhere can be taken.
        let kept = || records.iter().filter(|placed| placed.record.kept.is_some());
        let users: Vec<String> = kept().map(|placed| placed.user.to_string()).collect();
        let profiles: Vec<String> = kept()
            .filter_map(|placed| placed.profile.map(|id| id.to_string()))
            .collect();
        let (emails, names) = (
            t.list_users_by_email(&emails)?,
            t.list_users_by_user_name(&names)?,
        );
        let updated: BTreeSet<String> = match policy {
            OnConflict::Update if kept().next().is_some() => {
                let owners = emails.values().chain(names.values());
                owners.map(DirectoryUserId::to_string).collect()
            }
            _ => BTreeSet::new(),
        };
        let subjects: Vec<String> = kept()
            .flat_map(|placed| others(placed).iter())
            .map(|identity| identity.subject.clone())
            .chain(users.iter().chain(&updated).cloned())
            .collect();
        let taken_identities = t.list_profiles_by_subject(&subjects)?;
        let profiles_of_updated: Vec<ProfileId> = updated
            .into_iter()
            .filter_map(|user| taken_identities.get(&(CLOUD_DIRECTORY.to_owned(), user)))
            .copied()
            .collect();
        Ok(Self {
            roles: RoleNames::load(t)?,
            emails,
            names,
            taken_users: t.list_known_user_ids(&users)?,
            taken_profiles: t.list_known_profile_ids(&profiles)?,
            taken_identities,
            held: t.list_identities_of(&profiles_of_updated)?,
            overwritten: HashSet::new(),
            added: Vec::with_capacity(records.len()),
        })
    }

    /// Users who have the address or the name of this record.
    fn owners(&self, record: &DirectoryRecord) -> Vec<DirectoryUserId> {
        let name = record.card.user_name_key();
        let owners: BTreeSet<DirectoryUserId> = [
            self.emails.get(&record.card.email().key()),
            name.and_then(|name| self.names.get(&name)),
        ]
        .into_iter()
        .flatten()
        .copied()
        .collect();
        owners.into_iter().collect()
    }

    fn ids_are_taken(&self, placed: &Placed) -> bool {
        if placed.record.kept.is_none() {
            return false;
        }
        self.taken_users.contains(&placed.user.to_string())
            || self.profile_is_taken(placed)
            || self.profile_of(placed.user).is_some()
            || others(placed)
                .iter()
                .any(|other| self.taken_identities.contains_key(&key(other)))
    }

    /// Whether another profile than the one of this user has something that a bundle's record brings for it.
    fn is_another_profiles(&self, owner: DirectoryUserId, placed: &Placed) -> bool {
        let own = self.profile_of(owner);
        // Who has no profile gets the record's, under its id.
        own.is_none() && self.profile_is_taken(placed)
            || others(placed).iter().any(|other| {
                let holder = self.taken_identities.get(&key(other));
                holder.is_some() && holder.copied() != own
            })
    }

    fn profile_is_taken(&self, placed: &Placed) -> bool {
        placed
            .profile
            .is_some_and(|id| self.taken_profiles.contains(&id.to_string()))
    }

    fn profile_of(&self, user: DirectoryUserId) -> Option<ProfileId> {
        let key = (CLOUD_DIRECTORY.to_owned(), user.to_string());
        self.taken_identities.get(&key).copied()
    }

    /// The identities of a user whom a bundle updates.
    fn held(&self, owner: DirectoryUserId) -> &[Identity] {
        let profile = self.profile_of(owner);
        profile
            .and_then(|profile| self.held.get(&profile))
            .map_or(&[], Vec::as_slice)
    }
}

/// The profile that a bundle has of this user.
pub(super) fn carried(placed: &Placed) -> Option<&KeptProfile> {
    placed.record.kept.as_deref()?.profile.as_ref()
}

/// Identities that the profile of a directory user has beside the directory's.
fn others(placed: &Placed) -> &[Identity] {
    carried(placed).map_or(&[], |profile| profile.others.as_slice())
}

/// What nobody else can have: the address and the name.
pub(super) fn keys(card: &UserCard) -> Vec<String> {
    let mut keys = vec![format!("e{}", card.email().key())];
    keys.extend(card.user_name_key().map(|name| format!("n{name}")));
    keys
}

/// The profile that comes with an imported user.
pub(super) fn first_profile(
    tenant: TenantId,
    user: &DirectoryUser,
    record: &DirectoryRecord,
    (id, at): (ProfileId, Timestamp),
) -> (Profile, Vec<Identity>) {
    let profile = Profile {
        id,
        kind: ProfileKind::Known,
        name: Some(user.card.display_name()),
        email: Some(user.card.email().as_str().to_owned()),
        body: RawObject::default(),
        attributes: record.attributes.clone(),
        created_at: at,
        modified_at: at,
    };
    (profile, vec![directory_identity(tenant, user)])
}

/// The profile that comes with a user of a bundle, and the directory's identity of the user as it is here before the others.
pub(super) fn kept_profile(
    tenant: TenantId,
    user: &DirectoryUser,
    kept: &KeptProfile,
) -> (Profile, Vec<Identity>) {
    let own = directory_identity(tenant, user);
    let own_key = key(&own);
    let others = kept.others.iter().filter(|other| key(other) != own_key);
    let identities = std::iter::once(own).chain(others.cloned()).collect();
    (kept.profile.clone(), identities)
}

fn directory_identity(tenant: TenantId, user: &DirectoryUser) -> Identity {
    let sign_in = sign_in_of(tenant, user);
    identity_of(
        CLOUD_DIRECTORY,
        &sign_in.subject,
        sign_in.user_info.as_ref(),
    )
}

/// A time that is not to come.
pub(super) fn past(time: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    time.filter(|time| *time <= now)
}

pub(super) fn hash(record: &DirectoryRecord) -> Option<String> {
    match &record.password {
        Password::Hash(hash) => Some(hash.as_str().to_owned()),
        Password::None | Password::Unusable(_) => None,
    }
}

fn in_the_way(policy: OnConflict) -> Refusal {
    if policy == OnConflict::Update {
        return Refusal::new(
            "ambiguous",
            "The e-mail address and the user name belong to different users here.",
        );
    }
    Refusal::new(
        "uniqueness",
        "A user with this e-mail address or user name exists already.",
    )
}

/// What is said of a user who exists, and of one who would be several.
pub(super) fn refusals() -> (Refusal, Refusal) {
    (in_the_way(OnConflict::Fail), in_the_way(OnConflict::Update))
}

fn id_taken() -> Refusal {
    Refusal::new(
        "id_taken",
        "Someone else here has one of the ids or identities of this user. Import with ids=remap, or remove the other one.",
    )
}

/// The ids that a user of a bundle had, if they were to be given anew.
fn renamed(placed: &Placed) -> Vec<Renamed> {
    let kept = placed.record.kept.as_deref();
    kept.map_or_else(Vec::new, |kept| kept.renamed.clone())
}

fn passed(placed: &Placed, owners: &[DirectoryUserId], outcome: Outcome) -> Passed {
    let mut name = placed.record.label.clone();
    name.id = owners.first().map(DirectoryUserId::to_string);
    Passed {
        index: placed.index,
        name,
        outcome,
        freed: Vec::new(),
    }
}

pub(super) fn refused(placed: &Placed, refusal: Refusal) -> Failure {
    Failure {
        index: placed.index,
        name: placed.record.label.clone(),
        refusal,
    }
}

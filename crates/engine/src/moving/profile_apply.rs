//! Writing federated users that were read and checked.

use std::collections::{BTreeSet, HashMap, HashSet};

use vestibule_model::{
    id::{ProfileId, RoleId, TenantId},
    profile::{Identity, Profile, ProfileKind},
    time::Timestamp,
};
use vestibule_store::{people::PersonRows, scope::Tenant};

use super::{
    Failure, ImportReport, OnConflict, Outcome, Passed, Refusal, RoleNames,
    profile_record::ProfileRecord,
};
use crate::{Engine, Error, Result};

/// A record that is ready to be written.
pub(super) struct Placed {
    /// Its place in the file.
    pub index: usize,
    /// What it says.
    pub record: ProfileRecord,
    /// The id it gets if it is added: the one it asks for, unless that is taken.
    id: ProfileId,
    fresh: ProfileId,
    created_at: Timestamp,
    rows: PersonRows,
}

impl Placed {
    /// The id it gets if it is added and nobody has it.
    pub(super) fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Engine {
    /// Makes the rows of records, so that the transaction only has to decide and to write. Exports are ordered by the time a profile was
    /// made, so each gets a moment of its own from `at` on.
    pub(super) fn place_profiles(
        &self,
        tenant: TenantId,
        records: Vec<(usize, ProfileRecord)>,
        at: Timestamp,
    ) -> Vec<Placed> {
        let ids = self.ordered_ids(records.len());
        (0..)
            .zip(records.into_iter().zip(ids))
            .map(|(place, ((index, record), fresh))| {
                let fresh = ProfileId::from_uuid(fresh);
                let id = record.id.unwrap_or(fresh);
                let created_at = Timestamp::from_millis(at.millis().saturating_add(place));
                Placed {
                    index,
                    rows: rows(tenant, &record, id, created_at),
                    record,
                    id,
                    fresh,
                    created_at,
                }
            })
            .collect()
    }
}

fn rows(
    tenant: TenantId,
    record: &ProfileRecord,
    id: ProfileId,
    created_at: Timestamp,
) -> PersonRows {
    let profile = match record.kept.as_deref() {
        Some(kept) => kept.profile.clone(),
        None => Profile {
            id,
            kind: ProfileKind::Known,
            name: record.name.clone(),
            email: record.email.clone(),
            body: record.body.clone(),
            attributes: record.attributes.clone(),
            created_at,
            modified_at: created_at,
        },
    };
    PersonRows::new(tenant, None, Some((&profile, &record.identities)))
}

/// Applies one chunk within one transaction.
pub(super) fn apply(
    t: &mut Tenant<'_, '_>,
    records: &[Placed],
    policy: OnConflict,
    now: Timestamp,
) -> Result<ImportReport> {
    t.lock_people()?;
    let mut report = ImportReport::default();
    let mut left = records;
    while !left.is_empty() {
        let done = apply_some(t, left, policy, now, &mut report)?;
        left = left.get(done..).unwrap_or_default();
    }
    Ok(report)
}

/// Applies the first records, up to one of a profile that an earlier one changed: what belongs to whom has to be looked up anew then. How
/// many they were.
fn apply_some(
    t: &mut Tenant<'_, '_>,
    records: &[Placed],
    policy: OnConflict,
    now: Timestamp,
    report: &mut ImportReport,
) -> Result<usize> {
    let mut plan = Plan::load(t, records)?;
    let mut renewed: Vec<(PersonRows, Vec<RoleId>)> = Vec::new();
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
            ([], _) if plan.taken.insert(placed.id.to_string()) => {
                plan.added.push((&placed.rows, roles));
                report.added += 1;
                let kept = record.kept.as_deref();
                report
                    .renamed
                    .extend(kept.map_or(&[][..], |kept| &kept.renamed).iter().cloned());
            }
            // Taken by someone else: the provider's identifier stays, the profile's id is new.
            ([], _) if record.kept.is_none() => {
                renewed.push((rows(t.id(), record, placed.fresh, placed.created_at), roles));
                report.added += 1;
            }
            ([], _) => report.failures.push(refused(placed, id_taken())),
            (owners, OnConflict::Skip) => {
                report.skipped += 1;
                report.passed.push(passed(placed, owners, Outcome::Skipped));
            }
            ([owner], OnConflict::Update) => {
                plan.overwritten.insert(*owner);
                overwrite(t, *owner, record, &roles, now)?;
                report.updated += 1;
                report
                    .passed
                    .push(passed(placed, &[*owner], Outcome::Updated));
            }
            (owners, policy) => {
                let mut failure = refused(placed, in_the_way(policy));
                failure.name.id = owners.first().map(ProfileId::to_string);
                report.failures.push(failure);
            }
        }
    }
    t.insert_people(&plan.added)?;
    for (rows, roles) in renewed {
        t.insert_people(&[(&rows, roles)])?;
    }
    Ok(done)
}

/// What a chunk adds, and what it was decided on.
struct Plan<'a> {
    roles: RoleNames,
    holders: HashMap<(String, String), ProfileId>,
    taken: HashSet<String>,
    overwritten: HashSet<ProfileId>,
    added: Vec<(&'a PersonRows, Vec<RoleId>)>,
}

impl<'a> Plan<'a> {
    /// Looks up everything that the whole chunk is decided on at once: no record costs a look-up of its own.
    fn load(t: &mut Tenant<'_, '_>, records: &'a [Placed]) -> Result<Self> {
        let subjects: Vec<String> = records
            .iter()
            .flat_map(|placed| placed.record.identities.iter())
            .map(|identity| identity.subject.clone())
            .collect();
        let ids: Vec<String> = records
            .iter()
            .filter(|placed| placed.record.id.is_some())
            .map(|placed| placed.id.to_string())
            .collect();
        Ok(Self {
            roles: RoleNames::load(t)?,
            holders: t.list_profiles_by_subject(&subjects)?,
            taken: t.list_known_profile_ids(&ids)?,
            overwritten: HashSet::new(),
            added: Vec::with_capacity(records.len()),
        })
    }

    /// Profiles that hold an identity of this record.
    fn owners(&self, record: &ProfileRecord) -> Vec<ProfileId> {
        let owners: BTreeSet<ProfileId> = record
            .identities
            .iter()
            .filter_map(|identity| self.holders.get(&key(identity)).copied())
            .collect();
        owners.into_iter().collect()
    }
}

/// Makes a profile what the record says. Identities that only the profile has stay, since people sign in with them.
fn overwrite(
    t: &mut Tenant<'_, '_>,
    owner: ProfileId,
    record: &ProfileRecord,
    roles: &[RoleId],
    now: Timestamp,
) -> Result<()> {
    let Some(mut profile) = t.find_profile(owner)? else {
        return Err(Error::conflict("conflict", "The profile vanished."));
    };
    // Who was prepared still waits for the first sign-in, unless the record is of somebody who had it.
    let prepared = |kind| kind == ProfileKind::Future;
    let stays = record.kept.as_deref().map(|kept| kept.profile.kind);
    if !(prepared(profile.kind) && stays.is_some_and(prepared)) {
        profile.kind = ProfileKind::Known;
    }
    profile.name.clone_from(&record.name);
    profile.email.clone_from(&record.email);
    profile.body = record.body.clone();
    profile.attributes = record.attributes.clone();
    profile.modified_at = now;
    t.update_profile(&profile)?;
    let mut identities = record.identities.clone();
    let keys: HashSet<(String, String)> = identities.iter().map(key).collect();
    let others = t.list_identities(owner)?;
    identities.extend(others.into_iter().filter(|old| !keys.contains(&key(old))));
    t.update_identities(owner, &identities)?;
    t.update_user_roles(owner, roles)?;
    Ok(())
}

/// What is said of a user who exists, and of one who would be several.
pub(super) fn refusals() -> (Refusal, Refusal) {
    (in_the_way(OnConflict::Fail), in_the_way(OnConflict::Update))
}

fn id_taken() -> Refusal {
    Refusal::new(
        "id_taken",
        "Someone else here has the id of this user. Import with ids=remap, or remove the other one.",
    )
}

fn in_the_way(policy: OnConflict) -> Refusal {
    if policy == OnConflict::Update {
        return Refusal::new(
            "ambiguous",
            "The identities of this user belong to several profiles here.",
        );
    }
    Refusal::new(
        "conflict",
        "A user with the same provider and identity exists already.",
    )
}

fn passed(placed: &Placed, owners: &[ProfileId], outcome: Outcome) -> Passed {
    let mut name = placed.record.label.clone();
    name.id = owners.first().map(ProfileId::to_string);
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

pub(super) fn key(identity: &Identity) -> (String, String) {
    (identity.provider.clone(), identity.subject.clone())
}

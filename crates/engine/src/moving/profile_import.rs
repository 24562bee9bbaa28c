//! `users/import`.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use vestibule_model::{
    id::{ProfileId, RoleId},
    profile::{Identity, Profile, ProfileKind},
    time::Timestamp,
};
use vestibule_store::scope::Tenant;

use super::{
    CHUNK, Failure, ImportReport, OnConflict, Record, Refusal, RoleNames, TRIES, after, aside, log,
    profile_record::ProfileRecord, unreached,
};
use crate::{Engine, Error, Kind, Result, access::Manager};

/// A record with its place in the file.
type Placed = (usize, ProfileRecord);

impl Engine {
    /// Imports users of federated providers. What is wrong with a record is in the report; an error means that nothing was changed.
    pub async fn import_profiles(
        &self,
        manager: &Manager,
        records: Vec<Record>,
        policy: OnConflict,
    ) -> Result<ImportReport> {
        let (placed, failures) = aside(move || read(&records)).await?;
        let mut report = ImportReport {
            failures,
            ..ImportReport::default()
        };
        let mut chunks = placed.chunks(CHUNK);
        while let Some(chunk) = chunks.next() {
            let chunk: Arc<[Placed]> = chunk.into();
            match self.import_chunk(manager, Arc::clone(&chunk), policy).await {
                Ok(done) => report.add(done),
                Err(error) if report.added + report.updated == 0 => return Err(error),
                Err(error) => {
                    log(&error);
                    let (at_fault, rest) = unreached(&error);
                    report
                        .failures
                        .extend(chunk.iter().map(|p| refused(p, at_fault.clone())));
                    let left = chunks.by_ref().flatten();
                    report
                        .failures
                        .extend(left.map(|p| refused(p, rest.clone())));
                }
            }
        }
        report.failures.sort_by_key(|failure| failure.index);
        Ok(report)
    }

    async fn import_chunk(
        &self,
        manager: &Manager,
        chunk: Arc<[Placed]>,
        policy: OnConflict,
    ) -> Result<ImportReport> {
        let now = self.now();
        let ids = self.ordered_ids(chunk.len());
        let mut tries = 0;
        loop {
            let (records, ids) = (Arc::clone(&chunk), ids.clone());
            let done = self
                .store()
                .write(manager.tenant(), move |t| {
                    apply(t, &records, &ids, policy, now)
                })
                .await;
            tries += 1;
            match done {
                // A sign-in made the same profile between our look and our insert: look again.
                Err(error) if error.kind == Kind::Conflict && tries < TRIES => {}
                done => return done,
            }
        }
    }
}

/// Reads all records; a user that stands in the file twice counts where it stands first.
fn read(records: &[Record]) -> (Vec<Placed>, Vec<Failure>) {
    let mut placed: Vec<Placed> = Vec::with_capacity(records.len());
    let mut failures = Vec::new();
    let mut seen: HashSet<(String, String)> = HashSet::new();
    for (index, record) in records.iter().enumerate() {
        match ProfileRecord::read(record) {
            Err(refused) => {
                let (name, refusal) = *refused;
                failures.push(Failure {
                    index,
                    name,
                    refusal,
                });
            }
            Ok(record) => {
                let keys: Vec<(String, String)> = record.identities.iter().map(key).collect();
                if keys.iter().any(|key| seen.contains(key)) {
                    failures.push(refused(&(index, record), Refusal::duplicate()));
                } else {
                    seen.extend(keys);
                    placed.push((index, record));
                }
            }
        }
    }
    (placed, failures)
}

/// Applies one chunk within one transaction.
fn apply(
    t: &mut Tenant<'_, '_>,
    records: &[Placed],
    ids: &[[u8; 16]],
    policy: OnConflict,
    now: Timestamp,
) -> Result<ImportReport> {
    t.lock_people()?;
    let mut plan = Plan::load(t, records, now)?;
    let mut report = ImportReport::default();
    for (placed, fresh) in records.iter().zip(ids) {
        let (_, record) = placed;
        let roles = match plan.roles.ids(&record.roles) {
            Ok(roles) => roles,
            Err(refusal) => {
                report.failures.push(refused(placed, refusal));
                continue;
            }
        };
        let owners = plan.owners(record);
        match (owners.as_slice(), policy) {
            ([], _) => {
                plan.add(record, roles, *fresh);
                report.added += 1;
            }
            (_, OnConflict::Skip) => report.skipped += 1,
            ([owner], OnConflict::Update) if plan.overwritten.insert(*owner) => {
                overwrite(t, *owner, record, &roles, now)?;
                report.updated += 1;
            }
            (owners, policy) => {
                let mut failure = refused(placed, in_the_way(policy));
                failure.name.id = owners.first().map(ProfileId::to_string);
                report.failures.push(failure);
            }
        }
    }
    plan.write(t)?;
    Ok(report)
}

/// What a chunk adds, and what it was decided on.
struct Plan<'a> {
    roles: RoleNames,
    holders: HashMap<(String, String), ProfileId>,
    taken: HashSet<String>,
    next: Timestamp,
    now: Timestamp,
    overwritten: HashSet<ProfileId>,
    profiles: Vec<Profile>,
    identities: Vec<(ProfileId, u32, &'a Identity)>,
    given: Vec<(ProfileId, RoleId)>,
}

impl<'a> Plan<'a> {
    fn load(t: &mut Tenant<'_, '_>, records: &'a [Placed], now: Timestamp) -> Result<Self> {
        let subjects: Vec<String> = records
            .iter()
            .flat_map(|(_, record)| record.identities.iter())
            .map(|identity| identity.subject.clone())
            .collect();
        let ids: Vec<String> = records
            .iter()
            .filter_map(|(_, record)| record.id.map(|id| id.to_string()))
            .collect();
        // Exports are ordered by this time, and users shall leave in the order in which they came.
        let newest = t.find_newest_profile_time()?;
        let next = newest.map_or(now, |newest| now.max(after(newest)));
        Ok(Self {
            roles: RoleNames::load(t)?,
            holders: t.list_profiles_by_subject(&subjects)?,
            taken: t.list_known_profile_ids(&ids)?,
            next,
            now,
            overwritten: HashSet::new(),
            profiles: Vec::with_capacity(records.len()),
            identities: Vec::with_capacity(records.len()),
            given: Vec::new(),
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

    fn add(&mut self, record: &'a ProfileRecord, roles: Vec<RoleId>, fresh: [u8; 16]) {
        // Taken by someone else: the provider's identifier stays, the profile's id is new.
        let id = record
            .id
            .filter(|id| self.taken.insert(id.to_string()))
            .unwrap_or_else(|| ProfileId::from_random_bytes(fresh));
        self.profiles.push(Profile {
            id,
            kind: ProfileKind::Known,
            name: record.name.clone(),
            email: record.email.clone(),
            body: record.body.clone(),
            attributes: record.attributes.clone(),
            created_at: self.next,
            modified_at: self.now,
        });
        self.next = after(self.next);
        self.identities.extend(
            (0..)
                .zip(&record.identities)
                .map(|(position, identity)| (id, position, identity)),
        );
        self.given.extend(roles.into_iter().map(|role| (id, role)));
    }

    fn write(self, t: &mut Tenant<'_, '_>) -> Result<()> {
        t.insert_profiles(&self.profiles)?;
        t.insert_identities(&self.identities)?;
        t.insert_user_roles(&self.given)?;
        Ok(())
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
    profile.kind = ProfileKind::Known;
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

fn in_the_way(policy: OnConflict) -> Refusal {
    if policy == OnConflict::Update {
        return Refusal::new(
            "ambiguous",
            "The identities of this user belong to several profiles here, or another record of this file is the same user.",
        );
    }
    Refusal::new(
        "conflict",
        "A user with the same provider and identity exists already.",
    )
}

fn refused((index, record): &Placed, refusal: Refusal) -> Failure {
    Failure {
        index: *index,
        name: record.label.clone(),
        refusal,
    }
}

fn key(identity: &Identity) -> (String, String) {
    (identity.provider.clone(), identity.subject.clone())
}

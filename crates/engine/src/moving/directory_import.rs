//! `cloud_directory/import`.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use vestibule_crypto::envelope::EnvelopeReader;
use vestibule_model::{
    directory::DirectoryUser,
    id::{DirectoryUserId, ProfileId, RoleId},
    object::RawObject,
    profile::{CLOUD_DIRECTORY, Identity, Profile, ProfileKind},
    time::Timestamp,
};
use vestibule_store::{directory::StoredUser, scope::Tenant};
use zeroize::Zeroizing;

use super::{
    CHUNK, Failure, ImportReport, Name, OnConflict, Record, Refusal, RoleNames, TRIES, after,
    aside,
    directory_export::check_secret,
    directory_record::{DirectoryRecord, Password, WRONG_SECRET},
    log, unreached,
};
use crate::{
    Engine, Error, Kind, Result,
    access::Manager,
    directory::{revoke_user, sign_in_of},
    profile::identity_of,
};

/// How directory users are to be imported.
pub struct DirectoryImport {
    /// The secret that their password hashes were sealed with.
    pub secret: Zeroizing<String>,
    /// What happens to users who exist already.
    pub policy: OnConflict,
    /// What happens to users whose password hash cannot be used.
    pub without_password: WithoutPassword,
}

/// What happens to users whose password hash cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutPassword {
    /// Reported as failed.
    Refuse,
    /// Imported without a password, and named in the report.
    Import,
}

/// A record with its place in the file.
type Placed = (usize, DirectoryRecord);

impl Engine {
    /// Imports directory users under new ids. What is wrong with a record is in the report; an error means that nothing was changed.
    /// A secret that opens none of the sealed hashes is such an error.
    pub async fn import_directory(
        &self,
        manager: &Manager,
        records: Vec<Record>,
        import: DirectoryImport,
    ) -> Result<ImportReport> {
        check_secret(&import.secret)?;
        let (policy, secret) = (import.policy, import.secret);
        let without = import.without_password;
        let (placed, failures) = aside(move || read(&records, &secret, without)).await??;
        let mut report = ImportReport {
            failures,
            ..ImportReport::default()
        };
        let mut chunks = placed.chunks(CHUNK);
        while let Some(chunk) = chunks.next() {
            let chunk: Arc<[Placed]> = chunk.into();
            match self
                .import_directory_chunk(manager, Arc::clone(&chunk), policy)
                .await
            {
                Ok(done) => report.add(done),
                Err(error) if report.added + report.updated == 0 => return Err(error),
                Err(error) => {
                    log(&error);
                    let (at_fault, rest) = unreached(&error);
                    let reached = chunk.iter().map(|p| refused(p, at_fault.clone()));
                    let left = chunks.by_ref().flatten();
                    let left = left.map(|p| refused(p, rest.clone()));
                    report.failures.extend(reached.chain(left));
                }
            }
        }
        report.failures.sort_by_key(|failure| failure.index);
        Ok(report)
    }

    async fn import_directory_chunk(
        &self,
        manager: &Manager,
        chunk: Arc<[Placed]>,
        policy: OnConflict,
    ) -> Result<ImportReport> {
        let fresh: Vec<Fresh> = self
            .ordered_ids(chunk.len())
            .into_iter()
            .zip(self.ordered_ids(chunk.len()))
            .map(|(user, profile)| Fresh {
                user: DirectoryUserId::from_random_bytes(user),
                profile: ProfileId::from_random_bytes(profile),
            })
            .collect();
        let fresh: Arc<[Fresh]> = fresh.into();
        let (now, tenant) = (self.now(), manager.tenant());
        let mut tries = 0;
        loop {
            let (records, fresh) = (Arc::clone(&chunk), Arc::clone(&fresh));
            let done = self
                .store()
                .write(tenant, move |t| apply(t, &records, &fresh, policy, now))
                .await;
            tries += 1;
            match done {
                // Someone made the same user between our look and our insert: look again.
                Err(error) if error.kind == Kind::Conflict && tries < TRIES => {}
                done => {
                    if policy == OnConflict::Update {
                        self.tenants().forget(tenant);
                    }
                    return done;
                }
            }
        }
    }
}

/// Ids that a record gets if it is added.
#[derive(Clone, Copy)]
struct Fresh {
    user: DirectoryUserId,
    profile: ProfileId,
}

/// Reads all records and opens their hashes; a user that stands in the file twice counts where it stands first.
fn read(
    records: &[Record],
    secret: &str,
    without: WithoutPassword,
) -> Result<(Vec<Placed>, Vec<Failure>)> {
    let mut envelopes = EnvelopeReader::new(secret);
    let mut placed: Vec<Placed> = Vec::with_capacity(records.len());
    let mut failures = Vec::new();
    let mut seen: HashSet<(&str, String)> = HashSet::new();
    let (mut wrong, mut opened) = (false, false);
    for (index, record) in records.iter().enumerate() {
        let record = match DirectoryRecord::read(record, &mut envelopes) {
            Ok(record) => record,
            Err(refused) => {
                let (name, refusal) = *refused;
                failures.push(Failure {
                    index,
                    name,
                    refusal,
                });
                continue;
            }
        };
        let mut keys = vec![("email", record.card.email().key())];
        keys.extend(record.card.user_name_key().map(|key| ("userName", key)));
        let refusal = match &record.password {
            _ if keys.iter().any(|key| seen.contains(key)) => Some(Refusal::duplicate()),
            Password::Hash(_) => {
                opened = true;
                None
            }
            Password::Unusable(refusal) => {
                wrong |= refusal.code == WRONG_SECRET;
                (without == WithoutPassword::Refuse).then(|| refusal.clone())
            }
        };
        match refusal {
            Some(refusal) => failures.push(refused(&(index, record), refusal)),
            None => {
                seen.extend(keys);
                placed.push((index, record));
            }
        }
    }
    if wrong && !opened && without == WithoutPassword::Refuse {
        return Err(Error::new(
            Kind::Invalid,
            WRONG_SECRET,
            "The encryption secret opens none of the password hashes. Nothing was imported.",
        ));
    }
    Ok((placed, failures))
}

/// Applies one chunk within one transaction.
fn apply(
    t: &mut Tenant<'_, '_>,
    records: &[Placed],
    fresh: &[Fresh],
    policy: OnConflict,
    now: Timestamp,
) -> Result<ImportReport> {
    if policy == OnConflict::Update {
        // Overwritten users lose their tokens.
        t.touch(now)?;
    }
    t.lock_people()?;
    let mut plan = Plan::load(t, records, now)?;
    let mut report = ImportReport::default();
    for (placed, fresh) in records.iter().zip(fresh) {
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
                plan.add(t, record, roles, *fresh);
                report.added += 1;
            }
            (_, OnConflict::Skip) => {
                report.skipped += 1;
                continue;
            }
            ([owner], OnConflict::Update) if plan.overwritten.insert(*owner) => {
                overwrite(t, *owner, record, &roles, (fresh.profile, now))?;
                report.updated += 1;
            }
            (owners, policy) => {
                let mut failure = refused(placed, in_the_way(policy));
                failure.name.id = owners.first().map(DirectoryUserId::to_string);
                report.failures.push(failure);
                continue;
            }
        }
        if matches!(record.password, Password::Unusable(_)) {
            report.without_password.push(record.label.clone());
        }
    }
    plan.write(t)?;
    Ok(report)
}

/// What a chunk adds, and what it was decided on.
struct Plan {
    roles: RoleNames,
    emails: HashMap<String, DirectoryUserId>,
    names: HashMap<String, DirectoryUserId>,
    next: Timestamp,
    now: Timestamp,
    overwritten: HashSet<DirectoryUserId>,
    users: Vec<StoredUser>,
    profiles: Vec<Profile>,
    identities: Vec<(ProfileId, Identity)>,
    given: Vec<(ProfileId, RoleId)>,
}

impl Plan {
    fn load(t: &mut Tenant<'_, '_>, records: &[Placed], now: Timestamp) -> Result<Self> {
        let emails: Vec<String> = records.iter().map(|(_, r)| r.card.email().key()).collect();
        let names: Vec<String> = records
            .iter()
            .filter_map(|(_, record)| record.card.user_name_key())
            .collect();
        let newest = t.find_newest_profile_time()?;
        let next = newest.map_or(now, |newest| now.max(after(newest)));
        Ok(Self {
            roles: RoleNames::load(t)?,
            emails: t.list_users_by_email(&emails)?,
            names: t.list_users_by_user_name(&names)?,
            next,
            now,
            overwritten: HashSet::new(),
            users: Vec::with_capacity(records.len()),
            profiles: Vec::with_capacity(records.len()),
            identities: Vec::with_capacity(records.len()),
            given: Vec::new(),
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

    fn add(
        &mut self,
        t: &Tenant<'_, '_>,
        record: &DirectoryRecord,
        roles: Vec<RoleId>,
        fresh: Fresh,
    ) {
        let past = |time: Option<Timestamp>| time.filter(|time| *time <= self.now);
        let created_at = past(record.created_at).unwrap_or(self.now);
        let user = DirectoryUser {
            id: fresh.user,
            card: record.card.clone(),
            status: record.status,
            active: record.active,
            locked_until: record.locked_until,
            original_id: record.label.original_id.clone(),
            last_login_at: past(record.last_login_at),
            created_at,
            modified_at: past(record.modified_at).unwrap_or(created_at),
        };
        let (profile, identity) = first_profile(t, &user, record, (fresh.profile, self.next));
        self.next = after(self.next);
        self.profiles.push(profile);
        self.identities.push((fresh.profile, identity));
        let given = roles.into_iter().map(|role| (fresh.profile, role));
        self.given.extend(given);
        self.users.push(StoredUser {
            user,
            password_hash: hash(record),
        });
    }

    fn write(self, t: &mut Tenant<'_, '_>) -> Result<()> {
        t.insert_directory_users(&self.users)?;
        t.insert_profiles(&self.profiles)?;
        let identities: Vec<(ProfileId, u32, &Identity)> = self
            .identities
            .iter()
            .map(|(profile, identity)| (*profile, 0, identity))
            .collect();
        t.insert_identities(&identities)?;
        t.insert_user_roles(&self.given)?;
        Ok(())
    }
}

/// Makes a user what the record says, password included; the id stays, the tokens end.
fn overwrite(
    t: &mut Tenant<'_, '_>,
    owner: DirectoryUserId,
    record: &DirectoryRecord,
    roles: &[RoleId],
    (fresh, now): (ProfileId, Timestamp),
) -> Result<()> {
    let Some(stored) = t.find_directory_user(owner)? else {
        return Err(Error::conflict("conflict", "The user vanished."));
    };
    let mut user = stored.user;
    user.card = record.card.clone();
    user.status = record.status;
    user.active = record.active;
    user.locked_until = record.locked_until;
    user.modified_at = now;
    t.update_directory_user(&user)?;
    t.update_password(owner, hash(record).as_deref(), now)?;
    let profile = match revoke_user(t, owner, now)? {
        Some(profile) => {
            t.update_attributes(profile, &record.attributes, now)?;
            profile
        }
        None => {
            let (profile, identity) = first_profile(t, &user, record, (fresh, now));
            t.insert_profile(&profile)?;
            t.insert_identity(fresh, 0, &identity)?;
            fresh
        }
    };
    t.update_user_roles(profile, roles)?;
    Ok(())
}

/// The profile that comes with an imported user.
fn first_profile(
    t: &Tenant<'_, '_>,
    user: &DirectoryUser,
    record: &DirectoryRecord,
    (id, at): (ProfileId, Timestamp),
) -> (Profile, Identity) {
    let sign_in = sign_in_of(t.id(), user);
    let identity = identity_of(
        CLOUD_DIRECTORY,
        &sign_in.subject,
        sign_in.user_info.as_ref(),
    );
    let profile = Profile {
        id,
        kind: ProfileKind::Known,
        name: sign_in.name,
        email: sign_in.email,
        body: RawObject::default(),
        attributes: record.attributes.clone(),
        created_at: at,
        modified_at: at,
    };
    (profile, identity)
}

fn hash(record: &DirectoryRecord) -> Option<String> {
    match &record.password {
        Password::Hash(hash) => Some(hash.as_str().to_owned()),
        Password::Unusable(_) => None,
    }
}

fn in_the_way(policy: OnConflict) -> Refusal {
    if policy == OnConflict::Update {
        return Refusal::new(
            "ambiguous",
            "The e-mail address and the user name belong to different users here, or another record of this file is the same user.",
        );
    }
    Refusal::new(
        "uniqueness",
        "A user with this e-mail address or user name exists already.",
    )
}

fn refused((index, record): &Placed, refusal: Refusal) -> Failure {
    let name: Name = record.label.clone();
    Failure {
        index: *index,
        name,
        refusal,
    }
}

//! Stretches of an import: read and checked on any thread, applied in one transaction.

use std::collections::HashSet;

use parking_lot::Mutex;
use vestibule_bundle::Person;
use vestibule_crypto::envelope::EnvelopeReader;
use vestibule_model::{id::TenantId, job::JobCounts, profile::CLOUD_DIRECTORY, time::Timestamp};
use vestibule_store::scope::Tenant;
use zeroize::Zeroizing;

use super::{
    Failure, ImportReport, Name, OnConflict, Refusal, WithoutPassword,
    bundle_people::{Ids, Unpacked, unpacked},
    directory_apply,
    directory_record::{DirectoryRecord, Password, Seal},
    lines, profile_apply,
    profile_record::ProfileRecord,
    seen::{Seen, Traits},
    taken::{Mark, Taken},
};
use crate::{Engine, Error, Result, job::Step, pace::Pace};

/// Records as they came, one behind the other.
#[derive(Default)]
pub(super) struct RawBatch {
    /// The number of the first.
    pub first: u64,
    /// What the job has taken once these are applied.
    mark: Mark,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl RawBatch {
    pub(super) fn starting_at(first: u64) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, record: &[u8], mark: Mark) {
        self.mark = mark;
        self.text.extend_from_slice(record);
        self.ends.push(self.text.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_full(&self, pace: &Pace) -> bool {
        self.ends.len() >= pace.batch || self.text.len() >= pace.batch_bytes
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let record = self.text.get(from..*end).unwrap_or_default();
            from = *end;
            record
        })
    }
}

/// What records are, and how they are read.
pub(super) enum Codec {
    /// App ID's directory records; password hashes open with this secret.
    Directory {
        secret: Zeroizing<String>,
        without: WithoutPassword,
        /// Deriving a key takes tens of milliseconds, so readers are used again.
        readers: Mutex<Vec<EnvelopeReader>>,
    },
    /// App ID's federated users.
    Users,
}

/// Records that were read and checked.
pub(super) struct Batch {
    /// The number of the first.
    pub first: u64,
    /// How many there are, refused ones included.
    pub count: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Whether a password hash was sealed with another secret.
    pub wrong_secret: bool,
    /// Whether one opened, of these or of those before.
    pub opened: bool,
    /// What the job has taken then; not of a bundle, whose file is stored.
    mark: Option<Mark>,
    segments: Vec<Segment>,
    failures: Vec<Failure>,
}

/// Records of one kind in the order of the file, of which no two are the same user.
enum Segment {
    Users(Vec<directory_apply::Placed>),
    Profiles(Vec<profile_apply::Placed>),
}

/// People of a bundle, read and placed.
pub(super) fn bundled(
    engine: &Engine,
    tenant: TenantId,
    ids: &Ids,
    first: u64,
    people: &[Person],
) -> Batch {
    let at = engine.now();
    let mut batch = Batch {
        first,
        count: people.len(),
        bytes: 0,
        wrong_secret: false,
        opened: true,
        mark: None,
        segments: Vec::new(),
        failures: Vec::new(),
    };
    let mut read = Vec::with_capacity(people.len());
    for (index, person) in people.iter().enumerate() {
        match unpacked(person, ids) {
            Ok(unpacked) => read.push((index, unpacked)),
            Err(refused) => {
                let (name, refusal) = *refused;
                batch.failures.push(Failure {
                    index,
                    name,
                    refusal,
                });
            }
        }
    }
    let is_user = |record: &Unpacked| matches!(record, Unpacked::User(_));
    let keys = |record: &Unpacked| match record {
        Unpacked::User(user) => user_keys(user),
        Unpacked::Profile(profile) => profile_keys(profile),
    };
    for records in segments(read, keys, is_user) {
        let (mut users, mut profiles) = (Vec::new(), Vec::new());
        for (index, record) in records {
            match record {
                Unpacked::User(user) => users.push((index, *user)),
                Unpacked::Profile(profile) => profiles.push((index, *profile)),
            }
        }
        if !users.is_empty() {
            let users = engine.place_directory(tenant, users, at);
            batch.segments.push(Segment::Users(users));
        }
        if !profiles.is_empty() {
            let profiles = engine.place_profiles(tenant, profiles, at);
            batch.segments.push(Segment::Profiles(profiles));
        }
    }
    batch
}

impl Codec {
    pub(super) fn directory(secret: Zeroizing<String>, without: WithoutPassword) -> Self {
        Self::Directory {
            secret,
            without,
            readers: Mutex::default(),
        }
    }

    /// Milliseconds that the moments of a batch's profiles take: exports order federated users by them, directory users by their ids.
    pub(super) fn span(&self, raw: &RawBatch) -> i64 {
        match self {
            Self::Directory { .. } => 1,
            Self::Users => raw.len() as i64,
        }
    }

    /// Reads and checks records, and makes their rows. Takes the processor for a while.
    pub(super) fn read(
        &self,
        engine: &Engine,
        tenant: TenantId,
        raw: &RawBatch,
        at: Timestamp,
    ) -> Batch {
        let mut batch = Batch {
            first: raw.first,
            count: raw.len(),
            bytes: raw.text.len() as u64,
            wrong_secret: false,
            opened: false,
            mark: Some(raw.mark),
            segments: Vec::new(),
            failures: Vec::new(),
        };
        match self {
            Self::Directory {
                secret,
                without,
                readers,
            } => {
                let reader = readers.lock().pop();
                let mut reader = reader.unwrap_or_else(|| EnvelopeReader::new(secret));
                let records = read_directory(raw, &mut reader, *without, &mut batch);
                readers.lock().push(reader);
                for users in segments(records, user_keys, |_| ()) {
                    let users = engine.place_directory(tenant, users, at);
                    batch.segments.push(Segment::Users(users));
                }
            }
            Self::Users => {
                let records = read_users(raw, &mut batch);
                for profiles in segments(records, profile_keys, |_| ()) {
                    // Each profile has a moment of its own, that of its place in the batch.
                    let first = profiles.first().map_or(0, |(index, _)| *index as i64);
                    let at = Timestamp::from_millis(at.millis().saturating_add(first));
                    let profiles = engine.place_profiles(tenant, profiles, at);
                    batch.segments.push(Segment::Profiles(profiles));
                }
            }
        }
        batch
    }
}

/// Reads a record; what is no JSON at all is told apart from what is no user.
fn read_text<R>(
    record: &[u8],
    read: impl FnOnce(&str) -> Result<R, Box<(Name, Refusal)>>,
) -> Result<R, Box<(Name, Refusal)>> {
    let no_json = |why: String| Box::new((Name::default(), Refusal::new("invalid_json", why)));
    let text = std::str::from_utf8(record)
        .map_err(|_| no_json(String::from("The record is not UTF-8 text.")))?;
    read(text).map_err(
        |refused| match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => refused,
            Err(error) => no_json(format!("The record is not JSON: {error}")),
        },
    )
}

fn read_directory(
    raw: &RawBatch,
    reader: &mut EnvelopeReader,
    without: WithoutPassword,
    batch: &mut Batch,
) -> Vec<(usize, DirectoryRecord)> {
    let mut records = Vec::with_capacity(raw.len());
    for (index, record) in raw.iter().enumerate() {
        let (name, refusal) = match read_text(record, |text| DirectoryRecord::read(text, reader)) {
            Ok(read) => {
                batch.opened |= read.seal == Seal::Opened;
                batch.wrong_secret |= read.seal == Seal::Other;
                match &read.password {
                    Password::Unusable(refusal) if without == WithoutPassword::Refuse => {
                        (read.label.clone(), refusal.clone())
                    }
                    _ => {
                        records.push((index, read));
                        continue;
                    }
                }
            }
            Err(refused) => *refused,
        };
        batch.failures.push(Failure {
            index,
            name,
            refusal,
        });
    }
    records
}

fn read_users(raw: &RawBatch, batch: &mut Batch) -> Vec<(usize, ProfileRecord)> {
    let mut records = Vec::with_capacity(raw.len());
    for (index, record) in raw.iter().enumerate() {
        match read_text(record, ProfileRecord::read) {
            Ok(read) => records.push((index, read)),
            Err(refused) => {
                let (name, refusal) = *refused;
                batch.failures.push(Failure {
                    index,
                    name,
                    refusal,
                });
            }
        }
    }
    records
}

/// What makes two records the same user: the address and the name, and of people of a bundle the ids and identities that they keep.
fn user_keys(record: &DirectoryRecord) -> Vec<String> {
    let mut keys = directory_apply::keys(&record.card);
    if let Some(kept) = record.kept.as_deref() {
        keys.push(identity_key(CLOUD_DIRECTORY, &kept.user.to_string()));
        if let Some(profile) = &kept.profile {
            keys.push(format!("p{}", profile.profile.id));
            let others = profile.others.iter();
            keys.extend(others.map(|other| identity_key(&other.provider, &other.subject)));
        }
    }
    keys
}

/// The same of federated users.
fn profile_keys(record: &ProfileRecord) -> Vec<String> {
    let identities = record.identities.iter();
    let mut keys: Vec<String> = identities
        .map(|identity| identity_key(&identity.provider, &identity.subject))
        .collect();
    keys.extend(
        record
            .kept
            .as_deref()
            .map(|kept| format!("p{}", kept.profile.id)),
    );
    keys
}

fn identity_key(provider: &str, subject: &str) -> String {
    format!("i{provider}\n{subject}")
}

/// Divides records where one is the same user as an earlier one, which it then finds in the database, and where their kind changes.
fn segments<R, K: PartialEq>(
    records: Vec<(usize, R)>,
    keys: impl Fn(&R) -> Vec<String>,
    kind: impl Fn(&R) -> K,
) -> Vec<Vec<(usize, R)>> {
    let mut segments: Vec<Vec<(usize, R)>> = Vec::new();
    let mut seen: HashSet<String> = HashSet::with_capacity(records.len());
    for (index, record) in records {
        let keys = keys(&record);
        let last = segments.last_mut();
        let fits = |last: &&mut Vec<(usize, R)>| {
            last.last().map(|(_, last)| kind(last)) == Some(kind(&record))
                && !keys.iter().any(|key| seen.contains(key))
        };
        match last.filter(fits) {
            Some(last) => last.push((index, record)),
            None => {
                seen.clear();
                segments.push(vec![(index, record)]);
            }
        }
        seen.extend(keys);
    }
    segments
}

impl Batch {
    /// Applies the records within a transaction and says what came of them.
    pub(super) fn apply(
        &self,
        t: &mut Tenant<'_, '_>,
        policy: OnConflict,
        now: Timestamp,
    ) -> Result<ImportReport> {
        let mut report = ImportReport {
            failures: self.failures.clone(),
            ..ImportReport::default()
        };
        for segment in &self.segments {
            report.add(match segment {
                Segment::Users(users) => directory_apply::apply(t, users, policy, now)?,
                Segment::Profiles(profiles) => profile_apply::apply(t, profiles, policy, now)?,
            });
        }
        Ok(report)
    }

    /// As [`Batch::apply`], and changes nothing. `seen` are the users that earlier batches of the same file would have added.
    pub(super) fn rehearse(
        &self,
        t: &mut Tenant<'_, '_>,
        policy: OnConflict,
        now: Timestamp,
        seen: &Seen,
    ) -> Result<ImportReport> {
        let mut undone = None;
        let result: Result<(), Error> = t.attempt(|t| {
            undone = Some(self.apply(t, policy, now)?);
            Err(Error::conflict("rehearsed", "This was a rehearsal."))
        });
        let Some(mut report) = undone else {
            return result.map(|()| ImportReport::default());
        };
        seen.correct(self.traits(), policy, &mut report);
        Ok(report)
    }

    /// What tells the users of its records apart, in the order of the file.
    fn traits(&self) -> Vec<Traits> {
        let mut traits = Vec::with_capacity(self.count);
        for segment in &self.segments {
            match segment {
                Segment::Users(users) => traits.extend(users.iter().map(|placed| {
                    let record = &placed.record;
                    let mut who = user_keys(record);
                    let ids = who.split_off(directory_apply::keys(&record.card).len());
                    Traits {
                        index: placed.index,
                        name: record.label.clone(),
                        who,
                        ids,
                        id: placed.id(),
                        refusals: directory_apply::refusals(),
                    }
                })),
                Segment::Profiles(profiles) => traits.extend(profiles.iter().map(|placed| {
                    let record = &placed.record;
                    let mut who = profile_keys(record);
                    let ids = who.split_off(record.identities.len());
                    Traits {
                        index: placed.index,
                        name: record.label.clone(),
                        who,
                        ids,
                        id: placed.id(),
                        refusals: profile_apply::refusals(),
                    }
                })),
            }
        }
        traits
    }
}

/// What a batch adds to its job.
pub(super) fn step(batch: &Batch, report: &ImportReport) -> Result<Step> {
    let taken = |mark| Taken::of(mark, batch.first + batch.count as u64, batch.opened).text();
    Ok(Step {
        progress: batch.mark.map(taken).transpose()?,
        counts: JobCounts {
            added: report.added as u64,
            updated: report.updated as u64,
            skipped: report.skipped as u64,
            failed: report.failures.len() as u64,
            without_password: report.without_password.len() as u64,
        },
        bytes: batch.bytes,
        report: lines::of_records(batch.first, report),
        map: lines::of_new_ids(report),
        ..Step::default()
    })
}

//! Stretches of an import: read and checked on any thread, applied in one transaction.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use parking_lot::Mutex;
use serde_json::json;
use vestibule_bundle::Person;
use vestibule_crypto::envelope::EnvelopeReader;
use vestibule_model::{id::TenantId, job::JobCounts, time::Timestamp};
use vestibule_store::scope::Tenant;
use zeroize::Zeroizing;

use super::{
    Failure, ImportReport, Name, OnConflict, Outcome, Refusal, WithoutPassword,
    bundle_people::{Ids, Unpacked, unpacked},
    directory_apply,
    directory_record::{DirectoryRecord, Password, WRONG_SECRET},
    profile_apply::{self, key},
    profile_record::ProfileRecord,
};
use crate::{Engine, Error, Result, job::Step};

/// Records as they came, one behind the other.
#[derive(Default)]
pub(super) struct RawBatch {
    /// The number of the first.
    pub first: u64,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl RawBatch {
    /// Records of one transaction.
    const MOST: usize = 1000;
    /// Bytes of one transaction, beyond which no further record is taken.
    const MOST_BYTES: usize = 4 << 20;

    pub(super) fn starting_at(first: u64) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, record: &[u8]) {
        self.text.extend_from_slice(record);
        self.ends.push(self.text.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.ends.len() >= Self::MOST || self.text.len() >= Self::MOST_BYTES
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
    /// Whether a password hash did not open with the secret.
    pub wrong_secret: bool,
    /// Whether one did.
    pub opened: bool,
    people: People,
    failures: Vec<Failure>,
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
        people: People::Bundled(Vec::new(), Vec::new()),
        failures: Vec::new(),
    };
    let (mut users, mut profiles) = (Vec::new(), Vec::new());
    for (index, person) in people.iter().enumerate() {
        match unpacked(person, ids) {
            Ok(Unpacked::User(user)) => users.push((index, *user)),
            Ok(Unpacked::Profile(profile)) => profiles.push((index, *profile)),
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
    batch.people = People::Bundled(
        engine.place_directory(tenant, users, at),
        engine.place_profiles(tenant, profiles, at),
    );
    batch
}

/// Segments: a record that is the same user as an earlier one of the batch begins a new one, and so finds the earlier one there.
enum People {
    Directory(Vec<Vec<directory_apply::Placed>>),
    Users(Vec<Vec<profile_apply::Placed>>),
    /// Nobody stands in a bundle twice.
    Bundled(Vec<directory_apply::Placed>, Vec<profile_apply::Placed>),
}

impl Codec {
    /// Most records of one transaction.
    pub(super) const MOST: usize = RawBatch::MOST;

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
            people: People::Users(Vec::new()),
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
                let segments = segments(records, |record| {
                    let name = record.card.user_name_key();
                    let mut keys = vec![format!("e{}", record.card.email().key())];
                    keys.extend(name.map(|name| format!("n{name}")));
                    keys
                });
                let place = |records| engine.place_directory(tenant, records, at);
                batch.people = People::Directory(segments.into_iter().map(place).collect());
            }
            Self::Users => {
                let records = read_users(raw, &mut batch);
                let segments = segments(records, |record| {
                    let keys = record.identities.iter().map(key);
                    keys.map(|(provider, subject)| format!("{provider}\n{subject}"))
                        .collect()
                });
                let place = |records| engine.place_profiles(tenant, records, at);
                batch.people = People::Users(segments.into_iter().map(place).collect());
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
            Ok(read) => match &read.password {
                Password::Unusable(refusal) if without == WithoutPassword::Refuse => {
                    batch.wrong_secret |= refusal.code == WRONG_SECRET;
                    (read.label.clone(), refusal.clone())
                }
                _ => {
                    batch.opened = true;
                    records.push((index, read));
                    continue;
                }
            },
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

fn segments<R>(records: Vec<(usize, R)>, keys: impl Fn(&R) -> Vec<String>) -> Vec<Vec<(usize, R)>> {
    let mut segments = vec![Vec::with_capacity(records.len())];
    let mut seen: HashSet<String> = HashSet::with_capacity(records.len());
    for (index, record) in records {
        let keys = keys(&record);
        if keys.iter().any(|key| seen.contains(key)) {
            seen.clear();
            segments.push(Vec::new());
        }
        seen.extend(keys);
        if let Some(last) = segments.last_mut() {
            last.push((index, record));
        }
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
        match &self.people {
            People::Directory(segments) => {
                for segment in segments.iter().filter(|segment| !segment.is_empty()) {
                    report.add(directory_apply::apply(t, segment, policy, now)?);
                }
            }
            People::Users(segments) => {
                for segment in segments.iter().filter(|segment| !segment.is_empty()) {
                    report.add(profile_apply::apply(t, segment, policy, now)?);
                }
            }
            People::Bundled(users, profiles) => {
                if !users.is_empty() {
                    report.add(directory_apply::apply(t, users, policy, now)?);
                }
                if !profiles.is_empty() {
                    report.add(profile_apply::apply(t, profiles, policy, now)?);
                }
            }
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
        seen.correct(self, policy, &mut report);
        Ok(report)
    }

    /// Fingerprints of the users of each record, by place in the batch.
    fn fingerprints(&self) -> Vec<(usize, Vec<u64>, Name)> {
        let hash = |keys: Vec<String>| {
            keys.into_iter()
                .map(|key| {
                    let mut hasher = DefaultHasher::new();
                    key.hash(&mut hasher);
                    hasher.finish()
                })
                .collect::<Vec<u64>>()
        };
        match &self.people {
            People::Directory(segments) => segments
                .iter()
                .flatten()
                .map(|placed| {
                    let card = &placed.record.card;
                    let mut keys = vec![format!("e{}", card.email().key())];
                    keys.extend(card.user_name_key().map(|name| format!("n{name}")));
                    (placed.index, hash(keys), placed.record.label.clone())
                })
                .collect(),
            People::Users(segments) => segments
                .iter()
                .flatten()
                .map(|placed| {
                    let keys = placed.record.identities.iter().map(key);
                    let keys = keys.map(|(provider, subject)| format!("{provider}\n{subject}"));
                    (
                        placed.index,
                        hash(keys.collect()),
                        placed.record.label.clone(),
                    )
                })
                .collect(),
            People::Bundled(..) => Vec::new(),
        }
    }
}

/// The users of a file that a rehearsal went through: what they would have been in the way of is told as if they were.
#[derive(Default)]
pub(super) struct Seen(Mutex<HashSet<u64>>);

impl Seen {
    /// Most users that are remembered; of those beyond, duplicates within the file are not found.
    pub(super) const MOST: usize = 4_000_000;

    /// Remembers the users of a batch that was told about. Called once for each.
    pub(super) fn remember(&self, batch: &Batch) {
        let mut seen = self.0.lock();
        for (_, prints, _) in batch.fingerprints() {
            if seen.len() < Self::MOST {
                seen.extend(prints);
            }
        }
    }

    /// Whether some users were not remembered.
    pub(super) fn is_full(&self) -> bool {
        self.0.lock().len() >= Self::MOST
    }

    /// Counts records as what they would be if the earlier batches had been applied.
    fn correct(&self, batch: &Batch, policy: OnConflict, report: &mut ImportReport) {
        let seen = self.0.lock();
        if seen.is_empty() {
            return;
        }
        let told: HashSet<usize> = report
            .failures
            .iter()
            .map(|failure| failure.index)
            .chain(report.passed.iter().map(|passed| passed.index))
            .collect();
        for (index, prints, name) in batch.fingerprints() {
            if told.contains(&index) || !prints.iter().any(|print| seen.contains(print)) {
                continue;
            }
            report.added = report.added.saturating_sub(1);
            let outcome = match policy {
                OnConflict::Fail => {
                    report.failures.push(Failure {
                        index,
                        name,
                        refusal: Refusal::new(
                            batch.taken_code(),
                            "An earlier record of the file is the same user.",
                        ),
                    });
                    continue;
                }
                OnConflict::Skip => {
                    report.skipped += 1;
                    Outcome::Skipped
                }
                OnConflict::Update => {
                    report.updated += 1;
                    Outcome::Updated
                }
            };
            report.passed.push(super::Passed {
                index,
                name,
                outcome,
            });
        }
    }
}

impl Batch {
    fn taken_code(&self) -> &'static str {
        match self.people {
            People::Directory(_) | People::Bundled(..) => "uniqueness",
            People::Users(_) => "conflict",
        }
    }
}

/// What a batch adds to its job.
pub(super) fn step(batch: &Batch, report: &ImportReport) -> Step {
    Step {
        counts: JobCounts {
            added: report.added as u64,
            updated: report.updated as u64,
            skipped: report.skipped as u64,
            failed: report.failures.len() as u64,
            without_password: report.without_password.len() as u64,
        },
        bytes: batch.bytes,
        report: lines(batch.first, report),
        map: map_lines(report),
        ..Step::default()
    }
}

/// The lines of a report, in the order of the file.
fn lines(first: u64, report: &ImportReport) -> String {
    let mut lines: Vec<(usize, serde_json::Value)> = Vec::new();
    let failures = report.failures.iter().map(|failure| {
        let refusal = &failure.refusal;
        let why = (refusal.code, refusal.message.as_str());
        (failure.index, "failed", Some(why), &failure.name)
    });
    let passed = report.passed.iter().map(|passed| {
        let outcome = match passed.outcome {
            Outcome::Updated => "updated",
            Outcome::Skipped => "skipped",
        };
        (passed.index, outcome, None, &passed.name)
    });
    let without = report
        .without_password
        .iter()
        .map(|(index, name)| (*index, "without_password", None, name));
    for (index, outcome, why, name) in failures.chain(passed).chain(without) {
        let mut line = json!({"index": first + index as u64, "outcome": outcome});
        let members = [
            ("code", why.map(|(code, _)| code)),
            ("message", why.map(|(_, message)| message)),
            ("originalId", name.original_id.as_deref()),
            ("id", name.id.as_deref()),
            ("idp", name.provider.as_deref()),
            ("email", name.email.as_deref()),
            ("userName", name.user_name.as_deref()),
        ];
        for (member, value) in members {
            if let (Some(value), Some(line)) = (value, line.as_object_mut()) {
                line.insert(member.to_owned(), value.into());
            }
        }
        lines.push((index, line));
    }
    lines.sort_by_key(|(index, _)| *index);
    let mut text = String::new();
    for (_, line) in lines {
        // U+0000 cannot be stored, and stands escaped in JSON.
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

fn map_lines(report: &ImportReport) -> String {
    let mut text = String::new();
    for renamed in &report.renamed {
        let line = json!({"kind": renamed.kind, "from": renamed.from, "to": renamed.to});
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

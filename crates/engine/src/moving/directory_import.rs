//! `cloud_directory/import`.

use std::{collections::HashSet, sync::Arc};

use vestibule_crypto::envelope::EnvelopeReader;
use zeroize::Zeroizing;

use super::{
    CHUNK, Failure, ImportReport, OnConflict, Record, Refusal, TRIES, after, aside,
    directory_apply::{Placed, apply, refused},
    directory_export::check_secret,
    directory_record::{DirectoryRecord, Password, Seal, WRONG_SECRET},
    log, unreached,
};
use crate::{Engine, Error, Kind, Result, access::Manager};

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
        let (read, failures) = aside(move || read(&records, &secret, without)).await??;
        let mut report = ImportReport {
            failures,
            ..ImportReport::default()
        };
        let mut rest = read.into_iter();
        let mut at = self.now();
        loop {
            let chunk: Vec<_> = rest.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            at = self.now().max(after(at));
            let engine = self.clone();
            let tenant = manager.tenant();
            let placed = aside(move || engine.place_directory(tenant, chunk, at)).await?;
            let chunk: Arc<[Placed]> = placed.into();
            match self
                .import_directory_chunk(manager, Arc::clone(&chunk), policy)
                .await
            {
                Ok(done) => report.add(done),
                Err(error) if report.added + report.updated == 0 => return Err(error),
                Err(error) => {
                    log(&error);
                    let (at_fault, not_reached) = unreached(&error);
                    let reached = chunk.iter().map(|p| refused(p, at_fault.clone()));
                    let left = rest.by_ref().map(|(index, record)| Failure {
                        index,
                        name: record.label,
                        refusal: not_reached.clone(),
                    });
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
        let (now, tenant) = (self.now(), manager.tenant());
        let mut tries = 0;
        loop {
            let records = Arc::clone(&chunk);
            let done = self
                .store()
                .write(tenant, move |t| apply(t, &records, policy, now))
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

/// A record with its place in the file.
type Numbered = (usize, DirectoryRecord);

/// Reads all records and opens their hashes; a user that stands in the file twice counts where it stands first.
fn read(
    records: &[Record],
    secret: &str,
    without: WithoutPassword,
) -> Result<(Vec<Numbered>, Vec<Failure>)> {
    let mut envelopes = EnvelopeReader::new(secret);
    let mut placed: Vec<Numbered> = Vec::with_capacity(records.len());
    let mut failures = Vec::new();
    let mut seen: HashSet<(&str, String)> = HashSet::new();
    let (mut wrong, mut opened) = (false, false);
    for (index, record) in records.iter().enumerate() {
        let record = match DirectoryRecord::read(record.get(), &mut envelopes) {
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
        opened |= record.seal == Seal::Opened;
        wrong |= record.seal == Seal::Other;
        let mut keys = vec![("email", record.card.email().key())];
        keys.extend(record.card.user_name_key().map(|key| ("userName", key)));
        let refusal = match &record.password {
            _ if keys.iter().any(|key| seen.contains(key)) => Some(Refusal::duplicate()),
            Password::Hash(_) | Password::None => None,
            Password::Unusable(refusal) => {
                (without == WithoutPassword::Refuse).then(|| refusal.clone())
            }
        };
        match refusal {
            Some(refusal) => failures.push(Failure {
                index,
                name: record.label,
                refusal,
            }),
            None => {
                seen.extend(keys);
                placed.push((index, record));
            }
        }
    }
    // Whatever is to become of single hashes: with such a secret an update would take everybody's password away.
    if wrong && !opened {
        return Err(Error::new(
            Kind::Invalid,
            WRONG_SECRET,
            "The encryption secret opens none of the password hashes. Nothing was imported.",
        ));
    }
    Ok((placed, failures))
}

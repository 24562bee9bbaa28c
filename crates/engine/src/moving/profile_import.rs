//! `users/import`.

use std::{collections::HashSet, sync::Arc};

use vestibule_model::{id::TenantId, time::Timestamp};

use super::{
    CHUNK, Failure, ImportReport, OnConflict, Record, Refusal, TRIES, after, aside, log,
    profile_apply::{Placed, apply, key, refused},
    profile_record::ProfileRecord,
    unreached,
};
use crate::{Engine, Kind, Result, access::Manager};

impl Engine {
    /// Imports users of federated providers. What is wrong with a record is in the report; an error means that nothing was changed.
    pub async fn import_profiles(
        &self,
        manager: &Manager,
        records: Vec<Record>,
        policy: OnConflict,
    ) -> Result<ImportReport> {
        let (read, failures) = aside(move || read(&records)).await?;
        let mut report = ImportReport {
            failures,
            ..ImportReport::default()
        };
        let mut rest = read.into_iter();
        let mut next = self.behind_everybody(manager.tenant()).await?;
        loop {
            let chunk: Vec<_> = rest.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            let at = self.now().max(next);
            next = Timestamp::from_millis(at.millis().saturating_add(CHUNK as i64));
            let placed = self.place_profiles(manager.tenant(), chunk, at);
            let chunk: Arc<[Placed]> = placed.into();
            match self.import_chunk(manager, Arc::clone(&chunk), policy).await {
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

    /// A moment behind those at which profiles were made: exports are ordered by them, and users shall leave in the order in which they
    /// came.
    pub(super) async fn behind_everybody(&self, tenant: TenantId) -> Result<Timestamp> {
        let newest = self
            .store()
            .read(tenant, |t| {
                Ok::<_, crate::Error>(t.find_newest_profile_time()?)
            })
            .await?;
        Ok(newest.map_or(self.now(), |newest| self.now().max(after(newest))))
    }

    async fn import_chunk(
        &self,
        manager: &Manager,
        chunk: Arc<[Placed]>,
        policy: OnConflict,
    ) -> Result<ImportReport> {
        let now = self.now();
        let mut tries = 0;
        loop {
            let records = Arc::clone(&chunk);
            let done = self
                .store()
                .write(manager.tenant(), move |t| apply(t, &records, policy, now))
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
fn read(records: &[Record]) -> (Vec<(usize, ProfileRecord)>, Vec<Failure>) {
    let mut placed: Vec<(usize, ProfileRecord)> = Vec::with_capacity(records.len());
    let mut failures = Vec::new();
    let mut seen: HashSet<(String, String)> = HashSet::new();
    for (index, record) in records.iter().enumerate() {
        match ProfileRecord::read(record.get()) {
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
                    failures.push(Failure {
                        index,
                        name: record.label,
                        refusal: Refusal::duplicate(),
                    });
                } else {
                    seen.extend(keys);
                    placed.push((index, record));
                }
            }
        }
    }
    (placed, failures)
}

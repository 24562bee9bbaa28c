//! What a rehearsal remembers of a file. Each batch is undone, so the next one does not find in the database whom it would have added or
//! changed; the answer for a record is corrected to what it is when the batches before were applied.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use parking_lot::Mutex;

use super::{Failure, ImportReport, Name, OnConflict, Outcome, Passed, Refusal};

/// A fingerprint of something that belongs to one user at most.
type Print = [u32; 2];
/// A user, by number.
type Owner = u32;
/// Whom that belongs to which an update would free.
const NOBODY: Owner = 0;

/// What tells a record's user from others.
pub(super) struct Traits {
    /// Its place in the batch.
    pub index: usize,
    pub name: Name,
    /// What makes it the same user as another.
    pub who: Vec<String>,
    /// What it keeps and nobody else may have.
    pub ids: Vec<String>,
    /// The id that it gets if it is added.
    pub id: String,
    /// The codes of a record whose user exists, and of one that would merge several.
    pub refusals: (Refusal, Refusal),
}

/// The users of a file that a rehearsal went through.
#[derive(Default)]
pub(super) struct Seen(Mutex<Known>);

#[derive(Default)]
struct Known {
    owners: HashMap<Print, Owner>,
    last: Owner,
    /// What the batch at hand adds, once it was told about.
    news: HashMap<Print, Owner>,
    last_of_news: Owner,
}

/// What the database said of a record.
#[derive(Clone)]
enum Told {
    Added,
    Passed(Passed),
    Failed(Failure),
}

/// What a record comes to.
enum Comes {
    /// To what was told.
    Told,
    Added,
    Passed(Outcome),
    Failed(Refusal),
}

impl Seen {
    /// Most things that are remembered; of users beyond, those who stand in the file twice are not found.
    pub(super) const MOST: usize = 4_000_000;

    /// Whether some users were not remembered.
    pub(super) fn is_full(&self) -> bool {
        self.0.lock().owners.len() >= Self::MOST
    }

    /// Remembers the batch that was told about last. Called once for each.
    pub(super) fn remember(&self) {
        let known = &mut *self.0.lock();
        known.last = known.last_of_news;
        if known.owners.len() < Self::MOST {
            known.owners.extend(known.news.drain());
        }
        known.news.clear();
    }

    /// Counts records as what they would be if the earlier batches had been applied. May be called several times for a batch.
    pub(super) fn correct(
        &self,
        records: Vec<Traits>,
        policy: OnConflict,
        report: &mut ImportReport,
    ) {
        let known = &mut *self.0.lock();
        known.news.clear();
        known.last_of_news = known.last;
        let mut told: HashMap<usize, Told> = HashMap::new();
        for passed in &report.passed {
            told.insert(passed.index, Told::Passed(passed.clone()));
        }
        for failure in &report.failures {
            told.insert(failure.index, Told::Failed(failure.clone()));
        }
        let mut changed: HashSet<usize> = HashSet::new();
        let mut added: Vec<(Traits, Told, Comes)> = Vec::new();
        for record in records {
            let told = told.remove(&record.index).unwrap_or(Told::Added);
            let comes = known.decide(&record, &told, policy);
            if !matches!(comes, Comes::Told) {
                changed.insert(record.index);
                added.push((record, told, comes));
            }
        }
        report.passed.retain(|one| !changed.contains(&one.index));
        report.failures.retain(|one| !changed.contains(&one.index));
        for (record, told, comes) in added {
            retell(report, record, &told, comes);
        }
    }
}

impl Known {
    fn find(&self, key: &str) -> Option<Owner> {
        let print = print(key);
        let found = self.news.get(&print).or_else(|| self.owners.get(&print));
        found.copied()
    }

    fn decide(&mut self, record: &Traits, told: &Told, policy: OnConflict) -> Comes {
        let found: Vec<Option<Owner>> = record.who.iter().map(|key| self.find(key)).collect();
        let decided = found.iter().all(Option::is_some);
        let mut owners: BTreeSet<Owner> = found.into_iter().flatten().collect();
        owners.remove(&NOBODY);
        match told {
            // Not for the sake of another user, or of one that this file did not meet.
            Told::Failed(failure) if !decided || !record.is_in_the_way(failure) => {
                return Comes::Told;
            }
            Told::Passed(passed) if !decided => {
                owners.extend(passed.name.id.as_deref().map(|id| self.owner_of(id)));
            }
            _ => {}
        }
        let owners: Vec<Owner> = owners.into_iter().collect();
        let taken = |id: &String| self.find(id).is_some_and(|owner| owner != NOBODY);
        match (owners.as_slice(), policy) {
            ([], _) if record.ids.iter().any(taken) => Comes::Failed(id_taken()),
            ([], _) => {
                self.last_of_news += 1;
                self.note(record, self.last_of_news, told);
                for id in &record.ids {
                    self.news.insert(print(id), self.last_of_news);
                }
                match told {
                    Told::Added => Comes::Told,
                    _ => Comes::Added,
                }
            }
            (_, OnConflict::Skip) => match told {
                Told::Passed(_) => Comes::Told,
                _ => Comes::Passed(Outcome::Skipped),
            },
            ([owner], OnConflict::Update) => {
                self.note(record, *owner, told);
                match told {
                    Told::Passed(_) => Comes::Told,
                    _ => Comes::Passed(Outcome::Updated),
                }
            }
            (_, OnConflict::Update) => Comes::Failed(record.refusals.1.clone()),
            (_, OnConflict::Fail) => match told {
                Told::Failed(_) => Comes::Told,
                _ => Comes::Failed(record.refusals.0.clone()),
            },
        }
    }

    /// The number of a user who is in the database.
    fn owner_of(&mut self, id: &str) -> Owner {
        let key = id_key(id);
        self.find(&key).unwrap_or_else(|| {
            self.last_of_news += 1;
            self.news.insert(print(&key), self.last_of_news);
            self.last_of_news
        })
    }

    /// What a record names belongs to this user now, and what its user had before to nobody.
    fn note(&mut self, record: &Traits, owner: Owner, told: &Told) {
        match told {
            Told::Passed(passed) => {
                for key in &passed.freed {
                    self.news.insert(print(key), NOBODY);
                }
            }
            _ => {
                self.news.insert(print(&id_key(&record.id)), owner);
            }
        }
        for key in &record.who {
            self.news.insert(print(key), owner);
        }
    }
}

impl Traits {
    /// Whether it was refused because its user exists.
    fn is_in_the_way(&self, failure: &Failure) -> bool {
        let code = failure.refusal.code;
        code == self.refusals.0.code || code == self.refusals.1.code
    }
}

fn retell(report: &mut ImportReport, record: Traits, told: &Told, comes: Comes) {
    match told {
        Told::Added => report.added = report.added.saturating_sub(1),
        Told::Passed(passed) => match passed.outcome {
            Outcome::Updated => report.updated = report.updated.saturating_sub(1),
            Outcome::Skipped => report.skipped = report.skipped.saturating_sub(1),
        },
        Told::Failed(_) => {}
    }
    let index = record.index;
    match comes {
        Comes::Told => {}
        Comes::Added => report.added += 1,
        Comes::Failed(refusal) => {
            report.without_password.retain(|(at, _)| *at != index);
            report.failures.push(Failure {
                index,
                name: record.name,
                refusal,
            });
        }
        Comes::Passed(outcome) => {
            match outcome {
                Outcome::Updated => report.updated += 1,
                Outcome::Skipped => report.skipped += 1,
            }
            report.passed.push(Passed {
                index,
                name: record.name,
                outcome,
                freed: Vec::new(),
            });
        }
    }
}

fn id_taken() -> Refusal {
    Refusal::new(
        "id_taken",
        "An earlier record of the file has one of the ids or identities of this user.",
    )
}

fn id_key(id: &str) -> String {
    format!("={id}")
}

fn print(key: &str) -> Print {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let hash = hasher.finish();
    [(hash >> 32) as u32, hash as u32]
}

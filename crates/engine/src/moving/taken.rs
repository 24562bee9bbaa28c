//! What a job has taken of its body, so that a body that is sent again is known to be the same one.

use serde::{Deserialize, Serialize};
use vestibule_bundle::Hex;
use vestibule_crypto::bundle::Sha256;
use vestibule_model::job::Job;

use super::Refusal;
use crate::{Error, Result};

/// What was taken, as it stands in the ledger. A job of a version that did not keep it goes on without.
#[derive(Serialize, Deserialize, Default, Clone, PartialEq, Eq, Debug)]
#[serde(default)]
pub(super) struct Taken {
    /// How many records this is about; that of another number is stale.
    records: u64,
    /// Digest of them all, each behind the ones before it.
    all: Option<Hex<32>>,
    /// Digest of the last.
    last: Option<Hex<32>>,
    /// Whether the secret opened a password hash of one of them.
    pub opened: bool,
}

impl Taken {
    /// Of a checkpoint.
    pub(super) fn of(mark: Mark, records: u64, opened: bool) -> Self {
        Self {
            records,
            all: mark.all,
            last: mark.last,
            opened,
        }
    }

    /// What a job took. Nothing is known of one that has begun nothing, or was gone on with by an earlier version.
    pub(super) fn read(job: &Job) -> Result<Self> {
        let taken: Self = serde_json::from_str(&job.progress).map_err(Error::internal)?;
        let current = taken.records == job.counts.done();
        Ok(if current { taken } else { Self::default() })
    }

    pub(super) fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }
}

/// Digests up to a record.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    /// Of all records; none when the first ones are not known.
    all: Option<Hex<32>>,
    last: Option<Hex<32>>,
}

/// Passes over the records that a job took, and compares them.
pub(super) struct Passage {
    /// The number of the next record.
    next: u64,
    done: u64,
    known: Taken,
    mark: Mark,
    differs: bool,
}

impl Passage {
    /// Of a body that begins at record `from`, for a job that took `done`.
    pub(super) fn new(from: u64, done: u64, known: Taken) -> Self {
        let all = match (from, from == done) {
            (0, _) => Some(Hex([0; 32])),
            // Nothing is sent again, so there is nothing to compare.
            (_, true) => known.all,
            (_, false) => None,
        };
        Self {
            next: from,
            done,
            known,
            mark: Mark { all, last: None },
            differs: false,
        }
    }

    /// The next record: where it stands, if it is one that the job did not take yet.
    pub(super) fn take(&mut self, record: &[u8]) -> Option<u64> {
        let digest = Sha256::of(record);
        self.mark.last = Some(Hex(digest));
        if let Some(Hex(all)) = &mut self.mark.all {
            let mut chain = Sha256::new();
            chain.update(all);
            chain.update(&digest);
            *all = chain.finish();
        }
        let number = self.next;
        self.next += 1;
        if self.next == self.done {
            self.arrive();
        }
        (number >= self.done).then_some(number)
    }

    /// All that the job took was passed over.
    fn arrive(&mut self) {
        let is_other = |known: Option<Hex<32>>, found: Option<Hex<32>>| {
            known
                .zip(found)
                .is_some_and(|(known, found)| known != found)
        };
        self.differs =
            is_other(self.known.all, self.mark.all) || is_other(self.known.last, self.mark.last);
        self.mark.all = self.mark.all.or(self.known.all);
    }

    /// Digests up to the last record.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// Why the body is another one, once its records differ.
    pub(super) fn other(&self) -> Option<Refusal> {
        let done = self.done;
        self.differs.then(|| {
            other(&format!(
                "its first records are not the {done} that this job took"
            ))
        })
    }

    /// Why the body is another one, if it has come to its end.
    pub(super) fn other_at_end(&self) -> Option<Refusal> {
        let (next, done) = (self.next, self.done);
        let short = (next < done).then(|| {
            other(&format!(
                "it ends before record {next}, and this job took {done}"
            ))
        });
        short.or_else(|| self.other())
    }
}

fn other(why: &str) -> Refusal {
    Refusal::new(
        "other_records",
        format!(
            "The body is not the one that this job began with: {why}. Nothing of it was imported; send the same records again."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a body that begins at `from`, and what is known behind it.
    fn pass(from: u64, done: u64, known: &Taken, body: &[&str]) -> (Option<Refusal>, Taken) {
        let mut passage = Passage::new(from, done, known.clone());
        let mut new = Vec::new();
        for record in body {
            new.extend(passage.take(record.as_bytes()));
            if let Some(other) = passage.other() {
                return (Some(other), known.clone());
            }
        }
        let end = from + body.len() as u64;
        assert_eq!(new, (done..end).collect::<Vec<_>>());
        let taken = Taken::of(passage.mark(), end, true);
        (passage.other_at_end(), taken)
    }

    #[test]
    fn the_same_records_are_known_wherever_they_begin() {
        let whole = pass(0, 0, &Taken::default(), &["a", "b", "c", "d"]).1;
        let half = pass(0, 0, &Taken::default(), &["a", "b"]).1;
        for (from, body) in [
            (0, &["a", "b", "c", "d"][..]),
            (1, &["b", "c", "d"]),
            (2, &["c", "d"]),
        ] {
            assert_eq!(pass(from, 2, &half, body), (None, whole.clone()), "{from}");
        }
        assert_eq!(pass(0, 2, &half, &["a", "b"]), (None, half.clone()));
        assert_eq!(Taken::default(), serde_json::from_str("{}").unwrap());
    }

    #[test]
    fn other_records_are_told() {
        let known = pass(0, 0, &Taken::default(), &["a", "b", "c"]).1;
        for (from, body) in [
            (0, &["a", "x", "c", "d"][..]),
            (0, &["ab", "", "c", "d"]),
            (0, &["b", "c", "d", "e"]),
            (0, &["a", "b"]),
            (0, &[]),
            (1, &["b", "x", "d"]),
            (1, &["b"]),
            (2, &["b", "c"]),
        ] {
            let refusal = pass(from, 3, &known, body).0;
            assert_eq!(
                refusal.expect("a refusal").code,
                "other_records",
                "{from} {body:?}"
            );
        }
    }

    #[test]
    fn a_job_without_digests_goes_on_and_gets_them_when_it_is_sent_from_its_beginning() {
        let none = Taken::default();
        let (refusal, taken) = pass(0, 2, &none, &["a", "b", "c"]);
        assert_eq!(
            (refusal, taken),
            (None, pass(0, 0, &none, &["a", "b", "c"]).1)
        );
        let (refusal, taken) = pass(1, 2, &none, &["b", "c"]);
        assert_eq!((refusal, taken.all), (None, None));
        // From then on its last record is known.
        assert!(pass(0, 3, &taken, &["a", "b", "x"]).0.is_some());
        assert!(pass(0, 2, &none, &["a"]).0.is_some());
    }
}

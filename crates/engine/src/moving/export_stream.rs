//! Exports of any size by stream: NDJSON in the order of ids, in constant memory.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinHandle};
use vestibule_crypto::{content_digest::ContentDigest, envelope::ExportKey};
use vestibule_model::{Invalid, id::TenantId};
use vestibule_store::profile::LeftOut;

use super::{
    aside,
    directory_export::check_new_secret,
    feed::Broken,
    import_job::Streamed,
    lost::Lost,
    places::Place,
    predicate::{Partition, Predicate},
    render::{Seal, digest_directory, digest_federated, directory_record, federated_record},
    scan::{Page, People, Who},
};
use crate::{Engine, Error, Result, access::Manager};

/// Pages that are rendered at a time.
const AHEAD: usize = 2;

/// An export by stream.
pub struct StreamExport {
    /// Who goes out.
    pub what: Streamed,
    /// Behind this id; empty for all.
    pub after: String,
    /// At most so many are looked at.
    pub limit: Option<u64>,
    /// Only one part of them.
    pub only: Option<Only>,
    /// Whether a summary follows the last user.
    pub summary: Summary,
}

/// One part of a partition by predicates.
#[derive(Clone, Debug)]
pub struct Only {
    partition: Arc<Partition>,
    part: usize,
}

impl Only {
    /// Part `part` of these predicates, counted from 0; the last one, behind all predicates, is the rest.
    pub fn new(predicates: &[String], part: usize) -> Result<Self> {
        if predicates.len() > MOST_PREDICATES {
            return Err(Invalid::new("where", "may be given at most 16 times").into());
        }
        let predicates = predicates
            .iter()
            .map(|text| Predicate::parse(text))
            .collect::<Result<Vec<_>, _>>();
        let partition = Partition::new(predicates.map_err(Invalid::from)?);
        if part >= partition.parts() {
            return Err(
                Invalid::new("part", format!("must be 0 to {}", partition.parts() - 1)).into(),
            );
        }
        Ok(Self {
            partition: Arc::new(partition),
            part,
        })
    }

    /// Whether a record, as it is exported, belongs to the part.
    pub(super) fn takes(&self, record: &[u8]) -> Result<bool> {
        let record = serde_json::from_slice(record).map_err(Error::internal)?;
        Ok(self.partition.part_of(&record) == self.part)
    }
}

/// Most predicates of one export.
const MOST_PREDICATES: usize = 16;

/// Whether the last line tells about the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    /// Users only.
    Without,
    /// A last line with count, digest and what was lost.
    With,
}

/// What an export came to so far.
#[derive(Default)]
pub(super) struct Tally {
    pub users: u64,
    pub digest: ContentDigest,
    pub last: Option<String>,
    pub moments_from: Vec<String>,
    pub lost: Lost,
}

/// A rendered page.
pub(super) struct Rendered {
    pub text: Vec<u8>,
    pub tally: Tally,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.users += other.users;
        self.digest.combine(&other.digest);
        self.last = other.last.or(self.last.take());
        self.moments_from.extend(other.moments_from);
        self.lost.add(other.lost);
    }

    /// What whoever reads the file should know.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.lost.sentences();
        if !self.moments_from.is_empty() {
            warnings.push(format!(
                "This export is not of one moment: it began anew behind the users {}.",
                self.moments_from.join(", ")
            ));
        }
        warnings
    }

    fn line(&self) -> Result<String> {
        let mut summary = json!({
            "users": self.users,
            "digest": self.digest.to_string(),
            "last": self.last,
            "moments": self.moments_from.len() + 1,
            "lost": self.lost.to_json()?,
        });
        if let (false, Some(members)) = (self.moments_from.is_empty(), summary.as_object_mut()) {
            members.insert("momentsFrom".to_owned(), json!(self.moments_from));
        }
        Ok(format!("{}\n", json!({ "summary": summary })))
    }
}

/// How pages become text.
#[derive(Clone)]
pub(super) struct Shape {
    pub key: Option<Arc<ExportKey>>,
    /// Behind each record.
    pub separator: &'static [u8],
    pub only: Option<Only>,
    pub summary: Summary,
}

/// How far an export may go.
#[derive(Default)]
pub(super) struct Bounds {
    /// At most so many people are looked at.
    pub limit: Option<u64>,
    /// Its place among those of the node; a job needs none.
    pub place: Option<Place>,
}

impl Engine {
    /// Users as NDJSON, behind the id `after` and in the order of ids, all as of one moment unless it takes very long.
    ///
    /// # Errors
    /// 503 when this node is at too many exports already. An error of the stream means that it broke off.
    pub async fn export_stream(
        &self,
        manager: &Manager,
        export: StreamExport,
    ) -> Result<impl Stream<Item = Result<Bytes, Broken>> + Send + use<>> {
        let place = Some(self.export_place()?);
        let tenant = manager.tenant();
        let (who, key) = match export.what {
            Streamed::Directory(secret) => {
                check_new_secret(&secret)?;
                let engine = self.clone();
                let key = aside(move || engine.export_key(tenant, &secret)).await?;
                (Who::Directory, Some(Arc::new(key)))
            }
            Streamed::Users => (Who::Federated, None),
        };
        let shape = Shape {
            key,
            separator: b"\n",
            only: export.only,
            summary: export.summary,
        };
        let engine = self.clone();
        let left = (export.summary == Summary::With)
            .then(|| tokio::spawn(async move { engine.left_out(tenant, who).await }));
        let bounds = Bounds {
            limit: export.limit,
            place,
        };
        let rendered = self.rendered(tenant, who, export.after, shape, bounds);
        Ok(stream_of(rendered, left))
    }

    /// A place among the exports of this node.
    pub(super) fn export_place(&self) -> Result<Place> {
        self.exports().take().ok_or_else(|| {
            Error::busy("Too many exports are under way here. Try again in a moment.")
        })
    }

    /// The key that an instance's exports under one secret are sealed with. Takes tens of milliseconds.
    pub(super) fn export_key(&self, tenant: TenantId, secret: &str) -> ExportKey {
        ExportKey::derive(secret, self.export_salt(tenant, secret))
    }

    /// Pages as text, in order, rendered on several threads.
    pub(super) fn rendered(
        &self,
        tenant: TenantId,
        who: Who,
        after: String,
        shape: Shape,
        bounds: Bounds,
    ) -> mpsc::Receiver<JoinHandle<Result<Rendered>>> {
        let (handles, taken) = mpsc::channel(AHEAD);
        let engine = self.clone();
        tokio::spawn(async move {
            let mut pages = engine.scan(tenant, who.alone(), after, bounds.place);
            let mut left = bounds.limit.unwrap_or(u64::MAX);
            while let Some(page) = pages.recv().await {
                let Ok(place) = handles.reserve().await else {
                    return;
                };
                let (engine, shape) = (engine.clone(), shape.clone());
                let page = page.map(|page| cut(page, &mut left));
                let failed = page.is_err();
                place.send(tokio::task::spawn_blocking(move || {
                    engine.render(&page?, &shape)
                }));
                if failed || left == 0 {
                    return;
                }
            }
        });
        taken
    }

    fn render(&self, page: &Page, shape: &Shape) -> Result<Rendered> {
        let mut text = Vec::with_capacity(1 << 20);
        let mut scratch = Vec::new();
        let mut tally = Tally {
            last: page.people.last_id().map(str::to_owned),
            moments_from: page.moment_from.iter().cloned().collect(),
            ..Tally::default()
        };
        let summed = shape.summary == Summary::With;
        match (&page.people, &shape.key) {
            (People::Directory(rows), Some(key)) => {
                let seal = Seal::Sealed(key, self.random());
                for row in rows {
                    if let Some(only) = &shape.only {
                        scratch.clear();
                        directory_record(&mut scratch, row, &page.names, &Seal::Content)?;
                        if !only.takes(&scratch)? {
                            continue;
                        }
                    }
                    directory_record(&mut text, row, &page.names, &seal)?;
                    text.extend_from_slice(shape.separator);
                    if summed {
                        tally.lost.note_user(row)?;
                        digest_directory(&mut tally.digest, row, &page.names, &mut scratch)?;
                    }
                    tally.users += 1;
                }
            }
            (People::Directory(_), None) => return Err(Error::internal("no key to export with")),
            (People::Profiles(rows), _) => {
                for row in rows {
                    let start = text.len();
                    federated_record(&mut text, row, &page.names, false);
                    if let Some(only) = &shape.only
                        && !only.takes(text.get(start..).unwrap_or_default())?
                    {
                        text.truncate(start);
                        continue;
                    }
                    text.extend_from_slice(shape.separator);
                    if summed {
                        tally.lost.note_profile();
                        digest_federated(&mut tally.digest, row, &page.names, &mut scratch);
                    }
                    tally.users += 1;
                }
            }
        }
        Ok(Rendered { text, tally })
    }
}

/// The page with at most `left` people, which are then subtracted.
fn cut(mut page: Page, left: &mut u64) -> Page {
    let most = usize::try_from(*left).unwrap_or(usize::MAX);
    let held = match &mut page.people {
        People::Directory(rows) => {
            rows.truncate(most);
            rows.len()
        }
        People::Profiles(rows) => {
            rows.truncate(most);
            rows.len()
        }
    };
    *left -= held as u64;
    page
}

/// Pages and, if somebody counts who is left out, the summary behind them.
fn stream_of(
    rendered: mpsc::Receiver<JoinHandle<Result<Rendered>>>,
    left: Option<JoinHandle<Result<LeftOut>>>,
) -> impl Stream<Item = Result<Bytes, Broken>> + Send {
    struct At {
        rendered: mpsc::Receiver<JoinHandle<Result<Rendered>>>,
        left: Option<JoinHandle<Result<LeftOut>>>,
        tally: Tally,
        ended: bool,
    }
    let at = At {
        rendered,
        left,
        tally: Tally::default(),
        ended: false,
    };
    stream::unfold(at, |mut at| async {
        if at.ended {
            return None;
        }
        let text = match at.rendered.recv().await {
            Some(page) => {
                let page = page.await.map_err(Error::internal).and_then(|page| page);
                page.map(|page| {
                    at.tally.add(page.tally);
                    page.text
                })
            }
            None => {
                at.ended = true;
                let left = at.left.take()?;
                summary(&mut at.tally, left).await
            }
        };
        let item = text.map(Bytes::from).map_err(|error| {
            tracing::warn!(?error, "an export broke off");
            at.ended = true;
            Broken(error.public)
        });
        Some((item, at))
    })
    .fuse()
}

/// The last line.
async fn summary(tally: &mut Tally, left: JoinHandle<Result<LeftOut>>) -> Result<Vec<u8>> {
    let left = left.await.map_err(Error::internal)??;
    tally.lost.note_left_out(left);
    tally.line().map(String::into_bytes)
}

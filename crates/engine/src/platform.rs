//! The platform plane: account, subjects, API keys, tokens, policies, instances and their credentials.

pub mod account;
pub mod apikeys;
pub mod credentials;
pub mod instances;
pub mod outbox;
pub mod permission;
pub mod policies;
pub mod reclaim;
pub mod serviceids;
pub mod tokens;

use vestibule_model::time::Timestamp;

use crate::{Engine, Error, Result};

pub use account::FirstKey;
pub use permission::Platform;

/// A page of a list: what is on it, and where the next begins if there is more.
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Opaque start of the next page.
    pub next: Option<String>,
}

/// Where a page begins: after the row with this time and id.
#[derive(Debug, Clone, Default)]
pub struct PageStart {
    time: Timestamp,
    id: String,
}

impl PageStart {
    /// Reads the text that a page gave for the next one; none begins at the start.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(Self::default());
        };
        let bad = || Error::invalid("The page token is not one that this service gave.");
        let (time, id) = text.split_once('_').ok_or_else(bad)?;
        Ok(Self {
            time: Timestamp::from_millis(time.parse().map_err(|_| bad())?),
            id: id.to_owned(),
        })
    }

    fn text(time: Timestamp, id: &str) -> String {
        format!("{}_{id}", time.millis())
    }

    fn after(&self) -> (Timestamp, &str) {
        (self.time, &self.id)
    }
}

/// Cuts the one row too many that tells whether there is a next page.
fn page<T>(mut rows: Vec<T>, count: u32, at: impl Fn(&T) -> (Timestamp, String)) -> Page<T> {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let more = rows.len() > most;
    rows.truncate(most);
    let next = rows
        .last()
        .filter(|_| more)
        .map(&at)
        .map(|(time, id)| PageStart::text(time, &id));
    Page { rows, next }
}

/// Most rows that are looked at for one page of a filtered list.
const MOST_LOOKED_AT: usize = 20_000;

/// A page of the rows that `shows` wants. Reads on from `start` until the page is full, there are no more rows, or
/// [`MOST_LOOKED_AT`] were seen. `read` gets where to begin and how many rows to read.
fn filtered_page<T>(
    mut start: PageStart,
    count: u32,
    at: impl Fn(&T) -> (Timestamp, String),
    shows: impl Fn(&T) -> bool,
    mut read: impl FnMut(&PageStart, u32) -> Result<Vec<T>>,
) -> Result<Page<T>> {
    let size = |rows: u32| usize::try_from(rows).unwrap_or(usize::MAX);
    let (mut found, mut looked_at, mut chunk) = (Vec::new(), 0, count.saturating_add(1));
    while found.len() <= size(count) && looked_at < MOST_LOOKED_AT {
        let rows = read(&start, chunk)?;
        let last = rows.len() < size(chunk);
        looked_at += rows.len();
        if let Some((time, id)) = rows.last().map(&at) {
            start = PageStart { time, id };
        }
        found.extend(rows.into_iter().filter(&shows));
        if last {
            break;
        }
        chunk = 1000;
    }
    Ok(page(found, count, at))
}

impl Engine {
    /// Whether the database answers.
    pub async fn check_database(&self) -> Result<()> {
        self.store()
            .platform_read(|platform| platform.check().map_err(Into::into))
            .await
    }

    /// Name of the database engine, for the log.
    pub fn database_engine(&self) -> vestibule_store::EngineKind {
        self.store().engine()
    }

    fn random_uuid(&self) -> String {
        vestibule_model::id::TenantId::from_random_bytes(self.random_id()).to_string()
    }
}

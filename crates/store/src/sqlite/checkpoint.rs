//! Writes the log back to the database beside the writer, so that no commit waits for it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use rusqlite::Connection;

/// Pages of the log that are written back together: a page that changed several times till then is written once, and a commit that comes
/// meanwhile waits for the disk to take no more than these.
const PAGES: i64 = 4096;
/// Commits that follow each other so fast are looked at together.
const REST: Duration = Duration::from_millis(20);

/// The thread that does it.
pub(super) struct Checkpoints {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Tells the thread that something was committed.
pub(super) struct Committed(Thread);

impl Committed {
    pub(super) fn tell(&self) {
        self.0.unpark();
    }
}

impl Checkpoints {
    /// Starts it. `held` is let go of when it ends.
    pub(super) fn start(conn: Connection, held: impl Send + 'static) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let work = move || {
            while !seen.load(Ordering::Relaxed) {
                thread::park();
                thread::sleep(REST);
                if let Err(error) = write_back(&conn) {
                    // Nothing is lost: the writer does it itself when the log is four times as long.
                    tracing::warn!(%error, "the database log could not be written back for now");
                }
            }
            drop(conn);
            drop(held);
        };
        let thread = thread::Builder::new()
            .name(String::from("db-log"))
            .spawn(work)?;
        Ok(Self { ended, thread })
    }

    pub(super) fn committed(&self) -> Committed {
        Committed(self.thread.thread().clone())
    }

    /// Lets it end.
    pub(super) fn end(self) -> JoinHandle<()> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread
    }
}

fn write_back(conn: &Connection) -> rusqlite::Result<()> {
    let waiting: i64 = conn
        .prepare_cached("PRAGMA wal_checkpoint(NOOP)")?
        .query_row((), |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))?;
    if waiting >= PAGES {
        conn.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
            .query_row((), |_| Ok(()))?;
    }
    Ok(())
}

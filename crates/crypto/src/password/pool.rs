//! A fixed number of hashing threads with a bounded queue: password work never takes more than its share, and past the bound the
//! answer is "busy", not collapse.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use argon2::Block;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::PasswordHash;
use crate::random::Random;

/// How long a job may wait before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Too much password work is waiting already; try again in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much password work is waiting")]
pub struct Busy;

/// The threads and their queue.
pub struct HasherPool {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    most: usize,
    done: AtomicU64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Job {
    work: Work,
    since: Instant,
}

enum Work {
    Verify(PasswordHash, Zeroizing<String>, oneshot::Sender<bool>),
    Hash([u8; 16], Zeroizing<String>, oneshot::Sender<PasswordHash>),
}

impl Work {
    /// Whether nobody waits for it any more.
    fn abandoned(&self) -> bool {
        match self {
            Self::Verify(_, _, answer) => answer.is_closed(),
            Self::Hash(_, _, answer) => answer.is_closed(),
        }
    }
}

impl HasherPool {
    /// Starts `threads` threads whose queue holds at most `most` jobs.
    pub fn new(threads: usize, most: usize) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            most,
            done: AtomicU64::new(0),
        });
        for _ in 0..threads {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                give_way();
                shared.work();
            });
        }
        Self { shared }
    }

    /// Whether the password is the one that was hashed.
    pub async fn verify(
        &self,
        hash: PasswordHash,
        password: Zeroizing<String>,
    ) -> Result<bool, Busy> {
        let (answer, result) = oneshot::channel();
        self.submit(Work::Verify(hash, password, answer))?;
        result.await.map_err(|_| Busy)
    }

    /// Hashes a password with our own parameters.
    pub async fn hash(
        &self,
        password: Zeroizing<String>,
        random: &dyn Random,
    ) -> Result<PasswordHash, Busy> {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        let (answer, result) = oneshot::channel();
        self.submit(Work::Hash(salt, password, answer))?;
        result.await.map_err(|_| Busy)
    }

    /// Costs as much as verifying one of our own hashes, and never matches: for users who do not exist.
    pub async fn verify_dummy(&self, password: Zeroizing<String>) -> Result<bool, Busy> {
        let (answer, result) = oneshot::channel();
        self.submit(Work::Hash([0; 16], password, answer))?;
        result.await.map_err(|_| Busy)?;
        Ok(false)
    }

    /// Jobs that were done since the start.
    pub fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }

    /// Jobs that wait now.
    pub fn waiting(&self) -> usize {
        self.shared.queue.lock().jobs.len()
    }

    fn submit(&self, work: Work) -> Result<(), Busy> {
        let mut queue = self.shared.queue.lock();
        if queue.jobs.len() >= self.shared.most {
            return Err(Busy);
        }
        queue.jobs.push_back(Job {
            work,
            since: Instant::now(),
        });
        drop(queue);
        self.shared.arrived.notify_one();
        Ok(())
    }
}

/// How much nicer hashing threads are than the rest of the process: of a core that both want they get about a quarter.
#[cfg(target_os = "linux")]
const NICER: i32 = 5;

/// Lets the calling thread give way to those that serve requests, so that a flood of sign-ins slows nothing but sign-ins. Where nothing else
/// wants the cores it costs nothing. On Linux niceness belongs to a thread; elsewhere to the process, where there is nothing to win.
fn give_way() {
    // Where it is forbidden, hashing goes on as before.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICER);
}

impl Drop for HasherPool {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.arrived.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        let mut memory: Vec<Block> = Vec::new();
        while let Some(job) = self.next(&mut memory) {
            // Dropping the sender tells the waiter that it was given up.
            if job.since.elapsed() > PATIENCE || job.work.abandoned() {
                continue;
            }
            self.done.fetch_add(1, Ordering::Relaxed);
            // A receiver that went away meanwhile is no error.
            match job.work {
                Work::Verify(hash, password, answer) => {
                    let _ = answer.send(hash.verify_with(&password, &mut memory));
                }
                Work::Hash(salt, password, answer) => {
                    let _ = answer.send(PasswordHash::with_salt(&password, &salt, &mut memory));
                }
            }
        }
    }

    /// The next job; gives the memory back to the system when there is none for a while.
    fn next(&self, memory: &mut Vec<Block>) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            let idle = self
                .arrived
                .wait_for(&mut queue, Duration::from_secs(2))
                .timed_out();
            if idle && !memory.is_empty() {
                *memory = Vec::new();
            }
        }
    }
}

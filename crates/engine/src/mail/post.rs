//! The queue between those who have something to say and the mailer: bounded, patient, and gone with the process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    time::timeout,
};
use vestibule_model::time::Timestamp;

use super::{Letter, LetterId, Mail, Mailer, Undelivered, job::Templates, masked};

/// Most letters that wait or are on their way. More are refused: memory is bounded, and whoever writes more than the mail server
/// takes has another problem than mail.
const MOST_WAITING: u32 = 1000;
/// Letters that are being sent at the same moment.
const AT_ONCE: usize = 4;
/// How long one try may take.
const ONE_TRY: Duration = Duration::from_secs(60);
/// How long to wait after each try that failed. The last ones outlast the greylisting of most mail servers.
const WAITS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(15),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
];

/// Where letters wait.
pub(crate) struct Post {
    mailer: Box<dyn Mailer>,
    /// What mails are written from.
    pub(super) templates: Templates,
    waiting: watch::Sender<u32>,
    sending: Semaphore,
    closing: watch::Sender<bool>,
    count: AtomicU32,
}

impl Post {
    pub(crate) fn new(mailer: Box<dyn Mailer>) -> Arc<Self> {
        Arc::new(Self {
            mailer,
            templates: Templates::new(),
            waiting: watch::Sender::new(0),
            sending: Semaphore::new(AT_ONCE),
            closing: watch::Sender::new(false),
            count: AtomicU32::new(0),
        })
    }

    pub(crate) fn mailer(&self) -> &dyn Mailer {
        self.mailer.as_ref()
    }

    pub(super) fn accept(self: &Arc<Self>, date: Timestamp, random: u64, mail: Mail) {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let letter = Letter {
            id: LetterId::new(date, count, random),
            date,
            mail,
        };
        let Ok(runtime) = Handle::try_current() else {
            tracing::error!(mail = %letter.id, "a mail was handed over where nothing can send it");
            return;
        };
        let Some(place) = Place::take(Arc::clone(self)) else {
            tracing::error!(mail = %letter.id, to = masked(&letter.mail.to), "too many mails wait; this one is not sent");
            return;
        };
        runtime.spawn(async move { place.0.deliver(&letter).await });
    }

    pub(super) async fn settle(&self) {
        // The sender is this post itself, so it cannot be gone.
        let _ = self.waiting.subscribe().wait_for(|count| *count == 0).await;
    }

    pub(super) async fn drain(&self, limit: Duration) {
        self.closing.send_replace(true);
        if timeout(limit, self.settle()).await.is_err() {
            let lost = *self.waiting.borrow();
            tracing::error!(lost, "mails could not be delivered before the end");
        }
    }

    async fn deliver(&self, letter: &Letter) {
        let mut closing = self.closing.subscribe();
        let mut waits = WAITS.iter();
        let to = masked(&letter.mail.to);
        loop {
            let last = *closing.borrow();
            let Err(failure) = self.send(letter).await else {
                tracing::debug!(mail = %letter.id, to, "mail delivered");
                return;
            };
            let wait = waits.next().filter(|_| failure.again && !last);
            let Some(wait) = wait else {
                tracing::error!(mail = %letter.id, to, reason = failure.reason, "a mail could not be delivered");
                return;
            };
            tracing::warn!(mail = %letter.id, to, reason = failure.reason, seconds = wait.as_secs(), "a mail waits for another try");
            tokio::select! {
                () = tokio::time::sleep(*wait) => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        }
    }

    async fn send(&self, letter: &Letter) -> Result<(), Undelivered> {
        let _turn = self.sending.acquire().await;
        timeout(ONE_TRY, self.mailer.send(letter))
            .await
            .unwrap_or_else(|_| Err(Undelivered::for_now("the mail server is too slow")))
    }
}

/// A place among those that wait; given back when the letter is dealt with, whatever became of it.
struct Place(Arc<Post>);

impl Place {
    fn take(post: Arc<Post>) -> Option<Self> {
        let taken = post.waiting.send_if_modified(|count| {
            let free = *count < MOST_WAITING;
            *count += u32::from(free);
            free
        });
        // Not `then_some`: a place that was not taken must not be given back.
        taken.then(|| Self(post))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0
            .waiting
            .send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::BoxFuture;
    use parking_lot::Mutex;
    use tokio::time::Instant;
    use vestibule_model::email::EmailAddress;

    use super::*;

    /// Fails as often as it is told, and notes when it was asked to send what.
    struct Stubborn {
        failures: Mutex<u32>,
        again: bool,
        takes: Duration,
        tries: Arc<Mutex<Vec<(LetterId, Instant)>>>,
    }

    impl Stubborn {
        fn new(failures: u32, again: bool) -> Self {
            Self {
                failures: Mutex::new(failures),
                again,
                takes: Duration::ZERO,
                tries: Arc::default(),
            }
        }
    }

    impl Mailer for Stubborn {
        fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), Undelivered>> {
            Box::pin(async move {
                self.tries.lock().push((letter.id.clone(), Instant::now()));
                tokio::time::sleep(self.takes).await;
                let mut failures = self.failures.lock();
                if *failures == 0 {
                    return Ok(());
                }
                *failures -= 1;
                Err(Undelivered {
                    again: self.again,
                    reason: String::from("told to"),
                })
            })
        }
    }

    fn mail() -> Mail {
        Mail {
            to: EmailAddress::parse("ada@example.com").unwrap(),
            subject: String::from("Hello"),
            text: String::from("Hello"),
            html: None,
        }
    }

    fn accept(post: &Arc<Post>) {
        post.accept(Timestamp::from_millis(1_795_467_480_000), 1, mail());
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_tried_again_after_growing_waits_and_then_given_up() {
        let mailer = Stubborn::new(u32::MAX, true);
        let (tries, begun) = (Arc::clone(&mailer.tries), Instant::now());
        let post = Post::new(Box::new(mailer));
        accept(&post);
        post.settle().await;
        let tries = tries.lock();
        let seconds: Vec<u64> = tries
            .iter()
            .map(|(_, at)| at.duration_since(begun).as_secs())
            .collect();
        assert_eq!(seconds, [0, 1, 16, 136, 736]);
        assert!(
            tries.iter().all(|(id, _)| *id == tries[0].0),
            "one letter, one name"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_sent_once_when_it_works_and_not_again_when_it_never_will() {
        for (failures, again, expected) in [(0, true, 1), (2, true, 3), (1, false, 1)] {
            let mailer = Stubborn::new(failures, again);
            let tries = Arc::clone(&mailer.tries);
            let post = Post::new(Box::new(mailer));
            accept(&post);
            post.settle().await;
            assert_eq!(tries.lock().len(), expected, "{failures} {again}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_the_mailer_and_the_queue_is_bounded() {
        let mailer = Stubborn {
            takes: Duration::from_secs(10),
            ..Stubborn::new(0, true)
        };
        let tries = Arc::clone(&mailer.tries);
        let post = Post::new(Box::new(mailer));
        let begun = Instant::now();
        for _ in 0..MOST_WAITING + 50 {
            accept(&post);
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        post.settle().await;
        assert_eq!(tries.lock().len(), MOST_WAITING as usize);
        assert_eq!(
            begun.elapsed().as_secs(),
            10 * u64::from(MOST_WAITING) / AT_ONCE as u64
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_cuts_waits_short_and_is_bounded() {
        let mailer = Stubborn::new(3, true);
        let tries = Arc::clone(&mailer.tries);
        let post = Post::new(Box::new(mailer));
        accept(&post);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let begun = Instant::now();
        post.drain(Duration::from_secs(5)).await;
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(
            tries.lock().len(),
            3,
            "at once, after a second, and once more at the end"
        );

        let slow = Stubborn {
            takes: Duration::from_secs(30),
            ..Stubborn::new(0, true)
        };
        let post = Post::new(Box::new(slow));
        accept(&post);
        let begun = Instant::now();
        post.drain(Duration::from_secs(5)).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
    }
}

//! How often sign-in may be tried: per user and per address, in memory, bounded. Checked before any hashing, and for accounts that
//! do not exist as for those that do, so that it tells nobody which exist.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use moka::sync::Cache;
use parking_lot::Mutex;
use vestibule_crypto::token::TokenHash;
use vestibule_model::{id::TenantId, time::Timestamp};

use crate::{Error, Kind};

/// Sign-ins of one user in a minute (contract/runtime.md section 6.10).
const USER_LIMIT: u32 = 11;
/// Failed sign-ins from one address in a minute. Successful ones are not counted: many people sign in from behind one address. Those whose
/// end is not known yet may be no more than what is left of it.
const ADDRESS_LIMIT: u32 = 100;
/// Clients that register themselves from one address in a minute.
const REGISTRATION_LIMIT: u32 = 20;
/// Changes that clients at one address make to their registrations in a minute.
const UPDATE_LIMIT: u32 = 60;
/// Requests that one address pushes in a minute in the name of applications that prove nothing.
const PUSHED_LIMIT: u32 = 60;
/// Devices for which one address asks for codes in a minute.
const DEVICE_LIMIT: u32 = 60;
/// Wrong codes of devices that are entered from one address in a minute.
const GUESS_LIMIT: u32 = 10;
/// Wrong codes of devices that are entered at one instance in a minute, wherever they come from. With a thousand devices waiting all the
/// time, a day of guessing finds one of them with a chance of half a percent, and lets it into the guesser's own account.
const INSTANCE_GUESS_LIMIT: u32 = 100;
/// Seconds between two requests of a device until it is told otherwise.
pub(super) const FIRST_INTERVAL: i64 = 5;
/// Seconds that the interval grows by when a device asks too often (RFC 8628 section 3.5).
const INTERVAL_STEP: i64 = 5;
/// Milliseconds that a request of a device may be early: timers and networks are not exact.
const EARLY: i64 = 500;
/// How long counting and blocking last, in seconds.
const MINUTE: i64 = 60;
/// Most users and addresses that are remembered; the least recently seen make room.
const MOST: u64 = 100_000;

/// Who tried how often.
pub(crate) struct Throttle {
    users: Cache<[u8; 32], Arc<Mutex<Window>>>,
    addresses: Cache<IpAddr, Arc<Mutex<Window>>>,
    registrations: Cache<IpAddr, Arc<Mutex<Window>>>,
    updates: Cache<IpAddr, Arc<Mutex<Window>>>,
    pushed: Cache<IpAddr, Arc<Mutex<Window>>>,
    devices: Cache<IpAddr, Arc<Mutex<Window>>>,
    guesses: Cache<IpAddr, Arc<Mutex<Window>>>,
    guessed: Cache<TenantId, Arc<Mutex<Window>>>,
    polls: Cache<String, Arc<Mutex<Poll>>>,
}

/// How a device asks for its tokens.
struct Poll {
    last: Timestamp,
    interval: i64,
}

/// A code of a device that somebody entered.
pub(super) struct Guess {
    windows: [Arc<Mutex<Window>>; 2],
}

impl Guess {
    /// It was right: it does not count.
    pub(super) fn succeeded(self) {
        for window in self.windows {
            window.lock().forget_one();
        }
    }
}

/// Attempts since a moment.
struct Window {
    began: Timestamp,
    count: u32,
    /// Let through, and not judged yet.
    under_way: u32,
    blocked_until: Timestamp,
}

/// One attempt that was let through. It failed, unless somebody says otherwise before it is dropped.
pub(super) struct Attempt {
    address: Arc<Mutex<Window>>,
    user: Arc<Mutex<Window>>,
    failed: bool,
}

impl Attempt {
    /// It succeeded: it does not count against the address.
    pub(super) fn succeeded(mut self) {
        self.failed = false;
    }

    /// Nobody looked at the password, because the service had too much to do: it counts against nobody, so that an overload locks
    /// nobody out.
    pub(super) fn unjudged(mut self) {
        self.user.lock().forget_one();
        self.failed = false;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut address = self.address.lock();
        address.under_way -= 1;
        address.count += u32::from(self.failed);
    }
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            users: remember(),
            addresses: remember(),
            registrations: remember(),
            updates: remember(),
            pushed: remember(),
            devices: remember(),
            guesses: remember(),
            guessed: remember(),
            polls: remember(),
        }
    }

    /// Counts an attempt to sign in as `user` from an address.
    ///
    /// # Errors
    /// `Throttled` while either has tried too often, or the address tries too much at once.
    pub(super) fn attempt(
        &self,
        user: [u8; 32],
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Attempt, Error> {
        let window = || Window::new(now);
        let address = self.addresses.get_with(network(from), window);
        address.lock().begin(ADDRESS_LIMIT, now)?;
        let user = self.users.get_with(user, window);
        let attempt = Attempt {
            address,
            user,
            failed: true,
        };
        attempt.user.lock().count(USER_LIMIT, now)?;
        Ok(attempt)
    }

    /// Counts a client that registers itself from an address.
    ///
    /// # Errors
    /// `Throttled` while too many did.
    pub(super) fn registration(&self, from: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.registrations
            .get_with(network(from), || Window::new(now))
            .lock()
            .count(REGISTRATION_LIMIT, now)
    }

    /// Counts a change that a client makes to its registration from an address.
    ///
    /// # Errors
    /// `Throttled` while too many were made.
    pub(super) fn update(&self, from: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.updates
            .get_with(network(from), || Window::new(now))
            .lock()
            .count(UPDATE_LIMIT, now)
    }

    /// Counts a request that is pushed from an address without a proof of who pushes.
    ///
    /// # Errors
    /// `Throttled` while too many were.
    pub(super) fn pushed(&self, from: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.pushed
            .get_with(network(from), || Window::new(now))
            .lock()
            .count(PUSHED_LIMIT, now)
    }

    /// Counts a device that asks for codes from an address.
    ///
    /// # Errors
    /// `Throttled` while too many did.
    pub(super) fn device(&self, from: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.devices
            .get_with(network(from), || Window::new(now))
            .lock()
            .count(DEVICE_LIMIT, now)
    }

    /// Counts a code of a device that somebody entered.
    ///
    /// # Errors
    /// `Throttled` while there were too many wrong ones from the address, or at the instance.
    pub(super) fn guess(
        &self,
        tenant: TenantId,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Guess, Error> {
        let address = self.guesses.get_with(network(from), || Window::new(now));
        address.lock().count(GUESS_LIMIT, now)?;
        let instance = self.guessed.get_with(tenant, || Window::new(now));
        instance.lock().count(INSTANCE_GUESS_LIMIT, now)?;
        Ok(Guess {
            windows: [address, instance],
        })
    }

    /// Whether a device asks again too soon; its interval grows then. Only codes that were [`Throttle::polled`] are remembered.
    pub(super) fn polls_too_fast(&self, code: &TokenHash, now: Timestamp) -> bool {
        let Some(poll) = self.polls.get(code.as_str()) else {
            return false;
        };
        let mut poll = poll.lock();
        let early = now.millis() < poll.last.plus_seconds(poll.interval).millis() - EARLY;
        poll.last = now;
        if early {
            poll.interval += INTERVAL_STEP;
        }
        early
    }

    /// Remembers that a device asked with a code that there is.
    pub(super) fn polled(&self, code: &TokenHash, now: Timestamp) {
        self.polls.get_with(code.as_str().to_owned(), || {
            Arc::new(Mutex::new(Poll {
                last: now,
                interval: FIRST_INTERVAL,
            }))
        });
    }
}

impl Window {
    fn new(now: Timestamp) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            began: now,
            count: 0,
            under_way: 0,
            blocked_until: now,
        }))
    }

    fn forget_one(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    fn count(&mut self, limit: u32, now: Timestamp) -> Result<(), Error> {
        self.look(limit, now)?;
        self.count += 1;
        Ok(())
    }

    /// Lets something through that is counted when it ends.
    fn begin(&mut self, limit: u32, now: Timestamp) -> Result<(), Error> {
        self.look(limit, now)?;
        if self.count + self.under_way >= limit {
            return Err(throttled(1));
        }
        self.under_way += 1;
        Ok(())
    }

    fn look(&mut self, limit: u32, now: Timestamp) -> Result<(), Error> {
        if now < self.blocked_until {
            return Err(throttled(self.blocked_until.seconds() - now.seconds()));
        }
        if now >= self.began.plus_seconds(MINUTE) {
            self.began = now;
            self.count = 0;
        }
        if self.count >= limit {
            self.blocked_until = now.plus_seconds(MINUTE);
            self.began = self.blocked_until;
            self.count = 0;
            return Err(throttled(MINUTE));
        }
        Ok(())
    }
}

fn remember<K, V>() -> Cache<K, Arc<Mutex<V>>>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Send + 'static,
{
    Cache::builder()
        .max_capacity(MOST)
        .time_to_idle(Duration::from_secs(300))
        .build()
}

/// An IPv6 customer has a /64 at least.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

fn throttled(seconds: i64) -> Error {
    Error::new(
        Kind::Throttled(u32::try_from(seconds.clamp(1, MINUTE)).unwrap_or(60)),
        "too_many_requests",
        match seconds {
            ..=1 => "Too many attempts at once. Wait a second and try again.",
            _ => "Too many attempts. Wait a minute and try again.",
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn the_twelfth_attempt_of_a_user_waits_a_minute() {
        let throttle = Throttle::new();
        let mut now = Timestamp::from_millis(1_000_000);
        for _ in 0..USER_LIMIT {
            throttle.attempt([1; 32], HERE, now).unwrap().succeeded();
        }
        assert!(throttle.attempt([1; 32], HERE, now).is_err());
        assert!(throttle.attempt([2; 32], HERE, now).is_ok());
        now = now.plus_seconds(59);
        assert!(throttle.attempt([1; 32], HERE, now).is_err());
        now = now.plus_seconds(1);
        assert!(throttle.attempt([1; 32], HERE, now).is_ok());
    }

    #[test]
    fn only_failures_count_against_an_address() {
        let throttle = Throttle::new();
        let now = Timestamp::from_millis(1_000_000);
        let user = |n: u32| {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&n.to_be_bytes());
            key
        };
        for n in 0..1000 {
            throttle.attempt(user(n), HERE, now).unwrap().succeeded();
        }
        for n in 0..ADDRESS_LIMIT {
            assert!(throttle.attempt(user(n), HERE, now).is_ok());
        }
        assert!(throttle.attempt(user(5000), HERE, now).is_err());
        let elsewhere = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
        assert!(throttle.attempt(user(5000), elsewhere, now).is_ok());
    }

    #[test]
    fn many_at_once_wait_a_second_and_block_nobody() {
        let throttle = Throttle::new();
        let now = Timestamp::from_millis(1_000_000);
        let user = |n: u8| [n; 32];
        let seconds = |result: Result<Attempt, Error>| match result.map(drop) {
            Err(error) => match error.kind {
                Kind::Throttled(seconds) => seconds,
                other => panic!("{other:?}"),
            },
            Ok(()) => 0,
        };
        let mut under_way: Vec<_> = (0..100)
            .map(|n| throttle.attempt(user(n), HERE, now).unwrap())
            .collect();
        for _ in 0..1000 {
            assert_eq!(seconds(throttle.attempt(user(200), HERE, now)), 1);
        }
        under_way.drain(50..).for_each(Attempt::succeeded);
        assert_eq!(seconds(throttle.attempt(user(201), HERE, now)), 0);
        // The half that is left fails, and somebody else as often: that was the limit.
        drop(under_way);
        for n in 0..49 {
            assert_eq!(seconds(throttle.attempt(user(n), HERE, now)), 0, "{n}");
        }
        assert_eq!(seconds(throttle.attempt(user(202), HERE, now)), 60);
        // A new minute forgets who failed, not who is under way.
        let later = now.plus_seconds(120);
        let under_way: Vec<_> = (0..100)
            .map(|n| throttle.attempt(user(n), HERE, later).unwrap())
            .collect();
        let later = later.plus_seconds(60);
        assert_eq!(seconds(throttle.attempt(user(203), HERE, later)), 1);
        drop(under_way);
        assert_eq!(seconds(throttle.attempt(user(203), HERE, later)), 60);
    }

    #[test]
    fn wrong_codes_of_devices_count_at_the_instance_too() {
        let throttle = Throttle::new();
        let now = Timestamp::from_millis(1_000_000);
        let [one, other] = [1, 2].map(|n| TenantId::from_random_bytes([n; 16]));
        let address = |n: u32| IpAddr::V4(std::net::Ipv4Addr::from_bits(n));
        for n in 0..INSTANCE_GUESS_LIMIT {
            throttle.guess(one, address(n), now).unwrap().succeeded();
            assert!(throttle.guess(one, address(n), now).is_ok());
        }
        assert!(throttle.guess(one, address(5000), now).is_err());
        assert!(throttle.guess(other, address(5000), now).is_ok());
        let later = now.plus_seconds(MINUTE);
        assert!(throttle.guess(one, address(5000), later).is_ok());
    }

    #[test]
    fn a_device_that_asks_too_often_waits_longer() {
        let throttle = Throttle::new();
        let now = |millis: i64| Timestamp::from_millis(1_000_000 + millis);
        let [code, other] = ["a", "b"].map(TokenHash::of);
        // What there is not is not remembered.
        assert!(!throttle.polls_too_fast(&code, now(0)));
        assert!(!throttle.polls_too_fast(&code, now(0)));
        throttle.polled(&code, now(0));
        assert!(!throttle.polls_too_fast(&other, now(1)));
        assert!(!throttle.polls_too_fast(&code, now(4500)));
        assert!(throttle.polls_too_fast(&code, now(8999)));
        assert!(throttle.polls_too_fast(&code, now(18_000)));
        assert!(!throttle.polls_too_fast(&code, now(33_000)));
    }

    #[test]
    fn what_nobody_looked_at_counts_against_nobody() {
        let throttle = Throttle::new();
        let now = Timestamp::from_millis(1_000_000);
        for _ in 0..10 * ADDRESS_LIMIT {
            throttle.attempt([1; 32], HERE, now).unwrap().unjudged();
        }
        for _ in 0..USER_LIMIT {
            assert!(throttle.attempt([1; 32], HERE, now).is_ok());
        }
        assert!(throttle.attempt([1; 32], HERE, now).is_err());
    }

    #[test]
    fn neighbours_in_one_network_count_as_one() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        assert_eq!(network(a), network(b));
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        assert_eq!(network(mapped), HERE);
    }
}

//! Mail that the service sends. A mail is handed over with [`Engine::send_mail`] and delivered beside the request, a few times
//! if need be; how it leaves the process is a [`Mailer`]: to a mail server ([`smtp`]), or into a folder of this machine
//! ([`outbox`]). Mails never hold secrets.

pub mod job;
mod message;
pub mod outbox;
mod post;
pub mod smtp;

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use vestibule_model::{email::EmailAddress, time::Timestamp};

use crate::Engine;

pub use message::Sender;
pub use outbox::Outbox;
pub(crate) use post::Post;
pub use smtp::{SmtpMailer, SmtpServer};

/// A mail to one person.
#[derive(Clone)]
pub struct Mail {
    /// Whom it is for.
    pub to: EmailAddress,
    /// Subject line. Line breaks and other control characters in it become spaces.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML, if there is more to show than text can.
    pub html: Option<String>,
}

/// A mail on its way. Its id and date stay the same however often it is tried.
#[derive(Clone)]
pub struct Letter {
    /// Names it in the log, in its `Message-ID` and in the outbox.
    pub id: LetterId,
    /// When it was handed over.
    pub date: Timestamp,
    /// What is sent.
    pub mail: Mail,
}

/// The name of a letter: `<time>-<count>-<random>`, of letters, digits and hyphens only, so that it is safe in file names and
/// headers. Later letters of one process have greater names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterId(String);

impl LetterId {
    /// Reads a name that [`Letter::id`] gave; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let shape: Vec<&str> = text.split('-').collect();
        let &[time, count, random] = shape.as_slice() else {
            return None;
        };
        let fits = time.len() == 19
            && time
                .bytes()
                .all(|b| b.is_ascii_digit() || b"TZ".contains(&b))
            && count.len() == 6
            && count.bytes().all(|b| b.is_ascii_digit())
            && random.len() == 16
            && random.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn new(date: Timestamp, count: u32, random: u64) -> Self {
        let time = date.rfc3339().replace(['-', ':', '.'], "");
        Self(format!("{time}-{:06}-{random:016x}", count % 1_000_000))
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How mail leaves the process.
pub trait Mailer: Send + Sync {
    /// Tries once to deliver a letter.
    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), Undelivered>>;

    /// The folder where the letters are kept, if this mailer delivers to nobody.
    fn outbox(&self) -> Option<&Outbox> {
        None
    }
}

/// Why a letter was not delivered. Goes to the log, so it names neither addresses nor content.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Undelivered {
    /// Whether it may work later.
    pub again: bool,
    /// What happened.
    pub reason: String,
}

impl Undelivered {
    /// It may work later.
    pub fn for_now(reason: impl Into<String>) -> Self {
        Self {
            again: true,
            reason: reason.into(),
        }
    }

    /// It will never work.
    pub fn for_good(reason: impl Into<String>) -> Self {
        Self {
            again: false,
            reason: reason.into(),
        }
    }
}

impl Engine {
    /// Accepts a mail and answers at once; it is delivered beside the request, with a few tries. What cannot be delivered is
    /// logged. Must be called where tasks can be started, so not inside of a transaction.
    pub fn send_mail(&self, mail: Mail) {
        let date = self.now();
        let mut random = [0; 8];
        self.random().fill(&mut random);
        self.post().accept(date, u64::from_le_bytes(random), mail);
    }

    /// Waits until every mail that was accepted is delivered or given up.
    pub async fn settle_mail(&self) {
        self.post().settle().await;
    }

    /// Ends the service's mail: what still waits is tried once more now, and given up when `limit` is over.
    pub async fn drain_mail(&self, limit: Duration) {
        self.post().drain(limit).await;
    }
}

/// An address for the log: enough to tell which domain fails, not enough to tell who was written to.
fn masked(address: &EmailAddress) -> String {
    match address.as_str().rsplit_once('@') {
        Some((_, domain)) => format!("…@{domain}"),
        None => String::from("…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_only_their_own_shape_is_read() {
        let date = Timestamp::from_millis(1_795_467_480_123);
        let first = LetterId::new(date, 7, u64::MAX);
        let second = LetterId::new(date, 8, 0);
        let later = LetterId::new(date.plus_seconds(1), 0, 0);
        assert!(first < second && second < later);
        for id in [&first, &second, &later] {
            assert_eq!(LetterId::parse(id.as_str()).as_ref(), Some(id));
        }
        for bad in [
            "",
            "..",
            "../../../etc/passwd",
            "20261123T205800123Z-000007-../../../../etc",
            "20261123T205800123Z-000007-0000000000000000.eml",
            "20261123T205800123Z-000007-0000000000000000/",
            "20261123T205800123Z-000007-000000000000000\0",
            "20261123T205800123Z/000007/0000000000000000",
            "٢٠٢٦-000007-0000000000000000",
        ] {
            assert_eq!(LetterId::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_log_does_not_learn_who_was_written_to() {
        let address = EmailAddress::parse("ada.lovelace@example.com").unwrap();
        assert_eq!(masked(&address), "…@example.com");
    }
}

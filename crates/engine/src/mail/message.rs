//! A letter as a message of RFC 5322.

use std::time::{Duration, SystemTime};

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use url::{Host, Url};

use super::{Letter, Undelivered};
use crate::{Error, Result};

/// Marks mail that nobody typed, so that nobody's absence note answers it (RFC 3834 section 5).
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Who the service's mails are from.
#[derive(Debug, Clone)]
pub struct Sender(Mailbox);

impl Sender {
    /// Reads `Name <address>` or an address.
    ///
    /// # Errors
    /// `Invalid` when it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let bad =
            || Error::invalid("it must be an address, or a name and an address: Name <address>");
        if text.chars().any(char::is_control) {
            return Err(bad());
        }
        text.trim().parse().map(Self).map_err(|_| bad())
    }

    /// `Vestibule <no-reply@…>` at the host that clients see, or at `localhost` when that cannot stand in an address.
    ///
    /// # Errors
    /// Internal, if not even that makes an address.
    pub fn for_public_url(url: &str) -> Result<Self> {
        let host = Url::parse(url)
            .ok()
            .and_then(|url| match url.host() {
                Some(Host::Domain(name)) => Some(name.to_owned()),
                _ => None,
            })
            .unwrap_or_else(|| String::from("localhost"));
        let address = Address::new("no-reply", host)
            .or_else(|_| Address::new("no-reply", "localhost"))
            .map_err(Error::internal)?;
        Ok(Self(Mailbox::new(Some(String::from("Vestibule")), address)))
    }
}

/// Writes a letter as a message. `lettre`'s mailboxes and headers encode what could end a header early.
pub(super) fn compose(letter: &Letter, from: &Sender) -> Result<Message, Undelivered> {
    let mail = &letter.mail;
    let to: Address =
        mail.to.as_str().parse().map_err(|_| {
            Undelivered::for_good("the address is none that mail can be delivered to")
        })?;
    let date = Duration::from_millis(u64::try_from(letter.date.millis()).unwrap_or_default());
    let builder = Message::builder()
        .from(from.0.clone())
        .to(Mailbox::new(None, to))
        .subject(one_line(&mail.subject))
        .date(SystemTime::UNIX_EPOCH + date)
        .message_id(Some(format!("<{}@{}>", letter.id, from.0.email.domain())))
        .raw_header(HeaderValue::new(
            AUTO_SUBMITTED,
            String::from("auto-generated"),
        ));
    match &mail.html {
        None => builder.singlepart(SinglePart::plain(mail.text.clone())),
        Some(html) => builder.multipart(
            MultiPart::alternative()
                .boundary(format!("part-{}", letter.id))
                .singlepart(SinglePart::plain(mail.text.clone()))
                .singlepart(SinglePart::html(html.clone())),
        ),
    }
    .map_err(|error| Undelivered::for_good(format!("the mail cannot be written: {error}")))
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;
    use vestibule_model::{email::EmailAddress, time::Timestamp};

    use super::*;
    use crate::mail::{LetterId, Mail};

    fn letter(to: &str, subject: &str) -> Letter {
        let date = Timestamp::from_millis(1_795_467_480_000);
        Letter {
            id: LetterId::new(date, 1, 2),
            date,
            mail: Mail {
                to: EmailAddress::parse(to).unwrap(),
                subject: subject.to_owned(),
                text: String::from("Grüße\n.\nBcc: nobody@example.com\n"),
                html: Some(String::from("<p>Grüße</p>")),
            },
        }
    }

    #[test]
    fn a_message_says_what_was_meant() {
        let from = Sender::parse("Dienst für alle <no-reply@example.com>").unwrap();
        let bytes = compose(&letter("ada@example.com", "Fertig: 3 Nutzer – ü"), &from)
            .ok()
            .unwrap()
            .formatted();
        let read = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(read.subject(), Some("Fertig: 3 Nutzer – ü"));
        assert_eq!(
            read.message_id(),
            Some("20261123T205800000Z-000001-0000000000000002@example.com")
        );
        assert_eq!(read.date().unwrap().to_rfc3339(), "2026-11-23T20:58:00Z");
        assert_eq!(
            read.header("Auto-Submitted").and_then(|v| v.as_text()),
            Some("auto-generated")
        );
        let sender = read.from().unwrap().first().unwrap();
        assert_eq!(sender.name(), Some("Dienst für alle"));
        assert_eq!(
            read.body_text(0).unwrap().replace("\r\n", "\n"),
            "Grüße\n.\nBcc: nobody@example.com\n"
        );
        assert_eq!(read.body_html(0).unwrap().trim_end(), "<p>Grüße</p>");
    }

    #[test]
    fn nothing_given_can_add_a_header_or_a_recipient() {
        let from = Sender::parse("no-reply@example.com").unwrap();
        for subject in [
            "a\r\nBcc: eve@example.com",
            "a\nBcc: eve@example.com",
            "a\rBcc: eve@example.com",
            "a\r\n\r\nbody",
            "ü\r\nBcc: eve@example.com",
            "a\u{2028}Bcc: eve@example.com\0",
        ] {
            let message = compose(&letter("ada@example.com", subject), &from)
                .ok()
                .unwrap();
            assert_eq!(message.envelope().to().len(), 1);
            let bytes = message.formatted();
            let read = MessageParser::default().parse(&bytes).unwrap();
            assert!(read.bcc().is_none(), "{subject:?}");
            assert_eq!(read.headers().len(), 8, "{subject:?}");
        }
        for to in [
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com\nRCPT TO:<eve@example.com>",
            "ada@example.com eve@example.com",
        ] {
            assert!(EmailAddress::parse(to).is_err(), "{to:?}");
            assert!(to.parse::<Address>().is_err(), "{to:?}");
        }
        for to in [
            "ada@example.com,eve@example.com",
            "<ada@example.com>",
            "ada>eve@example.com",
        ] {
            assert!(compose(&letter(to, "x"), &from).is_err(), "{to}");
        }
        for from in [
            "A\r\nBcc: eve@example.com <a@example.com>",
            "a@example.com\n",
            "nobody",
            "",
        ] {
            assert!(Sender::parse(from).is_err(), "{from:?}");
        }
    }

    #[test]
    fn the_sender_lives_where_the_service_does() {
        for (url, expected) in [
            ("https://id.example.com", "no-reply@id.example.com"),
            ("http://127.0.0.1:8080", "no-reply@localhost"),
            ("http://[::1]:8080", "no-reply@localhost"),
            ("http://localhost:8080", "no-reply@localhost"),
            ("http://my_service:8080", "no-reply@my_service"),
            ("https://bücher.example", "no-reply@xn--bcher-kva.example"),
        ] {
            let sender = Sender::for_public_url(url).unwrap();
            assert_eq!(sender.0.email.to_string(), expected, "{url}");
        }
    }
}

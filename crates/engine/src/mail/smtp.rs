//! Mail by SMTP (RFC 5321).
//!
//! | URL | meaning |
//! |---|---|
//! | `smtps://host` | TLS from the first byte (RFC 8314 section 3.3); port 465 unless said |
//! | `smtp://host` | STARTTLS (RFC 3207), and no mail at all without it; port 587 unless said |
//! | `smtp://host?tls=none` | nothing is encrypted; port 25 unless said. The meaning of `smtp://` to this machine itself |
//! | `smtp://host?tls=required` | STARTTLS to this machine too |
//!
//! `user:password@` before the host, percent-encoded where needed, signs in. Certificates are checked against the machine's.

use std::{fmt, net::IpAddr, time::Duration};

use futures_util::future::BoxFuture;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::{
        self,
        authentication::Credentials,
        client::{Tls, TlsParameters, TlsParametersBuilder},
        extension::ClientId,
    },
};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::{Letter, Mailer, Sender, Undelivered, message::compose};
use crate::{Error, Result};

/// How long to wait for each answer of the server.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where mail is handed in, and how. Its `Debug` and `Display` show no password.
#[derive(Clone)]
pub struct SmtpServer {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    /// Nothing is encrypted.
    None,
    /// Encrypted after STARTTLS; nothing is sent without.
    StartTls,
    /// Encrypted from the first byte.
    Tls,
}

impl SmtpServer {
    /// Reads the URL of a mail server.
    ///
    /// # Errors
    /// `Invalid`, in words that quote nothing of the URL: it may hold a password.
    pub fn parse(text: &str) -> Result<Self> {
        let url = Url::parse(text)
            .map_err(|_| Error::invalid("it must look like smtp://user:password@host:port"))?;
        let host = match url.host() {
            Some(Host::Domain(name)) if is_host(name) => name.to_ascii_lowercase(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(Error::invalid("it must name the host of the mail server")),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(Error::invalid(
                "it must end after host and port, or with ?tls=…",
            ));
        }
        let security = security(&url, &host)?;
        let port = url.port().unwrap_or(match security {
            Security::None => smtp::SMTP_PORT,
            Security::StartTls => smtp::SUBMISSION_PORT,
            Security::Tls => smtp::SUBMISSIONS_PORT,
        });
        Ok(Self {
            credentials: credentials(&url)?,
            host,
            port,
            security,
        })
    }

    /// Whether others on the network could read a password or mails.
    pub fn is_exposed(&self) -> bool {
        self.security == Security::None && !is_this_machine(&self.host)
    }

    fn transport(
        &self,
        hello: ClientId,
        trust: impl FnOnce(TlsParametersBuilder) -> TlsParametersBuilder,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
        let parameters = || {
            trust(TlsParameters::builder(self.host.clone()))
                .build()
                .map_err(Error::internal)
        };
        let tls = match self.security {
            Security::None => Tls::None,
            Security::StartTls => Tls::Required(parameters()?),
            Security::Tls => Tls::Wrapper(parameters()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port)
            .tls(tls)
            .hello_name(hello)
            .timeout(Some(PATIENCE));
        if let Some(credentials) = &self.credentials {
            builder = builder.credentials(credentials.clone());
        }
        Ok(builder.build())
    }
}

impl fmt::Display for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            Security::Tls => "smtps",
            Security::None | Security::StartTls => "smtp",
        };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        write!(f, "{scheme}://{host}:{}", self.port)
    }
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpServer({self})")
    }
}

/// Hands mail in at a server. Each letter has a connection of its own.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Sender,
}

impl SmtpMailer {
    /// A mailer that says at the server that it is the host of `public_url`. Does no I/O but reading the machine's certificates.
    ///
    /// # Errors
    /// Internal, when encryption cannot be set up.
    pub fn new(server: &SmtpServer, from: Sender, public_url: &str) -> Result<Self> {
        Ok(Self {
            transport: server.transport(hello(public_url), |trust| trust)?,
            from,
        })
    }
}

impl Mailer for SmtpMailer {
    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let message = compose(letter, &self.from)?;
            match self.transport.send(message).await {
                Ok(_) => Ok(()),
                Err(error) => Err(undelivered(&error)),
            }
        })
    }
}

fn security(url: &Url, host: &str) -> Result<Security> {
    let mut tls = None;
    for (name, value) in url.query_pairs() {
        match (name.as_ref(), value.as_ref()) {
            ("tls", "none") => tls = Some(Security::None),
            ("tls", "required") => tls = Some(Security::StartTls),
            ("tls", _) => return Err(Error::invalid("tls must be none or required")),
            _ => return Err(Error::invalid("tls is the only parameter it knows")),
        }
    }
    match (url.scheme(), tls) {
        ("smtps", None | Some(Security::StartTls)) => Ok(Security::Tls),
        ("smtps", Some(_)) => Err(Error::invalid("smtps:// is always encrypted")),
        ("smtp", Some(said)) => Ok(said),
        // Nobody is between this machine and itself, and certificates for localhost are rarely good.
        ("smtp", None) if is_this_machine(host) => Ok(Security::None),
        ("smtp", None) => Ok(Security::StartTls),
        _ => Err(Error::invalid("it must start with smtp:// or smtps://")),
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>> {
    let decoded = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| Error::invalid("user and password must be UTF-8"))
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(Error::invalid("it has a password but no user")),
        (_, None) => Err(Error::invalid("it has a user but no password")),
        (user, Some(password)) => Ok(Some(Credentials::new(decoded(user)?, decoded(password)?))),
    }
}

fn is_host(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// What to say in EHLO (RFC 5321 section 4.1.1.1).
fn hello(public_url: &str) -> ClientId {
    match Url::parse(public_url).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => ClientId::Domain(name.to_owned()),
        Some(Host::Ipv4(address)) => ClientId::Ipv4(address),
        Some(Host::Ipv6(address)) => ClientId::Ipv6(address),
        None => ClientId::default(),
    }
}

/// Why it failed, without the server's own words: they often repeat the recipient's address, and may repeat the mail.
fn undelivered(error: &smtp::Error) -> Undelivered {
    let Some(code) = error.status() else {
        if error.is_response() {
            return Undelivered::for_now("the mail server's answer cannot be understood");
        }
        return Undelivered {
            again: !error.is_client(),
            reason: error.to_string(),
        };
    };
    let meaning = match u16::from(code) {
        530 | 534 | 535 | 538 => " (it wants another user, password or way to sign in)",
        _ => "",
    };
    Undelivered {
        again: error.is_transient(),
        reason: format!("the mail server answered {code}{meaning}"),
    }
}

#[cfg(test)]
mod tests {
    use lettre::transport::smtp::client::Certificate;
    use vestibule_model::{email::EmailAddress, time::Timestamp};
    use vestibule_testkit::SmtpSink;

    use super::*;
    use crate::mail::{LetterId, Mail};

    #[test]
    fn urls_say_where_and_how() {
        use Security::{None, StartTls, Tls};
        for (url, shown, security) in [
            (
                "smtps://mail.example.com",
                "smtps://mail.example.com:465",
                Tls,
            ),
            (
                "smtps://mail.example.com:4650/?tls=required",
                "smtps://mail.example.com:4650",
                Tls,
            ),
            (
                "smtp://Mail.Example.com",
                "smtp://mail.example.com:587",
                StartTls,
            ),
            (
                "smtp://mail.example.com:25",
                "smtp://mail.example.com:25",
                StartTls,
            ),
            ("smtp://10.0.0.7?tls=none", "smtp://10.0.0.7:25", None),
            ("smtp://10.0.0.7", "smtp://10.0.0.7:587", StartTls),
            ("smtp://localhost:1025", "smtp://localhost:1025", None),
            ("smtp://127.0.0.1", "smtp://127.0.0.1:25", None),
            ("smtp://[::1]:2525", "smtp://[::1]:2525", None),
            (
                "smtp://localhost?tls=required",
                "smtp://localhost:587",
                StartTls,
            ),
        ] {
            let server = SmtpServer::parse(url).unwrap();
            assert_eq!(
                (server.to_string().as_str(), server.security),
                (shown, security)
            );
            let exposed = security == None && shown.contains("10.0.0.7");
            assert_eq!(server.is_exposed(), exposed, "{url}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_never_quoted() {
        for url in [
            "mail.example.com",
            "http://u:s3cret@mail.example.com",
            "smtp://u:s3cret@",
            "smtp:u:s3cret@mail.example.com",
            "smtp://u:s3cret@mail.example.com:99999",
            "smtp://u:s3cret@mail.example.com/path",
            "smtp://u:s3cret@mail.example.com#x",
            "smtp://u:s3cret@mail.example.com?tls=maybe",
            "smtp://u:s3cret@mail.example.com?tls=",
            "smtp://u:s3cret@mail.example.com?verify=none",
            "smtps://u:s3cret@mail.example.com?tls=none",
            "smtp://s3cret@mail.example.com",
            "smtp://:s3cret@mail.example.com",
            "smtp://u:s3cret%ff@mail.example.com",
            "smtp://u:s3cret@mail%20example.com",
            "s3cret",
            "",
        ] {
            let error = SmtpServer::parse(url).err();
            let words = format!("{:?}", error.as_ref());
            assert!(
                error.is_some() && !words.contains("s3cret"),
                "{url}: {words}"
            );
        }
    }

    #[test]
    fn passwords_are_decoded_and_never_shown() {
        let server = SmtpServer::parse("smtps://a%40b.c:s3cret%2F%3A%40@mail.example.com").unwrap();
        let expected = Credentials::new(String::from("a@b.c"), String::from("s3cret/:@"));
        assert!(server.credentials.as_ref() == Some(&expected));
        for shown in [
            format!("{server:?}"),
            format!("{server:#?}"),
            server.to_string(),
        ] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }

    /// A mailer that trusts a certificate of the test's.
    fn trusting(url: &str, certificate: &[u8]) -> SmtpMailer {
        let certificate = Certificate::from_pem(certificate).unwrap();
        let server = SmtpServer::parse(url).unwrap();
        SmtpMailer {
            transport: server
                .transport(hello("https://id.example.com"), |trust| {
                    trust.add_root_certificate(certificate)
                })
                .unwrap(),
            from: Sender::parse("no-reply@example.com").unwrap(),
        }
    }

    fn letter() -> Letter {
        Letter {
            id: LetterId::new(Timestamp::default(), 1, 2),
            date: Timestamp::default(),
            mail: Mail {
                to: EmailAddress::parse("ada@example.com").unwrap(),
                subject: String::from("Hello"),
                text: String::from("Hello"),
                html: None,
            },
        }
    }

    #[tokio::test]
    async fn with_starttls_all_is_encrypted_and_only_a_trusted_server_gets_it() {
        let sink = SmtpSink::with_starttls().await;
        let url = format!("smtp://ada:s3cret@{}?tls=required", sink.authority());
        let certificate = std::fs::read(sink.certificate()).unwrap();
        trusting(&url, &certificate).send(&letter()).await.unwrap();
        let received = sink.received();
        assert_eq!(received.len(), 1);
        assert!(received[0].encrypted && received[0].auth.is_some());

        let other = SmtpSink::with_starttls().await;
        let another = std::fs::read(other.certificate()).unwrap();
        let refused = trusting(&url, &another).send(&letter()).await.unwrap_err();
        assert!(refused.reason.contains("certificate"), "{refused}");
        let elsewhere = url.replace("127.0.0.1", "localhost");
        let refused = trusting(&elsewhere, &certificate).send(&letter()).await;
        assert!(refused.unwrap_err().reason.contains("certificate"));
        assert_eq!(sink.received().len(), 1);
    }
}

//! Where the mails of tests end: in memory, or at a mail server that is one in all that a client can see.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use vestibule_engine::mail::{Letter, Mailer, Undelivered};

/// A mailer that keeps what it is given.
#[derive(Clone, Default)]
pub struct SentMail(Arc<Mutex<Vec<Letter>>>);

impl SentMail {
    /// Everything sent until now, oldest first.
    pub fn all(&self) -> Vec<Letter> {
        self.0.lock().clone()
    }

    /// What was sent to an address until now, oldest first.
    pub fn to(&self, address: &str) -> Vec<Letter> {
        let mut letters = self.all();
        letters.retain(|letter| letter.mail.to.as_str() == address);
        letters
    }
}

impl Mailer for SentMail {
    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), Undelivered>> {
        self.0.lock().push(letter.clone());
        Box::pin(async { Ok(()) })
    }
}

/// A mail server (RFC 5321) that takes everything, unless it was told to refuse something first.
pub struct SmtpSink {
    address: SocketAddr,
    desk: Arc<Desk>,
    /// Where the certificate of one that offers STARTTLS is.
    certificate: Option<(PathBuf, TempDir)>,
}

/// What a client handed in.
#[derive(Debug, Clone)]
pub struct Received {
    /// What the client called itself.
    pub hello: String,
    /// What it signed in with: the argument of `AUTH`.
    pub auth: Option<String>,
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The message, without the dots that SMTP adds.
    pub message: String,
    /// Whether all of it came encrypted.
    pub encrypted: bool,
}

#[derive(Default)]
struct Desk {
    received: Mutex<Vec<Received>>,
    refusals: Mutex<VecDeque<Refusal>>,
    connections: Mutex<u32>,
    deaf: bool,
    tls: Option<TlsAcceptor>,
}

struct Refusal {
    command: &'static str,
    answer: &'static str,
}

impl SmtpSink {
    /// Starts on a free port of this machine. It ends with the test's runtime.
    pub async fn start() -> Self {
        Self::listen(Desk::default()).await
    }

    /// One that takes connections and says nothing, ever.
    pub async fn deaf() -> Self {
        Self::listen(Desk {
            deaf: true,
            ..Desk::default()
        })
        .await
    }

    /// One that offers STARTTLS (RFC 3207), with a certificate for 127.0.0.1 that it signed itself.
    pub async fn with_starttls() -> Self {
        let folder = TempDir::new().expect("a folder");
        let (certificate, key) = (
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        make_certificate(&certificate, &key);
        let chain = CertificateDer::from_pem_file(&certificate).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(&key).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .expect("a certificate with its key");
        let sink = Self::listen(Desk {
            tls: Some(TlsAcceptor::from(Arc::new(config))),
            ..Desk::default()
        });
        Self {
            certificate: Some((certificate, folder)),
            ..sink.await
        }
    }

    /// The file with its certificate, to trust it by.
    pub fn certificate(&self) -> &Path {
        let (path, _) = self.certificate.as_ref().expect("one that offers STARTTLS");
        path
    }

    async fn listen(desk: Desk) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let desk = Arc::new(desk);
        let clerk = Arc::clone(&desk);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *clerk.connections.lock() += 1;
                let clerk = Arc::clone(&clerk);
                tokio::spawn(async move {
                    // A client that hangs up in the middle has handed in nothing.
                    let _ = clerk.serve(stream).await;
                });
            }
        });
        Self {
            address,
            desk,
            certificate: None,
        }
    }

    /// Answers the next command that begins with these letters (`CONNECT` for the greeting) with this line.
    pub fn refuse(&self, command: &'static str, answer: &'static str) {
        self.desk
            .refusals
            .lock()
            .push_back(Refusal { command, answer });
    }

    /// `host:port`
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// How often a client came.
    pub fn connections(&self) -> u32 {
        *self.desk.connections.lock()
    }

    /// What it was handed, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.desk.received.lock().clone()
    }
}

impl Desk {
    fn refusal(&self, line: &str) -> Option<&'static str> {
        let mut refusals = self.refusals.lock();
        let line = line.to_uppercase();
        let place = refusals
            .iter()
            .position(|refusal| line.starts_with(refusal.command))?;
        refusals.remove(place).map(|refusal| refusal.answer)
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        if self.deaf {
            let _held = stream;
            return std::future::pending().await;
        }
        let mut stream = BufReader::new(stream);
        if let Some(answer) = self.refusal("CONNECT") {
            return say(&mut stream, answer).await;
        }
        say(&mut stream, "220 sink ESMTP").await?;
        if let (Talk::Encrypt, Some(tls)) = (self.talk(&mut stream, false).await?, &self.tls) {
            let stream = tls.accept(stream.into_inner()).await?;
            self.talk(&mut BufReader::new(stream), true).await?;
        }
        Ok(())
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        encrypted: bool,
    ) -> std::io::Result<Talk> {
        let mut letter = Received {
            hello: String::new(),
            auth: None,
            from: String::new(),
            to: Vec::new(),
            message: String::new(),
            encrypted,
        };
        while let Some(line) = read(stream).await? {
            if let Some(answer) = self.refusal(&line) {
                say(stream, answer).await?;
                continue;
            }
            let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let answer = match command.to_uppercase().as_str() {
                "EHLO" => {
                    letter.hello = rest.to_owned();
                    if self.tls.is_some() && !encrypted {
                        "250-sink\r\n250 STARTTLS"
                    } else {
                        "250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN"
                    }
                }
                "STARTTLS" if self.tls.is_some() && !encrypted => {
                    say(stream, "220 2.0.0 go ahead").await?;
                    return Ok(Talk::Encrypt);
                }
                "AUTH" => {
                    letter.auth = Some(rest.to_owned());
                    "235 2.7.0 welcome"
                }
                "MAIL" => {
                    letter.from = rest.to_owned();
                    letter.to.clear();
                    "250 2.1.0 ok"
                }
                "RCPT" => {
                    letter.to.push(rest.to_owned());
                    "250 2.1.5 ok"
                }
                "DATA" => {
                    say(stream, "354 end with a dot").await?;
                    letter.message = message(stream).await?;
                    self.refusal("CONTENT").unwrap_or_else(|| {
                        self.received.lock().push(letter.clone());
                        "250 2.0.0 taken"
                    })
                }
                "NOOP" | "RSET" => "250 2.0.0 ok",
                "QUIT" => {
                    say(stream, "221 2.0.0 bye").await?;
                    return Ok(Talk::Over);
                }
                _ => "502 5.5.1 unknown",
            };
            say(stream, answer).await?;
        }
        Ok(Talk::Over)
    }
}

/// How a talk ended.
enum Talk {
    Over,
    /// The client asked for encryption, and was told to begin.
    Encrypt,
}

fn make_certificate(certificate: &Path, key: &Path) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=sink",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output()
        .expect("openssl");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, answer: &str) -> std::io::Result<()> {
    stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// A line without its end; `None` when the client has gone.
async fn read<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The lines up to a single dot. A dot at the start of a line was added on the way (RFC 5321 section 4.5.2).
async fn message<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut text = String::new();
    while let Some(line) = read(stream).await? {
        if line == "." {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push_str("\r\n");
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

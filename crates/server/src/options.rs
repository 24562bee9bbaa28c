//! Options of `vestibule serve`: command line, then environment, then `vestibule.toml`, then defaults (interface.md).

use std::{fmt, fs, path::PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use vestibule_engine::mail::{Sender, SmtpServer};
use vestibule_web::Proxies;

/// What can be said on the command line and in the environment; every option can also stand in the configuration file under the
/// same name with underscores.
#[derive(Args, Default)]
pub struct ServeArguments {
    /// Configuration file (TOML).
    #[arg(long, env = "VESTIBULE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on; port 0 picks a free one and prints it [default: 127.0.0.1:8080]
    #[arg(long, env = "VESTIBULE_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// What clients see, e.g. https://id.example.com; issuer and links are built from it [default: from --listen]
    #[arg(long, env = "VESTIBULE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Embedded database, master key and first API key [default: ./vestibule-data]
    #[arg(long, env = "VESTIBULE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// sqlite:<file> or postgres://… [default: sqlite:<data-dir>/vestibule.db]
    #[arg(
        long,
        env = "VESTIBULE_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: Option<String>,
    /// Region name of instances created without one [default: local]
    #[arg(long, env = "VESTIBULE_REGION", value_name = "NAME")]
    region: Option<String>,
    /// API key of the account's first administrator, read at first start only [default: generated]
    #[arg(
        long,
        env = "VESTIBULE_ADMIN_API_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    admin_api_key: Option<String>,
    /// Key file that seals secrets at rest, made at first start [default: <data-dir>/master.key]
    #[arg(long, env = "VESTIBULE_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// Log filter, e.g. info or vestibule=debug,warn [default: info]
    #[arg(long, env = "VESTIBULE_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// Log lines for people or for machines [default: text]
    #[arg(long, env = "VESTIBULE_LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,
    /// Largest request body in bytes, imports aside [default: 1048576]
    #[arg(long, env = "VESTIBULE_MAX_BODY", value_name = "BYTES")]
    max_body: Option<usize>,
    /// Largest import body in bytes [default: 67108864]
    #[arg(long, env = "VESTIBULE_MAX_IMPORT_BODY", value_name = "BYTES")]
    max_import_body: Option<usize>,
    /// Days a deleted instance rests before it is destroyed [default: 7]
    #[arg(long, env = "VESTIBULE_RETENTION_DAYS", value_name = "DAYS")]
    retention_days: Option<u32>,
    /// Days after which an instance signs with a new key [default: 0, never]
    #[arg(long, env = "VESTIBULE_ROTATE_KEYS_DAYS", value_name = "DAYS")]
    rotate_keys_days: Option<u32>,
    /// Seconds after which another node goes on with the jobs of one that gives no sign of life: 1 to 600 [default: 15]
    #[arg(long, env = "VESTIBULE_LEASE_SECONDS", value_name = "SECONDS")]
    lease_seconds: Option<u32>,
    /// People of one step of a job: fewer make moves slower and give tests more moments to break them at
    #[arg(long, hide = true, value_name = "PEOPLE")]
    step_records: Option<usize>,
    /// Hosts, separated by commas, where keys and logout addresses of clients may be although the hosts are private or speak plain
    /// http [default: none]
    #[arg(
        long,
        env = "VESTIBULE_FETCH_FROM",
        value_name = "HOSTS",
        value_delimiter = ','
    )]
    fetch_from: Option<Vec<String>>,
    /// Proxies in front of the service, separated by commas: addresses or networks such as 10.0.0.0/8. What they say in
    /// X-Forwarded-For and of client certificates is believed; from others it is ignored [default: none]
    #[arg(
        long,
        env = "VESTIBULE_TRUSTED_PROXIES",
        value_name = "ADDRESSES",
        value_delimiter = ','
    )]
    trusted_proxies: Option<Vec<String>>,
    /// Header in which a trusted proxy passes on the certificate of a client, as RFC 9440 has it or as percent-encoded PEM [default:
    /// Client-Cert]
    #[arg(long, env = "VESTIBULE_CLIENT_CERT_HEADER", value_name = "NAME")]
    client_cert_header: Option<String>,
    /// Header in which a trusted proxy says whether it verified the chain of that certificate: SUCCESS or 0 if it did [default:
    /// Client-Cert-Verify]
    #[arg(long, env = "VESTIBULE_CLIENT_CERT_VERIFY_HEADER", value_name = "NAME")]
    client_cert_verify_header: Option<String>,
    /// Where the proxy asks clients for certificates, e.g. https://mtls.id.example.com [default: at --public-url]
    #[arg(long, env = "VESTIBULE_MTLS_URL", value_name = "URL")]
    mtls_url: Option<String>,
    /// Mail server: smtps://user:password@host, or smtp://… for STARTTLS [default: none; mails are kept in <data-dir>/outbox]
    #[arg(
        long,
        env = "VESTIBULE_SMTP_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    smtp_url: Option<String>,
    /// Who mails are from [default: Vestibule <no-reply@…> at the host of --public-url, or at localhost]
    #[arg(long, env = "VESTIBULE_MAIL_FROM", value_name = "MAILBOX")]
    mail_from: Option<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Option<String>,
    public_url: Option<String>,
    data_dir: Option<PathBuf>,
    database_url: Option<String>,
    region: Option<String>,
    admin_api_key: Option<String>,
    master_key_file: Option<PathBuf>,
    log: Option<String>,
    log_format: Option<LogFormat>,
    max_body: Option<usize>,
    max_import_body: Option<usize>,
    retention_days: Option<u32>,
    rotate_keys_days: Option<u32>,
    lease_seconds: Option<u32>,
    fetch_from: Option<Vec<String>>,
    trusted_proxies: Option<Vec<String>>,
    client_cert_header: Option<String>,
    client_cert_verify_header: Option<String>,
    mtls_url: Option<String>,
    smtp_url: Option<String>,
    mail_from: Option<String>,
}

/// Options after everything was put together.
pub struct Options {
    /// Address to listen on.
    pub listen: String,
    /// Scheme and authority that clients see, if it was said.
    pub public_url: Option<String>,
    /// Folder of everything embedded.
    pub data_dir: PathBuf,
    /// Database.
    pub database_url: String,
    /// Region of new instances.
    pub region: String,
    /// First administrator's key, if it was said.
    pub admin_api_key: Option<String>,
    /// Master key file.
    pub master_key_file: PathBuf,
    /// Log filter.
    pub log: String,
    /// Log format.
    pub log_format: LogFormat,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Largest import body in bytes.
    pub max_import_body: usize,
    /// Days a deleted instance rests.
    pub retention_days: u32,
    /// Days after which an instance signs with a new key; 0 for never.
    pub rotate_keys_days: u32,
    /// Seconds after which another node goes on with the jobs of one that gives no sign of life.
    pub lease_seconds: u32,
    /// People of one step of a job, if it was said.
    pub step_records: Option<usize>,
    /// Hosts that the service may go to for clients although they are private.
    pub fetch_from: Vec<String>,
    /// Proxies that are listened to.
    pub proxies: Proxies,
    /// Where clients show certificates, if that was said.
    pub mtls_url: Option<String>,
    /// Mail server, if there is one.
    pub smtp_server: Option<SmtpServer>,
    /// Who mails are from, if it was said.
    pub mail_from: Option<Sender>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("public_url", &self.public_url)
            .field("data_dir", &self.data_dir)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl ServeArguments {
    /// Puts command line, environment, file and defaults together.
    pub fn resolve(self) -> Result<Options> {
        let file = match &self.config {
            Some(path) => {
                let text = fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                toml::from_str(&text).map_err(|error| {
                    anyhow!(
                        "{} is not a valid configuration: {}",
                        path.display(),
                        without_source(&error, &text)
                    )
                })?
            }
            None => File::default(),
        };
        let data_dir = self
            .data_dir
            .or(file.data_dir)
            .unwrap_or_else(|| PathBuf::from("./vestibule-data"));
        let options = Options {
            listen: self
                .listen
                .or(file.listen)
                .unwrap_or_else(|| String::from("127.0.0.1:8080")),
            public_url: match self.public_url.or(file.public_url) {
                Some(url) => Some(base_url(&url, "--public-url")?),
                None => None,
            },
            proxies: proxies(
                self.trusted_proxies
                    .or(file.trusted_proxies)
                    .unwrap_or_default(),
                self.client_cert_header.or(file.client_cert_header),
                self.client_cert_verify_header
                    .or(file.client_cert_verify_header),
            )?,
            mtls_url: match self.mtls_url.or(file.mtls_url) {
                Some(url) => Some(base_url(&url, "--mtls-url")?),
                None => None,
            },
            database_url: self
                .database_url
                .or(file.database_url)
                .unwrap_or_else(|| format!("sqlite:{}", data_dir.join("vestibule.db").display())),
            region: self
                .region
                .or(file.region)
                .unwrap_or_else(|| String::from("local")),
            admin_api_key: self.admin_api_key.or(file.admin_api_key),
            master_key_file: self
                .master_key_file
                .or(file.master_key_file)
                .unwrap_or_else(|| data_dir.join("master.key")),
            log: self
                .log
                .or(file.log)
                .unwrap_or_else(|| String::from("info")),
            log_format: self
                .log_format
                .or(file.log_format)
                .unwrap_or(LogFormat::Text),
            max_body: self.max_body.or(file.max_body).unwrap_or(1 << 20),
            max_import_body: self
                .max_import_body
                .or(file.max_import_body)
                .unwrap_or(64 << 20),
            retention_days: self.retention_days.or(file.retention_days).unwrap_or(7),
            rotate_keys_days: self.rotate_keys_days.or(file.rotate_keys_days).unwrap_or(0),
            step_records: self.step_records,
            lease_seconds: self.lease_seconds.or(file.lease_seconds).unwrap_or(15),
            fetch_from: self.fetch_from.or(file.fetch_from).unwrap_or_default(),
            smtp_server: self
                .smtp_url
                .or(file.smtp_url)
                .map(|url| SmtpServer::parse(&url).context("--smtp-url cannot be used"))
                .transpose()?,
            mail_from: self
                .mail_from
                .or(file.mail_from)
                .map(|text| Sender::parse(&text).context("--mail-from cannot be used"))
                .transpose()?,
            data_dir,
        };
        if !options.database_url.starts_with("sqlite:")
            && !options.database_url.starts_with("postgres://")
            && !options.database_url.starts_with("postgresql://")
        {
            bail!("--database-url must start with sqlite: or postgres://");
        }
        if options.mtls_url.is_some() && options.proxies.trusted.is_empty() {
            bail!(
                "--mtls-url needs --trusted-proxies: the certificates of clients come from those"
            );
        }
        if !(1..=600).contains(&options.lease_seconds) {
            bail!("--lease-seconds must be 1 to 600");
        }
        Ok(options)
    }
}

/// What is wrong with the file and where. The parser's own words would show the line, which may hold a password.
fn without_source(error: &toml::de::Error, text: &str) -> String {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map(|before| before.matches('\n').count() + 1);
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

fn proxies(
    trusted: Vec<String>,
    certificate: Option<String>,
    verified: Option<String>,
) -> Result<Proxies> {
    let mut networks = Vec::with_capacity(trusted.len());
    for text in &trusted {
        let network = text.trim().parse();
        networks.push(network.with_context(|| format!("--trusted-proxies: {text}"))?);
    }
    let certificate = certificate.as_deref().unwrap_or("Client-Cert");
    let verified = verified.as_deref().unwrap_or("Client-Cert-Verify");
    if certificate.eq_ignore_ascii_case(verified) {
        bail!("--client-cert-header and --client-cert-verify-header must be two headers");
    }
    Proxies::new(networks, (certificate, verified)).context(
        "--client-cert-header and --client-cert-verify-header must be names of HTTP headers",
    )
}

fn base_url(text: &str, option: &str) -> Result<String> {
    let trimmed = text.trim_end_matches('/');
    let authority = trimmed
        .strip_prefix("https://")
        .or_else(|| trimmed.strip_prefix("http://"));
    match authority {
        Some(authority)
            if !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ']) =>
        {
            Ok(trimmed.to_owned())
        }
        _ => bail!(
            "{option} must be a scheme and host, such as https://id.example.com, without a path"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str) -> Result<Options> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vestibule.toml");
        fs::write(&path, text).unwrap();
        let arguments = ServeArguments {
            config: Some(path),
            ..ServeArguments::default()
        };
        arguments.resolve()
    }

    #[test]
    fn the_mail_server_can_stand_in_the_file_and_its_password_is_never_shown() {
        let file = "smtp_url = \"smtps://u:s3cret@mail.example.com\"\nmail_from = \"ID <id@example.com>\"\n";
        let options = with_file(file).unwrap();
        let shown = format!("{options:?} {:?}", options.smtp_server);
        assert!(
            shown.contains("mail.example.com") && !shown.contains("s3cret"),
            "{shown}"
        );
        assert!(options.mail_from.is_some());
        for bad in [
            "smtp_url = \"smtp://u:s3cret@mail.example.com/x\"",
            "smtp_url = \"smtp://u:s3cret@mail.example.com",
            "smtp_url = s3cret",
            "smtp_url = [\"s3cret\"]",
            "smtp-url = \"s3cret\"",
            "mail_from = \"s3cret\"",
        ] {
            let words = format!("{:#} {0:?}", with_file(bad).unwrap_err());
            assert!(!words.contains("s3cret"), "{words}");
        }
        let second = with_file("region = \"x\"\nnonsense = 1\n").unwrap_err();
        assert!(
            second.to_string().contains("line 2: unknown field"),
            "{second}"
        );
    }

    #[test]
    fn proxies_are_addresses_and_headers_have_names() {
        let none = with_file("").unwrap();
        assert!(none.proxies.trusted.is_empty() && none.mtls_url.is_none());
        let some = with_file(
            "trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\nclient_cert_header = \"X-Cert\"\nmtls_url = \"https://mtls.example.com/\"\n",
        );
        let some = some.unwrap();
        assert_eq!(some.proxies.trusted.len(), 2);
        assert_eq!(some.proxies.certificate, "x-cert");
        assert_eq!(some.proxies.verified, "client-cert-verify");
        assert_eq!(some.mtls_url.as_deref(), Some("https://mtls.example.com"));
        for bad in [
            "trusted_proxies = [\"10.0.0.1/8\"]",
            "trusted_proxies = [\"proxy.example.com\"]",
            "trusted_proxies = [\"\"]",
            "client_cert_header = \"a b\"",
            "client_cert_header = \"\"",
            "client_cert_header = \"client-cert-verify\"",
            "mtls_url = \"https://mtls.example.com\"",
            "trusted_proxies = [\"::1\"]\nmtls_url = \"https://mtls.example.com/x\"",
        ] {
            assert!(with_file(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn public_urls_have_no_path() {
        assert_eq!(
            base_url("https://id.example.com/", "--public-url").unwrap(),
            "https://id.example.com"
        );
        for bad in [
            "id.example.com",
            "https://",
            "https://a/b",
            "ftp://a",
            "https://u@a",
        ] {
            assert!(base_url(bad, "--public-url").is_err(), "{bad}");
        }
    }
}

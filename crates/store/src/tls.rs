//! Encryption on the way to PostgreSQL: what `sslmode` and `sslrootcert` of its URL mean here.
//!
//! | `sslmode` | meaning |
//! |---|---|
//! | absent, `disable`, `prefer`, `allow` | none. libpq's `prefer` protects from nobody who can change packets, so it is not imitated |
//! | `require`, `verify-full` | TLS 1.2 or 1.3; the server's certificate is checked and must name the host. (libpq's `require` checks nothing) |
//!
//! Certificates are checked against the machine's, or against those in the PEM file that `sslrootcert` names.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use percent_encoding::percent_decode_str;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use crate::{Error, Result};

/// The driver's configuration and, if the way is to be encrypted, that of TLS.
pub(crate) fn parse(url: &str) -> Result<(Config, Option<ClientConfig>)> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let mut encrypted = false;
    let mut roots = None;
    let mut rest = Vec::new();
    // The driver knows neither `verify-full` nor `sslrootcert`.
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", mode)) => {
                encrypted = match mode {
                    "disable" | "prefer" | "allow" => false,
                    "require" | "verify-full" => true,
                    _ => {
                        return Err(Error::other(
                            "sslmode of the PostgreSQL URL is none of disable, require, verify-full",
                        ));
                    }
                }
            }
            Some(("sslrootcert", path)) => {
                let path = percent_decode_str(path)
                    .decode_utf8()
                    .map_err(|_| Error::other("sslrootcert of the PostgreSQL URL is not UTF-8"))?;
                roots = Some(PathBuf::from(path.as_ref()));
            }
            _ => rest.push(parameter),
        }
    }
    let mut config = Config::from_str(&format!("{address}?{}", rest.join("&")))
        // The driver's words may quote the password.
        .map_err(|_| Error::other("the PostgreSQL URL cannot be read"))?;
    if !encrypted {
        config.ssl_mode(SslMode::Disable);
        if config.get_hosts().iter().any(is_remote) {
            tracing::warn!(
                "the way to PostgreSQL is not encrypted; sslmode=verify-full in its URL encrypts it"
            );
        }
        return Ok((config, None));
    }
    config.ssl_mode(SslMode::Require);
    let roots = match roots {
        Some(path) => roots_of(&path)?,
        None => roots_of_the_machine()?,
    };
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::other(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((config, Some(tls)))
}

fn is_remote(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name != "localhost"
                && !name
                    .parse()
                    .is_ok_and(|address: IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => false,
    }
}

fn roots_of(path: &Path) -> Result<RootCertStore> {
    let unreadable = || {
        Error::other(format!(
            "sslrootcert {} holds no certificates in PEM that can be read",
            path.display()
        ))
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|_| unreadable())?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|_| unreadable())?;
    }
    if roots.is_empty() {
        return Err(unreadable());
    }
    Ok(roots)
}

fn roots_of_the_machine() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // A machine has a few that cannot be read; the others serve.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::other(
            "this machine has no certificates to check PostgreSQL's against: name some with sslrootcert",
        ));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sslmode_decides_and_does_not_reach_the_driver() {
        for (query, encrypted) in [
            ("", false),
            ("?sslmode=disable", false),
            (
                "?application_name=x&sslmode=prefer&connect_timeout=3",
                false,
            ),
            ("?sslmode=disable&sslrootcert=/nowhere", false),
        ] {
            let (config, tls) = parse(&format!("postgres://u:p@db.example/x{query}")).unwrap();
            assert_eq!(tls.is_some(), encrypted, "{query}");
            assert_eq!(config.get_ssl_mode(), SslMode::Disable, "{query}");
            assert_eq!(config.get_dbname(), Some("x"));
        }
    }

    #[test]
    fn what_cannot_be_checked_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "no certificate\n").unwrap();
        for query in [
            "sslmode=maybe".to_owned(),
            "sslmode=verify-ca".to_owned(),
            "sslmode=".to_owned(),
            "sslmode=require&sslrootcert=/nowhere/at%20all.pem".to_owned(),
            format!("sslmode=require&sslrootcert={}", empty.display()),
            "sslmode=verify-full&sslrootcert=%ff".to_owned(),
        ] {
            let refused = parse(&format!("postgres://u:s3cret@db.example/x?{query}"));
            let message = refused.err().unwrap().to_string();
            assert!(
                message.contains("ssl") && !message.contains("s3cret"),
                "{query}: {message}"
            );
        }
    }
}

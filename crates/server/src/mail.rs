//! Which way mail leaves: to the mail server that was named, or into a folder.

use anyhow::{Context, Result};
use vestibule_engine::mail::{Mailer, Outbox, Sender, SmtpMailer};

use crate::options::Options;

/// The mailer that the options ask for.
pub fn mailer(options: &Options, public_url: &str) -> Result<Box<dyn Mailer>> {
    let from = match &options.mail_from {
        Some(from) => from.clone(),
        None => Sender::for_public_url(public_url).context(
            "no sender's address can be made from --public-url; say one with --mail-from",
        )?,
    };
    let Some(server) = &options.smtp_server else {
        let outbox = Outbox::new(options.data_dir.join("outbox"), from);
        tracing::info!(folder = %outbox.folder().display(), "mails are kept here; --smtp-url sends them");
        return Ok(Box::new(outbox));
    };
    if server.is_exposed() {
        tracing::warn!(%server, "the way to the mail server is not encrypted");
    }
    tracing::info!(%server, "mails are sent");
    let mailer =
        SmtpMailer::new(server, from, public_url).context("cannot prepare to send mail")?;
    Ok(Box::new(mailer))
}

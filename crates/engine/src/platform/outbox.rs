//! The mails that are kept on this machine because there is no mail server: for Administrators to read.

use vestibule_model::privilege::PlatformRole;

use super::{Page, Platform};
use crate::{
    Engine, Error, Result,
    mail::{
        LetterId,
        outbox::{KeptMail, KeptText},
    },
};

/// Where mail goes.
pub enum Delivery {
    /// To a mail server; nothing is kept.
    Smtp,
    /// Into the outbox: a page of it, newest first. The next begins with what is older than `next`.
    Outbox(Page<KeptMail>),
}

impl Engine {
    /// A page of the mails kept on this machine, those older than `start`.
    ///
    /// # Errors
    /// `Invalid` when `start` is none that a page gave.
    pub async fn list_outbox(
        &self,
        by: &Platform,
        start: Option<&str>,
        count: u32,
    ) -> Result<Delivery> {
        Self::insist(by, PlatformRole::Administrator)?;
        let Some(outbox) = self.post().mailer().outbox() else {
            return Ok(Delivery::Smtp);
        };
        let before = match start.filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(LetterId::parse(text).ok_or_else(|| {
                Error::invalid("The start of the page is not one that this service gave.")
            })?),
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut rows = outbox.list(before, count).await?;
        let more = rows.len() > count;
        rows.truncate(count);
        let next = rows.last().filter(|_| more).map(|row| row.id.to_string());
        Ok(Delivery::Outbox(Page { rows, next }))
    }

    /// One mail kept on this machine.
    pub async fn show_outbox_mail(&self, by: &Platform, id: &str) -> Result<KeptText> {
        Self::insist(by, PlatformRole::Administrator)?;
        let unknown = || Error::not_found("There is no such mail in the outbox.");
        let id = LetterId::parse(id).ok_or_else(unknown)?;
        let outbox = self.post().mailer().outbox().ok_or_else(unknown)?;
        outbox.show(id).await?.ok_or_else(unknown)
    }
}

//! Reading people for exports: page after page as of one moment, on a thread of its own, as fast as whoever takes the pages.

use std::time::Duration;

use tokio::{runtime::Handle, sync::mpsc, time::timeout};
use vestibule_model::id::TenantId;
use vestibule_store::{
    people::{DirectoryRow, ProfileRow, ProfileScan},
    scope::Tenant,
};

use super::render::RoleTexts;
use crate::{Engine, Error, Result};

/// People of a page.
const PAGE: usize = 500;
/// How long whoever takes the pages may take none.
const STALL: Duration = Duration::from_secs(30);
/// How long one moment is held: meanwhile the log of the database grows.
const MOMENT_SECONDS: i64 = 15 * 60;
/// Pages that wait.
const AHEAD: usize = 2;

/// Who is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Directory users with their profiles' attributes and roles.
    Directory,
    /// Federated users.
    Federated,
    /// Directory users with everything of their profiles.
    Bundled,
    /// Profiles that no directory user has.
    Unattached,
}

/// People in the order of their ids.
pub(super) enum People {
    Directory(Vec<DirectoryRow>),
    Profiles(Vec<ProfileRow>),
}

impl People {
    pub(super) fn last_id(&self) -> Option<&str> {
        match self {
            Self::Directory(rows) => rows.last().map(|row| row.id.as_str()),
            Self::Profiles(rows) => rows.last().map(|row| row.id.as_str()),
        }
    }
}

impl Page {
    /// Its bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let profile = |row: &ProfileRow| {
            let identities: usize = row.identities.iter().map(|i| i.body.len()).sum();
            row.body.len() + row.attributes.len() + identities + 200
        };
        match &self.people {
            People::Directory(rows) => rows
                .iter()
                .map(|row| row.body.len() + 400 + row.profile.as_ref().map_or(0, profile))
                .sum(),
            People::Profiles(rows) => rows.iter().map(profile).sum(),
        }
    }
}

/// A page with what is needed to show it.
pub(super) struct Page {
    pub people: People,
    pub names: std::sync::Arc<RoleTexts>,
    /// Set on the first page of each later moment: the id behind which that begins.
    pub moment_from: Option<String>,
}

impl Engine {
    /// Pages of people behind the id `after`. The receiver ends after the last page; an error is the last thing it yields.
    pub(super) fn scan(
        &self,
        tenant: TenantId,
        who: Who,
        after: String,
    ) -> mpsc::Receiver<Result<Page>> {
        let (pages, taken) = mpsc::channel(AHEAD);
        let engine = self.clone();
        tokio::spawn(async move {
            let mut after = after;
            let mut first = true;
            loop {
                match engine
                    .moment(tenant, who, after.clone(), first, pages.clone())
                    .await
                {
                    Ok(Some(next)) => after = next,
                    Ok(None) => return,
                    Err(error) => {
                        // Whoever has gone does not want it.
                        drop(pages.send(Err(error)).await);
                        return;
                    }
                }
                first = false;
            }
        });
        taken
    }

    /// Reads as of one moment. Answers where to go on if that lasted too long.
    async fn moment(
        &self,
        tenant: TenantId,
        who: Who,
        after: String,
        first: bool,
        pages: mpsc::Sender<Result<Page>>,
    ) -> Result<Option<String>> {
        let until = self.now().plus_seconds(MOMENT_SECONDS);
        let (engine, runtime) = (self.clone(), Handle::current());
        self.store()
            .snapshot(tenant, move |t| {
                let roles = t.list_roles()?;
                let roles = roles
                    .into_iter()
                    .map(|role| (role.id.to_string(), role.name));
                let names = std::sync::Arc::new(RoleTexts::new(roles));
                let mut after = after;
                let mut moment_from = (!first).then(|| after.clone());
                loop {
                    let people = page(t, who, &after)?;
                    let Some(last) = people.last_id() else {
                        return Ok(None);
                    };
                    after = last.to_owned();
                    let page = Page {
                        people,
                        names: std::sync::Arc::clone(&names),
                        moment_from: moment_from.take(),
                    };
                    let sent = runtime.block_on(timeout(STALL, pages.send(Ok(page))));
                    match sent {
                        Ok(Ok(())) => {}
                        // Nobody takes them any more.
                        Ok(Err(_)) => return Ok(None),
                        Err(_) => return Err(stalled()),
                    }
                    if engine.is_stopping() {
                        return Err(Error::busy(
                            "The service is stopping. Go on behind the last user received.",
                        ));
                    }
                    if engine.now() > until {
                        return Ok(Some(after));
                    }
                }
            })
            .await
    }
}

fn page(t: &mut Tenant<'_, '_>, who: Who, after: &str) -> Result<People> {
    let profiles = |t: &mut Tenant<'_, '_>, scan| {
        Ok::<_, Error>(People::Profiles(t.scan_profiles(scan, after, PAGE)?))
    };
    match who {
        Who::Directory => Ok(People::Directory(t.scan_directory_users(after, PAGE)?)),
        Who::Federated => profiles(t, ProfileScan::Federated),
        Who::Unattached => profiles(t, ProfileScan::WithoutDirectoryUser),
        Who::Bundled => {
            let mut rows = t.scan_directory_users(after, PAGE)?;
            t.add_identities_of(rows.iter_mut().filter_map(|row| row.profile.as_mut()))?;
            Ok(People::Directory(rows))
        }
    }
}

fn stalled() -> Error {
    Error::busy("Nobody took what was exported. Go on behind the last user received.")
}

//! Reading people for exports: page after page as of one moment, on a thread of its own, as fast as whoever takes the pages.

use std::sync::Arc;

use tokio::{
    runtime::Handle,
    sync::mpsc::{self, Permit, Sender},
    time::timeout,
};
use vestibule_model::id::TenantId;
use vestibule_store::{
    people::{DirectoryRow, ProfileRow, ProfileScan},
    scope::Tenant,
};

use super::{places::Place, render::RoleTexts};
use crate::{Engine, Error, Result, pace::Pace};

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

impl Who {
    /// Alone.
    pub(super) const fn alone(self) -> &'static [Self] {
        match self {
            Self::Directory => &[Self::Directory],
            Self::Federated => &[Self::Federated],
            Self::Bundled => &[Self::Bundled],
            Self::Unattached => &[Self::Unattached],
        }
    }
}

/// Everybody a bundle holds.
pub(super) const EVERYBODY: &[Who] = &[Who::Bundled, Who::Unattached];

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
    /// Who they are.
    pub who: Who,
    pub names: Arc<RoleTexts>,
    /// Set on the first page of each later moment: the id behind which that begins.
    pub moment_from: Option<String>,
}

/// Where a scan stands.
#[derive(Clone)]
struct At {
    /// Who is still to be read, the first of them behind the id `after`.
    whos: &'static [Who],
    after: String,
    /// Whether nothing was read before.
    first: bool,
}

impl Engine {
    /// Pages of these people, one kind after another and the first behind the id `after`. The receiver ends after the last page; an
    /// error is the last thing it yields. `place` is held while the database is read.
    pub(super) fn scan(
        &self,
        tenant: TenantId,
        whos: &'static [Who],
        after: String,
        place: Option<Place>,
    ) -> mpsc::Receiver<Result<Page>> {
        let (pages, taken) = mpsc::channel(AHEAD);
        let engine = self.clone();
        let place = place.map(Arc::new);
        tokio::spawn(async move {
            let first = true;
            let mut at = At { whos, after, first };
            loop {
                let to = Taker {
                    pages: pages.clone(),
                    place: place.clone(),
                    pace: *engine.pace(),
                };
                match engine.moment(tenant, at, to).await {
                    Ok(Some(next)) => at = next,
                    Ok(None) => return,
                    Err(error) => {
                        // Whoever takes the pages may be long in coming back for this.
                        drop(place);
                        // And whoever has gone does not want it.
                        drop(pages.send(Err(error)).await);
                        return;
                    }
                }
            }
        });
        taken
    }

    /// Reads as of one moment. Answers where to go on if that lasted too long.
    async fn moment(&self, tenant: TenantId, at: At, to: Taker) -> Result<Option<At>> {
        let until = self.now().plus_seconds(to.pace.moment_seconds());
        let (engine, runtime) = (self.clone(), Handle::current());
        self.store()
            .snapshot(tenant, move |t| {
                let roles = t.list_roles()?;
                let roles = roles
                    .into_iter()
                    .map(|role| (role.id.to_string(), role.name));
                let names = Arc::new(RoleTexts::new(roles));
                let mut at = at;
                let mut moment_from = (!at.first).then(|| at.after.clone());
                at.first = false;
                while let Some((who, others)) = at.whos.split_first() {
                    let people = page(t, *who, &at.after, to.pace.page)?;
                    let Some(last) = people.last_id() else {
                        at.whos = others;
                        at.after.clear();
                        continue;
                    };
                    at.after = last.to_owned();
                    let page = Page {
                        people,
                        who: *who,
                        names: Arc::clone(&names),
                        moment_from: moment_from.take(),
                    };
                    match runtime.block_on(to.room())? {
                        Some(room) => room.send(Ok(page)),
                        // Nobody takes them any more.
                        None => return Ok(None),
                    }
                    if engine.is_stopping() {
                        return Err(Error::busy(
                            "The service is stopping. Go on behind the last user received.",
                        ));
                    }
                    if engine.now() > until {
                        return Ok(Some(at));
                    }
                }
                Ok(None)
            })
            .await
    }
}

/// Whoever takes the pages.
struct Taker {
    pages: Sender<Result<Page>>,
    place: Option<Arc<Place>>,
    pace: Pace,
}

impl Taker {
    /// Room for the next page; none when nobody takes pages any more.
    ///
    /// # Errors
    /// 503 when they are taken too slowly.
    async fn room(&self) -> Result<Option<Permit<'_, Result<Page>>>> {
        let Pace {
            stall, courtesy, ..
        } = self.pace;
        if let Ok(room) = timeout(courtesy.min(stall), self.pages.reserve()).await {
            return Ok(room.ok());
        }
        let idle = self.place.as_ref().map(|place| place.idle());
        let lost = async {
            match &self.place {
                Some(place) => place.lost().await,
                None => std::future::pending().await,
            }
        };
        let room = tokio::select! {
            room = timeout(stall.saturating_sub(courtesy), self.pages.reserve()) => {
                room.map_err(|_| stalled())
            }
            () = lost => Err(Error::busy(
                "What was exported was taken so slowly that another export has its place. Go on behind the last user received.",
            )),
        };
        drop(idle);
        Ok(room?.ok())
    }
}

fn page(t: &mut Tenant<'_, '_>, who: Who, after: &str, most: usize) -> Result<People> {
    let profiles = |t: &mut Tenant<'_, '_>, scan| {
        Ok::<_, Error>(People::Profiles(t.scan_profiles(scan, after, most)?))
    };
    match who {
        Who::Directory => Ok(People::Directory(t.scan_directory_users(after, most)?)),
        Who::Federated => profiles(t, ProfileScan::Federated),
        Who::Unattached => profiles(t, ProfileScan::WithoutDirectoryUser),
        Who::Bundled => {
            let mut rows = t.scan_directory_users(after, most)?;
            t.add_identities_of(rows.iter_mut().filter_map(|row| row.profile.as_mut()))?;
            Ok(People::Directory(rows))
        }
    }
}

fn stalled() -> Error {
    Error::busy("Nobody took what was exported. Go on behind the last user received.")
}

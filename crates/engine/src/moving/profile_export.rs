//! `users/export`: known profiles of all providers but the directory.

use vestibule_model::object::RawObject;

use crate::{
    Engine, Page, Result,
    access::Manager,
    profile::{ProfileView, with_details},
};

/// A page of an export.
#[derive(Debug)]
pub struct ProfileExport {
    /// The users of this page, in order of creation.
    pub users: Vec<RawObject>,
    /// How many there are in all.
    pub total: usize,
}

impl Engine {
    /// Known users of all providers except Cloud Directory. Anonymous and future users stay behind.
    pub async fn export_profiles(&self, manager: &Manager, page: Page) -> Result<ProfileExport> {
        let (views, total) = self
            .store()
            .read(manager.tenant(), move |t| {
                let (profiles, total) = t.list_federated_profiles(page)?;
                Ok::<_, crate::Error>((with_details(t, profiles)?, total))
            })
            .await?;
        let users = views
            .iter()
            .map(ProfileView::to_object)
            .collect::<Result<_>>()?;
        Ok(ProfileExport { users, total })
    }
}

//! How applications show themselves on pages for people: picture, privacy policy, terms (OpenID Connect Dynamic Client Registration
//! section 2).

use url::Url;
use vestibule_model::id::{ClientId, TenantId};

use super::authorization::application;
use crate::{
    Engine, Error, Result,
    fetch::Picture,
    tenant::{ApplicationState, TenantState},
};

/// What a page shows of an application beside its name.
#[derive(Debug, Default)]
pub struct Presentation {
    /// Whose picture there is, if there is one.
    pub logo: Option<ClientId>,
    /// Where it says what it does with what it learns.
    pub policy_uri: Option<String>,
    /// Its terms.
    pub tos_uri: Option<String>,
}

impl Engine {
    /// The picture of an application.
    ///
    /// # Errors
    /// `NotFound` when it has none, or none that may be shown, or it cannot be had.
    pub async fn logo(&self, tenant: TenantId, client: &str) -> Result<Picture> {
        let missing = || Error::not_found("There is no such picture.");
        let state = self.tenant(tenant).await?;
        let found = application(&state, client).map_err(|_| missing())?;
        let address = self.logo_of(found).ok_or_else(missing)?;
        self.picture(address).await.ok_or_else(missing)
    }

    /// What a page shows of an application.
    pub(super) fn presentation(&self, state: &TenantState, client: ClientId) -> Presentation {
        let Some(found) = state.applications.get(&client) else {
            return Presentation::default();
        };
        let metadata = &found.application.metadata;
        Presentation {
            logo: self.logo_of(found).map(|_| client),
            policy_uri: metadata.policy_uri.clone(),
            tos_uri: metadata.tos_uri.clone(),
        }
    }

    /// Where the picture of an application is, if it may be shown. One that nobody vouches for shows what stands on a host that it
    /// returns to, so that it does not pass for another by that one's picture (section 9.1).
    fn logo_of<'a>(&self, found: &'a ApplicationState) -> Option<&'a str> {
        let metadata = &found.application.metadata;
        let address = metadata.logo_uri.as_deref()?;
        let url = Url::parse(address).ok()?;
        let host = url.host_str()?;
        let listed = || self.settings().fetch_from.iter().any(|one| one == host);
        let own = |redirect: &String| {
            Url::parse(redirect).is_ok_and(|redirect| redirect.host_str() == Some(host))
        };
        let shown = (url.scheme() == "https" || listed())
            && (!found.is_third_party() || metadata.redirect_uris.iter().any(own));
        shown.then_some(address)
    }
}

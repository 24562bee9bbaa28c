//! Refresh tokens: each works once, and who shows a used one ends the whole family (RFC 9700 section 4.14.2).

use vestibule_crypto::token::TokenHash;
use vestibule_model::{
    family::idps::CloudDirectory,
    id::GrantId,
    profile::{ANONYMOUS, CLOUD_DIRECTORY},
};
use vestibule_store::runtime::Rotated;
use vestibule_wire::token::TokenAnswer;

use super::{ClientRequest, basis::Basis, invalid_grant, person::Person, token::required};
use crate::{
    Engine, Error, Result,
    tenant::{ApplicationState, TenantState},
};

/// What showing a refresh token led to.
enum Renewal {
    Renewed(Box<(Person, Basis, GrantId)>),
    /// It had been used before.
    Reused(GrantId),
    Refused,
}

impl Engine {
    /// New tokens for a refresh token, which is replaced.
    pub(super) async fn renew(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        request: &ClientRequest<'_>,
    ) -> Result<TokenAnswer> {
        let jkt = self
            .shown_key(state, (application, request.possession))
            .await?;
        let keeps_secrets = !application.is_public();
        let shown = TokenHash::of(required(request, "refresh_token")?);
        let client = application.application.client_id;
        let fresh = self
            .new_refresh(state, application, CLOUD_DIRECTORY)
            .ok_or_else(refused)?;
        let (stored, now) = (fresh.stored(), self.now());
        let wish = self.wish(state, request.form)?;
        let renewal = self
            .store()
            .write::<_, Error>(state.id, move |t| {
                let token = match t.rotate_refresh_token(shown.as_str(), now)? {
                    Rotated::Now(token) => token,
                    Rotated::Before(token) => return Ok(Renewal::Reused(token.grant)),
                    Rotated::Unknown => return Ok(Renewal::Refused),
                };
                let grant = t
                    .find_grant(token.grant)?
                    .filter(|grant| grant.revoked_at.is_none());
                let Some(grant) = grant else {
                    return Ok(Renewal::Refused);
                };
                if token.client != client || token.expires_at <= now {
                    return Ok(Renewal::Refused);
                }
                let mut basis = Basis::parse(&grant.body);
                // Without a secret the key is what the token is bound to; with one the key may have changed, but not gone away.
                let proven = match &basis.jkt {
                    Some(_) if keeps_secrets => jkt.is_some(),
                    Some(before) => jkt.as_ref() == Some(before),
                    None => true,
                };
                if !proven {
                    return Ok(Renewal::Refused);
                }
                basis.jkt = jkt;
                // An error leaves the token as it was.
                wish.narrow(&mut basis)?;
                let Some(person) = Person::find(t, token.profile, &basis.provider)? else {
                    return Ok(Renewal::Refused);
                };
                stored.keep(t, (grant.id, client), &person, now)?;
                t.extend_grant(grant.id, stored.expires_at)?;
                Ok(Renewal::Renewed(Box::new((person, basis, grant.id))))
            })
            .await?;
        match renewal {
            Renewal::Renewed(renewed) => {
                let (person, basis, grant) = *renewed;
                self.still_welcome(state, &person)?;
                let extras = (None, Some(fresh));
                self.answer(state, (client, grant), (&person, &basis), extras)
            }
            Renewal::Reused(grant) => {
                self.end_grant(state.id, grant).await?;
                Err(refused())
            }
            Renewal::Refused => Err(refused()),
        }
    }

    /// Whether someone who signed in earlier may have new tokens now.
    pub(super) fn still_welcome(&self, state: &TenantState, person: &Person) -> Result<()> {
        match (&person.user, person.provider.as_str()) {
            (_, ANONYMOUS) => Ok(()),
            (Some(user), CLOUD_DIRECTORY) => {
                let config = state.config.get::<CloudDirectory>();
                self.may_sign_in(&config, user)
                    .map_err(|error| invalid_grant(error.public))
            }
            (None, CLOUD_DIRECTORY) => Err(refused()),
            _ => Ok(()),
        }
    }
}

fn refused() -> Error {
    invalid_grant("The refresh token is not valid.")
}

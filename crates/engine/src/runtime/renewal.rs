//! Refresh tokens: each works once, and who shows a used one ends the whole family (RFC 9700 section 4.14.2). Two exceptions: an answer
//! that was lost can be asked for again at once, and where only a key can use them they stay as they are (FAPI 2.0 security profile,
//! section 5.3.2.1).

use vestibule_crypto::token::TokenHash;
use vestibule_model::{
    family::idps::CloudDirectory,
    id::GrantId,
    profile::{ANONYMOUS, CLOUD_DIRECTORY},
    time::Timestamp,
};
use vestibule_store::{runtime::Rotated, scope::Tenant};
use vestibule_wire::token::TokenAnswer;

use super::{ClientRequest, basis::Basis, invalid_grant, person::Person, token::required};
use crate::{
    Engine, Error, Result,
    tenant::{ApplicationState, TenantState},
};

/// Seconds within which a token may be shown again whose successor was never used: the answer was lost.
const RETRY: i64 = 10;

/// What showing a refresh token led to.
enum Renewal {
    Renewed(Box<(Person, Basis, GrantId)>),
    /// It had been used before.
    Reused(GrantId),
}

impl Engine {
    /// New tokens for a refresh token, which is replaced.
    pub(super) async fn renew(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        request: &ClientRequest<'_>,
    ) -> Result<TokenAnswer> {
        let holds = self
            .shown_key(state, (application, request.possession))
            .await?;
        let keeps_secrets = !application.is_public();
        let shown = TokenHash::of(required(request, "refresh_token")?);
        let client = application.application.client_id;
        let fresh = self
            .new_refresh(state, application, CLOUD_DIRECTORY)
            .ok_or_else(refused)?;
        let (stored, now) = (fresh.stored(), self.now());
        let rotates = state.demands.refresh_rotation;
        let wish = self.wish(state, request.form)?;
        let renewal = self
            .store()
            .write::<_, Error>(state.id, move |t| {
                let token = match use_token(t, shown.as_str(), (now, rotates))? {
                    Rotated::Now(token) | Rotated::Lately(token) => token,
                    Rotated::Before(token) => return Ok(Renewal::Reused(token.grant)),
                    Rotated::Unknown => return Err(refused()),
                };
                let grant = t
                    .find_grant(token.grant)?
                    .filter(|grant| grant.revoked_at.is_none());
                // From here on an error leaves the token as it was: nobody uses up what is not theirs.
                let Some(grant) = grant else {
                    return Err(refused());
                };
                if token.client != client || token.expires_at <= now {
                    return Err(refused());
                }
                let mut basis = Basis::parse(&grant.body);
                // Without a secret key and certificate are what the token is bound to (RFC 8705 section 4); with one they may have
                // changed, but not gone away.
                let proven = |before: &Option<String>, now: &Option<String>| match before {
                    Some(_) if keeps_secrets => now.is_some(),
                    Some(_) => now == before,
                    None => true,
                };
                let before = &basis.bound;
                if !proven(&before.jkt, &holds.jkt) || !proven(&before.x5t, &holds.x5t) {
                    return Err(refused());
                }
                basis.bound = holds;
                wish.narrow(&mut basis)?;
                let Some(person) = Person::find(t, token.profile, &basis.provider)? else {
                    return Err(refused());
                };
                if rotates {
                    stored.keep(t, (grant.id, client), &person, now)?;
                } else if !t.extend_refresh_token(shown.as_str(), stored.expires_at)? {
                    return Ok(Renewal::Reused(grant.id));
                }
                t.extend_grant(grant.id, stored.expires_at)?;
                Ok(Renewal::Renewed(Box::new((person, basis, grant.id))))
            })
            .await?;
        match renewal {
            Renewal::Renewed(renewed) => {
                let (person, basis, grant) = *renewed;
                self.still_welcome(state, &person)?;
                let extras = (None, rotates.then_some(fresh));
                self.answer(state, (client, grant), (&person, &basis), extras)
            }
            Renewal::Reused(grant) => {
                self.end_grant(state.id, grant).await?;
                Err(refused())
            }
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

/// Uses a token up if tokens are replaced, else looks it up.
fn use_token(
    t: &mut Tenant<'_, '_>,
    shown: &str,
    (now, rotates): (Timestamp, bool),
) -> Result<Rotated> {
    if rotates {
        return Ok(t.rotate_refresh_token(shown, now, now.plus_seconds(-RETRY))?);
    }
    Ok(match t.find_refresh_token(shown)? {
        Some(token) => Rotated::Now(token),
        None => Rotated::Unknown,
    })
}

fn refused() -> Error {
    invalid_grant("The refresh token is not valid.")
}

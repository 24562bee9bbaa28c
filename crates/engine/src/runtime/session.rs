//! Browsers that stay signed in (contract/runtime.md section 6.9, OpenID Connect Core section 3.1.2.3).
//!
//! A browser holds 256 random bits in a cookie of the instance; the database holds their hash. Each sign-in makes a new session, so
//! that nobody can plant one (session fixation), and each use of it puts its end off.

use vestibule_crypto::token::{PlainToken, TokenHash};
use vestibule_model::{family::sso::SsoConfig, id::ProfileId, time::Timestamp};
use vestibule_store::{scope::Tenant, session::Session};

use super::{basis::Basis, person::Person};
use crate::{Engine, Error, Result, tenant::TenantState};

/// What a request says of the browser that sent it.
#[derive(Debug, Clone, Copy)]
pub struct Browser<'a> {
    /// Tells it apart from others; no proof of anything.
    pub id: &'a str,
    /// What its cookie of this instance says, if it has one.
    pub session: Option<&'a str>,
    /// Whether it goes there, or does not say: not for a picture, a script or a frame of some page.
    pub navigates: bool,
}

/// What the browser is to keep.
#[derive(Debug)]
pub enum SessionCookie {
    /// A session, made just now or before.
    Keep {
        /// What opens it.
        secret: PlainToken,
        /// What scripts of ours may read, so that applications notice another session; opens nothing.
        state: String,
        /// Seconds that it lasts after its last use.
        seconds: i64,
    },
    /// None any more.
    Forget,
}

/// A session that is good now.
pub(super) struct SignedIn {
    pub(super) secret: PlainToken,
    pub(super) hash: TokenHash,
    pub(super) sid: String,
    pub(super) profile: ProfileId,
    pub(super) basis: Basis,
    pub(super) auth_at: Timestamp,
}

/// A session to be made or used in the transaction that uses it.
pub(super) enum SessionUse {
    None,
    Make(Box<Session>, TokenHash),
    Extend(TokenHash, Timestamp),
}

impl SessionUse {
    /// The session that is made or used.
    pub(super) fn hash(&self) -> Option<&TokenHash> {
        match self {
            Self::None => None,
            Self::Make(_, hash) | Self::Extend(hash, _) => Some(hash),
        }
    }

    /// Does it. False when a session that was to be used has ended meanwhile.
    pub(super) fn apply(&self, t: &mut Tenant<'_, '_>) -> Result<bool> {
        match self {
            Self::None => Ok(true),
            Self::Make(session, hash) => {
                t.insert_session(hash.as_str(), session)?;
                Ok(true)
            }
            Self::Extend(hash, until) => Ok(t.extend_session(hash.as_str(), *until)?),
        }
    }
}

impl Engine {
    /// What a browser keeps of a session with this secret and this name.
    pub(super) fn kept(
        &self,
        state: &TenantState,
        (secret, sid): (PlainToken, &str),
    ) -> SessionCookie {
        SessionCookie::Keep {
            secret,
            state: self.browser_state(state.id, sid),
            seconds: state.config.get::<SsoConfig>().inactivity_timeout_seconds,
        }
    }

    /// The session of a browser, if it has one that is good: not idle for too long, of somebody who may still sign in.
    pub(super) async fn signed_in(
        &self,
        state: &TenantState,
        secret: Option<&str>,
    ) -> Result<Option<SignedIn>> {
        let Some(secret) = secret.filter(|_| state.config.get::<SsoConfig>().is_active) else {
            return Ok(None);
        };
        let hash = TokenHash::of(secret);
        let (asked, now) = (hash.clone(), self.now());
        let found = self
            .store()
            .read::<_, Error>(state.id, move |t| {
                let Some(session) = t.find_session(asked.as_str())? else {
                    return Ok(None);
                };
                if session.expires_at <= now {
                    return Ok(None);
                }
                let basis = Basis::parse(&session.body);
                let person = Person::find(t, session.profile, &basis.provider)?;
                Ok(person.map(|person| (session, basis, person)))
            })
            .await?;
        let Some((session, basis, person)) = found else {
            return Ok(None);
        };
        Ok(self
            .still_welcome(state, &person)
            .is_ok()
            .then_some(SignedIn {
                secret: PlainToken::new(secret.to_owned()),
                hash,
                sid: session.sid,
                profile: session.profile,
                basis,
                auth_at: session.auth_at,
            }))
    }

    /// A session for somebody who has just signed in, if the instance keeps them: what to write, and what the browser keeps. `sid` is
    /// what applications call it.
    pub(super) fn new_session(
        &self,
        state: &TenantState,
        profile: ProfileId,
        basis: &Basis,
        now: Timestamp,
    ) -> Result<Option<(SessionUse, SessionCookie, String)>> {
        let config = state.config.get::<SsoConfig>();
        if !config.is_active {
            return Ok(None);
        }
        let secret = PlainToken::generate(self.random());
        let sid = vestibule_crypto::random::token(self.random(), 16);
        let seconds = config.inactivity_timeout_seconds;
        let session = Session {
            sid: sid.clone(),
            profile,
            body: basis.to_text()?,
            auth_at: now,
            expires_at: now.plus_seconds(seconds),
        };
        let hash = secret.hash();
        Ok(Some((
            SessionUse::Make(Box::new(session), hash),
            self.kept(state, (secret, &sid)),
            sid,
        )))
    }

    /// Ends the session of a browser; all sessions of its person where asked for. The applications where it was used are told;
    /// answers what frames of a page have to load for that.
    pub(super) async fn end_session(
        &self,
        state: &TenantState,
        secret: &str,
        everywhere: bool,
    ) -> Result<Vec<String>> {
        let hash = TokenHash::of(secret);
        let ended = self
            .store()
            .write::<_, Error>(state.id, move |t| {
                let Some(session) = t.find_session(hash.as_str())? else {
                    return Ok(None);
                };
                let one = (!everywhere).then(|| hash.as_str());
                let used = t.list_session_clients(session.profile, one)?;
                if everywhere {
                    t.delete_profile_sessions(session.profile)?;
                }
                t.delete_session(hash.as_str())?;
                Ok(Some((session.profile, used)))
            })
            .await?;
        match ended {
            Some((profile, used)) => self.bid_farewell(state, profile, &used),
            None => Ok(Vec::new()),
        }
    }
}

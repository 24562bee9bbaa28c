//! Key sets of clients that stand elsewhere (`jwks_uri`), remembered for a while.

use std::sync::Arc;

use tokio::sync::Mutex;
use vestibule_crypto::jose::JwkSet;
use vestibule_model::time::Timestamp;

use super::FetchError;
use crate::Engine;

/// Seconds that a key set is good for.
const FRESH: i64 = 600;
/// Seconds before it is asked for again because it lacks a key, or because asking failed.
const AGAIN: i64 = 60;

/// A key set as it was when it was last asked for. Whoever needs it while it is asked for waits for the same answer.
#[derive(Default)]
pub(crate) struct KeptKeys(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    set: Option<(Arc<JwkSet>, Timestamp)>,
    asked: Option<Timestamp>,
}

/// What a key set is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// Whatever it holds.
    Any,
    /// The key of this id.
    Key(&'a str),
    /// The key of this certificate, in DER.
    Certificate(&'a [u8]),
}

impl Engine {
    /// The key set at an address. One that lacks what is wanted is asked for again, once a minute at most.
    pub(crate) async fn key_set(
        &self,
        address: &str,
        wanted: Wanted<'_>,
    ) -> Result<Arc<JwkSet>, FetchError> {
        let kept = self
            .outbound()
            .key_sets
            .get_with(address.to_owned(), Arc::default);
        let mut kept = kept.0.lock().await;
        let now = self.now();
        let within = |then: Timestamp, seconds| now < then.plus_seconds(seconds);
        let recent = kept.asked.is_some_and(|asked| within(asked, AGAIN));
        let fresh = kept
            .set
            .as_ref()
            .filter(|(_, at)| within(*at, FRESH))
            .map(|(set, _)| Arc::clone(set));
        let holds = |set: &JwkSet| match wanted {
            Wanted::Any => true,
            Wanted::Key(kid) => set
                .keys()
                .iter()
                .any(|key| key.jwk().kid.as_deref() == Some(kid)),
            Wanted::Certificate(der) => set.certificates().iter().any(|one| one == der),
        };
        match &fresh {
            Some(set) if recent || holds(set) => return Ok(Arc::clone(set)),
            None if recent => return Err(FetchError::Useless("it failed a moment ago")),
            _ => {}
        }
        kept.asked = Some(now);
        match self.fetch_key_set(address).await {
            Ok(set) => {
                kept.set = Some((Arc::clone(&set), now));
                Ok(set)
            }
            // What there is serves until it is too old: a client is not shut out because somebody asked with an unknown key.
            Err(error) => fresh.ok_or(error),
        }
    }

    async fn fetch_key_set(&self, address: &str) -> Result<Arc<JwkSet>, FetchError> {
        let body = self.fetch(address).await?;
        let text = std::str::from_utf8(&body).map_err(|_| FetchError::Useless("it is not text"))?;
        let set = JwkSet::parse(text).map_err(|_| FetchError::Useless("it is no key set"))?;
        Ok(Arc::new(set))
    }
}

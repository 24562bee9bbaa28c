//! Requests that the service itself sends to addresses that clients name: their key sets, sector lists, signed requests and logout
//! addresses.
//!
//! A client must not make the service talk to what only the service can reach (server-side request forgery). So: `https` only, no
//! redirects, no proxy; the host is resolved here, every address of it must be one of the public internet, and the connection goes to
//! just those addresses. Hosts that the operator lists (`--fetch-from`) may be private and may speak plain `http`.

mod address;
mod keys;
mod pictures;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use moka::sync::Cache;
use reqwest::{Client, Response, redirect::Policy};
use tokio::{
    net::lookup_host,
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, SemaphorePermit},
};
use url::{Host, Url};

pub(crate) use self::keys::Wanted;
pub use self::pictures::Picture;
use self::{keys::KeptKeys, pictures::KeptPicture};
use crate::Engine;

/// How long one request may take, answer included.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of an answer that are read.
const MOST_BYTES: usize = 64 << 10;
/// What is asked for: key sets, lists, signed requests.
const ACCEPTED: &str =
    "application/json, application/jwk-set+json, application/oauth-authz-req+jwt, application/jwt";
/// Most such requests of this process at one time.
const MOST_AT_ONCE: usize = 32;
/// Most of them to one host: slow ones keep nobody from others.
const MOST_AT_ONE_HOST: usize = 4;
/// Most messages that wait to be told beside requests. More are dropped: memory is bounded.
const MOST_WAITING: usize = 1000;
/// Most key sets, hosts and addresses that are asked in turn, that are remembered.
const MOST_KEY_SETS: u64 = 10_000;
/// Most pictures that are remembered: 16 MB.
const MOST_PICTURES: u64 = 256;
/// Most pictures that are fetched at one time.
const MOST_PICTURES_AT_ONCE: usize = 8;

/// Why something could not be had from elsewhere. For the log: callers learn only that it failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// Not an address that the service goes to.
    #[error("the service does not go to {0}")]
    Forbidden(String),
    /// Nobody there, or not in time.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// Not a success.
    #[error("the answer was {0}")]
    Status(u16),
    /// More than is read, or not what was asked for.
    #[error("the answer is of no use: {0}")]
    Useless(&'static str),
}

/// What the process remembers of elsewhere.
pub(crate) struct Outbound {
    slots: Semaphore,
    /// What each host may have of them.
    shares: Cache<String, Arc<Semaphore>>,
    /// Places for what is told to applications beside requests.
    pub(crate) farewells: Arc<Semaphore>,
    key_sets: Cache<String, Arc<KeptKeys>>,
    pictures: Cache<String, Arc<KeptPicture>>,
    picture_slots: Semaphore,
    /// Addresses that are asked by one at a time.
    turns: Cache<String, Arc<Mutex<()>>>,
}

impl Outbound {
    pub(crate) fn new() -> Self {
        Self {
            slots: Semaphore::new(MOST_AT_ONCE),
            shares: Cache::new(MOST_KEY_SETS),
            farewells: Arc::new(Semaphore::new(MOST_WAITING)),
            key_sets: Cache::new(MOST_KEY_SETS),
            pictures: Cache::new(MOST_PICTURES),
            picture_slots: Semaphore::new(MOST_PICTURES_AT_ONCE),
            turns: Cache::new(MOST_KEY_SETS),
        }
    }

    /// A place for a request to the host of an address, as soon as there is one.
    async fn place(&self, address: &str, patience: Duration) -> Result<Place<'_>, FetchError> {
        let url = Url::parse(address).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let share = self.shares.get_with(host.to_owned(), || {
            Arc::new(Semaphore::new(MOST_AT_ONE_HOST))
        });
        let taking = async { (share.acquire_owned().await, self.slots.acquire().await) };
        match tokio::time::timeout(patience, taking).await {
            Ok((Ok(share), Ok(slot))) => Ok(Place {
                _share: share,
                _slot: slot,
            }),
            _ => Err(FetchError::Useless("too much is asked for at once")),
        }
    }
}

/// A place for one request, until it is dropped.
struct Place<'a> {
    _share: OwnedSemaphorePermit,
    _slot: SemaphorePermit<'a>,
}

impl Engine {
    /// What stands at an address.
    pub(crate) async fn fetch(&self, address: &str) -> Result<Vec<u8>, FetchError> {
        self.fetch_as(address, ACCEPTED).await
    }

    /// What stands at an address, of these media types if its host minds.
    async fn fetch_as(&self, address: &str, accept: &str) -> Result<Vec<u8>, FetchError> {
        let _place = self.outbound().place(address, PATIENCE).await?;
        let (client, url) = self.reach(address).await?;
        let sent = client.get(url).header("accept", accept).send().await;
        let mut answer = successful(sent)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(&error))? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(FetchError::Useless("it is larger than 64 kB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The same, one request at a time for each address: whoever makes people ask for what answers slowly takes no place from others.
    pub(crate) async fn fetch_in_turn(&self, address: &str) -> Result<Vec<u8>, FetchError> {
        let turn = self
            .outbound()
            .turns
            .get_with(address.to_owned(), Arc::default);
        let _turn = tokio::time::timeout(PATIENCE, turn.lock())
            .await
            .map_err(|_| FetchError::Useless("it is asked too often"))?;
        self.fetch(address).await
    }

    /// Posts a form of one member to an address. What is answered is not read.
    pub(crate) async fn send_form(
        &self,
        address: &str,
        (name, value): (&str, &str),
    ) -> Result<(), FetchError> {
        let _place = self.outbound().place(address, PATIENCE).await?;
        let (client, url) = self.reach(address).await?;
        let sent = client.post(url).form(&[(name, value)]).send().await;
        successful(sent).map(drop)
    }

    /// A client that reaches the host of this address, and nothing else, at addresses that were looked at.
    async fn reach(&self, address: &str) -> Result<(Client, Url), FetchError> {
        let refused = || FetchError::Forbidden(address.chars().take(200).collect());
        let url = Url::parse(address).map_err(|_| refused())?;
        let (host, name) = match (url.host(), url.host_str()) {
            (Some(host), Some(name)) => (host, name.to_owned()),
            _ => return Err(refused()),
        };
        let listed = self.settings().fetch_from.contains(&name);
        if url.scheme() != "https" && !(listed && url.scheme() == "http") {
            return Err(refused());
        }
        let port = url.port_or_known_default().ok_or_else(refused)?;
        let addresses: Vec<SocketAddr> = match host {
            Host::Ipv4(ip) => vec![(ip, port).into()],
            Host::Ipv6(ip) => vec![(ip, port).into()],
            Host::Domain(domain) => tokio::time::timeout(PATIENCE, lookup_host((domain, port)))
                .await
                .map_err(|_| {
                    FetchError::Unreachable(String::from("the name is not resolved in time"))
                })?
                .map_err(|error| unreachable(&error))?
                .collect(),
        };
        let public = |at: &SocketAddr| address::is_public(at.ip());
        if addresses.is_empty() || (!listed && !addresses.iter().all(public)) {
            return Err(refused());
        }
        let client = Client::builder()
            .resolve_to_addrs(&name, &addresses)
            .redirect(Policy::none())
            .no_proxy()
            .https_only(!listed)
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            .pool_max_idle_per_host(0)
            .user_agent("vestibule")
            .build()
            .map_err(|error| unreachable(&error))?;
        Ok((client, url))
    }
}

fn successful(sent: reqwest::Result<Response>) -> Result<Response, FetchError> {
    let answer = sent.map_err(|error| unreachable(&error))?;
    if answer.status().is_success() {
        Ok(answer)
    } else {
        Err(FetchError::Status(answer.status().as_u16()))
    }
}

fn unreachable(error: &dyn std::error::Error) -> FetchError {
    FetchError::Unreachable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_host_takes_no_place_from_others() {
        let outbound = Outbound::new();
        let mut taken = Vec::new();
        for n in 0..MOST_AT_ONE_HOST {
            let address = format!("https://slow.example:{}/{n}", 1000 + n);
            taken.push(outbound.place(&address, PATIENCE).await.unwrap());
        }
        let refused = outbound.place("https://SLOW.example/", PATIENCE).await;
        assert!(matches!(refused, Err(FetchError::Useless(_))));
        let other = outbound.place("https://other.example/", PATIENCE).await;
        assert!(other.is_ok());
        drop(taken);
        assert!(
            outbound
                .place("https://slow.example/", PATIENCE)
                .await
                .is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let outbound = Outbound::new();
        let mut taken = Vec::new();
        for n in 0..MOST_AT_ONCE {
            let address = format!("https://a{n}.example/");
            taken.push(outbound.place(&address, PATIENCE).await.unwrap());
        }
        for _ in 0..10 {
            assert!(
                outbound
                    .place("https://late.example/", PATIENCE)
                    .await
                    .is_err()
            );
        }
        // Who waited in vain holds nothing.
        taken.pop();
        assert!(
            outbound
                .place("https://late.example/", PATIENCE)
                .await
                .is_ok()
        );
    }
}

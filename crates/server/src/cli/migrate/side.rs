//! One side of a move: a service, an instance there, and the key to it.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cli::{
    client::{Client, address, refusal},
    key_in_environment, key_on_line, profile,
};

/// An instance of a service, as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Address of the service.
    pub url: String,
    /// Name, GUID or CRN.
    pub instance: String,
}

impl Place {
    /// Reads `URL:INSTANCE`.
    pub fn parse(text: &str) -> Result<Self> {
        let divided = match text.find(":crn:") {
            // A CRN is full of colons.
            Some(at) => Some((text.get(..at), text.get(at + 1..))),
            None => text
                .rsplit_once(':')
                .map(|(url, instance)| (Some(url), Some(instance))),
        };
        let (url, instance) = match divided {
            Some((Some(url), Some(instance))) => (url, instance),
            _ => bail!("{text:?} names no instance: it is URL:INSTANCE"),
        };
        let authority = url
            .rsplit_once("://")
            .map_or("", |(_, authority)| authority);
        let has_port = authority
            .rsplit(']')
            .next()
            .unwrap_or_default()
            .contains(':');
        let digits = instance.bytes().all(|b| b.is_ascii_digit());
        let nothing = authority.is_empty() || instance.is_empty();
        if nothing || instance.ends_with(']') || (digits && !has_port) {
            bail!("{text:?} names no instance behind the address: it is URL:INSTANCE");
        }
        Ok(Self {
            url: address(url)?,
            instance: instance.to_owned(),
        })
    }
}

impl Place {
    /// As it is written.
    pub fn text(&self) -> String {
        format!("{}:{}", self.url, self.instance)
    }
}

/// What the command line says of a side's key.
pub struct Given<'a> {
    /// The key.
    pub key: Option<&'a str>,
    /// A file that holds it.
    pub file: Option<&'a Path>,
    /// A profile that holds it.
    pub profile: Option<&'a str>,
}

/// One side of a move.
pub struct Side {
    /// `source` or `target`.
    pub name: &'static str,
    /// The service.
    pub client: Client,
    /// The instance.
    pub guid: String,
    /// Its name.
    pub title: String,
}

impl Side {
    /// Signs in, finds the instance and sees to it that this key may move it. `shared` says that both sides are at one address.
    pub async fn open(
        name: &'static str,
        variable: &str,
        place: &Place,
        given: &Given<'_>,
        shared: bool,
    ) -> Result<Self> {
        let opened = async {
            let key = key_of(variable, place, given, shared)?;
            let client = Client::new(&place.url, &key)?;
            client.token().await?;
            let (guid, title) = find(&client, &place.instance).await?;
            let side = Self {
                name,
                guid,
                title,
                client,
            };
            let jobs = side.path("jobs");
            side.client
                .get(&jobs, &[("count", "1")])
                .await
                .context("this API key has to have the role Manager there")?;
            Ok::<_, anyhow::Error>(side)
        };
        opened
            .await
            .with_context(|| format!("the {name}, {} at {}", place.instance, place.url))
    }

    /// A path of the management plane.
    pub fn path(&self, rest: &str) -> String {
        format!("/management/v4/{}/{rest}", self.guid)
    }

    /// Waits a little for a job that was asked to rest: whoever goes on at once is to find it at rest.
    pub async fn until_it_rests(&self, job: &str) {
        let path = self.path(&format!("jobs/{job}"));
        for _ in 0..40 {
            let shown = self.client.get(&path, &[]).await;
            if !shown.is_ok_and(|job| job["state"] == "running" || job["state"] == "queued") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// GET of the management plane.
    pub async fn get(&self, rest: &str) -> Result<Value> {
        let path = self.path(rest);
        let got = self.client.get(&path, &[]).await;
        got.with_context(|| format!("the {} does not answer {rest}", self.name))
    }
}

/// GUID and name of an instance. A key that may manage one need not be allowed to look it up; the GUID will do then.
async fn find(client: &Client, wanted: &str) -> Result<(String, String)> {
    match client.find_instance(wanted).await {
        Ok(instance) => {
            let text = |member: &str| {
                let found = instance[member].as_str().map(str::to_owned);
                found.with_context(|| format!("the service answered no {member}"))
            };
            Ok((text("guid")?, text("name")?))
        }
        Err(error) if refusal(&error).is_some() && uuid::Uuid::parse_str(wanted).is_ok() => {
            Ok((wanted.to_lowercase(), wanted.to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// The key of a side: what was given for it, else the profile of its address, else what is set for all commands if that is meant for this
/// address. A key is never sent to a service that it may not be meant for.
fn key_of(variable: &str, place: &Place, given: &Given<'_>, shared: bool) -> Result<String> {
    if let Some(key) = key_on_line(given.key, given.file)? {
        return Ok(key);
    }
    if let Some(name) = given.profile {
        let saved =
            profile::find(name)?.with_context(|| format!("there is no profile {name:?}"))?;
        if saved.url != place.url {
            bail!("profile {name:?} is of {}", saved.url);
        }
        return Ok(saved.api_key);
    }
    let own = format!("VESTIBULE_{variable}_API_KEY");
    if let Some(key) = key_in_environment(&own)? {
        return Ok(key);
    }
    if let Some(saved) = profile::find_for(&place.url)? {
        return Ok(saved.api_key);
    }
    let named =
        std::env::var("VESTIBULE_URL").is_ok_and(|url| url.trim_end_matches('/') == place.url);
    if (shared || named)
        && let Some(key) = key_in_environment("VESTIBULE_API_KEY")?
    {
        return Ok(key);
    }
    bail!(
        "no API key: set {own}, give --{}-api-key-file, or run `vestibule login --url {} --profile NAME`",
        variable.to_lowercase(),
        place.url
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> (String, String) {
        let place = Place::parse(text).unwrap();
        (place.url, place.instance)
    }

    #[test]
    fn an_instance_stands_behind_the_last_colon() {
        let pair = |url: &str, instance: &str| (url.to_owned(), instance.to_owned());
        assert_eq!(place("http://a:8080:shop"), pair("http://a:8080", "shop"));
        assert_eq!(
            place("https://a.example/:my shop"),
            pair("https://a.example", "my shop")
        );
        assert_eq!(place("http://a:8080:42"), pair("http://a:8080", "42"));
        assert_eq!(
            place("http://[::1]:80:shop"),
            pair("http://[::1]:80", "shop")
        );
        let crn = "crn:v1:vestibule:public:appid:local:a/1:78240272-b2aa-49e9-b923-6a17b841d28e::";
        assert_eq!(place(&format!("http://a:1:{crn}")), pair("http://a:1", crn));
    }

    #[test]
    fn what_names_no_instance_is_refused() {
        for bad in [
            "http://a",
            "http://a:8080",
            "http://a:8080:",
            "http://a:",
            "http://[::1]",
            "http://[::1]:80",
            "shop",
            "a:shop",
            "",
        ] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}

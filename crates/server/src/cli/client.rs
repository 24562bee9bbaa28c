//! A signed-in HTTP client of one service.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Connection, profile, words::quoted};

/// A signed-in client. The token is renewed when four fifths of its life are over.
pub struct Client {
    http: reqwest::Client,
    url: String,
    api_key: String,
    token: Mutex<Option<(String, Instant)>>,
    /// Words of the command line that say which service this is and where its key is.
    words: String,
}

impl Client {
    /// Finds service and key in options, environment and profile, and gets a token.
    pub async fn sign_in(connection: &Connection) -> Result<Self> {
        let saved = profile::find(&connection.profile)?;
        // A name that is misspelt must not lead to another service.
        if saved.is_none() && connection.profile != "default" {
            bail!(
                "there is no profile {0:?}: `vestibule login --profile {0}` makes it",
                connection.profile
            );
        }
        let url = connection
            .url
            .clone()
            .or_else(|| saved.as_ref().map(|p| p.url.clone()))
            .unwrap_or_else(|| String::from("http://127.0.0.1:8080"));
        let url = address(&url)?;
        let api_key = match connection.given_key()? {
            Some(key) => key,
            None => saved
                .filter(|p| p.url == url)
                .map(|p| p.api_key)
                .with_context(|| no_key(&url, &connection.profile))?,
        };
        let mut client = Self::new(&url, &api_key)?;
        client.words = connection.words();
        client.token().await?;
        Ok(client)
    }

    /// Words that make a command mean the same instance of the same service as this one.
    pub fn at(&self, guid: &str) -> String {
        format!("--instance {guid}{}", self.words)
    }

    /// A client that has not signed in yet.
    pub fn new(url: &str, api_key: &str) -> Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder()
                .connect_timeout(Duration::from_secs(10))
                .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .context("cannot make an HTTP client")?,
            url: address(url)?,
            api_key: api_key.trim().to_owned(),
            token: Mutex::new(None),
            words: format!(" --url {}", quoted(url)),
        })
    }

    /// A platform token.
    pub async fn token(&self) -> Result<String> {
        let mut held = self.token.lock().await;
        if let Some((token, until)) = held.as_ref()
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let response = self
            .http
            .post(format!("{}/identity/token", self.url))
            .form(&[
                ("grant_type", "urn:ibm:params:oauth:grant-type:apikey"),
                ("apikey", self.api_key.as_str()),
            ])
            .send()
            .await
            .map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let answer: Value = response
            .json()
            .await
            .with_context(|| format!("{} does not answer like a Vestibule service", self.url))?;
        if matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
        ) {
            bail!(
                "{} is not the address of a Vestibule service: {}",
                self.url,
                complaint(&answer)
            );
        }
        if !status.is_success() {
            bail!("the service refused the API key: {}", complaint(&answer));
        }
        let token = answer["access_token"]
            .as_str()
            .context("the service answered no token")?
            .to_owned();
        let life = answer["expires_in"].as_u64().unwrap_or(3600);
        *held = Some((
            token.clone(),
            Instant::now() + Duration::from_secs(life * 4 / 5),
        ));
        Ok(token)
    }

    /// GET.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        self.call(Request::new(Method::GET, path).query(query))
            .await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Request::new(Method::POST, path).body(body)).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Request::new(Method::PATCH, path).body(body))
            .await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.call(Request::new(Method::DELETE, path)).await
    }

    /// Any call. Answers the JSON body, `null` for an empty one; a refusal becomes an error that holds the service's own words.
    pub async fn call(&self, request: Request<'_>) -> Result<Value> {
        let response = self.stream(request).await?;
        let bytes = response.bytes().await.context("the answer broke off")?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(
            |_| json!({ "message": String::from_utf8_lossy(&bytes).chars().take(300).collect::<String>() }),
        ))
    }

    /// Any call, whose answer is read by the caller as it comes. A refusal becomes a [`Refused`].
    pub async fn stream(&self, request: Request<'_>) -> Result<reqwest::Response> {
        let mut builder = self
            .http
            .request(request.method, format!("{}{}", self.url, request.path))
            .query(&request.query)
            .bearer_auth(self.token().await?);
        if let Some(body) = request.body {
            builder = builder.json(body);
        }
        if let Some(body) = request.stream {
            builder = builder.body(body);
        }
        if let Some(secret) = request.secret {
            // A header rather than the query: addresses end up in logs.
            builder = builder.header("X-Vestibule-Encryption-Secret", secret);
        }
        if let Some(key) = request.api_key {
            builder = builder.header("IAM-ApiKey", key);
        }
        let response = builder
            .send()
            .await
            .map_err(|error| self.unreachable(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.context("the answer broke off")?;
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let words = complaint(&answer);
        let words = match status {
            StatusCode::FORBIDDEN => format!("not allowed: {words}"),
            StatusCode::NOT_FOUND => format!("not found: {words}"),
            _ => format!("{words} (status {})", status.as_u16()),
        };
        // What may pass by itself is worth another try.
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::BAD_GATEWAY {
            bail!(words);
        }
        Err(Refused {
            status: status.as_u16(),
            words,
        }
        .into())
    }

    /// The instance that a name, GUID or CRN means. A name that several instances have is refused, with their GUIDs.
    pub async fn find_instance(&self, wanted: &str) -> Result<Value> {
        if wanted.starts_with("crn:") || looks_like_guid(wanted) {
            let id =
                percent_encoding::utf8_percent_encode(wanted, percent_encoding::NON_ALPHANUMERIC)
                    .to_string();
            return self.get(&format!("/v2/resource_instances/{id}"), &[]).await;
        }
        let mut found = self
            .list_all("/v2/resource_instances", &[("name", wanted)])
            .await?;
        match found.len() {
            0 => {
                bail!("there is no instance named {wanted:?}; `vestibule instance list` shows them")
            }
            1 => Ok(found.remove(0)),
            _ => {
                let guids: Vec<_> = found.iter().filter_map(|i| i["guid"].as_str()).collect();
                bail!(
                    "{} instances are named {wanted:?}; say which by GUID: {}",
                    guids.len(),
                    guids.join(", ")
                )
            }
        }
    }

    /// The GUID of the instance that a name, GUID or CRN means.
    pub async fn find_guid(&self, wanted: &str) -> Result<String> {
        self.find_instance(wanted).await?["guid"]
            .as_str()
            .map(str::to_owned)
            .context("the service answered no GUID")
    }

    /// Every page of a platform list.
    pub async fn list_all(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>> {
        let mut page = self.get(path, query).await?;
        let mut found = Vec::new();
        loop {
            if let Some(rows) = page["resources"].as_array_mut() {
                found.append(rows);
            }
            let Some(next) = page["next_url"].as_str().filter(|next| !next.is_empty()) else {
                return Ok(found);
            };
            let next = self.relative(next).to_owned();
            page = self.get(&next, &[]).await?;
        }
    }

    /// The key this client signed in with.
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Where the service is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A link of the service without its scheme and authority.
    pub fn relative<'a>(&self, link: &'a str) -> &'a str {
        let rest = link.split_once("://").map_or(link, |(_, rest)| rest);
        if rest.len() == link.len() {
            return link;
        }
        rest.find('/').map_or("/", |slash| rest.split_at(slash).1)
    }

    fn unreachable(&self, error: reqwest::Error) -> anyhow::Error {
        if error.is_builder() {
            // It never left, and would not another time.
            let words = format!(
                "this cannot be sent: {:#}",
                anyhow::Error::from(error.without_url())
            );
            Refused { status: 0, words }.into()
        } else if error.is_connect() {
            anyhow!("nothing answers at {}. Is the service running?", self.url)
        } else {
            anyhow::Error::from(error.without_url()).context(format!("cannot talk to {}", self.url))
        }
    }
}

/// The service understood and said no: asking again is no use.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct Refused {
    status: u16,
    words: String,
}

/// The status of a refusal, which is final, and 0 where nothing could be sent; none of anything else, such as a broken connection.
pub fn refusal(error: &anyhow::Error) -> Option<u16> {
    error
        .downcast_ref::<Refused>()
        .map(|refused| refused.status)
}

/// One call.
pub struct Request<'a> {
    method: Method,
    path: &'a str,
    query: Vec<(&'a str, &'a str)>,
    body: Option<&'a Value>,
    stream: Option<reqwest::Body>,
    secret: Option<&'a str>,
    api_key: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A call without query and body.
    pub fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            query: Vec::new(),
            body: None,
            stream: None,
            secret: None,
            api_key: None,
        }
    }

    /// With the `IAM-ApiKey` header.
    pub fn api_key(mut self, key: &'a str) -> Self {
        self.api_key = Some(key);
        self
    }

    /// With query parameters.
    pub fn query(mut self, query: &[(&'a str, &'a str)]) -> Self {
        self.query.extend_from_slice(query);
        self
    }

    /// With a JSON body.
    pub fn body(mut self, body: &'a Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With a body that is read while it is sent.
    pub fn stream_body(mut self, body: reqwest::Body) -> Self {
        self.stream = Some(body);
        self
    }

    /// With the secret that password hashes are sealed with.
    pub fn secret(mut self, secret: &'a str) -> Self {
        self.secret = Some(secret);
        self
    }
}

/// The address of a service as all of it is built from.
pub fn address(url: &str) -> Result<String> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        bail!("{url:?} is no address of a service: it starts with http:// or https://");
    }
    let url = url.trim_end_matches('/');
    // What people copy is the address of the console.
    Ok(url.strip_suffix("/console").unwrap_or(url).to_owned())
}

fn no_key(url: &str, profile: &str) -> String {
    let told = if profile == "default" {
        String::new()
    } else {
        format!(" in profile {profile:?}")
    };
    format!(
        "no API key for {url}{told}: run `vestibule login`, or set VESTIBULE_API_KEY or --api-key-file"
    )
}

fn looks_like_guid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// The service's own words out of any of its error shapes.
fn complaint(answer: &Value) -> String {
    [
        "/errors/0/message",
        "/detail",
        "/error_description",
        "/errorMessage",
        "/message",
    ]
    .iter()
    .find_map(|pointer| answer.pointer(pointer)?.as_str())
    .unwrap_or("the service gave no reason")
    .to_owned()
}

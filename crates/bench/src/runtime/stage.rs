//! What the benchmarks act on: an instance with an application and people.

use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    bound,
    http::{Connection, request},
    server::Server,
};

/// As many as the overload needs: each may try eleven times a minute.
const USERS: usize = 4000;
pub(super) const PASSWORD: &str = "correct horse battery staple 9";
pub(super) const CALLBACK: &str = "https://bench.example/callback";
pub(super) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// An operator's connection.
pub(super) struct Operator {
    connection: Connection,
    bearer: String,
}

impl Operator {
    pub(super) async fn of(server: &Server, data: &Path) -> Result<Self> {
        let key = std::fs::read_to_string(data.join("admin-api-key")).context("no API key")?;
        let mut connection = Connection::open(&server.address).await?;
        let form = format!(
            "grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey={}",
            key.trim()
        );
        let ask = request("POST", "/identity/token", &[FORM], form.as_bytes());
        let answer = call(&mut connection, &ask).await?;
        Ok(Self {
            bearer: format!("Bearer {}", text(&answer, "access_token")?),
            connection,
        })
    }

    pub(super) async fn send(&mut self, method: &str, path: &str, body: Value) -> Result<Value> {
        let headers = [
            ("Authorization", self.bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        let ask = request(method, path, &headers, body.to_string().as_bytes());
        call(&mut self.connection, &ask)
            .await
            .with_context(|| format!("{method} {path}"))
    }
}

/// An instance and what is asked of it.
pub struct Stage {
    guid: String,
    operator: String,
    pub(super) client: String,
    pub(super) basic: String,
    pub(super) base: String,
    pub(super) token_request: Vec<u8>,
}

impl Stage {
    /// Makes the instance, its application and its people.
    pub async fn set(server: &Server, data: &Path) -> Result<Self> {
        let mut operator = Operator::of(server, data).await?;
        let stage = Self::instance(&mut operator).await?;
        let hash = bound::argon2_phc(PASSWORD)?;
        let users: Vec<Value> = (0..USERS).map(|n| user(n, &hash)).collect();
        let path = format!(
            "/management/v4/{}/cloud_directory/import?encryption_secret=unused",
            stage.guid
        );
        let mut added = 0;
        for chunk in users.chunks(500) {
            let done = operator
                .send("POST", &path, json!({"users": chunk}))
                .await?;
            added += done["added"].as_u64().unwrap_or(0);
        }
        if added != USERS as u64 {
            bail!("only {added} of {USERS} users were imported");
        }
        Ok(stage)
    }

    /// An instance with configuration and an application, without people.
    pub(super) async fn instance(operator: &mut Operator) -> Result<Self> {
        let new = json!({"name": "bench", "target": "local"});
        let made = operator.send("POST", "/v2/resource_instances", new).await?;
        let guid = text(&made, "guid")?.to_owned();
        let at = |path: &str| format!("/management/v4/{guid}/{path}");
        let new = json!({"name": "bench"});
        let app = operator.send("POST", &at("applications"), new).await?;
        let config = [
            (
                "config/redirect_uris",
                json!({"redirectUris": [CALLBACK], "trustCloudIAMRedirectUris": false}),
            ),
            (
                "config/cloud_directory/sso",
                json!({"isActive": true, "inactivityTimeoutSeconds": 86_400, "logoutRedirectUris": []}),
            ),
        ];
        for (path, body) in config {
            operator.send("PUT", &at(path), body).await?;
        }
        let client = text(&app, "clientId")?.to_owned();
        let secret = text(&app, "secret")?;
        let basic = format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")));
        let base = format!("/oauth/v4/{guid}");
        let token_request = request(
            "POST",
            &format!("{base}/token"),
            &[FORM, ("Authorization", &basic)],
            b"grant_type=client_credentials",
        );
        Ok(Self {
            guid,
            operator: operator.bearer.clone(),
            client,
            basic,
            base,
            token_request,
        })
    }

    /// Lets the instance sign with another algorithm.
    pub(super) async fn sign_with(&self, operator: &mut Operator, algorithm: &str) -> Result<()> {
        let path = format!("/management/v4/{}/config/oauth", self.guid);
        let body = json!({"signingAlgorithm": algorithm});
        operator.send("PUT", &path, body).await?;
        Ok(())
    }

    /// Lets the instance issue refresh tokens.
    pub(super) async fn refresh_tokens(&self, server: &Server) -> Result<()> {
        let mut operator = Operator {
            connection: Connection::open(&server.address).await?,
            bearer: self.operator.clone(),
        };
        let path = format!("/management/v4/{}/config/tokens", self.guid);
        let on = json!({"refresh": {"enabled": true, "expires_in": 2_592_000}});
        operator.send("PUT", &path, on).await?;
        Ok(())
    }

    /// A request of the application itself.
    pub(super) fn post(&self, path: &str, form: &str) -> Vec<u8> {
        request(
            "POST",
            &format!("{}/{path}", self.base),
            &[FORM, ("Authorization", &self.basic)],
            form.as_bytes(),
        )
    }

    /// Sign-ins with a password, each of another person.
    pub fn sign_ins(&self) -> Vec<Vec<u8>> {
        (0..USERS)
            .map(|n| {
                let form = format!(
                    "grant_type=password&username={}&password={}",
                    address(n).replace('@', "%40"),
                    PASSWORD.replace(' ', "+")
                );
                self.post("token", &form)
            })
            .collect()
    }

    /// Introspection of a token that is active.
    pub(super) async fn introspection(&self, connection: &mut Connection) -> Result<Vec<u8>> {
        let tokens = call(connection, &self.token_request).await?;
        let form = format!("token={}", text(&tokens, "access_token")?);
        let introspect = self.post("introspect", &form);
        let active = call(connection, &introspect).await?;
        if active["active"] != true {
            bail!("the token is not active: {active}");
        }
        Ok(introspect)
    }

    /// Who these tokens are about.
    pub(super) fn userinfo(&self, tokens: &Value) -> Result<Vec<u8>> {
        let bearer = format!("Bearer {}", text(tokens, "access_token")?);
        let path = format!("{}/userinfo", self.base);
        Ok(request("GET", &path, &[("Authorization", &bearer)], b""))
    }
}

fn user(n: usize, hash: &str) -> Value {
    json!({
        "scimUser": {
            "originalId": format!("bench-{n}"),
            "emails": [{"value": address(n), "primary": true}],
            "active": true,
            "status": "CONFIRMED",
        },
        "passwordHash": hash,
        "passwordHashAlg": "Argon2id",
        "profile": {"attributes": {}},
        "roles": [],
    })
}

pub(super) fn address(n: usize) -> String {
    format!("user{n}@bench.example")
}

pub(super) async fn call(connection: &mut Connection, request: &[u8]) -> Result<Value> {
    let answer = connection.call(request).await?;
    if !(200..300).contains(&answer.status) {
        bail!(
            "status {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer.body).context("not JSON")
}

pub(super) fn text<'a>(value: &'a Value, member: &str) -> Result<&'a str> {
    value[member]
        .as_str()
        .with_context(|| format!("no {member} in the answer"))
}

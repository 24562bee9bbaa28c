//! The program as a child process.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

/// API key of every service started here.
pub const ADMIN_KEY: &str = "program-test-administrator-key-0123456789";

/// Seals what administrators move here.
pub const SECRET: &str = "crash test secret";

/// A running service.
pub struct Service {
    child: Child,
    /// Where it listens.
    pub url: String,
    /// What it printed before that.
    pub greeting: Vec<String>,
}

impl Service {
    /// Starts the program on a data folder, with more arguments.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", data, arguments)
    }

    /// The same, at an address.
    pub fn start_at(listen: &str, data: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["serve", "--listen", listen, "--log", "warn", "--data-dir"])
            .arg(data)
            .args(arguments)
            .env("VESTIBULE_ADMIN_API_KEY", ADMIN_KEY)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut greeting = Vec::new();
        let lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        for line in lines {
            let line = line.expect("text");
            if let Some(url) = line.strip_prefix("listening on ") {
                return Self {
                    child,
                    url: url.to_owned(),
                    greeting,
                };
            }
            greeting.push(line);
        }
        panic!("the program ended: {greeting:?}, {:?}", child.wait());
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("an end");
    }

    /// Ends it with SIGTERM; answers its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .expect("kill")
                .success()
        );
        self.child.wait().expect("an end").code()
    }
}

/// A test that fails, or forgets, leaves no process behind.
impl Drop for Service {
    fn drop(&mut self) {
        // One that has ended already is no matter.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// Calls of an administrator.
#[derive(Clone)]
pub struct Administrator {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Administrator {
    /// Signs in.
    pub async fn sign_in(url: &str) -> Self {
        let http = reqwest::Client::new();
        let answer: Value = http
            .post(format!("{url}/identity/token"))
            .form(&[
                ("grant_type", "urn:ibm:params:oauth:grant-type:apikey"),
                ("apikey", ADMIN_KEY),
            ])
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON");
        Self {
            http,
            url: url.to_owned(),
            token: answer["access_token"].as_str().expect("a token").to_owned(),
        }
    }

    /// A call; `None` when the service went away before it answered.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let mut request = self
            .http
            .request(
                method.parse().expect("a method"),
                format!("{}{path}", self.url),
            )
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// A call with a body as it stands; `None` when the service went away before it answered.
    pub async fn send(&self, method: &str, path: &str, body: String) -> Option<(u16, Value)> {
        let answer = self
            .http
            .request(
                method.parse().expect("a method"),
                format!("{}{path}", self.url),
            )
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .bearer_auth(&self.token)
            .body(body)
            .send()
            .await
            .ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// A call whose body is sent as it comes; `None` when the service went away before it answered.
    pub async fn stream(&self, path: &str, body: reqwest::Body) -> Option<(u16, Value)> {
        let answer = self
            .http
            .post(format!("{}{path}", self.url))
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .bearer_auth(&self.token)
            .body(body)
            .send()
            .await
            .ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// Sends bytes of some type; `None` when the service went away before it answered.
    pub async fn bytes(&self, path: &str, kind: &str, body: Vec<u8>) -> Option<(u16, Value)> {
        self.answered(self.post(path).header("Content-Type", kind).body(body))
            .await
    }

    /// The same, compressed.
    pub async fn compressed(
        &self,
        path: &str,
        (kind, encoding): (&str, &str),
        body: Vec<u8>,
    ) -> Option<(u16, Value)> {
        let request = self
            .post(path)
            .header("Content-Type", kind)
            .header("Content-Encoding", encoding);
        self.answered(request.body(body)).await
    }

    /// A file; `None` when the service went away before all of it came.
    pub async fn download(&self, path: &str) -> Option<Vec<u8>> {
        let request = self.http.get(format!("{}{path}", self.url));
        let answer = request.bearer_auth(&self.token).send().await.ok()?;
        let status = answer.status().as_u16();
        let file = answer.bytes().await.ok()?.to_vec();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&file));
        Some(file)
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}{path}", self.url))
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .bearer_auth(&self.token)
    }

    async fn answered(&self, request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// The text of an answer; `None` when the service went away before all of it came.
    pub async fn text(&self, path: &str) -> Option<String> {
        let answer = self
            .http
            .get(format!("{}{path}", self.url))
            .header("X-Vestibule-Encryption-Secret", SECRET)
            .bearer_auth(&self.token)
            .send()
            .await
            .ok()?;
        answer.text().await.ok()
    }

    /// An instance with an application that may refresh; answers GUID, client id and secret.
    pub async fn stage(&self) -> (String, String, String) {
        let made = self
            .call(
                "POST",
                "/v2/resource_instances",
                Some(&json!({"name": "crash"})),
            )
            .await
            .expect("an answer");
        assert_eq!(made.0, 201, "{}", made.1);
        let guid = text(&made.1, "guid");
        let tokens = json!({"refresh": {"enabled": true, "expires_in": 86400}});
        let set = self
            .call(
                "PUT",
                &format!("/management/v4/{guid}/config/tokens"),
                Some(&tokens),
            )
            .await
            .expect("an answer");
        assert_eq!(set.0, 200, "{}", set.1);
        let app = self
            .call(
                "POST",
                &format!("/management/v4/{guid}/applications"),
                Some(&json!({"name": "app"})),
            )
            .await
            .expect("an answer");
        assert_eq!(app.0, 200, "{}", app.1);
        (guid, text(&app.1, "clientId"), text(&app.1, "secret"))
    }
}

/// A text member.
pub fn text(value: &Value, member: &str) -> String {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member} in {value}"))
        .to_owned()
}

//! An application of an instance, and what tests do with it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use vestibule_testkit::{TestRequest, TestResponse, TestServer};

use crate::instance::Instance;

pub const PASSWORD: &str = "correct horse battery";
pub const CALLBACK: &str = "https://app.example.com/callback";
/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub struct Client<'a> {
    pub instance: Instance<'a>,
    pub base: String,
    pub id: String,
    pub secret: String,
}

impl<'a> Client<'a> {
    /// A server application of a new instance whose only redirect URI is [`CALLBACK`], with the directory user `ada@example.com`.
    pub async fn new(server: &'a TestServer) -> Self {
        let instance = Instance::new(server, "runtime").await;
        instance
            .put(
                "config/redirect_uris",
                json!({"redirectUris": [CALLBACK, "https://spa.example.com"]}),
            )
            .await;
        instance.directory_user("ada@example.com").await;
        Self::of(instance, "regularwebapp").await
    }

    pub async fn of(instance: Instance<'a>, kind: &str) -> Self {
        let made = instance
            .post("applications", json!({"name": "shop", "type": kind}))
            .await
            .expect(200)
            .json();
        Self {
            base: format!("/oauth/v4/{}", instance.guid),
            id: made["clientId"].as_str().unwrap().to_owned(),
            secret: made["secret"].as_str().unwrap_or_default().to_owned(),
            instance,
        }
    }

    /// Another application of the same instance.
    pub async fn another(&self, kind: &str) -> Client<'a> {
        let instance = Instance {
            server: self.instance.server,
            guid: self.instance.guid.clone(),
            token: self.instance.token.clone(),
        };
        Client::of(instance, kind).await
    }

    pub fn server(&self) -> &'a TestServer {
        self.instance.server
    }

    /// `POST` with client authentication.
    pub fn post(&self, path: &str) -> TestRequest {
        self.server()
            .post(&format!("{}/{path}", self.base))
            .basic(&self.id, &self.secret)
    }

    pub async fn token(&self, form: &[(&str, &str)]) -> TestResponse {
        self.post("token").form(form).send().await
    }

    pub async fn password(&self, username: &str, password: &str) -> TestResponse {
        self.token(&[
            ("grant_type", "password"),
            ("username", username),
            ("password", password),
        ])
        .await
    }

    /// Tokens of `ada@example.com`.
    pub async fn ada(&self) -> Value {
        self.password("ada@example.com", PASSWORD)
            .await
            .expect(200)
            .json()
    }

    pub async fn active(&self, token: &Value) -> bool {
        let answer = self
            .post("introspect")
            .form(&[("token", token.as_str().unwrap())])
            .send()
            .await
            .expect(200)
            .json();
        answer["active"].as_bool().unwrap()
    }

    pub async fn userinfo(&self, token: &Value) -> TestResponse {
        self.server()
            .get(&format!("{}/userinfo", self.base))
            .bearer(token.as_str().unwrap())
            .send()
            .await
    }

    /// `GET` of the authorization endpoint with the usual parameters and these.
    pub async fn authorize(&self, more: &str) -> TestResponse {
        let query = format!(
            "client_id={}&redirect_uri={CALLBACK}&response_type=code&{more}",
            self.id
        );
        self.server()
            .get(&format!("{}/authorization?{query}", self.base))
            .send()
            .await
    }

    /// Fills in the form of a page that was shown.
    pub async fn submit(
        &self,
        page: &TestResponse,
        username: &str,
        password: &str,
    ) -> TestResponse {
        self.submission(page, username, password)
            .header("cookie", cookie(page))
            .send()
            .await
    }

    /// The same without the cookie.
    pub fn submission(&self, page: &TestResponse, username: &str, password: &str) -> TestRequest {
        let html = page.text();
        self.server().post(&field(&html, "action=\"")).form(&[
            ("context", &field(&html, "name=\"context\" value=\"")),
            ("username", username),
            ("password", password),
        ])
    }

    /// A code for `ada@example.com`, got through the page.
    pub async fn code(&self, more: &str) -> String {
        let page = self.authorize(more).await.expect(200);
        let answer = self
            .submit(&page, "ada@example.com", PASSWORD)
            .await
            .expect(303);
        parameter(&answer.header("location"), "code")
    }

    pub async fn redeem(&self, code: &str, more: &[(&str, &str)]) -> TestResponse {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
        ];
        form.extend(more);
        self.token(&form).await
    }
}

/// The cookie that a page sets.
pub fn cookie(page: &TestResponse) -> String {
    let cookie = page.header("set-cookie");
    assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// What stands in a page between `before` and the next quote.
#[track_caller]
pub fn field(html: &str, before: &str) -> String {
    let (_, rest) = html
        .split_once(before)
        .unwrap_or_else(|| panic!("{before}: {html}"));
    rest.split('"').next().unwrap().to_owned()
}

/// A parameter of a URI, still escaped.
#[track_caller]
pub fn parameter(uri: &str, name: &str) -> String {
    let (_, query) = uri.split_once('?').expect(uri);
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
        .unwrap_or_else(|| panic!("no {name} in {uri}"))
        .to_owned()
}

/// Header and claims of a token, unverified.
pub fn decode(token: &Value) -> (Value, Value) {
    let parts: Vec<Value> = token
        .as_str()
        .expect("a token")
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    (parts[0].clone(), parts[1].clone())
}

/// Insists on an OAuth error.
#[track_caller]
pub fn refused(answer: TestResponse, status: u16, error: &str) -> Value {
    let body = answer.expect(status).json();
    assert_eq!(body["error"], error, "{body}");
    assert!(
        body.as_object().unwrap().values().all(Value::is_string),
        "{body}"
    );
    body
}

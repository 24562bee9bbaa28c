//! Requests to a server in process.

use std::net::SocketAddr;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
    response::Response,
};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;
use tower::ServiceExt;

/// A request being put together.
pub struct TestRequest {
    router: Router,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
    stream: Option<Body>,
    from: SocketAddr,
}

/// How a body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
    Silent,
}

/// What came back.
#[derive(Debug)]
pub struct TestResponse {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl TestRequest {
    pub(crate) fn new(router: Router, method: &str, path: &str) -> Self {
        Self {
            router,
            method: method.to_uppercase().parse().expect("a method"),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            end: End::Whole,
            stream: None,
            from: SocketAddr::from(([127, 0, 0, 1], 40_000)),
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: impl AsRef<str>, value: impl Into<String>) -> Self {
        self.headers.push((name.as_ref().to_owned(), value.into()));
        self
    }

    /// Bears a token.
    pub fn bearer(self, token: &str) -> Self {
        self.header(header::AUTHORIZATION, format!("Bearer {token}"))
    }

    /// Authenticates as a client (RFC 7617).
    pub fn basic(self, user: &str, password: &str) -> Self {
        let text = base64_standard(format!("{user}:{password}").as_bytes());
        self.header(header::AUTHORIZATION, format!("Basic {text}"))
    }

    /// Sends JSON.
    pub fn json(self, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("JSON");
        self.header(header::CONTENT_TYPE, "application/json")
            .body(body)
    }

    /// Sends a form.
    pub fn form(self, members: &[(&str, &str)]) -> Self {
        let body = members
            .iter()
            .map(|(name, value)| format!("{}={}", percent(name), percent(value)))
            .collect::<Vec<_>>()
            .join("&");
        self.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body)
    }

    /// Sends these bytes.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends these bytes, and then the connection breaks.
    pub fn broken_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.end = End::Broken;
        self.body(body)
    }

    /// Sends these bytes, and then nothing more, without an end.
    pub fn silent_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.end = End::Silent;
        self.body(body)
    }

    /// Sends this body, as it comes.
    pub fn stream(mut self, body: Body) -> Self {
        self.stream = Some(body);
        self
    }

    /// Comes from this address.
    pub fn from(mut self, address: SocketAddr) -> Self {
        self.from = address;
        self
    }

    /// Sends it and reads the answer.
    pub async fn send(self) -> TestResponse {
        let (parts, body) = self.open().await.into_parts();
        TestResponse {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.expect("a body").to_vec(),
        }
    }

    /// Sends it, and leaves it to the caller to read the body of the answer.
    pub async fn open(self) -> Response {
        let mut builder = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        let parts = |end| futures_util::stream::iter([Ok(self.body.clone())]).chain(end);
        let body = match self.end {
            End::Whole => self.stream.unwrap_or_else(|| Body::from(self.body)),
            End::Broken => {
                let broken = std::io::Error::other("the connection broke");
                Body::from_stream(parts(futures_util::stream::iter([Err(broken)]).boxed()))
            }
            End::Silent => Body::from_stream(parts(futures_util::stream::pending().boxed())),
        };
        let mut request = builder.body(body).expect("a request");
        request.extensions_mut().insert(ConnectInfo(self.from));
        self.router
            .oneshot(request)
            .await
            .expect("the router never fails")
    }
}

impl TestResponse {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{} is not JSON ({error}): {}", self.status, self.text())
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's text.
    #[track_caller]
    pub fn header(&self, name: impl AsRef<str>) -> String {
        self.headers
            .get(name.as_ref())
            .unwrap_or_else(|| panic!("no header {}", name.as_ref()))
            .to_str()
            .expect("text")
            .to_owned()
    }

    /// Insists on a status; shows the body if it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect()
}

fn base64_standard(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

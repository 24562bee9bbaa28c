//! The authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1, contract/runtime.md section 4.1).

use serde::{Deserialize, Serialize};

use crate::parameters::Parameters;

/// How the answer goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseMode {
    /// A redirect with a query.
    Query,
    /// A message to the window that opened this one (App ID's JavaScript SDK).
    WebMessage,
}

/// What an application asks for. Client and redirect URI are still to be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The application.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// `code`, or another value that is refused with a redirect.
    pub response_type: String,
    /// Scopes asked for.
    pub scope: String,
    /// Echoed byte for byte.
    pub state: Option<String>,
    /// Echoed in the identity token.
    pub nonce: Option<String>,
    /// Provider asked for.
    pub idp: Option<String>,
    /// Language of the pages.
    pub language: Option<String>,
    /// PKCE.
    pub code_challenge: Option<String>,
    /// `S256`, or another value that is refused.
    pub code_challenge_method: Option<String>,
    /// How the answer goes back.
    pub response_mode: ResponseMode,
    /// `none` asks for an answer without a page.
    pub prompt: Option<String>,
    /// Filled into the form.
    pub login_hint: Option<String>,
    /// An access token that the application holds: an anonymous one becomes the user's.
    #[serde(skip)]
    pub anonymous_token: Option<String>,
}

/// The request cannot even be answered to the application: a page says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request lacks {0}")]
pub struct Unanswerable(pub &'static str);

impl AuthorizationRequest {
    /// Reads the query.
    pub fn read(query: &Parameters) -> Result<Self, Unanswerable> {
        let own = |name: &str| query.get(name).map(str::to_owned);
        Ok(Self {
            client_id: own("client_id").ok_or(Unanswerable("client_id"))?,
            redirect_uri: own("redirect_uri").ok_or(Unanswerable("redirect_uri"))?,
            response_type: own("response_type").unwrap_or_default(),
            scope: own("scope").unwrap_or_default(),
            state: own("state"),
            nonce: own("nonce"),
            idp: own("idp"),
            language: own("language")
                .or_else(|| own("ui_locales"))
                .filter(|language| language != "null"),
            code_challenge: own("code_challenge"),
            code_challenge_method: own("code_challenge_method"),
            response_mode: match query.get("response_mode") {
                Some("web_message") => ResponseMode::WebMessage,
                _ => ResponseMode::Query,
            },
            prompt: own("prompt"),
            login_hint: own("login_hint"),
            anonymous_token: own("appid_access_token"),
        })
    }
}

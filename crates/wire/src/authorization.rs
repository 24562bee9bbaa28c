//! The authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1, contract/runtime.md section 4.1).

use serde::{Deserialize, Serialize};

use crate::{claims_request::ClaimsRequest, parameters::Parameters};

/// Parameters that the authorization endpoint reads. Others are ignored (RFC 6749 section 3.1), and need not be kept.
const KNOWN: [&str; 24] = [
    "acr_values",
    "appid_access_token",
    "authorization_details",
    "claims",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "id_token_hint",
    "idp",
    "language",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "ui_locales",
];

/// Whether the authorization endpoint reads a parameter.
pub fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// How the answer goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseMode {
    /// A redirect with a query.
    Query,
    /// A form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
    /// A message to the window that opened this one (App ID's JavaScript SDK).
    WebMessage,
}

/// What the person is to be asked, whatever the session says (`prompt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Prompt {
    /// Nothing: an answer without a page.
    pub none: bool,
    /// To sign in again, or as somebody else.
    pub login: bool,
    /// Whether they agree.
    pub consent: bool,
}

/// What is wrong with a request whose application and redirect URI may be good: the application is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// `error`, as the specifications name it.
    pub error: &'static str,
    /// `error_description`.
    pub why: &'static str,
}

const fn fault(error: &'static str, why: &'static str) -> Fault {
    Fault { error, why }
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
    /// Thumbprint of the key that the code is for (RFC 9449 section 10).
    #[serde(default)]
    pub dpop_jkt: Option<String>,
    /// How the answer goes back.
    pub response_mode: ResponseMode,
    /// Whether the answer is to be signed (JARM section 2.3).
    #[serde(default)]
    pub signed_answer: bool,
    /// What the person is to be asked.
    #[serde(default)]
    pub prompt: Prompt,
    /// Most seconds since the person last showed who they are.
    #[serde(default)]
    pub max_age: Option<i64>,
    /// Filled into the form.
    pub login_hint: Option<String>,
    /// An identity token of whom the application thinks it deals with.
    #[serde(default)]
    pub id_token_hint: Option<String>,
    /// Sorts of sign-in that the application would like, the best first.
    #[serde(default)]
    pub acr_values: Vec<String>,
    /// Claims asked for one by one.
    #[serde(default)]
    pub claims: ClaimsRequest,
    /// Where the access token is to be good (RFC 8707); still to be checked.
    #[serde(default)]
    pub resources: Vec<String>,
    /// What somebody is to agree to in detail (RFC 9396), as it came; still to be read.
    #[serde(default)]
    pub authorization_details: Option<String>,
    /// Whether the application signed it.
    #[serde(default)]
    pub signed: bool,
    /// What the request was pushed as, if it was.
    #[serde(default)]
    pub pushed: Option<String>,
    /// An access token that the application holds: an anonymous one becomes the user's.
    #[serde(skip)]
    pub anonymous_token: Option<String>,
    /// The first thing that is wrong with it.
    #[serde(skip)]
    pub fault: Option<Fault>,
}

/// The request cannot even be answered to the application: a page says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The parameter {0} is required.")]
pub struct Unanswerable(pub &'static str);

impl AuthorizationRequest {
    /// Reads the parameters, which came in a query or in a form. Unknown ones are ignored (RFC 6749 section 3.1).
    pub fn read(query: &Parameters) -> Result<Self, Unanswerable> {
        // What is not listed is not read: nothing may be read from a query that is lost where a request is kept.
        let get = |name: &str| query.get(name).filter(|_| is_known(name));
        let own = |name: &str| get(name).map(str::to_owned);
        let words = |name: &str| get(name).unwrap_or_default().split(' ');
        let mut faults = Vec::new();
        let mut noted = |found: Option<Fault>| faults.extend(found);
        let mode = get("response_mode");
        let signed_answer = matches!(mode, Some("jwt" | "query.jwt" | "form_post.jwt"));
        let response_mode = match mode {
            None | Some("query" | "jwt" | "query.jwt") => ResponseMode::Query,
            Some("form_post" | "form_post.jwt") => ResponseMode::FormPost,
            Some("web_message") => ResponseMode::WebMessage,
            Some(_) => {
                let why = "The response_mode must be query, form_post or web_message, or jwt, query.jwt or form_post.jwt for a signed answer.";
                noted(Some(fault("invalid_request", why)));
                ResponseMode::Query
            }
        };
        noted(unsupported(query));
        let (prompt, wrong) = prompt(words("prompt"));
        noted(wrong);
        let max_age = match get("max_age").map(str::parse::<u32>) {
            None => None,
            Some(Ok(seconds)) => Some(i64::from(seconds)),
            Some(Err(_)) => {
                let why = "The parameter max_age must be a number of seconds.";
                noted(Some(fault("invalid_request", why)));
                None
            }
        };
        let claims = match get("claims").map(ClaimsRequest::parse) {
            None => ClaimsRequest::default(),
            Some(Ok(claims)) => claims,
            Some(Err(_)) => {
                let why = "The parameter claims is malformed.";
                noted(Some(fault("invalid_request", why)));
                ClaimsRequest::default()
            }
        };
        let dpop_jkt = own("dpop_jkt");
        if dpop_jkt.as_deref().is_some_and(|text| !is_thumbprint(text)) {
            let why = "The parameter dpop_jkt must be a SHA-256 thumbprint.";
            noted(Some(fault("invalid_request", why)));
        }
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
            dpop_jkt,
            response_mode,
            signed_answer,
            prompt,
            max_age,
            login_hint: own("login_hint"),
            id_token_hint: own("id_token_hint"),
            acr_values: words("acr_values")
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
            claims,
            resources: query
                .all("resource")
                .into_iter()
                .map(str::to_owned)
                .collect(),
            authorization_details: own("authorization_details"),
            signed: false,
            pushed: None,
            anonymous_token: own("appid_access_token"),
            fault: faults.into_iter().next(),
        })
    }

    /// Takes a scope out of those asked for.
    pub fn leave_out(&mut self, scope: &str) {
        let others = self.scope.split(' ').filter(|one| *one != scope);
        self.scope = others.collect::<Vec<_>>().join(" ");
    }

    /// Whether the application asked for a scope.
    pub fn asks_for(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|one| one == scope)
    }
}

/// 32 bytes in base64url.
fn is_thumbprint(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Request objects are not read (OpenID Connect Core section 3.1.2.6).
fn unsupported(query: &Parameters) -> Option<Fault> {
    if query.get("request").is_some() {
        let why = "Request objects are not supported.";
        return Some(fault("request_not_supported", why));
    }
    query.get("request_uri")?;
    let why = "Request objects by reference are not supported.";
    Some(fault("request_uri_not_supported", why))
}

fn prompt<'a>(words: impl Iterator<Item = &'a str>) -> (Prompt, Option<Fault>) {
    let (mut prompt, mut count, mut known) = (Prompt::default(), 0, true);
    for word in words.filter(|word| !word.is_empty()) {
        count += 1;
        match word {
            "none" => prompt.none = true,
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            // Initiating User Registration via OpenID Connect: people who can sign in may.
            "create" => {}
            _ => known = false,
        }
    }
    let wrong = if !known {
        Some("The prompt must be none, login, select_account or consent.")
    } else if prompt.none && count > 1 {
        Some("The prompt none stands alone.")
    } else {
        None
    };
    (prompt, wrong.map(|why| fault("invalid_request", why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &str) -> AuthorizationRequest {
        let text = format!("client_id=c&redirect_uri=r&response_type=code{more}");
        AuthorizationRequest::read(&Parameters::from_form(text.as_bytes()).unwrap()).unwrap()
    }

    fn error(more: &str) -> Option<&'static str> {
        read(more).fault.map(|fault| fault.error)
    }

    #[test]
    fn what_is_asked_of_the_person() {
        assert_eq!(read("").prompt, Prompt::default());
        assert!(read("&prompt=none").prompt.none);
        assert!(read("&prompt=login%20consent").prompt.login);
        assert!(read("&prompt=login%20consent").prompt.consent);
        assert!(read("&prompt=select_account").prompt.login);
        assert_eq!(error("&prompt=none%20login"), Some("invalid_request"));
        assert_eq!(error("&prompt=whatever"), Some("invalid_request"));
        assert_eq!(read("&max_age=0").max_age, Some(0));
        for bad in ["-1", "x", "99999999999", "1.5"] {
            assert_eq!(
                error(&format!("&max_age={bad}")),
                Some("invalid_request"),
                "{bad}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_said_by_its_name() {
        assert_eq!(error("&request=e30."), Some("request_not_supported"));
        assert_eq!(
            error("&request_uri=https://a.example/r"),
            Some("request_uri_not_supported")
        );
        assert_eq!(error("&response_mode=fragment"), Some("invalid_request"));
        assert_eq!(
            error("&response_mode=fragment.jwt"),
            Some("invalid_request")
        );
        assert!(read("&response_mode=form_post.jwt").signed_answer);
        assert!(!read("&response_mode=form_post").signed_answer);
        assert_eq!(error("&claims=7"), Some("invalid_request"));
        assert_eq!(error("&dpop_jkt=abc"), Some("invalid_request"));
        assert_eq!(
            error("&something=else&display=popup&claims_locales=de"),
            None
        );
    }

    #[test]
    fn scopes_are_words() {
        let request = read("&scope=openid%20email&acr_values=2%201");
        assert!(request.asks_for("email") && !request.asks_for("mail"));
        assert_eq!(request.acr_values, ["2", "1"]);
    }
}

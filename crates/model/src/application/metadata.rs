//! What a client says of itself (RFC 7591 section 2, OpenID Connect Dynamic Client Registration 1.0 section 2 and the logout
//! specifications). Members that are not listed are ignored, as both demand. An application without metadata is one that the
//! management API made: it follows the instance's own lists.

mod algorithm;
mod distinguished_name;
mod keys;
mod rules;
mod uri;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use algorithm::SignatureAlgorithm;
pub use distinguished_name::{AttributeValue, DistinguishedName};

use crate::{Invalid, family::input::null_as_default};

/// Most bytes that the metadata of one client have as JSON.
const MOST_BYTES: usize = 64 << 10;

/// Whether a client is a web site or runs on the person's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientSurface {
    /// A web site or a browser app.
    Web,
    /// An app on a device (RFC 8252).
    Native,
}

/// Whether people have one name at all clients or one for each sector (OpenID Connect Core section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubjectType {
    /// The same `sub` everywhere.
    Public,
    /// Another `sub` in each sector.
    Pairwise,
}

/// How a client proves who it is at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// The secret in the `Authorization` header.
    ClientSecretBasic,
    /// The secret in the form.
    ClientSecretPost,
    /// An assertion that the secret signs (RFC 7523 section 2.2).
    ClientSecretJwt,
    /// An assertion that the client's own key signs.
    PrivateKeyJwt,
    /// A certificate that an authority signed (RFC 8705 section 2.1).
    TlsClientAuth,
    /// A certificate of its own making (RFC 8705 section 2.2).
    SelfSignedTlsClientAuth,
    /// Not at all: PKCE is its proof.
    None,
}

impl AuthMethod {
    /// Whether the client needs a secret for it.
    pub const fn needs_secret(self) -> bool {
        matches!(
            self,
            Self::ClientSecretBasic | Self::ClientSecretPost | Self::ClientSecretJwt
        )
    }

    /// Whether a certificate is the proof.
    pub const fn is_by_certificate(self) -> bool {
        matches!(self, Self::TlsClientAuth | Self::SelfSignedTlsClientAuth)
    }
}

/// Metadata of a client. What is not set is not there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClientMetadata {
    /// Where sign-in may return to: compared character by character. Empty for the instance's list.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub redirect_uris: Vec<String>,
    /// Where signing out may return to: compared character by character.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub post_logout_redirect_uris: Vec<String>,
    /// `code`, which is all there is.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub response_types: Vec<String>,
    /// What it may show for tokens; empty for all that its type may.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub grant_types: Vec<String>,
    /// `web` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_type: Option<ClientSurface>,
    /// Whom to ask about it.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub contacts: Vec<String>,
    /// What people know it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Its picture, which pages show by way of this service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// What it does with what it learns of people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Its terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Its public keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where its public keys are; instead of `jwks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// A list of redirect URIs whose host names the sector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// `public` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_type: Option<SubjectType>,
    /// How its identity tokens are signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<SignatureAlgorithm>,
    /// How user info is signed for it; not at all unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<SignatureAlgorithm>,
    /// How it signs request objects (RFC 9101).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<SignatureAlgorithm>,
    /// How answers to it are signed (JARM); not at all unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_signed_response_alg: Option<SignatureAlgorithm>,
    /// How it proves who it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// How it signs assertions about itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<SignatureAlgorithm>,
    /// `max_age` of requests that name none, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// Whether identity tokens always have `auth_time`.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub require_auth_time: bool,
    /// `acr_values` of requests that name none.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub default_acr_values: Vec<String>,
    /// Where others may send people to sign in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// Where its request objects are.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub request_uris: Vec<String>,
    /// Where it is told that somebody signed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether it must be told of which session.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub backchannel_logout_session_required: bool,
    /// What the browser loads when somebody signs out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<String>,
    /// Whether it must be told of which session.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub frontchannel_logout_session_required: bool,
    /// Whether its requests must be pushed (RFC 9126).
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub require_pushed_authorization_requests: bool,
    /// Whether its tokens must be bound to a key (RFC 9449).
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub dpop_bound_access_tokens: bool,
    /// Whether its tokens are bound to its certificate (RFC 8705 section 3).
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// Subject of its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_subject_dn: Option<String>,
    /// DNS name in its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_dns: Option<String>,
    /// URI in its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_uri: Option<String>,
    /// Address in its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_ip: Option<String>,
    /// E-mail address in its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_email: Option<String>,
    /// What software it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// Which version of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Types of authorization details it may ask for; all unless said (RFC 9396 section 10).
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub authorization_details_types: Vec<String>,
    /// Scopes it may ask for, separated by spaces; all unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl ClientMetadata {
    /// Reads metadata and checks every rule of them.
    ///
    /// # Errors
    /// `field` names the member at fault where one is.
    pub fn parse(value: Value) -> Result<Self, Invalid> {
        if !value.is_object() {
            return Err(Invalid::new("", "client metadata are a JSON object"));
        }
        // What is not text at all is the fault of the member that the caller most wants to hear of.
        let odd_redirects = value.get("redirect_uris").is_some_and(|uris| {
            let texts = uris
                .as_array()
                .map(|uris| uris.iter().all(Value::is_string));
            !uris.is_null() && texts != Some(true)
        });
        if odd_redirects {
            return Err(Invalid::new("redirect_uris", "must be a list of URIs"));
        }
        let metadata: Self = serde_json::from_value(value)
            .map_err(|error| Invalid::new("", format!("a member is not as it must be: {error}")))?;
        rules::check(&metadata)?;
        if metadata.to_text().len() > MOST_BYTES {
            return Err(Invalid::new("", "the metadata are larger than 64 kB"));
        }
        Ok(metadata)
    }

    /// Refuses names with characters that are not seen or turn others around: people decide by them. Devices are not held to it, whose
    /// apps have such names (a mark of direction in front, say); what is shown of them has none.
    ///
    /// # Errors
    /// `field` names the member at fault.
    pub fn check_visible(&self) -> Result<(), Invalid> {
        rules::visible(self)
    }

    /// As kept in storage.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`ClientMetadata::to_text`] wrote.
    pub fn from_text(text: &str) -> Result<Self, Invalid> {
        serde_json::from_str(text).map_err(|error| Invalid::new("metadata", error.to_string()))
    }

    /// Whether nothing is set: an application that follows the instance's lists.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it runs on the person's device.
    pub fn is_native(&self) -> bool {
        self.application_type == Some(ClientSurface::Native)
    }

    /// Whether sign-in may return to `uri`, compared character by character (RFC 9700 section 2.1). Only the port of a native
    /// client's loopback address is free (RFC 8252 section 7.3).
    pub fn returns_to(&self, uri: &str) -> bool {
        let equal = |registered: &String| registered == uri;
        self.redirect_uris.iter().any(equal)
            || (self.is_native()
                && self
                    .redirect_uris
                    .iter()
                    .any(|registered| uri::same_but_for_loopback_port(registered, uri)))
    }

    /// Whether it may use a grant.
    pub fn may_use(&self, grant: &str) -> bool {
        self.grant_types.is_empty() || self.names_grant(grant)
    }

    /// Whether it says by name that it uses a grant.
    pub fn names_grant(&self, grant: &str) -> bool {
        self.grant_types.iter().any(|one| one == grant)
    }

    /// Whether it may ask for a scope.
    pub fn may_ask_for(&self, scope: &str) -> bool {
        self.scope
            .as_deref()
            .is_none_or(|scopes| scopes.split(' ').any(|one| one == scope))
    }

    /// Whether it may ask for authorization details of a type.
    pub fn may_detail(&self, r#type: &str) -> bool {
        let own = &self.authorization_details_types;
        own.is_empty() || own.iter().any(|one| one == r#type)
    }

    /// The sector within which people have one name: the host of the sector's list, else the one host of all redirect URIs (OpenID
    /// Connect Core section 8.1). Nothing where there is none.
    pub fn sector(&self) -> Option<String> {
        if let Some(list) = &self.sector_identifier_uri {
            return uri::host(list);
        }
        let mut hosts = self
            .redirect_uris
            .iter()
            .map(|redirect| uri::host(redirect));
        let first = hosts.next()??;
        hosts
            .all(|host| host.as_ref() == Some(&first))
            .then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(value: Value) -> String {
        ClientMetadata::parse(value).unwrap_err().field
    }

    #[test]
    fn nothing_is_the_metadata_of_an_application_of_the_instance() {
        let none = ClientMetadata::parse(json!({})).unwrap();
        assert!(none.is_empty() && none.may_use("password") && none.may_ask_for("email"));
        assert_eq!(none.to_text(), "{}");
        let ignored =
            json!({"something": 1, "client_name#de": "Laden", "jwks": null, "redirect_uris": null});
        assert!(ClientMetadata::parse(ignored).unwrap().is_empty());
    }

    #[test]
    fn what_was_kept_is_read_as_it_was() {
        let all = ClientMetadata::parse(json!({
            "redirect_uris": ["https://a.example/cb?x=1"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
            "jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "x", "y": "y"}]},
            "subject_type": "pairwise",
            "default_max_age": 60,
            "backchannel_logout_uri": "https://a.example/out",
            "scope": "openid email",
        }));
        let all = all.unwrap();
        assert_eq!(ClientMetadata::from_text(&all.to_text()).unwrap(), all);
        assert!(all.returns_to("https://a.example/cb?x=1"));
        assert!(
            !all.returns_to("https://a.example/cb") && !all.returns_to("https://a.example/cb?x=1&")
        );
        assert!(!all.may_use("password") && all.may_use("refresh_token"));
        assert!(all.may_ask_for("email") && !all.may_ask_for("phone"));
        assert_eq!(all.sector().as_deref(), Some("a.example"));
    }

    #[test]
    fn redirect_uris_lead_to_one_place() {
        for bad in [
            json!("https://a.example"),
            json!([7]),
            json!(["https://a.example/#f"]),
            json!(["https://user@a.example/"]),
            json!(["http://a.example/cb"]),
            json!(["javascript:alert(1)"]),
            json!(["/cb"]),
            json!(["https://a.example/*"]),
            json!(["https://a.example/ cb"]),
            json!(["https://a.example/\u{0}"]),
            json!(["com.example.app:/cb"]),
            json!([format!("https://a.example/{}", "a".repeat(2000))]),
            json!(vec!["https://a.example/"; 51]),
        ] {
            assert_eq!(
                fault(json!({"redirect_uris": bad})),
                "redirect_uris",
                "{bad}"
            );
        }
        for good in [
            "https://a.example",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:8/",
        ] {
            ClientMetadata::parse(json!({"redirect_uris": [good]})).unwrap();
        }
    }

    #[test]
    fn native_clients_have_schemes_of_their_own_and_any_loopback_port() {
        let native = |uri: &str| {
            ClientMetadata::parse(json!({"application_type": "native", "redirect_uris": [uri]}))
        };
        for good in [
            "com.example.app:/mobile/callback",
            "com.example.app://mobile/callback",
            "https://a.example/app",
        ] {
            assert!(native(good).unwrap().returns_to(good));
        }
        for bad in [
            "app:/cb",
            "javascript:alert(1)",
            "http://a.example/cb",
            "data:text/html,x",
            "com.example.app:",
        ] {
            assert!(native(bad).is_err(), "{bad}");
        }
        let loopback = native("http://127.0.0.1/cb").unwrap();
        assert!(loopback.returns_to("http://127.0.0.1:51234/cb"));
        for other in [
            "http://127.0.0.1:51234/other",
            "http://127.0.0.2:1/cb",
            "http://localhost:1/cb",
            "http://127.0.0.1:1@evil.example/cb",
            "https://127.0.0.1:1/cb",
        ] {
            assert!(!loopback.returns_to(other), "{other}");
        }
        let web = ClientMetadata::parse(json!({"redirect_uris": ["http://127.0.0.1/cb"]})).unwrap();
        assert!(!web.returns_to("http://127.0.0.1:51234/cb"));
    }

    #[test]
    fn hosts_are_names_that_nobody_reads_differently() {
        for host in [
            "a.example;sandbox",
            "a.example,b",
            "a'b.example",
            "a.example%3bsandbox",
        ] {
            let uri = format!("https://{host}/cb");
            for field in ["redirect_uris", "post_logout_redirect_uris"] {
                assert_eq!(fault(json!({field: [uri]})), field, "{host}");
            }
            assert_eq!(fault(json!({"jwks_uri": uri})), "jwks_uri", "{host}");
        }
        ClientMetadata::parse(json!({"redirect_uris": ["https://a_b.example/cb;v=1,2"]})).unwrap();
    }

    #[test]
    fn names_are_seen_as_they_are() {
        let check = |value| ClientMetadata::parse(value).unwrap().check_visible();
        for hidden in [
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{200e}',
            '\u{200f}',
            '\u{200b}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            let text = format!("Bank{hidden}knaB");
            for field in ["client_name", "software_id", "software_version"] {
                let refused = check(json!({field: text})).unwrap_err();
                assert_eq!(refused.field, field, "{hidden:?}");
            }
            assert_eq!(
                check(json!({"contacts": [text]})).unwrap_err().field,
                "contacts"
            );
        }
        check(json!({"client_name": "Büro 東京 🏦", "contacts": ["a@b.example"]})).unwrap();
    }

    #[test]
    fn keys_are_public_and_in_one_place() {
        let key = json!({"kty": "RSA", "n": "n", "e": "AQAB"});
        for bad in [
            json!({"jwks": {"keys": [key]}, "jwks_uri": "https://a.example/keys"}),
            json!({"jwks": {"keys": []}}),
            json!({"jwks": []}),
            json!({"jwks": {"keys": [{"kty": "RSA", "n": "n", "e": "AQAB", "d": "secret"}]}}),
            json!({"jwks": {"keys": [{"kty": "oct", "k": "secret"}]}}),
            json!({"jwks": {"keys": vec![key.clone(); 21]}}),
        ] {
            assert_eq!(fault(bad.clone()), "jwks", "{bad}");
        }
        assert_eq!(
            fault(json!({"jwks_uri": "http://a.example/keys"})),
            "jwks_uri"
        );
        assert_eq!(
            fault(json!({"token_endpoint_auth_method": "private_key_jwt"})),
            "jwks"
        );
    }

    #[test]
    fn members_agree_with_each_other() {
        for (bad, field) in [
            (json!({"response_types": ["token"]}), "response_types"),
            (json!({"grant_types": ["implicit"]}), "grant_types"),
            (
                json!({"response_types": ["code"], "grant_types": ["client_credentials"]}),
                "grant_types",
            ),
            (
                json!({"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]}),
                "grant_types",
            ),
            (
                json!({"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "RS256"}),
                "token_endpoint_auth_signing_alg",
            ),
            (
                json!({"id_token_signed_response_alg": "HS256"}),
                "id_token_signed_response_alg",
            ),
            (
                json!({"subject_type": "pairwise", "redirect_uris": ["https://a.example/", "https://b.example/"]}),
                "sector_identifier_uri",
            ),
            (
                json!({"redirect_uris": ["https://a.example/"], "frontchannel_logout_uri": "https://b.example/"}),
                "frontchannel_logout_uri",
            ),
            (
                json!({"tls_client_auth_subject_dn": "CN=a", "tls_client_auth_san_dns": "a"}),
                "tls_client_auth_subject_dn",
            ),
            (
                json!({"tls_client_auth_subject_dn": "a"}),
                "tls_client_auth_subject_dn",
            ),
            (
                json!({"token_endpoint_auth_method": "tls_client_auth"}),
                "tls_client_auth_subject_dn",
            ),
            (
                json!({"tls_client_auth_san_ip": "10.0.0"}),
                "tls_client_auth_san_ip",
            ),
            (json!({"client_uri": "ftp://a.example"}), "client_uri"),
            (json!({"client_name": "a\nb"}), "client_name"),
            (json!({"scope": "a\"b"}), "scope"),
            (json!({"token_endpoint_auth_method": "magic"}), ""),
            (json!({"default_max_age": -1}), ""),
            (json!([]), ""),
        ] {
            assert_eq!(fault(bad.clone()), field, "{bad}");
        }
    }
}

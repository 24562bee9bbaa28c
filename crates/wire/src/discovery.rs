//! The discovery document (OpenID Connect Discovery section 3, contract/runtime.md section 3.1) and the key set.

use std::iter;

use schemars::JsonSchema;
use serde::Serialize;
use vestibule_model::family::oauth::{OauthConfig, SigningAlgorithm};

use crate::{
    claims_request::{CLAIM_SCOPES, OFFLINE_ACCESS},
    token::{DEVICE_CODE, TOKEN_EXCHANGE},
};

/// `acr` of somebody who gave a password.
pub const PASSWORD: &str = "1";

/// Claims that say something of a token or a sign-in; those about people stand with their scopes.
const TOKEN_CLAIMS: [&str; 12] = [
    "iss",
    "aud",
    "exp",
    "tenant",
    "iat",
    "sub",
    "nonce",
    "amr",
    "oauth_client",
    "acr",
    "auth_time",
    "sid",
];

/// How clients prove who they are without certificates.
const AUTH_METHODS: [&str; 5] = [
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "none",
];

/// What clients sign assertions about themselves with.
const AUTH_ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "EdDSA", "HS256"];

/// What a client can find out about an instance.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    end_session_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_session_iframe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pushed_authorization_request_endpoint: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    require_pushed_authorization_requests: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_authorization_endpoint: Option<String>,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
    frontchannel_logout_supported: bool,
    frontchannel_logout_session_supported: bool,
    subject_types_supported: [&'static str; 2],
    id_token_signing_alg_values_supported: Vec<&'static str>,
    userinfo_signing_alg_values_supported: Vec<&'static str>,
    scopes_supported: Vec<&'static str>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_signing_alg_values_supported: Vec<&'static str>,
    claims_supported: Vec<&'static str>,
    claim_types_supported: [&'static str; 1],
    claims_parameter_supported: bool,
    acr_values_supported: [&'static str; 1],
    prompt_values_supported: [&'static str; 4],
    authorization_response_iss_parameter_supported: bool,
    grant_types_supported: Vec<&'static str>,
    code_challenge_methods_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dpop_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_client_certificate_bound_access_tokens: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtls_endpoint_aliases: Option<Aliases>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    request_object_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    require_signed_request_object: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    require_request_uri_registration: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_details_types_supported: Vec<String>,
    profiles_endpoint: String,
    management_endpoint: String,
    service_documentation: String,
}

impl Discovery {
    /// The document of the instance with this issuer: OpenID Connect Discovery section 3 and RFC 8414 section 2 in one.
    pub fn of(issuer: String, (host, tenant): (&str, &str), oauth: &OauthConfig) -> Self {
        let demands = oauth.demands();
        let names = |algorithms: &[SigningAlgorithm]| {
            let names = algorithms.iter().map(|algorithm| algorithm.name());
            names.collect::<Vec<_>>()
        };
        // What it signs with unless a client names another comes first.
        let own = oauth.signing_algorithm;
        let others = demands.client_algorithms.iter().filter(|one| **one != own);
        let signing: Vec<_> = iter::once(&own)
            .chain(others)
            .map(|one| one.name())
            .collect();
        let mut modes = vec!["query", "form_post", "web_message"];
        let mut signed_answers = Vec::new();
        if oauth.jarm {
            modes.extend(["jwt", "query.jwt", "form_post.jwt"]);
            signed_answers.clone_from(&signing);
        }
        let certificates = demands.mutual_tls.is_offered();
        let (mut methods, algorithms) = if demands.signed_client_authentication {
            (vec!["private_key_jwt"], names(demands.client_algorithms))
        } else {
            (AUTH_METHODS.to_vec(), AUTH_ALGORITHMS.to_vec())
        };
        if certificates {
            methods.extend(["tls_client_auth", "self_signed_tls_client_auth"]);
        }
        let proving = methods.iter().copied().filter(|method| *method != "none");
        let introspecting = proving.collect();
        let mut grants = vec![
            "authorization_code",
            "password",
            "refresh_token",
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ];
        if demands.devices {
            grants.push(DEVICE_CODE);
        }
        if oauth.token_exchange {
            grants.push(TOKEN_EXCHANGE);
        }
        grants.retain(|grant| demands.passwords || *grant != "password");
        let at = |path: &str| format!("{issuer}/{path}");
        let scopes = CLAIM_SCOPES.iter().map(|(scope, _)| *scope);
        let about_people = CLAIM_SCOPES
            .iter()
            .flat_map(|(_, claims)| claims.iter().copied());
        Self {
            authorization_endpoint: at("authorization"),
            token_endpoint: at("token"),
            jwks_uri: at("publickeys"),
            userinfo_endpoint: at("userinfo"),
            introspection_endpoint: at("introspect"),
            revocation_endpoint: at("revoke"),
            end_session_endpoint: at("logout"),
            check_session_iframe: None,
            pushed_authorization_request_endpoint: demands
                .pushed_requests
                .is_offered()
                .then(|| at("par")),
            require_pushed_authorization_requests: demands.pushed_requests.is_required(),
            registration_endpoint: None,
            device_authorization_endpoint: demands.devices.then(|| at("device_authorization")),
            backchannel_logout_supported: true,
            backchannel_logout_session_supported: true,
            frontchannel_logout_supported: true,
            frontchannel_logout_session_supported: true,
            subject_types_supported: ["public", "pairwise"],
            id_token_signing_alg_values_supported: signing.clone(),
            userinfo_signing_alg_values_supported: signing,
            scopes_supported: iter::once("openid").chain(scopes).collect(),
            response_types_supported: ["code"],
            response_modes_supported: modes,
            authorization_signing_alg_values_supported: signed_answers,
            claims_supported: TOKEN_CLAIMS.into_iter().chain(about_people).collect(),
            claim_types_supported: ["normal"],
            claims_parameter_supported: true,
            acr_values_supported: [PASSWORD],
            prompt_values_supported: ["none", "login", "select_account", "consent"],
            authorization_response_iss_parameter_supported: true,
            grant_types_supported: grants,
            code_challenge_methods_supported: ["S256"],
            token_endpoint_auth_methods_supported: methods.clone(),
            token_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
            introspection_endpoint_auth_methods_supported: introspecting,
            introspection_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
            revocation_endpoint_auth_methods_supported: methods,
            revocation_endpoint_auth_signing_alg_values_supported: algorithms,
            dpop_signing_alg_values_supported: if demands.dpop.is_offered() {
                names(&SigningAlgorithm::STRICT)
            } else {
                Vec::new()
            },
            tls_client_certificate_bound_access_tokens: certificates,
            mtls_endpoint_aliases: None,
            request_object_signing_alg_values_supported: if demands.request_objects.is_offered() {
                names(demands.client_algorithms)
            } else {
                Vec::new()
            },
            require_signed_request_object: demands.request_objects.is_required(),
            request_parameter_supported: demands.request_objects.is_offered(),
            request_uri_parameter_supported: oauth.fetches_requests(),
            require_request_uri_registration: oauth.fetches_requests(),
            authorization_details_types_supported: oauth
                .authorization_details_types
                .iter()
                .map(|one| one.r#type.clone())
                .collect(),
            profiles_endpoint: host.to_owned(),
            management_endpoint: format!("{host}/management/v4/{tenant}"),
            service_documentation: format!("{host}/docs"),
            issuer,
        }
    }

    /// The same where clients show certificates at an address of its own: `base` is the issuer as it is there.
    pub fn with_mutual_tls(mut self, base: &str) -> Self {
        let pushes = self.pushed_authorization_request_endpoint.is_some();
        let devices = self.device_authorization_endpoint.is_some();
        self.mtls_endpoint_aliases =
            self.tls_client_certificate_bound_access_tokens
                .then(|| Aliases {
                    token_endpoint: format!("{base}/token"),
                    userinfo_endpoint: format!("{base}/userinfo"),
                    introspection_endpoint: format!("{base}/introspect"),
                    revocation_endpoint: format!("{base}/revoke"),
                    pushed_authorization_request_endpoint: pushes.then(|| format!("{base}/par")),
                    device_authorization_endpoint: devices
                        .then(|| format!("{base}/device_authorization")),
                });
        self
    }

    /// The same where browsers stay signed in.
    pub fn with_sessions(mut self) -> Self {
        self.check_session_iframe = Some(format!("{}/check_session", self.issuer));
        self
    }

    /// The same where refresh tokens are given.
    pub fn with_refresh_tokens(mut self) -> Self {
        self.scopes_supported.push(OFFLINE_ACCESS);
        self
    }

    /// The same where clients may register themselves.
    pub fn with_registration(mut self) -> Self {
        self.registration_endpoint = Some(format!("{}/register", self.issuer));
        self
    }
}

/// Where clients show certificates (RFC 8705 section 5).
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Aliases {
    token_endpoint: String,
    userinfo_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pushed_authorization_request_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_authorization_endpoint: Option<String>,
}

/// Public keys (RFC 7517 section 5).
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeySet {
    /// The keys, the one that signs now first.
    pub keys: Vec<serde_json::Value>,
}

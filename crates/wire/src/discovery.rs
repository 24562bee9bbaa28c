//! The discovery document (OpenID Connect Discovery section 3, contract/runtime.md section 3.1) and the key set.

use std::iter;

use schemars::JsonSchema;
use serde::Serialize;
use vestibule_model::family::oauth::{OauthConfig, SigningAlgorithm};

use crate::{
    claims_request::CLAIM_SCOPES,
    token::{DEVICE_CODE, TOKEN_EXCHANGE},
};

/// `acr` of somebody who gave a password.
pub const PASSWORD: &str = "1";

/// Claims that say something of a token or a sign-in; those about people stand with their scopes.
const TOKEN_CLAIMS: [&str; 11] = [
    "iss",
    "aud",
    "exp",
    "tenant",
    "iat",
    "sub",
    "nonce",
    "amr",
    "acr",
    "auth_time",
    "sid",
];

/// How clients prove who they are.
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
    id_token_signing_alg_values_supported: [&'static str; 1],
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    request_object_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    require_signed_request_object: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
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
        let mut modes = vec!["query", "form_post", "web_message"];
        let mut signed_answers = Vec::new();
        if oauth.jarm {
            modes.extend(["jwt", "query.jwt", "form_post.jwt"]);
            signed_answers.push(oauth.signing_algorithm.name());
        }
        let (methods, algorithms) = if demands.signed_client_authentication {
            (vec!["private_key_jwt"], names(demands.client_algorithms))
        } else {
            (AUTH_METHODS.to_vec(), AUTH_ALGORITHMS.to_vec())
        };
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
            id_token_signing_alg_values_supported: [oauth.signing_algorithm.name()],
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
            request_object_signing_alg_values_supported: if demands.request_objects.is_offered() {
                names(demands.client_algorithms)
            } else {
                Vec::new()
            },
            require_signed_request_object: demands.request_objects.is_required(),
            request_parameter_supported: demands.request_objects.is_offered(),
            request_uri_parameter_supported: false,
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

    /// The same where clients may register themselves.
    pub fn with_registration(mut self) -> Self {
        self.registration_endpoint = Some(format!("{}/register", self.issuer));
        self
    }
}

/// Public keys (RFC 7517 section 5).
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeySet {
    /// The keys, the one that signs now first.
    pub keys: Vec<serde_json::Value>,
}

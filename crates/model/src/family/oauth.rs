//! `config/oauth`: what an instance's OAuth server offers and what it insists on. Applications choose among what is offered; a profile
//! puts several demands together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Family, input::null_as_default};
use crate::{
    Invalid,
    details::{self, DetailsType},
    resource::is_resource,
};

/// Most resources of one instance.
const MOST_RESOURCES: usize = 100;

/// Switches of the OAuth server. What is left out on a write goes back to its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct OauthConfig {
    /// A set of demands; it prevails over the single switches.
    pub profile: Profile,
    /// What tokens are signed with.
    pub signing_algorithm: SigningAlgorithm,
    /// Pushed authorization requests (RFC 9126).
    pub pushed_requests: Demand,
    /// Signed authorization requests (RFC 9101).
    pub request_objects: Demand,
    /// Whether signed requests are fetched from addresses that applications registered, where signed requests are taken.
    pub request_uris: bool,
    /// Whether applications may ask for signed answers (JARM).
    pub jarm: bool,
    /// Tokens that are bound to a key of the application (RFC 9449).
    pub dpop: Demand,
    /// Whether proofs must repeat a nonce of the service (RFC 9449 section 8).
    pub dpop_nonce: bool,
    /// Certificates of applications: who they are, and what their tokens are bound to (RFC 8705).
    pub mutual_tls: Demand,
    /// Whether access tokens say in their header that they are (RFC 9068).
    pub jwt_access_tokens: bool,
    /// Whether devices without a browser may ask people to let them in elsewhere (RFC 8628).
    pub device_authorization: bool,
    /// Whether applications that are registered for it by name may exchange tokens (RFC 8693).
    pub token_exchange: bool,
    /// Where access tokens can be made for (RFC 8707): absolute URIs without a fragment, compared character by character. Empty for
    /// tokens that are for the application alone.
    #[serde(deserialize_with = "null_as_default")]
    pub resources: Vec<String>,
    /// Types of authorization details that can be asked for (RFC 9396).
    #[serde(deserialize_with = "null_as_default")]
    pub authorization_details_types: Vec<DetailsType>,
}

/// How far something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// Nobody may use it.
    Off,
    /// Whoever likes may.
    Allowed,
    /// Everybody must.
    Required,
}

impl Demand {
    /// Whether it may be used.
    pub fn is_offered(self) -> bool {
        self != Self::Off
    }

    /// Whether it must be used.
    pub fn is_required(self) -> bool {
        self == Self::Required
    }
}

/// Signature algorithms of tokens (RFC 7518 section 3.1, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum SigningAlgorithm {
    /// What App ID signs with, and every client can verify.
    #[default]
    RS256,
    /// RSA with a probabilistic padding.
    PS256,
    /// P-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

impl SigningAlgorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RS256, Self::PS256, Self::ES256, Self::EdDSA];
    /// Those of the FAPI 2.0 security profile, section 5.4.1.
    pub const STRICT: [Self; 3] = [Self::PS256, Self::ES256, Self::EdDSA];

    /// Its registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// Sets of demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The single switches alone.
    #[default]
    None,
    /// FAPI 2.0 security profile: see [`OauthConfig::demands`].
    Fapi2,
}

/// What an instance insists on, profile and switches taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demands {
    /// Pushed authorization requests.
    pub pushed_requests: Demand,
    /// Signed authorization requests.
    pub request_objects: Demand,
    /// Tokens that are bound to a key.
    pub dpop: Demand,
    /// Certificates of applications; where they are required every token is bound to one.
    pub mutual_tls: Demand,
    /// Whether every token is bound, to a key or to a certificate.
    pub bound_tokens: bool,
    /// Whether every authorization request needs a `code_challenge`.
    pub pkce: bool,
    /// Whether applications that keep no secret may use the OAuth server.
    pub public_clients: bool,
    /// Whether applications prove who they are by signature, for the issuer alone, or by certificate only.
    pub signed_client_authentication: bool,
    /// Whether applications may send a person's password.
    pub passwords: bool,
    /// Whether a refresh token is replaced when it is used.
    pub refresh_rotation: bool,
    /// Whether who did not ask for `openid` gets an identity token all the same, as at App ID.
    pub identity_unasked: bool,
    /// Whether devices may ask people to let them in elsewhere.
    pub devices: bool,
    /// Seconds that a code is good for.
    pub code_seconds: i64,
    /// Whether what applications sign may say only what was made within the hour and ends within one.
    pub short_request_objects: bool,
    /// What applications may sign with.
    pub client_algorithms: &'static [SigningAlgorithm],
}

impl OauthConfig {
    /// Whether signed requests are fetched from elsewhere.
    pub fn fetches_requests(&self) -> bool {
        self.request_uris && self.request_objects.is_offered()
    }

    /// What the instance insists on. This is the one place that knows what a profile means.
    pub fn demands(&self) -> Demands {
        let own = Demands {
            pushed_requests: self.pushed_requests,
            request_objects: self.request_objects,
            dpop: self.dpop,
            mutual_tls: self.mutual_tls,
            bound_tokens: self.dpop.is_required() || self.mutual_tls.is_required(),
            pkce: false,
            public_clients: true,
            signed_client_authentication: false,
            passwords: true,
            refresh_rotation: true,
            identity_unasked: true,
            devices: self.device_authorization,
            code_seconds: 300,
            short_request_objects: false,
            client_algorithms: &SigningAlgorithm::ALL,
        };
        match self.profile {
            Profile::None => own,
            Profile::Fapi2 => Demands {
                pushed_requests: Demand::Required,
                request_objects: own.request_objects,
                // Section 5.3.2.1: either of both binds.
                dpop: match (own.dpop, own.mutual_tls) {
                    (Demand::Required, _) | (_, Demand::Off) => Demand::Required,
                    _ => Demand::Allowed,
                },
                mutual_tls: own.mutual_tls,
                bound_tokens: true,
                pkce: true,
                public_clients: false,
                signed_client_authentication: true,
                passwords: false,
                refresh_rotation: false,
                identity_unasked: false,
                // Who asks and who is asked are not at one place: nothing binds the one to the other.
                devices: false,
                code_seconds: 60,
                short_request_objects: true,
                client_algorithms: &SigningAlgorithm::STRICT,
            },
        }
    }
}

impl Default for OauthConfig {
    fn default() -> Self {
        Self {
            profile: Profile::None,
            signing_algorithm: SigningAlgorithm::RS256,
            pushed_requests: Demand::Allowed,
            request_objects: Demand::Off,
            request_uris: false,
            jarm: true,
            dpop: Demand::Allowed,
            dpop_nonce: false,
            mutual_tls: Demand::Off,
            jwt_access_tokens: false,
            device_authorization: false,
            token_exchange: false,
            resources: Vec::new(),
            authorization_details_types: Vec::new(),
        }
    }
}

impl Family for OauthConfig {
    const NAME: &'static str = "oauth";

    fn validate(&self) -> Result<(), Invalid> {
        let strict = self.profile == Profile::Fapi2;
        if strict && !SigningAlgorithm::STRICT.contains(&self.signing_algorithm) {
            return Err(Invalid::new(
                "signingAlgorithm",
                "must be PS256, ES256 or EdDSA in the profile fapi2",
            ));
        }
        let odd = |uri: &String| !is_resource(uri);
        if self.resources.len() > MOST_RESOURCES || self.resources.iter().any(odd) {
            return Err(Invalid::new(
                "resources",
                "must be at most 100 absolute URIs without fragment, user and white space, 1000 bytes each",
            ));
        }
        details::check(&self.authorization_details_types)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<OauthConfig, String> {
        let config: OauthConfig = serde_json::from_str(text).map_err(|error| error.to_string())?;
        config.validate().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn what_is_left_out_is_the_default() {
        assert_eq!(read("{}"), Ok(OauthConfig::default()));
        let some = read(r#"{"signingAlgorithm":"EdDSA","dpop":"required","jarm":false}"#).unwrap();
        assert_eq!(some.signing_algorithm, SigningAlgorithm::EdDSA);
        assert!(some.demands().dpop.is_required() && !some.jarm);
        assert_eq!(some.pushed_requests, Demand::Allowed);
        let alone = read(r#"{"requestUris":true}"#).unwrap();
        assert!(!alone.fetches_requests());
        let both = read(r#"{"requestUris":true,"requestObjects":"allowed"}"#).unwrap();
        assert!(both.fetches_requests());
    }

    #[test]
    fn a_profile_prevails_over_the_switches() {
        let fapi = r#"{"profile":"fapi2","signingAlgorithm":"PS256","dpop":"off","pushedRequests":"off","deviceAuthorization":true}"#;
        let demands = read(fapi).unwrap().demands();
        assert!(demands.dpop.is_required() && demands.pushed_requests.is_required());
        assert!(demands.pkce && demands.signed_client_authentication);
        assert!(!demands.public_clients && !demands.passwords);
        assert!(!demands.refresh_rotation && !demands.devices && !demands.identity_unasked);
        assert_eq!(demands.code_seconds, 60);
        assert!(demands.bound_tokens && !demands.mutual_tls.is_offered());
        assert!(!demands.client_algorithms.contains(&SigningAlgorithm::RS256));
    }

    #[test]
    fn the_profile_takes_certificates_for_keys_where_they_are_offered() {
        for (mutual, dpop) in [
            ("off", Demand::Required),
            ("allowed", Demand::Allowed),
            ("required", Demand::Allowed),
        ] {
            let fapi = format!(
                r#"{{"profile":"fapi2","signingAlgorithm":"PS256","mutualTls":"{mutual}"}}"#
            );
            let demands = read(&fapi).unwrap().demands();
            assert_eq!(demands.dpop, dpop, "{mutual}");
            let both = read(&fapi.replace('}', r#","dpop":"required"}"#)).unwrap();
            assert!(both.demands().dpop.is_required());
            assert!(demands.bound_tokens);
        }
        let free = read(r#"{"mutualTls":"allowed"}"#).unwrap().demands();
        assert!(free.mutual_tls.is_offered() && !free.bound_tokens);
        assert!(
            read(r#"{"mutualTls":"required"}"#)
                .unwrap()
                .demands()
                .bound_tokens
        );
    }

    #[test]
    fn bad_documents_are_refused() {
        for bad in [
            r#"{"profile":"fapi2"}"#,
            r#"{"profile":"fapi1"}"#,
            r#"{"signingAlgorithm":"none"}"#,
            r#"{"signingAlgorithm":"HS256"}"#,
            r#"{"signingAlgorithm":null}"#,
            r#"{"dpop":true}"#,
            r#"{"dpopNonce":"on"}"#,
            r#"{"mutualTls":true}"#,
            r#"{"mutualTls":"on"}"#,
            r#"{"pushedRequests":"on"}"#,
            r#"{"jarm":"yes"}"#,
            r#"{"deviceAuthorization":"allowed"}"#,
            r#"{"requestUris":"allowed"}"#,
            r#"{"resources":["/api"]}"#,
            r#"{"authorizationDetailsTypes":[{"fields":["a"]}]}"#,
            r#"{"resources":["https://api.example#x"]}"#,
            r#"{"resources":"https://api.example"}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

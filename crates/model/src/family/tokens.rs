//! `config/tokens`: lifetimes and claim mappings (contract/runtime.md sections 6.6 and 6.7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Family,
    input::{blank_as_none, null_as_default, whole_number},
};
use crate::Invalid;

/// Token lifetimes and claim mappings. What is left out on a write goes back to its default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct TokensConfig {
    /// Claims mapped into identity tokens, applied in order.
    #[serde(deserialize_with = "null_as_default")]
    pub id_token_claims: Vec<ClaimMapping>,
    /// Claims mapped into access tokens, applied in order.
    #[serde(deserialize_with = "null_as_default")]
    pub access_token_claims: Vec<ClaimMapping>,
    /// Access (and identity) token lifetime.
    #[serde(deserialize_with = "null_as_default")]
    pub access: AccessLifetime,
    /// Refresh tokens: off unless switched on.
    #[serde(deserialize_with = "null_as_default")]
    pub refresh: RefreshLifetime,
    /// Anonymous sign-in: on unless switched off.
    #[serde(deserialize_with = "null_as_default")]
    pub anonymous_access: AnonymousLifetime,
}

/// A claim copied from a source into a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMapping {
    /// One of [`CLAIM_SOURCES`].
    pub source: String,
    /// Dot path into the source; empty counts as absent.
    #[serde(
        default,
        deserialize_with = "blank_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub source_claim: Option<String>,
    /// Claim name in the token; defaults to the whole source path. Empty counts as absent.
    #[serde(
        default,
        deserialize_with = "blank_as_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub destination_claim: Option<String>,
}

/// Where a mapped claim may come from.
pub const CLAIM_SOURCES: [&str; 8] = [
    "saml",
    "cloud_directory",
    "facebook",
    "google",
    "appid_custom",
    "ibmid",
    "attributes",
    "roles",
];

/// Access token lifetime in seconds, 300 to 86,400.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AccessLifetime {
    /// Seconds.
    #[serde(deserialize_with = "whole_number")]
    pub expires_in: i64,
}

/// Refresh token switch and lifetime in seconds, 86,400 to 7,776,000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RefreshLifetime {
    /// Seconds.
    #[serde(deserialize_with = "whole_number")]
    pub expires_in: i64,
    /// Whether refresh tokens are issued.
    pub enabled: bool,
}

/// Anonymous token switch and lifetime in seconds, 86,400 to 7,776,000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AnonymousLifetime {
    /// Seconds.
    #[serde(deserialize_with = "whole_number")]
    pub expires_in: i64,
    /// Whether anonymous sign-in is allowed.
    pub enabled: bool,
}

impl Default for AccessLifetime {
    fn default() -> Self {
        Self { expires_in: 3600 }
    }
}

impl Default for RefreshLifetime {
    fn default() -> Self {
        Self {
            expires_in: 2_592_000,
            enabled: false,
        }
    }
}

impl Default for AnonymousLifetime {
    fn default() -> Self {
        Self {
            expires_in: 2_592_000,
            enabled: true,
        }
    }
}

impl Family for TokensConfig {
    const NAME: &'static str = "tokens";

    fn validate(&self) -> Result<(), Invalid> {
        let within = |field: &str, value: i64, low: i64, high: i64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(Invalid::new(
                    field,
                    format!("must be {low} to {high} seconds"),
                ))
            }
        };
        within("access.expires_in", self.access.expires_in, 300, 86_400)?;
        within(
            "refresh.expires_in",
            self.refresh.expires_in,
            86_400,
            7_776_000,
        )?;
        within(
            "anonymousAccess.expires_in",
            self.anonymous_access.expires_in,
            86_400,
            7_776_000,
        )?;
        for (field, claims) in [
            ("idTokenClaims", &self.id_token_claims),
            ("accessTokenClaims", &self.access_token_claims),
        ] {
            if claims.len() > 100 {
                return Err(Invalid::new(field, "holds more than 100 claims"));
            }
            for claim in claims {
                if !CLAIM_SOURCES.contains(&claim.source.as_str()) {
                    return Err(Invalid::new(
                        format!("{field}.source"),
                        format!("must be one of {}", CLAIM_SOURCES.join(", ")),
                    ));
                }
                if claim.source_claim.is_none() && claim.source != "roles" {
                    return Err(Invalid::new(format!("{field}.sourceClaim"), "is required"));
                }
                for text in [&claim.source_claim, &claim.destination_claim]
                    .into_iter()
                    .flatten()
                {
                    if text.chars().count() > 200 || text.chars().any(char::is_control) {
                        return Err(Invalid::new(
                            field,
                            "a claim is at most 200 printable characters",
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_or_empty_is_the_default() {
        let read: TokensConfig = serde_json::from_str(
            r#"{"access": {}, "refresh": null, "anonymousAccess": {"enabled": false}, "idTokenClaims": null,
                "accessTokenClaims": [{"source": "roles", "sourceClaim": "", "destinationClaim": ""}]}"#,
        )
        .unwrap();
        assert_eq!(read.access.expires_in, 3600);
        assert_eq!(read.refresh, RefreshLifetime::default());
        assert_eq!(read.anonymous_access.expires_in, 2_592_000);
        assert!(!read.anonymous_access.enabled);
        assert_eq!(read.access_token_claims[0].source_claim, None);
        assert_eq!(read.access_token_claims[0].destination_claim, None);
        read.validate().unwrap();
    }

    #[test]
    fn lifetimes_keep_their_bounds() {
        for (text, good) in [
            (r#"{"access": {"expires_in": 300}}"#, true),
            (r#"{"access": {"expires_in": 86400.0}}"#, true),
            (r#"{"access": {"expires_in": 299}}"#, false),
            (r#"{"access": {"expires_in": 86401}}"#, false),
            (r#"{"refresh": {"expires_in": 86399}}"#, false),
            (r#"{"anonymousAccess": {"expires_in": 7776001}}"#, false),
        ] {
            let read: TokensConfig = serde_json::from_str(text).unwrap();
            assert_eq!(read.validate().is_ok(), good, "{text}");
        }
        for text in [
            r#"{"access": {"expires_in": 300.5}}"#,
            r#"{"access": {"expires_in": "3600"}}"#,
            r#"{"access": {"expires_in": 1e300}}"#,
            r#"{"access": 5}"#,
        ] {
            assert!(
                serde_json::from_str::<TokensConfig>(text).is_err(),
                "{text}"
            );
        }
    }
}

//! Platform tokens: `POST /identity/token` (contract/runtime.md section 10).

use std::sync::Arc;

use serde_json::{Value, json};
use vestibule_crypto::{
    jose::{self, Algorithm, SigningKey},
    token::{PlainToken, TokenHash},
};
use vestibule_model::{iam::ApiKey, time::Timestamp};
use vestibule_store::platform::iam::PlatformRefresh;

use super::account::platform_key_context;
use crate::{Engine, Error, Kind, Result, access::Caller};

/// Life of a platform token in seconds.
pub const TOKEN_SECONDS: i64 = 3600;
/// Life of a platform refresh token in seconds.
const REFRESH_SECONDS: i64 = 30 * 86_400;

/// What the token endpoint answers.
pub struct PlatformToken {
    /// The signed token.
    pub access_token: String,
    /// Works once.
    pub refresh_token: PlainToken,
    /// Seconds.
    pub expires_in: i64,
    /// Seconds since the Unix epoch.
    pub expiration: i64,
}

/// Keys of the platform, in memory.
pub(crate) struct PlatformKeys {
    signing: Arc<SigningKey>,
    all: Vec<Arc<SigningKey>>,
}

impl Engine {
    /// A token for an API key.
    ///
    /// # Errors
    /// `Invalid` with code `BXNIM0415E` for a key that is unknown, disabled or expired: which one is not said.
    pub async fn issue_platform_token(&self, api_key: &str) -> Result<PlatformToken> {
        let hash = TokenHash::of(api_key);
        let found = self
            .store()
            .platform_read::<_, Error>(move |platform| {
                Ok(platform.find_api_key_by_hash(hash.as_str())?)
            })
            .await?;
        let key = found
            .filter(|key| !key.disabled && key.expires_at.is_none_or(|at| at > self.now()))
            .ok_or_else(|| {
                Error::new(
                    Kind::Invalid,
                    "BXNIM0415E",
                    "Provided API key could not be found.",
                )
            })?;
        let refresh = PlainToken::generate(self.random());
        let (hash, now) = (refresh.hash(), self.now());
        let row = refresh_row(&key, now);
        self.store()
            .platform_write::<_, Error>(move |platform| {
                Ok(platform.insert_platform_refresh(hash.as_str(), &row, now)?)
            })
            .await?;
        self.sign_platform_token(&key, refresh, "urn:ibm:params:oauth:grant-type:apikey")
    }

    /// A token for a refresh token, which is replaced.
    ///
    /// # Errors
    /// `Invalid` with code `BXNIM0408E` for one that is unknown, used or expired, or whose API key is gone.
    pub async fn renew_platform_token(&self, refresh_token: &str) -> Result<PlatformToken> {
        let (old, refresh, now) = (
            TokenHash::of(refresh_token),
            PlainToken::generate(self.random()),
            self.now(),
        );
        let hash = refresh.hash();
        let key = self
            .store()
            .platform_write::<_, Error>(move |platform| {
                let refused = || {
                    Error::new(
                        Kind::Invalid,
                        "BXNIM0408E",
                        "The refresh token is not valid.",
                    )
                };
                let row = platform
                    .claim_platform_refresh(old.as_str())?
                    .ok_or_else(refused)?;
                let account = platform.find_account()?.ok_or_else(refused)?;
                let key = platform
                    .find_api_key(&account, &row.api_key_id)?
                    .filter(|key| {
                        !key.disabled
                            && row.expires_at > now
                            && key.expires_at.is_none_or(|at| at > now)
                    })
                    .ok_or_else(refused)?;
                platform.insert_platform_refresh(hash.as_str(), &refresh_row(&key, now), now)?;
                Ok(key)
            })
            .await?;
        self.sign_platform_token(&key, refresh, "refresh_token")
    }

    /// Who a platform token speaks for.
    ///
    /// # Errors
    /// `Unauthenticated` for a token that is not ours, has expired, or whose subject or API key is gone or disabled.
    pub async fn authenticate_caller(&self, token: &str) -> Result<Caller> {
        let refused = || Error::unauthenticated("The token is not valid or has expired.");
        let header = jose::decode_unverified_header(token).map_err(|_| refused())?;
        let keys = self.platform_keys()?;
        let key = keys
            .all
            .iter()
            .find(|key| Some(key.kid()) == header.kid.as_deref())
            .ok_or_else(refused)?;
        let claims =
            jose::verify(token, key.verifying_key(), &[Algorithm::RS256]).map_err(|_| refused())?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let expires = claims
            .get("exp")
            .and_then(Value::as_i64)
            .ok_or_else(refused)?;
        if text("iss").as_deref() != Some(&self.platform_issuer())
            || expires <= self.now().seconds()
        {
            return Err(refused());
        }
        let caller = Caller {
            iam_id: text("iam_id").ok_or_else(refused)?,
            account_id: claims
                .get("account")
                .and_then(|account| account.get("bss"))
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(refused)?,
            api_key_id: text("apikey_id").ok_or_else(refused)?,
        };
        let standing = self.standing(&caller).await?;
        if standing.exists && standing.live_keys.contains(&caller.api_key_id) {
            Ok(caller)
        } else {
            Err(refused())
        }
    }

    /// Public keys of the platform as JWKS.
    pub fn platform_jwks(&self) -> Result<Value> {
        let keys = self.platform_keys()?;
        Ok(json!({ "keys": keys.all.iter().map(|key| key.public_jwk()).collect::<Vec<_>>() }))
    }

    /// Reads the platform's keys into memory.
    pub(super) async fn load_platform(&self) -> Result<()> {
        let rows = self
            .store()
            .platform_read::<_, Error>(|platform| Ok(platform.list_platform_keys()?))
            .await?;
        let all = rows
            .iter()
            .map(|row| {
                SigningKey::from_sealed(self.master(), platform_key_context(&row.kid).as_bytes(), &row.sealed)
                    .map(Arc::new)
                    .map_err(|error| {
                        Error::internal(format!(
                            "the platform's keys do not open with this master key; was the key file replaced? ({error})"
                        ))
                    })
            })
            .collect::<Result<Vec<_>>>()?;
        let signing = all
            .first()
            .cloned()
            .ok_or_else(|| Error::internal("the platform has no signing key"))?;
        self.keep_platform_keys(PlatformKeys { signing, all });
        Ok(())
    }

    fn sign_platform_token(
        &self,
        key: &ApiKey,
        refresh: PlainToken,
        grant: &str,
    ) -> Result<PlatformToken> {
        let keys = self.platform_keys()?;
        let issued = self.now().seconds();
        let expiration = issued + TOKEN_SECONDS;
        let service = key.iam_id.starts_with("iam-ServiceId-");
        let claims = json!({
            "iam_id": key.iam_id,
            "id": key.iam_id,
            "realmid": if service { "iam" } else { "IBMid" },
            "identifier": key.iam_id,
            "sub": key.iam_id,
            "sub_type": if service { "ServiceId" } else { "User" },
            "account": {"valid": true, "bss": key.account_id},
            "apikey_id": key.id,
            "jti": self.random_uuid(),
            "iat": issued,
            "exp": expiration,
            "iss": self.platform_issuer(),
            "grant_type": grant,
            "scope": "ibm openid",
            "client_id": "default",
            "acr": 1,
            "amr": ["pwd"],
        });
        let header = json!({"kid": keys.signing.kid(), "alg": keys.signing.algorithm().name(), "typ": "JWT"});
        Ok(PlatformToken {
            access_token: keys
                .signing
                .sign(&header, &claims)
                .map_err(Error::internal)?,
            refresh_token: refresh,
            expires_in: TOKEN_SECONDS,
            expiration,
        })
    }

    fn platform_issuer(&self) -> String {
        format!("{}/identity", self.settings().public_url)
    }
}

fn refresh_row(key: &ApiKey, now: Timestamp) -> PlatformRefresh {
    PlatformRefresh {
        iam_id: key.iam_id.clone(),
        api_key_id: key.id.clone(),
        expires_at: now.plus_seconds(REFRESH_SECONDS),
    }
}

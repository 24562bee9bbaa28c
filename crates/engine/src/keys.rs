//! Signing keys of instances: a new one by call or by schedule, while what the old ones signed stays good until it runs out.

use vestibule_crypto::jose::Algorithm;
use vestibule_model::{
    application::metadata::{ClientMetadata, SignatureAlgorithm},
    family::oauth::{OauthConfig, SigningAlgorithm},
    id::TenantId,
    time::Timestamp,
};
use vestibule_store::{key::KeyRow, scope::Tenant, snapshot::SealedKey};

use crate::{
    Engine, Error, Result,
    access::{Manager, Reader, Writer},
    runtime::LONGEST_LIFE,
};

/// Most keys that an instance has, retired ones included.
const MOST_KEYS: usize = 20;
/// Instances that one pass of the worker gives new keys.
const AT_ONCE: u32 = 20;

/// A signing key, without its private half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id, as tokens name it.
    pub kid: String,
    /// JWS algorithm.
    pub algorithm: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ceased to sign; it still verifies.
    pub retired_at: Option<Timestamp>,
    /// When it ceases to verify.
    pub expires_at: Option<Timestamp>,
}

impl Engine {
    /// The signing keys, newest first.
    pub async fn list_signing_keys(&self, reader: &Reader) -> Result<Vec<KeyInfo>> {
        self.store().read(reader.tenant(), listed).await
    }

    /// Makes a new signing key of each algorithm that the instance signs with. Tokens of the old ones stay good until they run out, 90 days at most; with `at_once` they are refused
    /// from now on, which is for a key that somebody else may have.
    ///
    /// # Errors
    /// `too_many_keys` (409) when twenty keys are still needed.
    pub async fn rotate_signing_keys(
        &self,
        manager: &Manager,
        at_once: bool,
    ) -> Result<Vec<KeyInfo>> {
        self.rotate(manager.tenant(), at_once, None).await
    }

    /// Gives instances new keys whose key is older than the service's schedule allows, unless they have as many as they may, and removes keys whose tokens have all run out.
    /// Called by a worker.
    pub(crate) async fn rotate_by_schedule(&self) -> Result<()> {
        let now = self.now();
        let days = i64::from(self.settings().rotate_keys_days);
        let old = now.plus_seconds(-days * 86_400);
        let gone = now.plus_seconds(-LONGEST_LIFE);
        let (due, over) = self
            .store()
            .platform_read::<_, Error>(move |platform| {
                let due = match days {
                    0 => Vec::new(),
                    _ => platform.list_old_signing_keys(old, MOST_KEYS, AT_ONCE)?,
                };
                Ok((due, platform.list_retired_signing_keys(gone, AT_ONCE)?))
            })
            .await?;
        for tenant in due {
            // One instance's trouble is not the others': the next pass tries again.
            if let Err(error) = self.rotate(tenant, false, Some(old)).await {
                tracing::warn!(instance = %tenant, ?error, "an instance got no new signing key");
            }
        }
        for tenant in over {
            self.change_keys(tenant, move |t| {
                t.delete_retired_signing_keys(gone)?;
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// `only_before`: another node may have been faster; then nothing changes.
    async fn rotate(
        &self,
        tenant: TenantId,
        at_once: bool,
        only_before: Option<Timestamp>,
    ) -> Result<Vec<KeyInfo>> {
        let state = self.tenant_in_any_state(tenant).await?;
        let mut fresh = Vec::new();
        for key in &state.signers {
            fresh.push(self.make_signing_key(tenant, key.algorithm()).await?);
        }
        let now = self.now();
        self.change_keys(tenant, move |t| {
            let known = t.list_signing_keys()?;
            fresh.retain(|key| {
                let newer = |before| {
                    known
                        .iter()
                        .any(|one| one.algorithm == key.algorithm && one.created_at >= before)
                };
                !only_before.is_some_and(newer)
            });
            for key in &fresh {
                t.retire_signing_keys(&key.algorithm, now)?;
            }
            if at_once {
                t.delete_retired_signing_keys(now)?;
            } else if known.len() + fresh.len() > MOST_KEYS {
                return Err(too_many_keys());
            }
            for key in &fresh {
                t.insert_signing_key(key)?;
            }
            listed(t)
        })
        .await
    }

    /// Sets what the OAuth server offers and insists on. The first time that an algorithm is selected a key is made for it.
    ///
    /// # Errors
    /// `Invalid`; `too_many_keys` (409).
    pub async fn set_oauth(&self, writer: &Writer, next: OauthConfig) -> Result<OauthConfig> {
        let tenant = writer.tenant();
        let fresh = self.missing_keys(tenant, &[next.signing_algorithm]).await?;
        let keep = move |t: &mut Tenant<'_, '_>| adopt(t, &fresh);
        self.change_family_and(writer, move |_| next, keep).await
    }

    /// Keys of those algorithms that the instance has none of. They are made before the transaction that adopts them.
    pub(crate) async fn missing_keys(
        &self,
        tenant: TenantId,
        chosen: &[SigningAlgorithm],
    ) -> Result<Vec<SealedKey>> {
        let state = self.tenant_in_any_state(tenant).await?;
        let mut fresh: Vec<SealedKey> = Vec::new();
        for algorithm in chosen.iter().copied().map(algorithm_of) {
            let known = state.signers.iter().any(|key| key.algorithm() == algorithm);
            let made = fresh.iter().any(|key| key.algorithm == algorithm.name());
            if !known && !made {
                fresh.push(self.make_signing_key(tenant, algorithm).await?);
            }
        }
        Ok(fresh)
    }

    async fn change_keys<T: Send + 'static>(
        &self,
        tenant: TenantId,
        f: impl FnOnce(&mut Tenant<'_, '_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let now = self.now();
        let result = self
            .store()
            .write(tenant, move |t| {
                t.touch(now)?;
                f(t)
            })
            .await;
        // Also after a failure: a commit whose answer was lost may have happened.
        self.tenants().forget(tenant);
        result
    }
}

fn listed(t: &mut Tenant<'_, '_>) -> Result<Vec<KeyInfo>> {
    let keys = t.list_signing_keys()?;
    Ok(keys
        .into_iter()
        .map(|key| KeyInfo {
            expires_at: key.retired_at.map(|at| at.plus_seconds(LONGEST_LIFE)),
            kid: key.kid,
            algorithm: key.algorithm,
            created_at: key.created_at,
            retired_at: key.retired_at,
        })
        .collect())
}

/// Adds keys of algorithms that the instance has none of, unless another node was faster.
pub(crate) fn adopt(t: &mut Tenant<'_, '_>, fresh: &[SealedKey]) -> Result<()> {
    if fresh.is_empty() {
        return Ok(());
    }
    let known = t.list_signing_keys()?;
    let missing = fresh.iter().filter(|key| {
        let signs = |one: &KeyRow| one.algorithm == key.algorithm && one.retired_at.is_none();
        !known.iter().any(signs)
    });
    for (added, key) in missing.enumerate() {
        if known.len() + added >= MOST_KEYS {
            return Err(too_many_keys());
        }
        t.insert_signing_key(key)?;
    }
    Ok(())
}

/// What an application wants signed with, whatever it is that is signed.
pub(crate) fn wanted(metadata: &ClientMetadata) -> Vec<SigningAlgorithm> {
    let wishes = [
        metadata.id_token_signed_response_alg,
        metadata.authorization_signed_response_alg,
        metadata.userinfo_signed_response_alg,
    ];
    let named = |wish: SignatureAlgorithm| {
        let mut all = SigningAlgorithm::ALL.into_iter();
        all.find(|one| one.name() == wish.name())
    };
    wishes.into_iter().flatten().filter_map(named).collect()
}

/// The algorithm that a configuration means.
pub(crate) fn algorithm_of(chosen: SigningAlgorithm) -> Algorithm {
    match chosen {
        SigningAlgorithm::RS256 => Algorithm::RS256,
        SigningAlgorithm::PS256 => Algorithm::PS256,
        SigningAlgorithm::ES256 => Algorithm::ES256,
        SigningAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

fn too_many_keys() -> Error {
    Error::conflict(
        "too_many_keys",
        "Twenty signing keys are still needed for tokens that have not run out.",
    )
}

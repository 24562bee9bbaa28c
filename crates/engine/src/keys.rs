//! Signing keys of instances: a new one by call or by schedule, while what the old ones signed stays good until it runs out.

use vestibule_model::{id::TenantId, time::Timestamp};
use vestibule_store::scope::Tenant;

use crate::{
    Engine, Error, Result,
    access::{Manager, Reader},
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
    /// The signing keys, the one that signs first.
    pub async fn list_signing_keys(&self, reader: &Reader) -> Result<Vec<KeyInfo>> {
        self.store().read(reader.tenant(), listed).await
    }

    /// Makes a new signing key. Tokens of the old one stay good until they run out, 90 days at most; with `at_once` they are refused from
    /// now on, which is for a key that somebody else may have.
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
        let fresh = self.make_signing_key(tenant).await?;
        let now = self.now();
        self.change_keys(tenant, move |t| {
            let known = t.list_signing_keys()?;
            let newer = |before| known.iter().any(|key| key.created_at >= before);
            if only_before.is_some_and(newer) {
                return listed(t);
            }
            t.retire_signing_keys(now)?;
            if at_once {
                t.delete_retired_signing_keys(now)?;
            } else if known.len() >= MOST_KEYS {
                return Err(Error::conflict(
                    "too_many_keys",
                    "Twenty signing keys are still needed for tokens that have not run out.",
                ));
            }
            t.insert_signing_key(&fresh)?;
            listed(t)
        })
        .await
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

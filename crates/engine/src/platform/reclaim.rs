//! Deleted instances: restore them, or destroy them when their time is over.

use std::time::Duration;

use vestibule_model::{
    id::TenantId,
    instance::{Instance, InstanceState, Reclamation},
    privilege::PlatformRole,
};
use vestibule_store::{platform::iam, pushed, runtime as store_runtime};

use super::Platform;
use crate::{Engine, Error, Result};

/// Rows removed in one transaction while an instance is destroyed.
const CHUNK: u32 = 2000;
/// Between two sweeps of what has expired: the database is there for others too.
const TURN: Duration = Duration::from_millis(10);

impl Engine {
    /// Deleted instances that wait, with the instances.
    pub async fn list_reclamations(&self, by: &Platform) -> Result<Vec<(Reclamation, Instance)>> {
        let account = by.caller.account_id.clone();
        let rows = self
            .store()
            .platform_read::<_, Error>(move |platform| {
                let mut rows = Vec::new();
                for reclamation in platform.list_reclamations(&account)? {
                    if let Some(instance) = platform.find_instance(reclamation.instance)? {
                        rows.push((reclamation, instance));
                    }
                }
                Ok(rows)
            })
            .await?;
        let mut seen = Vec::with_capacity(rows.len());
        for row in rows {
            if self.may_see(by, &row.1).await? {
                seen.push(row);
            }
        }
        Ok(seen)
    }

    /// Brings a deleted instance back, whole.
    ///
    /// # Errors
    /// `NotFound` when nothing waits under this id, or too little time is left and it is being destroyed.
    pub async fn restore_instance(
        &self,
        by: &Platform,
        id: &str,
    ) -> Result<(Reclamation, Instance)> {
        let (reclamation, instance) = self.find_reclamation(by, id).await?;
        let (guid, id) = (instance.guid, reclamation.id.clone());
        let (now, who) = (self.now(), by.caller.iam_id.clone());
        let instance = self
            .store()
            .platform_write::<_, Error>(move |platform| {
                platform.lock_instance(guid)?;
                let mut instance = platform
                    .find_instance(guid)?
                    .filter(|instance| instance.state == InstanceState::PendingReclamation)
                    .ok_or_else(no_such_reclamation)?;
                if !platform.delete_reclamation(&id)? {
                    return Err(no_such_reclamation());
                }
                instance.state = InstanceState::Active;
                instance.last_operation = String::from("reclaim");
                instance.deleted_at = None;
                instance.deleted_by = None;
                instance.updated_at = now;
                instance.updated_by = who;
                platform.update_instance(&instance)?;
                Ok(instance)
            })
            .await?;
        self.forget_instance(instance.guid);
        Ok((reclamation, instance))
    }

    /// Destroys a deleted instance now.
    pub async fn reclaim_instance(
        &self,
        by: &Platform,
        id: &str,
    ) -> Result<(Reclamation, Instance)> {
        let (reclamation, mut instance) = self.find_reclamation(by, id).await?;
        if !self.destroy(&reclamation).await? {
            return Err(no_such_reclamation());
        }
        instance.state = InstanceState::Removed;
        Ok((reclamation, instance))
    }

    /// Destroys deleted instances whose retention period is over; answers how many. Called by a worker.
    pub async fn destroy_expired_instances(&self) -> Result<usize> {
        let now = self.now();
        let due = self
            .store()
            .platform_read::<_, Error>(move |platform| Ok(platform.list_due_reclamations(now)?))
            .await?;
        let mut destroyed = 0;
        for reclamation in &due {
            destroyed += usize::from(self.destroy(reclamation).await?);
        }
        Ok(destroyed)
    }

    /// Ends the wait and marks the instance removed first, so that it cannot be restored half empty; then removes its rows in
    /// chunks. A process that dies in between leaves a removed instance whose rows the next start removes. False when the instance
    /// was restored, or destroyed, since the reclamation was read.
    async fn destroy(&self, reclamation: &Reclamation) -> Result<bool> {
        let (guid, id, now) = (reclamation.instance, reclamation.id.clone(), self.now());
        let waiting = id.clone();
        let doomed = self
            .store()
            .platform_write::<_, Error>(move |platform| {
                platform.lock_instance(guid)?;
                if !platform.has_reclamation(&waiting)? {
                    return Ok(false);
                }
                if let Some(mut instance) = platform.find_instance(guid)? {
                    if instance.state == InstanceState::Active {
                        platform.delete_reclamation(&waiting)?;
                        return Ok(false);
                    }
                    instance.state = InstanceState::Removed;
                    instance.updated_at = now;
                    platform.update_instance(&instance)?;
                }
                Ok(true)
            })
            .await?;
        if !doomed {
            return Ok(false);
        }
        self.forget_instance(guid);
        self.empty(guid).await?;
        self.store()
            .platform_write::<_, Error>(move |platform| Ok(platform.delete_reclamation(&id)?))
            .await?;
        Ok(true)
    }

    /// What a minute brought must be gone before the next, however much it was: sweeps follow one another until one finds less than it
    /// may remove.
    async fn forget_expired(&self) -> Result<()> {
        loop {
            let now = self.now();
            let refresh = self
                .store()
                .platform_write::<_, Error>(move |platform| {
                    Ok(platform.delete_expired_platform_refresh(now)?)
                })
                .await?;
            let proofs = self
                .store()
                .platform_write::<_, Error>(
                    move |platform| Ok(platform.delete_expired_proofs(now)?),
                )
                .await?;
            let runtime = self.purge_expired().await?;
            // No table reached its limit if all together did not.
            let all =
                refresh < iam::SWEEP && proofs < pushed::SWEEP && runtime < store_runtime::SWEEP;
            if all || self.is_stopping() {
                return Ok(());
            }
            tokio::time::sleep(TURN).await;
        }
    }

    async fn empty(&self, guid: TenantId) -> Result<()> {
        while self
            .store()
            .write::<_, Error>(guid, |tenant| Ok(tenant.delete_some_rows(CHUNK)?))
            .await?
        {}
        Ok(())
    }

    async fn find_reclamation(&self, by: &Platform, id: &str) -> Result<(Reclamation, Instance)> {
        let found = self
            .list_reclamations(by)
            .await?
            .into_iter()
            .find(|(reclamation, instance)| {
                reclamation.id == id && instance.state == InstanceState::PendingReclamation
            })
            .ok_or_else(no_such_reclamation)?;
        self.permit_instance(by, found.1.guid, PlatformRole::Editor)
            .await?;
        Ok(found)
    }

    /// Removes all that has expired, in bounded steps; fewer once the service stops. Called by a worker.
    pub async fn clean_up(&self) -> Result<()> {
        self.forget_expired().await?;
        self.destroy_expired_instances().await?;
        self.rotate_by_schedule().await?;
        Ok(())
    }
}

fn no_such_reclamation() -> Error {
    Error::not_found("There is no such reclamation.")
}

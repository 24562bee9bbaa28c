//! What nodes do for jobs beside requests: taking those that wait, laying those to rest whose request is gone, removing old ones.

use super::Run;
use crate::{Engine, Error, Result};

impl Engine {
    /// Takes a job that waits and goes on with it to its end. False when none waits. Called again and again by a worker.
    pub async fn work_on_a_job(&self) -> Result<bool> {
        let (node, now) = (self.node().to_owned(), self.now());
        let lease = now.plus_seconds(self.pace().lease_seconds());
        let claimed = self
            .store()
            .platform_write(move |platform| Ok::<_, Error>(platform.claim_job(&node, now, lease)?))
            .await?;
        let Some((tenant, job)) = claimed else {
            return Ok(false);
        };
        tracing::info!(job = %job.id, kind = job.kind.name(), instance = %tenant, "a job goes on here");
        self.go_on(Run::new(self.clone(), tenant, job)).await;
        Ok(true)
    }

    /// Lays jobs to rest whose request is gone, and removes those whose time is over or whose upload broke off without a name. Called
    /// at the start and then by a worker.
    pub async fn tidy_jobs(&self) -> Result<()> {
        let now = self.now();
        let before = now.plus_seconds(-self.pace().lease_seconds());
        self.store()
            .platform_write(move |platform| {
                platform.pause_abandoned_jobs(now)?;
                platform.give_up_abandoned_uploads(now, before)?;
                Ok::<_, Error>(())
            })
            .await?;
        let expired = self
            .store()
            .platform_read(move |platform| Ok::<_, Error>(platform.list_expired_jobs(now)?))
            .await?;
        for (tenant, job) in expired {
            self.remove_job(tenant, job).await?;
        }
        Ok(())
    }

    /// Lets go of jobs that an earlier process held. Only where no other process can be at work: on the embedded database.
    pub async fn release_jobs(&self) -> Result<()> {
        if self.store().engine() == vestibule_store::EngineKind::Sqlite {
            self.store()
                .platform_write(|platform| Ok::<_, Error>(platform.release_jobs()?))
                .await?;
        }
        Ok(())
    }
}

//! Telling whoever started a large move by App ID's calls how it ended.

use serde::Deserialize;
use vestibule_model::{
    email::EmailAddress,
    id::{JobId, TenantId},
    job::{Job, JobState},
};

use crate::{
    Engine, Error, Result,
    mail::job::{JobEnd, JobNews, NewsCounts},
};

/// Whom to tell, of whatever else a job was asked for.
#[derive(Deserialize)]
struct Wanted {
    mail: Option<String>,
}

impl Engine {
    /// Writes to the address that a job was started with, once it is done or has failed. A cancelled one is known to who cancelled it.
    pub(super) async fn tell_the_end(&self, tenant: TenantId, id: JobId) -> Result<()> {
        let job = self
            .store()
            .read(tenant, move |t| Ok::<_, Error>(t.find_job(id)?))
            .await?;
        let Some(job) = job else { return Ok(()) };
        let wanted: Wanted = serde_json::from_str(&job.options).map_err(Error::internal)?;
        let Some(to) = wanted.mail else { return Ok(()) };
        let to = EmailAddress::parse(&to).map_err(Error::internal)?;
        let reason = job.error.as_ref().map(|error| error.message.as_str());
        let end = match job.state {
            JobState::Succeeded => JobEnd::Done,
            JobState::Failed => {
                JobEnd::Failed(reason.unwrap_or("The log of the service says why."))
            }
            _ => return Ok(()),
        };
        let instance = self.tenant_in_any_state(tenant).await?;
        let mail = self.write_job_mail(JobNews {
            to,
            kind: job.kind.name(),
            job: &job.id.to_string(),
            tenant,
            instance: &instance.name,
            end,
            counts: counts(&job),
            expires: job.expires_at,
        })?;
        self.send_mail(mail);
        Ok(())
    }
}

fn counts(job: &Job) -> NewsCounts {
    let counts = job.counts;
    NewsCounts {
        added: counts.added,
        updated: counts.updated,
        skipped: counts.skipped,
        failed: counts.failed,
        without_password: counts.without_password,
    }
}

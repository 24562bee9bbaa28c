//! What everybody in an instance comes to: counts and a content digest, the same as those of a bundle made at that moment.

use bytes::Bytes;
use futures_util::{Stream, stream};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use vestibule_bundle::{Counts, Person};
use vestibule_crypto::content_digest::ContentDigest;
use vestibule_model::id::TenantId;

use super::{
    aside,
    bundle_export::people_of,
    feed::Broken,
    scan::{Page, Who},
};
use crate::{Engine, Error, Result, access::Manager};

/// What was looked at so far.
struct Sum {
    engine: Engine,
    tenant: TenantId,
    pages: mpsc::Receiver<Result<Page>>,
    /// Whether directory users are through.
    profiles: bool,
    counts: Counts,
    digest: ContentDigest,
    moments: u64,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl Engine {
    /// Looks at everybody and adds them up, as NDJSON: a line with how many were looked at for each page, and a last one with the summary.
    /// Equal digests of two instances mean that they hold the same people, ids and states included.
    ///
    /// # Errors
    /// 503 when this node is at too many exports already. An error of the stream means that it broke off.
    pub async fn digest_people(
        &self,
        manager: &Manager,
    ) -> Result<impl Stream<Item = Result<Bytes, Broken>> + Send + use<>> {
        let tenant = manager.tenant();
        let sum = Sum {
            pages: self.scan(tenant, Who::Bundled, String::new()),
            engine: self.clone(),
            tenant,
            profiles: false,
            counts: Counts::default(),
            digest: ContentDigest::EMPTY,
            moments: 1,
            ended: false,
            _permit: self.export_permit()?,
        };
        Ok(stream::unfold(sum, |mut sum| async {
            if sum.ended {
                return None;
            }
            let line = sum.next().await;
            if let Err(error) = &line {
                tracing::warn!(?error, "a digest broke off");
                sum.ended = true;
            }
            Some((line.map_err(|error| Broken(error.public)), sum))
        }))
    }
}

impl Sum {
    /// The line of the next page, or the summary.
    async fn next(&mut self) -> Result<Bytes> {
        let line = loop {
            match self.pages.recv().await.transpose()? {
                Some(page) => {
                    self.add(page).await?;
                    break json!({ "people": self.counts.people });
                }
                None if !self.profiles => {
                    self.profiles = true;
                    self.pages = self
                        .engine
                        .scan(self.tenant, Who::Unattached, String::new());
                }
                None => {
                    self.ended = true;
                    break json!({ "summary": {
                        "counts": self.counts, "digest": self.digest, "moments": self.moments,
                    }});
                }
            }
        };
        Ok(Bytes::from(format!("{line}\n")))
    }

    async fn add(&mut self, page: Page) -> Result<()> {
        self.moments += u64::from(page.moment_from.is_some());
        let (counts, digest) = aside(move || summed(&people_of(page, None)?)).await??;
        self.counts.combine(&counts);
        self.digest.combine(&digest);
        Ok(())
    }
}

fn summed(people: &[Person]) -> Result<(Counts, ContentDigest)> {
    let mut counts = Counts::default();
    let mut digest = ContentDigest::EMPTY;
    for person in people {
        digest.add_record(&person.to_line().map_err(Error::internal)?);
        counts.add(person);
    }
    Ok((counts, digest))
}

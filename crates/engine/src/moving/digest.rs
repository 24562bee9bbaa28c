//! What everybody in an instance comes to: counts and a content digest, the same as those of a bundle made at that moment.

use bytes::Bytes;
use futures_util::{Stream, stream};
use serde_json::json;
use tokio::sync::mpsc;
use vestibule_bundle::{Counts, Person};
use vestibule_crypto::content_digest::ContentDigest;

use super::{
    aside,
    bundle_export::people_of,
    feed::Broken,
    scan::{EVERYBODY, Page},
};
use crate::{Engine, Error, Result, access::Manager};

/// What was looked at so far.
struct Sum {
    pages: mpsc::Receiver<Result<Page>>,
    counts: Counts,
    digest: ContentDigest,
    moments: u64,
    ended: bool,
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
        let (tenant, place) = (manager.tenant(), self.export_place()?);
        let sum = Sum {
            pages: self.scan(tenant, EVERYBODY, String::new(), Some(place)),
            counts: Counts::default(),
            digest: ContentDigest::EMPTY,
            moments: 1,
            ended: false,
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
        let line = match self.pages.recv().await.transpose()? {
            Some(page) => {
                self.add(page).await?;
                json!({ "people": self.counts.people })
            }
            None => {
                self.ended = true;
                json!({ "summary": {
                    "counts": self.counts, "digest": self.digest, "moments": self.moments,
                }})
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

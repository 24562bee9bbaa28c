//! Everybody of an instance on the way to another one: a bundle is made at the source, streams to the target, and is imported there.
//!
//! The bundle is sealed with a secret that follows from the source's API key and the id of the move: nobody has to keep it, and whoever goes
//! on later with the same key has it again.

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use vestibule_crypto::derived::derived_secret;

use super::{Move, settings::list, side::Side};
use crate::cli::{
    bundle,
    client::refusal,
    job, stream,
    upload::{Bytes, Upload},
};

/// What moved.
pub struct Moved {
    /// The import at the target.
    pub job: Value,
    /// Content digest of the bundle, if the source still knows it.
    pub exported: Option<String>,
    /// What the target held before, if that is known.
    pub before: Option<Value>,
    /// What both hold now.
    pub source: Value,
    pub target: Value,
}

impl Move {
    /// A role that people have must exist where they go. `carried` says that roles go first.
    pub(super) async fn check_roles(&self, carried: bool) -> Result<()> {
        if carried || self.resumed {
            return Ok(());
        }
        let missing = self.missing_roles().await?;
        if !missing.is_empty() {
            bail!(
                "the target lacks roles that people of the source may have: {}. Move the configuration too (--config --users), or make them there",
                missing.join(", ")
            );
        }
        Ok(())
    }

    /// Names of roles that only the source has.
    async fn missing_roles(&self) -> Result<Vec<String>> {
        let (there, here) = (self.from.get("roles").await?, self.to.get("roles").await?);
        let known = |role: &Value| {
            list(&here["roles"])
                .iter()
                .any(|r| r["name"] == role["name"])
        };
        Ok(list(&there["roles"])
            .iter()
            .filter(|role| !known(role))
            .filter_map(|role| role["name"].as_str().map(str::to_owned))
            .collect())
    }

    /// Says who would move. Where people may be refused because the target has them, everybody is looked at, as the move would.
    pub(super) async fn rehearse(&self) -> Result<()> {
        let source = self.digest(&self.from).await?;
        let target = self.digest(&self.to).await?;
        let there = target["counts"]["people"].as_u64().unwrap_or(0);
        // A role that a rehearsal does not make would have all that have it refused.
        let looked_at = there > 0 && self.missing_roles().await?.is_empty();
        let job = if looked_at {
            let job = self.rehearse_import().await;
            self.forget_rehearsal().await;
            Some(job?)
        } else {
            None
        };
        let mut report = self.report.borrow_mut();
        report.rehearsed([source, target], job, &self.on_conflict);
        Ok(())
    }

    /// Makes the bundle, and has the target say what it would do with it.
    async fn rehearse_import(&self) -> Result<Value> {
        self.make(false).await?;
        self.send().await?;
        let done = self.import().await?;
        if !self.output.json {
            stream::explain(&self.to.client, &self.to.guid, &done).await?;
        }
        Ok(done)
    }

    /// Takes away what a rehearsal left at both sides.
    pub(super) async fn forget_rehearsal(&self) {
        for side in [&self.from, &self.to] {
            let path = side.path(&format!("jobs/{}", self.job));
            // A live one is cancelled first, an ended one is removed.
            for _ in 0..2 {
                let gone = side.client.delete(&path).await;
                match gone {
                    Ok(_) => side.until_it_rests(&self.job).await,
                    Err(error) if refusal(&error).is_some() => break,
                    Err(error) => {
                        eprintln!("job {} is still at the {}: {error:#}", self.job, side.name);
                        break;
                    }
                }
            }
        }
    }

    /// Moves everybody, or goes on with it.
    pub(super) async fn move_people(&self) -> Result<()> {
        let before = if self.resumed {
            None
        } else {
            Some(self.digest(&self.to).await?)
        };
        self.begun.set(true);
        let known = self.job_at(&self.to).await?;
        if let Some(job) = &known {
            if job["kind"] != "bundle_import" {
                bail!("{} is no move", self.job);
            }
            if job["state"] == "succeeded" {
                let words = format!(
                    "This move had ended before, and nobody was moved now. To move those who changed since: {}",
                    self.anew
                );
                self.report.borrow_mut().note(words);
            }
        }
        if known.as_ref().is_none_or(|job| !job["uploaded"].is_null()) {
            self.make(known.is_some()).await?;
            if let Some(job) = &known {
                let path = self.to.path(&format!("jobs/{}", self.job));
                job::take_up(&self.to.client, &path, job).await?;
            }
            self.send().await?;
        }
        let done = self.import().await?;
        let exported = self.job_at(&self.from).await?;
        let exported = exported.and_then(|job| job["digest"].as_str().map(str::to_owned));
        self.forget().await;
        let moved = Moved {
            source: self.digest(&self.from).await?,
            target: self.digest(&self.to).await?,
            job: done,
            exported,
            before,
        };
        self.begun.set(false);
        let mut report = self.report.borrow_mut();
        report.people(moved, self.ids == "remap", &self.anew);
        Ok(())
    }

    /// Makes the bundle at the source. `there` says that the target knows of this move.
    async fn make(&self, there: bool) -> Result<()> {
        let path = self.from.path(&format!("jobs/{}", self.job));
        match self.job_at(&self.from).await? {
            Some(job) if job["kind"] != "bundle_export" => bail!("{} is no move", self.job),
            Some(job) if job["state"] == "paused" => {
                let resume = format!("{path}/resume");
                self.from.client.post(&resume, &json!({})).await?;
            }
            Some(_) => {}
            None if self.resumed => {
                self.begun.set(false);
                let what = if there {
                    "the source has no bundle of this move any more"
                } else {
                    "neither side knows of this move"
                };
                bail!("{what}: begin anew, without --resume");
            }
            None => {
                let body = json!({ "encryptionSecret": self.secret().as_str(), "job": self.job });
                let path = self.from.path("bundle/export");
                self.from.client.post(&path, &body).await?;
            }
        }
        let made = job::watch(&self.from.client, self.output, &path, "exporting").await?;
        self.succeeded("export at the source", &made)
    }

    async fn send(&self) -> Result<()> {
        let made = self.job_at(&self.from).await?;
        let made = made.context("the source lost the bundle of this move")?;
        let download = self.from.path(&format!("jobs/{}/download", self.job));
        let secret = self.secret();
        let upload = Upload {
            client: &self.to.client,
            output: self.output,
            guid: &self.to.guid,
            job: &self.job,
            ids: &self.ids,
            on_conflict: &self.on_conflict,
            dry_run: self.dry_run,
            secret: &secret,
        };
        let bytes = Bytes::Job(&self.from.client, &download, made["bytes"].as_u64());
        upload.send(bytes).await.map(drop)
    }

    async fn import(&self) -> Result<Value> {
        let path = self.to.path(&format!("jobs/{}", self.job));
        let job = self.to.client.get(&path, &[]).await?;
        if job["state"] == "paused" {
            let resume = format!("{path}/resume");
            self.to.client.post(&resume, &json!({})).await?;
        }
        let done = job::watch(&self.to.client, self.output, &path, "importing").await?;
        if done["error"]["code"] == "WRONG_SECRET" {
            self.begun.set(false);
            bail!(
                "the bundle does not open: go on with the API key of the source that the move was begun with, or begin anew"
            );
        }
        self.succeeded("import at the target", &done)?;
        Ok(done)
    }

    fn succeeded(&self, what: &str, job: &Value) -> Result<()> {
        match job["state"].as_str() {
            Some("succeeded") => Ok(()),
            Some("paused") => bail!("somebody paused the {what}"),
            state => {
                // There is nothing to go on with.
                self.begun.set(false);
                let why = job["error"]["message"]
                    .as_str()
                    .unwrap_or("no reason given");
                bail!("the {what} is {}: {why}", state.unwrap_or("lost"))
            }
        }
    }

    /// Takes the bundle away from the source: everybody is in it, and nobody needs it any more.
    async fn forget(&self) {
        let path = self.from.path(&format!("jobs/{}", self.job));
        if let Err(error) = self.from.client.delete(&path).await
            && refusal(&error) != Some(404)
        {
            let note = format!(
                "The sealed bundle is still at the source, as the file of job {}: {error:#}",
                self.job
            );
            self.report.borrow_mut().note(note);
        }
    }

    /// The job of this move at one side.
    async fn job_at(&self, side: &Side) -> Result<Option<Value>> {
        let path = side.path(&format!("jobs/{}", self.job));
        match side.client.get(&path, &[]).await {
            Ok(job) => Ok(Some(job)),
            Err(error) if refusal(&error) == Some(404) => Ok(None),
            Err(error) => Err(anyhow!("the {}: {error:#}", side.name)),
        }
    }

    async fn digest(&self, side: &Side) -> Result<Value> {
        let what = format!("looking at the {}", side.name);
        let digest = bundle::digest(&side.client, self.output, &side.guid, &what).await;
        digest.with_context(|| format!("the {} could not be looked at", side.name))
    }

    fn secret(&self) -> zeroize::Zeroizing<String> {
        let purpose = format!("move {} of {}", self.job, self.from.guid);
        derived_secret(self.from.client.api_key(), &purpose)
    }
}

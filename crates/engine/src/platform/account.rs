//! The account and its first administrator, made at first start.

use vestibule_crypto::{
    jose::{Algorithm, SigningKey},
    token::PlainToken,
};
use vestibule_model::{
    iam::{ApiKey, Policy, Subject, SubjectKind},
    privilege::{PlatformRole, ServiceRole},
};
use vestibule_store::snapshot::SealedKey;

use crate::{Engine, Error, Result};

/// The first administrator's API key, to be shown or written down this once.
pub type FirstKey = PlainToken;

impl Engine {
    /// Makes account, platform signing key and first administrator unless they exist; answers the API key if it was made now.
    /// `key` is the operator's choice for it.
    ///
    /// # Errors
    /// `Invalid` when the chosen key is shorter than 20 characters.
    pub async fn bootstrap(&self, key: Option<String>) -> Result<Option<FirstKey>> {
        let account = self
            .store()
            .platform_read::<_, Error>(|platform| Ok(platform.find_account()?))
            .await?;
        let first = match account {
            Some(_) => None,
            None => self.make_account(key).await?,
        };
        self.load_platform().await?;
        Ok(first)
    }

    /// `None` when another node made it at the same moment.
    async fn make_account(&self, key: Option<String>) -> Result<Option<FirstKey>> {
        let now = self.now();
        let key = match key {
            Some(key) if key.len() < 20 => {
                return Err(Error::invalid(
                    "The administrator's API key must have at least 20 characters.",
                ));
            }
            Some(key) => PlainToken::new(key),
            None => PlainToken::generate(self.random()),
        };
        let account_id = self.random_uuid().replace('-', "");
        let iam_id = format!("IBMid-{}", self.random_uuid().replace('-', ""));
        let kid = format!("platform-{}", now.rfc3339());
        let signing =
            SigningKey::generate(Algorithm::RS256, kid.clone()).map_err(Error::internal)?;
        let sealed = SealedKey {
            sealed: signing
                .to_sealed(
                    self.master(),
                    platform_key_context(&kid).as_bytes(),
                    self.random(),
                )
                .map_err(Error::internal)?,
            algorithm: signing.algorithm().name().to_owned(),
            kid,
            created_at: now,
            retired_at: None,
        };
        let subject = Subject {
            iam_id: iam_id.clone(),
            id: iam_id.clone(),
            account_id: account_id.clone(),
            kind: SubjectKind::User,
            name: String::from("Administrator"),
            description: String::from("First administrator of the account"),
            email: Some(String::from("administrator@localhost")),
            locked: false,
            resource_key: None,
            version: 1,
            created_at: now,
            modified_at: now,
        };
        let api_key = ApiKey {
            id: format!("ApiKey-{}", self.random_uuid()),
            account_id: account_id.clone(),
            iam_id: iam_id.clone(),
            name: String::from("First administrator"),
            description: String::from("Made at first start"),
            locked: false,
            disabled: false,
            version: 1,
            created_by: iam_id.clone(),
            created_at: now,
            modified_at: now,
            expires_at: None,
        };
        let policy = Policy {
            id: self.random_uuid(),
            account_id: account_id.clone(),
            iam_id: iam_id.clone(),
            kind: String::from("access"),
            state: String::from("active"),
            roles: vec![
                PlatformRole::Administrator.crn(),
                ServiceRole::Manager.crn(),
            ],
            attributes: vec![(String::from("accountId"), account_id.clone())],
            description: String::from("The first administrator may do everything"),
            version: 1,
            created_by: iam_id.clone(),
            modified_by: iam_id,
            created_at: now,
            modified_at: now,
        };
        let hash = key.hash();
        let made = self
            .store()
            .platform_write::<_, Error>(move |platform| {
                platform.lock_account()?;
                if platform.find_account()?.is_some() {
                    return Ok(false);
                }
                platform.insert_account(&account_id, "Vestibule", now)?;
                platform.insert_platform_key(&sealed)?;
                platform.insert_subject(&subject)?;
                platform.insert_api_key(&api_key, hash.as_str())?;
                platform.insert_policy(&policy)?;
                Ok(true)
            })
            .await?;
        Ok(made.then_some(key))
    }
}

/// What a sealed platform key is bound to.
pub(super) fn platform_key_context(kid: &str) -> String {
    format!("platform-key:{kid}")
}

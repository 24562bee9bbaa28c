//! Access policies. Administrators write them; everyone may read their own.

use vestibule_model::{
    iam::Policy,
    privilege::{PlatformRole, ServiceRole},
};

use super::{
    Page, PageStart, Platform,
    apikeys::{description, stale},
    page,
};
use crate::{Engine, Error, Result};

/// What a policy is made of, or becomes.
#[derive(Debug)]
pub struct PolicyText {
    /// `access`.
    pub kind: String,
    /// Whom it gives something.
    pub iam_id: String,
    /// Roles by CRN.
    pub roles: Vec<String>,
    /// Resource attributes.
    pub attributes: Vec<(String, String)>,
    /// Free text.
    pub description: String,
}

/// Attributes a policy may name.
const ATTRIBUTES: &[&str] = &[
    "accountId",
    "serviceName",
    "serviceType",
    "serviceInstance",
    "region",
    "resourceGroupId",
    "resourceType",
];

impl Engine {
    /// Makes a policy.
    ///
    /// # Errors
    /// `Invalid` for an unknown role, attribute or subject; `Conflict` when the same policy exists.
    pub async fn create_policy(&self, by: &Platform, text: PolicyText) -> Result<Policy> {
        Self::insist(by, PlatformRole::Administrator)?;
        let (now, text) = (self.now(), checked(by, text)?);
        let policy = Policy {
            id: self.random_uuid(),
            account_id: by.caller.account_id.clone(),
            iam_id: text.iam_id,
            kind: text.kind,
            state: String::from("active"),
            roles: text.roles,
            attributes: text.attributes,
            description: text.description,
            version: 1,
            created_by: by.caller.iam_id.clone(),
            modified_by: by.caller.iam_id.clone(),
            created_at: now,
            modified_at: now,
        };
        let row = policy.clone();
        self.store()
            .platform_write::<_, Error>(move |platform| {
                if platform
                    .find_subject(&row.account_id, &row.iam_id)?
                    .is_none()
                {
                    return Err(Error::invalid(
                        "The policy's subject is nobody in this account.",
                    ));
                }
                let start = (vestibule_model::time::Timestamp::default(), "");
                let same = platform
                    .list_policies(&row.account_id, Some(&row.iam_id), start, 10_000)?
                    .into_iter()
                    .any(|other| other.roles == row.roles && other.attributes == row.attributes);
                if same {
                    return Err(Error::conflict(
                        "policy_conflict_error",
                        "The subject has a policy with the same roles and resources already.",
                    ));
                }
                platform.insert_policy(&row)?;
                Ok(())
            })
            .await?;
        self.forget_standings();
        Ok(policy)
    }

    /// One policy.
    pub async fn show_policy(&self, by: &Platform, id: &str) -> Result<Policy> {
        let (account, id) = (by.caller.account_id.clone(), id.to_owned());
        let unknown = || Error::not_found("There is no such policy.");
        let policy = self
            .store()
            .platform_read::<_, Error>(move |platform| Ok(platform.find_policy(&account, &id)?))
            .await?
            .ok_or_else(unknown)?;
        if policy.iam_id != by.caller.iam_id {
            Self::insist(by, PlatformRole::Administrator).map_err(|_| unknown())?;
        }
        Ok(policy)
    }

    /// Policies of one subject, or of everyone.
    pub async fn list_policies(
        &self,
        by: &Platform,
        iam_id: Option<String>,
        start: PageStart,
        count: u32,
    ) -> Result<Page<Policy>> {
        if iam_id.as_ref() != Some(&by.caller.iam_id) {
            Self::insist(by, PlatformRole::Administrator)?;
        }
        let account = by.caller.account_id.clone();
        let rows = self
            .store()
            .platform_read::<_, Error>(move |platform| {
                Ok(platform.list_policies(
                    &account,
                    iam_id.as_deref(),
                    start.after(),
                    count.saturating_add(1),
                )?)
            })
            .await?;
        Ok(page(rows, count, |row| (row.created_at, row.id.clone())))
    }

    /// Replaces a policy's text.
    ///
    /// # Errors
    /// `Stale` when `version` is given and not the policy's; `Conflict` when it would take the last Administrator from the account.
    pub async fn replace_policy(
        &self,
        by: &Platform,
        id: &str,
        version: Option<i64>,
        text: PolicyText,
    ) -> Result<Policy> {
        Self::insist(by, PlatformRole::Administrator)?;
        let mut policy = self.show_policy(by, id).await?;
        let text = checked(by, text)?;
        if version.is_some_and(|version| version != policy.version) {
            return Err(stale());
        }
        let before = policy.clone();
        policy.iam_id = text.iam_id;
        policy.roles = text.roles;
        policy.attributes = text.attributes;
        policy.description = text.description;
        policy.version += 1;
        policy.modified_by = by.caller.iam_id.clone();
        policy.modified_at = self.now();
        let row = policy.clone();
        let kept = self
            .store()
            .platform_write::<_, Error>(move |platform| {
                if platform
                    .find_subject(&row.account_id, &row.iam_id)?
                    .is_none()
                {
                    return Err(Error::invalid(
                        "The policy's subject is nobody in this account.",
                    ));
                }
                let kept = platform.update_policy(&row)?;
                keep_an_administrator(platform, &before)?;
                Ok(kept)
            })
            .await?;
        self.forget_standings();
        if kept { Ok(policy) } else { Err(stale()) }
    }

    /// Sets a policy's state to active, which it always is: only the caller's right and copy are checked.
    ///
    /// # Errors
    /// `Stale` when it changed since the caller saw it.
    pub async fn activate_policy(
        &self,
        by: &Platform,
        id: &str,
        version: Option<i64>,
    ) -> Result<Policy> {
        Self::insist(by, PlatformRole::Administrator)?;
        let policy = self.show_policy(by, id).await?;
        if version.is_some_and(|version| version != policy.version) {
            return Err(stale());
        }
        Ok(policy)
    }

    /// Removes a policy.
    ///
    /// # Errors
    /// `Conflict` when it would take the last Administrator from the account.
    pub async fn delete_policy(&self, by: &Platform, id: &str) -> Result<()> {
        Self::insist(by, PlatformRole::Administrator)?;
        let policy = self.show_policy(by, id).await?;
        self.store()
            .platform_write::<_, Error>(move |platform| {
                platform.delete_policy(&policy.account_id, &policy.id)?;
                keep_an_administrator(platform, &policy)?;
                Ok(())
            })
            .await?;
        self.forget_standings();
        Ok(())
    }
}

/// Refuses, within the transaction of a change, to leave the account without an Administrator of everything.
fn keep_an_administrator(
    platform: &mut vestibule_store::scope::Platform<'_, '_>,
    changed: &Policy,
) -> Result<()> {
    let rules_all = |policy: &Policy| {
        policy.kind == "access"
            && policy.roles.contains(&PlatformRole::Administrator.crn())
            && policy
                .attributes
                .iter()
                .all(|(name, _)| name == "accountId")
    };
    if !rules_all(changed) {
        return Ok(());
    }
    // Two who take the last two from each other at once would each see the other's.
    platform.lock_policies()?;
    let start = (vestibule_model::time::Timestamp::default(), "");
    let left = platform
        .list_policies(&changed.account_id, None, start, 100_000)?
        .iter()
        .any(rules_all);
    if left {
        Ok(())
    } else {
        Err(Error::conflict(
            "last_administrator",
            "This would leave the account without an Administrator.",
        ))
    }
}

fn checked(by: &Platform, text: PolicyText) -> Result<PolicyText> {
    if text.kind != "access" {
        return Err(Error::invalid("type must be \"access\"."));
    }
    if text.roles.is_empty() || text.roles.len() > 20 {
        return Err(Error::invalid("A policy has 1 to 20 roles."));
    }
    for role in &text.roles {
        if PlatformRole::parse(role).is_err() && ServiceRole::parse(role).is_err() {
            return Err(Error::invalid(format!(
                "{role:.100} is not a role of this service."
            )));
        }
    }
    for (name, value) in &text.attributes {
        if !ATTRIBUTES.contains(&name.as_str()) {
            return Err(Error::invalid(format!(
                "{name:.100} is not an attribute that policies know: {}.",
                ATTRIBUTES.join(", ")
            )));
        }
        if name == "accountId" && *value != by.caller.account_id {
            return Err(Error::invalid("accountId is another account's."));
        }
    }
    Ok(PolicyText {
        description: description(text.description)?,
        ..text
    })
}

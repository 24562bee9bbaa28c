//! What App ID's shapes cannot carry, counted while an export is made, so that nobody learns of it at the target only.

use serde::{Deserialize, Serialize};
use vestibule_model::{directory::UserCard, id::TenantId, object::RawObject};
use vestibule_store::{
    people::{DirectoryRow, ProfileRow},
    profile::LeftOut,
};

use super::scan::Who;
use crate::{Engine, Error, Result};

/// Counts of what is not in an export.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Lost {
    directory_ids: u64,
    original_ids: u64,
    profile_ids: u64,
    profile_times: u64,
    profile_names: u64,
    profile_details: u64,
    password_changed_at: u64,
    users_without_profile: u64,
    #[serde(flatten)]
    left: Left,
}

/// Who is in no record at all, and identities that are in none: of the whole instance, whatever part of it is exported.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Left {
    other_identities: u64,
    future_users: u64,
    removed_users: u64,
    anonymous_users: u64,
}

impl Lost {
    /// Notes what the record of a directory user leaves out.
    pub(super) fn note_user(&mut self, row: &DirectoryRow) -> Result<()> {
        self.directory_ids += 1;
        self.original_ids += u64::from(row.original_id.is_some());
        let differs = |at: &i64| *at != row.modified_at;
        self.password_changed_at +=
            u64::from(row.password_changed_at.as_ref().is_some_and(differs));
        let Some(profile) = &row.profile else {
            self.users_without_profile += 1;
            return Ok(());
        };
        self.profile_ids += 1;
        self.profile_times += 1;
        self.profile_details += u64::from(profile.body != "{}");
        self.profile_names += u64::from(named_otherwise(row, profile)?);
        Ok(())
    }

    /// Notes what the record of a federated user leaves out.
    pub(super) fn note_profile(&mut self) {
        self.profile_times += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        self.directory_ids += other.directory_ids;
        self.original_ids += other.original_ids;
        self.profile_ids += other.profile_ids;
        self.profile_times += other.profile_times;
        self.profile_names += other.profile_names;
        self.profile_details += other.profile_details;
        self.password_changed_at += other.password_changed_at;
        self.users_without_profile += other.users_without_profile;
    }

    /// Notes who is in no record.
    pub(super) fn note_left_out(&mut self, left: LeftOut) {
        self.left = Left {
            other_identities: left.linked,
            future_users: left.future,
            removed_users: left.removed,
            anonymous_users: left.anonymous,
        };
    }

    /// What there is of it, by name (docs/api/moving-users.md).
    pub(super) fn to_json(self) -> Result<serde_json::Value> {
        let mut lost = serde_json::to_value(self).map_err(Error::internal)?;
        if let Some(members) = lost.as_object_mut() {
            members.retain(|_, count| *count != 0);
        }
        Ok(lost)
    }

    /// The same in sentences.
    pub(super) fn sentences(&self) -> Vec<String> {
        let left = &self.left;
        [
            (self.directory_ids, "directory ids: each user gets a new one, and the old one is shown as originalId"),
            (self.original_ids, "ids that users had before they came here"),
            (self.profile_ids, "profile ids: each user gets a new one, and tokens' `sub` changes with it"),
            (self.profile_times, "times at which profiles were made and changed"),
            (self.profile_names, "profiles with another name or address than their user"),
            (self.profile_details, "profiles hold details (picture, locale and the like) that App ID's shape has no place for"),
            (left.other_identities, "users have identities at other providers too"),
            (self.password_changed_at, "times at which passwords were changed"),
            (self.users_without_profile, "users have no profile here; they get one where they are imported"),
            (left.future_users, "users were prepared and have not signed in yet"),
            (left.removed_users, "profiles are of directory users who were removed"),
            (left.anonymous_users, "anonymous profiles, which are in no export"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("Not carried: {count} {what}."))
        .collect()
    }
}

impl Engine {
    /// Counts who is in no record of an export. Looks at the whole instance.
    pub(super) async fn left_out(&self, tenant: TenantId, who: Who) -> Result<LeftOut> {
        self.store()
            .read(tenant, move |t| {
                Ok::<_, Error>(match who {
                    Who::Directory => t.count_left_out_of_directory()?,
                    Who::Federated => t.count_left_out_of_profiles()?,
                    Who::Bundled | Who::Unattached => LeftOut::default(),
                })
            })
            .await
    }
}

/// Whether a profile says other than what an import makes of its user. The user is read only where a look at the text does not tell.
fn named_otherwise(row: &DirectoryRow, profile: &ProfileRow) -> Result<bool> {
    let (Some(name), Some(email)) = (&profile.name, &profile.email) else {
        return Ok(true);
    };
    let holds = |member: &str, text: &str| {
        let text = serde_json::Value::from(text);
        row.body.contains(&format!("\"{member}\":{text}"))
    };
    if holds("displayName", name)
        && holds("value", email)
        && row.body.matches("\"value\":").count() == 1
    {
        return Ok(false);
    }
    let card = RawObject::stored(&row.body).and_then(UserCard::parse);
    let card = card.map_err(Error::internal)?;
    Ok(card.display_name() != *name || card.email().as_str() != *email)
}

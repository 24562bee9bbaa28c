//! People between storage and the records of a bundle.

use std::collections::HashSet;

use vestibule_bundle::{
    DirectoryRecord as BundledUser, HashNotation, IdentityRecord, Person,
    ProfileRecord as BundledProfile, ProfileState,
};
use vestibule_crypto::password::PasswordHash;
use vestibule_model::{
    Invalid,
    attributes::Attributes,
    directory::{UserCard, UserStatus},
    id::{DirectoryUserId, JobId, ProfileId},
    object::RawObject,
    profile::{CLOUD_DIRECTORY, Identity, Profile, ProfileKind},
    time::Timestamp,
};
use vestibule_store::people::{DirectoryRow, ProfileRow};

use super::{
    Name, Refusal, Renamed,
    directory_record::{DirectoryRecord, Kept as KeptUser, KeptProfile, Password, Seal},
    profile_record::{Kept, ProfileRecord},
    render::RoleTexts,
};
use crate::{Engine, Error, Result};

/// A directory user with the profile, as a bundle carries them. The directory's own identity is left out: it says what the user says,
/// and the target makes it anew.
pub(super) fn bundled_user(row: DirectoryRow, names: &RoleTexts) -> Result<Person> {
    let time = Timestamp::from_millis;
    let id = DirectoryUserId::parse(&row.id).map_err(Error::internal)?;
    let profile = row
        .profile
        .map(|profile| bundled_profile(profile, Some(&row.id), names))
        .transpose()?;
    Ok(Person {
        directory: Some(BundledUser {
            id,
            user: object(&row.body)?,
            status: UserStatus::parse(&row.status).map_err(Error::internal)?,
            active: row.active,
            locked_until: row.locked_until.map(time),
            password_hash: row.password_hash.map(HashNotation::new),
            password_changed_at: row.password_changed_at.map(time),
            original_id: row.original_id,
            last_login: row.last_login_at.map(time),
            created: time(row.created_at),
            modified: time(row.modified_at),
            mfa: None,
            password_history: None,
        }),
        profile,
    })
}

/// A profile without a directory user.
pub(super) fn bundled_person(row: ProfileRow, names: &RoleTexts) -> Result<Person> {
    Ok(Person {
        directory: None,
        profile: Some(bundled_profile(row, None, names)?),
    })
}

fn bundled_profile(
    row: ProfileRow,
    user: Option<&str>,
    names: &RoleTexts,
) -> Result<BundledProfile> {
    let kind = ProfileKind::parse(&row.kind).map_err(Error::internal)?;
    Ok(BundledProfile {
        id: ProfileId::parse(&row.id).map_err(Error::internal)?,
        kind: ProfileState::of(kind)
            .ok_or_else(|| Error::internal("an anonymous profile in an export"))?,
        name: row.name,
        email: row.email,
        body: object(&row.body)?,
        attributes: object(&row.attributes)?,
        roles: names.names(&row.roles),
        created: Timestamp::from_millis(row.created_at),
        modified: Timestamp::from_millis(row.modified_at),
        identities: row
            .identities
            .into_iter()
            .filter(|identity| !is_own(user, &identity.provider, &identity.subject))
            .map(|identity| {
                Ok(IdentityRecord {
                    body: object(&identity.body)?,
                    provider: identity.provider,
                    subject: identity.subject,
                })
            })
            .collect::<Result<_>>()?,
    })
}

/// Whether an identity is the directory's own of this directory user.
fn is_own(user: Option<&str>, provider: &str, subject: &str) -> bool {
    provider == CLOUD_DIRECTORY && Some(subject) == user
}

/// What happens to ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleIds {
    /// They stay as they are.
    Keep,
    /// Everybody gets new ones.
    Remap,
}

/// Gives ids. New ones follow from the old ones and the job, so that a job that goes on elsewhere gives the same.
pub(super) struct Ids {
    engine: Engine,
    job: JobId,
    which: BundleIds,
}

impl Ids {
    pub(super) fn new(engine: Engine, job: JobId, which: BundleIds) -> Self {
        Self { engine, job, which }
    }

    fn of(&self, kind: &'static str, old: uuid::Uuid, renamed: &mut Vec<Renamed>) -> uuid::Uuid {
        if self.which == BundleIds::Keep {
            return old;
        }
        let data = format!("{}:{kind}:{old}", self.job);
        let tag = self
            .engine
            .master()
            .derive("bundle-remapped-id", data.as_bytes());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
        let new = ProfileId::from_random_bytes(bytes).uuid();
        renamed.push(Renamed {
            kind,
            from: old.to_string(),
            to: new.to_string(),
        });
        new
    }
}

/// A person of a bundle, ready to be placed.
pub(super) enum Unpacked {
    User(Box<DirectoryRecord>),
    Profile(Box<ProfileRecord>),
}

/// Reads a person of a bundle.
pub(super) fn unpacked(person: &Person, ids: &Ids) -> Result<Unpacked, Box<(Name, Refusal)>> {
    let label = label(person);
    let refused = |invalid: Invalid| Box::new((label.clone(), Refusal::shape(&invalid)));
    let mut renamed = Vec::new();
    let own = person.directory.as_ref().map(|user| user.id.to_string());
    let profile = person
        .profile
        .as_ref()
        .map(|profile| kept_profile(profile, own.as_deref(), ids, &mut renamed))
        .transpose()
        .map_err(refused)?;
    let roles = person
        .profile
        .as_ref()
        .map_or(Vec::new(), |profile| profile.roles.clone());
    match (&person.directory, profile) {
        (Some(user), profile) => {
            let user = kept_user(user, (profile, roles), ids, renamed, label.clone());
            user.map(|user| Unpacked::User(Box::new(user)))
                .map_err(refused)
        }
        (None, Some((profile, identities))) => Ok(Unpacked::Profile(Box::new(ProfileRecord {
            id: Some(profile.id),
            name: profile.name.clone(),
            email: profile.email.clone(),
            body: profile.body.clone(),
            attributes: profile.attributes.clone(),
            identities,
            roles,
            label,
            kept: Some(Box::new(Kept { profile, renamed })),
        }))),
        (None, None) => Err(refused(Invalid::new("", "holds neither user nor profile"))),
    }
}

fn kept_user(
    user: &BundledUser,
    (profile, roles): (Option<(Profile, Vec<Identity>)>, Vec<String>),
    ids: &Ids,
    mut renamed: Vec<Renamed>,
    label: Name,
) -> Result<DirectoryRecord, Invalid> {
    let id = DirectoryUserId::from_uuid(ids.of("directory", user.id.uuid(), &mut renamed));
    let original_id = match ids.which {
        BundleIds::Keep => user.original_id.clone(),
        BundleIds::Remap => Some(user.id.to_string()),
    };
    let password = match &user.password_hash {
        None => Password::None,
        Some(hash) => match PasswordHash::parse(hash.as_str(), None) {
            Ok(hash) => Password::Hash(hash),
            Err(_) => Password::Unusable(Refusal::new(
                "unsupported_hash",
                "The password hash is of a kind that this service does not verify.",
            )),
        },
    };
    Ok(DirectoryRecord {
        card: UserCard::parse(user.user.clone())?,
        status: user.status,
        active: user.active,
        locked_until: user.locked_until,
        created_at: Some(user.created),
        modified_at: Some(user.modified),
        last_login_at: user.last_login,
        password_changed_at: user.password_changed_at,
        original_id,
        password,
        seal: Seal::None,
        attributes: profile
            .as_ref()
            .map(|(profile, _)| profile.attributes.clone())
            .unwrap_or_default(),
        roles,
        label,
        kept: Some(Box::new(KeptUser {
            user: id,
            profile: profile.map(|(profile, others)| KeptProfile { profile, others }),
            renamed,
        })),
    })
}

/// The directory's own identity of the person is made anew here, whether the record has it or not.
fn kept_profile(
    profile: &BundledProfile,
    own: Option<&str>,
    ids: &Ids,
    renamed: &mut Vec<Renamed>,
) -> Result<(Profile, Vec<Identity>), Invalid> {
    let id = ids.of("profile", profile.id.uuid(), renamed);
    let mut seen = HashSet::new();
    let identities = profile
        .identities
        .iter()
        .filter(|identity| !is_own(own, &identity.provider, &identity.subject))
        .map(|identity| {
            Identity::check(&identity.provider, &identity.subject)?;
            if !seen.insert((&identity.provider, &identity.subject)) {
                return Err(Invalid::new("identities", "one stands there twice"));
            }
            Ok(Identity {
                provider: identity.provider.clone(),
                subject: identity.subject.clone(),
                body: identity.body.clone(),
            })
        })
        .collect::<Result<_, Invalid>>()?;
    let kept = Profile {
        id: ProfileId::from_uuid(id),
        kind: profile.kind.kind(),
        name: profile.name.clone(),
        email: profile.email.clone(),
        body: profile.body.clone(),
        attributes: Attributes::parse(profile.attributes.clone())?,
        created_at: profile.created,
        modified_at: profile.modified,
    };
    Ok((kept, identities))
}

fn label(person: &Person) -> Name {
    let profile = person.profile.as_ref();
    let email = profile.and_then(|profile| profile.email.clone());
    match &person.directory {
        Some(user) => Name {
            original_id: Some(user.id.to_string()),
            email,
            user_name: user.user.string("userName"),
            ..Name::default()
        },
        None => Name {
            original_id: profile.map(|profile| profile.id.to_string()),
            provider: profile
                .and_then(|profile| profile.identities.first())
                .map(|identity| identity.provider.clone()),
            ..Name::default()
        },
    }
}

fn object(text: &str) -> Result<RawObject> {
    RawObject::stored(text).map_err(Error::internal)
}

//! One user of `cloud_directory/import`.

use serde_json::Value;
use vestibule_crypto::{
    envelope::{EnvelopeError, EnvelopeReader},
    password::{PasswordHash, PasswordHashError},
};
use vestibule_model::{
    attributes::Attributes,
    directory::{UserCard, UserStatus},
    id::DirectoryUserId,
    object::RawObject,
    profile::{Identity, Profile},
    time::Timestamp,
};

use super::{Name, Record, Refusal, Renamed, role_names};
use crate::directory::UserState;

/// A user that can be imported, unless someone is in the way.
#[derive(Debug, Clone)]
pub(super) struct DirectoryRecord {
    pub card: UserCard,
    pub status: UserStatus,
    pub active: bool,
    pub locked_until: Option<Timestamp>,
    pub created_at: Option<Timestamp>,
    pub modified_at: Option<Timestamp>,
    pub last_login_at: Option<Timestamp>,
    pub password_changed_at: Option<Timestamp>,
    /// The id it is to be shown as having had before.
    pub original_id: Option<String>,
    pub password: Password,
    pub seal: Seal,
    pub attributes: Attributes,
    pub roles: Vec<String>,
    pub label: Name,
    /// What only a bundle carries.
    pub kept: Option<Box<Kept>>,
}

/// Ids and a profile that are to be as they were.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub user: DirectoryUserId,
    /// None when the user never had one.
    pub profile: Option<KeptProfile>,
    /// The ids it had, where they are others now.
    pub renamed: Vec<Renamed>,
}

/// The profile of a directory user.
#[derive(Debug, Clone)]
pub(super) struct KeptProfile {
    pub profile: Profile,
    /// Its identities beside the directory's.
    pub others: Vec<Identity>,
}

/// What became of the password in a record.
#[derive(Debug, Clone)]
pub(super) enum Password {
    /// It verifies.
    Hash(PasswordHash),
    /// There never was one.
    None,
    /// It does not, and this is why.
    Unusable(Refusal),
}

/// What a record's password hash says of the secret that came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seal {
    /// Nothing: it is not sealed here, or there is none.
    None,
    /// It opens.
    Opened,
    /// It was sealed with another one.
    Other,
}

/// What does not open with this secret.
pub(super) const WRONG_SECRET: &str = "wrong_secret";

impl DirectoryRecord {
    /// Reads a record and opens its password hash. May derive a key, which takes tens of milliseconds.
    pub fn read(
        record: &str,
        envelopes: &mut EnvelopeReader,
    ) -> Result<Self, Box<(Name, Refusal)>> {
        let mut object = RawObject::parse(record)
            .map_err(|invalid| Box::new((Name::default(), Refusal::shape(&invalid))))?;
        let user = object
            .remove("scimUser")
            .and_then(|raw| RawObject::parse(raw.get()).ok())
            .ok_or_else(|| {
                let refusal = Refusal::new("invalid_record", "scimUser: is required, an object");
                Box::new((Name::default(), refusal))
            })?;
        let label = Name {
            // One published sample spells it without the second i.
            original_id: ["originalId", "orignalId", "id"]
                .iter()
                .find_map(|member| user.string(member)),
            email: email(&user),
            user_name: user.string("userName"),
            ..Name::default()
        };
        Self::parse(object, user, label.clone(), envelopes)
            .map_err(|refusal| Box::new((label, refusal)))
    }

    fn parse(
        mut object: RawObject,
        user: RawObject,
        label: Name,
        envelopes: &mut EnvelopeReader,
    ) -> Result<Self, Refusal> {
        if label
            .original_id
            .as_ref()
            .is_some_and(|id| id.len() > 1000 || id.contains('\0'))
        {
            return Err(Refusal::new("invalid_record", "originalId: is no id"));
        }
        let state = UserState::read(&user).map_err(|invalid| Refusal::shape(&invalid))?;
        let meta = user.value("meta").unwrap_or_default();
        let roles = role_names(object.remove("roles"))?;
        let attributes = attributes(object.remove("profile"))?;
        let hash = text(&object, "passwordHash")?;
        let algorithm = text(&object, "passwordHashAlg")?;
        let context = label.original_id.clone().unwrap_or_default();
        let card = UserCard::parse(user).map_err(|invalid| Refusal::shape(&invalid))?;
        let (password, seal) = open(hash, algorithm, &context, envelopes);
        Ok(Self {
            card,
            status: state.status.unwrap_or_default(),
            active: state.active.unwrap_or(true),
            locked_until: state.locked_until,
            created_at: time(&meta, "created"),
            modified_at: time(&meta, "lastModified"),
            last_login_at: time(&meta, "lastLogin"),
            password_changed_at: None,
            original_id: label.original_id.clone(),
            password,
            seal,
            attributes,
            roles,
            label,
            kept: None,
        })
    }
}

/// Opens a sealed hash, or takes one in a common notation as it is.
fn open(
    hash: Option<String>,
    algorithm: Option<String>,
    context: &str,
    envelopes: &mut EnvelopeReader,
) -> (Password, Seal) {
    let Some(hash) = hash.filter(|hash| !hash.is_empty()) else {
        let none = unusable("no_password", "The record holds no password hash.");
        return (none, Seal::None);
    };
    let error = match envelopes.open_hash(context, &hash) {
        Ok(hash) => return (Password::Hash(hash), Seal::Opened),
        Err(error) => error,
    };
    let seal = match error {
        EnvelopeError::Contents(_) => Seal::Opened,
        EnvelopeError::WrongSecret => Seal::Other,
        EnvelopeError::Foreign | EnvelopeError::Damaged | EnvelopeError::TooManySalts => Seal::None,
    };
    let password = match error {
        EnvelopeError::Foreign => plain(&hash, algorithm.as_deref()),
        EnvelopeError::WrongSecret => unusable(
            WRONG_SECRET,
            "The encryption secret is not the one this password hash was sealed with.",
        ),
        EnvelopeError::Damaged => unusable(
            "damaged_hash",
            "The sealed password hash was changed since it was made, or belongs to another user.",
        ),
        EnvelopeError::TooManySalts => unusable(
            "too_many_salts",
            "This file was put together from too many exports. Import it in parts.",
        ),
        EnvelopeError::Contents(error) => notation(error),
    };
    (password, seal)
}

/// A hash that another product left readable. What looks like no notation at all is taken for another vendor's ciphertext.
fn plain(hash: &str, algorithm: Option<&str>) -> Password {
    let algorithm = algorithm.filter(|name| !name.is_empty());
    match PasswordHash::parse(hash, algorithm) {
        Ok(hash) => Password::Hash(hash),
        Err(error) if hash.contains(['$', '{']) => notation(error),
        Err(PasswordHashError::TooExpensive) => notation(PasswordHashError::TooExpensive),
        Err(_) => unusable(
            "foreign_ciphertext",
            "The password hash was encrypted by another product, which cannot be undone here.",
        ),
    }
}

fn notation(error: PasswordHashError) -> Password {
    match error {
        PasswordHashError::TooExpensive => unusable(
            "hash_too_expensive",
            "The password hash asks for more memory or time than this service spends.",
        ),
        PasswordHashError::Unsupported => unusable(
            "unsupported_hash",
            "The password hash is of a kind that this service does not verify.",
        ),
        PasswordHashError::Contradiction => unusable(
            "unsupported_hash",
            "passwordHashAlg names another algorithm than the notation of the password hash: they contradict one another.",
        ),
        PasswordHashError::Malformed => {
            unusable("malformed_hash", "The password hash is malformed.")
        }
    }
}

fn unusable(code: &'static str, message: &str) -> Password {
    Password::Unusable(Refusal::new(code, message))
}

fn attributes(profile: Option<Record>) -> Result<Attributes, Refusal> {
    #[derive(serde::Deserialize)]
    struct Carried {
        attributes: Option<RawObject>,
    }
    let carried: Option<Carried> = profile
        .map_or(Ok(None), |raw| serde_json::from_str(raw.get()))
        .map_err(|_| Refusal::new("invalid_record", "profile: must hold attributes, an object"))?;
    let object = carried.and_then(|carried| carried.attributes);
    Attributes::parse(object.unwrap_or_default())
        .map_err(|invalid| Refusal::new("profile_too_large", invalid.to_string()))
}

fn text(object: &RawObject, name: &str) -> Result<Option<String>, Refusal> {
    match object.value(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::new(
            "invalid_record",
            format!("{name}: must be a string"),
        )),
    }
}

fn time(meta: &Value, member: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(meta.get(member)?.as_str()?)
}

/// The address to name in a report, even if the record is malformed.
fn email(user: &RawObject) -> Option<String> {
    let emails = user.value("emails")?;
    let emails = emails.as_array()?;
    let primary = |email: &&Value| email.get("primary").and_then(Value::as_bool) == Some(true);
    let email = emails.iter().find(primary).or_else(|| emails.first())?;
    Some(email.get("value")?.as_str()?.to_owned())
}

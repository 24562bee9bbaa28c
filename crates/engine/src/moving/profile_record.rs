//! One user of `users/import`.

use vestibule_model::{
    Invalid,
    attributes::Attributes,
    id::ProfileId,
    object::RawObject,
    profile::{ANONYMOUS, CLOUD_DIRECTORY, Identity, Profile},
};

use super::{Name, Refusal, Renamed, role_names};

/// Most bytes of what a record holds apart from its attributes.
const MOST_BYTES: usize = 256 * 1024;
/// Most identities of one user.
const MOST_IDENTITIES: usize = 20;

/// A user that can be imported, unless someone is in the way.
#[derive(Debug, Clone)]
pub(super) struct ProfileRecord {
    /// The id it asks for, if it is one.
    pub id: Option<ProfileId>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub body: RawObject,
    pub identities: Vec<Identity>,
    pub attributes: Attributes,
    pub roles: Vec<String>,
    pub label: Name,
    /// What only a bundle carries.
    pub kept: Option<Box<Kept>>,
}

/// A profile that is to be as it was.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub profile: Profile,
    /// The ids it had, where they are others now.
    pub renamed: Vec<Renamed>,
}

impl ProfileRecord {
    /// Reads a record. Members that are not known are kept as they are.
    pub fn read(record: &str) -> Result<Self, Box<(Name, Refusal)>> {
        let object = RawObject::parse(record)
            .map_err(|invalid| Box::new((Name::default(), Refusal::shape(&invalid))))?;
        let label = Name {
            original_id: object.string("id"),
            provider: provider(&object),
            ..Name::default()
        };
        Self::parse(object, label.clone()).map_err(|refusal| Box::new((label, refusal)))
    }

    fn parse(mut object: RawObject, label: Name) -> Result<Self, Refusal> {
        let id = text(&mut object, "id", 1000)?;
        let name = text(&mut object, "name", 10_000)?;
        let email = text(&mut object, "email", 1000)?;
        let roles = role_names(object.remove("roles"))?;
        let attributes = object
            .remove("attributes")
            .map_or(Ok(None), |raw| serde_json::from_str(raw.get()))
            .map_err(|_| Refusal::new("invalid_record", "attributes: must be an object"))?;
        let attributes = Attributes::parse(attributes.unwrap_or_default())
            .map_err(|invalid| Refusal::new("profile_too_large", invalid.to_string()))?;
        let bodies: Vec<RawObject> = object
            .remove("identities")
            .map_or(Ok(None), |raw| serde_json::from_str(raw.get()))
            .map_err(|_| Refusal::new("invalid_record", "identities: must be an array of objects"))?
            .unwrap_or_default();
        let size: usize = bodies.iter().map(|body| body.to_text().len()).sum();
        if size + object.to_text().len() > MOST_BYTES {
            return Err(Refusal::new(
                "profile_too_large",
                "A user holds at most 256 kB besides the attributes.",
            ));
        }
        Ok(Self {
            id: id.and_then(|id| ProfileId::parse(&id).ok()),
            name,
            email,
            identities: identities(bodies)?,
            body: object,
            attributes,
            roles,
            label,
            kept: None,
        })
    }
}

fn identities(bodies: Vec<RawObject>) -> Result<Vec<Identity>, Refusal> {
    if bodies.len() > MOST_IDENTITIES {
        return Err(Refusal::new(
            "invalid_record",
            "identities: must hold at most 20",
        ));
    }
    let mut identities: Vec<Identity> = Vec::with_capacity(bodies.len());
    for body in bodies {
        let identity = Identity::parse(body).map_err(|invalid| Refusal::shape(&invalid))?;
        match identity.provider.as_str() {
            CLOUD_DIRECTORY => {
                return Err(Refusal::new(
                    "directory_user",
                    "Cloud Directory users are moved with cloud_directory/export and import.",
                ));
            }
            ANONYMOUS => {
                return Err(Refusal::new(
                    "anonymous_user",
                    "Anonymous users cannot be moved.",
                ));
            }
            _ => {}
        }
        let same = |known: &Identity| {
            known.provider == identity.provider && known.subject == identity.subject
        };
        if identities.iter().any(same) {
            return Err(Refusal::new(
                "invalid_record",
                "identities: one stands there twice",
            ));
        }
        identities.push(identity);
    }
    if identities.is_empty() {
        return Err(Refusal::new(
            "no_identity",
            "A known user has at least one identity.",
        ));
    }
    Ok(identities)
}

/// Takes a text out: left out and `null` mean none.
fn text(object: &mut RawObject, name: &str, most: usize) -> Result<Option<String>, Refusal> {
    let Some(raw) = object.remove(name) else {
        return Ok(None);
    };
    let bad = |reason: &str| Refusal::shape(&Invalid::new(name, reason));
    let text: Option<String> =
        serde_json::from_str(raw.get()).map_err(|_| bad("must be a string"))?;
    if text.as_ref().is_some_and(|text| text.contains('\0')) {
        return Err(bad("must not hold the character U+0000"));
    }
    if text.as_ref().is_some_and(|text| text.len() > most) {
        return Err(bad("is too long"));
    }
    Ok(text)
}

/// The provider that a record names, for the report, even if the record is malformed.
fn provider(object: &RawObject) -> Option<String> {
    object.string("idp").or_else(|| {
        let identities = object.value("identities")?;
        let provider = identities.get(0)?.get("provider")?.as_str()?;
        Some(provider.to_owned())
    })
}

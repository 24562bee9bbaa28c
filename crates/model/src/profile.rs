//! Profiles: who signs in, as the applications see it.

use crate::{Invalid, attributes::Attributes, id::ProfileId, object::RawObject, time::Timestamp};

/// What a profile is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProfileKind {
    /// Someone who signed in or was imported.
    Known,
    /// Someone prepared before the first sign-in.
    Future,
    /// Someone who did not say who they are. Neither searchable nor exportable.
    Anonymous,
}

impl ProfileKind {
    /// The name in storage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Future => "future",
            Self::Anonymous => "anonymous",
        }
    }

    /// Reads the name in storage.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "known" => Ok(Self::Known),
            "future" => Ok(Self::Future),
            "anonymous" => Ok(Self::Anonymous),
            _ => Err(Invalid::new("kind", "is no kind of profile")),
        }
    }
}

/// A profile without its identities and roles.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// `sub` in tokens.
    pub id: ProfileId,
    /// What it is of.
    pub kind: ProfileKind,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address as the provider gave it.
    pub email: Option<String>,
    /// `picture`, `gender`, `locale`, `preferred_username` and whatever else an import carried.
    pub body: RawObject,
    /// Custom attributes.
    pub attributes: Attributes,
    /// Orders profiles: the moment of creation, or in an import the moment and the place in the file.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// Someone at an identity provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// `google`, `facebook`, `saml`, `cloud_directory`, `appid_custom`, …
    pub provider: String,
    /// The provider's identifier of the person.
    pub subject: String,
    /// The whole identity object, `provider` and `id` included, field for field as it came.
    pub body: RawObject,
}

impl Identity {
    /// Most characters of a provider's name.
    pub const LONGEST_PROVIDER: usize = 100;
    /// Most bytes of a provider's identifier.
    pub const LONGEST_SUBJECT: usize = 1000;

    /// Reads an identity object: `provider` and `id` are strings, everything else is the provider's.
    pub fn parse(body: RawObject) -> Result<Self, Invalid> {
        let provider = body
            .string("provider")
            .ok_or_else(|| Invalid::new("identities.provider", "is required and a string"))?;
        let subject = body
            .string("id")
            .ok_or_else(|| Invalid::new("identities.id", "is required and a string"))?;
        Self::check(&provider, &subject)?;
        Ok(Self {
            provider,
            subject,
            body,
        })
    }

    /// Checks what an identity is found by.
    pub fn check(provider: &str, subject: &str) -> Result<(), Invalid> {
        let printable = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
        if !printable(provider) || provider.chars().count() > Self::LONGEST_PROVIDER {
            return Err(Invalid::new(
                "identities.provider",
                "must be 1 to 100 printable characters",
            ));
        }
        if !printable(subject) || subject.len() > Self::LONGEST_SUBJECT {
            return Err(Invalid::new(
                "identities.id",
                "must be 1 to 1000 bytes of printable text",
            ));
        }
        Ok(())
    }
}

/// Cloud Directory as a provider of identities.
pub const CLOUD_DIRECTORY: &str = "cloud_directory";
/// The provider named in tokens of people who did not say who they are.
pub const ANONYMOUS: &str = "appid_anon";
/// The provider whose assertions an application's own server signs.
pub const CUSTOM: &str = "appid_custom";
/// Providers that a future user can be prepared for.
pub const FUTURE_PROVIDERS: [&str; 6] = [
    "saml",
    CLOUD_DIRECTORY,
    "facebook",
    "google",
    CUSTOM,
    "ibmid",
];

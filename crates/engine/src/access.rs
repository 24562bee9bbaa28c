//! Permission is a value one must hold. The platform plane turns a bearer token into a [`Caller`]; a caller who has the role at an
//! instance becomes a [`Reader`], [`Writer`] or [`Manager`] of it, and functions of the management plane take one of those. A
//! function that changes something cannot be called by who holds only a `Reader`.

use std::ops::Deref;

use vestibule_model::id::TenantId;

/// Who calls the platform and management planes: a subject whose platform token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `iam_id` of the person or service ID.
    pub iam_id: String,
    /// The account the token is for.
    pub account_id: String,
    /// The API key that the token was got with.
    pub api_key_id: String,
}

/// May read configuration and users of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    tenant: TenantId,
    caller: Caller,
}

/// May change configuration and users of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer(Reader);

/// May move users of one instance, secrets included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager(Writer);

impl Reader {
    /// The instance.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Only the platform plane, having checked the policies, makes one.
    pub(crate) fn grant(tenant: TenantId, caller: Caller) -> Self {
        Self { tenant, caller }
    }
}

impl Writer {
    pub(crate) fn grant(reader: Reader) -> Self {
        Self(reader)
    }
}

impl Manager {
    pub(crate) fn grant(writer: Writer) -> Self {
        Self(writer)
    }
}

impl Deref for Writer {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.0
    }
}

impl Deref for Manager {
    type Target = Writer;
    fn deref(&self) -> &Writer {
        &self.0
    }
}

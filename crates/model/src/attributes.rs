//! Custom attributes of a profile.

use crate::{Invalid, object::RawObject};

/// Custom attributes: any JSON object of at most [`Attributes::MOST_BYTES`] (contract/runtime.md section 7).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(RawObject);

impl Attributes {
    /// Most bytes of a profile's attributes as compact JSON: 100 kB.
    pub const MOST_BYTES: usize = 100_000;

    /// Checks the size.
    pub fn parse(object: RawObject) -> Result<Self, Invalid> {
        if object.is_longer_than(Self::MOST_BYTES) {
            return Err(Invalid::new(
                "attributes",
                "a profile holds at most 100 kB of attributes",
            ));
        }
        Ok(Self(object))
    }

    /// These attributes with the top-level members of others laid over them.
    pub fn merged(&self, changes: RawObject) -> Result<Self, Invalid> {
        let mut object = self.0.clone();
        object.merge(changes);
        Self::parse(object)
    }

    /// The attributes as a JSON object.
    pub fn object(&self) -> &RawObject {
        &self.0
    }

    /// The attributes as a JSON object.
    pub fn into_object(self) -> RawObject {
        self.0
    }
}

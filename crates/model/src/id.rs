//! Identifiers. Each kind is a type of its own, so that a role id never stands where a profile id is wanted.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Invalid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// A version 4 UUID from sixteen random bytes.
            pub fn from_random_bytes(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// A version 7 UUID (RFC 9562 section 5.7) of this moment, from ten random bytes: ids made one after another stand beside
            /// each other in an index.
            pub fn from_time(now: crate::time::Timestamp, random: &[u8; 10]) -> Self {
                let millis = u64::try_from(now.millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
            }

            /// Reads the hyphenated form, in either case. Other spellings (braces, URN, no hyphens) are refused.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                if text.len() != 36 {
                    return Err(Invalid::new($field, "is not a UUID"));
                }
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| Invalid::new($field, "is not a UUID"))
            }

            /// The UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// An instance of the service: App ID's tenant id, the resource instance's GUID.
    TenantId, "tenantId"
);
uuid_id!(
    /// An application's `clientId`.
    ClientId, "clientId"
);
uuid_id!(
    /// A user profile: `sub` in tokens, `users/{id}` in the management API.
    ProfileId, "id"
);
uuid_id!(
    /// A Cloud Directory user: `identities[0].id`, `Users/{userId}`, `uuid`.
    DirectoryUserId, "userId"
);
uuid_id!(
    /// A role of an instance.
    RoleId, "roleId"
);
uuid_id!(
    /// One sign-in of one profile at one application, with every token descended from it.
    GrantId, "grantId"
);
uuid_id!(
    /// A job of an instance.
    JobId, "job"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hyphenated_uuids_parse() {
        let id = TenantId::parse("7AE804F3-0ed3-45f0-bc6b-1c6af868e6d6").unwrap();
        assert_eq!(id.to_string(), "7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6");
        for bad in [
            "",
            "x",
            "7ae804f30ed345f0bc6b1c6af868e6d6",
            "{7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6}",
            "7ae804f3-0ed3-45f0-bc6b-1c6af868e6dg",
        ] {
            assert!(TenantId::parse(bad).is_err(), "{bad}");
        }
    }
}

//! Cloud Directory users: SCIM core users (RFC 7643 section 4.1) whose passwords the instance keeps.

use crate::{
    Invalid,
    email::{EmailAddress, fold},
    id::DirectoryUserId,
    object::RawObject,
    time::Timestamp,
};

/// Whether a directory user's address is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UserStatus {
    /// Not yet.
    #[default]
    Pending,
    /// Yes.
    Confirmed,
}

impl UserStatus {
    /// App ID's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Confirmed => "CONFIRMED",
        }
    }

    /// Reads App ID's name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "PENDING" => Ok(Self::Pending),
            "CONFIRMED" => Ok(Self::Confirmed),
            _ => Err(Invalid::new("status", "must be PENDING or CONFIRMED")),
        }
    }
}

/// A directory user without the password.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectoryUser {
    /// Its id, which is not the profile's.
    pub id: DirectoryUserId,
    /// What it says of itself.
    pub card: UserCard,
    /// Whether the address is verified.
    pub status: UserStatus,
    /// Whether it may sign in.
    pub active: bool,
    /// Until when sign-in is refused after too many wrong passwords.
    pub locked_until: Option<Timestamp>,
    /// The id it had where it was imported from.
    pub original_id: Option<String>,
    /// When it last signed in.
    pub last_login_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
}

/// What a directory user says of itself: SCIM members apart from id, password, state and `meta`.
#[derive(Debug, Clone, PartialEq)]
pub struct UserCard {
    email: EmailAddress,
    user_name: Option<String>,
    body: RawObject,
}

/// Members that are kept in columns, made by the service, or secret; none of them stays in the body.
const APART: [&str; 10] = [
    "id",
    "password",
    "status",
    "active",
    "lockedUntil",
    "meta",
    "idpType",
    "originalId",
    "orignalId",
    "mfaContext",
];

impl UserCard {
    /// Most bytes of the members as JSON.
    pub const MOST_BYTES: usize = 100_000;
    /// Most e-mail addresses.
    pub const MOST_EMAILS: usize = 20;

    /// Reads a SCIM user: at least one e-mail address, and a printable `userName` if there is one. Members that the service keeps
    /// apart are dropped.
    pub fn parse(mut body: RawObject) -> Result<Self, Invalid> {
        for name in APART {
            body.remove(name);
        }
        if body.is_longer_than(Self::MOST_BYTES) {
            return Err(Invalid::new("", "a user holds at most 100 kB"));
        }
        let email = primary_email(&body)?;
        let user_name = match body.value("userName") {
            None => None,
            Some(serde_json::Value::String(name)) if name.is_empty() => None,
            Some(serde_json::Value::String(name)) => {
                let blank = name.trim().is_empty();
                if blank || name.len() > 320 || name.chars().any(char::is_control) {
                    return Err(Invalid::new(
                        "userName",
                        "must be 1 to 320 bytes of printable text",
                    ));
                }
                Some(name)
            }
            Some(_) => return Err(Invalid::new("userName", "must be a string")),
        };
        if let Some(name) = body.value("displayName")
            && !name.is_string()
        {
            return Err(Invalid::new("displayName", "must be a string"));
        }
        Ok(Self {
            email,
            user_name,
            body,
        })
    }

    /// The primary address: the one marked so, else the first.
    pub fn email(&self) -> &EmailAddress {
        &self.email
    }

    /// The user name, as given.
    pub fn user_name(&self) -> Option<&str> {
        self.user_name.as_deref()
    }

    /// The user name folded for look-ups.
    pub fn user_name_key(&self) -> Option<String> {
        self.user_name.as_deref().map(fold)
    }

    /// The members, as given.
    pub fn body(&self) -> &RawObject {
        &self.body
    }

    /// What people call the user: `displayName`, else the name, else the address (contract/runtime.md section 6.3).
    pub fn display_name(&self) -> String {
        let name = self.body.value("name").unwrap_or_default();
        let part = |member: &str| name.get(member).and_then(|part| part.as_str());
        let joined = [part("givenName"), part("familyName")]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ");
        [
            self.body.string("displayName"),
            part("formatted").map(str::to_owned),
            Some(joined),
        ]
        .into_iter()
        .flatten()
        .find(|text| !text.trim().is_empty())
        .unwrap_or_else(|| self.email.as_str().to_owned())
    }
}

/// What directory users are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginField {
    /// The primary address.
    Email,
    /// The user name.
    UserName,
}

/// A password that a user may choose: 8 characters to 1024 bytes, and not the user's own address or name.
pub struct NewPassword(zeroize::Zeroizing<String>);

impl NewPassword {
    /// Fewest characters.
    pub const SHORTEST: usize = 8;
    /// Most bytes: longer ones are never hashed.
    pub const LONGEST: usize = 1024;

    /// Checks the rules. The reason never repeats the password.
    pub fn parse(text: zeroize::Zeroizing<String>, card: &UserCard) -> Result<Self, Invalid> {
        if text.chars().count() < Self::SHORTEST {
            return Err(Invalid::new("password", "must have at least 8 characters"));
        }
        if text.len() > Self::LONGEST {
            return Err(Invalid::new("password", "must have at most 1024 bytes"));
        }
        let key = fold(&text);
        if key == card.email.key() || Some(&key) == card.user_name_key().as_ref() {
            return Err(Invalid::new(
                "password",
                "must differ from the user's address and name",
            ));
        }
        Ok(Self(text))
    }

    /// For the hasher.
    pub fn into_inner(self) -> zeroize::Zeroizing<String> {
        self.0
    }
}

fn primary_email(body: &RawObject) -> Result<EmailAddress, Invalid> {
    let required = || Invalid::new("emails", "at least one e-mail address is required");
    let emails = match body.value("emails") {
        Some(serde_json::Value::Array(emails)) => emails,
        None => return Err(required()),
        Some(_) => return Err(Invalid::new("emails", "must be an array")),
    };
    if emails.len() > UserCard::MOST_EMAILS {
        return Err(Invalid::new("emails", "must hold at most 20 addresses"));
    }
    let mut primary = None;
    for email in &emails {
        let address = email
            .get("value")
            .and_then(|value| value.as_str())
            .ok_or_else(|| Invalid::new("emails", "each needs a value that is a string"))?;
        let address = EmailAddress::parse(address)?;
        let marked = email.get("primary").and_then(serde_json::Value::as_bool) == Some(true);
        match &primary {
            Some((_, true)) if marked => {
                return Err(Invalid::new("emails", "only one address can be primary"));
            }
            Some((_, false)) if marked => primary = Some((address, true)),
            None => primary = Some((address, marked)),
            Some(_) => {}
        }
    }
    primary.map(|(address, _)| address).ok_or_else(required)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(text: &str) -> Result<UserCard, Invalid> {
        UserCard::parse(RawObject::parse(text).unwrap())
    }

    #[test]
    fn the_primary_address_is_the_marked_one() {
        let user = card(r#"{"emails":[{"value":"A@x.org"},{"value":"B@x.org","primary":true}],"userName":"Bea","id":"7","password":"p"}"#).unwrap();
        assert_eq!(user.email().key(), "b@x.org");
        assert_eq!(user.user_name_key().as_deref(), Some("bea"));
        assert_eq!(
            user.body().to_text(),
            r#"{"emails":[{"value":"A@x.org"},{"value":"B@x.org","primary":true}],"userName":"Bea"}"#
        );
        assert_eq!(user.display_name(), "B@x.org");
    }

    #[test]
    fn malformed_users_are_refused() {
        for bad in [
            "{}",
            r#"{"emails":[]}"#,
            r#"{"emails":"a@b"}"#,
            r#"{"emails":["a@b"]}"#,
            r#"{"emails":[{"value":"nobody"}]}"#,
            r#"{"emails":[{"value":"a@b"}],"userName":7}"#,
            r#"{"emails":[{"value":"a@b"}],"userName":"a\u0000b"}"#,
            r#"{"emails":[{"value":"a@b","primary":true},{"value":"c@d","primary":true}]}"#,
        ] {
            assert!(card(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_have_a_length_and_are_not_the_name() {
        let user = card(r#"{"emails":[{"value":"some@body.org"}],"userName":"somebody"}"#).unwrap();
        for bad in [
            "",
            "1234567",
            "SOME@body.org",
            "Somebody",
            &"x".repeat(1025),
        ] {
            assert!(
                NewPassword::parse(bad.to_owned().into(), &user).is_err(),
                "{bad}"
            );
        }
        assert!(NewPassword::parse("pässwörd".to_owned().into(), &user).is_ok());
    }
}

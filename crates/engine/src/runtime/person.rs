//! Someone who signed in, with all that tokens and user info say of them.

use serde_json::{Map, Value, json};
use vestibule_model::{
    directory::{DirectoryUser, UserStatus},
    id::{ProfileId, RoleId, TenantId},
    object::RawObject,
    profile::{CLOUD_DIRECTORY, Identity, Profile},
};
use vestibule_store::scope::Tenant;

use crate::{Error, Result, directory::user_info};

/// A profile in the light of the provider it signed in with.
pub(super) struct Person {
    tenant: TenantId,
    pub(super) profile: Profile,
    /// `cloud_directory`, `appid_anon`, …: the only member of `amr`.
    pub(super) provider: String,
    pub(super) identities: Vec<Identity>,
    /// The directory user behind the profile, if it has one.
    pub(super) user: Option<DirectoryUser>,
    pub(super) roles: Vec<RoleId>,
}

impl Person {
    /// Reads a person; `None` when the profile is gone.
    pub(super) fn find(
        t: &mut Tenant<'_, '_>,
        profile: ProfileId,
        provider: &str,
    ) -> Result<Option<Self>> {
        let Some(person) = Self::describe(t, profile, provider)? else {
            return Ok(None);
        };
        let roles = t.list_user_roles(profile)?;
        Ok(Some(Self { roles, ..person }))
    }

    /// The same for who is only described, not given tokens: the roles are left out.
    pub(super) fn describe(
        t: &mut Tenant<'_, '_>,
        profile: ProfileId,
        provider: &str,
    ) -> Result<Option<Self>> {
        Ok(t.find_person(profile)?.map(|found| Self {
            tenant: t.id(),
            profile: found.profile,
            provider: provider.to_owned(),
            identities: found.identities,
            user: found.user,
            roles: Vec::new(),
        }))
    }

    /// Reads a person whose profile this transaction has made sure of.
    pub(super) fn of(t: &mut Tenant<'_, '_>, profile: ProfileId, provider: &str) -> Result<Self> {
        Self::find(t, profile, provider)?.ok_or_else(|| Error::internal("the profile is gone"))
    }

    /// Whether the directory user has verified the address; nothing for everybody else.
    pub(super) fn email_verified(&self) -> Option<bool> {
        if self.provider != CLOUD_DIRECTORY {
            return None;
        }
        self.user
            .as_ref()
            .map(|user| user.status == UserStatus::Confirmed)
    }

    /// Name, address and the like, as far as they are known, in the order of OpenID Connect.
    pub(super) fn normalized(&self) -> Map<String, Value> {
        let mut claims = Map::new();
        for (name, text) in [("name", &self.profile.name), ("email", &self.profile.email)] {
            if let Some(text) = text {
                claims.insert(name.into(), text.as_str().into());
            }
        }
        for name in ["picture", "gender", "locale", "preferred_username"] {
            if let Some(text) = self.profile.body.string(name) {
                claims.insert(name.into(), text.into());
            }
        }
        claims
    }

    /// Every claim of OpenID Connect Core section 5.1 that is known of the person.
    pub(super) fn standard_claims(&self) -> Map<String, Value> {
        let mut claims = match &self.user {
            Some(user) => card_claims(user),
            None => Map::new(),
        };
        for name in [
            "nickname",
            "profile",
            "website",
            "birthdate",
            "zoneinfo",
            "given_name",
            "family_name",
            "middle_name",
        ] {
            if let Some(text) = self.profile.body.string(name) {
                claims.entry(name).or_insert_with(|| text.into());
            }
        }
        claims.extend(self.normalized());
        for (name, is_good) in SELF_SAID {
            let said = self.profile.attributes.object().string(name);
            if let Some(text) = said.filter(|text| is_good(text)) {
                claims.entry(name).or_insert_with(|| text.into());
            }
        }
        if let Some(verified) = self.email_verified() {
            claims.insert("email_verified".into(), verified.into());
        }
        let changed = self
            .user
            .as_ref()
            .map_or(self.profile.modified_at, |user| user.modified_at);
        claims.insert("updated_at".into(), changed.seconds().into());
        claims
    }

    /// What a provider says of the person.
    pub(super) fn user_info(&self, provider: &str) -> Option<Value> {
        if provider == CLOUD_DIRECTORY {
            return serde_json::to_value(self.directory_info()?).ok();
        }
        let identity = self
            .identities
            .iter()
            .find(|identity| identity.provider == provider)?;
        match identity.body.value("idpUserInfo") {
            Some(info) => Some(info),
            None => serde_json::to_value(&identity.body).ok(),
        }
    }

    /// `provider` and `id` of each identity, as identity tokens show them.
    pub(super) fn identities(&self) -> Value {
        self.identities
            .iter()
            .map(|identity| json!({"provider": identity.provider, "id": identity.subject}))
            .collect()
    }

    /// Each identity as user info shows it: with the provider's own words under `idpUserInfo`.
    pub(super) fn identities_in_full(&self) -> Vec<RawObject> {
        self.identities
            .iter()
            .map(|identity| {
                let mut body = identity.body.clone();
                // The directory is our own: say what it says now, not what it said at the last sign-in.
                if identity.provider == CLOUD_DIRECTORY
                    && let Some(info) = self.directory_info()
                {
                    body.set_object("idpUserInfo", &info);
                }
                body
            })
            .collect()
    }

    fn directory_info(&self) -> Option<RawObject> {
        let user = self.user.as_ref()?;
        Some(user_info(self.tenant, user))
    }
}

/// Whether a claim can have a value.
type IsGood = fn(&str) -> bool;

/// Claims that the custom attributes of a profile tell where nothing else does, and what a good value is. Applications may change
/// attributes, so none of these is one that anybody is told apart or reached by.
const SELF_SAID: [(&str, IsGood); 5] = [
    ("profile", is_page),
    ("picture", is_page),
    ("website", is_page),
    ("gender", is_word),
    ("birthdate", is_date),
];

fn is_page(text: &str) -> bool {
    let web = |url: url::Url| matches!(url.scheme(), "https" | "http");
    text.len() <= 2000 && url::Url::parse(text).is_ok_and(web)
}

fn is_word(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= 100 && !text.chars().any(char::is_control)
}

/// `YYYY-MM-DD`, with `0000` for a year that is left out, or a year alone (section 5.1).
fn is_date(text: &str) -> bool {
    let digits =
        |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [year] => digits(year, 4),
        [year, month, day] => {
            let within =
                |part: &str, most: u8| part.parse().is_ok_and(|n: u8| (1..=most).contains(&n));
            digits(year, 4)
                && digits(month, 2)
                && digits(day, 2)
                && within(month, 12)
                && within(day, 31)
        }
        _ => false,
    }
}

/// What a SCIM user says, in the words of OpenID Connect (RFC 7643 section 4.1).
fn card_claims(user: &DirectoryUser) -> Map<String, Value> {
    let body = user.card.body();
    let name = body.value("name").unwrap_or_default();
    let texts = [
        ("given_name", member(&name, "givenName")),
        ("family_name", member(&name, "familyName")),
        ("middle_name", member(&name, "middleName")),
        (
            "preferred_username",
            user.card.user_name().map(str::to_owned),
        ),
        ("nickname", body.string("nickName")),
        ("profile", body.string("profileUrl")),
        ("website", body.string("website")),
        ("gender", body.string("gender")),
        ("birthdate", body.string("birthdate")),
        ("zoneinfo", body.string("timezone")),
        ("locale", body.string("locale")),
        (
            "picture",
            first(body.value("photos")).and_then(|photo| member(&photo, "value")),
        ),
        (
            "phone_number",
            first(body.value("phoneNumbers")).and_then(|phone| member(&phone, "value")),
        ),
    ];
    let mut claims: Map<String, Value> = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), Value::String(text?))))
        .collect();
    // Nobody here sends a message to a number to see whose it is.
    if claims.contains_key("phone_number") {
        claims.insert("phone_number_verified".into(), false.into());
    }
    if let Some(address) = first(body.value("addresses")) {
        let parts = [
            ("formatted", "formatted"),
            ("street_address", "streetAddress"),
            ("locality", "locality"),
            ("region", "region"),
            ("postal_code", "postalCode"),
            ("country", "country"),
        ];
        let parts: Map<String, Value> = parts
            .into_iter()
            .filter_map(|(claim, scim)| {
                Some((claim.to_owned(), Value::String(member(&address, scim)?)))
            })
            .collect();
        if !parts.is_empty() {
            claims.insert("address".into(), parts.into());
        }
    }
    claims
}

/// The primary entry of a list, else its first.
fn first(list: Option<Value>) -> Option<Value> {
    let Some(Value::Array(mut entries)) = list else {
        return None;
    };
    let primary = entries
        .iter()
        .position(|entry| entry.get("primary") == Some(&Value::Bool(true)));
    (!entries.is_empty()).then(|| entries.swap_remove(primary.unwrap_or(0)))
}

fn member(object: &Value, name: &str) -> Option<String> {
    let text = object.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

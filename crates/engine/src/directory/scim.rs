//! Directory users as JSON, and as people who sign in.

use serde_json::{Value, json};
use vestibule_model::{
    directory::{DirectoryUser, UserStatus},
    id::TenantId,
    object::RawObject,
    profile::CLOUD_DIRECTORY,
};

use crate::profile::SignIn;

/// The SCIM schema of users (RFC 7643 section 4.1).
pub(crate) const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// A user as the directory shows it: what it says of itself, then its state, id and `meta`. Never a password.
pub fn user_object(tenant: TenantId, user: &DirectoryUser) -> RawObject {
    let mut object = carried_object(user);
    object.set_value("id", &user.id.to_string().into());
    if let Some(original) = &user.original_id {
        object.set_value("originalId", &original.as_str().into());
    }
    let mut meta = meta(user);
    if let Some(members) = meta.as_object_mut() {
        members.insert(
            "location".into(),
            format!("/v1/{tenant}/Users/{}", user.id).into(),
        );
        members.insert("resourceType".into(), "User".into());
    }
    object.set_value("meta", &meta);
    object
}

/// A user as it leaves the instance: without id and location, which the next place gives anew.
pub(crate) fn carried_object(user: &DirectoryUser) -> RawObject {
    let mut object = user.card.body().clone();
    object.set_value("active", &user.active.into());
    object.set_value("status", &user.status.name().into());
    if let Some(until) = user.locked_until {
        object.set_value("lockedUntil", &until.millis().into());
    }
    if object.get("schemas").is_none() {
        object.set_value("schemas", &json!([SCHEMA]));
    }
    object.set_value("meta", &meta(user));
    object
}

/// What the directory, as a provider, says of a user.
pub(crate) fn user_info(tenant: TenantId, user: &DirectoryUser) -> RawObject {
    let mut info = user_object(tenant, user);
    info.set_value("idpType", &CLOUD_DIRECTORY.into());
    info
}

/// What the directory says of a user at sign-in.
pub fn sign_in_of(tenant: TenantId, user: &DirectoryUser) -> SignIn {
    let mut claims = RawObject::default();
    for (claim, member) in [("locale", "locale"), ("preferred_username", "userName")] {
        if let Some(text) = user.card.body().string(member) {
            claims.set_value(claim, &text.into());
        }
    }
    SignIn {
        provider: CLOUD_DIRECTORY.to_owned(),
        subject: user.id.to_string(),
        name: Some(user.card.display_name()),
        email: Some(user.card.email().as_str().to_owned()),
        email_verified: user.status == UserStatus::Confirmed,
        claims,
        user_info: Some(user_info(tenant, user)),
    }
}

fn meta(user: &DirectoryUser) -> Value {
    let mut meta = json!({
        "created": user.created_at.rfc3339(),
        "lastModified": user.modified_at.rfc3339(),
    });
    if let (Some(at), Some(members)) = (user.last_login_at, meta.as_object_mut()) {
        members.insert("lastLogin".into(), at.rfc3339().into());
    }
    meta
}

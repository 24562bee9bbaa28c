//! Records of exports as text, made from stored rows without reading their JSON again: it was checked when it was written.

use std::{borrow::Cow, collections::HashMap};

use vestibule_crypto::{
    content_digest::ContentDigest, envelope::ExportKey, password::PasswordHash, random::Random,
};
use vestibule_model::{object::RawObject, time::Timestamp};
use vestibule_store::people::{DirectoryRow, ProfileRow};

use crate::{Error, Result, directory::SCHEMA};

/// Names of roles by id, as JSON strings.
pub(super) struct RoleTexts(HashMap<String, (String, String)>);

impl RoleTexts {
    pub(super) fn new(roles: impl Iterator<Item = (String, String)>) -> Self {
        let text = |name: &str| serde_json::Value::from(name).to_string();
        Self(
            roles
                .map(|(id, name)| {
                    let quoted = text(&name);
                    (id, (name, quoted))
                })
                .collect(),
        )
    }

    /// The names of these roles.
    pub(super) fn names(&self, ids: &[String]) -> Vec<String> {
        let names = self.of(ids).into_iter();
        names.map(|(name, _)| name.clone()).collect()
    }

    /// The names of these roles, in their order.
    fn of<'a>(&'a self, ids: &[String]) -> Vec<&'a (String, String)> {
        let mut names: Vec<_> = ids.iter().filter_map(|id| self.0.get(id)).collect();
        names.sort_unstable_by_key(|(name, _)| name);
        names
    }
}

/// How directory users leave.
pub(super) enum Seal<'a> {
    /// In App ID's shape: the hash sealed, the id as `originalId`.
    Sealed(&'a ExportKey, &'a dyn Random),
    /// For digests: what travels and nothing else, so that source and target say the same.
    Content,
}

/// One record of `cloud_directory/export`, without a line end. The same bytes as `carried_object` and its like would give.
pub(super) fn directory_record(
    out: &mut Vec<u8>,
    row: &DirectoryRow,
    names: &RoleTexts,
    seal: &Seal<'_>,
) -> Result<()> {
    out.extend_from_slice(b"{\"scimUser\":");
    let body = match seal {
        Seal::Sealed(..) => Cow::Borrowed(row.body.as_str()),
        Seal::Content => without_usual_schemas(&row.body)?,
    };
    open_object(out, &body);
    member(out, "active", if row.active { "true" } else { "false" });
    string(out, "status", &row.status);
    if let Some(until) = row.locked_until {
        member(out, "lockedUntil", &until.to_string());
    }
    // A member of this name deeper down costs a closer look, which is rare.
    if !body.contains("\"schemas\":") || !has_member(&body, "schemas")? {
        member(out, "schemas", &format!("[\"{SCHEMA}\"]"));
    }
    let time = |millis: i64| Timestamp::from_millis(millis).rfc3339();
    let mut meta = format!(
        "{{\"created\":\"{}\",\"lastModified\":\"{}\"",
        time(row.created_at),
        time(row.modified_at)
    );
    if let Some(at) = row.last_login_at {
        meta.push_str(&format!(",\"lastLogin\":\"{}\"", time(at)));
    }
    meta.push('}');
    member(out, "meta", &meta);
    let hash = row.password_hash.as_deref();
    match seal {
        Seal::Sealed(key, random) => {
            string(out, "originalId", &row.id);
            out.push(b'}');
            let hash = hash
                .map(PasswordHash::from_storage)
                .transpose()
                .map_err(Error::internal)?;
            match hash {
                Some(hash) => {
                    string(out, "passwordHash", &key.seal_hash(&row.id, &hash, *random));
                    string(out, "passwordHashAlg", hash.algorithm_name());
                }
                None => {
                    member(out, "passwordHash", "null");
                    member(out, "passwordHashAlg", "null");
                }
            }
        }
        Seal::Content => {
            out.push(b'}');
            let hash = serde_json::Value::from(hash);
            member(out, "passwordHash", &hash.to_string());
        }
    }
    let profile = row.profile.as_ref();
    out.extend_from_slice(b",\"profile\":{\"attributes\":");
    let attributes = profile.map_or("{}", |profile| profile.attributes.as_str());
    out.extend_from_slice(attributes.as_bytes());
    out.extend_from_slice(b"},\"roles\":");
    roles(out, names, profile.map_or(&[], |profile| &profile.roles));
    out.push(b'}');
    Ok(())
}

/// One record of `users/export`, without a line end. For digests without the id, which a target may give anew.
pub(super) fn federated_record(
    out: &mut Vec<u8>,
    row: &ProfileRow,
    names: &RoleTexts,
    content: bool,
) {
    out.extend_from_slice(b"{\"id\":\"");
    if !content {
        out.extend_from_slice(row.id.as_bytes());
    }
    out.push(b'"');
    for (name, text) in [("name", &row.name), ("email", &row.email)] {
        if let Some(text) = text {
            member(
                out,
                name,
                &serde_json::Value::from(text.as_str()).to_string(),
            );
        }
    }
    if let Some(members) = members(&row.body) {
        out.push(b',');
        out.extend_from_slice(members.as_bytes());
    }
    out.extend_from_slice(b",\"identities\":[");
    for (place, identity) in row.identities.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(identity.body.as_bytes());
    }
    out.extend_from_slice(b"],\"attributes\":");
    out.extend_from_slice(row.attributes.as_bytes());
    if !row.roles.is_empty() {
        out.extend_from_slice(b",\"roles\":");
        roles(out, names, &row.roles);
    }
    out.push(b'}');
}

/// Adds the content of directory users to a digest.
pub(super) fn digest_directory(
    digest: &mut ContentDigest,
    row: &DirectoryRow,
    names: &RoleTexts,
    scratch: &mut Vec<u8>,
) -> Result<()> {
    scratch.clear();
    directory_record(scratch, row, names, &Seal::Content)?;
    digest.add_record(scratch);
    Ok(())
}

/// Adds the content of a federated user to a digest.
pub(super) fn digest_federated(
    digest: &mut ContentDigest,
    row: &ProfileRow,
    names: &RoleTexts,
    scratch: &mut Vec<u8>,
) {
    scratch.clear();
    federated_record(scratch, row, names, true);
    digest.add_record(scratch);
}

/// The members of a compact object without its braces; none of an empty one.
fn members(object: &str) -> Option<&str> {
    let inner = object.strip_prefix('{')?.strip_suffix('}')?;
    (!inner.is_empty()).then_some(inner)
}

/// Begins an object with the members of another; at least one member follows.
fn open_object(out: &mut Vec<u8>, object: &str) {
    out.push(b'{');
    if let Some(members) = members(object) {
        out.extend_from_slice(members.as_bytes());
    }
}

/// Adds a member whose value is JSON.
fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value.as_bytes());
}

/// Adds a member whose value is text that needs no escapes.
fn string(out: &mut Vec<u8>, name: &str, value: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn roles(out: &mut Vec<u8>, names: &RoleTexts, ids: &[String]) {
    out.push(b'[');
    for (place, (_, quoted)) in names.of(ids).into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(quoted.as_bytes());
    }
    out.push(b']');
}

/// Where a user has been exported and imported the schemas stand among its other members, and say what they say without standing there.
fn without_usual_schemas(body: &str) -> Result<Cow<'_, str>> {
    let usual = format!("[\"{SCHEMA}\"]");
    if !body.contains("\"schemas\":") {
        return Ok(Cow::Borrowed(body));
    }
    let mut object = RawObject::stored(body).map_err(Error::internal)?;
    if object
        .get("schemas")
        .is_none_or(|schemas| schemas.get() != usual)
    {
        return Ok(Cow::Borrowed(body));
    }
    object.remove("schemas");
    Ok(Cow::Owned(object.to_text()))
}

fn has_member(object: &str, name: &str) -> Result<bool> {
    let object = RawObject::stored(object).map_err(Error::internal)?;
    Ok(object.get(name).is_some())
}

//! A person in one statement.

use vestibule_model::{
    object::RawObject,
    profile::{CLOUD_DIRECTORY, Identity, ProfileKind},
};
use vestibule_store::{Store, scope::Tenant};

use super::*;
use crate::tenant::{NOW, bad, identity, ids, instance, profile, tenant, user};

fn at(provider: &str, subject: &str) -> Result<Identity> {
    let body = format!(r#"{{"provider":"{provider}","id":"{subject}"}}"#);
    Identity::parse(RawObject::parse(&body).map_err(bad)?).map_err(bad)
}

/// The providers of the profile's identities, and the address of its directory user.
fn told(t: &mut Tenant<'_, '_>) -> Result<Option<(Vec<String>, Option<String>)>> {
    Ok(t.find_person(ids().profile)?.map(|found| {
        assert_eq!(found.profile.id, ids().profile);
        let identities = found.identities.into_iter();
        let address = found.user.map(|user| user.card.email().as_str().to_owned());
        (
            identities.map(|identity| identity.provider).collect(),
            address,
        )
    }))
}

fn grow(t: &mut Tenant<'_, '_>) -> Result<()> {
    let own = ids().user.to_string();
    let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(told(t)?, None);
    t.insert_profile(&profile(ProfileKind::Known)?)?;
    assert_eq!(told(t)?, Some((vec![], None)));
    t.insert_identity(ids().profile, 2, &identity()?)?;
    t.insert_identity(ids().profile, 1, &at(CLOUD_DIRECTORY, &own)?)?;
    let both: Vec<String> = all(&[CLOUD_DIRECTORY, "google"]);
    assert_eq!(told(t)?, Some((both.clone(), None)));
    t.insert_directory_user(&user()?)?;
    let address = Some(String::from("a@example.org"));
    assert_eq!(told(t)?, Some((both, address.clone())));
    // Only the directory's word makes somebody a directory user, and only its first.
    t.update_identities(ids().profile, &[at("custom", &own)?])?;
    assert_eq!(told(t)?, Some((all(&["custom"]), None)));
    let gone = at(CLOUD_DIRECTORY, &ids().role.to_string().replace('7', "8"))?;
    t.update_identities(ids().profile, &[gone, at(CLOUD_DIRECTORY, &own)?])?;
    let twice = Some((all(&[CLOUD_DIRECTORY, CLOUD_DIRECTORY]), None));
    assert_eq!(told(t)?, twice);
    t.update_identities(
        ids().profile,
        &[at("custom", "1")?, at(CLOUD_DIRECTORY, &own)?],
    )?;
    assert_eq!(told(t)?, Some((all(&["custom", CLOUD_DIRECTORY]), address)));
    Ok(())
}

on_each_engine! {
    async fn a_person_is_found_whole(fixture: options()) -> Result<()> {
        fixture.db.close().await;
        let store = Store::open(&fixture.url, options()).await?;
        let a = tenant(1);
        store
            .platform_write(move |platform| {
                platform.insert_account("account", "name", NOW)?;
                platform.insert_instance(&instance(a))?;
                platform.instance(a, grow)
            })
            .await?;
        store.close().await;
        Ok(())
    }
}

//! Roles of users.

use vestibule_model::{
    Invalid,
    id::{ProfileId, RoleId},
};

use super::view;
use crate::{
    Engine, Error, Result,
    access::{Reader, Writer},
};

impl Engine {
    /// Ids and names of a user's roles, by name.
    pub async fn get_user_roles(
        &self,
        reader: &Reader,
        id: ProfileId,
    ) -> Result<Vec<(RoleId, String)>> {
        Ok(self.get_profile(reader, id).await?.roles)
    }

    /// Replaces a user's roles. 400 when one of them does not exist.
    pub async fn set_user_roles(
        &self,
        writer: &Writer,
        id: ProfileId,
        roles: Vec<RoleId>,
    ) -> Result<Vec<(RoleId, String)>> {
        self.store()
            .write(writer.tenant(), move |t| {
                view(t, id)?;
                let known = t.list_roles()?;
                if let Some(unknown) = roles
                    .iter()
                    .find(|role| !known.iter().any(|k| k.id == **role))
                {
                    return Err(Error::from(Invalid::new(
                        "roles.ids",
                        format!("there is no role {unknown}"),
                    )));
                }
                t.update_user_roles(id, &roles)?;
                Ok(view(t, id)?.roles)
            })
            .await
    }
}

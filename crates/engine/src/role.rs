//! Roles: names for sets of scopes.

use vestibule_model::{
    id::RoleId,
    role::{Role, RoleAccess, RoleDraft},
};
use vestibule_store::scope::Tenant;

use crate::{
    Engine, Error, Kind, Result,
    access::{Reader, Writer},
};

impl Engine {
    /// Every role, by name.
    pub async fn list_roles(&self, reader: &Reader) -> Result<Vec<Role>> {
        let state = self.tenant(reader.tenant()).await?;
        let mut roles: Vec<Role> = state.roles.values().cloned().collect();
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(roles)
    }

    /// One role.
    pub async fn role(&self, reader: &Reader, id: RoleId) -> Result<Role> {
        let state = self.tenant(reader.tenant()).await?;
        state.roles.get(&id).cloned().ok_or_else(no_such_role)
    }

    /// Makes a role of scopes that exist. An instance keeps at most [`Role::MOST`], each with a name of its own.
    pub async fn create_role(&self, writer: &Writer, draft: RoleDraft) -> Result<Role> {
        let role = draft.into_role(RoleId::from_random_bytes(self.random_id()));
        self.change_tenant(writer, move |tenant, now| {
            if tenant.count_roles()? >= Role::MOST {
                return Err(too_many_roles());
            }
            check_scopes(tenant, &role.access)?;
            if tenant.insert_role(&role, now)? {
                Ok(role)
            } else {
                Err(name_taken(&role))
            }
        })
        .await
    }

    /// Replaces a role.
    pub async fn update_role(&self, writer: &Writer, id: RoleId, draft: RoleDraft) -> Result<Role> {
        let role = draft.into_role(id);
        self.change_tenant(writer, move |tenant, now| {
            if tenant.find_role(id)?.is_none() {
                return Err(no_such_role());
            }
            check_scopes(tenant, &role.access)?;
            if tenant.update_role(&role, now)? {
                Ok(role)
            } else {
                Err(name_taken(&role))
            }
        })
        .await
    }

    /// Deletes a role and takes it from everyone who has it.
    pub async fn delete_role(&self, writer: &Writer, id: RoleId) -> Result<()> {
        self.change_tenant(writer, move |tenant, _| {
            if tenant.delete_role(id)? {
                Ok(())
            } else {
                Err(no_such_role())
            }
        })
        .await
    }
}

pub(crate) fn too_many_roles() -> Error {
    Error::new(
        Kind::Invalid,
        "limit_exceeded",
        format!("An instance keeps at most {} roles.", Role::MOST),
    )
}

fn check_scopes(tenant: &mut Tenant<'_, '_>, access: &[RoleAccess]) -> Result<()> {
    if access.is_empty() {
        return Ok(());
    }
    let applications = tenant.list_applications()?;
    for RoleAccess { client_id, scopes } in access {
        let owner = applications
            .iter()
            .find(|(application, _)| application.client_id == *client_id)
            .ok_or_else(|| {
                Error::invalid(format!("access: there is no application {client_id}."))
            })?;
        if let Some(scope) = scopes.iter().find(|scope| !owner.0.scopes.contains(scope)) {
            return Err(Error::invalid(format!(
                "access: application {client_id} has no scope {scope}."
            )));
        }
    }
    Ok(())
}

fn no_such_role() -> Error {
    Error::not_found("There is no such role.")
}

fn name_taken(role: &Role) -> Error {
    Error::conflict(
        "uniqueness",
        format!("There is a role with the name {} already.", role.name),
    )
}

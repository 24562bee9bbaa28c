//! Roles of an instance.

use vestibule_model::{id::RoleId, role::Role, time::Timestamp};

use crate::{Result, Value, scope::Tenant};

impl Tenant<'_, '_> {
    /// How many roles there are.
    pub fn count_roles(&mut self) -> Result<usize> {
        self.count("SELECT COUNT(*) FROM roles WHERE tenant = $1")
    }

    /// One role.
    pub fn find_role(&mut self, role: RoleId) -> Result<Option<Role>> {
        // An instance has at most fifty.
        Ok(self
            .list_roles()?
            .into_iter()
            .find(|found| found.id == role))
    }

    /// Adds a role; `false` when its name is taken. The scopes it holds exist.
    pub fn insert_role(&mut self, role: &Role, now: Timestamp) -> Result<bool> {
        let added = self.conn.execute(
            "INSERT INTO roles (tenant, id, name, description, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (tenant, name) DO NOTHING",
            &[
                Value::from(self.key()),
                Value::from(role.id.to_string()),
                Value::from(&role.name),
                Value::from(&role.description),
                Value::from(now.millis()),
            ],
        )?;
        if added == 0 {
            return Ok(false);
        }
        self.insert_role_scopes(role)?;
        Ok(true)
    }

    /// Replaces a role that exists; `false` when another one has the name. The scopes it holds exist.
    pub fn update_role(&mut self, role: &Role, now: Timestamp) -> Result<bool> {
        let params = [
            Value::from(self.key()),
            Value::from(role.id.to_string()),
            Value::from(&role.name),
            Value::from(&role.description),
            Value::from(now.millis()),
        ];
        let changed = self.conn.execute(
            "UPDATE roles SET name = $3, description = $4, updated_at = $5 WHERE tenant = $1 AND id = $2 \
             AND NOT EXISTS (SELECT 1 FROM roles o WHERE o.tenant = $1 AND o.name = $3 AND o.id <> $2)",
            &params,
        )?;
        if changed == 0 {
            return Ok(false);
        }
        self.conn.execute(
            "DELETE FROM role_scopes WHERE tenant = $1 AND role_id = $2",
            &params[..2],
        )?;
        self.insert_role_scopes(role)?;
        Ok(true)
    }

    /// Removes a role from the instance and from everyone who has it; `false` when there is no such role.
    pub fn delete_role(&mut self, role: RoleId) -> Result<bool> {
        let deleted = self.conn.execute(
            "DELETE FROM roles WHERE tenant = $1 AND id = $2",
            &[Value::from(self.key()), Value::from(role.to_string())],
        )?;
        Ok(deleted == 1)
    }

    fn insert_role_scopes(&mut self, role: &Role) -> Result<()> {
        let key = Value::from(self.key());
        let scopes = role
            .access
            .iter()
            .flat_map(|access| access.scopes.iter().map(move |scope| (access, scope)));
        let rows: Vec<Vec<Value>> = (0u32..)
            .zip(scopes)
            .map(|(position, (access, scope))| {
                vec![
                    key.clone(),
                    Value::from(role.id.to_string()),
                    Value::from(access.client_id.to_string()),
                    Value::from(scope),
                    Value::from(position),
                ]
            })
            .collect();
        self.conn.execute_many(
            "INSERT INTO role_scopes (tenant, role_id, client_id, scope, position) VALUES ($1, $2, $3, $4, $5)",
            &rows,
        )?;
        Ok(())
    }
}

//! Applications of an instance: their names, secrets, scopes and roles.

use vestibule_model::{
    application::Application,
    id::{ClientId, RoleId},
    time::Timestamp,
};

use crate::{Error, Result, Value, scope::Tenant};

impl Tenant<'_, '_> {
    /// How many applications administrators made.
    pub fn count_applications(&mut self) -> Result<usize> {
        self.count("SELECT COUNT(*) FROM applications WHERE tenant = $1 AND origin = 'management'")
    }

    /// One application with its sealed secret.
    pub fn find_application(
        &mut self,
        client: ClientId,
    ) -> Result<Option<(Application, Option<Vec<u8>>)>> {
        Ok(self.read_applications(Some(client))?.pop())
    }

    /// Adds an application with its scopes. Its client id is new.
    pub fn insert_application(
        &mut self,
        application: &Application,
        sealed_secret: Option<&[u8]>,
    ) -> Result<()> {
        self.conn.execute(
            "INSERT INTO applications (tenant, client_id, name, type, sealed_secret, created_at, updated_at, origin, metadata) \
             VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8)",
            &[
                Value::from(self.key()),
                Value::from(application.client_id.to_string()),
                Value::from(&application.name),
                Value::from(application.kind.name()),
                Value::from(sealed_secret),
                Value::from(application.created_at.millis()),
                Value::from(application.origin.name()),
                Value::from(application.metadata.to_text()),
            ],
        )?;
        self.update_application_scopes(application.client_id, &application.scopes)
    }

    /// Gives an application another name; `false` when there is no such application.
    pub fn update_application_name(
        &mut self,
        client: ClientId,
        name: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE applications SET name = $3, updated_at = $4 WHERE tenant = $1 AND client_id = $2",
            &[
                Value::from(self.key()),
                Value::from(client.to_string()),
                Value::from(name),
                Value::from(now.millis()),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Gives an application another secret; `false` when there is no such application.
    pub fn update_application_secret(
        &mut self,
        client: ClientId,
        sealed_secret: &[u8],
        now: Timestamp,
    ) -> Result<bool> {
        let changed = self.conn.execute(
            "UPDATE applications SET sealed_secret = $3, updated_at = $4 WHERE tenant = $1 AND client_id = $2",
            &[
                Value::from(self.key()),
                Value::from(client.to_string()),
                Value::from(sealed_secret),
                Value::from(now.millis()),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Removes an application with its codes, grants and refresh tokens; `false` when there is no such application.
    pub fn delete_application(&mut self, client: ClientId) -> Result<bool> {
        let params = [Value::from(self.key()), Value::from(client.to_string())];
        self.conn.execute(
            "DELETE FROM auth_codes WHERE tenant = $1 AND client_id = $2",
            &params,
        )?;
        self.conn.execute(
            "DELETE FROM grants WHERE tenant = $1 AND client_id = $2",
            &params,
        )?;
        let deleted = self.conn.execute(
            "DELETE FROM applications WHERE tenant = $1 AND client_id = $2",
            &params,
        )?;
        Ok(deleted == 1)
    }

    /// Replaces the scopes of an application. A scope that is gone leaves the roles that used it; one that stays, stays in them.
    pub fn update_application_scopes(&mut self, client: ClientId, scopes: &[String]) -> Result<()> {
        let key = Value::from(self.key());
        let client = Value::from(client.to_string());
        let known = self.conn.query(
            "SELECT scope FROM application_scopes WHERE tenant = $1 AND client_id = $2",
            &[key.clone(), client.clone()],
        )?;
        let mut dropped = Vec::new();
        for row in &known {
            let scope = row.text(0)?;
            if !scopes.contains(&scope) {
                dropped.push(vec![key.clone(), client.clone(), Value::from(scope)]);
            }
        }
        self.conn.execute_many(
            "DELETE FROM application_scopes WHERE tenant = $1 AND client_id = $2 AND scope = $3",
            &dropped,
        )?;
        let kept: Vec<Vec<Value>> = (0u32..)
            .zip(scopes)
            .map(|(position, scope)| {
                vec![
                    key.clone(),
                    client.clone(),
                    Value::from(scope),
                    Value::from(position),
                ]
            })
            .collect();
        self.conn.execute_many(
            "INSERT INTO application_scopes (tenant, client_id, scope, position) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, client_id, scope) DO UPDATE SET position = excluded.position",
            &kept,
        )?;
        Ok(())
    }

    /// Ids and names of an application's roles, by name.
    pub fn list_application_roles(&mut self, client: ClientId) -> Result<Vec<(RoleId, String)>> {
        self.conn
            .query(
                "SELECT r.id, r.name FROM application_roles a \
                 JOIN roles r ON r.tenant = a.tenant AND r.id = a.role_id \
                 WHERE a.tenant = $1 AND a.client_id = $2 ORDER BY r.name",
                &[Value::from(self.key()), Value::from(client.to_string())],
            )?
            .iter()
            .map(|row| {
                let id = RoleId::parse(row.str(0)?).map_err(|_| Error::corrupt("role id"))?;
                Ok((id, row.text(1)?))
            })
            .collect()
    }

    /// Replaces the roles of an application. Application and roles exist.
    pub fn update_application_roles(&mut self, client: ClientId, roles: &[RoleId]) -> Result<()> {
        let key = Value::from(self.key());
        let client = Value::from(client.to_string());
        self.conn.execute(
            "DELETE FROM application_roles WHERE tenant = $1 AND client_id = $2",
            &[key.clone(), client.clone()],
        )?;
        let rows: Vec<Vec<Value>> = roles
            .iter()
            .map(|role| vec![key.clone(), client.clone(), Value::from(role.to_string())])
            .collect();
        self.conn.execute_many(
            "INSERT INTO application_roles (tenant, client_id, role_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &rows,
        )?;
        Ok(())
    }

    /// Counts rows of this instance with a statement whose only parameter is the instance.
    pub(crate) fn count(&mut self, sql: &str) -> Result<usize> {
        let key = Value::from(self.key());
        let row = self.conn.query_opt(sql, &[key])?;
        let count = row.map_or(Ok(0), |row| row.int(0))?;
        usize::try_from(count).map_err(|_| Error::corrupt("a negative count"))
    }
}

//! Instances, their credentials, and deleted instances that wait.

use vestibule_model::{
    id::TenantId,
    instance::{Instance, InstanceState, Reclamation, ResourceKey},
    privilege::ServiceRole,
    time::Timestamp,
};

use super::time;
use crate::{
    Error, Result, Row, Value,
    scope::{Platform, Tenant},
};

const INSTANCE: &str = "guid, account_id, name, region, resource_group_id, resource_plan_id, state, locked, parameters, tags, \
    last_operation, created_by, updated_by, deleted_by, created_at, updated_at, deleted_at";
const RESOURCE_KEY: &str = "guid, account_id, instance, name, role, parameters, iam_id, api_key_id, created_by, created_at, updated_at";
const RECLAMATION: &str = "id, account_id, instance, target_time, created_by, created_at";

/// Every table that holds rows of instances, in an order in which they can be emptied. Destroying an instance goes through them;
/// a test compares this list with the schema.
pub const TENANT_TABLES: &[&str] = &[
    "job_parts",
    "job_lines",
    "jobs",
    "session_clients",
    "dpop_proofs",
    "pushed_requests",
    "device_requests",
    "sessions",
    "consents",
    "used_assertions",
    "initial_access_tokens",
    "revocations",
    "refresh_tokens",
    "auth_codes",
    "grants",
    "user_roles",
    "identities",
    "profiles",
    "directory_users",
    "application_roles",
    "role_scopes",
    "roles",
    "application_scopes",
    "applications",
    "signing_keys",
    "config",
];

impl Platform<'_, '_> {
    /// Adds an instance.
    pub fn insert_instance(&mut self, instance: &Instance) -> Result<()> {
        self.conn.execute(
            &format!(
                "INSERT INTO instances ({INSTANCE}, config_version, changed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 1, $15)"
            ),
            &[
                Value::from(instance.guid.to_string()),
                Value::from(&instance.account_id),
                Value::from(&instance.name),
                Value::from(&instance.region),
                Value::from(&instance.resource_group_id),
                Value::from(&instance.resource_plan_id),
                Value::from(instance.state.name()),
                Value::from(instance.locked),
                Value::from(&instance.parameters),
                Value::from(&instance.tags),
                Value::from(&instance.last_operation),
                Value::from(&instance.created_by),
                Value::from(&instance.updated_by),
                Value::from(instance.deleted_by.as_ref()),
                Value::from(instance.created_at.millis()),
                Value::from(instance.updated_at.millis()),
                Value::from(instance.deleted_at.map(Timestamp::millis)),
            ],
        )?;
        Ok(())
    }

    /// An instance by GUID.
    pub fn find_instance(&mut self, guid: TenantId) -> Result<Option<Instance>> {
        self.conn
            .query_opt(
                &format!("SELECT {INSTANCE} FROM instances WHERE guid = $1"),
                &[Value::from(guid.to_string())],
            )?
            .map(|row| instance(&row))
            .transpose()
    }

    /// Keeps other writes that decide on an instance's state waiting until this one ends.
    pub fn lock_instance(&mut self, guid: TenantId) -> Result<()> {
        self.conn.lock(&format!("instance:{guid}"))
    }

    /// Instances of an account after `after` in order of creation, removed ones included.
    pub fn list_instances(
        &mut self,
        account: &str,
        after: (Timestamp, &str),
        count: u32,
    ) -> Result<Vec<Instance>> {
        self.conn
            .query(
                &format!(
                    "SELECT {INSTANCE} FROM instances WHERE account_id = $1 AND (created_at, guid) > ($2, $3) \
                     ORDER BY created_at, guid LIMIT $4"
                ),
                &[
                    Value::from(account),
                    Value::from(after.0.millis()),
                    Value::from(after.1),
                    Value::from(count),
                ],
            )?
            .iter()
            .map(instance)
            .collect()
    }

    /// Writes what can change of an instance, and raises its version so that every node reads it again.
    pub fn update_instance(&mut self, instance: &Instance) -> Result<bool> {
        let n = self.conn.execute(
            "UPDATE instances SET name = $2, state = $3, locked = $4, parameters = $5, tags = $6, last_operation = $7, \
             updated_by = $8, deleted_by = $9, updated_at = $10, deleted_at = $11, resource_plan_id = $12, \
             config_version = config_version + 1, changed_at = $10 WHERE guid = $1",
            &[
                Value::from(instance.guid.to_string()),
                Value::from(&instance.name),
                Value::from(instance.state.name()),
                Value::from(instance.locked),
                Value::from(&instance.parameters),
                Value::from(&instance.tags),
                Value::from(&instance.last_operation),
                Value::from(&instance.updated_by),
                Value::from(instance.deleted_by.as_ref()),
                Value::from(instance.updated_at.millis()),
                Value::from(instance.deleted_at.map(Timestamp::millis)),
                Value::from(&instance.resource_plan_id),
            ],
        )?;
        Ok(n == 1)
    }

    /// Adds credentials.
    pub fn insert_resource_key(&mut self, key: &ResourceKey) -> Result<()> {
        self.conn.execute(
            &format!(
                "INSERT INTO resource_keys ({RESOURCE_KEY}, state, updated_by) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'active', $9)"
            ),
            &[
                Value::from(&key.guid),
                Value::from(&key.account_id),
                Value::from(key.instance.to_string()),
                Value::from(&key.name),
                Value::from(key.role.name()),
                Value::from(&key.parameters),
                Value::from(&key.iam_id),
                Value::from(&key.api_key_id),
                Value::from(&key.created_by),
                Value::from(key.created_at.millis()),
                Value::from(key.updated_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// Credentials by id.
    pub fn find_resource_key(&mut self, account: &str, guid: &str) -> Result<Option<ResourceKey>> {
        self.conn
            .query_opt(
                &format!(
                    "SELECT {RESOURCE_KEY} FROM resource_keys WHERE account_id = $1 AND guid = $2"
                ),
                &[Value::from(account), Value::from(guid)],
            )?
            .map(|row| resource_key(&row))
            .transpose()
    }

    /// Credentials of an account after `after` in order of creation.
    pub fn list_resource_keys(
        &mut self,
        account: &str,
        instance: Option<TenantId>,
        after: (Timestamp, &str),
        count: u32,
    ) -> Result<Vec<ResourceKey>> {
        let mut params = vec![
            Value::from(account),
            Value::from(after.0.millis()),
            Value::from(after.1),
            Value::from(count),
        ];
        let mut whose = "";
        if let Some(instance) = instance {
            params.push(Value::from(instance.to_string()));
            whose = "AND instance = $5";
        }
        self.conn
            .query(
                &format!(
                    "SELECT {RESOURCE_KEY} FROM resource_keys WHERE account_id = $1 {whose} \
                     AND (created_at, guid) > ($2, $3) ORDER BY created_at, guid LIMIT $4"
                ),
                &params,
            )?
            .iter()
            .map(resource_key)
            .collect()
    }

    /// Gives credentials another name.
    pub fn update_resource_key(&mut self, guid: &str, name: &str, now: Timestamp) -> Result<bool> {
        let n = self.conn.execute(
            "UPDATE resource_keys SET name = $2, updated_at = $3 WHERE guid = $1",
            &[
                Value::from(guid),
                Value::from(name),
                Value::from(now.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// Removes credentials; their subject is removed by [`Platform::delete_subject`].
    pub fn delete_resource_key(&mut self, guid: &str) -> Result<bool> {
        let n = self.conn.execute(
            "DELETE FROM resource_keys WHERE guid = $1",
            &[Value::from(guid)],
        )?;
        Ok(n == 1)
    }

    /// Notes that a deleted instance waits.
    pub fn insert_reclamation(&mut self, reclamation: &Reclamation) -> Result<()> {
        self.conn.execute(
            &format!(
                "INSERT INTO reclamations ({RECLAMATION}, state, updated_by, updated_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, 'SCHEDULED', $5, $6)"
            ),
            &[
                Value::from(&reclamation.id),
                Value::from(&reclamation.account_id),
                Value::from(reclamation.instance.to_string()),
                Value::from(reclamation.target_time.millis()),
                Value::from(&reclamation.created_by),
                Value::from(reclamation.created_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// Deleted instances of an account that wait, at most a thousand.
    pub fn list_reclamations(&mut self, account: &str) -> Result<Vec<Reclamation>> {
        self.conn
            .query(
                &format!(
                    "SELECT {RECLAMATION} FROM reclamations WHERE account_id = $1 ORDER BY target_time, id LIMIT 1000"
                ),
                &[Value::from(account)],
            )?
            .iter()
            .map(reclamation)
            .collect()
    }

    /// Deleted instances whose time is over.
    pub fn list_due_reclamations(&mut self, now: Timestamp) -> Result<Vec<Reclamation>> {
        self.conn
            .query(
                &format!(
                    "SELECT {RECLAMATION} FROM reclamations WHERE target_time <= $1 ORDER BY target_time, id LIMIT 100"
                ),
                &[Value::from(now.millis())],
            )?
            .iter()
            .map(reclamation)
            .collect()
    }

    /// Whether the wait has not ended yet.
    pub fn has_reclamation(&mut self, id: &str) -> Result<bool> {
        let found = self.conn.query_opt(
            "SELECT id FROM reclamations WHERE id = $1",
            &[Value::from(id)],
        )?;
        Ok(found.is_some())
    }

    /// Ends the wait.
    pub fn delete_reclamation(&mut self, id: &str) -> Result<bool> {
        let n = self
            .conn
            .execute("DELETE FROM reclamations WHERE id = $1", &[Value::from(id)])?;
        Ok(n == 1)
    }
}

impl Tenant<'_, '_> {
    /// Removes up to `most` rows of the instance; answers whether any were left to remove. Called until it answers false.
    pub fn delete_some_rows(&mut self, most: u32) -> Result<bool> {
        for table in TENANT_TABLES {
            let key = primary_key(table);
            let n = self.conn.execute(
                &format!(
                    "DELETE FROM {table} WHERE tenant = $1 AND ({key}) IN \
                     (SELECT {key} FROM {table} WHERE tenant = $1 LIMIT $2)"
                ),
                &[Value::from(self.key()), Value::from(most)],
            )?;
            if n > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The columns of a table's primary key after `tenant`.
fn primary_key(table: &str) -> &'static str {
    match table {
        "config" => "family",
        "signing_keys" => "kid",
        "applications" => "client_id",
        "application_scopes" => "client_id, scope",
        "role_scopes" => "role_id, client_id, scope",
        "application_roles" => "client_id, role_id",
        "identities" => "provider, subject",
        "user_roles" => "profile_id, role_id",
        "auth_codes" => "code_hash",
        "sessions" | "used_assertions" => "id_hash",
        "session_clients" => "id_hash, client_id",
        "consents" => "profile_id, client_id",
        "dpop_proofs" => "proof_hash",
        "pushed_requests" => "uri_hash",
        "device_requests" => "device_hash",
        "refresh_tokens" => "token_hash",
        "revocations" => "kind, subject",
        "job_parts" => "job_id, direction, number",
        "job_lines" => "job_id, kind, position",
        _ => "id",
    }
}

fn instance(row: &Row) -> Result<Instance> {
    Ok(Instance {
        guid: tenant(row, 0)?,
        account_id: row.text(1)?,
        name: row.text(2)?,
        region: row.text(3)?,
        resource_group_id: row.text(4)?,
        resource_plan_id: row.text(5)?,
        state: InstanceState::parse(row.str(6)?).ok_or_else(|| Error::corrupt("instance state"))?,
        locked: row.bool(7)?,
        parameters: row.text(8)?,
        tags: row.text(9)?,
        last_operation: row.text(10)?,
        created_by: row.text(11)?,
        updated_by: row.text(12)?,
        deleted_by: row.opt_text(13)?,
        created_at: time(row, 14)?,
        updated_at: time(row, 15)?,
        deleted_at: row.opt_int(16)?.map(Timestamp::from_millis),
    })
}

fn resource_key(row: &Row) -> Result<ResourceKey> {
    Ok(ResourceKey {
        guid: row.text(0)?,
        account_id: row.text(1)?,
        instance: tenant(row, 2)?,
        name: row.text(3)?,
        role: ServiceRole::parse(row.str(4)?).map_err(|_| Error::corrupt("role"))?,
        parameters: row.text(5)?,
        iam_id: row.text(6)?,
        api_key_id: row.text(7)?,
        created_by: row.text(8)?,
        created_at: time(row, 9)?,
        updated_at: time(row, 10)?,
    })
}

fn reclamation(row: &Row) -> Result<Reclamation> {
    Ok(Reclamation {
        id: row.text(0)?,
        account_id: row.text(1)?,
        instance: tenant(row, 2)?,
        target_time: time(row, 3)?,
        created_by: row.text(4)?,
        created_at: time(row, 5)?,
    })
}

fn tenant(row: &Row, column: usize) -> Result<TenantId> {
    TenantId::parse(row.str(column)?).map_err(|_| Error::corrupt("instance id"))
}

//! Policies.

use serde::{Deserialize, Serialize};
use vestibule_model::{iam::Policy, time::Timestamp};

use super::time;
use crate::{Error, Result, Row, Value, scope::Platform};

const POLICY: &str = "id, account_id, iam_id, type, state, body, version, created_by, modified_by, created_at, modified_at";

#[derive(Serialize, Deserialize)]
struct Body {
    roles: Vec<String>,
    attributes: Vec<(String, String)>,
    description: String,
}

impl Platform<'_, '_> {
    /// Adds a policy.
    pub fn insert_policy(&mut self, policy: &Policy) -> Result<()> {
        self.conn.execute(
            &format!("INSERT INTO policies ({POLICY}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"),
            &[
                Value::from(&policy.id),
                Value::from(&policy.account_id),
                Value::from(&policy.iam_id),
                Value::from(&policy.kind),
                Value::from(&policy.state),
                Value::from(body(policy)?),
                Value::from(policy.version),
                Value::from(&policy.created_by),
                Value::from(&policy.modified_by),
                Value::from(policy.created_at.millis()),
                Value::from(policy.modified_at.millis()),
            ],
        )?;
        Ok(())
    }

    /// Keeps other writes that decide on all policies waiting until this one ends.
    pub fn lock_policies(&mut self) -> Result<()> {
        self.conn.lock("policies")
    }

    /// A policy by id.
    pub fn find_policy(&mut self, account: &str, id: &str) -> Result<Option<Policy>> {
        self.conn
            .query_opt(
                &format!("SELECT {POLICY} FROM policies WHERE account_id = $1 AND id = $2"),
                &[Value::from(account), Value::from(id)],
            )?
            .map(|row| policy(&row))
            .transpose()
    }

    /// Policies of one subject, or of everyone, after `after` in order of creation.
    pub fn list_policies(
        &mut self,
        account: &str,
        iam_id: Option<&str>,
        after: (Timestamp, &str),
        count: u32,
    ) -> Result<Vec<Policy>> {
        let mut params = vec![
            Value::from(account),
            Value::from(after.0.millis()),
            Value::from(after.1),
            Value::from(count),
        ];
        let mut whose = "";
        if let Some(iam_id) = iam_id {
            params.push(Value::from(iam_id));
            whose = "AND iam_id = $5";
        }
        self.conn
            .query(
                &format!(
                    "SELECT {POLICY} FROM policies WHERE account_id = $1 {whose} \
                     AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $4"
                ),
                &params,
            )?
            .iter()
            .map(policy)
            .collect()
    }

    /// Writes a policy if it still has version `policy.version - 1`.
    pub fn update_policy(&mut self, policy: &Policy) -> Result<bool> {
        let n = self.conn.execute(
            "UPDATE policies SET iam_id = $2, state = $3, body = $4, version = $5, modified_by = $6, modified_at = $7 \
             WHERE id = $1 AND version = $5 - 1",
            &[
                Value::from(&policy.id),
                Value::from(&policy.iam_id),
                Value::from(&policy.state),
                Value::from(body(policy)?),
                Value::from(policy.version),
                Value::from(&policy.modified_by),
                Value::from(policy.modified_at.millis()),
            ],
        )?;
        Ok(n == 1)
    }

    /// Removes a policy.
    pub fn delete_policy(&mut self, account: &str, id: &str) -> Result<bool> {
        let n = self.conn.execute(
            "DELETE FROM policies WHERE account_id = $1 AND id = $2",
            &[Value::from(account), Value::from(id)],
        )?;
        Ok(n == 1)
    }
}

fn body(policy: &Policy) -> Result<String> {
    serde_json::to_string(&Body {
        roles: policy.roles.clone(),
        attributes: policy.attributes.clone(),
        description: policy.description.clone(),
    })
    .map_err(|_| Error::other("a policy cannot be written"))
}

fn policy(row: &Row) -> Result<Policy> {
    let body: Body = serde_json::from_str(row.str(5)?).map_err(|_| Error::corrupt("policy"))?;
    Ok(Policy {
        id: row.text(0)?,
        account_id: row.text(1)?,
        iam_id: row.text(2)?,
        kind: row.text(3)?,
        state: row.text(4)?,
        roles: body.roles,
        attributes: body.attributes,
        description: body.description,
        version: row.int(6)?,
        created_by: row.text(7)?,
        modified_by: row.text(8)?,
        created_at: time(row, 9)?,
        modified_at: time(row, 10)?,
    })
}

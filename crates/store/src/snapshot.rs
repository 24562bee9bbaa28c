//! Everything about an instance that a node keeps in memory, read in one transaction.

use std::{collections::HashMap, sync::Arc};

use vestibule_model::{
    application::{Application, ApplicationType, Origin, metadata::ClientMetadata},
    id::{ClientId, RoleId},
    role::{Role, RoleAccess},
    time::Timestamp,
};

use crate::{
    Error, Result, Row, Value,
    scope::{Platform, Tenant},
};

/// What the database holds of an instance's configuration, access model and keys. Secrets are still sealed.
pub struct Snapshot {
    /// Display name of the instance.
    pub name: String,
    /// Region it was created in.
    pub region: String,
    /// `active`, `inactive`, `pending_reclamation` or `removed`.
    pub state: String,
    /// Rises with every change of what is in here.
    pub version: i64,
    /// Sealed documents by family name.
    pub config: Vec<(String, Vec<u8>)>,
    /// Applications with their sealed secrets.
    pub applications: Vec<(Application, Option<Vec<u8>>)>,
    /// Roles of each application, in role name order.
    pub application_roles: Vec<(ClientId, RoleId)>,
    /// Roles, by name.
    pub roles: Vec<Role>,
    /// Signing keys, newest first.
    pub signing_keys: Vec<SealedKey>,
    /// Signed tokens that are refused before they expire.
    pub revocations: Vec<Revocation>,
}

/// A private key as stored.
pub struct SealedKey {
    /// Key id as published.
    pub kid: String,
    /// JWS algorithm name.
    pub algorithm: String,
    /// Opened only by the crypto crate.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stopped signing; it still verifies.
    pub retired_at: Option<Timestamp>,
}

/// Tokens refused before they expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What `subject` names.
    pub kind: RevocationKind,
    /// A `jti`, a grant id or a profile id.
    pub subject: String,
    /// Tokens issued before this are refused.
    pub issued_before: Timestamp,
    /// When the last such token has expired by itself.
    pub expires_at: Timestamp,
}

/// What a revocation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationKind {
    /// One token, by `jti`.
    Token,
    /// Every token of a grant.
    Grant,
    /// Every token of a profile.
    Profile,
}

impl RevocationKind {
    /// The name in storage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Grant => "grant",
            Self::Profile => "profile",
        }
    }
}

impl Tenant<'_, '_> {
    /// Reads the whole snapshot; `None` when there is no such instance.
    pub fn find_snapshot(&mut self) -> Result<Option<Snapshot>> {
        let key = Value::from(self.key());
        let params = std::slice::from_ref(&key);
        let Some(instance) = self.conn.query_opt(
            "SELECT name, region, state, config_version FROM instances WHERE guid = $1",
            params,
        )?
        else {
            return Ok(None);
        };
        Ok(Some(Snapshot {
            name: instance.text(0)?,
            region: instance.text(1)?,
            state: instance.text(2)?,
            version: instance.int(3)?,
            config: self
                .conn
                .query("SELECT family, sealed FROM config WHERE tenant = $1 ORDER BY family", params)?
                .iter()
                .map(|row| Ok((row.text(0)?, row.blob(1)?)))
                .collect::<Result<_>>()?,
            applications: self.list_applications()?,
            application_roles: self
                .conn
                .query(
                    "SELECT a.client_id, a.role_id FROM application_roles a \
                     JOIN roles r ON r.tenant = a.tenant AND r.id = a.role_id \
                     WHERE a.tenant = $1 ORDER BY a.client_id, r.name",
                    params,
                )?
                .iter()
                .map(|row| Ok((client_id(row, 0)?, role_id(row, 1)?)))
                .collect::<Result<_>>()?,
            roles: self.list_roles()?,
            signing_keys: self
                .conn
                .query(
                    "SELECT kid, algorithm, sealed, created_at, retired_at FROM signing_keys \
                     WHERE tenant = $1 ORDER BY created_at DESC, kid DESC",
                    params,
                )?
                .iter()
                .map(|row| {
                    Ok(SealedKey {
                        kid: row.text(0)?,
                        algorithm: row.text(1)?,
                        sealed: row.blob(2)?,
                        created_at: Timestamp::from_millis(row.int(3)?),
                        retired_at: row.opt_int(4)?.map(Timestamp::from_millis),
                    })
                })
                .collect::<Result<_>>()?,
            revocations: self
                .conn
                .query(
                    "SELECT kind, subject, issued_before, expires_at FROM revocations WHERE tenant = $1",
                    params,
                )?
                .iter()
                .map(revocation)
                .collect::<Result<_>>()?,
        }))
    }

    /// Applications in order of creation, with their sealed secrets.
    pub fn list_applications(&mut self) -> Result<Vec<(Application, Option<Vec<u8>>)>> {
        self.read_applications(None)
    }

    /// All applications, or one.
    pub(crate) fn read_applications(
        &mut self,
        client: Option<ClientId>,
    ) -> Result<Vec<(Application, Option<Vec<u8>>)>> {
        let params = [
            Value::from(self.key()),
            Value::from(client.map(|client| client.to_string())),
        ];
        let scopes = self.conn.query(
            "SELECT client_id, scope FROM application_scopes WHERE tenant = $1 AND client_id = COALESCE($2, client_id) \
             ORDER BY client_id, position, scope",
            &params,
        )?;
        let rows = self.conn.query(
            "SELECT client_id, name, type, sealed_secret, created_at, origin, metadata FROM applications \
             WHERE tenant = $1 AND client_id = COALESCE($2, client_id) ORDER BY created_at, client_id",
            &params,
        )?;
        let mut owned: HashMap<String, Vec<String>> = HashMap::new();
        for scope in &scopes {
            owned
                .entry(scope.text(0)?)
                .or_default()
                .push(scope.text(1)?);
        }
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            found.push((
                Application {
                    client_id: client_id(row, 0)?,
                    name: row.text(1)?,
                    kind: ApplicationType::from_name(row.str(2)?)
                        .map_err(|_| Error::corrupt("application type"))?,
                    scopes: owned.remove(row.str(0)?).unwrap_or_default(),
                    created_at: Timestamp::from_millis(row.int(4)?),
                    origin: Origin::from_name(row.str(5)?)
                        .map_err(|_| Error::corrupt("origin of an application"))?,
                    metadata: Arc::new(
                        ClientMetadata::from_text(row.str(6)?)
                            .map_err(|_| Error::corrupt("client metadata"))?,
                    ),
                },
                row.opt_blob(3)?,
            ));
        }
        Ok(found)
    }

    /// Roles by name, with their scopes.
    pub fn list_roles(&mut self) -> Result<Vec<Role>> {
        let key = Value::from(self.key());
        let params = std::slice::from_ref(&key);
        let scopes = self.conn.query(
            "SELECT role_id, client_id, scope FROM role_scopes WHERE tenant = $1 ORDER BY role_id, position, scope",
            params,
        )?;
        let rows = self.conn.query(
            "SELECT id, name, description FROM roles WHERE tenant = $1 ORDER BY name",
            params,
        )?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = row.text(0)?;
            let mut access: Vec<RoleAccess> = Vec::new();
            for scope in &scopes {
                if scope.text(0)? != id {
                    continue;
                }
                let client = client_id(scope, 1)?;
                match access.iter_mut().find(|a| a.client_id == client) {
                    Some(a) => a.scopes.push(scope.text(2)?),
                    None => access.push(RoleAccess {
                        client_id: client,
                        scopes: vec![scope.text(2)?],
                    }),
                }
            }
            found.push(Role {
                id: role_id(row, 0)?,
                name: row.text(1)?,
                description: row.text(2)?,
                access,
            });
        }
        Ok(found)
    }

    /// Notes that configuration, applications, roles, keys or revocations changed, and answers the new version. Called first in
    /// the transaction of such a change: the row it locks makes those changes follow one another.
    pub fn touch(&mut self, now: Timestamp) -> Result<i64> {
        let key = Value::from(self.key());
        let row = self.conn.query_opt(
            "UPDATE instances SET config_version = config_version + 1, changed_at = $2 WHERE guid = $1 \
             RETURNING config_version",
            &[key, Value::from(now.millis())],
        )?;
        match row {
            Some(row) => row.int(0),
            None => Err(Error::corrupt("instance vanished")),
        }
    }
}

impl Platform<'_, '_> {
    /// Versions of the instances that changed since `since`, for nodes that keep snapshots.
    pub fn list_changed_instances(&mut self, since: Timestamp) -> Result<Vec<(String, i64)>> {
        self.conn
            .query(
                "SELECT guid, config_version FROM instances WHERE changed_at >= $1 ORDER BY changed_at, guid LIMIT 10000",
                &[Value::from(since.millis())],
            )?
            .iter()
            .map(|row| Ok((row.text(0)?, row.int(1)?)))
            .collect()
    }
}

fn client_id(row: &Row, column: usize) -> Result<ClientId> {
    ClientId::parse(row.str(column)?).map_err(|_| Error::corrupt("client id"))
}

fn role_id(row: &Row, column: usize) -> Result<RoleId> {
    RoleId::parse(row.str(column)?).map_err(|_| Error::corrupt("role id"))
}

fn revocation(row: &Row) -> Result<Revocation> {
    Ok(Revocation {
        kind: match row.text(0)?.as_str() {
            "token" => RevocationKind::Token,
            "grant" => RevocationKind::Grant,
            "profile" => RevocationKind::Profile,
            _ => return Err(Error::corrupt("revocation kind")),
        },
        subject: row.text(1)?,
        issued_before: Timestamp::from_millis(row.int(2)?),
        expires_at: Timestamp::from_millis(row.int(3)?),
    })
}

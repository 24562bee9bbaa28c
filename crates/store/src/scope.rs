//! The two doors to SQL. Each store function is a method of [`Tenant`], which fixes the instance whose rows it may touch, or of
//! [`Platform`]. There is no third way (ARCHITECTURE.md, invariant 3).

use vestibule_model::id::TenantId;

use crate::{
    Error,
    db::{Conn, Db, DbOptions, EngineKind},
};

/// The database of the service.
#[derive(Clone)]
pub struct Store {
    db: Db,
}

impl Store {
    /// Opens `sqlite:<path>` or `postgres://…` and brings its schema up to date.
    pub async fn open(url: &str, options: DbOptions) -> Result<Self, Error> {
        Ok(Self {
            db: Db::open(url, options).await?,
        })
    }

    /// Which engine this is.
    pub fn engine(&self) -> EngineKind {
        self.db.engine()
    }

    /// Waits for what was accepted to be durable and closes the database.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Reads rows of one instance, all of them as of one moment.
    pub async fn read<T, E>(
        &self,
        tenant: TenantId,
        f: impl FnOnce(&mut Tenant<'_, '_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.db
            .read(move |conn| f(&mut Tenant::new(conn, tenant)))
            .await
    }

    /// Reads rows of one instance, all of them as of one moment, for as long as `f` likes, and without keeping others from reading.
    pub async fn snapshot<T, E>(
        &self,
        tenant: TenantId,
        f: impl FnOnce(&mut Tenant<'_, '_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.db
            .snapshot(move |conn| f(&mut Tenant::new(conn, tenant)))
            .await
    }

    /// Changes rows of one instance in one transaction: all of it if `f` returns `Ok`, nothing otherwise. Returns when the change
    /// is durable. `f` runs on the database's writer: no hashing, signing or waiting in it.
    pub async fn write<T, E>(
        &self,
        tenant: TenantId,
        f: impl FnOnce(&mut Tenant<'_, '_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.db
            .write(move |conn| f(&mut Tenant::new(conn, tenant)))
            .await
    }

    /// The same for a step of long work, which lets others write between one step and the next.
    pub async fn write_patiently<T, E>(
        &self,
        tenant: TenantId,
        f: impl FnOnce(&mut Tenant<'_, '_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.db
            .write_patiently(move |conn| f(&mut Tenant::new(conn, tenant)))
            .await
    }

    /// Reads rows of the platform plane.
    pub async fn platform_read<T, E>(
        &self,
        f: impl FnOnce(&mut Platform<'_, '_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.db.read(move |conn| f(&mut Platform { conn })).await
    }

    /// Changes rows of the platform plane in one transaction, as [`Store::write`] does for an instance.
    pub async fn platform_write<T, E>(
        &self,
        f: impl FnOnce(&mut Platform<'_, '_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.db.write(move |conn| f(&mut Platform { conn })).await
    }
}

/// The rows of one instance.
pub struct Tenant<'a, 'c> {
    pub(crate) conn: &'a mut Conn<'c>,
    tenant: TenantId,
    key: String,
}

impl<'a, 'c> Tenant<'a, 'c> {
    fn new(conn: &'a mut Conn<'c>, tenant: TenantId) -> Self {
        Self {
            conn,
            tenant,
            key: tenant.to_string(),
        }
    }

    /// The instance whose rows these are.
    pub fn id(&self) -> TenantId {
        self.tenant
    }

    /// The value of the `tenant` column in every statement of this scope.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Does part of a transaction: what `f` changed is undone if it fails, what came before stays.
    pub fn attempt<T, E>(
        &mut self,
        f: impl FnOnce(&mut Tenant<'_, '_>) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<Error>,
    {
        let tenant = self.tenant;
        self.conn
            .savepoint(move |conn| f(&mut Tenant::new(conn, tenant)))
    }
}

/// The rows of the platform plane: account, subjects, API keys, policies, instances and their credentials.
pub struct Platform<'a, 'c> {
    pub(crate) conn: &'a mut Conn<'c>,
}

impl Platform<'_, '_> {
    /// The rows of one instance, within the same transaction. For making and destroying instances.
    pub fn instance<T>(&mut self, tenant: TenantId, f: impl FnOnce(&mut Tenant<'_, '_>) -> T) -> T {
        f(&mut Tenant::new(self.conn, tenant))
    }
}

//! Applications: who may ask for tokens, and the scopes they own.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use uuid::Builder;
use vestibule_crypto::token::PlainToken;
use vestibule_model::{
    application::{Application, ApplicationName, ApplicationType, Origin, ScopeNames},
    id::{ClientId, RoleId},
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    Engine, Error, Kind, Result,
    access::{Reader, Writer},
    config::Place,
};

/// An application with all that its owner needs to use it (contract/runtime.md section 2).
#[derive(Debug)]
pub struct Credentials {
    /// The application.
    pub application: Application,
    /// Its secret; a browser app has none.
    pub secret: Option<PlainToken>,
    /// Where it finds the instance.
    pub place: Place,
}

/// What a new application is made of.
#[derive(Debug, Clone)]
pub struct NewApplication {
    /// Its name.
    pub name: ApplicationName,
    /// Whether it can keep a secret.
    pub kind: ApplicationType,
}

/// A role as applications and users name it.
pub type RoleName = (RoleId, String);

impl Engine {
    /// Every application, in order of creation.
    pub async fn list_applications(&self, reader: &Reader) -> Result<Vec<Credentials>> {
        let state = self.tenant(reader.tenant()).await?;
        let mut all: Vec<Credentials> = state
            .applications
            .values()
            .map(|found| Credentials {
                application: found.application.clone(),
                secret: found.secret.clone(),
                place: self.place(reader.tenant()),
            })
            .collect();
        all.sort_by_key(|one| (one.application.created_at, one.application.client_id));
        Ok(all)
    }

    /// One application.
    pub async fn application(&self, reader: &Reader, client: ClientId) -> Result<Credentials> {
        let state = self.tenant(reader.tenant()).await?;
        let found = state
            .applications
            .get(&client)
            .ok_or_else(no_such_application)?;
        Ok(Credentials {
            application: found.application.clone(),
            secret: found.secret.clone(),
            place: self.place(reader.tenant()),
        })
    }

    /// Registers an application. An instance keeps at most [`Application::MOST`].
    pub async fn create_application(
        &self,
        writer: &Writer,
        new: NewApplication,
    ) -> Result<Credentials> {
        let application = Application {
            client_id: ClientId::from_random_bytes(self.random_id()),
            name: new.name.as_str().to_owned(),
            kind: new.kind,
            scopes: Vec::new(),
            origin: Origin::Management,
            metadata: Arc::default(),
            created_at: self.now(),
        };
        let secret = self.new_secret_for(new.kind);
        let sealed = secret
            .as_ref()
            .map(|secret| self.seal_secret(writer.tenant(), application.client_id, secret));
        let row = application.clone();
        self.change_tenant(writer, move |tenant, _| {
            if tenant.count_applications()? >= Application::MOST {
                return Err(too_many_applications());
            }
            Ok(tenant.insert_application(&row, sealed.as_deref())?)
        })
        .await?;
        Ok(Credentials {
            application,
            secret,
            place: self.place(writer.tenant()),
        })
    }

    /// Gives an application another name.
    pub async fn rename_application(
        &self,
        writer: &Writer,
        client: ClientId,
        name: ApplicationName,
    ) -> Result<Credentials> {
        self.change_application(writer, client, move |tenant, now| {
            tenant.update_application_name(client, name.as_str(), now)
        })
        .await
    }

    /// Gives an application another secret; the one before it is refused from then on.
    pub async fn rotate_secret(&self, writer: &Writer, client: ClientId) -> Result<Credentials> {
        let current = self.application(writer, client).await?;
        let Some(secret) = self.new_secret_for(current.application.kind) else {
            return Err(Error::invalid(
                "A single-page application has no secret: PKCE is its proof.",
            ));
        };
        let sealed = self.seal_secret(writer.tenant(), client, &secret);
        self.change_application(writer, client, move |tenant, now| {
            tenant.update_application_secret(client, &sealed, now)
        })
        .await
    }

    /// Removes an application. Its codes and refresh tokens go with it, and its other tokens are refused from then on, since
    /// their audience is unknown.
    pub async fn delete_application(&self, writer: &Writer, client: ClientId) -> Result<()> {
        self.change_tenant(writer, move |tenant, _| {
            if tenant.delete_application(client)? {
                Ok(())
            } else {
                Err(no_such_application())
            }
        })
        .await
    }

    /// The scopes that an application owns, in their order. The contract lists this read under Writer.
    pub async fn application_scopes(
        &self,
        writer: &Writer,
        client: ClientId,
    ) -> Result<Vec<String>> {
        Ok(self.application(writer, client).await?.application.scopes)
    }

    /// Replaces the scopes that an application owns. A scope that is gone leaves every role that held it.
    pub async fn set_application_scopes(
        &self,
        writer: &Writer,
        client: ClientId,
        scopes: ScopeNames,
    ) -> Result<Vec<String>> {
        let scopes = scopes.into_vec();
        self.change_tenant(writer, move |tenant, _| {
            if tenant.find_application(client)?.is_none() {
                return Err(no_such_application());
            }
            tenant.update_application_scopes(client, &scopes)?;
            Ok(scopes)
        })
        .await
    }

    /// The roles of the application itself, by name; tokens of the client credentials grant carry their scopes.
    pub async fn application_roles(
        &self,
        reader: &Reader,
        client: ClientId,
    ) -> Result<Vec<RoleName>> {
        let state = self.tenant(reader.tenant()).await?;
        let found = state
            .applications
            .get(&client)
            .ok_or_else(no_such_application)?;
        Ok(found
            .roles
            .iter()
            .filter_map(|id| Some((*id, state.roles.get(id)?.name.clone())))
            .collect())
    }

    /// Replaces the roles of the application itself.
    pub async fn set_application_roles(
        &self,
        writer: &Writer,
        client: ClientId,
        roles: Vec<RoleId>,
    ) -> Result<Vec<RoleName>> {
        self.change_tenant(writer, move |tenant, _| {
            if tenant.find_application(client)?.is_none() {
                return Err(no_such_application());
            }
            let known = tenant.list_roles()?;
            if let Some(unknown) = roles
                .iter()
                .find(|id| !known.iter().any(|role| role.id == **id))
            {
                return Err(Error::invalid(format!("There is no role {unknown}.")));
            }
            tenant.update_application_roles(client, &roles)?;
            Ok(tenant.list_application_roles(client)?)
        })
        .await
    }

    /// A secret as App ID makes them, the base64 text of a UUID's text; none for an application that cannot keep one.
    pub(crate) fn new_secret_for(&self, kind: ApplicationType) -> Option<PlainToken> {
        match kind {
            ApplicationType::SinglePageApp | ApplicationType::MobileApp => None,
            ApplicationType::RegularWebApp => {
                let mut bytes = self.random_id();
                let uuid = Builder::from_random_bytes(bytes).into_uuid();
                bytes.zeroize();
                let text = Zeroizing::new(uuid.to_string());
                Some(PlainToken::new(STANDARD.encode(text.as_bytes())))
            }
        }
    }

    /// Refuses one more client that registers itself where the instance has its number. Called inside of the change.
    pub(crate) fn has_room(
        tenant: &mut vestibule_store::scope::Tenant<'_, '_>,
        most: i64,
    ) -> Result<()> {
        let there = i64::try_from(tenant.count_registered_applications()?).unwrap_or(i64::MAX);
        if there < most {
            return Ok(());
        }
        Err(Error::new(
            Kind::Unavailable(3600),
            "temporarily_unavailable",
            "As many clients have registered as the instance keeps.",
        ))
    }

    async fn change_application(
        &self,
        writer: &Writer,
        client: ClientId,
        change: impl FnOnce(
            &mut vestibule_store::scope::Tenant<'_, '_>,
            vestibule_model::time::Timestamp,
        ) -> vestibule_store::Result<bool>
        + Send
        + 'static,
    ) -> Result<Credentials> {
        let (application, sealed) = self
            .change_tenant(writer, move |tenant, now| {
                if !change(tenant, now)? {
                    return Err(no_such_application());
                }
                tenant
                    .find_application(client)?
                    .ok_or_else(no_such_application)
            })
            .await?;
        let secret = sealed
            .map(|sealed| self.open_secret(writer.tenant(), client, &sealed))
            .transpose()?;
        Ok(Credentials {
            application,
            secret,
            place: self.place(writer.tenant()),
        })
    }
}

pub(crate) fn too_many_applications() -> Error {
    Error::new(
        Kind::Invalid,
        "limit_exceeded",
        format!(
            "Administrators make at most {} applications in an instance.",
            Application::MOST
        ),
    )
}

pub(crate) fn no_such_application() -> Error {
    Error::not_found("There is no such application.")
}

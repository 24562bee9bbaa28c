//! What clients say of themselves: metadata of applications (RFC 7591 section 2).

use std::sync::Arc;

use vestibule_crypto::{jose::JwkSet, random, token::PlainToken};
use vestibule_model::{
    Invalid,
    application::{
        ApplicationType,
        metadata::{AuthMethod, ClientMetadata},
    },
    family::oauth::OauthConfig,
    id::{ClientId, ProfileId},
};
pub use vestibule_store::client::{Consent, InitialToken};
use vestibule_store::snapshot::{Revocation, RevocationKind};

use crate::{
    Engine, Error, Result,
    access::{Reader, Writer},
    application::no_such_application,
    keys,
    runtime::{LONGEST_LIFE, is_certificate},
};

/// Most tokens with which clients may register themselves.
const MOST_INITIAL: usize = 1000;
/// Most clients that register with one such token.
const MOST_USES: i64 = 10_000;
/// Longest life of such a token in seconds: a year.
const LONGEST_INITIAL: i64 = 31_536_000;

impl Engine {
    /// What an application says of itself; empty where it follows the instance's lists.
    pub async fn client_metadata(
        &self,
        reader: &Reader,
        client: ClientId,
    ) -> Result<Arc<ClientMetadata>> {
        let state = self.tenant(reader.tenant()).await?;
        let found = state
            .applications
            .get(&client)
            .ok_or_else(no_such_application)?;
        Ok(Arc::clone(&found.application.metadata))
    }

    /// Replaces what an application says of itself. What is left out goes back to the instance's lists.
    ///
    /// # Errors
    /// `Invalid` for what this service does not do, or what does not fit the type of the application.
    pub async fn set_client_metadata(
        &self,
        writer: &Writer,
        client: ClientId,
        metadata: ClientMetadata,
    ) -> Result<Arc<ClientMetadata>> {
        let state = self.tenant_in_any_state(writer.tenant()).await?;
        supported(&metadata, &state.oauth)?;
        metadata.check_visible()?;
        self.check_sector(&metadata).await?;
        let fresh = self
            .missing_keys(writer.tenant(), &keys::wanted(&metadata))
            .await?;
        let metadata = Arc::new(metadata);
        let next = Arc::clone(&metadata);
        self.change_tenant(writer, move |tenant, now| {
            let (application, secret) = tenant
                .find_application(client)?
                .ok_or_else(no_such_application)?;
            let method = next.token_endpoint_auth_method;
            if secret.is_none() && method.is_some_and(AuthMethod::needs_secret) {
                return Err(Error::invalid(format!(
                    "token_endpoint_auth_method: a {} has no secret.",
                    application.kind.name()
                )));
            }
            if application.kind == ApplicationType::SinglePageApp
                && method.is_some_and(|method| method != AuthMethod::None)
            {
                return Err(Error::invalid(
                    "token_endpoint_auth_method: a singlepageapp cannot keep a key.",
                ));
            }
            tenant.update_application_metadata(client, &next, now)?;
            keys::adopt(tenant, &fresh)
        })
        .await?;
        Ok(metadata)
    }
}

/// A new token with which clients may register themselves, shown once.
pub struct NewInitialToken {
    /// What is kept of it.
    pub kept: InitialToken,
    /// The token.
    pub token: PlainToken,
}

impl Engine {
    /// Makes a token with which `uses` clients may register themselves within so many seconds.
    ///
    /// # Errors
    /// `Invalid` for numbers out of range, and past a thousand tokens.
    pub async fn create_initial_token(
        &self,
        writer: &Writer,
        (uses, seconds): (i64, i64),
    ) -> Result<NewInitialToken> {
        if !(1..=MOST_USES).contains(&uses) || !(1..=LONGEST_INITIAL).contains(&seconds) {
            return Err(Error::invalid(
                "A token is for 1 to 10000 clients and lives for 1 to 31536000 seconds.",
            ));
        }
        let now = self.now();
        let kept = InitialToken {
            id: random::token(self.random(), 12),
            uses_left: uses,
            created_at: now,
            expires_at: now.plus_seconds(seconds),
        };
        let token = PlainToken::generate(self.random());
        let (row, hash) = (kept.clone(), token.hash());
        self.change_tenant(writer, move |tenant, _| {
            if tenant.list_initial_tokens()?.len() >= MOST_INITIAL {
                return Err(Error::invalid(
                    "An instance keeps at most 1000 such tokens.",
                ));
            }
            Ok(tenant.insert_initial_token(hash.as_str(), &row)?)
        })
        .await?;
        Ok(NewInitialToken { kept, token })
    }

    /// The tokens with which clients may register themselves, the oldest first.
    pub async fn list_initial_tokens(&self, reader: &Reader) -> Result<Vec<InitialToken>> {
        self.store()
            .read::<_, Error>(reader.tenant(), |t| Ok(t.list_initial_tokens()?))
            .await
    }

    /// Ends a token with which clients may register themselves.
    pub async fn delete_initial_token(&self, writer: &Writer, id: String) -> Result<()> {
        self.change_tenant(writer, move |tenant, _| {
            if tenant.delete_initial_token(&id)? {
                Ok(())
            } else {
                Err(Error::not_found("There is no such token."))
            }
        })
        .await
    }
}

/// Why a sector's list does not count.
fn no_sector(why: &str) -> Invalid {
    Invalid::new("sector_identifier_uri", why)
}

impl Engine {
    /// Makes sure that the list which names a client's sector holds all its redirect URIs (OpenID Connect Dynamic Client Registration
    /// section 5): otherwise anybody could call people by the names of another sector.
    pub(crate) async fn check_sector(&self, metadata: &ClientMetadata) -> Result<(), Invalid> {
        let Some(address) = &metadata.sector_identifier_uri else {
            return Ok(());
        };
        let body = self.fetch_in_turn(address).await.map_err(|error| {
            tracing::info!(%error, address, "the list of a sector cannot be had");
            no_sector("cannot be had")
        })?;
        let list: Vec<String> = serde_json::from_slice(&body)
            .map_err(|_| no_sector("must answer a JSON list of redirect URIs"))?;
        if metadata.redirect_uris.iter().all(|uri| list.contains(uri)) {
            Ok(())
        } else {
            Err(no_sector("does not list all redirect URIs"))
        }
    }

    /// What a person agreed to, by client.
    pub async fn consents(&self, reader: &Reader, profile: ProfileId) -> Result<Vec<Consent>> {
        self.store()
            .read::<_, Error>(reader.tenant(), move |t| {
                t.find_profile(profile)?.ok_or_else(no_such_profile)?;
                Ok(t.list_consents(profile)?)
            })
            .await
    }

    /// Takes back what a person agreed to with one client, and ends its refresh tokens with the signed tokens of the same sign-ins.
    pub async fn withdraw_consent(
        &self,
        writer: &Writer,
        profile: ProfileId,
        client: ClientId,
    ) -> Result<()> {
        self.change_tenant(writer, move |tenant, now| {
            if !tenant.delete_consent(profile, client)? {
                return Err(Error::not_found("The person agreed to nothing there."));
            }
            for grant in tenant.revoke_client_grants(profile, client, now)? {
                tenant.insert_revocation(&Revocation {
                    kind: RevocationKind::Grant,
                    subject: grant.to_string(),
                    issued_before: now,
                    expires_at: now.plus_seconds(LONGEST_LIFE),
                })?;
            }
            Ok(())
        })
        .await
    }
}

fn no_such_profile() -> Error {
    Error::not_found("There is no such profile.")
}

/// Refuses what metadata may ask for and this service does not do.
pub(crate) fn supported(metadata: &ClientMetadata, oauth: &OauthConfig) -> Result<(), Invalid> {
    let signs = oauth.demands().client_algorithms;
    for (field, wanted) in [
        (
            "userinfo_signed_response_alg",
            metadata.userinfo_signed_response_alg,
        ),
        (
            "id_token_signed_response_alg",
            metadata.id_token_signed_response_alg,
        ),
        (
            "authorization_signed_response_alg",
            metadata.authorization_signed_response_alg,
        ),
    ] {
        if wanted.is_some_and(|wanted| !signs.iter().any(|one| one.name() == wanted.name())) {
            let names: Vec<&str> = signs.iter().map(|one| one.name()).collect();
            return Err(Invalid::new(
                field,
                format!("the instance signs with {}", names.join(", ")),
            ));
        }
    }
    let method = metadata.token_endpoint_auth_method;
    let unseen = !oauth.mutual_tls.is_offered();
    for (field, wanted) in [
        (
            "token_endpoint_auth_method",
            method.is_some_and(AuthMethod::is_by_certificate),
        ),
        (
            "tls_client_certificate_bound_access_tokens",
            metadata.tls_client_certificate_bound_access_tokens,
        ),
    ] {
        if unseen && wanted {
            return Err(Invalid::new(
                field,
                "certificates of clients are switched off here, or do not reach this service",
            ));
        }
    }
    let known = &oauth.authorization_details_types;
    let unknown = |name: &String| !known.iter().any(|one| one.r#type == *name);
    if metadata.authorization_details_types.iter().any(unknown) {
        return Err(Invalid::new(
            "authorization_details_types",
            "names a type that the instance does not know",
        ));
    }
    if let Some(set) = &metadata.jwks {
        let set = JwkSet::parse(&set.to_string());
        let set = set.map_err(|error| Invalid::new("jwks", error.to_string()))?;
        let mut certificates = set.certificates().iter();
        let readable = certificates.len() > 0 && certificates.all(|der| is_certificate(der));
        if method == Some(AuthMethod::SelfSignedTlsClientAuth) && !readable {
            return Err(Invalid::new(
                "jwks",
                "must hold the certificates of its keys (x5c) for self_signed_tls_client_auth",
            ));
        }
    }
    Ok(())
}

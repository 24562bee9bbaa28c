//! The token endpoint (contract/runtime.md section 4.2).

use vestibule_crypto::token::{PlainToken, TokenHash};
use vestibule_model::{
    family::tokens::TokensConfig,
    id::{ClientId, GrantId},
    profile::ANONYMOUS,
    time::Timestamp,
};
use vestibule_store::{
    runtime::{Grant, RefreshToken},
    scope::Tenant,
};
use vestibule_wire::token::{Confirmation, DEVICE_CODE, TOKEN_EXCHANGE, TokenAnswer};

use super::{
    ClientRequest,
    basis::Basis,
    claims::{Issue, role_scopes},
    directory::Login,
    person::Person,
};
use crate::{
    Engine, Error, Kind, Result,
    tenant::{ApplicationState, TenantState},
};

/// The grant of RFC 7523.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

impl Engine {
    /// Tokens for what the application shows.
    ///
    /// # Errors
    /// `invalid_client`, `invalid_grant`, `unauthorized_client`, `unsupported_grant_type`; `Forbidden` for a user who may not sign
    /// in; `Throttled`; `Unavailable` when too much password work is waiting.
    pub async fn exchange(&self, request: &ClientRequest<'_>) -> Result<TokenAnswer> {
        let state = self.tenant(request.tenant).await?;
        let application = self.authenticate(request, &state).await?;
        let grant = required(request, "grant_type")?;
        match grant {
            "authorization_code" | "password" | "client_credentials" | "refresh_token"
            | JWT_BEARER | DEVICE_CODE
                if !application.may_use(grant) =>
            {
                Err(Error::new(
                    Kind::Invalid,
                    "unauthorized_client",
                    if application.is_public() {
                        "A single-page application can use authorization codes only."
                    } else {
                        "The application is not registered for this grant."
                    },
                ))
            }
            "password" if !state.demands.passwords => Err(Error::new(
                Kind::Invalid,
                "unauthorized_client",
                "This service takes passwords on its own page only.",
            )),
            "authorization_code" => self.redeem_code(&state, application, request).await,
            "client_credentials" => {
                let key = self
                    .shown_key(&state, (application, request.possession))
                    .await?;
                let places = self.wish(&state, request.form)?.unbounded()?;
                self.client_tokens(&state, application, (&key, &places))
            }
            "password" => self.password_tokens(&state, application, request).await,
            "refresh_token" => self.renew(&state, application, request).await,
            JWT_BEARER => self.custom_tokens(&state, application, request).await,
            DEVICE_CODE if state.demands.devices => {
                self.device_tokens(&state, application, request).await
            }
            TOKEN_EXCHANGE if state.oauth.token_exchange => {
                self.exchanged(&state, application, request).await
            }
            _ => Err(Error::new(
                Kind::Invalid,
                "unsupported_grant_type",
                "The grant type is not supported.",
            )),
        }
    }

    /// A token that speaks for the application itself. Reads no row.
    fn client_tokens(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        (bound, resources): (&Confirmation, &[String]),
    ) -> Result<TokenAnswer> {
        let issue = Issue {
            state,
            client: application.application.client_id,
            grant: GrantId::from_random_bytes(self.random_id()),
            now: self.now(),
            seconds: state.config.get::<TokensConfig>().access.expires_in,
            bound,
            resources,
            details: &[],
        };
        let roles = application
            .roles
            .iter()
            .filter_map(|role| state.roles.get(role));
        let mut scope = String::from("appid_default");
        for one in role_scopes(roles, issue.client) {
            scope.push(' ');
            scope.push_str(one);
        }
        Ok(TokenAnswer {
            access_token: self.sign_client_token(&issue, &scope)?,
            issued_token_type: None,
            id_token: None,
            refresh_token: None,
            token_type: issue.bound.token_type(),
            expires_in: issue.seconds,
            authorization_details: Vec::new(),
            scope: None,
        })
    }

    async fn password_tokens(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        request: &ClientRequest<'_>,
    ) -> Result<TokenAnswer> {
        let bound = self
            .shown_key(state, (application, request.possession))
            .await?;
        let resources = self.wish(state, request.form)?.unbounded()?;
        let login = Login {
            name: required(request, "username")?,
            password: required(request, "password")?,
            from: request.from,
            anonymous: self.anonymous_of(state, request.form.get("appid_access_token")),
        };
        let person = self.sign_in(state, login).await?;
        let grant = GrantId::from_random_bytes(self.random_id());
        let basis = Basis {
            bound,
            resources,
            ..Basis::of(&person.provider, self.now())
        };
        let refresh = self.new_refresh(state, application, &person.provider);
        let kept = refresh.as_ref().map(Refresh::stored);
        if let Some(kept) = kept {
            let opened = OpenedGrant {
                id: grant,
                client: application.application.client_id,
                basis: basis.to_text()?,
                now: self.now(),
            };
            let profile = person.profile.id;
            self.store()
                .write::<_, Error>(state.id, move |t| opened.keep(t, profile, &kept))
                .await?;
        }
        let client = application.application.client_id;
        self.answer(state, (client, grant), (&person, &basis), (None, refresh))
    }

    /// Signs both tokens of a person. Called after the transaction.
    pub(super) fn answer(
        &self,
        state: &TenantState,
        (client, grant): (ClientId, GrantId),
        (person, basis): (&Person, &Basis),
        (nonce, refresh): (Option<&str>, Option<Refresh>),
    ) -> Result<TokenAnswer> {
        let config = state.config.get::<TokensConfig>();
        let issue = Issue {
            state,
            client,
            grant,
            now: self.now(),
            seconds: if person.provider == ANONYMOUS {
                config.anonymous_access.expires_in
            } else {
                config.access.expires_in
            },
            bound: &basis.bound,
            resources: &basis.resources,
            details: &basis.details,
        };
        let tokens = self.sign_person_tokens(&issue, person, (basis, nonce))?;
        Ok(TokenAnswer {
            access_token: tokens.access,
            issued_token_type: None,
            id_token: tokens.identity,
            refresh_token: refresh.map(|refresh| refresh.token.expose().to_owned()),
            token_type: issue.bound.token_type(),
            expires_in: issue.seconds,
            authorization_details: basis.details.clone(),
            scope: Some(tokens.scope),
        })
    }

    /// A refresh token, if the instance issues them to this application for this sort of sign-in.
    pub(super) fn new_refresh(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        provider: &str,
    ) -> Option<Refresh> {
        let config = state.config.get::<TokensConfig>();
        let gets = application.gets_refresh_tokens() && provider != ANONYMOUS;
        (config.refresh.enabled && gets).then(|| Refresh {
            token: PlainToken::generate(self.random()),
            expires_at: self.now().plus_seconds(config.refresh.expires_in),
        })
    }
}

/// A new refresh token.
pub(super) struct Refresh {
    token: PlainToken,
    expires_at: Timestamp,
}

/// What is kept of a refresh token.
pub(super) struct StoredRefresh {
    hash: TokenHash,
    pub(super) expires_at: Timestamp,
}

impl Refresh {
    pub(super) fn stored(&self) -> StoredRefresh {
        StoredRefresh {
            hash: self.token.hash(),
            expires_at: self.expires_at,
        }
    }
}

impl StoredRefresh {
    /// Keeps the token's hash.
    pub(super) fn keep(
        &self,
        t: &mut Tenant<'_, '_>,
        (grant, client): (GrantId, ClientId),
        person: &Person,
        now: Timestamp,
    ) -> Result<()> {
        let token = RefreshToken {
            grant,
            client,
            profile: person.profile.id,
            expires_at: self.expires_at,
        };
        Ok(t.insert_refresh_token(self.hash.as_str(), &token, now)?)
    }
}

/// A sign-in from which refresh tokens descend.
pub(super) struct OpenedGrant {
    pub(super) id: GrantId,
    pub(super) client: ClientId,
    pub(super) basis: String,
    pub(super) now: Timestamp,
}

impl OpenedGrant {
    /// Keeps the grant and its first refresh token.
    pub(super) fn keep(
        &self,
        t: &mut Tenant<'_, '_>,
        profile: vestibule_model::id::ProfileId,
        refresh: &StoredRefresh,
    ) -> Result<()> {
        t.insert_grant(&Grant {
            id: self.id,
            client: self.client,
            profile,
            body: self.basis.clone(),
            created_at: self.now,
            expires_at: refresh.expires_at,
            revoked_at: None,
        })?;
        let token = RefreshToken {
            grant: self.id,
            client: self.client,
            profile,
            expires_at: refresh.expires_at,
        };
        Ok(t.insert_refresh_token(refresh.hash.as_str(), &token, self.now)?)
    }
}

pub(super) fn required<'a>(request: &ClientRequest<'a>, name: &str) -> Result<&'a str> {
    request
        .form
        .get(name)
        .ok_or_else(|| Error::invalid(format!("The parameter {name} is required.")))
}

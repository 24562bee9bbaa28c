//! The token endpoint (contract/runtime.md section 4.2).

use vestibule_model::{application::ApplicationType, family::tokens::TokensConfig, id::GrantId};
use vestibule_wire::token::TokenAnswer;

use super::{
    ClientRequest,
    claims::{Issue, role_scopes},
};
use crate::{
    Engine, Error, Kind, Result,
    tenant::{ApplicationState, TenantState},
};

impl Engine {
    /// Tokens for what the application shows.
    ///
    /// # Errors
    /// `invalid_client`, `invalid_grant`, `unauthorized_client`, `unsupported_grant_type`; `Forbidden` for a user who may not sign
    /// in; `Throttled`; `Unavailable` when too much password work is waiting.
    pub async fn exchange(&self, request: &ClientRequest<'_>) -> Result<TokenAnswer> {
        let state = self.tenant(request.tenant).await?;
        let application = request.authenticate(&state)?;
        let grant = required(request, "grant_type")?;
        let browser = application.application.kind == ApplicationType::SinglePageApp;
        match grant {
            "client_credentials" if !browser => self.client_tokens(&state, application),
            "client_credentials" => Err(Error::new(
                Kind::Invalid,
                "unauthorized_client",
                "A single-page application has no credentials of its own.",
            )),
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
    ) -> Result<TokenAnswer> {
        let issue = self.issue(
            state,
            application,
            GrantId::from_random_bytes(self.random_id()),
        );
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
            id_token: None,
            refresh_token: None,
            token_type: "Bearer",
            expires_in: issue.seconds,
            scope: None,
        })
    }

    /// What tokens issued now to an application have in common.
    pub(super) fn issue<'a>(
        &self,
        state: &'a TenantState,
        application: &ApplicationState,
        grant: GrantId,
    ) -> Issue<'a> {
        Issue {
            state,
            client: application.application.client_id,
            grant,
            now: self.now(),
            seconds: state.config.get::<TokensConfig>().access.expires_in,
        }
    }
}

pub(super) fn required<'a>(request: &ClientRequest<'a>, name: &str) -> Result<&'a str> {
    request
        .form
        .get(name)
        .ok_or_else(|| Error::invalid(format!("The parameter {name} is required.")))
}

//! Token exchange (RFC 8693): a server that got a person's token shows it and gets one of its own, to call another server with.
//!
//! What it gets is never more than what it showed: the same person and sign-in, no more scopes, no longer life, and as bound to a key as
//! that was. Whatever ends the sign-in ends it too. Only applications that an administrator registered for it by name may do so.

use serde_json::{Map, Value, json};
use vestibule_model::{
    family::tokens::TokensConfig,
    id::{ClientId, GrantId, RoleId},
};
use vestibule_wire::{
    details::Detail,
    token::{ACCESS_TOKEN, Confirmation, ID_TOKEN, TOKEN_EXCHANGE, TokenAnswer},
};

use super::{
    ClientRequest,
    bearer::TokenId,
    claims::{CLIENT, Issue, confirm, role_scopes},
    dpop::invalid_proof,
    person::Person,
    resource::{MOST, invalid_target, is_place, owner_of},
    subject::SEALED_PROFILE,
    token::required,
};
use crate::{
    Engine, Error, Kind, Result,
    tenant::{ApplicationState, TenantState},
};

/// Most actors that stand behind one another.
const MOST_ACTORS: usize = 4;
/// What an identity token, which has no scopes, is worth.
const IDENTITY_SCOPES: &str = "openid appid_default";

/// A token that was shown.
struct Shown {
    claims: Map<String, Value>,
    is_access: bool,
    owner: ClientId,
}

impl Shown {
    fn text(&self, name: &str) -> &str {
        let found = self.claims.get(name).and_then(Value::as_str);
        found.unwrap_or_default()
    }

    /// `cloud_directory`, `appid_client_credentials`, …
    fn provider(&self) -> &str {
        let methods = self.claims.get("amr").and_then(|amr| amr.get(0));
        methods.and_then(Value::as_str).unwrap_or_default()
    }

    /// The places that it is good at, if it is for places alone.
    fn places(&self) -> Vec<String> {
        let all = self.claims.get("aud").and_then(Value::as_array);
        let all = all.into_iter().flatten().filter_map(Value::as_str);
        all.filter(|one| is_place(one)).map(str::to_owned).collect()
    }
}

impl Engine {
    /// An access token for one that was shown.
    ///
    /// # Errors
    /// `unauthorized_client`; `invalid_request` for a token that is not good or may not be exchanged (RFC 8693 section 2.2.2);
    /// `invalid_scope`, `invalid_target`; `invalid_dpop_proof`.
    pub(super) async fn exchanged(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        request: &ClientRequest<'_>,
    ) -> Result<TokenAnswer> {
        let named = application.application.metadata.names_grant(TOKEN_EXCHANGE);
        if application.is_public() || application.is_third_party() || !named {
            return Err(Error::new(
                Kind::Invalid,
                "unauthorized_client",
                "The application is not registered for this grant by name.",
            ));
        }
        let wanted = request.form.get("requested_token_type");
        if wanted.is_some_and(|wanted| wanted != ACCESS_TOKEN) {
            return Err(Error::invalid(
                "The requested_token_type must be urn:ietf:params:oauth:token-type:access_token.",
            ));
        }
        let client = application.application.client_id;
        let subject = self.shown_token(state, request, "subject_token")?;
        // An identity token says to one application who somebody is.
        if !subject.is_access && subject.owner != client {
            return Err(unfit("The subject_token is for another application."));
        }
        let actor = match request.form.get("actor_token") {
            Some(_) => Some(self.shown_token(state, request, "actor_token")?),
            None if request.form.get("actor_token_type").is_some() => {
                return Err(unfit("An actor_token_type needs an actor_token."));
            }
            None => None,
        };
        let act = actors(&subject, actor.as_ref(), client)?;
        let resources = self.places(state, &subject, request)?;
        let details = self.details(state, &subject, request)?;
        let bound = self
            .shown_key(state, (application, request.possession))
            .await?;
        still_bound(&subject, actor.as_ref(), &bound)?;
        let (subject_name, sealed, roles) = self.subject_for(state, application, &subject).await?;
        let roles = roles.iter().filter_map(|role| state.roles.get(role));
        let scope = scopes(
            &subject,
            (application, &role_scopes(roles, client)),
            request.form.get("scope"),
        )?;
        let (now, ends) = (
            self.now(),
            subject.claims.get("exp").and_then(Value::as_i64),
        );
        let lasts = ends.unwrap_or_default() - now.seconds();
        let issue = Issue {
            state,
            client,
            grant: TokenId::parse(subject.text("jti"))
                .and_then(|id| GrantId::parse(id.grant).ok())
                .ok_or_else(|| unfit("The subject_token descends from no sign-in."))?,
            now,
            seconds: lasts.min(state.config.get::<TokensConfig>().access.expires_in),
            bound: &bound,
            resources: &resources,
            details: &details,
        };
        let mut claims = self.registered_claims(&issue, &subject_name, subject.provider());
        claims.insert("client_id".into(), client.to_string().into());
        claims.insert("scope".into(), scope.as_str().into());
        if let Some(sealed) = sealed {
            claims.insert(SEALED_PROFILE.into(), sealed.into());
        }
        if let Some(act) = act {
            claims.insert("act".into(), act);
        }
        confirm(&mut claims, &issue);
        Ok(TokenAnswer {
            access_token: self.sign_access(&issue, claims)?,
            issued_token_type: Some(ACCESS_TOKEN),
            id_token: None,
            refresh_token: None,
            token_type: issue.bound.token_type(),
            expires_in: issue.seconds,
            scope: Some(scope),
            authorization_details: details,
        })
    }

    /// A token of this instance that is good now, of the type that the request says it is.
    fn shown_token(
        &self,
        state: &TenantState,
        request: &ClientRequest<'_>,
        name: &'static str,
    ) -> Result<Shown> {
        let token = required(request, name)?;
        let is_access = match required(request, &format!("{name}_type"))? {
            ACCESS_TOKEN => true,
            ID_TOKEN => false,
            _ => {
                return Err(unfit(
                    "Access tokens and identity tokens of this service can be exchanged.",
                ));
            }
        };
        let bad = || unfit(&format!("The {name} is not a good token of this type."));
        let claims = self.verified_claims(state, token).ok_or_else(bad)?;
        // Only access tokens have a scope, and only tokens of these two types say how somebody signed in.
        if claims.contains_key("scope") != is_access || !claims.contains_key("amr") {
            return Err(bad());
        }
        Ok(Shown {
            owner: owner_of(&claims).ok_or_else(bad)?,
            claims,
            is_access,
        })
    }

    /// What this application calls whom the token is about, somebody who may still sign in, and the roles they have.
    async fn subject_for(
        &self,
        state: &TenantState,
        application: &ApplicationState,
        subject: &Shown,
    ) -> Result<(String, Option<String>, Vec<RoleId>)> {
        if subject.provider() == CLIENT {
            let roles = state.applications.get(&subject.owner);
            let roles = roles.map(|owner| owner.roles.clone()).unwrap_or_default();
            return Ok((subject.text("sub").to_owned(), None, roles));
        }
        let gone = || unfit("The person of the subject_token may not sign in any more.");
        let profile = self
            .profile_of(state.id, &subject.claims)
            .ok_or_else(gone)?;
        let provider = subject.provider().to_owned();
        let person = self
            .store()
            .read::<_, Error>(state.id, move |t| Person::find(t, profile, &provider))
            .await?
            .ok_or_else(gone)?;
        self.still_welcome(state, &person).map_err(|_| gone())?;
        let (name, sealed) = self.subject_claims(state, Some(application), profile);
        Ok((name, sealed, person.roles))
    }

    /// What of the details that the subject agreed to is asked for: none unless it is.
    fn details(
        &self,
        state: &TenantState,
        subject: &Shown,
        request: &ClientRequest<'_>,
    ) -> Result<Vec<Detail>> {
        let wish = self.wish(state, request.form)?;
        let held = subject.claims.get("authorization_details").cloned();
        let held: Vec<Detail> = held
            .and_then(|held| serde_json::from_value(held).ok())
            .unwrap_or_default();
        if wish.has_details() {
            wish.details_within(&held)
        } else {
            Ok(Vec::new())
        }
    }

    /// Where the new token is good. One that was for places alone leads to no token for an application or for this service.
    fn places(
        &self,
        state: &TenantState,
        subject: &Shown,
        request: &ClientRequest<'_>,
    ) -> Result<Vec<String>> {
        let (known, held) = (self.resources(state), subject.places());
        let mut asked: Vec<String> = Vec::new();
        for name in ["resource", "audience"] {
            for one in request.form.all(name) {
                if !asked.iter().any(|other| other == one) {
                    asked.push(one.to_owned());
                }
            }
        }
        if asked.is_empty() {
            asked.clone_from(&held);
        }
        let own = state.issuer(&self.settings().public_url);
        let may = |one: &String| {
            known.contains(one) && (*one != own || held.is_empty() || held.contains(one))
        };
        if asked.len() > MOST || !asked.iter().all(may) {
            return Err(invalid_target());
        }
        Ok(asked)
    }
}

/// Who acts for the subject, the last one outermost (RFC 8693 section 4.1).
fn actors(subject: &Shown, actor: Option<&Shown>, client: ClientId) -> Result<Option<Value>> {
    let before = subject.claims.get("act");
    if actor.is_some_and(|actor| actor.owner != client || actor.claims.contains_key("act")) {
        return Err(unfit(
            "The actor_token must be one that the application got for itself, and not by exchange.",
        ));
    }
    let by = actor.map(|actor| actor.text("sub"));
    if let Some(may) = subject.claims.get("may_act") {
        let client = client.to_string();
        let names = |name: &str, who: &str| may.get(name).is_none_or(|one| one == who);
        let named = may.get("sub").is_some() || may.get("client_id").is_some();
        if !named || !names("client_id", &client) || !names("sub", by.unwrap_or(&client)) {
            return Err(unfit("The subject_token names another that may act."));
        }
    }
    let act = match (by, before) {
        (None, before) => before.cloned(),
        (Some(by), None) => Some(json!({ "sub": by })),
        (Some(by), Some(before)) => Some(json!({ "sub": by, "act": before })),
    };
    let chain = std::iter::successors(act.as_ref(), |one| one.get("act"));
    if chain.take(MOST_ACTORS + 1).count() > MOST_ACTORS {
        return Err(unfit("Four actors at most stand behind one another."));
    }
    Ok(act)
}

/// The scopes of the new token: those asked for, else all that the subject has and the application may ask for. Scopes that roles give at
/// another application mean nothing here, whatever their names: of these, `own` remain, which the roles give at this one.
fn scopes(
    subject: &Shown,
    (application, own): (&ApplicationState, &[&str]),
    asked: Option<&str>,
) -> Result<String> {
    let held = if subject.is_access {
        subject.text("scope")
    } else {
        IDENTITY_SCOPES
    };
    let metadata = &application.application.metadata;
    let foreign = subject.owner != application.application.client_id;
    let may = |scope: &&str| {
        let service = *scope == "openid" || scope.starts_with("appid_");
        (service || !foreign || own.contains(scope))
            && (*scope == "openid" || metadata.may_ask_for(scope))
    };
    let held: Vec<&str> = held.split(' ').filter(may).collect();
    let Some(asked) = asked else {
        return Ok(held.join(" "));
    };
    let asked: Vec<&str> = asked.split(' ').filter(|one| !one.is_empty()).collect();
    if asked.iter().all(|one| held.contains(one)) {
        Ok(asked.join(" "))
    } else {
        Err(Error::new(
            Kind::Invalid,
            "invalid_scope",
            "A scope is not among those of the subject_token.",
        ))
    }
}

/// A token that only the holder of a key can use leads to no token that everybody can use. Whose key it is the caller cannot show: it got
/// the token from the holder. Its own token it must hold the key of.
fn still_bound(subject: &Shown, actor: Option<&Shown>, held: &Confirmation) -> Result<()> {
    if subject.claims.contains_key("cnf") && held.is_free() {
        return Err(invalid_proof(
            "The subject_token is bound to a key, so a DPoP proof or a certificate is required.",
        ));
    }
    let of_actor = actor.and_then(|actor| actor.claims.get("cnf"));
    let own = json!(held);
    let shown = |cnf: &Value| {
        let named = cnf.as_object().filter(|named| !named.is_empty());
        named.is_some_and(|named| named.iter().all(|(name, of)| own.get(name) == Some(of)))
    };
    if of_actor.is_some_and(|cnf| !shown(cnf)) {
        return Err(invalid_proof(
            "The actor_token is bound to a key, so a DPoP proof or a certificate with that key is required.",
        ));
    }
    Ok(())
}

fn unfit(public: &str) -> Error {
    Error::invalid(public)
}

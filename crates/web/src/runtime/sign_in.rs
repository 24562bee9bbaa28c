//! What people's browsers call: the authorization endpoint, the sign-in form, signing out.

use std::{convert::Infallible, net::IpAddr};

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Request, State},
    http::{Method, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use schemars::JsonSchema;
use vestibule_engine::{Error, runtime::authorization::FilledForm};
use vestibule_model::id::TenantId;
use vestibule_wire::parameters::Parameters;

use super::{
    request::{At, client_address, read_form},
    visitor::Visitor,
};
use crate::{
    App,
    error::OauthError,
    pages::STYLE,
    route::{Query, Route, optional, required},
};

const AUTHORIZATION: &[Query] = &[
    required("client_id", "The application."),
    required(
        "redirect_uri",
        "Where the answer goes; on the instance's list.",
    ),
    required("response_type", "code"),
    optional(
        "request_uri",
        "What a pushed request got; nothing but client_id is needed beside it.",
    ),
    optional("dpop_jkt", "Thumbprint of the key that the code is for."),
    optional("scope", "Scopes."),
    optional(
        "authorization_details",
        "What the person is to agree to in detail, as JSON.",
    ),
    optional(
        "resource",
        "Where the access token is to be good; may be sent several times.",
    ),
    optional("state", "Comes back unchanged."),
    optional("nonce", "Comes back in the identity token."),
    optional(
        "code_challenge",
        "PKCE; single-page applications must send it.",
    ),
    optional("code_challenge_method", "S256"),
    optional("response_mode", "query, form_post or web_message"),
    optional("idp", "cloud_directory or appid_anon"),
    optional(
        "appid_access_token",
        "An anonymous token that becomes the user's.",
    ),
    optional("language", "Language of the pages."),
    optional(
        "prompt",
        "none for an answer without a page; login or select_account for one that asks again.",
    ),
    optional("max_age", "Most seconds since the person last signed in."),
    optional("id_token_hint", "An identity token of whom is expected."),
    optional("acr_values", "Sorts of sign-in, the best first."),
    optional("claims", "Claims one by one, as JSON."),
    optional("ui_locales", "Languages of the pages."),
    optional("login_hint", "Filled into the form."),
];

const LOGOUT: &[Query] = &[
    required("client_id", "The application."),
    required(
        "redirect_uri",
        "Where to go; on the instance's list for that, or for redirect URIs.",
    ),
    optional("all_sessions", "true to sign out in every browser."),
];

const END_SESSION: &[Query] = &[
    optional(
        "id_token_hint",
        "An identity token of who is to be signed out; without one the person is asked.",
    ),
    optional("client_id", "The application."),
    optional(
        "post_logout_redirect_uri",
        "Where to go; on the instance's list logoutRedirectUris.",
    ),
    optional("state", "Comes back unchanged."),
    optional("ui_locales", "Languages of the pages."),
];

/// The parameters of a request to sign out, in a form.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form for the API's own description")]
struct Logout {
    /// An identity token of who is to be signed out.
    id_token_hint: Option<String>,
    /// The application.
    client_id: Option<String>,
    /// Where to go.
    post_logout_redirect_uri: Option<String>,
    /// Comes back unchanged.
    state: Option<String>,
}

/// The sign-in form.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form for the API's own description")]
struct Form {
    /// What was asked for, sealed.
    context: String,
    /// Address or name.
    username: String,
    /// Password.
    password: String,
    /// `deny` to go back without signing in.
    decision: Option<String>,
}

/// The answer to the question whether a person agrees.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form for the API's own description")]
struct Decision {
    /// What was asked for, sealed.
    context: String,
    /// `allow` or `deny`.
    decision: String,
}

/// The parameters of an authorization request; those of the query, in a form.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form for the API's own description")]
struct Asked {
    /// The application.
    client_id: String,
    /// Where the answer goes; on the instance's list.
    redirect_uri: String,
    /// `code`.
    response_type: String,
}

/// Pages.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            "get",
            "/oauth/v4/{tenantId}/authorization",
            "authorization",
            || get(authorize),
        )
        .summary("Signs a person in for an application.")
        .query(AUTHORIZATION)
        .answers_text(200, "text/html"),
        Route::new(
            "post",
            "/oauth/v4/{tenantId}/authorization",
            "authorization_post",
            || post(authorize),
        )
        .summary("Signs a person in for an application; the parameters are a form.")
        .takes_as::<Asked>("application/x-www-form-urlencoded")
        .answers_text(200, "text/html"),
        Route::new(
            "post",
            "/oauth/v4/{tenantId}/cloud_directory/sign_in",
            "sign_in",
            || post(submit),
        )
        .summary("The sign-in form of a directory user.")
        .takes_as::<Form>("application/x-www-form-urlencoded")
        .answers_text(303, "text/plain"),
        Route::new("post", "/oauth/v4/{tenantId}/consent", "consent", || {
            post(consent)
        })
        .summary("What a person answers to the question whether they agree.")
        .takes_as::<Decision>("application/x-www-form-urlencoded")
        .answers_text(303, "text/plain"),
        Route::new(
            "get",
            "/oauth/v4/{tenantId}/cloud_directory/sso/logout",
            "sso_logout",
            || get(sign_out),
        )
        .summary("Signs a person out and goes back to the application.")
        .query(LOGOUT)
        .answers_text(302, "text/plain"),
        Route::new("get", "/oauth/v4/{tenantId}/logout", "end_session", || {
            get(log_out)
        })
        .summary("Signs a person out because an application asks for it.")
        .query(END_SESSION)
        .answers_text(302, "text/plain"),
        Route::new(
            "post",
            "/oauth/v4/{tenantId}/logout",
            "end_session_post",
            || post(log_out),
        )
        .summary("The same with a form, and the answer to the question whether to sign out.")
        .takes_as::<Logout>("application/x-www-form-urlencoded")
        .answers_text(303, "text/plain"),
        Route::new(
            "get",
            "/oauth/v4/{tenantId}/check_session",
            "check_session",
            || get(check_session),
        )
        .summary("The frame that tells pages of applications whether the session is another one.")
        .answers_text(200, "text/html"),
        Route::new(
            "get",
            "/oauth/v4/{tenantId}/logos/{clientId}",
            "logo",
            || get(logo),
        )
        .summary("The picture of an application, for pages.")
        .answers_text(200, "image/png"),
        Route::new("get", "/assets/page.css", "page_style", || get(style))
            .summary("The style of the pages.")
            .answers_text(200, "text/css"),
    ]
}

async fn authorize(State(app): State<App>, visitor: Visitor, sent: Sent) -> Response {
    let (tenant, parameters) = match sent.parameters {
        Ok(sent) => sent,
        Err(error) => return visitor.error(&app, &error),
    };
    let step = app.engine.authorize(tenant, &parameters, visitor.browser());
    visitor.show(&app, step.await)
}

async fn submit(State(app): State<App>, visitor: Visitor, sent: Sent) -> Response {
    let (tenant, form) = match sent.parameters {
        Ok(sent) => sent,
        Err(error) => return visitor.error(&app, &error),
    };
    let filled = FilledForm {
        tenant,
        form: &form,
        browser: visitor.browser(),
        from: sent.from,
    };
    let step = app.engine.submit(&filled).await;
    visitor.show(&app, step)
}

async fn consent(State(app): State<App>, visitor: Visitor, sent: Sent) -> Response {
    let (tenant, form) = match sent.parameters {
        Ok(sent) => sent,
        Err(error) => return visitor.error(&app, &error),
    };
    let filled = FilledForm {
        tenant,
        form: &form,
        browser: visitor.browser(),
        from: sent.from,
    };
    let step = app.engine.answer_consent(&filled).await;
    visitor.show(&app, step)
}

async fn sign_out(State(app): State<App>, visitor: Visitor, sent: Sent) -> Response {
    let signed_out = match sent.parameters {
        Ok((tenant, query)) => app.engine.sign_out(tenant, &query, visitor.browser()).await,
        Err(error) => Err(error),
    };
    match signed_out {
        Ok(uri) => visitor.leave(&app, &uri),
        Err(error) => visitor.error(&app, &error),
    }
}

async fn log_out(State(app): State<App>, visitor: Visitor, sent: Sent) -> Response {
    let step = match sent.parameters {
        Ok((tenant, asked)) => app.engine.log_out(tenant, &asked, visitor.browser()).await,
        Err(error) => Err(error),
    };
    visitor.show_logout(&app, step)
}

async fn check_session(
    State(app): State<App>,
    visitor: Visitor,
    At(tenant): At,
) -> Result<Response, OauthError> {
    app.engine.check_session(tenant).await?;
    Ok(visitor.watch(&app, tenant))
}

async fn logo(
    State(app): State<App>,
    At(tenant): At,
    Path((_, client)): Path<(String, String)>,
) -> Result<Response, OauthError> {
    let picture = app.engine.logo(tenant, &client).await?;
    let headers = [
        (header::CONTENT_TYPE, picture.media_type),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    Ok((headers, picture.bytes.to_vec()).into_response())
}

async fn style() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, STYLE)
}

/// What a browser sent to an instance: in the query of a `GET` or `HEAD`, in a form otherwise. What is wrong with it is shown on a page.
pub(super) struct Sent {
    pub(super) parameters: Result<(TenantId, Parameters), Error>,
    /// Where it came from.
    pub(super) from: IpAddr,
}

impl FromRequest<App> for Sent {
    type Rejection = Infallible;

    async fn from_request(request: Request, app: &App) -> Result<Self, Infallible> {
        let (mut parts, body) = request.into_parts();
        let from = client_address(&parts);
        let at = At::from_request_parts(&mut parts, app).await;
        let parameters = if matches!(parts.method, Method::GET | Method::HEAD) {
            let query = parts.uri.query().unwrap_or_default();
            Parameters::from_form(query.as_bytes()).map_err(Error::from)
        } else {
            read_form(Request::from_parts(parts, body), app).await
        };
        Ok(Self {
            parameters: match at {
                Ok(At(tenant)) => parameters.map(|parameters| (tenant, parameters)),
                Err(OauthError(error)) => Err(error),
            },
            from,
        })
    }
}

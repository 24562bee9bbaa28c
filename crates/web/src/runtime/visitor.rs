//! The person in front of a browser: which language they read, and which browser it is.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use minijinja::context;
use vestibule_engine::{
    Error,
    runtime::{
        ShownDetail,
        authorization::{Answer, ConsentForm, Problem, SignInForm, Step},
        logout::LogoutStep,
        presentation::Presentation,
        session::{Browser, SessionCookie},
    },
};
use vestibule_model::id::TenantId;
use vestibule_wire::authorization::ResponseMode;

use super::request::At;
use crate::{
    App,
    error::{error_page, status},
    pages::{Page, Pages, source},
};

/// A browser, told apart from others by a cookie.
pub(super) struct Visitor {
    /// What the cookie says, or will say.
    pub(super) browser: String,
    /// Whether the cookie is to be set.
    fresh: bool,
    /// The instance in the path.
    tenant: Option<TenantId>,
    /// What the cookie of a session at that instance says.
    session: Option<String>,
    language: Option<String>,
    accepted: Option<String>,
    /// Whether the request was a form: the answer to one is fetched with GET (RFC 9110 section 15.4.4).
    posted: bool,
    navigates: bool,
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let name = cookie_name(app);
        let known = cookies(&parts.headers)
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
            .filter(|value| value.len() == 22 && value.bytes().all(is_token));
        let asked = parts.uri.query().and_then(|query| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == "language" || name == "ui_locales")
                .map(|(_, value)| value.into_owned())
        });
        let tenant = At::from_request_parts(parts, app).await.ok();
        let tenant = tenant.map(|At(tenant)| tenant);
        let session = tenant.and_then(|tenant| {
            let name = session_cookie(app, tenant);
            cookies(&parts.headers)
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
                .filter(|value| value.len() == 43 && value.bytes().all(is_token))
        });
        Ok(Self {
            tenant,
            session,
            fresh: known.is_none(),
            browser: known.unwrap_or_else(|| app.engine.unguessable()),
            language: asked,
            accepted: parts
                .headers
                .get(header::ACCEPT_LANGUAGE)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            navigates: parts
                .headers
                .get("sec-fetch-dest")
                .is_none_or(|to| to == "document"),
            posted: parts.method == axum::http::Method::POST,
        })
    }
}

impl Visitor {
    /// What the engine is told of the browser.
    pub(super) fn browser(&self) -> Browser<'_> {
        Browser {
            id: &self.browser,
            session: self.session.as_deref(),
            navigates: self.navigates,
        }
    }

    /// Shows what comes next.
    pub(super) fn show(&self, app: &App, step: Result<Step, Error>) -> Response {
        match step {
            Ok(Step::Ask(form)) => self.form(app, &form, "cloud_directory/sign_in"),
            Ok(Step::Consent(form)) => self.consent(app, &form),
            Ok(Step::Answer(answer)) => {
                let mut response = match answer.mode {
                    ResponseMode::Query => self.redirect(app, &answer.location()),
                    ResponseMode::FormPost => self.post(app, &answer),
                    ResponseMode::WebMessage => self.message(app, &answer),
                };
                if let Some(cookie) = &answer.session {
                    self.keep(app, cookie, &mut response);
                }
                response
            }
            Err(error) => self.error(app, &error),
        }
    }

    /// Where signing out leads.
    pub(super) fn leave(&self, app: &App, uri: &str) -> Response {
        let mut response = self.redirect(app, uri);
        self.keep(app, &SessionCookie::Forget, &mut response);
        response
    }

    /// Shows what comes next when an application asked to sign out.
    pub(super) fn show_logout(&self, app: &App, step: Result<LogoutStep, Error>) -> Response {
        let (tenant, context, origin) = match step {
            Ok(LogoutStep::Left(Some(uri))) => return self.leave(app, &uri),
            Ok(LogoutStep::Left(None)) => (None, None, None),
            Ok(LogoutStep::Telling(to, frames)) => {
                return self.tell(app, to.as_deref(), &frames);
            }
            Ok(LogoutStep::Ask {
                tenant,
                context,
                origin,
            }) => (Some(tenant), Some(context), origin),
            Err(error) => return self.error(app, &error),
        };
        let action = tenant
            .map(|tenant| minijinja::Value::from_safe_string(format!("/oauth/v4/{tenant}/logout")));
        let mut response = app.pages.render(Page {
            template: "logout",
            status: StatusCode::OK,
            language: self.reads(None),
            content: context! { action, context },
            // Chromium also applies form-action to where the answer to the form leads.
            policy: &format!(
                "form-action 'self' {}; frame-ancestors 'none'",
                source(&origin.unwrap_or_default())
            ),
        });
        match tenant {
            Some(_) => self.remember(app, &mut response),
            None => self.keep(app, &SessionCookie::Forget, &mut response),
        }
        response
    }

    /// A page whose frames tell applications that the person signed out, and that goes on by itself after a moment.
    fn tell(&self, app: &App, to: Option<&str>, frames: &[String]) -> Response {
        let sources: Vec<String> = frames
            .iter()
            .filter_map(|frame| url::Url::parse(frame).ok())
            .map(|frame| frame.origin().ascii_serialization())
            .collect();
        let mut response = app.pages.render(Page {
            template: "logout",
            status: StatusCode::OK,
            language: self.reads(None),
            content: context! { to, frames => frames.to_vec() },
            policy: &format!(
                "frame-src {}; form-action 'none'; frame-ancestors 'none'",
                sources
                    .iter()
                    .map(|one| source(one))
                    .collect::<Vec<_>>()
                    .join(" ")
            ),
        });
        self.keep(app, &SessionCookie::Forget, &mut response);
        response
    }

    /// Sets or removes the session's cookies: what opens it, and what the frame that watches it reads. Frames of applications elsewhere
    /// ask silently, which browsers allow over https only.
    pub(super) fn keep(&self, app: &App, cookie: &SessionCookie, response: &mut Response) {
        let Some(tenant) = self.tenant else { return };
        let (secret, state, seconds) = match cookie {
            SessionCookie::Keep {
                secret,
                state,
                seconds,
            } => (secret.expose(), state.as_str(), *seconds),
            SessionCookie::Forget => ("", "", 0),
        };
        let site = if is_secure(app) {
            "SameSite=None; Secure"
        } else {
            "SameSite=Lax"
        };
        let held = session_cookie(app, tenant);
        let watched = state_cookie(app, tenant);
        for text in [
            format!("{held}={secret}; Path=/; HttpOnly; Max-Age={seconds}; {site}"),
            format!("{watched}={state}; Path=/; Max-Age={seconds}; {site}"),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                response.headers_mut().append(header::SET_COOKIE, value);
            }
        }
    }

    /// The frame that tells pages of applications whether the session is still the one they were told of.
    pub(super) fn watch(&self, app: &App, tenant: TenantId) -> Response {
        let nonce = app.engine.unguessable();
        app.pages.render(Page {
            template: "check-session",
            status: StatusCode::OK,
            language: self.reads(None),
            content: context! { cookie => state_cookie(app, tenant), nonce => nonce.as_str() },
            // Its answers go to who asks and say nothing to who has no answer of ours.
            policy: &format!("script-src 'nonce-{nonce}'; form-action 'none'; frame-ancestors *"),
        })
    }

    /// A form that the browser posts to the application by itself, and a button for where scripts are off.
    fn post(&self, app: &App, answer: &Answer) -> Response {
        let nonce = app.engine.unguessable();
        app.pages.render(Page {
            template: "post",
            status: StatusCode::OK,
            language: self.reads(None),
            content: context! {
                action => answer.redirect_uri.as_str(),
                members => &answer.members,
                nonce => nonce.as_str(),
            },
            policy: &format!(
                "script-src 'nonce-{nonce}'; form-action {}; frame-ancestors 'none'",
                source(&answer.origin())
            ),
        })
    }

    /// A page that says what is wrong.
    pub(super) fn error(&self, app: &App, error: &Error) -> Response {
        error_page(&app.pages, error, self.reads(None))
    }

    /// A redirect whose body is what App ID's iOS SDK reads: the URI, unescaped, and nothing after it (contract/runtime.md
    /// section 4.1).
    pub(super) fn redirect(&self, app: &App, uri: &str) -> Response {
        let status = if self.posted {
            StatusCode::SEE_OTHER
        } else {
            StatusCode::FOUND
        };
        match HeaderValue::from_str(uri) {
            Ok(location) => (
                status,
                [(header::LOCATION, location)],
                format!("Found. Redirecting to {uri}"),
            )
                .into_response(),
            Err(_) => self.error(app, &Error::invalid("The redirect URI is not ASCII.")),
        }
    }

    /// The sign-in form; what is filled in goes to this place of the instance.
    pub(super) fn form(&self, app: &App, form: &SignInForm, to: &str) -> Response {
        let mut response = app.pages.render(Page {
            template: "sign-in",
            status: form.problem.map_or(StatusCode::OK, status_of),
            language: self.reads(form.language.as_deref()),
            content: context! {
                action => minijinja::Value::from_safe_string(format!(
                    "/oauth/v4/{}/{to}",
                    form.tenant
                )),
                context => form.context.as_str(),
                application => form.application.as_str(),
                logo => logo_path(form.tenant, &form.presentation),
                policy_uri => form.presentation.policy_uri.as_deref(),
                tos_uri => form.presentation.tos_uri.as_deref(),
                by_email => form.by_email,
                login => form.login.as_str(),
                problem => form.problem.map(name_of),
            },
            policy: &form_policy(&form.origin, &form.presentation),
        });
        if form.problem == Some(Problem::TooOften) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        }
        self.remember(app, &mut response);
        response
    }

    fn consent(&self, app: &App, form: &ConsentForm) -> Response {
        let mut response = app.pages.render(Page {
            template: "consent",
            status: StatusCode::OK,
            language: self.reads(form.language.as_deref()),
            content: context! {
                action => minijinja::Value::from_safe_string(format!("/oauth/v4/{}/consent", form.tenant)),
                context => form.context.as_str(),
                application => form.application.as_str(),
                scopes => &form.scopes,
                third_party => form.third_party,
                resources => &form.resources,
                details => details_of(&form.details),
                host => form.host.as_str(),
                logo => logo_path(form.tenant, &form.presentation),
                policy_uri => form.presentation.policy_uri.as_deref(),
                tos_uri => form.presentation.tos_uri.as_deref(),
            },
            policy: &form_policy(&form.origin, &form.presentation),
        });
        self.remember(app, &mut response);
        if let Some(cookie) = &form.session {
            self.keep(app, cookie, &mut response);
        }
        response
    }

    /// Sets the cookie that tells this browser apart, if it has none.
    pub(super) fn remember(&self, app: &App, response: &mut Response) {
        if self.fresh {
            let secure = if is_secure(app) { "; Secure" } else { "" };
            let cookie = format!(
                "{}={}; Path=/; HttpOnly; SameSite=Lax{secure}",
                cookie_name(app),
                self.browser
            );
            if let Ok(value) = HeaderValue::from_str(&cookie) {
                response.headers_mut().append(header::SET_COOKIE, value);
            }
        }
    }

    fn message(&self, app: &App, answer: &Answer) -> Response {
        let nonce = app.engine.unguessable();
        let origin = answer.origin();
        let mut data = serde_json::Map::new();
        data.insert("type".into(), "authorization_response".into());
        for (name, value) in &answer.members {
            data.insert((*name).into(), value.as_str().into());
        }
        app.pages.render(Page {
            template: "message",
            status: StatusCode::OK,
            language: self.reads(None),
            content: context! {
                data => script_json(&data.into()),
                origin => script_json(&origin.as_str().into()),
                nonce => nonce.as_str(),
            },
            policy: &format!(
                "script-src 'nonce-{nonce}'; frame-ancestors {}",
                source(&origin)
            ),
        })
    }

    pub(super) fn reads(&self, asked: Option<&str>) -> &'static str {
        Pages::language(asked.or(self.language.as_deref()), self.accepted.as_deref())
    }
}

/// Authorization details for a template.
pub(super) fn details_of(details: &[ShownDetail]) -> Vec<minijinja::Value> {
    let shown = details
        .iter()
        .map(|one| context! { title => one.title.as_str(), lines => &one.lines });
    shown.collect()
}

/// Where a page finds the application's picture: with this service, never elsewhere.
fn logo_path(tenant: TenantId, shown: &Presentation) -> Option<minijinja::Value> {
    let client = shown.logo?;
    let path = format!("/oauth/v4/{tenant}/logos/{client}");
    Some(minijinja::Value::from_safe_string(path))
}

/// The policy of a page with a form whose answer leads to `origin`: Chromium applies form-action to that as well.
fn form_policy(origin: &str, shown: &Presentation) -> String {
    let pictures = shown.logo.map_or("", |_| "img-src 'self'; ");
    let origin = source(origin);
    format!("{pictures}form-action 'self' {origin}; frame-ancestors 'none'")
}

/// JSON that is also a JavaScript expression and ends no script element.
fn script_json(value: &serde_json::Value) -> minijinja::Value {
    let text = value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    minijinja::Value::from_safe_string(text)
}

fn status_of(problem: Problem) -> StatusCode {
    use vestibule_engine::Kind;
    match problem {
        Problem::Stale => StatusCode::OK,
        Problem::Incomplete | Problem::Wrong => StatusCode::BAD_REQUEST,
        Problem::Disabled | Problem::Locked | Problem::Unverified => StatusCode::FORBIDDEN,
        Problem::TooOften => status(Kind::Throttled(60)),
        Problem::Busy => status(Kind::Unavailable(1)),
    }
}

fn name_of(problem: Problem) -> &'static str {
    match problem {
        Problem::Incomplete => "incomplete",
        Problem::Wrong => "wrong",
        Problem::TooOften => "too_often",
        Problem::Disabled => "disabled",
        Problem::Locked => "locked",
        Problem::Unverified => "unverified",
        Problem::Busy => "busy",
        Problem::Stale => "stale",
    }
}

/// Browsers send a `__Host-` cookie only where it was set: no neighbouring host can plant one.
fn cookie_name(app: &App) -> &'static str {
    if is_secure(app) {
        "__Host-vestibule-browser"
    } else {
        "vestibule-browser"
    }
}

/// A session is one instance's alone.
fn session_cookie(app: &App, tenant: TenantId) -> String {
    let prefix = if is_secure(app) { "__Host-" } else { "" };
    format!("{prefix}vestibule-session-{tenant}")
}

/// What scripts of the frame read, and what opens nothing.
fn state_cookie(app: &App, tenant: TenantId) -> String {
    let prefix = if is_secure(app) { "__Host-" } else { "" };
    format!("{prefix}vestibule-state-{tenant}")
}

fn is_secure(app: &App) -> bool {
    app.engine.settings().public_url.starts_with("https://")
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_a_form_names_one_place_at_most() {
        let shown = Presentation::default();
        assert_eq!(
            form_policy("https://a.example", &shown),
            "form-action 'self' https://a.example; frame-ancestors 'none'"
        );
        assert_eq!(
            form_policy("https://a.example;sandbox", &shown),
            "form-action 'self' ; frame-ancestors 'none'"
        );
    }
}

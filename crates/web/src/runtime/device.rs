//! The pages on which people let devices in (RFC 8628 section 3.3).

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::{get, post},
};
use minijinja::context;
use schemars::JsonSchema;
use vestibule_engine::{
    Error,
    runtime::{
        authorization::FilledForm,
        device::{CodeForm, CodeProblem, DeviceEnd, DeviceForm, DeviceStep},
    },
};

use super::{
    sign_in::Sent,
    visitor::{Visitor, details_of},
};
use crate::{
    App,
    pages::Page,
    route::{Query, Route, optional},
};

const FORM: &str = "application/x-www-form-urlencoded";
/// No page of these leads elsewhere, and none may stand in a frame.
const POLICY: &str = "form-action 'self'; frame-ancestors 'none'";

const CODE: &[Query] = &[
    optional("user_code", "Filled into the form."),
    optional("ui_locales", "Languages of the page."),
];

/// The code that a device shows.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form for the API's own description")]
struct Code {
    /// Eight letters; case, spaces and dashes do not matter.
    user_code: String,
}

/// The sign-in form.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form for the API's own description")]
struct Credentials {
    /// What is under way, sealed.
    context: String,
    /// Address or name.
    username: String,
    /// Password.
    password: String,
}

/// The answer to the question whether a person lets a device in.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form for the API's own description")]
struct Decision {
    /// What is under way, sealed.
    context: String,
    /// `allow` or `deny`.
    decision: String,
}

/// Pages.
pub(super) fn routes() -> Vec<Route> {
    const PAGE: &str = "/oauth/v4/{tenantId}/device";
    const SIGN_IN: &str = "/oauth/v4/{tenantId}/device/sign_in";
    const DECISION: &str = "/oauth/v4/{tenantId}/device/decision";
    vec![
        Route::new("get", PAGE, "device", || get(show))
            .summary("The page on which people enter the code of a device.")
            .query(CODE)
            .answers_text(200, "text/html"),
        Route::new("post", PAGE, "device_code", || post(enter))
            .summary("The code that a person entered.")
            .takes_as::<Code>(FORM)
            .answers_text(200, "text/html"),
        Route::new("post", SIGN_IN, "device_sign_in", || post(sign_in))
            .summary("The sign-in form of a person who entered a code.")
            .takes_as::<Credentials>(FORM)
            .answers_text(200, "text/html"),
        Route::new("post", DECISION, "device_decision", || post(decide))
            .summary("What a person answers to the question whether they let the device in.")
            .takes_as::<Decision>(FORM)
            .answers_text(200, "text/html"),
    ]
}

async fn show(State(app): State<App>, visitor: Visitor, sent: Sent) -> Response {
    let step = match sent.parameters {
        Ok((tenant, query)) => app.engine.device_page(tenant, &query).await,
        Err(error) => Err(error),
    };
    visitor.show_device(&app, step)
}

async fn enter(State(app): State<App>, visitor: Visitor, sent: Sent) -> Response {
    let step = match filled(&visitor, &sent) {
        Ok(form) => app.engine.enter_device_code(&form).await,
        Err(error) => return visitor.error(&app, error),
    };
    visitor.show_device(&app, step)
}

async fn sign_in(State(app): State<App>, visitor: Visitor, sent: Sent) -> Response {
    let step = match filled(&visitor, &sent) {
        Ok(form) => app.engine.sign_in_for_device(&form).await,
        Err(error) => return visitor.error(&app, error),
    };
    visitor.show_device(&app, step)
}

async fn decide(State(app): State<App>, visitor: Visitor, sent: Sent) -> Response {
    let step = match filled(&visitor, &sent) {
        Ok(form) => app.engine.answer_device(&form).await,
        Err(error) => return visitor.error(&app, error),
    };
    visitor.show_device(&app, step)
}

fn filled<'a>(visitor: &'a Visitor, sent: &'a Sent) -> Result<FilledForm<'a>, &'a Error> {
    let (tenant, form) = sent.parameters.as_ref()?;
    Ok(FilledForm {
        tenant: *tenant,
        form,
        browser: visitor.browser(),
        from: sent.from,
    })
}

impl Visitor {
    /// Shows what comes next.
    fn show_device(&self, app: &App, step: Result<DeviceStep, Error>) -> Response {
        match step {
            Ok(DeviceStep::Enter(form)) => self.code_form(app, &form),
            Ok(DeviceStep::SignIn(form)) => self.form(app, &form, "device/sign_in"),
            Ok(DeviceStep::Decide(form)) => self.device_form(app, &form),
            Ok(DeviceStep::Finished(end)) => self.device_end(app, &end),
            Err(error) => self.error(app, &error),
        }
    }

    fn code_form(&self, app: &App, form: &CodeForm) -> Response {
        let (status, problem) = match form.problem {
            None => (StatusCode::OK, None),
            Some(CodeProblem::Unknown) => (StatusCode::BAD_REQUEST, Some("device_unknown")),
            Some(CodeProblem::TooOften) => (StatusCode::TOO_MANY_REQUESTS, Some("too_often")),
        };
        let mut response = app.pages.render(Page {
            template: "device-code",
            status,
            language: self.reads(None),
            content: context! {
                action => place(form.tenant, "device"),
                code => form.code.as_str(),
                problem,
            },
            policy: POLICY,
        });
        if form.problem == Some(CodeProblem::TooOften) {
            let minute = HeaderValue::from_static("60");
            response.headers_mut().insert(header::RETRY_AFTER, minute);
        }
        self.remember(app, &mut response);
        response
    }

    fn device_form(&self, app: &App, form: &DeviceForm) -> Response {
        let mut response = app.pages.render(Page {
            template: "device",
            status: StatusCode::OK,
            language: self.reads(None),
            content: context! {
                action => place(form.tenant, "device/decision"),
                context => form.context.as_str(),
                application => form.application.as_str(),
                third_party => form.third_party,
                scopes => &form.scopes,
                resources => &form.resources,
                details => details_of(&form.details),
                code => form.code.as_str(),
                policy_uri => form.policy_uri.as_deref(),
                tos_uri => form.tos_uri.as_deref(),
            },
            policy: POLICY,
        });
        self.remember(app, &mut response);
        if let Some(cookie) = &form.session {
            self.keep(app, cookie, &mut response);
        }
        response
    }

    fn device_end(&self, app: &App, end: &DeviceEnd) -> Response {
        let mut response = app.pages.render(Page {
            template: "device-end",
            status: StatusCode::OK,
            language: self.reads(None),
            content: context! { allowed => end.allowed },
            policy: POLICY,
        });
        if let Some(cookie) = &end.session {
            self.keep(app, cookie, &mut response);
        }
        response
    }
}

/// A place of an instance, whose slashes stay as they are.
fn place(tenant: vestibule_model::id::TenantId, path: &str) -> minijinja::Value {
    minijinja::Value::from_safe_string(format!("/oauth/v4/{tenant}/{path}"))
}

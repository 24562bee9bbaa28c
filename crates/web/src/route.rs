//! The one table of routes.

use axum::{
    extract::Request,
    http::Uri,
    middleware::{self, Next},
    response::IntoResponse,
    routing::MethodRouter,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use vestibule_model::{Invalid, privilege::ServiceRole};

use crate::{App, error::ManagementError, management, operations, platform, runtime};

/// Every route the service answers, fallbacks and static console files aside.
pub fn all() -> Vec<Route> {
    let mut routes = operations::routes();
    routes.extend(platform::routes());
    routes.extend(management::routes());
    routes.extend(runtime::routes());
    routes
}

/// One method on one path.
pub struct Route {
    /// `get`, `post`, `put`, `patch` or `delete`.
    pub method: &'static str,
    /// Path with `{parameters}`; the same text serves axum and OpenAPI.
    pub path: &'static str,
    /// OpenAPI `operationId`.
    pub operation: &'static str,
    /// Who may call it.
    pub guard: Guard,
    /// One line for the documentation.
    pub summary: &'static str,
    /// Query parameters.
    pub query: &'static [Query],
    /// Whether a parameter that is not among them is refused: one that is misspelt is never taken for one that was left out.
    pub strict: bool,
    /// Request body: content type and schema.
    pub request: Option<Body>,
    /// Success status.
    pub status: u16,
    /// Success body.
    pub response: Option<Body>,
    /// The handler, already bound to the method.
    pub handler: fn() -> MethodRouter<App>,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Everybody.
    Open,
    /// A client that authenticates itself (RFC 6749 section 2.3).
    Client,
    /// The bearer of an access token of the instance.
    AccessToken,
    /// The bearer of the token with which a client manages its registration (RFC 7592).
    Registration,
    /// The bearer of a platform token; the platform decides by policy.
    Platform,
    /// The bearer of a platform token with this service role at the instance in the path.
    Role(ServiceRole),
}

/// A query parameter.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// Name.
    pub name: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// What it is.
    pub description: &'static str,
}

/// A body's content type and schema.
#[derive(Clone, Copy)]
pub struct Body {
    /// Media type.
    pub content_type: &'static str,
    /// The schema.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Route {
    /// A route that answers 200 and is open to everybody until said otherwise.
    pub fn new(
        method: &'static str,
        path: &'static str,
        operation: &'static str,
        handler: fn() -> MethodRouter<App>,
    ) -> Self {
        Self {
            method,
            path,
            operation,
            guard: Guard::Open,
            summary: "",
            query: &[],
            strict: false,
            request: None,
            status: 200,
            response: None,
            handler,
        }
    }

    /// Sets who may call it.
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Sets the line for the documentation.
    pub fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// Sets the query parameters.
    pub fn query(mut self, query: &'static [Query]) -> Self {
        self.query = query;
        self
    }

    /// Refuses query parameters that it does not know. Calls of App ID ignore them, as App ID does; ours do not.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Its handler, as the router takes it.
    pub(crate) fn service(&self) -> MethodRouter<App> {
        let method = (self.handler)();
        if !self.strict {
            return method;
        }
        let known = self.query;
        method.route_layer(middleware::from_fn(
            move |request: Request, next: Next| async move {
                match unknown(known, request.uri()) {
                    Some(invalid) => ManagementError::from(invalid).into_response(),
                    None => next.run(request).await,
                }
            },
        ))
    }

    /// Takes a JSON body.
    pub fn takes<T: JsonSchema>(self) -> Self {
        self.takes_as::<T>("application/json")
    }

    /// Takes a body of another media type.
    pub fn takes_as<T: JsonSchema>(mut self, content_type: &'static str) -> Self {
        self.request = Some(Body {
            content_type,
            schema: |generator| generator.subschema_for::<T>(),
        });
        self
    }

    /// Answers a JSON body with this status.
    pub fn answers<T: JsonSchema>(mut self, status: u16) -> Self {
        self.status = status;
        self.response = Some(Body {
            content_type: "application/json",
            schema: |generator| generator.subschema_for::<T>(),
        });
        self
    }

    /// Answers an empty body with this status.
    pub fn answers_nothing(mut self, status: u16) -> Self {
        self.status = status;
        self.response = None;
        self
    }

    /// Answers text of this media type with this status.
    pub fn answers_text(mut self, status: u16, content_type: &'static str) -> Self {
        self.status = status;
        self.response = Some(Body {
            content_type,
            schema: |generator| generator.subschema_for::<String>(),
        });
        self
    }
}

/// What is wrong with the first parameter that a call does not know.
fn unknown(known: &[Query], uri: &Uri) -> Option<Invalid> {
    let query = uri.query().unwrap_or_default();
    let (name, _) = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| !known.iter().any(|query| query.name == name))?;
    let shown: String = name.chars().take(60).collect();
    let names: Vec<&str> = known.iter().map(|query| query.name).collect();
    let reason = match names.as_slice() {
        [] => String::from("is no parameter of this call, which has none"),
        names => format!(
            "is no parameter of this call, which has {}",
            names.join(", ")
        ),
    };
    Some(Invalid::new(shown, reason))
}

/// An optional query parameter.
pub const fn optional(name: &'static str, description: &'static str) -> Query {
    Query {
        name,
        required: false,
        description,
    }
}

/// A required query parameter.
pub const fn required(name: &'static str, description: &'static str) -> Query {
    Query {
        name,
        required: true,
        description,
    }
}

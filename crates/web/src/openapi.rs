//! The OpenAPI document, made from the table of routes.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::route::{self, Guard, Route};

/// The document (OpenAPI 3.1). The same program always makes the same text.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in route::all() {
        let operation = operation(&route, &mut generator);
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.into(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vestibule",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "platform": {"type": "http", "scheme": "bearer", "description": "Token of POST /identity/token."},
                "client": {"type": "http", "scheme": "basic", "description": "clientId and secret of an application."},
                "access": {"type": "http", "scheme": "bearer", "description": "Access token of the instance."},
                "registration": {"type": "http", "scheme": "bearer", "description": "Registration access token of a client."},
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let name = name.trim_start_matches('*');
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
        })
        .collect();
    parameters.extend(route.query.iter().map(|query| {
        json!({
            "name": query.name,
            "in": "query",
            "required": query.required,
            "description": query.description,
            "schema": {"type": "string"},
        })
    }));
    let mut success = json!({"description": "Success."});
    if let (Some(body), Some(success)) = (route.response, success.as_object_mut()) {
        success.insert(
            "content".into(),
            json!({body.content_type: {"schema": (body.schema)(generator)}}),
        );
    }
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "parameters": parameters,
        "responses": {route.status.to_string(): success},
        "security": security(route.guard),
    });
    if let (Some(body), Some(operation)) = (route.request, operation.as_object_mut()) {
        operation.insert(
            "requestBody".into(),
            json!({"required": true, "content": {body.content_type: {"schema": (body.schema)(generator)}}}),
        );
    }
    if let (Guard::Role(role), Some(operation)) = (route.guard, operation.as_object_mut()) {
        operation.insert("x-min-role".into(), role.name().into());
    }
    operation
}

fn security(guard: Guard) -> Value {
    match guard {
        Guard::Open => json!([]),
        Guard::Client => json!([{"client": []}]),
        Guard::AccessToken => json!([{"access": []}]),
        Guard::Registration => json!([{"registration": []}]),
        Guard::Platform | Guard::Role(_) => json!([{"platform": []}]),
    }
}

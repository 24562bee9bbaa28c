//! Every guarded route is tried as nobody, with a token that is none, as somebody of another instance, and with too small a role
//! (ARCHITECTURE.md, invariant 11). The list is the table of routes itself: a route that is added is tried too.

use serde_json::json;
use vestibule_model::privilege::ServiceRole;
use vestibule_testkit::{TestServer, on_each_engine};
use vestibule_web::route::{self, Guard, Route};

/// The path with its parameters filled in: the instance, and ids that name nothing.
fn path(route: &Route, guid: &str) -> String {
    route
        .path
        .split('/')
        .map(|segment| match segment {
            "{tenantId}" => guid,
            segment if segment.starts_with('{') => "5c5d7b0e-6a3f-4a55-9d0c-0f4a8f0f1e11",
            segment => segment,
        })
        .collect::<Vec<_>>()
        .join("/")
}

async fn status(server: &TestServer, route: &Route, guid: &str, token: Option<&str>) -> u16 {
    let mut request = server
        .request(route.method, &path(route, guid))
        .json(&json!({}));
    if let Some(token) = token {
        request = request.bearer(token);
    }
    request.send().await.status.as_u16()
}

on_each_engine! {
    async fn nobody_gets_401(server) {
        let guid = server.create_instance("one").await;
        for route in route::all() {
            if route.guard == Guard::Open {
                continue;
            }
            let nobody = status(&server, &route, &guid, None).await;
            assert_eq!(nobody, 401, "{} {} as nobody", route.method, route.path);
            if route.guard != Guard::Client {
                let junk = status(&server, &route, &guid, Some("not.a.token")).await;
                assert_eq!(junk, 401, "{} {} with junk", route.method, route.path);
            }
        }
    }

    async fn managers_of_another_instance_get_404(server) {
        let (mine, other) = (server.create_instance("mine").await, server.create_instance("other").await);
        let token = server.token_with_role(&mine, ServiceRole::Manager).await;
        let nowhere = "7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6";
        for route in route::all() {
            if matches!(route.guard, Guard::Role(_)) {
                for guid in [other.as_str(), nowhere, "not-a-uuid"] {
                    let got = status(&server, &route, guid, Some(&token)).await;
                    assert_eq!(got, 404, "{} {} at {guid}", route.method, route.path);
                }
            }
        }
    }

    async fn too_small_a_role_gets_403(server) {
        let guid = server.create_instance("one").await;
        let reader = server.token_with_role(&guid, ServiceRole::Reader).await;
        let writer = server.token_with_role(&guid, ServiceRole::Writer).await;
        for route in route::all() {
            let Guard::Role(least) = route.guard else { continue };
            for (role, token) in [(ServiceRole::Reader, &reader), (ServiceRole::Writer, &writer)] {
                let got = status(&server, &route, &guid, Some(token)).await;
                let allowed = role >= least;
                assert_eq!(got != 403, allowed, "{} {} as {}: {got}", route.method, route.path, role.name());
                assert!(!allowed || got != 401, "{} {} as {}: {got}", route.method, route.path, role.name());
            }
        }
    }

    async fn platform_routes_want_a_platform_role(server) {
        let guid = server.create_instance("one").await;
        let token = server.token_with_role(&guid, ServiceRole::Reader).await;
        for (method, path, expected) in [
            ("post", "/v2/resource_instances", 403),
            ("post", "/v1/policies", 403),
            ("post", "/v2/policies", 403),
            ("get", "/v1/policies", 403),
            ("get", "/v1/apikeys?scope=account", 403),
            ("post", "/v1/serviceids", 403),
            ("get", "/v2/resource_keys", 403),
            ("get", "/v1/outbox", 403),
            ("get", "/v1/outbox/20261123T205800000Z-000000-0000000000000000", 403),
        ] {
            let body = json!({
                "name": "x", "type": "access", "description": "",
                "subjects": [{"attributes": [{"name": "iam_id", "value": "iam-ServiceId-x"}]}],
                "resources": [{"attributes": []}],
                "roles": [{"role_id": "crn:v1:bluemix:public:iam::::role:Viewer"}],
                "subject": {"attributes": [{"key": "iam_id", "operator": "stringEquals", "value": "iam-ServiceId-x"}]},
                "resource": {"attributes": []},
                "control": {"grant": {"roles": [{"role_id": "crn:v1:bluemix:public:iam::::role:Viewer"}]}},
            });
            let got = server.request(method, path).bearer(&token).json(&body).send().await;
            assert_eq!(got.status.as_u16(), expected, "{method} {path}: {}", got.text());
        }
        let seen = server.get("/v2/resource_instances").bearer(&token).send().await.expect(200).json();
        assert_eq!(seen["rows_count"], 1, "it sees its own instance only: {seen}");
    }

    async fn revoked_credentials_die_at_once(server) {
        let guid = server.create_instance("one").await;
        let admin = server.admin_token().await;
        let made = server
            .post("/v2/resource_keys")
            .bearer(&admin)
            .json(&json!({"name": "k", "source": guid, "role": "Reader"}))
            .send()
            .await
            .expect(201)
            .json();
        let key = made["credentials"]["apikey"].as_str().unwrap().to_owned();
        let token = server.token_for(&key).await;
        let applications = format!("/management/v4/{guid}/applications");
        server.get(&applications).bearer(&token).send().await.expect(200);
        let id = made["guid"].as_str().unwrap();
        server.delete(&format!("/v2/resource_keys/{id}")).bearer(&admin).send().await.expect(204);
        server.get(&applications).bearer(&token).send().await.expect(401);
        server
            .post("/identity/token")
            .form(&[("grant_type", "urn:ibm:params:oauth:grant-type:apikey"), ("apikey", &key)])
            .send()
            .await
            .expect(400);
    }
}

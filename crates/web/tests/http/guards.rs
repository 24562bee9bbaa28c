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

    async fn platform_routes_are_closed_to_strangers_and_lookers_on(server) {
        let (guid, deleted) = (server.create_instance("one").await, server.create_instance("deleted").await);
        let admin = server.admin_token().await;
        let shown = server.get(&format!("/v2/resource_instances/{guid}")).bearer(&admin).send().await.expect(200).json();
        let (account, me) = (shown["account_id"].clone(), shown["created_by"].clone());
        // Takes whatever a route of the platform may ask for, and would change something everywhere.
        let attributes = json!([{"name": "accountId", "value": account}, {"name": "serviceName", "value": "appid"}]);
        let subject = |id: &serde_json::Value| json!([{"name": "iam_id", "key": "iam_id", "operator": "stringEquals", "value": id}]);
        let roles = |role: &str| json!([{"role_id": format!("crn:v1:bluemix:public:iam::::role:{role}")}]);
        let body = |id: &serde_json::Value, role: &str| json!({
            "name": "taken", "description": "taken", "account_id": account, "iam_id": id, "source": guid, "role": "Reader",
            "state": "active", "type": "access", "subjects": [{"attributes": subject(id)}], "roles": roles(role),
            "resources": [{"attributes": attributes}], "subject": {"attributes": subject(id)}, "control": {"grant": {"roles": roles(role)}},
            "resource": {"attributes": [{"key": "serviceName", "operator": "stringEquals", "value": "appid"}]},
        });
        let make = async |path: &str, body: serde_json::Value| {
            server.post(path).bearer(&admin).json(&body).send().await.expect(201).json()
        };
        let somebody = async |name: &str| {
            let made = make("/v1/serviceids", json!({"name": name, "account_id": account, "apikey": {"name": name}})).await;
            let token = server.token_for(made["apikey"]["apikey"].as_str().unwrap()).await;
            (made["iam_id"].clone(), token)
        };
        let ((_, stranger), (viewer_id, viewer)) = (somebody("stranger").await, somebody("viewer").await);
        make("/v1/policies", body(&viewer_id, "Viewer")).await;
        server.delete(&format!("/v2/resource_instances/{deleted}")).bearer(&admin).send().await.expect(204);
        let waiting = server.get("/v1/reclamations").bearer(&admin).send().await.expect(200).json();
        let ids = [
            ("/v2/resource_instances", shown["guid"].clone()),
            ("/v2/resource_keys", make("/v2/resource_keys", body(&me, "Viewer")).await["guid"].clone()),
            ("/v1/apikeys", make("/v1/apikeys", body(&me, "Viewer")).await["id"].clone()),
            ("/v1/serviceids", make("/v1/serviceids", body(&me, "Viewer")).await["id"].clone()),
            ("/v1/policies", make("/v1/policies", body(&me, "Viewer")).await["id"].clone()),
            ("/v2/policies", make("/v2/policies", body(&me, "Operator")).await["id"].clone()),
            ("/v1/reclamations", waiting["resources"][0]["id"].clone()),
        ];
        let everything = async || {
            let mut seen = Vec::new();
            for (path, id) in &ids {
                if *path != "/v1/reclamations" {
                    let path = format!("{path}/{}", id.as_str().unwrap());
                    seen.push(server.get(&path).bearer(&admin).send().await.expect(200).json());
                }
            }
            seen.push(server.get("/v1/reclamations").bearer(&admin).send().await.expect(200).json());
            seen
        };
        let before = everything().await;
        let mut tried = 0;
        for route in route::all() {
            let Some((_, id)) = ids.iter().find(|(prefix, _)| route.path.starts_with(prefix)) else { continue };
            let object = route.path.contains("{id}");
            let path = route.path.replace("{id}", id.as_str().unwrap()).replace("{action}", "reclaim");
            for (token, who) in [(&stranger, "stranger"), (&viewer, "viewer")] {
                // Lists show what one may see, and a Viewer may look at what there is.
                if route.method == "get" && (!object || who == "viewer") {
                    continue;
                }
                let request = server.request(route.method, &path).bearer(token).header("if-match", "*");
                let got = request.json(&body(&me, "Administrator")).send().await;
                let refused = matches!(got.status.as_u16(), 403 | 404);
                assert!(refused, "{} {path} as {who}: {} {}", route.method, got.status, got.text());
                tried += 1;
            }
        }
        assert!(tried >= 50, "only {tried} calls were tried");
        assert_eq!(everything().await, before, "nothing changed");
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

//! `applications` and what lies below them.

use serde_json::{Value, json};
use vestibule_testkit::{TestResponse, on_each_engine};

use crate::instance::{Instance, refused};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

async fn client_credentials(at: &Instance<'_>, id: &str, secret: &str) -> TestResponse {
    at.server
        .post(&format!("/oauth/v4/{}/token", at.guid))
        .basic(id, secret)
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
}

on_each_engine! {
    async fn credentials_are_app_ids(server) {
        let at = Instance::new(&server, "one").await;
        assert_eq!(at.get("applications").await, json!({"applications": []}));
        let made = at.post("applications", json!({"name": "Shop"})).await.expect(200).json();
        let id = made["clientId"].as_str().unwrap();
        let base = format!("http://vestibule.test/oauth/v4/{}", at.guid);
        assert_eq!(made["tenantId"], at.guid.as_str());
        assert_eq!(made["name"], "Shop");
        assert_eq!(made["type"], "regularwebapp");
        assert_eq!(made["oAuthServerUrl"], base);
        assert_eq!(made["profilesUrl"], "http://vestibule.test");
        assert_eq!(made["discoveryEndpoint"], format!("{base}/.well-known/openid-configuration"));
        assert_eq!(made["secret"].as_str().unwrap().len(), 48);
        assert_eq!(made.as_object().unwrap().len(), 8);

        assert_eq!(at.get(&format!("applications/{id}")).await, made);
        assert_eq!(at.get("applications/").await, json!({"applications": [made]}));
    }

    async fn a_browser_app_has_no_secret(server) {
        let at = Instance::new(&server, "one").await;
        let made = at
            .post("applications", json!({"name": "Page", "type": "singlepageapp"}))
            .await
            .expect(200)
            .json();
        assert_eq!(made["type"], "singlepageapp");
        assert_eq!(made.get("secret"), None);
        let path = format!("applications/{}/rotate_secret", made["clientId"].as_str().unwrap());
        refused(at.post(&path, json!({})).await, 400, "INVALID_REQUEST");
    }

    async fn lists_in_order_of_creation(server) {
        let at = Instance::new(&server, "one").await;
        for name in ["c", "a", "b", "a"] {
            at.application(name, &[]).await;
            server.clock.advance_seconds(1);
        }
        let all = at.get("applications").await;
        let names: Vec<&Value> = all["applications"].as_array().unwrap().iter().map(|a| &a["name"]).collect();
        assert_eq!(names, ["c", "a", "b", "a"]);
    }

    async fn bad_names_and_types_are_refused(server) {
        let at = Instance::new(&server, "one").await;
        for body in [
            json!({}),
            json!({"name": ""}),
            json!({"name": "  "}),
            json!({"name": 5}),
            json!({"name": "x".repeat(51)}),
            json!({"name": "a\u{0}b"}),
            json!({"name": "ok", "type": "mobileapp"}),
            json!([]),
        ] {
            refused(at.post("applications", body).await, 400, "INVALID_REQUEST");
        }
        let broken = at.request("post", "applications").body("{\"name\": ").send().await;
        refused(broken, 400, "INVALID_REQUEST");
        let empty = at.request("post", "applications").send().await;
        refused(empty, 400, "INVALID_REQUEST");
        assert_eq!(at.get("applications").await, json!({"applications": []}));
        at.post("applications", json!({"name": "ü".repeat(50), "unknown": 1})).await.expect(200);
    }

    async fn renaming_answers_201_and_keeps_the_rest(server) {
        let at = Instance::new(&server, "one").await;
        let id = at.application("Old", &["read"]).await;
        let path = format!("applications/{id}");
        let mut before = at.get(&path).await;
        let after = at.put(&path, json!({"name": "New", "type": "singlepageapp"})).await.expect(201).json();
        before["name"] = json!("New");
        assert_eq!(after, before);
        assert_eq!(at.get(&path).await, before);
        refused(at.put(&path, json!({"name": ""})).await, 400, "INVALID_REQUEST");
        assert_eq!(at.get(&path).await, before);
    }

    async fn rotation_makes_another_secret(server) {
        let at = Instance::new(&server, "one").await;
        let id = at.application("Shop", &["read"]).await;
        let before = at.get(&format!("applications/{id}")).await;
        let after = at.post(&format!("applications/{id}/rotate_secret"), json!({})).await.expect(200).json();
        assert_ne!(after["secret"], before["secret"]);
        assert_eq!(after["secret"].as_str().unwrap().len(), 48);
        assert_eq!(after["clientId"], before["clientId"]);
        assert_eq!(at.get(&format!("applications/{id}")).await, after);
    }

    async fn the_old_secret_is_refused_at_once(server) {
        let at = Instance::new(&server, "one").await;
        let id = at.application("Shop", &[]).await;
        let path = format!("applications/{id}");
        let old = at.get(&path).await["secret"].as_str().unwrap().to_owned();
        client_credentials(&at, &id, &old).await.expect(200);
        let rotated = at.post(&format!("{path}/rotate_secret"), json!({})).await.expect(200).json();
        client_credentials(&at, &id, &old).await.expect(401);
        client_credentials(&at, &id, rotated["secret"].as_str().unwrap()).await.expect(200);
    }

    async fn tokens_of_a_deleted_application_die(server) {
        let at = Instance::new(&server, "one").await;
        let id = at.application("Shop", &[]).await;
        let witness = at.application("Witness", &[]).await;
        let secret = at.get(&format!("applications/{id}")).await["secret"].as_str().unwrap().to_owned();
        let witness_secret = at.get(&format!("applications/{witness}")).await["secret"].as_str().unwrap().to_owned();
        let answer = client_credentials(&at, &id, &secret).await.expect(200).json();
        let token = answer["access_token"].as_str().unwrap();
        let path = format!("/oauth/v4/{}/introspect", at.guid);
        for active in [true, false] {
            let answer = server
                .post(&path)
                .basic(&witness, &witness_secret)
                .form(&[("token", token)])
                .send()
                .await
                .expect(200)
                .json();
            assert_eq!(answer["active"], active);
            at.delete(&format!("applications/{id}")).await;
        }
        client_credentials(&at, &id, &secret).await.expect(401);
    }

    async fn deleting_takes_it_out_of_roles(server) {
        let at = Instance::new(&server, "one").await;
        let id = at.application("Shop", &["read"]).await;
        let role = at.role("reader", json!([{"application_id": id, "scopes": ["read"]}])).await;
        let gone = at.delete(&format!("applications/{id}")).await.expect(204);
        assert!(gone.body.is_empty());
        assert_eq!(at.get("applications").await, json!({"applications": []}));
        assert_eq!(at.get(&format!("roles/{role}")).await["access"], json!([]));
        refused(at.delete(&format!("applications/{id}")).await, 404, "NOT_FOUND");
    }

    async fn scopes_keep_their_order_and_leave_roles_when_dropped(server) {
        let at = Instance::new(&server, "one").await;
        let id = at.application("Shop", &[]).await;
        let path = format!("applications/{id}/scopes");
        assert_eq!(at.get(&path).await, json!({"scopes": []}));
        let set = at.put(&path, json!({"scopes": ["z.read", "a_1", "m", "a_1"]})).await.expect(200).json();
        assert_eq!(set, json!({"scopes": ["z.read", "a_1", "m"]}));
        assert_eq!(at.get(&path).await, set);
        let role = at.role("r", json!([{"application_id": id, "scopes": ["m", "a_1"]}])).await;
        at.put(&path, json!({"scopes": ["m", "new", "z.read"]})).await.expect(200);
        assert_eq!(at.get(&path).await, json!({"scopes": ["m", "new", "z.read"]}));
        assert_eq!(
            at.get(&format!("roles/{role}")).await["access"],
            json!([{"application_id": id, "scopes": ["m"]}])
        );
        at.put(&path, json!({})).await.expect(200);
        assert_eq!(at.get(&path).await, json!({"scopes": []}));
    }

    async fn bad_scopes_change_nothing(server) {
        let at = Instance::new(&server, "one").await;
        let id = at.application("Shop", &["read"]).await;
        let path = format!("applications/{id}/scopes");
        let many: Vec<String> = (0..51).map(|i| format!("s{i}")).collect();
        for bad in [
            json!(["Read"]),
            json!(["read all"]),
            json!([""]),
            json!(["appid_x"]),
            json!(["openid"]),
            json!(["a".repeat(50)]),
            json!([1]),
            json!("read"),
            json!(many),
        ] {
            refused(at.put(&path, json!({ "scopes": bad })).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(at.get(&path).await, json!({"scopes": ["read"]}));
        at.put(&path, json!({"scopes": many[..50]})).await.expect(200);
    }

    async fn roles_go_in_as_ids_and_come_out_with_names(server) {
        let at = Instance::new(&server, "one").await;
        let id = at.application("Shop", &["read"]).await;
        let path = format!("applications/{id}/roles");
        assert_eq!(at.get(&path).await, json!({"roles": []}));
        let b = at.role("b", json!([])).await;
        let a = at.role("a", json!([])).await;
        let set = at.put(&path, json!({"roles": {"ids": [b, a, b]}})).await.expect(200).json();
        assert_eq!(set, json!({"roles": [{"id": a, "name": "a"}, {"id": b, "name": "b"}]}));
        assert_eq!(at.get(&path).await, set);
        for bad in [
            json!({"roles": {"ids": [NOBODY]}}),
            json!({"roles": {"ids": [a, "x"]}}),
            json!({"roles": [a]}),
            json!({}),
        ] {
            refused(at.put(&path, bad).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(at.get(&path).await, set);
        at.put(&path, json!({"roles": {}})).await.expect(200);
        assert_eq!(at.get(&path).await, json!({"roles": []}));
    }

    async fn what_is_not_here_is_not_found(server) {
        let at = Instance::new(&server, "one").await;
        let other = Instance::new(&server, "two").await;
        let foreign = other.application("Theirs", &["read"]).await;
        let foreign_role = other.role("theirs", json!([])).await;
        for id in [NOBODY, &foreign, "x", "%00"] {
            let path = format!("applications/{id}");
            refused(at.request("get", &path).send().await, 404, "NOT_FOUND");
            refused(at.put(&path, json!({"name": "Mine"})).await, 404, "NOT_FOUND");
            refused(at.delete(&path).await, 404, "NOT_FOUND");
            refused(at.post(&format!("{path}/rotate_secret"), json!({})).await, 404, "NOT_FOUND");
            refused(at.request("get", &format!("{path}/scopes")).send().await, 404, "NOT_FOUND");
            refused(at.put(&format!("{path}/scopes"), json!({"scopes": []})).await, 404, "NOT_FOUND");
            refused(at.request("get", &format!("{path}/roles")).send().await, 404, "NOT_FOUND");
            refused(at.put(&format!("{path}/roles"), json!({"roles": {"ids": []}})).await, 404, "NOT_FOUND");
        }
        let mine = at.application("Mine", &[]).await;
        refused(
            at.put(&format!("applications/{mine}/roles"), json!({"roles": {"ids": [foreign_role]}})).await,
            400,
            "INVALID_REQUEST",
        );
        assert_eq!(other.get(&format!("applications/{foreign}")).await["name"], "Theirs");
    }

    async fn two_hundred_is_the_most(server) {
        let at = Instance::new(&server, "one").await;
        for i in 0..200 {
            at.application(&format!("app {i}"), &[]).await;
        }
        refused(at.post("applications", json!({"name": "one more"})).await, 400, "LIMIT_EXCEEDED");
        assert_eq!(at.get("applications").await["applications"].as_array().unwrap().len(), 200);
    }
}

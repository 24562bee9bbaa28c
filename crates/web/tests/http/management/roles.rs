//! `roles`.

use futures_util::future::join_all;
use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use crate::instance::{Instance, refused};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

on_each_engine! {
    async fn a_role_lives(server) {
        let at = Instance::new(&server, "one").await;
        assert_eq!(at.get("roles").await, json!({"roles": []}));
        let app = at.application("Shop", &["read", "write"]).await;
        let body = json!({
            "name": "editor",
            "description": "May edit.\nNothing else.",
            "access": [{"application_id": app, "scopes": ["write", "read"]}],
        });
        let made = at.post("roles", body.clone()).await.expect(201).json();
        let id = made["id"].as_str().unwrap();
        let mut whole = body;
        whole["id"] = json!(id);
        assert_eq!(made, whole);
        assert_eq!(at.get(&format!("roles/{id}")).await, whole);
        assert_eq!(at.get("roles").await, json!({"roles": [whole]}));

        let changed = at
            .put(&format!("roles/{id}"), json!({"name": "viewer", "access": []}))
            .await
            .expect(200)
            .json();
        assert_eq!(changed, json!({"id": id, "name": "viewer", "description": "", "access": []}));
        assert_eq!(at.get(&format!("roles/{id}")).await, changed);

        let gone = at.delete(&format!("roles/{id}")).await.expect(202);
        assert!(gone.body.is_empty());
        refused(at.request("get", &format!("roles/{id}")).send().await, 404, "NOT_FOUND");
        refused(at.delete(&format!("roles/{id}")).await, 404, "NOT_FOUND");
        assert_eq!(at.get("roles").await, json!({"roles": []}));
    }

    async fn deleting_takes_it_from_applications(server) {
        let at = Instance::new(&server, "one").await;
        let app = at.application("Shop", &[]).await;
        let role = at.role("r", json!([])).await;
        let path = format!("applications/{app}/roles");
        at.put(&path, json!({"roles": {"ids": [role]}})).await.expect(200);
        at.delete(&format!("roles/{role}")).await.expect(202);
        assert_eq!(at.get(&path).await, json!({"roles": []}));
    }

    async fn names_are_unique(server) {
        let at = Instance::new(&server, "one").await;
        let first = at.role("one", json!([])).await;
        let second = at.role("two", json!([])).await;
        refused(at.post("roles", json!({"name": "one", "access": []})).await, 409, "UNIQUENESS");
        refused(
            at.put(&format!("roles/{second}"), json!({"name": "one", "access": []})).await,
            409,
            "UNIQUENESS",
        );
        at.put(&format!("roles/{first}"), json!({"name": "one", "description": "same name", "access": []}))
            .await
            .expect(200);
        at.role("One", json!([])).await;
        Instance::new(&server, "two").await.role("one", json!([])).await;
    }

    async fn of_many_at_once_one_gets_the_name(server) {
        let at = Instance::new(&server, "one").await;
        let body = json!({"name": "one", "access": []});
        let answers = join_all((0..12).map(|_| at.post("roles", body.clone()))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses[0], 201);
        assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    }

    async fn many_at_once_keep_the_limit(server) {
        let at = Instance::new(&server, "one").await;
        for i in 0..45 {
            at.role(&format!("role {i}"), json!([])).await;
        }
        let answers = join_all((0..12).map(|i| at.post("roles", json!({"name": format!("late {i}"), "access": []})))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 5);
        assert_eq!(at.get("roles").await["roles"].as_array().unwrap().len(), 50);
    }

    async fn access_names_what_exists(server) {
        let at = Instance::new(&server, "one").await;
        let other = Instance::new(&server, "two").await;
        let app = at.application("Shop", &["read"]).await;
        let foreign = other.application("Theirs", &["read"]).await;
        let access = |id: &str, scopes: Value| json!([{"application_id": id, "scopes": scopes}]);
        let role = at.role("kept", access(&app, json!(["read"]))).await;
        let before = at.get(&format!("roles/{role}")).await;
        for bad in [
            access(NOBODY, json!(["read"])),
            access(&foreign, json!(["read"])),
            access(&app, json!(["write"])),
            access(&app, json!(["READ"])),
            access("shop", json!(["read"])),
            access(&app, json!("read")),
            json!([{"application_id": app}]),
            json!([{"scopes": ["read"]}]),
            json!("all"),
            Value::Null,
        ] {
            refused(at.post("roles", json!({"name": "r", "access": bad})).await, 400, "INVALID_REQUEST");
            let path = format!("roles/{role}");
            refused(at.put(&path, json!({"name": "r", "access": bad})).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(at.get("roles").await, json!({"roles": [before]}));
    }

    async fn bad_names_and_descriptions_are_refused(server) {
        let at = Instance::new(&server, "one").await;
        for body in [
            json!({"access": []}),
            json!({"name": "r"}),
            json!({"name": "", "access": []}),
            json!({"name": "x".repeat(51), "access": []}),
            json!({"name": "a\u{0}", "access": []}),
            json!({"name": "r", "description": "a\u{0}", "access": []}),
            json!({"name": "r", "description": "x".repeat(501), "access": []}),
        ] {
            refused(at.post("roles", body).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(at.get("roles").await, json!({"roles": []}));
    }

    async fn what_is_not_here_is_not_found(server) {
        let at = Instance::new(&server, "one").await;
        let other = Instance::new(&server, "two").await;
        let foreign = other.role("theirs", json!([])).await;
        for id in [NOBODY, &foreign, "x"] {
            let path = format!("roles/{id}");
            refused(at.request("get", &path).send().await, 404, "NOT_FOUND");
            refused(at.put(&path, json!({"name": "mine", "access": []})).await, 404, "NOT_FOUND");
            refused(at.delete(&path).await, 404, "NOT_FOUND");
        }
        assert_eq!(other.get(&format!("roles/{foreign}")).await["name"], "theirs");
    }

    async fn fifty_is_the_most(server) {
        let at = Instance::new(&server, "one").await;
        for i in 0..50 {
            at.role(&format!("role {i}"), json!([])).await;
        }
        refused(at.post("roles", json!({"name": "one more", "access": []})).await, 400, "LIMIT_EXCEEDED");
        assert_eq!(at.get("roles").await["roles"].as_array().unwrap().len(), 50);
    }
}

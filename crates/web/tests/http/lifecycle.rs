//! Instances that are locked, deleted, restored and destroyed.

use serde_json::json;
use vestibule_testkit::on_each_engine;

use crate::instance::Instance;

on_each_engine! {
    async fn a_deleted_instance_changes_no_more_until_it_is_restored(server) {
        let instance = Instance::new(&server, "wanted").await;
        let path = format!("/v2/resource_instances/{}", instance.guid);
        let call = |method: &str, path: &str| server.request(method, path).bearer(&instance.token);
        let rename = |name: &str| call("patch", &path).json(&json!({"name": name}));
        call("post", &format!("{path}/lock")).send().await.expect(200);
        rename("locked").send().await.expect(422);
        call("delete", &path).send().await.expect(422);
        call("delete", &format!("{path}/lock")).send().await.expect(200);
        rename("renamed").send().await.expect(200);
        call("delete", &path).send().await.expect(204);
        rename("deleted").send().await.expect(409);
        call("post", &format!("{path}/lock")).send().await.expect(409);
        let waiting = call("get", "/v1/reclamations").send().await.expect(200).json();
        let id = waiting["resources"][0]["id"].as_str().unwrap();
        let act = |action: &str| call("post", &format!("/v1/reclamations/{id}/actions/{action}")).json(&json!({}));
        act("restore").send().await.expect(200);
        act("restore").send().await.expect(404);
        act("reclaim").send().await.expect(404);
        server.clock.advance_seconds(400 * 86_400);
        assert_eq!(server.engine.destroy_expired_instances().await.unwrap(), 0);
        let token = server.admin_token().await;
        let shown = server.get(&path).bearer(&token).send().await.expect(200).json();
        assert_eq!((&shown["state"], &shown["name"]), (&json!("active"), &json!("renamed")));
    }

    async fn of_restoring_and_destroying_at_once_one_wins(server) {
        let instance = Instance::new(&server, "contended").await;
        let path = format!("/v2/resource_instances/{}", instance.guid);
        for _ in 0..5 {
            server.request("delete", &path).bearer(&instance.token).send().await.expect(204);
            let waiting = server.get("/v1/reclamations").bearer(&instance.token).send().await.expect(200).json();
            let id = waiting["resources"][0]["id"].as_str().unwrap().to_owned();
            let act = |action: &str| {
                let path = format!("/v1/reclamations/{id}/actions/{action}");
                server.post(&path).bearer(&instance.token).json(&json!({})).send()
            };
            let (restored, destroyed) = tokio::join!(act("restore"), act("reclaim"));
            assert_ne!(restored.status.is_success(), destroyed.status.is_success());
            let serves = server.get(&format!("/oauth/v4/{}/publickeys", instance.guid)).send().await;
            assert_eq!(serves.status.is_success(), restored.status.is_success());
            if destroyed.status.is_success() {
                break;
            }
        }
    }
}

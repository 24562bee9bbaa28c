//! U+0000, which neither database keeps: wherever a request brings it, the request is refused, and nothing fails.

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;
use vestibule_web::route;

use crate::instance::Instance;

on_each_engine! {
    async fn u_0000_in_an_address_is_the_callers_fault(server) {
        let instance = Instance::new(&server, "one").await;
        let path = format!("/v2/resource_instances/{}", instance.guid);
        let shown = server.get(&path).bearer(&instance.token).send().await.expect(200).json();
        let account = shown["account_id"].as_str().unwrap();
        for route in route::all() {
            let path: Vec<&str> = route
                .path
                .split('/')
                .map(|segment| match segment {
                    "{tenantId}" => instance.guid.as_str(),
                    segment if segment.starts_with('{') => "%00",
                    segment => segment,
                })
                .collect();
            let path = path.join("/");
            let mut addresses = vec![path.clone()];
            for query in route.query {
                // Some lists want to know whose they are.
                addresses.push(format!("{path}?{}=%00", query.name));
                addresses.push(format!("{path}?account_id={account}&{}=%00", query.name));
            }
            for address in addresses {
                let request = server.request(route.method, &address).bearer(&instance.token);
                let status = request.json(&json!({})).send().await.status;
                assert!(!status.is_server_error(), "{} {address}: {status}", route.method);
            }
        }
    }

    async fn u_0000_in_a_body_is_refused(server) {
        let instance = Instance::new(&server, "one").await;
        let path = format!("/v2/resource_instances/{}", instance.guid);
        let shown = server.get(&path).bearer(&instance.token).send().await.expect(200).json();
        let (account, me) = (&shown["account_id"], &shown["created_by"]);
        let refused: [(&str, Value); 4] = [
            ("/v1/apikeys", json!({"name": "k", "iam_id": "\0"})),
            ("/v1/apikeys", json!({"name": "k", "iam_id": me, "description": "\0"})),
            ("/v1/serviceids", json!({"name": "s", "account_id": account, "description": "\0"})),
            ("/v1/policies", json!({
                "type": "access",
                "subjects": [{"attributes": [{"name": "iam_id", "value": "\0"}]}],
                "roles": [{"role_id": "crn:v1:bluemix:public:iam::::role:Viewer"}],
                "resources": [{"attributes": [{"name": "accountId", "value": account}, {"name": "serviceName", "value": "appid"}]}],
            })),
        ];
        for (path, body) in refused {
            let answer = server.post(path).bearer(&instance.token).json(&body).send().await;
            assert_eq!(answer.status.as_u16(), 400, "{path} {body}: {}", answer.text());
            let reason = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
            assert!(!reason.contains("our side"), "{reason}");
        }
    }
}

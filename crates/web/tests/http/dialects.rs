//! What the framework refuses by itself is told in the dialect of the plane, and what IBM's SDKs ask for in passing is heard.

use serde_json::{Value, json};
use vestibule_testkit::{TestResponse, on_each_engine};

use crate::{
    instance::Instance,
    oauth::setup::{CALLBACK, Client},
};

/// Insists on a refusal in the platform's words.
fn platform(answer: TestResponse, status: u16) -> Value {
    let body = answer.expect(status).json();
    assert_eq!(body["status_code"], status, "{body}");
    assert!(body["trace"].is_string(), "{body}");
    let message = body["errors"][0]["message"].as_str().unwrap();
    assert!(message.ends_with('.'), "{body}");
    body
}

on_each_engine! {
    async fn bare_errors_speak_the_dialect_of_their_plane(server) {
        let client = Client::new(&server).await;
        let at = &client.instance;
        let get = |path: &str| server.get(path).bearer(&at.token).send();
        for path in ["/v2/resource_instances?limit=x", "/v2/resource_instances?limit=1&limit=2", "/v1/apikeys?pagesize=-1", "/v1/policies?iam_id=a&iam_id=b"] {
            let said = platform(get(path).await, 400);
            assert!(said["message"].as_str().unwrap().starts_with("Failed to deserialize query string"), "{path}: {said}");
        }
        platform(get("/v2/resource_instances/%ff").await, 400);
        let odd = |method: &str, path: &str| server.request(method, path).bearer(&at.token).header("Content-Encoding", "br").body("{}");
        platform(odd("post", "/v1/apikeys").send().await, 415);
        let management = odd("put", &format!("/management/v4/{}/config/tokens", at.guid)).send().await.expect(415);
        assert_eq!(management.json()["error_code"], "INVALID_REQUEST", "{}", management.text());
        let oauth = odd("post", &format!("{}/token", client.base)).send().await.expect(415);
        assert_eq!(oauth.json()["error"], "invalid_request", "{}", oauth.text());
        let form = at.request("post", "cloud_directory/import/all").body("x").send().await.expect(400);
        assert_eq!(form.json()["error_code"], "INVALID_REQUEST", "{}", form.text());
        // Profiles: Node's SDK parses every answer as JSON.
        let token = client.ada().await["access_token"].as_str().unwrap().to_owned();
        let long = server.put("/api/v1/attributes/k").bearer(&token).body(vec![b'1'; 2 << 20]).send().await.expect(413);
        assert!(long.json()["message"].is_string(), "{}", long.text());
        let name = server.get("/api/v1/attributes/%ff").bearer(&token).send().await.expect(400);
        assert_eq!(name.json()["error_code"], "INVALID_REQUEST", "{}", name.text());
    }

    async fn who_is_not_signed_in_is_told_how(server) {
        let at = Instance::new(&server, "one").await;
        for path in ["/v2/resource_instances", &format!("/management/v4/{}/applications", at.guid)] {
            assert_eq!(server.get(path).send().await.expect(401).header("www-authenticate"), "Bearer", "{path}");
        }
    }

    async fn things_are_locked_and_disabled_from_the_start(server) {
        let at = Instance::new(&server, "one").await;
        let make = |path: &str, body: Value, header: (&str, &str)| server.post(path).bearer(&at.token).header(header.0, header.1).json(&body).send();
        let plan = json!({"name": "two", "target": "local", "resource_group": "default", "resource_plan_id": "standard"});
        assert_eq!(make("/v2/resource_instances", plan, ("Entity-Lock", "true")).await.expect(201).json()["locked"], true);
        let secret = "a secret of one's own, long enough";
        let key = json!({"name": "k", "apikey": secret});
        let made = make("/v1/apikeys", key, ("Entity-Disable", "True")).await.expect(201).json();
        assert_eq!((&made["disabled"], &made["locked"]), (&json!(true), &json!(false)), "{made}");
        let grant = [("grant_type", "urn:ibm:params:oauth:grant-type:apikey"), ("apikey", secret)];
        server.post("/identity/token").form(&grant).send().await.expect(400);
        assert_eq!(make("/v1/apikeys", json!({"name": "k"}), ("Entity-Lock", "false")).await.expect(201).json()["locked"], false);
        platform(make("/v1/apikeys", json!({"name": "k"}), ("Entity-Lock", "maybe")).await, 400);
        let inside = json!({"name": "s", "apikey": {"name": "k", "entity_lock": "true", "entity_disable": true}});
        let made = make("/v1/serviceids", inside, ("Entity-Lock", "true")).await.expect(201).json();
        assert_eq!((&made["locked"], &made["apikey"]["locked"], &made["apikey"]["disabled"]), (&json!(true), &json!(true), &json!(true)), "{made}");
    }

    async fn a_service_id_is_made_with_its_key_or_not_at_all(server) {
        let at = Instance::new(&server, "one").await;
        let body = json!({"name": "half", "apikey": {"name": "k", "apikey": "short"}});
        platform(server.post("/v1/serviceids").bearer(&at.token).json(&body).send().await, 400);
        let all = server.get("/v1/serviceids?name=half").bearer(&at.token).send().await.expect(200).json();
        assert_eq!(all["serviceids"], json!([]));
    }

    async fn another_account_is_not_taken_for_ones_own(server) {
        let at = Instance::new(&server, "one").await;
        let own = server.get(&format!("/v2/resource_instances/{}", at.guid)).bearer(&at.token).send().await.expect(200).json();
        let own = own["account_id"].as_str().unwrap().to_owned();
        for list in ["apikeys", "serviceids", "policies", "reclamations"] {
            let of = |account: &str| server.get(&format!("/v1/{list}?account_id={account}")).bearer(&at.token).send();
            of(&own).await.expect(200);
            platform(of("zz").await, 403);
        }
        for (path, own_key) in [("/v1/serviceids", false), ("/v1/apikeys", false), ("/v1/serviceids", true)] {
            let other = json!({"name": "n", "account_id": "zz"});
            let body = if own_key { json!({"name": "n", "apikey": other}) } else { other };
            platform(server.post(path).bearer(&at.token).json(&body).send().await, 403);
        }
        server.post("/v1/serviceids").bearer(&at.token).json(&json!({"name": "n", "account_id": own})).send().await.expect(201);
    }

    async fn members_of_a_body_that_nobody_reads_may_be_anything(server) {
        let client = Client::new(&server).await;
        let send = |path: &str, body: Value| server.post(&format!("{}/{path}", client.base)).basic(&client.id, &client.secret).json(&body).send();
        let odd = json!({"grant_type": "client_credentials", "x": {"a": [1]}, "y": [], "z": null, "n": 1.5});
        let token = send("token", odd).await.expect(200).json();
        let asked = json!({"token": token["access_token"], "context": {"a": 1}});
        assert_eq!(send("introspect", asked).await.expect(200).json()["active"], true);
        for body in [json!([1]), json!("x")] {
            assert_eq!(send("token", body).await.expect(400).json()["error"], "invalid_request");
        }
        assert_eq!(send("token", json!({"grant_type": ["client_credentials"]})).await.expect(400).json()["error"], "unsupported_grant_type");
    }

    async fn head_answers_as_get_does(server) {
        let client = Client::new(&server).await;
        let paths = [
            format!("{}/authorization?client_id={}&response_type=code&redirect_uri={}&idp=appid_anon", client.base, client.id, CALLBACK),
            format!("{}/authorization?client_id={}&response_type=code&redirect_uri={}", client.base, client.id, CALLBACK),
            format!("{}/authorization", client.base),
        ];
        for path in paths {
            let (get, head) = (server.get(&path).send().await, server.request("head", &path).send().await);
            assert_eq!(get.status, head.status, "{path}");
            assert_eq!(head.text(), "");
        }
    }
}

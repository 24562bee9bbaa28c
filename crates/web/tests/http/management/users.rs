//! `users`: profiles, future users, attributes and roles.

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use crate::instance::{Instance, refused};

const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuZ.2BwMNdF1axR8iGGzqP8yI.hhN0FWa";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// Imports a user known at Google; answers the profile's id.
async fn known(at: &Instance<'_>, subject: &str, email: &str) -> String {
    let body = json!({"users": [{"name": "Known", "email": email, "picture": "p.png",
        "identities": [{"provider": "google", "id": subject}], "attributes": {"a": 1}}]});
    let done = at.post("users/import", body).await.expect(200).json();
    assert_eq!(done, json!({"added": 1, "failed": 0, "failReasons": []}));
    let found = at.get(&format!("users?id={subject}")).await;
    found["users"][0]["id"].as_str().unwrap().to_owned()
}

on_each_engine! {
    async fn search_is_exact_and_pages(server) {
        let at = Instance::new(&server, "one").await;
        let ann = known(&at, "1", "Ann@x.org").await;
        let ben = known(&at, "2", "ben@x.org").await;
        let all = at.get("users").await;
        assert_eq!(all, json!({
            "users": [{"id": ann, "email": "Ann@x.org", "idp": "google"}, {"id": ben, "email": "ben@x.org", "idp": "google"}],
            "totalResults": 2, "itemsPerPage": 2, "requestOptions": {},
        }));
        let full = at.get("users?dataScope=full&email=ann@X.org").await;
        assert_eq!(full["users"], json!([{
            "id": ann, "name": "Known", "email": "Ann@x.org", "picture": "p.png",
            "identities": [{"provider": "google", "id": "1"}], "attributes": {"a": 1}, "idp": "google",
        }]));
        assert_eq!(at.get("users?email=ann").await["totalResults"], 0);
        assert_eq!(at.get("users?id=2&email=ann@x.org").await["totalResults"], 0);
        let page = at.get("users?startIndex=1&count=1").await;
        assert_eq!(page["users"][0]["id"], json!(ben));
        assert_eq!(page["requestOptions"], json!({"startIndex": 1, "count": 1}));
        for bad in ["dataScope=all", "count=-1", "startIndex=x"] {
            at.request("get", &format!("users?{bad}")).send().await.expect(400);
        }
        let other = Instance::new(&server, "two").await;
        assert_eq!(other.get("users").await["totalResults"], 0);
        other.request("get", &format!("users/{ann}/profile")).send().await.expect(404);
        other.put(&format!("users/{ann}/profile"), json!({"attributes": {}})).await.expect(404);
        other.delete(&format!("users/{ann}")).await.expect(404);
        other.request("post", &format!("users/{ann}/revoke_refresh_token")).send().await.expect(404);
    }

    async fn a_directory_user_is_found_by_the_address_of_the_profile(server) {
        let at = Instance::new(&server, "one").await;
        let import = |name: &'static str, email: &'static str, policy: &'static str| {
            let record = json!({"scimUser": {"emails": [{"value": email}], "userName": name, "displayName": "N"},
                "passwordHash": HASH, "passwordHashAlg": "bcrypt"});
            let path = format!("cloud_directory/import/stream?on_conflict={policy}");
            at.request("post", &path).header("X-Vestibule-Encryption-Secret", "a long enough secret").body(record.to_string()).send()
        };
        for (name, email) in [("ann", "Ann@x.org"), ("ben", "ben@x.org")] {
            assert_eq!(import(name, email, "fail").await.expect(200).json()["counts"]["added"], 1);
        }
        let found = |email: &'static str| {
            let at = &at;
            async move { at.get(&format!("users?email={email}")).await["users"].clone() }
        };
        let (ann, ben) = (found("ann@X.org").await, found("ben@x.org").await);
        assert_eq!((&ann[0]["email"], ann.as_array().unwrap().len()), (&json!("Ann@x.org"), 1));
        assert_eq!(found("").await, json!([]));
        // The profile keeps its address when the user gets another, until the next sign-in; and when the user goes without it.
        assert_eq!(import("ann", "new@x.org", "update").await.expect(200).json()["counts"]["updated"], 1);
        assert_eq!(found("ann@x.org").await, ann);
        assert_eq!(found("new@x.org").await, json!([]));
        let ids = at.get("cloud_directory/Users?query=ben@x.org").await;
        let id = ids["Resources"][0]["id"].as_str().unwrap();
        at.delete(&format!("cloud_directory/Users/{id}")).await.expect(204);
        assert_eq!(found("ben@x.org").await[0]["id"], ben[0]["id"]);
    }

    async fn attributes_merge_and_are_bounded(server) {
        let at = Instance::new(&server, "one").await;
        let id = known(&at, "1", "ann@x.org").await;
        let path = format!("users/{id}/profile");
        let set = at.put(&path, json!({"attributes": {"b": {"c": [1, 2]}, "a": "x"}})).await.expect(200).json();
        assert_eq!(set["attributes"], json!({"a": "x", "b": {"c": [1, 2]}}));
        assert_eq!(at.get(&path).await, set);
        let exact = r#"{"attributes":{"n":12345678901234567890123.50,"a":1.0}}"#;
        let text = at.request("put", &path).body(exact).send().await.expect(200).text();
        assert!(text.contains(r#""n":12345678901234567890123.50"#), "{text}");

        refused(at.put(&path, json!({"attributes": {"big": "x".repeat(100_000)}})).await, 400, "INVALID_REQUEST");
        for bad in [json!({}), json!({"attributes": 1}), json!({"attributes": []}), json!({"attributes": null})] {
            at.put(&path, bad).await.expect(400);
        }
        assert!(at.get(&path).await["attributes"].get("big").is_none());
        at.put(&format!("users/{NOBODY}/profile"), json!({"attributes": {}})).await.expect(404);
        at.put("users/x/profile", json!({"attributes": {}})).await.expect(404);
    }

    async fn roles_are_replaced(server) {
        let at = Instance::new(&server, "one").await;
        let id = known(&at, "1", "ann@x.org").await;
        let (b, a) = (at.role("b", json!([])).await, at.role("a", json!([])).await);
        let path = format!("users/{id}/roles");
        assert_eq!(at.get(&path).await, json!({"roles": []}));
        let set = at.put(&path, json!({"roles": {"ids": [b, a, b]}})).await.expect(200).json();
        assert_eq!(set, json!({"roles": [{"id": a, "name": "a"}, {"id": b, "name": "b"}]}));
        assert_eq!(at.get(&format!("users/{id}/profile")).await["roles"], json!(["a", "b"]));
        refused(at.put(&path, json!({"roles": {"ids": [NOBODY]}})).await, 400, "INVALID_REQUEST");
        refused(at.put(&path, json!({"roles": {"ids": ["x"]}})).await, 400, "INVALID_REQUEST");
        at.put(&path, json!({"roles": []})).await.expect(400);
        assert_eq!(at.get(&path).await, set);
        at.delete(&format!("roles/{a}")).await.expect(202);
        assert_eq!(at.get(&path).await, json!({"roles": [{"id": b, "name": "b"}]}));
        at.put(&path, json!({"roles": {"ids": []}})).await.expect(200);
        assert_eq!(at.get(&path).await, json!({"roles": []}));
        at.put(&format!("users/{NOBODY}/roles"), json!({"roles": {"ids": []}})).await.expect(404);
    }

    async fn future_users_wait_without_identities(server) {
        let at = Instance::new(&server, "one").await;
        let body = json!({"idp": "google", "idp-identity": "Jane@x.org", "profile": {"attributes": {"points": 150}}});
        let made = at.post("users", body.clone()).await.expect(201).json();
        let id = made["id"].as_str().unwrap();
        assert_eq!(made, json!({"id": id}));
        let shown = at.get(&format!("users/{id}/profile")).await;
        assert_eq!(shown, json!({"id": id, "email": "Jane@x.org", "identities": [], "attributes": {"points": 150}}));
        refused(at.post("users", body).await, 409, "CONFLICT");
        let again = json!({"idp": "google", "idp-identity": "jane@X.org"});
        refused(at.post("users", again).await, 409, "CONFLICT");
        at.post("users", json!({"idp": "saml", "idp-identity": "jane@x.org"})).await.expect(201);
        for bad in [
            json!({"idp": "myspace", "idp-identity": "x"}),
            json!({"idp": "google", "idp-identity": ""}),
            json!({"idp": "google"}),
            json!({"idp": "google", "idp-identity": "x", "profile": {"attributes": {"a": "x".repeat(100_001)}}}),
            json!({"idp": "google", "idp-identity": "x\u{0}y"}),
        ] {
            at.post("users", bad).await.expect(400);
        }
        assert_eq!(at.get("users").await["totalResults"], 2);
        assert_eq!(at.get("users/export").await["totalResults"], 0, "nobody known yet");
    }

    async fn profiles_go_by_either_path(server) {
        let at = Instance::new(&server, "one").await;
        for path in ["users/{id}", "users/{id}/profile"] {
            let id = known(&at, "1", "ann@x.org").await;
            let path = path.replace("{id}", &id);
            at.request("post", &format!("users/{id}/revoke_refresh_token")).send().await.expect(204);
            at.delete(&path).await.expect(204);
            at.delete(&path).await.expect(404);
            at.request("get", &format!("users/{id}/profile")).send().await.expect(404);
        }
        let gone: Value = at.get("users?id=1").await;
        assert_eq!(gone["totalResults"], 0);
    }
}

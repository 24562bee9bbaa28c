//! `/api/v1/attributes`.

use serde_json::json;
use vestibule_testkit::{TestRequest, on_each_engine};

use super::setup::Client;

struct Holder<'a> {
    client: &'a Client<'a>,
    token: String,
}

impl<'a> Holder<'a> {
    async fn new(client: &'a Client<'a>) -> Self {
        let token = client.ada().await["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        Self { client, token }
    }

    fn request(&self, method: &str, path: &str) -> TestRequest {
        self.client
            .server()
            .request(method, &format!("/api/v1/attributes{path}"))
            .bearer(&self.token)
    }
}

on_each_engine! {
    async fn values_are_kept_as_they_were_meant(server) {
        let client = Client::new(&server).await;
        let holder = Holder::new(&client).await;
        assert_eq!(holder.request("get", "").send().await.expect(200).json(), json!({}));
        for (name, body, kept) in [
            ("text", "abc", json!("abc")),
            ("number", "12.5", json!(12.5)),
            ("object", r#"{"a":[1,2]}"#, json!({"a": [1, 2]})),
            ("empty", "", json!("")),
            ("with%20space", "x", json!("x")),
        ] {
            let put = holder.request("put", &format!("/{name}")).header("content-type", "application/json").body(body).send().await;
            let name = name.replace("%20", " ");
            assert_eq!(put.expect(200).json(), json!({name.clone(): kept}));
            let got = holder.request("get", &format!("/{}", name.replace(' ', "%20"))).send().await.expect(200).json();
            assert_eq!(got, json!({name: kept}));
        }
        assert_eq!(holder.request("get", "/").send().await.expect(200).json().as_object().unwrap().len(), 5);
        let deleted = holder.request("delete", "/text").send().await.expect(204);
        assert!(deleted.body.is_empty());
        for method in ["get", "delete"] {
            let answer = holder.request(method, "/text").send().await.expect(404);
            assert_eq!(answer.json()["error_code"], "NOT_FOUND");
        }
        holder.request("delete", "").send().await.expect(204);
        assert_eq!(holder.request("get", "").send().await.expect(200).json(), json!({}));
    }

    async fn a_profile_holds_a_hundred_kilobytes(server) {
        let client = Client::new(&server).await;
        let holder = Holder::new(&client).await;
        holder.request("put", "/a").body("x".repeat(60_000)).send().await.expect(200);
        holder.request("put", "/b").body("x".repeat(60_000)).send().await.expect(400);
        holder.request("put", "/c").body(vec![0xff, 0xfe]).send().await.expect(400);
        holder.request("put", "/d").body(vec![b'x'; (1 << 20) + 1]).send().await.expect(413);
        let kept = holder.request("get", "").send().await.expect(200).json();
        assert_eq!(kept.as_object().unwrap().len(), 1);
    }

    async fn nobody_else_gets_in(server) {
        let client = Client::new(&server).await;
        let own = client.token(&[("grant_type", "client_credentials")]).await.expect(200).json();
        let id = client.ada().await["id_token"].as_str().unwrap().to_owned();
        for token in ["x", "a.b.c", "", &id] {
            let answer = server.get("/api/v1/attributes").bearer(token).send().await.expect(401);
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
        server.get("/api/v1/attributes").send().await.expect(401);
        server.get("/api/v1/attributes").bearer(own["access_token"].as_str().unwrap()).send().await.expect(403);
    }

    async fn the_switch_of_the_instance_closes_it(server) {
        let client = Client::new(&server).await;
        let holder = Holder::new(&client).await;
        client.instance.put("config/users_profile", json!({"isActive": false})).await;
        for method in ["get", "delete"] {
            holder.request(method, "").send().await.expect(401);
        }
        holder.request("put", "/a").body("1").send().await.expect(401);
    }
}

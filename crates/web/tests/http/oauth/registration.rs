//! Clients that register themselves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vestibule_testkit::{Elsewhere, TestResponse, TestServer, on_each_engine};

use super::setup::{CALLBACK, Client, refused};

const OWN: &str = "https://rp.example.org/cb";

async fn switch(client: &Client<'_>, enabled: &str) {
    client
        .instance
        .put("config/oauth/registration", json!({"enabled": enabled}))
        .await
        .expect(204);
}

async fn register(client: &Client<'_>, body: &Value) -> TestResponse {
    client
        .server()
        .post(&format!("{}/register", client.base))
        .json(body)
        .send()
        .await
}

async fn manage(
    server: &TestServer,
    method: &str,
    registered: &Value,
    body: &Value,
) -> TestResponse {
    let uri = registered["registration_client_uri"].as_str().unwrap();
    let path = uri.strip_prefix("http://vestibule.test").unwrap();
    let token = registered["registration_access_token"].as_str().unwrap();
    server
        .request(method, path)
        .bearer(token)
        .json(body)
        .send()
        .await
}

async fn applications(client: &Client<'_>) -> usize {
    client.instance.get("applications").await["applications"]
        .as_array()
        .unwrap()
        .len()
}

on_each_engine! {
    async fn nobody_registers_unless_it_is_switched_on(server) {
        let client = Client::new(&server).await;
        let discovery = format!("{}/.well-known/openid-configuration", client.base);
        register(&client, &json!({"redirect_uris": [OWN]})).await.expect(404);
        assert_eq!(server.get(&discovery).send().await.json().get("registration_endpoint"), None);
        assert_eq!(applications(&client).await, 1);
        switch(&client, "open").await;
        let endpoint = format!("http://vestibule.test{}/register", client.base);
        assert_eq!(server.get(&discovery).send().await.json()["registration_endpoint"], endpoint);
        register(&client, &json!({"redirect_uris": [OWN]})).await.expect(201);
        assert_eq!(applications(&client).await, 2);
    }

    async fn a_registration_is_told_and_kept(server) {
        let client = Client::new(&server).await;
        switch(&client, "open").await;
        let answer = register(&client, &json!({"redirect_uris": [OWN], "client_name": "Reader", "unknown": 1})).await.expect(201);
        assert_eq!(answer.header("cache-control"), "no-store");
        let made = answer.json();
        let id = made["client_id"].as_str().unwrap();
        assert_eq!(made["client_secret_expires_at"], 0);
        assert!(made["client_id_issued_at"].is_i64());
        assert_eq!(made["client_secret"].as_str().unwrap().len(), 43);
        assert_eq!(made["token_endpoint_auth_method"], "client_secret_basic");
        assert_eq!(made["grant_types"], json!(["authorization_code"]));
        assert_eq!(made["response_types"], json!(["code"]));
        assert_eq!(made["registration_client_uri"], format!("http://vestibule.test{}/register/{id}", client.base));
        assert_eq!(made.get("unknown"), None);
        let mut shown = manage(&server, "get", &made, &json!({})).await.expect(200).json();
        shown["registration_access_token"] = made["registration_access_token"].clone();
        assert_eq!(shown, made);
        // It may use its own address and no other, and no grant but that of codes.
        let ask = async |uri: &str| {
            let path = format!("{}/authorization?client_id={id}&redirect_uri={uri}&response_type=code", client.base);
            server.get(&path).send().await.status.as_u16()
        };
        assert_eq!(ask(OWN).await, 200);
        assert_eq!(ask(CALLBACK).await, 400);
        let token = server.post(&format!("{}/token", client.base)).basic(id, made["client_secret"].as_str().unwrap());
        refused(token.form(&[("grant_type", "client_credentials")]).send().await, 400, "unauthorized_client");
    }

    async fn bad_registrations_leave_nothing(server) {
        let client = Client::new(&server).await;
        switch(&client, "open").await;
        for (body, error) in [
            (json!({}), "invalid_redirect_uri"),
            (json!({"redirect_uris": []}), "invalid_redirect_uri"),
            (json!({"redirect_uris": "x"}), "invalid_redirect_uri"),
            (json!({"redirect_uris": ["http://rp.example.org/cb"]}), "invalid_redirect_uri"),
            (json!({"redirect_uris": ["https://rp.example.org/#x"]}), "invalid_redirect_uri"),
            (json!({"redirect_uris": [OWN], "grant_types": ["client_credentials"]}), "invalid_client_metadata"),
            (json!({"redirect_uris": [OWN], "grant_types": ["authorization_code", "password"]}), "invalid_client_metadata"),
            (json!({"redirect_uris": [OWN], "response_types": ["token"]}), "invalid_client_metadata"),
            (json!({"redirect_uris": [OWN], "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a"}), "invalid_client_metadata"),
            (json!({"redirect_uris": [OWN], "token_endpoint_auth_method": "private_key_jwt"}), "invalid_client_metadata"),
            (json!({"redirect_uris": [OWN], "client_name": 7}), "invalid_client_metadata"),
            (json!({"redirect_uris": [OWN], "client_name": "Bank \u{202e}knaB"}), "invalid_client_metadata"),
            (json!({"redirect_uris": [OWN], "client_name": "Ba\u{200b}nk"}), "invalid_client_metadata"),
            (json!({"redirect_uris": ["https://rp.example.org;sandbox/cb"]}), "invalid_redirect_uri"),
            (json!([]), "invalid_client_metadata"),
        ] {
            refused(register(&client, &body).await, 400, error);
        }
        let path = format!("{}/register", client.base);
        refused(server.post(&path).body("{").send().await, 400, "invalid_client_metadata");
        assert_eq!(applications(&client).await, 1);
    }

    async fn initial_tokens_are_for_so_many_clients_and_so_long(server) {
        let client = Client::new(&server).await;
        switch(&client, "initial_token").await;
        let body = json!({"redirect_uris": [OWN]});
        let path = format!("{}/register", client.base);
        refused(register(&client, &body).await, 401, "invalid_token");
        refused(server.post(&path).bearer("wrong").json(&body).send().await, 401, "invalid_token");
        // Nothing is fetched for who has no token.
        let elsewhere = Elsewhere::start().await;
        let sector = json!({"redirect_uris": [OWN], "subject_type": "pairwise", "sector_identifier_uri": elsewhere.url("/all")});
        refused(server.post(&path).bearer("wrong").json(&sector).send().await, 401, "invalid_token");
        assert!(elsewhere.requests().is_empty());
        let tokens = "oauth/initial_access_tokens";
        let made = client.instance.post(tokens, json!({"uses": 2, "expiresInSeconds": 60})).await.expect(201).json();
        let token = made["token"].as_str().unwrap();
        refused(server.post(&path).bearer(token).json(&json!({})).send().await, 400, "invalid_redirect_uri");
        server.post(&path).bearer(token).json(&body).send().await.expect(201);
        let all = client.instance.get(tokens).await;
        assert_eq!(all["initialAccessTokens"][0]["usesLeft"], 1);
        assert_eq!(all["initialAccessTokens"][0].get("token"), None);
        server.post(&path).bearer(token).json(&body).send().await.expect(201);
        refused(server.post(&path).bearer(token).json(&body).send().await, 401, "invalid_token");
        let late = client.instance.post(tokens, json!({"uses": 5, "expiresInSeconds": 60})).await.expect(201).json();
        server.clock.advance_seconds(60);
        refused(server.post(&path).bearer(late["token"].as_str().unwrap()).json(&body).send().await, 401, "invalid_token");
        let ended = client.instance.post(tokens, json!({})).await.expect(201).json();
        client.instance.delete(&format!("{tokens}/{}", ended["id"].as_str().unwrap())).await.expect(204);
        client.instance.delete(&format!("{tokens}/{}", ended["id"].as_str().unwrap())).await.expect(404);
        refused(server.post(&path).bearer(ended["token"].as_str().unwrap()).json(&body).send().await, 401, "invalid_token");
        for bad in [json!({"uses": 0}), json!({"uses": 10_001}), json!({"expiresInSeconds": 0}), json!({"expiresInSeconds": 31_536_001})] {
            client.instance.post(tokens, bad).await.expect(400);
        }
        assert_eq!(applications(&client).await, 3);
    }

    async fn an_update_replaces_everything_and_its_token(server) {
        let client = Client::new(&server).await;
        switch(&client, "open").await;
        let made = register(&client, &json!({"redirect_uris": [OWN], "client_name": "Reader"})).await.expect(201).json();
        let id = made["client_id"].clone();
        for bad in [
            json!({"redirect_uris": [OWN]}),
            json!({"client_id": client.id, "redirect_uris": [OWN]}),
            json!({"client_id": id, "client_secret": "chosen", "redirect_uris": [OWN]}),
        ] {
            refused(manage(&server, "put", &made, &bad).await, 400, "invalid_client_metadata");
        }
        refused(manage(&server, "put", &made, &json!({"client_id": id})).await, 400, "invalid_redirect_uri");
        let next = json!({"client_id": id, "client_secret": made["client_secret"], "redirect_uris": ["https://rp.example.org/new"]});
        let updated = manage(&server, "put", &made, &next).await.expect(200).json();
        assert_eq!(updated["redirect_uris"], json!(["https://rp.example.org/new"]));
        assert_eq!(updated.get("client_name"), None);
        assert_eq!(updated["client_secret"], made["client_secret"]);
        assert_ne!(updated["registration_access_token"], made["registration_access_token"]);
        refused(manage(&server, "get", &made, &json!({})).await, 401, "invalid_token");
        manage(&server, "get", &updated, &json!({})).await.expect(200);
    }

    async fn a_registration_ends_when_its_client_says_so(server) {
        let client = Client::new(&server).await;
        switch(&client, "open").await;
        let made = register(&client, &json!({"redirect_uris": [OWN]})).await.expect(201).json();
        let other = register(&client, &json!({"redirect_uris": [OWN]})).await.expect(201).json();
        // One client's token is nothing to another, and an application's own has none.
        let mut crossed = made.clone();
        crossed["registration_access_token"] = other["registration_access_token"].clone();
        let mut managed = made.clone();
        managed["registration_client_uri"] = json!(format!("http://vestibule.test{}/register/{}", client.base, client.id));
        for stranger in [&crossed, &managed] {
            for method in ["get", "put", "delete"] {
                refused(manage(&server, method, stranger, &json!({"redirect_uris": [OWN]})).await, 401, "invalid_token");
            }
        }
        switch(&client, "off").await;
        manage(&server, "delete", &made, &json!({})).await.expect(204);
        refused(manage(&server, "get", &made, &json!({})).await, 401, "invalid_token");
        assert_eq!(applications(&client).await, 2);
    }

    async fn updates_are_counted_by_address(server) {
        let client = Client::new(&server).await;
        switch(&client, "open").await;
        let made = register(&client, &json!({"redirect_uris": [OWN]})).await.expect(201).json();
        let path = made["registration_client_uri"].as_str().unwrap().strip_prefix("http://vestibule.test").unwrap();
        let token = made["registration_access_token"].as_str().unwrap();
        let put = |from: &str, body: Value| server.put(path).from(from.parse().unwrap()).bearer(token).json(&body).send();
        let here = "203.0.113.7:5000";
        for _ in 0..60 {
            refused(put(here, json!({})).await, 400, "invalid_client_metadata");
        }
        let good = json!({"client_id": made["client_id"], "redirect_uris": [OWN]});
        assert_eq!(put(here, good.clone()).await.expect(429).header("retry-after"), "60");
        // The registration is as it was, can be looked at, and changed from elsewhere.
        manage(&server, "get", &made, &json!({})).await.expect(200);
        put("203.0.113.8:5000", good).await.expect(200);
        register(&client, &json!({"redirect_uris": [OWN]})).await.expect(201);
    }

    async fn lists_of_sectors_are_asked_for_one_at_a_time(server) {
        let client = Client::new(&server).await;
        switch(&client, "open").await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/list", listener.local_addr().unwrap());
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&now), Arc::clone(&most));
        let serving = tokio::spawn(async move {
            loop {
                let (mut io, _) = listener.accept().await.unwrap();
                let (now, most) = counts.clone();
                tokio::spawn(async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    let list = json!([OWN]).to_string();
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{list}", list.len());
                    io.write_all(answer.as_bytes()).await.unwrap();
                    let _ = io.read_to_end(&mut Vec::new()).await;
                });
            }
        });
        let body = json!({"redirect_uris": [OWN], "subject_type": "pairwise", "sector_identifier_uri": address});
        let all = futures_util::future::join_all((0..4).map(|_| register(&client, &body))).await;
        for answer in all {
            answer.expect(201);
        }
        assert_eq!(most.load(Ordering::SeqCst), 1);
        serving.abort();
    }

    async fn there_are_bounds_to_it(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/oauth/registration", json!({"enabled": "open", "most": 2})).await.expect(204);
        let body = json!({"redirect_uris": [OWN]});
        for _ in 0..2 {
            register(&client, &body).await.expect(201);
        }
        refused(register(&client, &body).await, 503, "temporarily_unavailable");
        // Administrators have room of their own.
        client.instance.application("another", &[]).await;
        for _ in 0..17 {
            register(&client, &body).await.expect(503);
        }
        assert_eq!(register(&client, &body).await.status, 429);
        server.clock.advance_seconds(61);
        register(&client, &body).await.expect(503);
        for bad in [json!({"most": 0}), json!({"most": 10_001}), json!({"enabled": "maybe"})] {
            client.instance.put("config/oauth/registration", bad).await.expect(400);
        }
    }
}

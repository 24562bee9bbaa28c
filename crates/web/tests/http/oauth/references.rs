//! Signed requests that are fetched from the client (RFC 9101 section 5.2).

use serde_json::{Value, json};
use vestibule_crypto::{
    dpop::token_hash,
    jose::{Algorithm, SigningKey},
};
use vestibule_testkit::{Elsewhere, TestResponse, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, cookie, parameter, refused};

async fn offer(client: &Client<'_>, config: Value) {
    client
        .instance
        .put("config/oauth", config)
        .await
        .expect(200);
}

fn on() -> Value {
    json!({"requestObjects": "allowed", "requestUris": true})
}

/// The usual request, signed.
fn object(client: &Client<'_>, key: &SigningKey, state: &str) -> String {
    object_of(client, &client.id, key, state)
}

/// The same of the client with this id.
fn object_of(client: &Client<'_>, id: &str, key: &SigningKey, state: &str) -> String {
    let claims = json!({
        "iss": id, "aud": format!("http://vestibule.test{}", client.base), "client_id": id,
        "response_type": "code", "redirect_uri": CALLBACK, "state": state,
    });
    let header = json!({"alg": key.algorithm().name(), "kid": key.kid()});
    key.sign(&header, &claims).unwrap()
}

async fn send(client: &Client<'_>, uri: &str, more: &str) -> TestResponse {
    let uri: String = uri.replace('#', "%23");
    let path = format!(
        "{}/authorization?client_id={}&request_uri={uri}{more}",
        client.base, client.id
    );
    client.server().get(&path).send().await
}

on_each_engine! {
    async fn a_registered_address_holds_the_request(server) {
        let client = Client::new(&server).await;
        let key = SigningKey::generate(Algorithm::ES256, "own").unwrap();
        let elsewhere = Elsewhere::start().await;
        let path = format!("applications/{}/metadata", client.id);
        let address = elsewhere.url("/request?a=1");
        let metadata = json!({"jwks": {"keys": [key.public_jwk()]}, "redirect_uris": [CALLBACK], "request_uris": [address]});
        client.instance.put(&path, metadata).await.expect(200);
        offer(&client, on()).await;
        let first = object(&client, &key, "first");
        elsewhere.answer("/request", 200, format!("{first}\n"));
        let page = send(&client, &address, "&state=evil&redirect_uri=https://evil.example/").await.expect(200);
        let answer = client.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
        assert_eq!(parameter(&answer.header("location"), "state"), "first");
        client.redeem(&parameter(&answer.header("location"), "code"), &[]).await.expect(200);
        assert_eq!(elsewhere.requests().len(), 1);
        // With the digest of what is there, and with one of something else.
        let digest = token_hash(&format!("{first}\n"));
        send(&client, &format!("{address}#{digest}"), "").await.expect(200);
        for wrong in [token_hash("other"), String::from("x"), String::new()] {
            send(&client, &format!("{address}#{wrong}"), "").await.expect(400);
        }
        let found = server.get(&format!("{}/.well-known/openid-configuration", client.base)).send().await.expect(200).json();
        assert_eq!((&found["request_uri_parameter_supported"], &found["require_request_uri_registration"]), (&json!(true), &json!(true)));
    }

    async fn a_client_that_registers_names_where_its_request_stands(server) {
        let client = Client::new(&server).await;
        let registration = json!({"enabled": "open", "consentRequired": false});
        client.instance.put("config/oauth/registration", registration).await.expect(204);
        offer(&client, on()).await;
        let elsewhere = Elsewhere::start().await;
        let key = SigningKey::generate(Algorithm::RS256, "own").unwrap();
        let other = SigningKey::generate(Algorithm::ES256, "other").unwrap();
        let address = elsewhere.url("/request");
        let body = json!({
            "redirect_uris": [CALLBACK], "jwks": {"keys": [key.public_jwk(), other.public_jwk()]},
            "request_object_signing_alg": "RS256", "request_uris": [address],
        });
        let register = server.post(&format!("{}/register", client.base)).json(&body);
        let made = register.send().await.expect(201).json();
        assert_eq!((&made["request_uris"], &made["request_object_signing_alg"]), (&body["request_uris"], &json!("RS256")));
        let id = made["client_id"].as_str().unwrap();
        elsewhere.answer("/request", 200, object_of(&client, id, &key, "fetched"));
        let path = format!("{}/authorization?client_id={id}&request_uri={address}", client.base);
        let page = server.get(&path).send().await.expect(200);
        let sent = client.submission(&page, "ada@example.com", PASSWORD).header("cookie", cookie(&page)).send().await.expect(303);
        assert_eq!(parameter(&sent.header("location"), "state"), "fetched");
        assert!(!parameter(&sent.header("location"), "code").is_empty());
        // Signed with another of its keys, but not with the algorithm it registered.
        elsewhere.answer("/request", 200, object_of(&client, id, &other, "fetched"));
        assert_eq!(server.get(&path).send().await.status, 400);
    }

    async fn nothing_else_is_fetched(server) {
        let client = Client::new(&server).await;
        let other = client.another("regularwebapp").await;
        let key = SigningKey::generate(Algorithm::ES256, "own").unwrap();
        let elsewhere = Elsewhere::start().await;
        let address = elsewhere.url("/request");
        let describe = async |client: &Client<'_>, uris: Value| {
            let metadata = json!({"jwks": {"keys": [key.public_jwk()]}, "redirect_uris": [CALLBACK], "request_uris": uris});
            client.instance.put(&format!("applications/{}/metadata", client.id), metadata).await.expect(200);
        };
        // Another's address, and ones that only look alike.
        describe(&other, json!([address])).await;
        describe(&client, json!([elsewhere.url("/own")])).await;
        elsewhere.answer("/request", 200, object(&client, &key, "s"));
        offer(&client, on()).await;
        for uri in [&address, &elsewhere.url("/own/"), &elsewhere.url("/own?x"), &elsewhere.url("/OWN"), &elsewhere.at("localhost", "/own"), "https://169.254.169.254/", "file:///etc/passwd", "x", ""] {
            assert_eq!(send(&client, uri, "").await.status, 400, "{uri}");
        }
        let unknown = server.get(&format!("{}/authorization?client_id=x&request_uri={address}", client.base));
        unknown.send().await.expect(400);
        assert_eq!(elsewhere.requests(), []);
        // Switched off, each of both.
        describe(&client, json!([address])).await;
        for config in [json!({"requestObjects": "allowed"}), json!({"requestUris": true})] {
            offer(&client, config).await;
            let answer = send(&client, &address, &format!("&response_type=code&redirect_uri={CALLBACK}")).await.expect(302);
            assert_eq!(parameter(&answer.header("location"), "error"), "request_uri_not_supported");
        }
        assert_eq!(elsewhere.requests(), []);
        offer(&client, on()).await;
        // Pushed requests do not stand for others.
        let pushed = client.post("par").form(&[("request_uri", &address)]).send().await;
        refused(pushed, 400, "invalid_request");
        let both = send(&client, &address, &format!("&request={}", object(&client, &key, "s"))).await;
        assert_eq!(both.status, 400);
        assert_eq!(elsewhere.requests(), []);
        send(&client, &address, "").await.expect(200);
    }

    async fn what_is_there_must_be_the_clients_request(server) {
        let client = Client::new(&server).await;
        let key = SigningKey::generate(Algorithm::ES256, "own").unwrap();
        let elsewhere = Elsewhere::start().await;
        let address = elsewhere.url("/request");
        let metadata = json!({"jwks": {"keys": [key.public_jwk()]}, "redirect_uris": [CALLBACK], "request_uris": [address]});
        client.instance.put(&format!("applications/{}/metadata", client.id), metadata).await.expect(200);
        offer(&client, on()).await;
        let good = object(&client, &key, "s");
        let stranger = SigningKey::generate(Algorithm::ES256, "own").unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
        for (status, body) in [
            (404, good.clone()),
            (500, good.clone()),
            (302, elsewhere.url("/elsewhere")),
            (200, String::new()),
            (200, String::from("x")),
            (200, format!("{good}{}", " ".repeat(64 << 10))),
            (200, object(&client, &stranger, "s")),
            (200, unsigned),
        ] {
            elsewhere.answer("/elsewhere", 200, good.clone());
            elsewhere.answer("/request", status, body);
            assert_eq!(send(&client, &address, "").await.status, 400, "{status}");
        }
        elsewhere.answer("/request", 200, good);
        send(&client, &address, "").await.expect(200);
    }
}

//! Clients that sign who they are (RFC 7523 section 3, OpenID Connect Core section 9).

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use vestibule_crypto::jose::{Algorithm, SigningKey};
use vestibule_model::time::Clock;
use vestibule_testkit::{Elsewhere, TestResponse, on_each_engine};

use super::setup::{Client, refused};

/// Each assertion has an id of its own.
static NEXT: AtomicU64 = AtomicU64::new(1);

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn key(kid: &str) -> SigningKey {
    SigningKey::generate(Algorithm::RS256, kid).unwrap()
}

fn set_of(keys: &[&SigningKey]) -> Value {
    let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
    json!({ "keys": keys })
}

async fn set(client: &Client<'_>, metadata: Value) {
    let path = format!("applications/{}/metadata", client.id);
    client.instance.put(&path, metadata).await.expect(200);
}

fn issuer(client: &Client<'_>) -> String {
    format!("http://vestibule.test{}", client.base)
}

/// An assertion with these claims in place of the good ones.
fn assertion(client: &Client<'_>, key: &SigningKey, more: &Value) -> String {
    let now = client.server().clock.now().seconds();
    let mut claims = json!({
        "iss": client.id, "sub": client.id, "aud": issuer(client), "exp": now + 60, "iat": now,
        "jti": NEXT.fetch_add(1, Ordering::Relaxed).to_string(),
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    key.sign(&json!({"alg": "RS256", "kid": key.kid()}), &claims)
        .unwrap()
}

async fn send(
    client: &Client<'_>,
    path: &str,
    assertion: &str,
    more: &[(&str, &str)],
) -> TestResponse {
    let mut form = vec![
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    form.extend(more);
    client
        .server()
        .post(&format!("{}/{path}", client.base))
        .form(&form)
        .send()
        .await
}

async fn token(client: &Client<'_>, assertion: &str) -> TestResponse {
    send(
        client,
        "token",
        assertion,
        &[("grant_type", "client_credentials")],
    )
    .await
}

on_each_engine! {
    async fn a_client_signs_with_its_own_key(server) {
        let client = Client::new(&server).await;
        let key = key("one");
        set(&client, json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": set_of(&[&key])})).await;
        token(&client, &assertion(&client, &key, &json!({}))).await.expect(200);
        let endpoint = json!({"aud": [format!("{}/token", issuer(&client))]});
        token(&client, &assertion(&client, &key, &endpoint)).await.expect(200);
        let named = [("grant_type", "client_credentials"), ("client_id", client.id.as_str())];
        send(&client, "token", &assertion(&client, &key, &json!({})), &named).await.expect(200);
        for path in ["introspect", "revoke"] {
            send(&client, path, &assertion(&client, &key, &json!({})), &[("token", "x")]).await.expect(200);
        }
        // Its secret is no proof any more.
        refused(client.token(&[("grant_type", "client_credentials")]).await, 401, "invalid_client");
        let both = [("grant_type", "client_credentials"), ("client_secret", client.secret.as_str())];
        refused(send(&client, "token", &assertion(&client, &key, &json!({})), &both).await, 400, "invalid_request");
    }

    async fn an_assertion_works_once(server) {
        let client = Client::new(&server).await;
        let other = client.another("regularwebapp").await;
        let key = key("one");
        for one in [&client, &other] {
            set(one, json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": set_of(&[&key])})).await;
        }
        let first = assertion(&client, &key, &json!({"jti": "same"}));
        token(&client, &first).await.expect(200);
        refused(token(&client, &first).await, 401, "invalid_client");
        refused(token(&client, &assertion(&client, &key, &json!({"jti": "same", "iat": 1}))).await, 401, "invalid_client");
        // The ids of one client are nothing to another.
        token(&other, &assertion(&other, &key, &json!({"jti": "same"}))).await.expect(200);
    }

    async fn other_assertions_are_refused(server) {
        let client = Client::new(&server).await;
        let foreign = Client::new(&server).await;
        let (own, stranger) = (key("one"), key("one"));
        let method = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": set_of(&[&own])});
        set(&client, method.clone()).await;
        let now = server.clock.now().seconds();
        for bad in [
            json!({"iss": foreign.id}),
            json!({"sub": foreign.id}),
            json!({"aud": issuer(&foreign)}),
            json!({"aud": [issuer(&client), "https://elsewhere.example"]}),
            json!({"aud": []}),
            json!({"aud": null}),
            json!({"exp": now}),
            json!({"exp": null}),
            json!({"exp": now + 3601}),
            json!({"nbf": now + 61}),
            json!({"iat": now + 61}),
            json!({"iat": "now"}),
            json!({"jti": null}),
            json!({"jti": ""}),
            json!({"jti": "x".repeat(501)}),
        ] {
            refused(token(&client, &assertion(&client, &own, &bad)).await, 401, "invalid_client");
        }
        refused(token(&client, &assertion(&client, &stranger, &json!({}))).await, 401, "invalid_client");
        let good = assertion(&client, &own, &json!({}));
        let (body, _) = good.rsplit_once('.').unwrap();
        for junk in ["x", "a.b.c", &format!("{body}."), &"a".repeat(9000)] {
            refused(token(&client, junk).await, 401, "invalid_client");
        }
        let other = [("grant_type", "client_credentials"), ("client_id", foreign.id.as_str())];
        refused(send(&client, "token", &good, &other).await, 401, "invalid_client");
        let form = [("grant_type", "client_credentials"), ("client_assertion_type", "other"), ("client_assertion", good.as_str())];
        refused(server.post(&format!("{}/token", client.base)).form(&form).send().await, 401, "invalid_client");
        // One that is registered for another way, or for another algorithm.
        set(&client, json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": set_of(&[&own]), "token_endpoint_auth_signing_alg": "ES256"})).await;
        refused(token(&client, &good).await, 401, "invalid_client");
        set(&client, json!({"jwks": set_of(&[&own])})).await;
        refused(token(&client, &good).await, 401, "invalid_client");
        set(&client, method).await;
        token(&client, &good).await.expect(200);
    }

    async fn a_client_signs_with_its_secret(server) {
        let client = Client::new(&server).await;
        set(&client, json!({"token_endpoint_auth_method": "client_secret_jwt"})).await;
        let now = server.clock.now().seconds();
        let signed = |secret: &str, id: &str| {
            use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
            let claims = json!({"iss": client.id, "sub": client.id, "aud": issuer(&client), "exp": now + 60, "jti": id});
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let text = format!("{}.{}", part(&json!({"alg": "HS256"})), part(&claims));
            let mac = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
            format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac))
        };
        token(&client, &signed(&client.secret, "1")).await.expect(200);
        refused(token(&client, &signed(&client.secret, "1")).await, 401, "invalid_client");
        refused(token(&client, &signed("another secret of more than 32 bytes", "2")).await, 401, "invalid_client");
        refused(client.token(&[("grant_type", "client_credentials")]).await, 401, "invalid_client");
        // The public key of a client is no secret, whatever an assertion calls its algorithm.
        let key = key("one");
        let public = serde_json::to_string(key.public_jwk()).unwrap();
        set(&client, json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": set_of(&[&key])})).await;
        refused(token(&client, &signed(&public, "3")).await, 401, "invalid_client");
    }

    async fn keys_elsewhere_are_fetched_and_remembered(server) {
        let client = Client::new(&server).await;
        let elsewhere = Elsewhere::start().await;
        let (first, second) = (key("first"), key("second"));
        elsewhere.answer("/keys", 200, set_of(&[&first]).to_string());
        set(&client, json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": elsewhere.url("/keys")})).await;
        for _ in 0..2 {
            token(&client, &assertion(&client, &first, &json!({}))).await.expect(200);
        }
        assert_eq!(elsewhere.requests().len(), 1);
        // An unknown key makes it look again, once a minute at most.
        elsewhere.answer("/keys", 200, set_of(&[&first, &second]).to_string());
        for _ in 0..3 {
            refused(token(&client, &assertion(&client, &second, &json!({}))).await, 401, "invalid_client");
        }
        assert_eq!(elsewhere.requests().len(), 1);
        server.clock.advance_seconds(60);
        token(&client, &assertion(&client, &second, &json!({}))).await.expect(200);
        assert_eq!(elsewhere.requests().len(), 2);
        // A failure does not shut out the keys that are known, until these are too old.
        elsewhere.answer("/keys", 500, "");
        server.clock.advance_seconds(60);
        refused(token(&client, &assertion(&client, &key("third"), &json!({}))).await, 401, "invalid_client");
        token(&client, &assertion(&client, &first, &json!({}))).await.expect(200);
        server.clock.advance_seconds(600);
        refused(token(&client, &assertion(&client, &first, &json!({}))).await, 401, "invalid_client");
    }

    async fn the_service_goes_nowhere_that_it_must_not(server) {
        let client = Client::new(&server).await;
        let elsewhere = Elsewhere::start().await;
        let key = key("one");
        elsewhere.answer("/keys", 200, set_of(&[&key]).to_string());
        elsewhere.answer("/moved", 302, elsewhere.url("/keys"));
        elsewhere.answer("/large", 200, format!("{}{}", set_of(&[&key]), " ".repeat(70_000)));
        elsewhere.answer("/odd", 200, "[]");
        let port = elsewhere.url("").rsplit(':').next().unwrap().to_owned();
        for address in [
            elsewhere.at("localhost", "/keys"),
            elsewhere.at("127.0.0.2", "/keys"),
            elsewhere.at("[::1]", "/keys"),
            format!("https://169.254.169.254:{port}/keys"),
            format!("https://[::ffff:127.0.0.1]:{port}/keys"),
            format!("https://localhost:{port}/keys"),
            elsewhere.url("/moved"),
            elsewhere.url("/large"),
            elsewhere.url("/odd"),
            elsewhere.url("/missing"),
        ] {
            set(&client, json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": address})).await;
            refused(token(&client, &assertion(&client, &key, &json!({}))).await, 401, "invalid_client");
        }
        let seen: Vec<String> = elsewhere.requests().into_iter().map(|(path, _)| path).collect();
        assert_eq!(seen, ["/moved", "/large", "/odd", "/missing"]);
    }
}

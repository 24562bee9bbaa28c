//! Custom identity: assertions of an application's own server.

use base64::{
    Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD,
};
use serde_json::{Value, json};
use vestibule_crypto::jose::{Algorithm, SigningKey};
use vestibule_model::time::Clock;
use vestibule_testkit::{TestResponse, on_each_engine};

use super::setup::{Client, decode, refused};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A DER element.
fn der(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match body.len() {
        n @ 0..=127 => out.push(n as u8),
        n @ 128..=255 => out.extend([0x81, n as u8]),
        n => out.extend([0x82, (n >> 8) as u8, n as u8]),
    }
    out.extend(body);
    out
}

/// The public key in PEM (RFC 5280 section 4.1.2.7, RFC 8017 appendix A.1.1).
fn pem(key: &SigningKey) -> String {
    let jwk = serde_json::to_value(key.public_jwk()).unwrap();
    let integer = |name: &str| {
        let mut bytes = URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        if bytes[0] > 127 {
            bytes.insert(0, 0);
        }
        der(2, &bytes)
    };
    let rsa = der(0x30, &[integer("n"), integer("e")].concat());
    let oid = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let info = der(
        0x30,
        &[der(0x30, &oid), der(3, &[vec![0], rsa].concat())].concat(),
    );
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(info)
    )
}

/// A key whose public half the instance knows.
async fn provider(client: &Client<'_>) -> SigningKey {
    let key = SigningKey::generate(Algorithm::RS256, "own").unwrap();
    let body = json!({"isActive": true, "config": {"publicKey": pem(&key)}});
    client
        .instance
        .put("config/idps/custom", body)
        .await
        .expect(200);
    key
}

/// Good claims of an assertion, with these in place of some.
fn claims(client: &Client<'_>, more: Value) -> Value {
    let now = client.server().clock.now().seconds();
    let mut claims = json!({
        "iss": "shop", "aud": format!("{}{}", client.server().engine.settings().public_url, client.base), "exp": now + 60, "sub": "user-7",
        "name": "Grace", "email": "grace@example.com", "locale": "en", "plan": {"tier": "gold"},
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

async fn ask(client: &Client<'_>, key: &SigningKey, more: Value, scope: &str) -> TestResponse {
    let assertion = key
        .sign(
            &json!({"alg": "RS256", "typ": "JOSE"}),
            &claims(client, more),
        )
        .unwrap();
    let form = [
        ("grant_type", GRANT),
        ("assertion", assertion.as_str()),
        ("scope", scope),
    ];
    client.token(&form).await
}

on_each_engine! {
    async fn a_person_whom_the_server_vouches_for_gets_tokens(server) {
        let client = Client::new(&server).await;
        let key = provider(&client).await;
        let more = json!({"scope": "read appid_everything"});
        let tokens = ask(&client, &key, more, "write read openid").await.expect(200).json();
        let ((_, access), (_, identity)) = (decode(&tokens["access_token"]), decode(&tokens["id_token"]));
        assert_eq!(tokens.get("refresh_token"), None);
        let scope = access["scope"].as_str().unwrap();
        assert!(scope.ends_with("appid_authenticated read write"), "{scope}");
        assert_eq!(identity["amr"], json!(["appid_custom"]));
        assert_eq!(identity["identities"], json!([{"provider": "appid_custom", "id": "user-7"}]));
        assert_eq!((&identity["name"], &identity["email"], &identity["locale"]), (&json!("Grace"), &json!("grace@example.com"), &json!("en")));
        let info = client.userinfo(&tokens["access_token"]).await.expect(200).json();
        assert_eq!(info["identities"][0]["idpUserInfo"]["plan"]["tier"], "gold");
        assert_eq!(info["identities"][0]["idpUserInfo"].get("exp"), None);
        // The same person again, under another name.
        let again = ask(&client, &key, json!({"name": "Admiral Hopper", "aud": ["x", format!("{}{}/token", server.engine.settings().public_url, client.base)]}), "").await;
        let again = decode(&again.expect(200).json()["id_token"]).1;
        assert_eq!((&again["sub"], &again["name"]), (&identity["sub"], &json!("Admiral Hopper")));
    }

    async fn what_was_prepared_for_a_person_is_theirs(server) {
        let client = Client::new(&server).await;
        let key = provider(&client).await;
        let body = json!({"idp": "appid_custom", "idp-identity": "user-7", "profile": {"attributes": {"points": 3}}});
        let prepared = client.instance.post("users", body).await;
        let prepared = prepared.json()["id"].as_str().unwrap().to_owned();
        let tokens = ask(&client, &key, json!({}), "").await.expect(200).json();
        assert_eq!(decode(&tokens["id_token"]).1["sub"], prepared);
    }

    async fn other_assertions_are_refused(server) {
        let client = Client::new(&server).await;
        let off = SigningKey::generate(Algorithm::RS256, "own").unwrap();
        refused(ask(&client, &off, json!({}), "").await, 400, "unauthorized_client");
        let key = provider(&client).await;
        let now = server.clock.now().seconds();
        let other = Client::new(&server).await;
        for (bad, why) in [
            (json!({"exp": now}), "expired"),
            (json!({"exp": null}), "expired"),
            (json!({"exp": "later"}), "expired"),
            (json!({"nbf": now + 100}), "not valid yet"),
            (json!({"iat": now + 100}), "not valid yet"),
            (json!({"iss": ""}), "who made it"),
            (json!({"aud": null}), "audience"),
            (json!({"aud": []}), "audience"),
            (json!({"aud": "https://elsewhere.example"}), "audience"),
            (json!({"aud": format!("{}{}", server.engine.settings().public_url, other.base)}), "audience"),
            (json!({"sub": ""}), "nobody"),
            (json!({"sub": 7}), "nobody"),
            (json!({"sub": "a\u{0}b"}), "cannot be kept"),
            (json!({"email": "a\u{0}b"}), "cannot be kept"),
            (json!({"sub": "x".repeat(1001)}), "cannot be kept"),
            (json!({"plan": "x".repeat(100_000)}), "too long"),
        ] {
            let body = refused(ask(&client, &key, bad.clone(), "").await, 400, "invalid_grant");
            assert!(body["error_description"].as_str().unwrap().contains(why), "{body} of {:.80}", bad.to_string());
        }
        refused(ask(&client, &off, json!({}), "").await, 400, "invalid_grant");
        refused(ask(&client, &key, json!({}), "sc\"ope").await, 400, "invalid_scope");
        let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(claims(&client, json!({})).to_string()));
        for bad in [unsigned.as_str(), "x", "a.b.c", "..."] {
            let form = [("grant_type", GRANT), ("assertion", bad)];
            refused(client.token(&form).await, 400, "invalid_grant");
        }
        refused(client.token(&[("grant_type", GRANT)]).await, 400, "invalid_request");
        let spa = client.another("singlepageapp").await;
        refused(ask(&spa, &key, json!({}), "").await, 400, "unauthorized_client");
        let search = client.instance.get("users?dataScope=index").await;
        assert_eq!(search["users"], json!([]), "nobody was made");
    }
}

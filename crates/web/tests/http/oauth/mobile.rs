//! Devices that register themselves, as App ID's mobile SDKs do.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use vestibule_testkit::{TestResponse, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, cookie, field, parameter, refused};

const APP: &str = "com.example.app";
const BACK: &str = "com.example.app:/mobile/callback";

fn pair() -> KeyPair {
    KeyPair::generate(KeySize::Rsa2048).unwrap()
}

/// Android's key: with padding and a leading zero.
fn android(pair: &KeyPair) -> Value {
    let public = pair.public_key();
    let n = [&[0][..], public.modulus().big_endian_without_leading_zero()].concat();
    let e = public.exponent().big_endian_without_leading_zero();
    json!({"keys": [{"kty": "RSA", "n": URL_SAFE.encode(n), "e": URL_SAFE.encode(e)}]})
}

fn request(jwks: &Value) -> Value {
    json!({
        "redirect_uris": [BACK],
        "token_endpoint_auth_method": "client_secret_basic",
        "response_types": ["code"],
        "grant_types": ["authorization_code", "password"],
        "client_name": "Example",
        "software_id": APP,
        "software_version": "1.0",
        "device_id": "d-1",
        "device_model": "m",
        "device_os": "android",
        "device_os_version": "14",
        "client_type": "mobileapp",
        "jwks": jwks,
    })
}

async fn register(client: &Client<'_>, body: &Value) -> TestResponse {
    client
        .server()
        .post(&format!("{}/clients", client.base))
        .json(body)
        .send()
        .await
}

fn signature(pair: &KeyPair, id: &str) -> Vec<u8> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        id.as_bytes(),
        &mut signature,
    )
    .unwrap();
    signature
}

async fn password(client: &Client<'_>, id: &str, proof: &str) -> TestResponse {
    let form = [
        ("grant_type", "password"),
        ("username", "ada@example.com"),
        ("password", PASSWORD),
    ];
    client
        .server()
        .post(&format!("{}/token", client.base))
        .basic(id, proof)
        .form(&form)
        .send()
        .await
}

on_each_engine! {
    async fn a_device_registers_and_signs_its_id(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/tokens", json!({"refresh": {"enabled": true}})).await.expect(200);
        let pair = pair();
        let body = request(&android(&pair));
        let made = register(&client, &body).await.expect(201).json();
        for (name, value) in body.as_object().unwrap() {
            assert_eq!(&made[name], value, "{name}");
        }
        let id = made["client_id"].as_str().unwrap();
        let proof = signature(&pair, id);
        for text in [STANDARD.encode(&proof), STANDARD_NO_PAD.encode(&proof), URL_SAFE.encode(&proof), URL_SAFE_NO_PAD.encode(&proof)] {
            let tokens = password(&client, id, &text).await.expect(200).json();
            assert!(tokens["refresh_token"].is_string());
        }
        let strange = URL_SAFE_NO_PAD.encode(signature(&pair, &client.id));
        let short = URL_SAFE_NO_PAD.encode(&proof[1..]);
        for bad in ["", "x", &strange, &short] {
            refused(password(&client, id, bad).await, 401, "invalid_client");
        }
        let form = [("grant_type", "client_credentials"), ("client_id", id)];
        refused(server.post(&format!("{}/token", client.base)).form(&form).send().await, 401, "invalid_client");
    }

    async fn a_device_signs_in_with_the_scheme_of_its_app(server) {
        let client = Client::new(&server).await;
        let pair = pair();
        let made = register(&client, &request(&android(&pair))).await.expect(201).json();
        let id = made["client_id"].as_str().unwrap();
        let ask = async |uri: &str| {
            let path = format!("{}/authorization?client_id={id}&redirect_uri={uri}&response_type=code&state=s%0A&scope=openid", client.base);
            server.get(&path).send().await
        };
        let page = ask(BACK).await.expect(200);
        assert!(page.header("content-security-policy").contains("form-action 'self' com.example.app:;"));
        ask("com.example.app:/other").await.expect(400);
        ask("com.example.other:/mobile/callback").await.expect(400);
        ask(CALLBACK).await.expect(400);
        let html = page.text();
        let form = [("context", &*field(&html, "name=\"context\" value=\"")), ("username", "ada@example.com"), ("password", PASSWORD)];
        let answer = server.post(&field(&html, "action=\"")).header("cookie", cookie(&page)).form(&form).send().await.expect(303);
        let location = answer.header("location");
        assert!(location.starts_with(&format!("{BACK}?code=")), "{location}");
        let form = [("grant_type", "authorization_code"), ("code", &*parameter(&location, "code")), ("redirect_uri", BACK)];
        let proof = STANDARD.encode(signature(&pair, id));
        server.post(&format!("{}/token", client.base)).basic(id, &proof).form(&form).send().await.expect(200);
    }

    async fn a_device_gets_nothing_unless_a_person_does_something(server) {
        let client = Client::new(&server).await;
        let on = json!({"isActive": true, "inactivityTimeoutSeconds": 600});
        client.instance.put("config/cloud_directory/sso", on).await.expect(201);
        let page = client.authorize("").await.expect(200);
        let answer = client.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
        let session = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let made = register(&client, &request(&android(&pair()))).await.expect(201).json();
        let ask = async |id: &str, back: &str, more: &str| {
            let path = format!("{}/authorization?client_id={id}&redirect_uri={back}&response_type=code&{more}", client.base);
            server.get(&path).header("cookie", session.clone()).send().await
        };
        let own = ask(&client.id, CALLBACK, "prompt=none").await.expect(302).header("location");
        assert!(own.contains("?code="), "{own}");
        let id = made["client_id"].as_str().unwrap();
        let silent = ask(id, BACK, "prompt=none").await.expect(302).header("location");
        assert_eq!(parameter(&silent, "error"), "login_required");
        assert!(ask(id, BACK, "").await.expect(200).text().contains("name=\"password\""));
    }

    async fn encoded_bodies_are_read_and_names_may_be_missing(server) {
        let client = Client::new(&server).await;
        let mut body = request(&android(&pair()));
        body.as_object_mut().unwrap().remove("client_name");
        body["redirect_uris"] = json!(["com.example.app://mobile/callback"]);
        let encoded: String = body.to_string().bytes().map(|b| format!("%{b:02X}")).collect();
        let answer = server.post(&format!("{}/clients", client.base)).header("content-type", "application/json").body(encoded).send().await;
        assert!(answer.expect(201).json()["client_id"].is_string());
    }

    async fn weak_keys_and_foreign_schemes_are_refused(server) {
        let client = Client::new(&server).await;
        let good = request(&android(&pair()));
        // What iOS's SDK makes: 512 bits, which a few hours of computing break.
        let weak = json!({"keys": [{"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xc3; 64]), "e": "AQAB"}]});
        let edwards = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([7; 32])}]});
        for (member, value, error) in [
            ("jwks", weak, "invalid_client_metadata"),
            ("jwks", edwards, "invalid_client_metadata"),
            ("jwks", json!({"keys": []}), "invalid_client_metadata"),
            ("jwks", Value::Null, "invalid_client_metadata"),
            ("software_id", Value::Null, "invalid_client_metadata"),
            ("software_id", json!("app"), "invalid_client_metadata"),
            ("redirect_uris", json!([]), "invalid_redirect_uri"),
            ("redirect_uris", json!(["com.example.other:/mobile/callback"]), "invalid_redirect_uri"),
            ("redirect_uris", json!(["com.example.app.evil:/mobile/callback"]), "invalid_redirect_uri"),
            ("redirect_uris", json!(["https://app.example.com/callback"]), "invalid_redirect_uri"),
            ("redirect_uris", json!("x"), "invalid_redirect_uri"),
        ] {
            let mut body = good.clone();
            body[member] = value;
            refused(register(&client, &body).await, 400, error);
        }
        // Schemes that everybody knows are no app's.
        for (scheme, back) in [("https", "https://evil.example/callback"), ("http", "http://evil.example/callback"), ("javascript", "javascript:/alert")] {
            let mut body = good.clone();
            (body["software_id"], body["redirect_uris"]) = (json!(scheme), json!([back]));
            assert_eq!(register(&client, &body).await.status, 400, "{scheme}");
        }
        let all = client.instance.get("applications").await;
        assert_eq!(all["applications"].as_array().unwrap().len(), 1);
    }

    async fn devices_register_where_they_may(server) {
        let client = Client::new(&server).await;
        let body = request(&android(&pair()));
        client.instance.put("config/oauth/registration", json!({"mobileApps": ["com.example.other"]})).await.expect(204);
        refused(register(&client, &body).await, 400, "invalid_client_metadata");
        client.instance.put("config/oauth/registration", json!({"mobile": false})).await.expect(204);
        register(&client, &body).await.expect(404);
        client.instance.put("config/oauth/registration", json!({"most": 1, "mobileApps": [APP]})).await.expect(204);
        register(&client, &body).await.expect(201);
        refused(register(&client, &body).await, 503, "temporarily_unavailable");
    }
}

//! Clients that registered themselves, through a whole sign-in: keys and sectors that stand elsewhere, keys that change.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use vestibule_crypto::jose::{Algorithm, SigningKey};
use vestibule_testkit::{Elsewhere, TestResponse, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, cookie, decode, parameter, refused};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Lets clients register, gives refresh tokens, and asks nobody.
async fn open(client: &Client<'_>) {
    let set = client
        .instance
        .put("config/tokens", json!({"refresh": {"enabled": true}}));
    set.await.expect(200);
    let body = json!({"enabled": "open", "consentRequired": false});
    let set = client.instance.put("config/oauth/registration", body);
    set.await.expect(204);
}

async fn register(client: &Client<'_>, body: &Value) -> TestResponse {
    let path = format!("{}/register", client.base);
    client.server().post(&path).json(body).send().await
}

/// Where a sign-in at a client with this id leads.
async fn sign_in(client: &Client<'_>, id: &str, redirect: &str, scope: &str) -> String {
    let path = format!(
        "{}/authorization?client_id={id}&redirect_uri={redirect}&response_type=code&scope={scope}",
        client.base
    );
    let page = client.server().get(&path).send().await.expect(200);
    let request = client.submission(&page, "ada@example.com", PASSWORD);
    let answer = request.header("cookie", cookie(&page)).send().await;
    answer.expect(303).header("location")
}

/// The token endpoint for a client that signs.
async fn token(
    client: &Client<'_>,
    (id, key): (&str, &SigningKey),
    form: &[(&str, &str)],
) -> TestResponse {
    let issuer = format!("http://vestibule.test{}", client.base);
    let claims = json!({
        "iss": id, "sub": id, "aud": issuer, "exp": client.server().engine.now().seconds() + 60,
        "jti": NEXT.fetch_add(1, Ordering::Relaxed).to_string(),
    });
    let header = json!({"alg": key.algorithm().name(), "kid": key.kid()});
    let signed = key.sign(&header, &claims).unwrap();
    let mut all = vec![
        ("client_assertion_type", ASSERTION),
        ("client_assertion", signed.as_str()),
    ];
    all.extend(form);
    let path = format!("{}/token", client.base);
    client.server().post(&path).form(&all).send().await
}

fn keys(all: &[&SigningKey]) -> String {
    let all: Vec<_> = all.iter().map(|key| key.public_jwk()).collect();
    json!({ "keys": all }).to_string()
}

on_each_engine! {
    async fn who_registered_itself_learns_of_its_own_tokens_alone(server) {
        let client = Client::new(&server).await;
        open(&client).await;
        let made = register(&client, &json!({"redirect_uris": [CALLBACK]})).await.expect(201).json();
        let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
        let redeem = async |scope: &str| {
            let code = parameter(&sign_in(&client, id, CALLBACK, scope).await, "code");
            let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
            let path = format!("{}/token", client.base);
            server.post(&path).basic(id, secret).form(&form).send().await.expect(200).json()
        };
        let active = async |tokens: &Value| {
            let form = [("token", tokens["access_token"].as_str().unwrap())];
            let path = format!("{}/introspect", client.base);
            server.post(&path).basic(id, secret).form(&form).send().await.expect(200).json()["active"].clone()
        };
        let (own, others) = (redeem("openid").await, client.ada().await);
        assert_eq!((active(&own).await, active(&others).await), (json!(true), json!(false)));
        assert!(client.active(&own["access_token"]).await);
        // And an identity token when it asked for one.
        assert!(own["id_token"].is_string());
        let plain = redeem("email").await;
        assert!(plain.get("id_token").is_none(), "{plain}");
    }

    async fn keys_that_stand_elsewhere_may_change(server) {
        let client = Client::new(&server).await;
        open(&client).await;
        let elsewhere = Elsewhere::start().await;
        let key = |kid: &str| SigningKey::generate(Algorithm::RS256, kid).unwrap();
        let (first, second, stranger) = (key("first"), key("second"), key("first"));
        elsewhere.answer("/keys", 200, keys(&[&first]));
        let body = json!({
            "redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": elsewhere.url("/keys"),
        });
        let made = register(&client, &body).await.expect(201).json();
        assert_eq!((&made["jwks_uri"], made.get("client_secret")), (&body["jwks_uri"], None));
        let id = made["client_id"].as_str().unwrap();
        let location = sign_in(&client, id, CALLBACK, "openid%20offline_access").await;
        let code = parameter(&location, "code");
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
        refused(token(&client, (id, &stranger), &form).await, 401, "invalid_client");
        let tokens = token(&client, (id, &first), &form).await.expect(200).json();
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let renewed = token(&client, (id, &first), &form).await.expect(200).json();
        // The client signs with another key from now on.
        elsewhere.answer("/keys", 200, keys(&[&second]));
        server.clock.advance_seconds(60);
        let refresh = renewed["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let renewed = token(&client, (id, &second), &form).await.expect(200).json();
        assert_eq!(decode(&renewed["id_token"]).1["sub"], decode(&tokens["id_token"]).1["sub"]);
        // The old one is nothing any more, and another client's keys never were.
        let refresh = renewed["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        refused(token(&client, (id, &first), &form).await, 401, "invalid_client");
        elsewhere.answer("/others", 200, keys(&[&stranger]));
        let mut other = body.clone();
        other["jwks_uri"] = json!(elsewhere.url("/others"));
        let other = register(&client, &other).await.expect(201).json();
        refused(token(&client, (other["client_id"].as_str().unwrap(), &stranger), &form).await, 400, "invalid_grant");
    }

    async fn a_sector_is_looked_at_when_somebody_registers(server) {
        let client = Client::new(&server).await;
        open(&client).await;
        let elsewhere = Elsewhere::start().await;
        let redirects = ["https://one.example.org/cb", "https://two.example.org/cb"];
        let body = |list: &str| json!({"redirect_uris": redirects, "subject_type": "pairwise", "sector_identifier_uri": elsewhere.url(list)});
        elsewhere.answer("/all", 200, json!([redirects[0], redirects[1], "https://three.example.org/"]).to_string());
        elsewhere.answer("/short", 200, json!([redirects[0]]).to_string());
        elsewhere.answer("/odd", 200, "{}");
        for bad in ["/short", "/odd", "/missing"] {
            refused(register(&client, &body(bad)).await, 400, "invalid_client_metadata");
        }
        refused(register(&client, &json!({"redirect_uris": redirects, "subject_type": "pairwise"})).await, 400, "invalid_client_metadata");
        let kept = client.instance.get("applications").await;
        assert_eq!(kept["applications"].as_array().unwrap().len(), 1);
        let made = register(&client, &body("/all")).await.expect(201).json();
        assert_eq!((&made["subject_type"], &made["sector_identifier_uri"]), (&json!("pairwise"), &json!(elsewhere.url("/all"))));
        // The same name at both addresses, and not the public one.
        let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
        let mut names = Vec::new();
        for redirect in redirects {
            let code = parameter(&sign_in(&client, id, redirect, "openid").await, "code");
            let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", redirect)];
            let tokens = server.post(&format!("{}/token", client.base)).basic(id, secret).form(&form).send().await.expect(200).json();
            names.push(decode(&tokens["id_token"]).1["sub"].clone());
        }
        assert_eq!(names[0], names[1]);
        assert_ne!(names[0], decode(&client.ada().await["id_token"]).1["sub"]);
    }
}

//! Authorization requests that applications sign (RFC 9101), and the profile that puts all of it together.

use serde_json::{Value, json};
use vestibule_crypto::jose::{Algorithm, SigningKey};
use vestibule_testkit::{TestResponse, on_each_engine};

use super::setup::{CALLBACK, CHALLENGE, Client, PASSWORD, VERIFIER, decode, parameter, refused};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client whose key the instance knows, where signed requests are taken.
async fn signer(client: &Client<'_>, algorithm: Algorithm) -> SigningKey {
    let key = SigningKey::generate(algorithm, "own").unwrap();
    let path = format!("applications/{}/metadata", client.id);
    let metadata = json!({"jwks": {"keys": [key.public_jwk()]}});
    client.instance.put(&path, metadata).await.expect(200);
    let body = json!({"requestObjects": "allowed"});
    client.instance.put("config/oauth", body).await.expect(200);
    key
}

/// The usual request, signed, with these claims instead of its own.
fn object(client: &Client<'_>, key: &SigningKey, more: Value) -> String {
    let mut claims = json!({
        "iss": client.id, "aud": format!("http://vestibule.test{}", client.base), "client_id": client.id,
        "response_type": "code", "redirect_uri": CALLBACK, "state": "signed", "max_age": 600,
        "exp": client.server().engine.now().seconds() + 60,
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let header = json!({"alg": key.algorithm().name(), "kid": "own", "typ": "oauth-authz-req+jwt"});
    key.sign(&header, &claims).unwrap()
}

async fn send(client: &Client<'_>, id: &str, object: &str, more: &str) -> TestResponse {
    let path = format!(
        "{}/authorization?client_id={id}&request={object}{more}",
        client.base
    );
    client.server().get(&path).send().await
}

/// Insists on a page that sends nobody anywhere.
#[track_caller]
fn page(answer: &TestResponse, what: &str) {
    assert_eq!(answer.status, 400, "{what}: {}", answer.text());
}

on_each_engine! {
    async fn what_is_signed_is_the_request(server) {
        let client = Client::new(&server).await;
        for algorithm in Algorithm::ALL {
            let key = signer(&client, algorithm).await;
            let signed = object(&client, &key, json!({"claims": {"id_token": {"auth_time": null}}}));
            let more = "&state=evil&redirect_uri=https://evil.example/&prompt=none&response_mode=form_post";
            let form = send(&client, &client.id, &signed, more).await.expect(200);
            let answer = client.submit(&form, "ada@example.com", PASSWORD).await.expect(303);
            let location = answer.header("location");
            assert!(location.starts_with(CALLBACK), "{location}");
            assert_eq!(parameter(&location, "state"), "signed");
            let tokens = client.redeem(&parameter(&location, "code"), &[]).await.expect(200).json();
            assert!(decode(&tokens["id_token"]).1["auth_time"].is_i64());
        }
        let path = format!("{}/.well-known/openid-configuration", client.base);
        let found = server.get(&path).send().await.expect(200).json();
        assert_eq!(found["request_parameter_supported"], true);
        assert_eq!(found["request_uri_parameter_supported"], false);
        assert_eq!(found["request_object_signing_alg_values_supported"], json!(["RS256", "PS256", "ES256", "EdDSA"]));
    }

    async fn bad_objects_lead_nowhere(server) {
        let client = Client::new(&server).await;
        let key = signer(&client, Algorithm::ES256).await;
        let (other, now) = (client.another("regularwebapp").await, server.engine.now().seconds());
        for bad in [
            json!({"client_id": other.id}),
            json!({"client_id": null}),
            json!({"iss": other.id}),
            json!({"aud": "https://elsewhere.example"}),
            json!({"aud": []}),
            json!({"sub": client.id}),
            json!({"exp": now}),
            json!({"exp": "soon"}),
            json!({"nbf": now + 61}),
            json!({"iat": now + 61}),
            json!({"request": "e30."}),
            json!({"request_uri": "https://app.example.com/request"}),
            json!({"redirect_uri": "https://evil.example/"}),
            json!({"redirect_uri": null}),
        ] {
            page(&send(&client, &client.id, &object(&client, &key, bad.clone()), "").await, &bad.to_string());
        }
        let good = object(&client, &key, json!({}));
        let (_, claims) = decode(&json!(good));
        let stranger = SigningKey::generate(Algorithm::ES256, "own").unwrap();
        for (what, text) in [
            ("another's key", object(&client, &stranger, json!({}))),
            ("none", format!("{}.{}.", "eyJhbGciOiJub25lIn0", good.split('.').nth(1).unwrap())),
            ("another type", key.sign(&json!({"alg": "ES256", "typ": "dpop+jwt"}), &claims).unwrap()),
            ("no token", String::from("x")),
        ] {
            page(&send(&client, &client.id, &text, "").await, what);
        }
        page(&send(&client, &other.id, &good, "").await, "another's request");
        page(&send(&client, "", &good, "").await, "nobody's request");
        // What is wrong within a good one goes back to the application.
        let answer = send(&client, &client.id, &object(&client, &key, json!({"prompt": "none login"})), "").await.expect(302);
        assert_eq!(parameter(&answer.header("location"), "error"), "invalid_request");
        send(&client, &client.id, &good, "").await.expect(200);
        client.instance.put("config/oauth", json!({})).await.expect(200);
        let path = format!("{}/authorization?client_id={}&redirect_uri={CALLBACK}&response_type=code&request={good}", client.base, client.id);
        let answer = server.get(&path).send().await.expect(302);
        assert_eq!(parameter(&answer.header("location"), "error"), "request_not_supported");
    }

    async fn signed_requests_can_be_pushed_and_demanded(server) {
        let client = Client::new(&server).await;
        let key = signer(&client, Algorithm::EdDSA).await;
        client.instance.put("config/oauth", json!({"requestObjects": "required"})).await.expect(200);
        let answer = client.authorize("").await.expect(302);
        assert_eq!(parameter(&answer.header("location"), "error"), "invalid_request");
        let plain = [("response_type", "code"), ("redirect_uri", CALLBACK)];
        refused(client.post("par").form(&plain).send().await, 400, "invalid_request");
        let signed = object(&client, &key, json!({}));
        let form = [("request", signed.as_str()), ("redirect_uri", "https://evil.example/")];
        let pushed = client.post("par").form(&form).send().await.expect(201).json();
        let uri = pushed["request_uri"].as_str().unwrap();
        let path = format!("{}/authorization?client_id={}&request_uri={uri}", client.base, client.id);
        let form = server.get(&path).send().await.expect(200);
        let answer = client.submit(&form, "ada@example.com", PASSWORD).await.expect(303);
        assert_eq!(parameter(&answer.header("location"), "state"), "signed");
        let wrong = object(&client, &key, json!({"aud": "https://elsewhere.example"}));
        refused(client.post("par").form(&[("request", &wrong)]).send().await, 400, "invalid_request_object");
    }

    async fn discovery_says_what_the_profile_leaves(server) {
        let client = Client::new(&server).await;
        let path = format!("{}/.well-known/openid-configuration", client.base);
        let before = server.get(&path).send().await.expect(200).json();
        for member in ["token", "introspection", "revocation"] {
            let methods = before[format!("{member}_endpoint_auth_methods_supported")].as_array().unwrap();
            assert!(methods.contains(&json!("client_secret_basic")), "{member}");
            assert_eq!(methods.contains(&json!("none")), member != "introspection", "{member}");
        }
        client.instance.put("config/oauth", json!({"profile": "fapi2", "signingAlgorithm": "ES256"})).await.expect(200);
        let found = server.get(&path).send().await.expect(200).json();
        for member in ["token", "introspection", "revocation"] {
            assert_eq!(found[format!("{member}_endpoint_auth_methods_supported")], json!(["private_key_jwt"]), "{member}");
            let algorithms = &found[format!("{member}_endpoint_auth_signing_alg_values_supported")];
            assert_eq!(algorithms, &json!(["PS256", "ES256", "EdDSA"]), "{member}");
        }
        let grants = found["grant_types_supported"].as_array().unwrap();
        assert!(!grants.contains(&json!("password")) && grants.contains(&json!("authorization_code")), "{found}");
        assert_eq!(found["require_pushed_authorization_requests"], true);
        assert_eq!(found["id_token_signing_alg_values_supported"], json!(["ES256", "PS256", "EdDSA"]));
    }

    async fn the_profile_puts_it_all_together(server) {
        let client = Client::new(&server).await;
        let key = SigningKey::generate(Algorithm::PS256, "own").unwrap();
        let holder = SigningKey::generate(Algorithm::ES256, "own").unwrap();
        let path = format!("applications/{}/metadata", client.id);
        let metadata = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public_jwk()]}});
        client.instance.put(&path, metadata).await.expect(200);
        let by_secret = client.another("regularwebapp").await;
        client.instance.put("config/oauth", json!({"profile": "fapi2", "signingAlgorithm": "ES256"})).await.expect(200);
        let (issuer, now) = (format!("http://vestibule.test{}", client.base), server.engine.now().seconds());
        let next = std::cell::Cell::new(0);
        let unique = || {
            next.set(next.get() + 1);
            next.get().to_string()
        };
        let assertion = |aud: &str| {
            let claims = json!({"iss": client.id, "sub": client.id, "aud": aud, "exp": now + 60, "jti": unique()});
            key.sign(&json!({"alg": "PS256", "kid": "own"}), &claims).unwrap()
        };
        let proof = || {
            let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": holder.public_jwk()});
            holder.sign(&header, &json!({"jti": unique(), "htm": "POST", "htu": format!("{issuer}/token"), "iat": now})).unwrap()
        };
        let post = |to: &str, own: &str, proof: Option<String>, more: &[(&str, &str)]| {
            let mut form = vec![("client_assertion_type", ASSERTION), ("client_assertion", own)];
            form.extend(more);
            let request = server.post(&format!("{}/{to}", client.base)).form(&form);
            match proof {
                Some(proof) => request.header("dpop", proof),
                None => request,
            }
        };
        let request = [("response_type", "code"), ("redirect_uri", CALLBACK), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
        refused(by_secret.post("par").form(&request).send().await, 401, "invalid_client");
        refused(post("par", &assertion(&format!("{issuer}/token")), None, &request).send().await, 401, "invalid_client");
        refused(post("par", &assertion(&issuer), None, &request[..2]).send().await, 400, "invalid_request");
        let pushed = post("par", &assertion(&issuer), None, &request).send().await.expect(201).json();
        let uri = pushed["request_uri"].as_str().unwrap();
        let answer = client.authorize(&format!("code_challenge={CHALLENGE}&code_challenge_method=S256")).await.expect(302);
        assert_eq!(parameter(&answer.header("location"), "error"), "invalid_request");
        let form = server.get(&format!("{}/authorization?client_id={}&request_uri={uri}", client.base, client.id)).send().await.expect(200);
        let answer = client.submit(&form, "ada@example.com", PASSWORD).await.expect(303);
        let code = parameter(&answer.header("location"), "code");
        let redeem = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        refused(post("token", &assertion(&issuer), None, &redeem).send().await, 400, "invalid_request");
        let tokens = post("token", &assertion(&issuer), Some(proof()), &redeem).send().await.expect(200).json();
        assert_eq!((&tokens["token_type"], &decode(&tokens["access_token"]).0["alg"]), (&json!("DPoP"), &json!("ES256")));
        let password = [("grant_type", "password"), ("username", "ada@example.com"), ("password", PASSWORD)];
        refused(post("token", &assertion(&issuer), Some(proof()), &password).send().await, 400, "unauthorized_client");
    }
}

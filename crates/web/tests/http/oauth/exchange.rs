//! Token exchange (RFC 8693).

use serde_json::{Value, json};
use vestibule_crypto::jose::{Algorithm, SigningKey};
use vestibule_testkit::{TestResponse, TestServer, on_each_engine};

use super::setup::{Client, PASSWORD, decode, refused};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const IDENTITY: &str = "urn:ietf:params:oauth:token-type:id_token";
const API: &str = "https://api.example.com";
const DEEP: &str = "https://deep.example.com";

/// An application that people use, and a server that may exchange their tokens.
async fn setup(server: &TestServer) -> (Client<'_>, Client<'_>) {
    let client = Client::new(server).await;
    let body = json!({"tokenExchange": true, "resources": [API, DEEP]});
    client.instance.put("config/oauth", body).await.expect(200);
    let body = json!({"refresh": {"enabled": true}, "access": {"expires_in": 3600}});
    client.instance.put("config/tokens", body).await.expect(200);
    let api = client.another("regularwebapp").await;
    registered(&api, json!({})).await;
    (client, api)
}

async fn registered(api: &Client<'_>, more: Value) {
    let mut body = json!({"grant_types": [GRANT, "client_credentials"]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let path = format!("applications/{}/metadata", api.id);
    api.instance.put(&path, body).await.expect(200);
}

async fn exchange(api: &Client<'_>, token: &Value, more: &[(&str, &str)]) -> TestResponse {
    let mut form = vec![
        ("grant_type", GRANT),
        ("subject_token", token.as_str().unwrap()),
    ];
    if !more.iter().any(|(name, _)| *name == "subject_token_type") {
        form.push(("subject_token_type", ACCESS));
    }
    form.extend(more);
    api.token(&form).await
}

fn claims(tokens: &Value) -> Value {
    decode(&tokens["access_token"]).1
}

on_each_engine! {
    async fn a_server_gets_a_token_of_its_own_for_a_person(server) {
        let (client, api) = setup(&server).await;
        let ada = client.ada().await;
        server.clock.advance_seconds(600);
        let got = exchange(&api, &ada["access_token"], &[]).await.expect(200).json();
        assert_eq!((&got["issued_token_type"], &got["token_type"]), (&json!(ACCESS), &json!("Bearer")));
        assert!(got.get("id_token").is_none() && got.get("refresh_token").is_none());
        let (before, now) = (claims(&ada), claims(&got));
        assert_eq!((&now["aud"], &now["client_id"]), (&json!([api.id]), &json!(api.id)));
        for same in ["sub", "amr", "scope", "exp", "iss", "tenant"] {
            assert_eq!(before[same], now[same], "{same}");
        }
        // Never longer than what was shown.
        assert_eq!(got["expires_in"], 3000);
        assert!(now.get("act").is_none());
        assert!(client.active(&got["access_token"]).await);
        api.userinfo(&got["access_token"]).await.expect(200);
        // And again by another, for a place, with less.
        let deeper = client.another("regularwebapp").await;
        registered(&deeper, json!({})).await;
        let more = [("resource", API), ("scope", "openid appid_default")];
        let next = exchange(&deeper, &got["access_token"], &more).await.expect(200).json();
        assert_eq!(next["scope"], "openid appid_default");
        assert_eq!(claims(&next)["aud"], json!([API]));
        // What ends the sign-in ends them all.
        client.post("revoke").form(&[("token", ada["refresh_token"].as_str().unwrap())]).send().await.expect(200);
        for ended in [&ada, &got, &next] {
            assert!(!client.active(&ended["access_token"]).await);
        }
        refused(exchange(&api, &ada["access_token"], &[]).await, 400, "invalid_request");
    }

    async fn actors_stand_behind_one_another(server) {
        let (client, api) = setup(&server).await;
        let own = api.token(&[("grant_type", "client_credentials")]).await.expect(200).json();
        let actor = [("actor_token", own["access_token"].as_str().unwrap()), ("actor_token_type", ACCESS)];
        let mut token = client.ada().await["access_token"].clone();
        let mut act = json!(null);
        for n in 0..4 {
            let got = exchange(&api, &token, &actor).await.expect(200).json();
            act = if n == 0 { json!({"sub": api.id}) } else { json!({"sub": api.id, "act": act}) };
            assert_eq!(claims(&got)["act"], act);
            token = got["access_token"].clone();
        }
        refused(exchange(&api, &token, &actor).await, 400, "invalid_request");
        // Without an actor the chain stays as it is.
        assert_eq!(claims(&exchange(&api, &token, &[]).await.expect(200).json())["act"], act);
        // Nobody acts with another's token, nor with an exchanged one.
        let ada = client.ada().await;
        let foreign = client.token(&[("grant_type", "client_credentials")]).await.expect(200).json();
        for bad in [&foreign["access_token"], &ada["access_token"], &token] {
            let actor = [("actor_token", bad.as_str().unwrap()), ("actor_token_type", ACCESS)];
            refused(exchange(&api, &ada["access_token"], &actor).await, 400, "invalid_request");
        }
        for bad in [&[("actor_token_type", ACCESS)][..], &actor[..1], &[actor[0], ("actor_token_type", IDENTITY)]] {
            refused(exchange(&api, &ada["access_token"], bad).await, 400, "invalid_request");
        }
    }

    async fn what_a_role_gives_at_one_application_is_nothing_at_another(server) {
        let (client, api) = setup(&server).await;
        for one in [&client, &api] {
            let path = format!("applications/{}/scopes", one.id);
            client.instance.put(&path, json!({"scopes": ["admin", "read"]})).await.expect(200);
        }
        let access = |one: &Client<'_>, scopes: Value| json!({"application_id": one.id, "scopes": scopes});
        let role = client.instance.role("boss", json!([access(&client, json!(["admin", "read"])), access(&api, json!(["read"]))])).await;
        let sub = claims(&client.ada().await)["sub"].as_str().unwrap().to_owned();
        client.instance.put(&format!("users/{sub}/roles"), json!({"roles": {"ids": [role]}})).await.expect(200);
        let ada = client.ada().await;
        assert!(ada["scope"].as_str().unwrap().ends_with(" admin read"), "{}", ada["scope"]);
        let got = exchange(&api, &ada["access_token"], &[]).await.expect(200).json();
        assert!(got["scope"].as_str().unwrap().ends_with(" appid_authenticated read"), "{}", got["scope"]);
        refused(exchange(&api, &ada["access_token"], &[("scope", "admin")]).await, 400, "invalid_scope");
        assert_eq!(exchange(&api, &ada["access_token"], &[("scope", "read")]).await.expect(200).json()["scope"], "read");
    }

    async fn identity_tokens_are_the_applications_own(server) {
        let (client, api) = setup(&server).await;
        let ada = client.ada().await;
        let kind = [("subject_token_type", IDENTITY)];
        refused(exchange(&api, &ada["id_token"], &kind).await, 400, "invalid_request");
        registered(&api, json!({"grant_types": [GRANT, "password"]})).await;
        let own = api.ada().await;
        let got = exchange(&api, &own["id_token"], &kind).await.expect(200).json();
        assert_eq!(got["scope"], "openid appid_default");
        refused(exchange(&api, &own["id_token"], &[kind[0], ("scope", "openid appid_readuserattr")]).await, 400, "invalid_scope");
        // Each is what it is said to be.
        refused(exchange(&api, &own["id_token"], &[]).await, 400, "invalid_request");
        refused(exchange(&api, &own["access_token"], &kind).await, 400, "invalid_request");
    }

    async fn bad_requests_lead_nowhere(server) {
        let (client, api) = setup(&server).await;
        let ada = client.ada().await;
        let token = &ada["access_token"];
        for (more, error) in [
            (("requested_token_type", IDENTITY), "invalid_request"),
            (("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request"),
            (("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"), "invalid_request"),
            (("subject_token_type", ""), "invalid_request"),
            (("scope", "openid admin"), "invalid_scope"),
            (("resource", "https://evil.example"), "invalid_target"),
            (("audience", "somebody"), "invalid_target"),
            (("audience", "https://evil.example"), "invalid_target"),
        ] {
            refused(exchange(&api, token, &[more]).await, 400, error);
        }
        exchange(&api, token, &[("requested_token_type", ACCESS)]).await.expect(200);
        refused(api.token(&[("grant_type", GRANT), ("subject_token_type", ACCESS)]).await, 400, "invalid_request");
        let refresh = &ada["refresh_token"];
        let text = token.as_str().unwrap();
        let forged = json!(format!("{}x", &text[..text.len() - 1]));
        for bad in [refresh, &forged, &json!("x")] {
            refused(exchange(&api, bad, &[]).await, 400, "invalid_request");
        }
        // Of another instance.
        let (other, _) = setup(&server).await;
        refused(exchange(&api, &other.ada().await["access_token"], &[]).await, 400, "invalid_request");
        // Too old.
        server.clock.advance_seconds(3600);
        refused(exchange(&api, token, &[]).await, 400, "invalid_request");
    }

    async fn a_token_for_places_leads_to_places(server) {
        let (client, api) = setup(&server).await;
        let issuer = format!("http://vestibule.test{}", client.base);
        let form = [("grant_type", "password"), ("username", "ada@example.com"), ("password", PASSWORD), ("resource", API)];
        let held = client.token(&form).await.expect(200).json();
        let token = &held["access_token"];
        let same = exchange(&api, token, &[]).await.expect(200).json();
        assert_eq!(claims(&same)["aud"], json!([API]));
        refused(api.userinfo(&same["access_token"]).await, 401, "invalid_token");
        let deep = exchange(&api, token, &[("audience", DEEP)]).await.expect(200).json();
        assert_eq!(claims(&deep)["aud"], json!([DEEP]));
        refused(exchange(&api, token, &[("resource", &issuer)]).await, 400, "invalid_target");
        refused(exchange(&api, token, &[("audience", &api.id)]).await, 400, "invalid_target");
    }

    async fn whoever_may_not_sign_in_is_not_acted_for(server) {
        let (client, api) = setup(&server).await;
        let ada = client.ada().await;
        let found = client.instance.get("cloud_directory/Users").await;
        let user = &found["Resources"][0];
        let path = format!("cloud_directory/Users/{}", user["id"].as_str().unwrap());
        client.instance.put(&path, json!({"emails": user["emails"], "active": false})).await.expect(200);
        refused(exchange(&api, &ada["access_token"], &[]).await, 400, "invalid_request");
        // An application's own token speaks for nobody else.
        let own = client.token(&[("grant_type", "client_credentials")]).await.expect(200).json();
        let got = exchange(&api, &own["access_token"], &[("resource", API)]).await.expect(200).json();
        assert_eq!(claims(&got)["sub"], client.id);
    }

    async fn each_application_has_its_own_name_for_people(server) {
        let (client, api) = setup(&server).await;
        registered(&api, json!({"subject_type": "pairwise", "redirect_uris": ["https://api.example.com/cb"]})).await;
        let ada = client.ada().await;
        let got = exchange(&api, &ada["access_token"], &[]).await.expect(200).json();
        let sub = claims(&got)["sub"].clone();
        assert_eq!(sub.as_str().unwrap().len(), 43);
        assert_eq!(api.userinfo(&got["access_token"]).await.expect(200).json()["sub"], sub);
        let other = client.another("regularwebapp").await;
        registered(&other, json!({})).await;
        let back = exchange(&other, &got["access_token"], &[]).await.expect(200).json();
        assert_eq!(claims(&back)["sub"], claims(&ada)["sub"]);
        assert!(claims(&back).get("prf").is_none());
    }

    async fn what_is_bound_stays_bound(server) {
        let (client, api) = setup(&server).await;
        let key = |name| SigningKey::generate(Algorithm::ES256, name).unwrap();
        let (theirs, ours) = (key("theirs"), key("ours"));
        let proof = |key: &SigningKey, jti: &str| {
            let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk()});
            let claims = json!({"jti": jti, "htm": "POST", "htu": format!("http://vestibule.test{}/token", client.base), "iat": server.engine.now().seconds()});
            key.sign(&header, &claims).unwrap()
        };
        let form = [("grant_type", "password"), ("username", "ada@example.com"), ("password", PASSWORD)];
        let ada = client.post("token").header("dpop", proof(&theirs, "1")).form(&form).send().await.expect(200).json();
        refused(exchange(&api, &ada["access_token"], &[]).await, 400, "invalid_dpop_proof");
        let form = [("grant_type", GRANT), ("subject_token", ada["access_token"].as_str().unwrap()), ("subject_token_type", ACCESS)];
        let got = api.post("token").header("dpop", proof(&ours, "2")).form(&form).send().await.expect(200).json();
        assert_eq!(got["token_type"], "DPoP");
        assert_eq!(claims(&got)["cnf"], json!({"jkt": ours.verifying_key().thumbprint()}));
        // A bound token of one's own needs its key.
        let own = api.post("token").header("dpop", proof(&ours, "3")).form(&[("grant_type", "client_credentials")]).send().await.expect(200).json();
        let actor = [("actor_token", own["access_token"].as_str().unwrap()), ("actor_token_type", ACCESS)];
        let form: Vec<_> = form.into_iter().chain(actor).collect();
        refused(api.post("token").header("dpop", proof(&theirs, "4")).form(&form).send().await, 400, "invalid_dpop_proof");
        let got = api.post("token").header("dpop", proof(&ours, "5")).form(&form).send().await.expect(200).json();
        assert_eq!(claims(&got)["act"], json!({"sub": api.id}));
    }

    async fn tokens_may_name_who_may_act(server) {
        let (client, api) = setup(&server).await;
        let body = json!({"accessTokenClaims": [{"source": "attributes", "sourceClaim": "may", "destinationClaim": "may_act"}, {"source": "attributes", "sourceClaim": "may", "destinationClaim": "act"}]});
        client.instance.put("config/tokens", body).await.expect(200);
        let plain = client.ada().await;
        let set = async |value: Value| {
            let bearer = plain["access_token"].as_str().unwrap();
            server.put("/api/v1/attributes/may").bearer(bearer).body(value.to_string()).send().await.expect(200);
            client.ada().await["access_token"].clone()
        };
        for good in [json!({"client_id": api.id}), json!({"sub": api.id})] {
            let got = exchange(&api, &set(good).await, &[]).await.expect(200).json();
            // No mapping says who acts.
            assert!(claims(&got).get("act").is_none());
        }
        for bad in [json!({"client_id": client.id}), json!({"sub": "x"}), json!({}), json!("x"), json!({"client_id": api.id, "sub": "x"})] {
            let token = set(bad).await;
            assert!(decode(&token).1.get("act").is_none());
            refused(exchange(&api, &token, &[]).await, 400, "invalid_request");
        }
    }

    async fn instances_and_administrators_decide(server) {
        let (client, api) = setup(&server).await;
        let ada = client.ada().await;
        let discover = async || {
            let path = format!("{}/.well-known/openid-configuration", client.base);
            server.get(&path).send().await.expect(200).json()["grant_types_supported"].clone()
        };
        assert!(discover().await.as_array().unwrap().contains(&json!(GRANT)));
        // By name only, and not without a secret.
        refused(exchange(&client, &ada["access_token"], &[]).await, 400, "unauthorized_client");
        let page = client.another("singlepageapp").await;
        let form = [("grant_type", GRANT), ("client_id", page.id.as_str()), ("subject_token", ada["access_token"].as_str().unwrap()), ("subject_token_type", ACCESS)];
        refused(server.post(&format!("{}/token", client.base)).form(&form).send().await, 400, "unauthorized_client");
        let path = format!("applications/{}/metadata", page.id);
        client.instance.put(&path, json!({"token_endpoint_auth_method": "none", "grant_types": [GRANT]})).await.expect(400);
        client.instance.put("config/oauth/registration", json!({"enabled": "open"})).await.expect(204);
        let stranger = server.post(&format!("{}/register", client.base)).json(&json!({"redirect_uris": ["https://a.example/"], "grant_types": ["authorization_code", GRANT]})).send().await;
        refused(stranger, 400, "invalid_client_metadata");
        // What the application may not ask for it does not get.
        registered(&api, json!({"scope": "appid_default"})).await;
        let got = exchange(&api, &ada["access_token"], &[]).await.expect(200).json();
        assert_eq!(got["scope"], "openid appid_default");
        client.instance.put("config/oauth", json!({})).await.expect(200);
        refused(exchange(&api, &ada["access_token"], &[]).await, 400, "unsupported_grant_type");
        assert!(!discover().await.as_array().unwrap().contains(&json!(GRANT)));
    }
}

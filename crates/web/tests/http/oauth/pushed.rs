//! Authorization requests that applications push (RFC 9126).

use serde_json::json;
use vestibule_crypto::{
    jose::{Algorithm, SigningKey},
    token::TokenHash,
};
use vestibule_model::id::TenantId;
use vestibule_testkit::{TestResponse, on_each_engine};

use super::setup::{CALLBACK, CHALLENGE, Client, PASSWORD, VERIFIER, decode, parameter, refused};

/// Pushes the usual request with these parameters.
async fn push(client: &Client<'_>, more: &[(&str, &str)]) -> TestResponse {
    let mut form = vec![("response_type", "code"), ("redirect_uri", CALLBACK)];
    form.extend(more);
    client.post("par").form(&form).send().await
}

async fn pushed(client: &Client<'_>, more: &[(&str, &str)]) -> String {
    let answer = push(client, more).await.expect(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    assert_eq!(body["expires_in"], 90);
    let uri = body["request_uri"].as_str().unwrap().to_owned();
    assert_eq!(uri.len(), "urn:ietf:params:oauth:request_uri:".len() + 43);
    uri
}

async fn bring(client: &Client<'_>, id: &str, uri: &str) -> TestResponse {
    let path = format!(
        "{}/authorization?client_id={id}&request_uri={uri}",
        client.base
    );
    client.server().get(&path).send().await
}

/// Insists on a page that sends nobody anywhere.
#[track_caller]
fn page(answer: &TestResponse) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("<html"), "{}", answer.text());
}

on_each_engine! {
    async fn a_pushed_request_is_answered_once(server) {
        let client = Client::new(&server).await;
        let state = "a=\n&b";
        let uri = pushed(&client, &[("state", state), ("nonce", "n"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]).await;
        // A page may be shown again, in another browser too.
        bring(&client, &client.id, &uri).await.expect(200);
        let form = bring(&client, &client.id, &uri).await.expect(200);
        server.clock.advance_seconds(600);
        let answer = client.submit(&form, "ada@example.com", PASSWORD).await.expect(303);
        let location = answer.header("location");
        assert_eq!(parameter(&location, "state"), "a%3D%0A%26b");
        let code = parameter(&location, "code");
        let tokens = client.redeem(&code, &[("code_verifier", VERIFIER)]).await.expect(200).json();
        assert_eq!(decode(&tokens["id_token"]).1["nonce"], "n");
        page(&bring(&client, &client.id, &uri).await);
        page(&client.submit(&form, "ada@example.com", PASSWORD).await);
    }

    async fn a_pushed_request_is_one_applications_for_a_while(server) {
        let client = Client::new(&server).await;
        let other = client.another("regularwebapp").await;
        let uri = pushed(&client, &[]).await;
        page(&bring(&client, &other.id, &uri).await);
        page(&bring(&client, "", &uri).await);
        page(&bring(&client, &client.id, &format!("{}x", uri)).await);
        let elsewhere = Client::new(&server).await;
        page(&bring(&elsewhere, &client.id, &uri).await);
        // What the browser adds counts for nothing.
        let path = format!("{}/authorization?client_id={}&request_uri={uri}&redirect_uri=https://evil.example&response_type=token&prompt=none", client.base, client.id);
        server.get(&path).send().await.expect(200);
        server.clock.advance_seconds(91);
        page(&bring(&client, &client.id, &uri).await);
        server.clock.advance_seconds(1000);
        server.engine.clean_up().await.unwrap();
        page(&bring(&client, &client.id, &uri).await);
    }

    async fn what_the_authorization_endpoint_refuses_cannot_be_pushed(server) {
        let client = Client::new(&server).await;
        for (more, error) in [
            (("response_type", "token"), "unsupported_response_type"),
            (("redirect_uri", "https://evil.example/"), "invalid_request"),
            (("redirect_uri", ""), "invalid_request"),
            (("request_uri", "urn:ietf:params:oauth:request_uri:x"), "invalid_request"),
            (("request", "e30."), "request_not_supported"),
            (("client_id", "00000000-0000-4000-8000-000000000000"), "invalid_request"),
            (("prompt", "none login"), "invalid_request"),
            (("code_challenge", "x"), "invalid_request"),
            (("idp", "myspace"), "access_denied"),
        ] {
            let mut form = vec![("response_type", "code"), ("redirect_uri", CALLBACK)];
            form.retain(|(name, _)| *name != more.0);
            form.push(more);
            let answer = client.post("par").form(&form).send().await;
            let status = if more.0 == "client_id" { answer.status.as_u16() } else { 400 };
            assert!(status == 400 || status == 401, "{more:?}");
            if status == 400 {
                refused(answer, 400, error);
            }
        }
        let spa = client.another("singlepageapp").await;
        let form = [("response_type", "code"), ("redirect_uri", CALLBACK), ("client_id", spa.id.as_str())];
        let bare = server.post(&format!("{}/par", client.base)).form(&form).send().await;
        refused(bare, 400, "invalid_request");
        let wrong = server.post(&format!("{}/par", client.base)).basic(&client.id, "wrong").form(&form[..2]).send().await;
        refused(wrong, 401, "invalid_client");
        let long = "x".repeat(70_000);
        refused(push(&client, &[("state", &long)]).await, 413, "invalid_request");
    }

    async fn what_anybody_can_push_is_counted_by_address(server) {
        let client = Client::new(&server).await;
        let spa = client.another("singlepageapp").await;
        let path = format!("{}/par", client.base);
        let (id, state) = (spa.id.as_str(), "x".repeat(200));
        let form = [("response_type", "code"), ("redirect_uri", CALLBACK), ("client_id", id), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256"), ("state", &state)];
        let send = |from: &str| server.post(&path).from(from.parse().unwrap()).form(&form).send();
        for _ in 0..60 {
            send("203.0.113.7:5000").await.expect(201);
        }
        let refused = send("203.0.113.7:5001").await.expect(429);
        assert_eq!((refused.header("retry-after"), refused.json()["error_code"].clone()), (String::from("60"), json!("too many requests")));
        send("203.0.113.8:5000").await.expect(201);
        // Who proves itself is not held up by others.
        let own = client.post("par").from("203.0.113.7:5000".parse().unwrap());
        own.form(&form[..2]).send().await.expect(201);
        server.clock.advance_seconds(60);
        send("203.0.113.7:5000").await.expect(201);
    }

    async fn what_is_not_known_is_not_kept(server) {
        let client = Client::new(&server).await;
        let claims = r#"{"id_token":{"email":null}}"#;
        let known = [("scope", "openid"), ("claims", claims), ("login_hint", "ada@example.com"), ("ui_locales", "de")];
        let lean = pushed(&client, &known).await;
        let long = "y".repeat(30_000);
        let fat = pushed(&client, &[&known[..], &[("whatever", &long), ("another", &long)]].concat()).await;
        let page = bring(&client, &client.id, &fat).await.expect(200);
        assert!(page.text().contains("value=\"ada@example.com\""), "{}", page.text());
        assert!(page.text().contains("lang=\"de"), "{}", page.text());
        // Twice is twice, known or not.
        refused(push(&client, &[("whatever", "1"), ("whatever", "2")]).await, 400, "invalid_request");
        let store = vestibule_store::Store::open(&server.database_url, vestibule_store::DbOptions::default()).await;
        // A file has one owner at a time: what is in it is seen on the other engine.
        let Ok(store) = store else { return };
        let size = async |uri: &str| {
            let hash = TokenHash::of(uri.strip_prefix("urn:ietf:params:oauth:request_uri:").unwrap());
            let tenant = TenantId::parse(&client.instance.guid).unwrap();
            let found = store.read::<_, vestibule_store::Error>(tenant, move |t| t.find_pushed_request(hash.as_str())).await;
            found.unwrap().unwrap().sealed.len()
        };
        assert_eq!(size(&fat).await, size(&lean).await);
    }

    async fn all_that_has_expired_is_removed_at_once(server) {
        let client = Client::new(&server).await;
        for _ in 0..1100 {
            push(&client, &[]).await.expect(201);
        }
        server.clock.advance_seconds(1000);
        let last = pushed(&client, &[]).await;
        server.engine.clean_up().await.unwrap();
        // More than one sweep takes, and nothing that is good still.
        assert_eq!(server.engine.purge_expired().await.unwrap(), 0);
        bring(&client, &client.id, &last).await.expect(200);
    }

    async fn a_pushed_request_may_be_for_a_key(server) {
        let client = Client::new(&server).await;
        let key = SigningKey::generate(Algorithm::EdDSA, "own").unwrap();
        let header = json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": key.public_jwk()});
        let proof = |jti: &str, path: &str| {
            let claims = json!({"jti": jti, "htm": "POST", "htu": format!("http://vestibule.test{}/{path}", client.base), "iat": server.engine.now().seconds()});
            key.sign(&header, &claims).unwrap()
        };
        let form = [("response_type", "code"), ("redirect_uri", CALLBACK)];
        let send = |proof: String, more: Option<(&'static str, &'static str)>| {
            let mut form = form.to_vec();
            form.extend(more);
            client.post("par").header("dpop", proof).form(&form)
        };
        refused(send(proof("1", "token"), None).send().await, 400, "invalid_dpop_proof");
        let named = ("dpop_jkt", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        refused(send(proof("2", "par"), Some(named)).send().await, 400, "invalid_dpop_proof");
        let answer = send(proof("3", "par"), None).send().await.expect(201).json();
        let uri = answer["request_uri"].as_str().unwrap();
        let form = bring(&client, &client.id, uri).await.expect(200);
        let answer = client.submit(&form, "ada@example.com", PASSWORD).await.expect(303);
        let code = parameter(&answer.header("location"), "code");
        refused(client.redeem(&code, &[]).await, 400, "invalid_grant");
    }

    async fn instances_may_insist_and_may_do_without(server) {
        let client = Client::new(&server).await;
        let discover = async || {
            let path = format!("{}/.well-known/openid-configuration", client.base);
            server.get(&path).send().await.expect(200).json()
        };
        let found = discover().await;
        let issuer = found["issuer"].as_str().unwrap().to_owned();
        assert_eq!(found["pushed_authorization_request_endpoint"], format!("{issuer}/par"));
        assert!(found.get("require_pushed_authorization_requests").is_none());
        client.authorize("").await.expect(200);
        client.instance.put("config/oauth", json!({"pushedRequests": "required"})).await.expect(200);
        let answer = client.authorize("state=s").await.expect(302);
        assert_eq!(parameter(&answer.header("location"), "error"), "invalid_request");
        let uri = pushed(&client, &[]).await;
        bring(&client, &client.id, &uri).await.expect(200);
        assert_eq!(discover().await["require_pushed_authorization_requests"], true);
        client.instance.put("config/oauth", json!({"pushedRequests": "off"})).await.expect(200);
        refused(push(&client, &[]).await, 404, "not_found");
        assert!(discover().await.get("pushed_authorization_request_endpoint").is_none());
        client.authorize("").await.expect(200);
    }
}

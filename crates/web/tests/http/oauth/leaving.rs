//! What the logout plans ask for beyond a good logout (OpenID Connect RP-Initiated, Back-Channel and Front-Channel Logout 1.0).

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use vestibule_crypto::jose::{Algorithm, JwkSet, decode_unverified_header};
use vestibule_testkit::{Elsewhere, TestResponse, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, decode, parameter};

const OUT: &str = "https://app.example.com/out";

async fn stay_signed_in(client: &Client<'_>) {
    let body = json!({"isActive": true, "inactivityTimeoutSeconds": 600});
    let set = client.instance.put("config/cloud_directory/sso", body);
    set.await.expect(201);
    metadata(client, json!({})).await;
}

/// The application's own addresses, and these members.
async fn metadata(client: &Client<'_>, more: Value) {
    let mut body = json!({"redirect_uris": [CALLBACK], "post_logout_redirect_uris": [OUT]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let path = format!("applications/{}/metadata", client.id);
    client.instance.put(&path, body).await.expect(200);
}

/// Signs in with the page: what the browser holds, and the identity token.
async fn sign_in(client: &Client<'_>) -> (String, String) {
    let page = client.authorize("").await.expect(200);
    let answer = client.submit(&page, "ada@example.com", PASSWORD).await;
    let session = answer.header("set-cookie");
    let code = parameter(&answer.header("location"), "code");
    let tokens = client.redeem(&code, &[]).await.expect(200).json();
    let session = session.split(';').next().unwrap().to_owned();
    (session, tokens["id_token"].as_str().unwrap().to_owned())
}

async fn log_out(client: &Client<'_>, session: &str, query: &str) -> TestResponse {
    let path = format!("{}/logout?{query}", client.base);
    let request = client.server().get(&path).header("cookie", session);
    request.send().await
}

/// Whether the browser is still signed in.
async fn is_signed_in(client: &Client<'_>, session: &str) -> bool {
    let path = format!(
        "{}/authorization?client_id={}&redirect_uri={CALLBACK}&response_type=code&prompt=none",
        client.base, client.id
    );
    let answer = client.server().get(&path).header("cookie", session);
    let answer = answer.send().await.expect(302);
    answer.header("location").contains("?code=")
}

on_each_engine! {
    async fn what_is_not_right_signs_nobody_out(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let (session, hint) = sign_in(&client).await;
        let back = format!("post_logout_redirect_uri={OUT}");
        let (body, signature) = hint.rsplit_once('.').unwrap();
        let flipped = format!("{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
        let mut claims = decode(&json!(hint)).1;
        claims["sub"] = json!("somebody");
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let forged = format!("{}.{}.{signature}", hint.split('.').next().unwrap(), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut claims = decode(&json!(hint)).1;
        let unsigned = format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims));
        // As a client signs that takes the hint for a request: with its secret, and the other way round.
        (claims["iss"], claims["aud"]) = (json!(client.id), claims["iss"].clone());
        let text = format!("{}.{}", part(&json!({"alg": "HS256"})), part(&claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, client.secret.as_bytes()), text.as_bytes());
        let secret = format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag));
        for bad in [
            format!("id_token_hint={unsigned}&{back}"),
            format!("id_token_hint={secret}&{back}"),
            format!("id_token_hint={body}.{flipped}&{back}"),
            format!("id_token_hint={forged}&{back}"),
            format!("id_token_hint={body}.&{back}"),
            format!("id_token_hint={hint}&{back}%3Ffoo=bar"),
            format!("id_token_hint={hint}&{back}?foo=bar&state=s"),
            format!("id_token_hint={hint}&{back}%23x"),
        ] {
            let answer = log_out(&client, &session, &bad).await;
            assert_eq!(answer.status, 400, "{bad}");
            assert!(answer.header("content-type").starts_with("text/html") && !answer.headers.contains_key("location"));
            // The page says to whoever makes the application what is wrong.
            let named = answer.text().contains("The id_token_hint is not an identity token");
            assert_eq!(named, !bad.contains(&format!("{hint}&")), "{bad}: {}", answer.text());
        }
        assert!(is_signed_in(&client, &session).await);
    }

    async fn state_comes_back_only_if_it_came(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let (session, hint) = sign_in(&client).await;
        let gone = log_out(&client, &session, &format!("id_token_hint={hint}&post_logout_redirect_uri={OUT}")).await.expect(302);
        assert_eq!(gone.header("location"), OUT);
        assert!(!is_signed_in(&client, &session).await);
        let (session, hint) = sign_in(&client).await;
        let state = "s".repeat(384);
        let gone = log_out(&client, &session, &format!("id_token_hint={hint}&post_logout_redirect_uri={OUT}&state={state}")).await.expect(302);
        assert_eq!(gone.header("location"), format!("{OUT}?state={state}"));
    }

    async fn a_state_alone_is_a_question(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let (session, _) = sign_in(&client).await;
        let page = log_out(&client, &session, "state=s").await.expect(200);
        assert!(page.text().contains("Do you want to sign out"), "{}", page.text());
        assert!(is_signed_in(&client, &session).await);
        let nobody = log_out(&client, "", "state=s").await.expect(200);
        assert!(nobody.text().contains("You are signed out") && !nobody.headers.contains_key("location"), "{}", nobody.text());
    }

    async fn after_frames_the_state_comes_back(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        metadata(&client, json!({"frontchannel_logout_uri": "https://app.example.com/gone", "frontchannel_logout_session_required": true})).await;
        let (session, hint) = sign_in(&client).await;
        let page = log_out(&client, &session, &format!("id_token_hint={hint}&post_logout_redirect_uri={OUT}&state=a%26b")).await.expect(200);
        let html = page.text().replace("&#x2f;", "/");
        assert!(html.contains("<iframe src=\"https://app.example.com/gone?iss="), "{html}");
        assert!(html.contains(&format!("content=\"2;url={OUT}?state=a%26b\"")) && html.contains(&format!("href=\"{OUT}?state=a%26b\"")), "{html}");
        assert!(!is_signed_in(&client, &session).await);
    }

    async fn logout_tokens_are_signed_as_others_are(server) {
        let client = Client::new(&server).await;
        let elsewhere = Elsewhere::start().await;
        elsewhere.answer("/out", 200, "");
        stay_signed_in(&client).await;
        metadata(&client, json!({"backchannel_logout_uri": elsewhere.url("/out"), "backchannel_logout_session_required": true})).await;
        for (count, algorithm) in [(1, Algorithm::RS256), (2, Algorithm::ES256)] {
            client.instance.put("config/oauth", json!({"signingAlgorithm": algorithm.name()})).await.expect(200);
            let (session, hint) = sign_in(&client).await;
            log_out(&client, &session, &format!("id_token_hint={hint}&post_logout_redirect_uri={OUT}")).await.expect(302);
            let told = elsewhere.wait_for(count).await;
            let token = told[count - 1].1.strip_prefix("logout_token=").unwrap();
            let header = decode_unverified_header(token).unwrap();
            assert_eq!((header.alg.as_str(), header.typ.as_deref()), (algorithm.name(), Some("logout+jwt")));
            let set = server.get(&format!("{}/publickeys", client.base)).send().await.expect(200).text();
            let keys = JwkSet::parse(&set).unwrap();
            let claims: Value = keys.verify(token, &header, &[algorithm]).unwrap();
            assert_eq!((&claims["aud"], &claims["sid"]), (&json!(client.id), &decode(&json!(hint)).1["sid"]));
            let (body, _) = token.rsplit_once('.').unwrap();
            assert!(keys.verify::<Value>(&format!("{body}.AAAA"), &header, &[algorithm]).is_err());
        }
    }
}

//! Applications hear that somebody signed out (OpenID Connect Back-Channel and Front-Channel Logout 1.0).

use serde_json::{Value, json};
use vestibule_testkit::{Elsewhere, TestResponse, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, decode, parameter};

async fn set(client: &Client<'_>, metadata: Value) {
    let path = format!("applications/{}/metadata", client.id);
    client.instance.put(&path, metadata).await.expect(200);
}

async fn stay_signed_in(client: &Client<'_>) {
    let body = json!({"isActive": true, "inactivityTimeoutSeconds": 600, "logoutRedirectUris": ["https://app.example.com/out"]});
    client
        .instance
        .put("config/cloud_directory/sso", body)
        .await
        .expect(201);
}

/// Signs in with the page: what the browser holds, and the tokens.
async fn sign_in(client: &Client<'_>) -> (String, Value) {
    let page = client.authorize("").await.expect(200);
    let answer = client
        .submit(&page, "ada@example.com", PASSWORD)
        .await
        .expect(303);
    let session = answer
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    (session, redeem(client, &answer).await)
}

async fn redeem(client: &Client<'_>, answer: &TestResponse) -> Value {
    let code = parameter(&answer.header("location"), "code");
    client.redeem(&code, &[]).await.expect(200).json()
}

/// The same browser at another application.
async fn visit(client: &Client<'_>, session: &str) -> Value {
    let path = format!(
        "{}/authorization?client_id={}&redirect_uri={CALLBACK}&response_type=code",
        client.base, client.id
    );
    let answer = client
        .server()
        .get(&path)
        .header("cookie", session)
        .send()
        .await
        .expect(302);
    redeem(client, &answer).await
}

async fn log_out(client: &Client<'_>, session: &str, tokens: &Value) -> TestResponse {
    let hint = tokens["id_token"].as_str().unwrap();
    let path = format!(
        "{}/logout?id_token_hint={hint}&post_logout_redirect_uri=https://app.example.com/out",
        client.base
    );
    client
        .server()
        .get(&path)
        .header("cookie", session)
        .send()
        .await
}

on_each_engine! {
    async fn servers_are_told_with_a_signed_token(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let elsewhere = Elsewhere::start().await;
        elsewhere.answer("/out", 200, "");
        let (other, silent) = (client.another("regularwebapp").await, client.another("regularwebapp").await);
        set(&client, json!({"backchannel_logout_uri": elsewhere.url("/out")})).await;
        set(&other, json!({"backchannel_logout_uri": elsewhere.url("/out"), "subject_type": "pairwise", "redirect_uris": [CALLBACK]})).await;
        let (session, tokens) = sign_in(&client).await;
        let theirs = visit(&other, &session).await;
        visit(&silent, &session).await;
        visit(&other, &session).await;
        log_out(&client, &session, &tokens).await.expect(302);
        let mut told: Vec<Value> = Vec::new();
        for (path, body) in elsewhere.wait_for(2).await {
            assert_eq!(path, "/out");
            let token = body.strip_prefix("logout_token=").unwrap();
            let (header, claims) = decode(&json!(token));
            assert_eq!(header["typ"], "logout+jwt");
            assert_eq!(claims["iss"], format!("http://vestibule.test{}", client.base));
            assert_eq!(claims["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
            assert!(claims["jti"].is_string() && claims["exp"].as_i64() > claims["iat"].as_i64() && claims.get("nonce").is_none());
            // It opens nothing.
            client.userinfo(&json!(token)).await.expect(401);
            assert!(!client.active(&json!(token)).await);
            told.push(claims);
        }
        assert_eq!(told.len(), 2);
        for (client, tokens) in [(&client, &tokens), (&other, &theirs)] {
            let identity = decode(&tokens["id_token"]).1;
            let one = told.iter().find(|claims| claims["aud"] == client.id.as_str()).unwrap();
            assert_eq!((&one["sub"], &one["sid"]), (&identity["sub"], &identity["sid"]));
        }
    }

    async fn a_server_that_is_not_there_is_tried_again(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let elsewhere = Elsewhere::start().await;
        elsewhere.answer("/out", 503, "");
        set(&client, json!({"backchannel_logout_uri": elsewhere.url("/out")})).await;
        let (session, tokens) = sign_in(&client).await;
        // The person does not wait for it.
        log_out(&client, &session, &tokens).await.expect(302);
        elsewhere.wait_for(1).await;
        elsewhere.answer("/out", 200, "");
        let all = elsewhere.wait_for(2).await;
        assert_eq!(all[0], all[1]);
    }

    async fn the_service_tells_nobody_it_must_not_reach(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let elsewhere = Elsewhere::start().await;
        set(&client, json!({"backchannel_logout_uri": elsewhere.at("localhost", "/out")})).await;
        let (session, tokens) = sign_in(&client).await;
        log_out(&client, &session, &tokens).await.expect(302);
        assert!(elsewhere.requests().is_empty());
    }

    async fn pages_are_told_in_frames(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        set(&client, json!({"frontchannel_logout_uri": "https://app.example.com/gone?x=1", "redirect_uris": [CALLBACK]})).await;
        let (session, tokens) = sign_in(&client).await;
        let page = log_out(&client, &session, &tokens).await.expect(200);
        let policy = page.header("content-security-policy");
        assert!(policy.contains("frame-src https://app.example.com;") && policy.contains("default-src 'none'"), "{policy}");
        assert!(page.header("set-cookie").contains("Max-Age=0"));
        let html = page.text().replace("&#x2f;", "/").replace("&amp;", "&");
        let sid = decode(&tokens["id_token"]).1["sid"].as_str().unwrap().to_owned();
        let issuer = format!("http://vestibule.test{}", client.base).replace(':', "%3A").replace('/', "%2F");
        assert!(html.contains(&format!("<iframe src=\"https://app.example.com/gone?x=1&iss={issuer}&sid={sid}\"")), "{html}");
        assert!(html.contains("content=\"2;url=https://app.example.com/out\"") && html.contains("href=\"https://app.example.com/out\""), "{html}");
        // It is said once.
        log_out(&client, &session, &tokens).await.expect(302);
    }

    async fn all_sessions_of_a_person_end_with_a_word(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let elsewhere = Elsewhere::start().await;
        elsewhere.answer("/out", 200, "");
        set(&client, json!({"backchannel_logout_uri": elsewhere.url("/out")})).await;
        let (first, second) = (sign_in(&client).await, sign_in(&client).await);
        let path = format!("{}/cloud_directory/sso/logout?client_id={}&redirect_uri={CALLBACK}&all_sessions=true", client.base, client.id);
        server.get(&path).header("cookie", first.0).send().await.expect(302);
        let mut told: Vec<Value> = elsewhere.wait_for(2).await.iter().map(|(_, body)| decode(&json!(body.strip_prefix("logout_token=").unwrap())).1["sid"].clone()).collect();
        let mut held: Vec<Value> = [first.1, second.1].iter().map(|tokens| decode(&tokens["id_token"]).1["sid"].clone()).collect();
        told.sort_by_key(Value::to_string);
        held.sort_by_key(Value::to_string);
        assert_eq!(told, held);
    }
}

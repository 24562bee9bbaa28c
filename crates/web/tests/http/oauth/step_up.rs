//! Step-up: a resource that wants a fresher or a stronger sign-in sees in the token what there was (RFC 9470).

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use super::setup::{CALLBACK, Client, PASSWORD, cookie, decode, field, parameter};

/// What introspection says of a token.
async fn introspect(client: &Client<'_>, token: &Value) -> Value {
    let form = [("token", token.as_str().unwrap())];
    let answer = client.post("introspect").form(&form).send().await;
    answer.expect(200).json()
}

on_each_engine! {
    async fn registered_clients_learn_how_fresh_a_token_is(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/oauth/registration", json!({"enabled": "open", "consentRequired": false})).await.expect(204);
        client.instance.put("config/cloud_directory/sso", json!({"isActive": true, "inactivityTimeoutSeconds": 6000})).await.expect(201);
        let made = server.post(&format!("{}/register", client.base)).json(&json!({"redirect_uris": [CALLBACK]})).send().await.expect(201).json();
        let own = |name: &str| made[name].as_str().unwrap().to_owned();
        let (id, secret) = (own("client_id"), own("client_secret"));
        let ask = async |session: &str, more: &str| {
            let path = format!("{}/authorization?client_id={id}&redirect_uri={CALLBACK}&response_type=code&{more}", client.base);
            server.get(&path).header("cookie", session).send().await
        };
        let redeem = async |location: String| {
            let code = parameter(&location, "code");
            let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
            server.post(&format!("{}/token", client.base)).basic(&id, &secret).form(&form).send().await.expect(200).json()
        };
        let page = ask("", "scope=openid").await.expect(200);
        let answer = client.submission(&page, "ada@example.com", PASSWORD).header("cookie", cookie(&page)).send().await.expect(303);
        let session = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let first = redeem(answer.header("location")).await;
        let at = server.engine.now().seconds();
        let access = decode(&first["access_token"]).1;
        assert_eq!((&access["acr"], &access["auth_time"]), (&json!("1"), &json!(at)));
        assert_eq!(introspect(&client, &first["access_token"]).await, json!({"active": true, "acr": "1", "auth_time": at}));
        // The session gives new tokens of the old sign-in; the resource asks for a new one, and the client passes that on.
        server.clock.advance_seconds(120);
        let old = redeem(ask(&session, "scope=openid").await.expect(302).header("location")).await;
        assert_eq!(introspect(&client, &old["access_token"]).await["auth_time"], at);
        let page = ask(&session, "scope=openid&max_age=60&acr_values=1").await.expect(200);
        let html = page.text();
        let form = [("context", &*field(&html, "name=\"context\" value=\"")), ("username", "ada@example.com"), ("password", PASSWORD)];
        let answer = server.post(&field(&html, "action=\"")).form(&form).header("cookie", cookie(&page)).send().await.expect(303);
        let fresh = redeem(answer.header("location")).await;
        assert_eq!(introspect(&client, &fresh["access_token"]).await, json!({"active": true, "acr": "1", "auth_time": at + 120}));
        assert_eq!(decode(&fresh["id_token"]).1["acr"], "1");
        // Identity tokens are asked for what they say by the application, not by a resource.
        assert_eq!(introspect(&client, &fresh["id_token"]).await, json!({"active": true}));
    }

    async fn app_ids_tokens_stay_as_they_are_unless_told(server) {
        let client = Client::new(&server).await;
        let plain = client.ada().await;
        let access = decode(&plain["access_token"]).1;
        assert_eq!((access.get("acr"), access.get("auth_time")), (None, None));
        assert_eq!(introspect(&client, &plain["access_token"]).await, json!({"active": true}));
        client.instance.put("config/oauth", json!({"jwtAccessTokens": true})).await.expect(200);
        let told = client.ada().await;
        let at = server.engine.now().seconds();
        assert_eq!(introspect(&client, &told["access_token"]).await, json!({"active": true, "acr": "1", "auth_time": at}));
        let nobody = client.token(&[("grant_type", "client_credentials")]).await.expect(200).json();
        assert_eq!(introspect(&client, &nobody["access_token"]).await, json!({"active": true}));
        assert_eq!(introspect(&client, &json!("x")).await, json!({"active": false}));
    }
}

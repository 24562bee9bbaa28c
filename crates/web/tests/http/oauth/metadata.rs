//! Applications whose metadata say more than the instance's lists.

use serde_json::json;
use vestibule_testkit::on_each_engine;

use super::setup::{CALLBACK, CHALLENGE, Client, PASSWORD, VERIFIER, decode, parameter, refused};

async fn set(client: &Client<'_>, metadata: serde_json::Value) {
    let path = format!("applications/{}/metadata", client.id);
    client.instance.put(&path, metadata).await.expect(200);
}

on_each_engine! {
    async fn own_redirect_uris_are_the_only_ones(server) {
        let client = Client::new(&server).await;
        let other = client.another("regularwebapp").await;
        const OWN: &str = "https://own.example.com/cb?a=1";
        set(&client, json!({"redirect_uris": [OWN]})).await;
        let ask = async |uri: &str| {
            let query = format!("client_id={}&redirect_uri={}&response_type=code", client.id, uri.replace('?', "%3F").replace('=', "%3D"));
            server.get(&format!("{}/authorization?{query}", client.base)).send().await.status.as_u16()
        };
        assert_eq!(ask(OWN).await, 200);
        for foreign in [CALLBACK, "https://own.example.com/cb", "https://own.example.com/cb?a=1%26b=2", "https://own.example.com/cb/?a=1"] {
            assert_eq!(ask(foreign).await, 400, "{foreign}");
        }
        // Those of other applications stay theirs.
        other.authorize("").await.expect(200);
        let query = format!("client_id={}&redirect_uri={OWN}&response_type=code", other.id);
        server.get(&format!("{}/authorization?{query}", client.base)).send().await.expect(400);
        set(&client, json!({})).await;
        assert_eq!(ask(CALLBACK).await, 200);
    }

    async fn grants_that_are_not_named_are_refused(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/tokens", json!({"refresh": {"enabled": true}})).await;
        set(&client, json!({"grant_types": ["authorization_code"]})).await;
        refused(client.password("ada@example.com", PASSWORD).await, 400, "unauthorized_client");
        refused(client.token(&[("grant_type", "client_credentials")]).await, 400, "unauthorized_client");
        refused(client.token(&[("grant_type", "refresh_token"), ("refresh_token", "x")]).await, 400, "unauthorized_client");
        let code = client.code("").await;
        let tokens = client.redeem(&code, &[]).await.expect(200).json();
        assert_eq!(tokens.get("refresh_token"), None);
        set(&client, json!({"grant_types": ["authorization_code", "refresh_token"]})).await;
        let code = client.code("").await;
        let tokens = client.redeem(&code, &[]).await.expect(200).json();
        let refresh = tokens["refresh_token"].as_str().unwrap();
        client.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await.expect(200);
    }

    async fn one_way_to_say_who_calls(server) {
        let client = Client::new(&server).await;
        let path = format!("{}/token", client.base);
        let grant = ("grant_type", "client_credentials");
        let form = [grant, ("client_id", client.id.as_str()), ("client_secret", client.secret.as_str())];
        set(&client, json!({"token_endpoint_auth_method": "client_secret_basic"})).await;
        client.token(&[grant]).await.expect(200);
        refused(server.post(&path).form(&form).send().await, 401, "invalid_client");
        set(&client, json!({"token_endpoint_auth_method": "client_secret_post"})).await;
        refused(client.token(&[grant]).await, 401, "invalid_client");
        server.post(&path).form(&form).send().await.expect(200);
        let revoke = [("token", "x"), ("client_id", client.id.as_str()), ("client_secret", client.secret.as_str())];
        for path in ["introspect", "revoke"] {
            refused(client.post(path).form(&[("token", "x")]).send().await, 401, "invalid_client");
            server.post(&format!("{}/{path}", client.base)).form(&revoke).send().await.expect(200);
        }
    }

    async fn a_public_client_needs_a_challenge(server) {
        let client = Client::new(&server).await;
        set(&client, json!({"token_endpoint_auth_method": "none"})).await;
        let location = client.authorize("").await.expect(302).header("location");
        assert_eq!(parameter(&location, "error"), "invalid_request");
        let code = client.code(&format!("code_challenge={CHALLENGE}&code_challenge_method=S256")).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("client_id", client.id.as_str()),
            ("code_verifier", VERIFIER),
        ];
        server.post(&format!("{}/token", client.base)).form(&form).send().await.expect(200);
        // Anybody can say that they are it, and is told of no token.
        let asked = [("token", "x"), ("client_id", client.id.as_str())];
        refused(server.post(&format!("{}/introspect", client.base)).form(&asked).send().await, 401, "invalid_client");
        let alone = [("grant_type", "client_credentials"), ("client_id", client.id.as_str())];
        refused(server.post(&format!("{}/token", client.base)).form(&alone).send().await, 400, "unauthorized_client");
    }

    async fn what_a_request_leaves_out_the_registration_says(server) {
        let client = Client::new(&server).await;
        let claims = async |more: &str| {
            let code = client.code(more).await;
            decode(&client.redeem(&code, &[]).await.expect(200).json()["id_token"]).1
        };
        assert_eq!(claims("").await.get("auth_time"), None);
        set(&client, json!({"require_auth_time": true, "default_acr_values": ["1"]})).await;
        let said = claims("").await;
        assert!(said["auth_time"].is_i64(), "{said}");
        assert_eq!(said["acr"], "1");
        set(&client, json!({"default_max_age": 60})).await;
        assert!(claims("").await["auth_time"].is_i64());
    }

    async fn signing_out_returns_to_its_own_addresses(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/cloud_directory/sso", json!({"isActive": true, "logoutRedirectUris": ["https://app.example.com/out"]})).await;
        let leave = async |uri: &str| {
            let path = format!("{}/logout?client_id={}&post_logout_redirect_uri={uri}", client.base, client.id);
            server.get(&path).send().await.status.as_u16()
        };
        assert_eq!(leave("https://app.example.com/out").await, 302);
        set(&client, json!({"post_logout_redirect_uris": ["https://own.example.com/out"]})).await;
        assert_eq!(leave("https://own.example.com/out").await, 302);
        assert_eq!(leave("https://own.example.com/out/").await, 400);
        assert_eq!(leave("https://app.example.com/out").await, 400);
    }
}

//! Access tokens for named places (RFC 8707).

use serde_json::{Value, json};
use vestibule_testkit::{TestServer, on_each_engine};

use super::setup::{CALLBACK, CHALLENGE, Client, PASSWORD, VERIFIER, decode, parameter, refused};

const API: &str = "https://api.example.com/v1";
const CALENDAR: &str = "urn:example:calendar";
const PKCE: &str =
    "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// An application of an instance that knows two resources and gives refresh tokens.
async fn setup(server: &TestServer) -> Client<'_> {
    let client = Client::new(server).await;
    let body = json!({"resources": [API, CALENDAR], "deviceAuthorization": true});
    client.instance.put("config/oauth", body).await.expect(200);
    let body = json!({"refresh": {"enabled": true}});
    client.instance.put("config/tokens", body).await.expect(200);
    client
}

fn audience(tokens: &Value) -> Value {
    decode(&tokens["access_token"]).1["aud"].clone()
}

on_each_engine! {
    async fn a_token_is_for_the_resources_that_were_asked_for(server) {
        let client = setup(&server).await;
        let code = client.code(&format!("resource={API}&resource={CALENDAR}&{PKCE}")).await;
        let tokens = client.redeem(&code, &[("code_verifier", VERIFIER)]).await.expect(200).json();
        let (_, claims) = decode(&tokens["access_token"]);
        assert_eq!(claims["aud"], json!([API, CALENDAR]));
        assert_eq!(claims["client_id"], client.id);
        // Identity tokens are for the application as ever.
        assert_eq!(decode(&tokens["id_token"]).1["aud"], json!([client.id]));
        let form = [("token", tokens["access_token"].as_str().unwrap())];
        let seen = client.post("introspect").form(&form).send().await.expect(200).json();
        assert_eq!(seen, json!({"active": true, "aud": [API, CALENDAR]}));
        // It is none for the service itself.
        refused(client.userinfo(&tokens["access_token"]).await, 401, "invalid_token");
        let attributes = server.get("/api/v1/attributes").bearer(tokens["access_token"].as_str().unwrap()).send().await;
        refused(attributes, 401, "invalid_token");
        // Its owner can end it; another application cannot, and it ends with its owner.
        let other = client.another("regularwebapp").await;
        other.post("revoke").form(&form).send().await.expect(200);
        assert!(client.active(&tokens["access_token"]).await);
        client.post("revoke").form(&form).send().await.expect(200);
        assert!(!client.active(&tokens["access_token"]).await);
        let own = other.token(&[("grant_type", "client_credentials"), ("resource", API)]).await.expect(200).json();
        assert_eq!(audience(&own), json!([API]));
        assert!(client.active(&own["access_token"]).await);
        client.instance.delete(&format!("applications/{}", other.id)).await.expect(204);
        assert!(!client.active(&own["access_token"]).await);
    }

    async fn the_service_itself_is_a_resource(server) {
        let client = setup(&server).await;
        let issuer = format!("http://vestibule.test{}", client.base);
        let form = [("grant_type", "password"), ("username", "ada@example.com"), ("password", PASSWORD), ("resource", issuer.as_str()), ("resource", API)];
        let tokens = client.token(&form).await.expect(200).json();
        assert_eq!(audience(&tokens), json!([issuer, API]));
        client.userinfo(&tokens["access_token"]).await.expect(200);
        let plain = client.ada().await;
        assert_eq!(audience(&plain), json!([client.id]));
        client.userinfo(&plain["access_token"]).await.expect(200);
    }

    async fn the_token_endpoint_narrows(server) {
        let client = setup(&server).await;
        let code = client.code(&format!("resource={API}&resource={CALENDAR}")).await;
        // More than was granted, and what there is not, leaves the code as it was.
        let issuer = format!("http://vestibule.test{}", client.base);
        for more in [issuer.as_str(), "https://evil.example", "x"] {
            refused(client.redeem(&code, &[("resource", more)]).await, 400, "invalid_target");
        }
        let tokens = client.redeem(&code, &[("resource", CALENDAR)]).await.expect(200).json();
        assert_eq!(audience(&tokens), json!([CALENDAR]));
        // The grant is as wide as it was.
        let renew = async |tokens: &Value, resource: &str| {
            let form = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap()), ("resource", resource)];
            client.token(&form).await
        };
        refused(renew(&tokens, &issuer).await, 400, "invalid_target");
        let tokens = renew(&tokens, API).await.expect(200).json();
        assert_eq!(audience(&tokens), json!([API]));
        let tokens = renew(&tokens, "").await.expect(200).json();
        assert_eq!(audience(&tokens), json!([API, CALENDAR]));
        // What the instance no longer knows is given no more.
        client.instance.put("config/oauth", json!({"resources": [CALENDAR]})).await.expect(200);
        let tokens = renew(&tokens, "").await.expect(200).json();
        assert_eq!(audience(&tokens), json!([CALENDAR]));
        client.instance.put("config/oauth", json!({})).await.expect(200);
        refused(renew(&tokens, "").await, 400, "invalid_target");
        // A grant for the application is none for a resource.
        client.instance.put("config/oauth", json!({"resources": [API]})).await.expect(200);
        let plain = client.ada().await;
        refused(renew(&plain, API).await, 400, "invalid_target");
        renew(&plain, "").await.expect(200);
    }

    async fn unknown_resources_are_refused(server) {
        let client = setup(&server).await;
        for bad in ["https://api.example.com/v1/", "https://API.example.com/v1", "x", "https%3A%2F%2Fapi.example.com%2Fv1%23f"] {
            let answer = client.authorize(&format!("resource={bad}")).await.expect(302);
            assert_eq!(parameter(&answer.header("location"), "error"), "invalid_target", "{bad}");
            let form = [("response_type", "code"), ("redirect_uri", CALLBACK), ("resource", API), ("resource", bad)];
            refused(client.post("par").form(&form).send().await, 400, "invalid_target");
        }
        let form = [("grant_type", "client_credentials"), ("resource", "https://evil.example")];
        refused(client.token(&form).await, 400, "invalid_target");
        refused(client.post("device_authorization").form(&[("resource", "x")]).send().await, 400, "invalid_target");
        for bad in [json!({"resources": ["api"]}), json!({"resources": [1]}), json!({"resources": vec![API; 101]})] {
            client.instance.put("config/oauth", bad).await.expect(400);
        }
        // Pushed requests, JSON bodies.
        let form = [("response_type", "code"), ("redirect_uri", CALLBACK), ("resource", API), ("resource", CALENDAR), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
        let uri = client.post("par").form(&form).send().await.expect(201).json()["request_uri"].as_str().unwrap().to_owned();
        let page = server.get(&format!("{}/authorization?client_id={}&request_uri={uri}", client.base, client.id)).send().await.expect(200);
        let answer = client.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
        let tokens = client.redeem(&parameter(&answer.header("location"), "code"), &[("code_verifier", VERIFIER)]).await.expect(200).json();
        assert_eq!(audience(&tokens), json!([API, CALENDAR]));
        let body = json!({"grant_type": "client_credentials", "resource": [API, CALENDAR]});
        let tokens = client.post("token").json(&body).send().await.expect(200).json();
        assert_eq!(audience(&tokens), json!([API, CALENDAR]));
    }

    async fn without_resources_the_parameter_means_nothing(server) {
        let client = Client::new(&server).await;
        let tokens = client.token(&[("grant_type", "client_credentials"), ("resource", API), ("resource", "x")]).await.expect(200).json();
        let (_, claims) = decode(&tokens["access_token"]);
        assert_eq!(claims["aud"], json!([client.id]));
        assert!(claims.get("client_id").is_none());
        let code = client.code(&format!("resource={API}")).await;
        let tokens = client.redeem(&code, &[("resource", API)]).await.expect(200).json();
        assert_eq!(audience(&tokens), json!([client.id]));
    }
}

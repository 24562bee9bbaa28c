//! Answers that are signed (JARM).

use serde_json::{Value, json};
use vestibule_crypto::jose::{self, Algorithm, VerifyingKey};
use vestibule_testkit::on_each_engine;

use super::setup::{Client, PASSWORD, field, parameter};

/// What a signed answer says, once its signature was verified with a published key.
async fn opened(client: &Client<'_>, response: &str) -> Value {
    let path = format!("{}/publickeys", client.base);
    let set = client.server().get(&path).send().await.expect(200).json();
    let key = serde_json::from_value(set["keys"][0].clone()).unwrap();
    let key = VerifyingKey::from_jwk(&key).unwrap();
    let header = jose::decode_unverified_header(response).unwrap();
    assert_eq!(header.kid.as_deref(), set["keys"][0]["kid"].as_str());
    Value::Object(jose::verify(response, &key, &Algorithm::ALL).unwrap())
}

on_each_engine! {
    async fn answers_are_signed_when_asked_for(server) {
        let client = Client::new(&server).await;
        let issuer = format!("http://vestibule.test{}", client.base);
        let now = server.engine.now().seconds();
        for algorithm in ["RS256", "ES256"] {
            client.instance.put("config/oauth", json!({"signingAlgorithm": algorithm})).await.expect(200);
            for mode in ["jwt", "query.jwt"] {
                let page = client.authorize(&format!("response_mode={mode}&state=a%0A")).await.expect(200);
                let answer = client.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
                let location = answer.header("location");
                let (_, query) = location.split_once('?').unwrap();
                assert!(query.starts_with("response=") && !query.contains('&'), "{query}");
                let said = opened(&client, &parameter(&location, "response")).await;
                assert_eq!((&said["iss"], &said["aud"], &said["state"]), (&json!(issuer), &json!(client.id), &json!("a\n")));
                assert_eq!(said["exp"], now + 300);
                client.redeem(said["code"].as_str().unwrap(), &[]).await.expect(200);
            }
        }
        let silent = client.authorize("response_mode=jwt&prompt=none").await.expect(302);
        let said = opened(&client, &parameter(&silent.header("location"), "response")).await;
        assert_eq!(said["error"], "login_required");
        assert!(said.get("code").is_none());
        let posted = client.authorize("response_mode=form_post.jwt&prompt=none").await.expect(200);
        let response = field(&posted.text(), "name=\"response\" value=\"");
        assert_eq!(opened(&client, &response).await["error"], "login_required");
        assert!(!posted.text().contains("name=\"error\""));
    }

    async fn instances_may_do_without(server) {
        let client = Client::new(&server).await;
        let discover = async || {
            let path = format!("{}/.well-known/openid-configuration", client.base);
            server.get(&path).send().await.expect(200).json()
        };
        let found = discover().await;
        assert_eq!(found["response_modes_supported"], json!(["query", "form_post", "web_message", "jwt", "query.jwt", "form_post.jwt"]));
        assert_eq!(found["authorization_signing_alg_values_supported"], json!(["RS256", "PS256", "ES256", "EdDSA"]));
        client.instance.put("config/oauth", json!({"jarm": false})).await.expect(200);
        let found = discover().await;
        assert_eq!(found["response_modes_supported"], json!(["query", "form_post", "web_message"]));
        assert!(found.get("authorization_signing_alg_values_supported").is_none());
        let answer = client.authorize("response_mode=jwt").await.expect(302);
        assert_eq!(parameter(&answer.header("location"), "error"), "invalid_request");
        for mode in ["fragment.jwt", "web_message.jwt", ".jwt", "JWT"] {
            let answer = client.authorize(&format!("response_mode={mode}")).await.expect(302);
            assert_eq!(parameter(&answer.header("location"), "error"), "invalid_request", "{mode}");
        }
    }
}

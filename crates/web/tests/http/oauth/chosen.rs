//! What clients want signed with an algorithm of their choice.

use serde_json::{Value, json};
use vestibule_crypto::jose::{self, Algorithm, VerifyingKey};
use vestibule_testkit::{TestResponse, on_each_engine};

use super::{
    algorithms::{published, verified},
    setup::{CALLBACK, Client, PASSWORD, decode, parameter, refused},
};
use crate::instance::Instance;

async fn describe(client: &Client<'_>, metadata: Value) -> TestResponse {
    let path = format!("applications/{}/metadata", client.id);
    client.instance.put(&path, metadata).await
}

/// What a token says, once a published key has verified it.
async fn opened(client: &Client<'_>, token: &str, algorithm: &str) -> Value {
    let keys = published(client).await;
    let (header, _) = decode(&json!(token));
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let key = VerifyingKey::from_jwk(&serde_json::from_value(key.clone()).unwrap()).unwrap();
    let allowed = [Algorithm::of_name(algorithm).unwrap()];
    Value::Object(jose::verify(token, &key, &allowed).unwrap())
}

on_each_engine! {
    async fn identity_tokens_are_signed_as_the_client_wants(server) {
        let client = Client::new(&server).await;
        let other = client.another("regularwebapp").await;
        for (n, algorithm) in ["PS256", "ES256", "EdDSA"].into_iter().enumerate() {
            server.clock.advance_seconds(1);
            describe(&client, json!({"id_token_signed_response_alg": algorithm})).await.expect(200);
            // Published before anything is signed with it; the instance's own key stays first.
            let keys = published(&client).await;
            assert_eq!((&keys[0]["alg"], keys.len()), (&json!("RS256"), n + 2));
            let tokens = client.ada().await;
            verified(&tokens["id_token"], &keys, algorithm);
            verified(&tokens["access_token"], &keys, "RS256");
            client.userinfo(&tokens["access_token"]).await.expect(200);
            assert!(client.active(&tokens["id_token"]).await);
            // Nobody else gets anything of it.
            verified(&other.ada().await["id_token"], &keys, "RS256");
        }
        describe(&client, json!({"id_token_signed_response_alg": "RS256"})).await.expect(200);
        let keys = published(&client).await;
        assert_eq!(keys.len(), 4);
        verified(&client.ada().await["id_token"], &keys, "RS256");
        describe(&other, json!({"id_token_signed_response_alg": "ES256"})).await.expect(200);
        assert_eq!(published(&client).await, keys);
    }

    async fn keys_of_clients_are_rotated_with_the_others(server) {
        let client = Client::new(&server).await;
        describe(&client, json!({"id_token_signed_response_alg": "ES256"})).await.expect(200);
        let old = client.ada().await;
        server.clock.advance_seconds(1);
        client.instance.post("keys/rotate", json!({})).await.expect(200);
        let keys = published(&client).await;
        assert_eq!(keys.len(), 4);
        let new = client.ada().await;
        assert_ne!(decode(&new["id_token"]).0["kid"], decode(&old["id_token"]).0["kid"]);
        verified(&new["id_token"], &keys, "ES256");
        verified(&old["id_token"], &keys, "ES256");
    }

    async fn user_info_is_signed_when_the_client_wants_it(server) {
        let client = Client::new(&server).await;
        let plain = client.userinfo(&client.ada().await["access_token"]).await.expect(200).json();
        for algorithm in ["RS256", "ES256"] {
            describe(&client, json!({"userinfo_signed_response_alg": algorithm})).await.expect(200);
            let tokens = client.ada().await;
            // The identity token is as ever.
            assert_eq!(decode(&tokens["id_token"]).0["alg"], "RS256");
            let answer = client.userinfo(&tokens["access_token"]).await.expect(200);
            assert_eq!(answer.header("content-type"), "application/jwt");
            assert_eq!(answer.header("access-control-allow-origin"), "*");
            let mut said = opened(&client, &answer.text(), algorithm).await;
            assert_eq!(said["iss"], format!("http://vestibule.test{}", client.base));
            assert_eq!(said["aud"], client.id);
            let members = said.as_object_mut().unwrap();
            members.remove("iss");
            members.remove("aud");
            assert_eq!(said, plain);
            // It is neither an access token nor a hint.
            refused(client.userinfo(&json!(answer.text())).await, 401, "invalid_token");
            assert!(!client.active(&json!(answer.text())).await);
        }
        refused(client.userinfo(&json!("x")).await, 401, "invalid_token");
        describe(&client, json!({})).await.expect(200);
        assert_eq!(client.userinfo(&client.ada().await["access_token"]).await.expect(200).json(), plain);
    }

    async fn answers_are_signed_as_the_client_wants(server) {
        let client = Client::new(&server).await;
        describe(&client, json!({"authorization_signed_response_alg": "EdDSA"})).await.expect(200);
        let page = client.authorize("response_mode=jwt&state=s").await.expect(200);
        let answer = client.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
        let said = opened(&client, &parameter(&answer.header("location"), "response"), "EdDSA").await;
        assert_eq!((&said["aud"], &said["state"]), (&json!(client.id), &json!("s")));
        client.redeem(said["code"].as_str().unwrap(), &[]).await.expect(200);
    }

    async fn clients_that_register_choose_too(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/oauth/registration", json!({"enabled": "open"})).await.expect(204);
        let body = json!({"redirect_uris": [CALLBACK], "userinfo_signed_response_alg": "ES256"});
        let made = server.post(&format!("{}/register", client.base)).json(&body).send().await.expect(201).json();
        assert_eq!(made["userinfo_signed_response_alg"], "ES256");
        assert_eq!(published(&client).await.len(), 2);
        let path = made["registration_client_uri"].as_str().unwrap().replace("http://vestibule.test", "");
        let mut next = json!({"client_id": made["client_id"], "redirect_uris": [CALLBACK], "id_token_signed_response_alg": "EdDSA"});
        let token = made["registration_access_token"].as_str().unwrap();
        let updated = server.put(&path).bearer(token).json(&next).send().await.expect(200).json();
        assert_eq!(published(&client).await.len(), 3);
        for wrong in ["HS256", "none", "ES512"] {
            next["id_token_signed_response_alg"] = json!(wrong);
            let token = updated["registration_access_token"].as_str().unwrap();
            refused(server.put(&path).bearer(token).json(&next).send().await, 400, "invalid_client_metadata");
        }
        assert_eq!(published(&client).await.len(), 3);
    }

    async fn what_the_profile_forbids_nobody_gets(server) {
        let client = Client::new(&server).await;
        let path = format!("applications/{}/metadata", client.id);
        let wish = json!({"userinfo_signed_response_alg": "RS256", "id_token_signed_response_alg": "ES256"});
        describe(&client, wish.clone()).await.expect(200);
        client.instance.put("config/oauth", json!({"profile": "fapi2", "signingAlgorithm": "PS256"})).await.expect(200);
        for member in ["id_token_signed_response_alg", "userinfo_signed_response_alg", "authorization_signed_response_alg"] {
            crate::instance::refused(describe(&client, json!({member: "RS256"})).await, 400, "INVALID_REQUEST");
            crate::instance::refused(describe(&client, json!({member: "HS256"})).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(client.instance.get(&path).await, wish);
        let found = format!("{}/.well-known/openid-configuration", client.base);
        let found = server.get(&found).send().await.expect(200).json();
        for name in ["id_token", "userinfo", "authorization"] {
            assert_eq!(found[format!("{name}_signing_alg_values_supported")], json!(["PS256", "ES256", "EdDSA"]));
        }
    }

    async fn a_duplicate_has_keys_of_its_own_for_them(server) {
        let source = Client::new(&server).await;
        describe(&source, json!({"id_token_signed_response_alg": "EdDSA"})).await.expect(200);
        let target = Client::of(Instance::new(&server, "target").await, "regularwebapp").await;
        let body = json!({"sourceTenantId": source.instance.guid, "include": ["applications"], "families": []});
        let mut dry = body.clone();
        dry["dryRun"] = json!(true);
        target.instance.post("config/duplicate", dry).await.expect(200);
        assert_eq!(published(&target).await.len(), 1);
        target.instance.post("config/duplicate", body).await.expect(200);
        let keys = published(&target).await;
        assert_eq!((&keys[0]["alg"], &keys[1]["alg"], keys.len()), (&json!("RS256"), &json!("EdDSA"), 2));
        assert!(published(&source).await.iter().all(|key| key["kid"] != keys[1]["kid"]));
    }
}

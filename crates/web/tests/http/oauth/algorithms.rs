//! What tokens are signed with.

use serde_json::{Value, json};
use vestibule_crypto::jose::{self, Algorithm, VerifyingKey};
use vestibule_testkit::on_each_engine;

use super::setup::{Client, decode};
use crate::instance::Instance;

/// The keys that everybody can read.
pub async fn published(client: &Client<'_>) -> Vec<Value> {
    let path = format!("{}/publickeys", client.base);
    let set = client.server().get(&path).send().await.expect(200).json();
    set["keys"].as_array().unwrap().clone()
}

async fn select(client: &Client<'_>, algorithm: &str) {
    client.server().clock.advance_seconds(1);
    let body = json!({"signingAlgorithm": algorithm});
    client.instance.put("config/oauth", body).await.expect(200);
}

/// Insists that the published key of a token's name, of this algorithm, verifies it.
pub fn verified(token: &Value, keys: &[Value], algorithm: &str) {
    let (header, _) = decode(token);
    assert_eq!(header["alg"], algorithm);
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert_eq!(key["alg"], algorithm);
    let key = VerifyingKey::from_jwk(&serde_json::from_value(key.clone()).unwrap()).unwrap();
    let allowed = [Algorithm::of_name(algorithm).unwrap()];
    jose::verify(token.as_str().unwrap(), &key, &allowed).unwrap();
}

on_each_engine! {
    async fn each_algorithm_signs_once_it_is_selected(server) {
        let client = Client::new(&server).await;
        let old = client.ada().await;
        let first = published(&client).await;
        for (n, algorithm) in ["ES256", "EdDSA", "PS256"].into_iter().enumerate() {
            select(&client, algorithm).await;
            let keys = published(&client).await;
            assert_eq!((&keys[0]["alg"], keys.len()), (&json!(algorithm), n + 2));
            let tokens = client.ada().await;
            for token in [&tokens["access_token"], &tokens["id_token"]] {
                verified(token, &keys, algorithm);
                assert!(client.active(token).await);
            }
            client.userinfo(&tokens["access_token"]).await.expect(200);
            let machine = client.token(&[("grant_type", "client_credentials")]).await.expect(200).json();
            verified(&machine["access_token"], &keys, algorithm);
            let path = format!("{}/.well-known/openid-configuration", client.base);
            let found = server.get(&path).send().await.expect(200).json();
            assert_eq!(found["id_token_signing_alg_values_supported"][0], algorithm);
            // What was signed before stays good.
            assert!(client.active(&old["access_token"]).await);
        }
        // Going back needs no new key.
        select(&client, "RS256").await;
        let keys = published(&client).await;
        assert_eq!((&keys[0], keys.len()), (&first[0], 4));
        verified(&client.ada().await["access_token"], &keys, "RS256");
    }

    async fn keys_of_each_algorithm_are_rotated(server) {
        let mut client = Client::new(&server).await;
        select(&client, "ES256").await;
        let old = client.ada().await;
        server.clock.advance_seconds(1);
        let answer = client.instance.post("keys/rotate", json!({})).await.expect(200).json();
        let keys = answer["keys"].as_array().unwrap();
        let signing = |key: &&Value| key.get("retiredAt").is_none();
        let mut live: Vec<&str> = keys.iter().filter(signing).map(|key| key["algorithm"].as_str().unwrap()).collect();
        live.sort_unstable();
        assert_eq!((live, keys.len()), (vec!["ES256", "RS256"], 4));
        let all = published(&client).await;
        assert_ne!(all[0]["kid"], decode(&old["access_token"]).0["kid"]);
        verified(&client.ada().await["access_token"], &all, "ES256");
        assert!(client.active(&old["access_token"]).await);
        // A young key of one algorithm keeps no old key of another: each has its own age.
        server.clock.advance_seconds(300 * 86_400);
        client.instance.token = server.admin_token().await;
        select(&client, "EdDSA").await;
        server.clock.advance_seconds(66 * 86_400);
        server.engine.clean_up().await.unwrap();
        let after = published(&client).await;
        let of = |name: &str| after.iter().filter(|key| key["alg"] == name).count();
        assert_eq!((of("EdDSA"), of("ES256"), of("RS256")), (1, 2, 2));
        client.instance.token = server.admin_token().await;
        let young = client.ada().await;
        let answer = client.instance.post("keys/rotate", json!({"atOnce": true})).await.expect(200).json();
        assert_eq!(answer["keys"].as_array().unwrap().len(), 3);
        assert!(!client.active(&young["access_token"]).await);
    }

    async fn an_algorithm_that_comes_along_gets_a_key_of_its_own(server) {
        let source = Client::new(&server).await;
        select(&source, "EdDSA").await;
        let target = Client::of(Instance::new(&server, "target").await, "regularwebapp").await;
        let body = json!({"sourceTenantId": source.instance.guid, "families": ["oauth"]});
        let mut dry = body.clone();
        dry["dryRun"] = json!(true);
        target.instance.post("config/duplicate", dry).await.expect(200);
        assert_eq!(published(&target).await.len(), 1);
        target.instance.post("config/duplicate", body).await.expect(200);
        let keys = published(&target).await;
        assert_eq!((&keys[0]["alg"], keys.len()), (&json!("EdDSA"), 2));
        assert!(published(&source).await.iter().all(|key| key["kid"] != keys[0]["kid"]));
        let machine = target.token(&[("grant_type", "client_credentials")]).await.expect(200).json();
        verified(&machine["access_token"], &keys, "EdDSA");
    }

    async fn access_tokens_may_say_what_they_are(server) {
        let client = Client::new(&server).await;
        let before = client.ada().await;
        let (header, claims) = decode(&before["access_token"]);
        assert_eq!(header["typ"], "JWT");
        assert!(claims.get("client_id").is_none() && claims.get("auth_time").is_none() && claims.get("acr").is_none());
        client.instance.put("config/oauth", json!({"jwtAccessTokens": true})).await.expect(200);
        // No mapped claim says it instead.
        let mapped = json!({"accessTokenClaims": [
            {"source": "roles", "destinationClaim": "client_id"},
            {"source": "cloud_directory", "sourceClaim": "userName", "destinationClaim": "acr"},
        ]});
        client.instance.put("config/tokens", mapped).await.expect(200);
        let tokens = client.ada().await;
        let (header, claims) = decode(&tokens["access_token"]);
        assert_eq!((&header["typ"], &claims["client_id"], &claims["acr"]), (&json!("at+jwt"), &json!(client.id), &json!("1")));
        assert_eq!(claims["auth_time"], server.engine.now().seconds());
        assert_eq!(decode(&tokens["id_token"]).0["typ"], "JWT");
        let machine = client.token(&[("grant_type", "client_credentials")]).await.expect(200).json();
        let (header, claims) = decode(&machine["access_token"]);
        assert_eq!((&header["typ"], &claims["client_id"]), (&json!("at+jwt"), &json!(client.id)));
        assert!(claims.get("auth_time").is_none() && claims.get("acr").is_none());
        client.userinfo(&tokens["access_token"]).await.expect(200);
        assert!(client.active(&machine["access_token"]).await && client.active(&before["access_token"]).await);
    }

    async fn the_metadata_stands_in_three_places(server) {
        let client = Client::new(&server).await;
        let mut found = Vec::new();
        for path in [
            format!("{}/.well-known/openid-configuration", client.base),
            format!("{}/.well-known/oauth-authorization-server", client.base),
            format!("/.well-known/oauth-authorization-server{}", client.base),
        ] {
            let answer = server.get(&path).send().await.expect(200);
            assert_eq!(answer.header("access-control-allow-origin"), "*");
            found.push(answer.json());
        }
        assert_eq!((&found[0], &found[0]), (&found[1], &found[2]));
        let nobody = "/.well-known/oauth-authorization-server/oauth/v4/00000000-0000-4000-8000-000000000000";
        server.get(nobody).send().await.expect(404);
    }
}

//! The password grant.

use serde_json::json;
use vestibule_testkit::on_each_engine;

use super::setup::{Client, PASSWORD, decode, refused};

on_each_engine! {
    async fn a_directory_user_signs_in(server) {
        let client = Client::new(&server).await;
        let body = client.password("ADA@example.com", PASSWORD).await.expect(200).json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3600)));
        assert!(body.get("refresh_token").is_none());
        let scope = "openid appid_default appid_readprofile appid_readuserattr appid_writeuserattr appid_authenticated";
        assert_eq!(body["scope"], scope);
        let (header, access) = decode(&body["access_token"]);
        assert_eq!(header["ver"], 4);
        assert_eq!(access["scope"], scope);
        assert_eq!(access["amr"], json!(["cloud_directory"]));
        let (_, identity) = decode(&body["id_token"]);
        assert_eq!(identity["sub"], access["sub"]);
        assert_eq!((&identity["email"], &identity["name"]), (&json!("ada@example.com"), &json!("ada@example.com")));
        let user = &identity["identities"][0];
        assert_eq!(user["provider"], "cloud_directory");
        assert_ne!(user["id"], identity["sub"]);
        assert!(identity.get("scope").is_none() && identity.get("nonce").is_none());
        let again = client.ada().await;
        assert_eq!(decode(&again["access_token"]).1["sub"], access["sub"]);
    }

    async fn wrong_names_and_passwords_are_told_alike(server) {
        let client = Client::new(&server).await;
        let mut answers = Vec::new();
        for (name, password) in [
            ("ada@example.com", "wrong password"),
            ("nobody@example.com", PASSWORD),
            ("a\u{0}b", PASSWORD),
            ("ada@example.com", &"x".repeat(5000)),
        ] {
            answers.push(refused(client.password(name, password).await, 400, "invalid_grant"));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        refused(client.password("ada@example.com", "").await, 400, "invalid_request");
        refused(client.password("", PASSWORD).await, 400, "invalid_request");
    }

    async fn an_imported_account_costs_what_no_account_costs(server) {
        let client = Client::new(&server).await;
        let user = json!({"scimUser": {"emails": [{"value": "old@x.org", "primary": true}], "status": "CONFIRMED", "active": true, "originalId": "1"},
            "passwordHash": "{SSHA}6ParmFXqxzeTUMt46R7ouyVqCAUwMTIzNDU2Nzg5YWJjZGVm", "passwordHashAlg": ""});
        let path = "cloud_directory/import?encryption_secret=sesame";
        client.instance.post(path, json!({"users": [user]})).await.expect(200);
        let work = async |name: &str, password: &str, status: u16| {
            let before = server.engine.passwords_hashed();
            client.password(name, password).await.expect(status);
            server.engine.passwords_hashed() - before
        };
        assert_eq!(work("nobody@x.org", "wrong password", 400).await, 1);
        assert_eq!(work("ada@example.com", "wrong password", 400).await, 1);
        // The old hash takes next to nothing, so one of ours is made beside it; a right password makes one to keep.
        assert_eq!(work("old@x.org", "wrong password", 400).await, 2);
        assert_eq!(work("old@x.org", "old password 1", 200).await, 2);
        assert_eq!(work("old@x.org", "wrong password", 400).await, 1);
    }

    async fn what_is_wrong_with_an_account_is_told_to_its_owner_only(server) {
        let client = Client::new(&server).await;
        let found = client.instance.get("cloud_directory/Users").await;
        let user = &found["Resources"][0];
        let path = format!("cloud_directory/Users/{}", user["id"].as_str().unwrap());
        let body = json!({"emails": user["emails"], "active": false});
        client.instance.put(&path, body).await.expect(200);
        let answer = client.password("ada@example.com", PASSWORD).await.expect(403).json();
        assert_eq!(answer["error_code"], "FORBIDDEN");
        refused(client.password("ada@example.com", "wrong password").await, 400, "invalid_grant");
    }

    async fn unverified_users_wait_where_that_is_wanted(server) {
        let client = Client::new(&server).await;
        let sign_up = json!({"emails": [{"value": "new@example.com"}], "password": PASSWORD, "status": "PENDING"});
        client.instance.post("cloud_directory/Users", sign_up).await.expect(201);
        client.password("new@example.com", PASSWORD).await.expect(200);
        let config = json!({"isActive": true, "config": {
            "selfServiceEnabled": true,
            "interactions": {"identityConfirmation": {"accessMode": "RESTRICTIVE", "methods": ["email"]}},
        }});
        client.instance.put("config/idps/cloud_directory", config).await.expect(200);
        let answer = client.password("new@example.com", PASSWORD).await.expect(403).json();
        assert_eq!(answer["error_code"], "FORBIDDEN");
        client.instance.put("config/idps/cloud_directory", json!({"isActive": false})).await.expect(200);
        client.password("ada@example.com", PASSWORD).await.expect(403);
    }

    async fn the_twelfth_sign_in_of_a_minute_waits(server) {
        let client = Client::new(&server).await;
        for name in ["ada@example.com", "nobody@example.com"] {
            for _ in 0..11 {
                refused(client.password(name, "wrong password").await, 400, "invalid_grant");
            }
            let answer = client.password(name, PASSWORD).await.expect(429);
            assert_eq!(answer.header("retry-after"), "60");
            assert_eq!(answer.json(), json!({"error_code": "too many requests", "error_description": "too many requests"}));
        }
        server.clock.advance_seconds(60);
        client.ada().await;
    }

    async fn claims_are_mapped_into_tokens(server) {
        let client = Client::new(&server).await;
        let sub = decode(&client.ada().await["access_token"]).1["sub"].as_str().unwrap().to_owned();
        let attributes = json!({"attributes": {"tier": "gold", "deep": {"er": [7]}, "more": "extra appid_authenticated openid"}});
        client.instance.put(&format!("users/{sub}/profile"), attributes).await.expect(200);
        let role = client.instance.role("buyer", json!([])).await;
        client.instance.put(&format!("users/{sub}/roles"), json!({"roles": {"ids": [role]}})).await.expect(200);
        let claims = json!([
            {"source": "attributes", "sourceClaim": "tier", "destinationClaim": "level"},
            {"source": "attributes", "sourceClaim": "deep.er.0"},
            {"source": "attributes", "sourceClaim": "missing"},
            {"source": "attributes", "sourceClaim": "tier", "destinationClaim": "sub"},
            {"source": "attributes", "sourceClaim": "more", "destinationClaim": "scope"},
            {"source": "attributes", "sourceClaim": "tier", "destinationClaim": "name"},
            {"source": "cloud_directory", "sourceClaim": "emails.0.value", "destinationClaim": "mail"},
            {"source": "roles"},
        ]);
        let config = json!({"accessTokenClaims": claims, "idTokenClaims": claims, "access": {"expires_in": 600}});
        client.instance.put("config/tokens", config).await.expect(200);
        let body = client.ada().await;
        assert_eq!(body["expires_in"], 600);
        for token in ["access_token", "id_token"] {
            let (_, claims) = decode(&body[token]);
            assert_eq!(claims["level"], "gold");
            assert_eq!(claims["deep.er.0"], 7);
            assert_eq!(claims["sub"], sub.as_str());
            assert_eq!(claims["name"], "gold");
            assert_eq!(claims["mail"], "ada@example.com");
            assert_eq!(claims["roles"], json!(["buyer"]));
            assert!(claims.get("missing").is_none());
        }
        let (_, access) = decode(&body["access_token"]);
        assert!(access["scope"].as_str().unwrap().ends_with(" appid_authenticated extra"), "{access}");
        assert!(decode(&body["id_token"]).1.get("scope").is_none());
        assert!(client.active(&body["access_token"]).await);
    }

    async fn a_hash_of_another_maker_signs_in_and_is_replaced(server) {
        let client = Client::new(&server).await;
        // PBKDF2-SHA512, 1000 rounds, of "correct horse battery".
        let hash = "$pbkdf2-sha512$i=1000$c2FsdHNhbHRzYWx0c2FsdA$lYhPheApeiwq3tK\
                    G8A+KHC4iQ8mmHXFAKab1ywrJ5QhG73jAKAyVeLsbqTYH/KNRnW0OYbntj3FPNcXf3GKcRg";
        let users = json!({"users": [{
            "scimUser": {"emails": [{"value": "old@example.com", "primary": true}], "status": "CONFIRMED"},
            "passwordHash": hash,
            "passwordHashAlg": "PBKDF2WithHmacSHA512",
        }]});
        let answer = client.instance.post("cloud_directory/import?encryption_secret=secret", users).await.expect(200).json();
        assert_eq!(answer["added"], 1, "{answer}");
        let algorithm = async || {
            let all = client.instance.get("cloud_directory/export?encryption_secret=secret").await;
            let users = all["users"].as_array().unwrap().clone();
            let old = users.iter().find(|user| user["scimUser"]["emails"][0]["value"] == "old@example.com").unwrap();
            old["passwordHashAlg"].as_str().unwrap().to_owned()
        };
        refused(client.password("old@example.com", "wrong password").await, 400, "invalid_grant");
        assert_eq!(algorithm().await, "PBKDF2WithHmacSHA512");
        client.password("old@example.com", PASSWORD).await.expect(200);
        assert_eq!(algorithm().await, "Argon2id");
        client.password("old@example.com", PASSWORD).await.expect(200);
    }

    async fn a_token_with_all_the_claims_it_may_have_still_verifies(server) {
        let client = Client::new(&server).await;
        let sub = decode(&client.ada().await["access_token"]).1["sub"].as_str().unwrap().to_owned();
        let attributes = json!({"attributes": {"big": "x".repeat(60_000), "bigger": "y".repeat(39_000)}});
        client.instance.put(&format!("users/{sub}/profile"), attributes).await.expect(200);
        let claims = json!([
            {"source": "attributes", "sourceClaim": "big"},
            {"source": "attributes", "sourceClaim": "bigger"},
            {"source": "attributes", "sourceClaim": "big", "destinationClaim": "past_the_limit"},
        ]);
        client.instance.put("config/tokens", json!({"accessTokenClaims": claims})).await.expect(200);
        let body = client.ada().await;
        let (_, access) = decode(&body["access_token"]);
        assert_eq!(access["bigger"].as_str().unwrap().len(), 39_000);
        assert!(access.get("past_the_limit").is_none());
        assert!(client.active(&body["access_token"]).await);
        client.userinfo(&body["access_token"]).await.expect(200);
    }
}

//! Refresh tokens.

use serde_json::{Value, json};
use vestibule_testkit::{TestResponse, on_each_engine};

use super::setup::{Client, decode, refused};

async fn renew(client: &Client<'_>, token: &Value) -> TestResponse {
    let token = token.as_str().unwrap();
    client
        .token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
        .await
}

async fn with_refresh(client: &Client<'_>) -> Value {
    let config = json!({"refresh": {"enabled": true, "expires_in": 86400}});
    client
        .instance
        .put("config/tokens", config)
        .await
        .expect(200);
    client.ada().await
}

on_each_engine! {
    async fn each_works_once_and_gives_the_next(server) {
        let client = Client::new(&server).await;
        let first = with_refresh(&client).await;
        let second = renew(&client, &first["refresh_token"]).await.expect(200).json();
        assert_ne!(second["refresh_token"], first["refresh_token"]);
        assert_eq!(decode(&second["access_token"]).1["sub"], decode(&first["access_token"]).1["sub"]);
        server.clock.advance_seconds(86_000);
        let third = renew(&client, &second["refresh_token"]).await.expect(200).json();
        server.clock.advance_seconds(86_000);
        let fourth = renew(&client, &third["refresh_token"]).await.expect(200).json();
        server.clock.advance_seconds(86_401);
        refused(renew(&client, &fourth["refresh_token"]).await, 400, "invalid_grant");
    }

    async fn reuse_ends_the_family(server) {
        let client = Client::new(&server).await;
        let first = with_refresh(&client).await;
        let second = renew(&client, &first["refresh_token"]).await.expect(200).json();
        server.clock.advance_seconds(11);
        refused(renew(&client, &first["refresh_token"]).await, 400, "invalid_grant");
        refused(renew(&client, &second["refresh_token"]).await, 400, "invalid_grant");
        assert!(!client.active(&second["access_token"]).await);
        assert!(!client.active(&first["access_token"]).await);
        // Another sign-in of the same person goes on.
        server.clock.advance_seconds(1);
        let other = client.ada().await;
        renew(&client, &other["refresh_token"]).await.expect(200);
    }

    async fn an_answer_that_was_lost_can_be_asked_for_again(server) {
        let client = Client::new(&server).await;
        let first = with_refresh(&client).await;
        server.clock.advance_seconds(60);
        let lost = renew(&client, &first["refresh_token"]).await.expect(200).json();
        server.clock.advance_seconds(10);
        let second = renew(&client, &first["refresh_token"]).await.expect(200).json();
        server.clock.advance_seconds(1);
        let third = renew(&client, &second["refresh_token"]).await.expect(200).json();
        // Somebody had the first answer after all: one of the two is a thief.
        refused(renew(&client, &lost["refresh_token"]).await, 400, "invalid_grant");
        refused(renew(&client, &third["refresh_token"]).await, 400, "invalid_grant");
        assert!(!client.active(&third["access_token"]).await);
    }

    async fn who_used_the_next_one_had_the_answer(server) {
        let client = Client::new(&server).await;
        let first = with_refresh(&client).await;
        let second = renew(&client, &first["refresh_token"]).await.expect(200).json();
        let third = renew(&client, &second["refresh_token"]).await.expect(200).json();
        refused(renew(&client, &first["refresh_token"]).await, 400, "invalid_grant");
        refused(renew(&client, &third["refresh_token"]).await, 400, "invalid_grant");
    }

    async fn only_the_application_it_was_given_to_can_use_it(server) {
        let client = Client::new(&server).await;
        let other = client.another("regularwebapp").await;
        let foreign = Client::new(&server).await;
        with_refresh(&foreign).await;
        let first = with_refresh(&client).await;
        refused(renew(&foreign, &first["refresh_token"]).await, 400, "invalid_grant");
        refused(renew(&other, &first["refresh_token"]).await, 400, "invalid_grant");
        for junk in ["x", "a.b.c", ""] {
            let answer = renew(&client, &json!(junk)).await;
            assert_eq!(answer.status, 400);
        }
        // Nobody used it up.
        server.clock.advance_seconds(60);
        renew(&client, &first["refresh_token"]).await.expect(200);
    }

    async fn a_revoked_one_ends_its_family(server) {
        let client = Client::new(&server).await;
        let first = with_refresh(&client).await;
        let second = renew(&client, &first["refresh_token"]).await.expect(200).json();
        let token = second["refresh_token"].as_str().unwrap();
        client.post("revoke").form(&[("token", token)]).send().await.expect(200);
        refused(renew(&client, &second["refresh_token"]).await, 400, "invalid_grant");
        assert!(!client.active(&second["access_token"]).await);
    }

    async fn who_may_not_sign_in_gets_no_new_tokens(server) {
        let client = Client::new(&server).await;
        let first = with_refresh(&client).await;
        let found = client.instance.get("cloud_directory/Users").await;
        let user = &found["Resources"][0];
        let path = format!("cloud_directory/Users/{}", user["id"].as_str().unwrap());
        let body = json!({"emails": user["emails"], "active": false});
        client.instance.put(&path, body).await.expect(200);
        refused(renew(&client, &first["refresh_token"]).await, 400, "invalid_grant");
    }

    async fn there_are_none_unless_switched_on(server) {
        let client = Client::new(&server).await;
        let first = with_refresh(&client).await;
        let credentials = client.token(&[("grant_type", "client_credentials")]).await.expect(200).json();
        assert!(credentials.get("refresh_token").is_none());
        client.instance.put("config/tokens", json!({})).await.expect(200);
        assert!(client.ada().await.get("refresh_token").is_none());
        refused(renew(&client, &first["refresh_token"]).await, 400, "invalid_grant");
    }

    async fn what_has_expired_is_removed(server) {
        let client = Client::new(&server).await;
        with_refresh(&client).await;
        client.code("").await;
        assert_eq!(server.engine.purge_expired().await.unwrap(), 0);
        server.clock.advance_seconds(86_401);
        // The code, the refresh token and its grant.
        assert_eq!(server.engine.purge_expired().await.unwrap(), 3);
    }
}

//! Signing keys that are replaced.

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use super::setup::{Client, decode};

/// Ids of the keys that everybody can read.
async fn published(client: &Client<'_>) -> Vec<Value> {
    let path = format!("{}/publickeys", client.base);
    let set = client.server().get(&path).send().await.expect(200).json();
    let keys = set["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].clone()).collect()
}

async fn rotate(client: &Client<'_>, body: Value) -> Vec<Value> {
    client.server().clock.advance_seconds(1);
    let answer = client
        .instance
        .post("keys/rotate", body)
        .await
        .expect(200)
        .json();
    answer["keys"].as_array().unwrap().clone()
}

on_each_engine! {
    async fn old_tokens_stay_good_while_new_ones_are_signed_with_the_new_key(server) {
        let client = Client::new(&server).await;
        let old = client.ada().await;
        let first = published(&client).await;
        let keys = rotate(&client, json!({})).await;
        assert_eq!(client.instance.get("keys").await["keys"], json!(keys));
        assert_eq!((&keys[1]["kid"], keys.len()), (&first[0], 2));
        assert!(keys[0].get("retiredAt").is_none() && keys[1]["retiredAt"].is_string() && keys[1]["expiresAt"].is_string());
        assert_eq!(published(&client).await, [keys[0]["kid"].clone(), first[0].clone()]);
        let new = client.ada().await;
        assert_eq!(decode(&new["access_token"]).0["kid"], keys[0]["kid"]);
        for tokens in [&old, &new] {
            assert!(client.active(&tokens["access_token"]).await);
            client.userinfo(&tokens["access_token"]).await.expect(200);
        }
        assert!(!keys[0].to_string().contains("sealed"));
    }

    async fn a_key_in_other_hands_is_worth_nothing_at_once(server) {
        let client = Client::new(&server).await;
        let old = client.ada().await;
        rotate(&client, json!({})).await;
        let keys = rotate(&client, json!({"atOnce": true})).await;
        assert_eq!(keys.len(), 1);
        assert_eq!(published(&client).await, [keys[0]["kid"].clone()]);
        assert!(!client.active(&old["access_token"]).await);
        assert_eq!(client.userinfo(&old["access_token"]).await.status, 401);
        assert!(client.active(&client.ada().await["access_token"]).await);
    }

    async fn keys_go_when_their_tokens_have_run_out(server) {
        let client = Client::new(&server).await;
        let keys = rotate(&client, json!({})).await;
        server.clock.advance_seconds(7_776_000 - 10);
        server.engine.clean_up().await.unwrap();
        assert_eq!(published(&client).await.len(), 2);
        server.clock.advance_seconds(20);
        server.engine.clean_up().await.unwrap();
        assert_eq!(published(&client).await, [keys[0]["kid"].clone()]);
    }

    async fn keys_are_replaced_by_schedule(server) {
        let client = Client::new(&server).await;
        let first = published(&client).await;
        server.clock.advance_seconds(365 * 86_400 - 10);
        server.engine.clean_up().await.unwrap();
        assert_eq!(published(&client).await, first);
        server.clock.advance_seconds(20);
        for _ in 0..2 {
            server.engine.clean_up().await.unwrap();
            let keys = published(&client).await;
            assert_eq!((keys.len(), &keys[1]), (2, &first[0]));
        }
        assert_eq!(decode(&client.ada().await["access_token"]).0["kid"], published(&client).await[0]);
    }

    async fn an_instance_with_all_its_keys_keeps_nobody_else_waiting(server) {
        let (full, other) = (Client::new(&server).await, Client::new(&server).await);
        for _ in 1..20 {
            rotate(&full, json!({})).await;
        }
        let first = published(&other).await;
        server.clock.advance_seconds(366 * 86_400);
        server.engine.clean_up().await.unwrap();
        assert_eq!(published(&other).await.get(1), first.first());
        // Those that nobody needs any more are gone now, and make room.
        assert_eq!(published(&full).await.len(), 1);
        server.engine.clean_up().await.unwrap();
        assert_eq!(published(&full).await.len(), 2);
    }

    async fn there_is_an_end_to_keys_that_are_still_needed(server) {
        let client = Client::new(&server).await;
        for _ in 1..20 {
            rotate(&client, json!({})).await;
        }
        server.clock.advance_seconds(1);
        let refused = client.instance.post("keys/rotate", json!({})).await;
        assert_eq!(refused.status, 409, "{}", refused.text());
        assert_eq!(published(&client).await.len(), 20);
        client.instance.post("keys/rotate", json!({"atOnce": "yes"})).await.expect(400);
        assert_eq!(rotate(&client, json!({"atOnce": true})).await.len(), 1);
    }
}

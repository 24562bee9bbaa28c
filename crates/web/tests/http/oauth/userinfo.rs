//! User info and activity.

use serde_json::json;
use vestibule_testkit::on_each_engine;

use super::setup::{Client, decode, refused};

on_each_engine! {
    async fn it_says_who_the_bearer_is(server) {
        let client = Client::new(&server).await;
        let token = client.ada().await;
        let info = client.userinfo(&token["access_token"]).await.expect(200).json();
        let (_, identity) = decode(&token["id_token"]);
        assert_eq!(info["sub"], identity["sub"]);
        assert_eq!((&info["email"], &info["name"]), (&json!("ada@example.com"), &json!("ada@example.com")));
        let user = &info["identities"][0];
        assert_eq!((&user["provider"], &user["id"]), (&json!("cloud_directory"), &identity["identities"][0]["id"]));
        assert_eq!(user["idpUserInfo"]["idpType"], "cloud_directory");
        assert_eq!(user["idpUserInfo"]["emails"][0]["value"], "ada@example.com");
        assert!(!info.to_string().contains("password"), "{info}");
        let posted = server
            .post(&format!("{}/userinfo", client.base))
            .bearer(token["access_token"].as_str().unwrap())
            .send()
            .await
            .expect(200);
        assert_eq!(posted.json(), info);
        assert_eq!(posted.header("access-control-allow-origin"), "*");
    }

    async fn a_form_may_carry_the_token(server) {
        let client = Client::new(&server).await;
        let token = client.ada().await["access_token"].as_str().unwrap().to_owned();
        let path = format!("{}/userinfo", client.base);
        let form = [("access_token", token.as_str())];
        let info = server.post(&path).form(&form).send().await.expect(200);
        assert_eq!(info.json()["email"], "ada@example.com");
        assert_eq!(info.header("access-control-allow-origin"), "*");
        // Once, and in one way.
        let both = server.post(&path).form(&form).bearer(&token).send().await;
        refused(both, 400, "invalid_request");
        let twice = server.post(&path).form(&[form[0], form[0]]).send().await;
        refused(twice, 400, "invalid_request");
        // Neither in another sort of body nor in the query.
        refused(server.post(&path).json(&json!({"access_token": token})).send().await, 401, "invalid_token");
        refused(server.post(&format!("{path}?access_token={token}")).send().await, 401, "invalid_token");
        refused(server.get(&format!("{path}?access_token={token}")).send().await, 401, "invalid_token");
        refused(server.get(&path).form(&form).send().await, 401, "invalid_token");
        for bad in ["", "x"] {
            refused(server.post(&path).form(&[("access_token", bad)]).send().await, 401, "invalid_token");
        }
        refused(server.post(&path).form(&[]).send().await, 401, "invalid_token");
        // A form without one leaves the header what it is.
        server.post(&path).form(&[("other", "1")]).bearer(&token).send().await.expect(200);
    }

    async fn other_tokens_are_refused(server) {
        let client = Client::new(&server).await;
        let foreign = Client::new(&server).await;
        let token = client.ada().await;
        let theirs = foreign.ada().await;
        for wrong in [&token["id_token"], &theirs["access_token"], &json!("x"), &json!("a.b.c")] {
            let answer = client.userinfo(wrong).await.expect(401);
            assert_eq!(answer.header("www-authenticate"), "Bearer scope=\"appid_default\", error=\"invalid_token\"");
            assert_eq!(answer.json()["error"], "invalid_token");
        }
        server.get(&format!("{}/userinfo", client.base)).send().await.expect(401);
        let own = client.token(&[("grant_type", "client_credentials")]).await.expect(200).json();
        let answer = client.userinfo(&own["access_token"]).await.expect(403);
        assert_eq!(answer.json()["error"], "insufficient_scope");
        server.clock.advance_seconds(3601);
        client.userinfo(&token["access_token"]).await.expect(401);
    }

    async fn a_deleted_profile_has_nothing_to_say(server) {
        let client = Client::new(&server).await;
        let token = client.ada().await;
        let sub = decode(&token["access_token"]).1["sub"].as_str().unwrap().to_owned();
        client.instance.delete(&format!("users/{sub}")).await.expect(204);
        client.userinfo(&token["access_token"]).await.expect(401);
        assert!(!client.active(&token["access_token"]).await);
    }

    async fn activity_is_noted(server) {
        let client = Client::new(&server).await;
        let token = client.ada().await;
        let path = format!("{}/activity_logging", client.base);
        let event = json!({"eventName": "logout", "id_token": token["id_token"]});
        let answer = server.post(&path).bearer(token["access_token"].as_str().unwrap()).json(&event).send().await;
        assert_eq!(answer.expect(200).json(), json!({}));
        server.post(&path).json(&event).send().await.expect(401);
    }
}

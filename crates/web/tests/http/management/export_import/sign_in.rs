//! Moved and changed users sign in, or no longer do.

use serde_json::{Value, json};
use vestibule_testkit::{TestResponse, TestServer, on_each_engine};

use super::{
    directory::{IN, NOTATIONS, OUT, PASSWORD, plain},
    everyone,
};
use crate::instance::Instance;

/// An application that people sign in to.
struct Door<'a> {
    server: &'a TestServer,
    base: String,
    client: String,
    secret: String,
}

impl<'a> Door<'a> {
    async fn open(at: &Instance<'a>) -> Self {
        let made = at
            .server
            .create_application(&at.guid, "Door", "regularwebapp")
            .await;
        at.put(
            "config/tokens",
            json!({"access": {"expires_in": 3600}, "refresh": {"enabled": true, "expires_in": 86400},
            "accessTokenClaims": [{"source": "roles"}, {"source": "attributes", "sourceClaim": "points"}]}),
        )
        .await
        .expect(200);
        Self {
            server: at.server,
            base: format!("/oauth/v4/{}", at.guid),
            client: made["clientId"].as_str().unwrap().to_owned(),
            secret: made["secret"].as_str().unwrap().to_owned(),
        }
    }

    async fn token(&self, form: &[(&str, &str)]) -> TestResponse {
        let path = format!("{}/token", self.base);
        self.server
            .post(&path)
            .basic(&self.client, &self.secret)
            .form(form)
            .send()
            .await
    }

    async fn sign_in(&self, name: &str, password: &str) -> TestResponse {
        self.token(&[
            ("grant_type", "password"),
            ("username", name),
            ("password", password),
        ])
        .await
    }

    async fn userinfo(&self, tokens: &Value) -> TestResponse {
        let path = format!("{}/userinfo", self.base);
        self.server
            .get(&path)
            .bearer(tokens["access_token"].as_str().unwrap())
            .send()
            .await
    }
}

on_each_engine! {
    async fn every_notation_signs_in_with_the_old_password(server) {
        let (source, target) = (Instance::new(&server, "source").await, Instance::new(&server, "target").await);
        let users: Vec<Value> = (0..NOTATIONS.len()).map(plain).collect();
        source.post(IN, json!({"users": users})).await.expect(200);
        let out = source.get(OUT).await;
        assert_eq!(target.post(IN, out).await.expect(200).json()["added"], NOTATIONS.len());
        let door = Door::open(&target).await;
        for n in 0..NOTATIONS.len() {
            let name = format!("USER{n:04}@x.org");
            door.sign_in(&name, "wrong password").await.expect(400);
            let tokens = door.sign_in(&name, PASSWORD).await.expect(200).json();
            let info = door.userinfo(&tokens).await.expect(200).json();
            let found = target.get(&format!("users?email={name}")).await;
            assert_eq!(found["users"][0]["id"], info["sub"], "the profile that came along");
        }
        let back = everyone(&target, OUT, 50).await;
        assert!(back.iter().all(|user| user["passwordHashAlg"] == "Argon2id"), "hashed anew at sign-in");
        assert!(back.iter().all(|user| user["profile"]["attributes"]["points"] == 150));
        door.sign_in("user0000@x.org", PASSWORD).await.expect(200);
    }

    async fn who_has_no_password_or_is_switched_off_stays_out(server) {
        let at = Instance::new(&server, "one").await;
        let mut none = plain(0);
        none["passwordHash"] = json!(null);
        let mut off = plain(1);
        off["scimUser"]["active"] = json!(false);
        let mut locked = plain(2);
        locked["scimUser"]["lockedUntil"] = json!(4_000_000_000_000_i64);
        let done = at.post(&format!("{IN}&without_password=true"), json!({"users": [none, off, locked]})).await.expect(200).json();
        assert_eq!((done["added"].clone(), done["withoutPassword"].as_array().unwrap().len()), (json!(3), 1));
        let door = Door::open(&at).await;
        for password in ["", PASSWORD] {
            door.sign_in("user0000@x.org", password).await.expect(400);
        }
        door.sign_in("user0001@x.org", PASSWORD).await.expect(403);
        door.sign_in("user0002@x.org", PASSWORD).await.expect(403);
    }

    async fn changes_end_what_was_signed_in(server) {
        let at = Instance::new(&server, "one").await;
        at.post(IN, json!({"users": [plain(0), plain(1), plain(2)]})).await.expect(200);
        let door = Door::open(&at).await;
        let id = |n: usize| {
            let (at, query) = (&at, format!("cloud_directory/Users?query=user{n:04}@x.org"));
            async move { at.get(&query).await["Resources"][0]["id"].as_str().unwrap().to_owned() }
        };
        let mut held = Vec::new();
        for n in 0..3 {
            held.push(door.sign_in(&format!("user{n:04}@x.org"), PASSWORD).await.expect(200).json());
        }
        server.clock.advance_seconds(2);
        let body = json!({"uuid": id(0).await, "newPassword": "quite another one"});
        at.post("cloud_directory/change_password", body).await.expect(200);
        at.put(&format!("cloud_directory/Users/{}", id(1).await), json!({"emails": [{"value": "user0001@x.org"}], "active": false})).await.expect(200);
        at.delete(&format!("cloud_directory/remove/{}", id(2).await)).await.expect(204);
        server.clock.advance_seconds(2);
        for tokens in &held {
            door.userinfo(tokens).await.expect(401);
            let refresh = tokens["refresh_token"].as_str().unwrap();
            let renewed = door.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
            assert!(matches!(renewed.status.as_u16(), 400 | 403), "{}", renewed.text());
        }
        door.sign_in("user0000@x.org", PASSWORD).await.expect(400);
        let tokens = door.sign_in("user0000@x.org", "quite another one").await.expect(200).json();
        door.userinfo(&tokens).await.expect(200);
        door.sign_in("user0002@x.org", PASSWORD).await.expect(400);
    }

    async fn refresh_tokens_can_be_revoked_alone(server) {
        let at = Instance::new(&server, "one").await;
        at.post(IN, json!({"users": [plain(0)]})).await.expect(200);
        let door = Door::open(&at).await;
        let tokens = door.sign_in("user0000@x.org", PASSWORD).await.expect(200).json();
        let sub = door.userinfo(&tokens).await.expect(200).json()["sub"].as_str().unwrap().to_owned();
        at.request("post", &format!("users/{sub}/revoke_refresh_token")).send().await.expect(204);
        door.userinfo(&tokens).await.expect(200);
        let refresh = tokens["refresh_token"].as_str().unwrap();
        door.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await.expect(400);
        at.delete(&format!("users/{sub}")).await.expect(204);
        door.userinfo(&tokens).await.expect(401);
        let again = door.sign_in("user0000@x.org", PASSWORD).await.expect(200).json();
        assert_ne!(door.userinfo(&again).await.expect(200).json()["sub"], json!(sub), "a new profile");
    }

    async fn prepared_attributes_go_to_who_is_verified(server) {
        let at = Instance::new(&server, "one").await;
        let role = at.role("vip", json!([])).await;
        let door = Door::open(&at).await;
        for (email, status, keeps) in [("sure@x.org", "CONFIRMED", true), ("unsure@x.org", "PENDING", false)] {
            let future = json!({"idp": "cloud_directory", "idp-identity": email.to_uppercase(), "profile": {"attributes": {"points": 7}}});
            let id = at.post("users", future).await.expect(201).json()["id"].clone();
            let id = id.as_str().unwrap();
            at.put(&format!("users/{id}/roles"), json!({"roles": {"ids": [role]}})).await.expect(200);
            let body = json!({"emails": [{"value": email}], "password": PASSWORD, "status": status});
            at.post("cloud_directory/Users", body).await.expect(201);
            let tokens = door.sign_in(email, PASSWORD).await.expect(200).json();
            let sub = door.userinfo(&tokens).await.expect(200).json()["sub"].clone();
            assert_eq!(sub == id, keeps, "{email}");
            let profile = at.get(&format!("users/{}/profile", sub.as_str().unwrap())).await;
            let expected = if keeps { json!({"points": 7}) } else { json!({}) };
            assert_eq!(profile["attributes"], expected);
            assert_eq!(profile.get("roles").is_some(), keeps, "{profile}");
            assert_eq!(profile["identities"][0]["provider"], "cloud_directory");
            at.request("get", &format!("users/{id}/profile")).send().await.expect(if keeps { 200 } else { 404 });
        }
        assert_eq!(at.get("users").await["totalResults"], 2);
    }
}

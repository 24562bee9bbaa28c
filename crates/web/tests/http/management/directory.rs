//! `cloud_directory`: users in SCIM form.

use serde_json::{Value, json};
use vestibule_testkit::{TestResponse, on_each_engine};

use crate::instance::Instance;

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn user(email: &str) -> Value {
    json!({
        "emails": [{"value": email, "primary": true}],
        "password": "correct horse battery",
        "displayName": "Some Body",
        "name": {"givenName": "Some", "familyName": "Body"},
        "phoneNumbers": [{"value": "+1 555 0100", "type": "work"}],
        "x-note": {"deep": [1, 2.50, null]},
    })
}

async fn create(at: &Instance<'_>, body: Value) -> String {
    let made = at
        .post("cloud_directory/Users", body)
        .await
        .expect(201)
        .json();
    made["id"].as_str().unwrap().to_owned()
}

/// Insists on a SCIM refusal.
#[track_caller]
fn scim(answer: TestResponse, status: u16, sort: &str) {
    let body = answer.expect(status).json();
    assert_eq!(body["scimType"], sort, "{body}");
    assert_eq!(body["status"], status.to_string());
    assert!(!body["detail"].as_str().unwrap().is_empty());
}

on_each_engine! {
    async fn a_user_lives(server) {
        let at = Instance::new(&server, "one").await;
        let empty = at.get("cloud_directory/Users").await;
        assert_eq!(empty, json!({"Resources": [], "startIndex": 0, "itemsPerPage": 0, "totalResults": 0}));
        let made = at.post("cloud_directory/Users", user("Some@Body.org")).await.expect(201).json();
        let id = made["id"].as_str().unwrap();
        assert_eq!(made["status"], "PENDING");
        assert_eq!(made["active"], true);
        assert_eq!(made["emails"][0]["value"], "Some@Body.org");
        assert_eq!(made["x-note"], json!({"deep": [1, 2.50, null]}));
        assert_eq!(made["meta"]["location"], format!("/v1/{}/Users/{id}", at.guid));
        assert!(made.get("password").is_none());
        let path = format!("cloud_directory/Users/{id}");
        assert_eq!(at.get(&path).await, made);
        assert_eq!(at.get("cloud_directory/Users").await["Resources"], json!([made]));

        server.clock.advance_seconds(5);
        let changed = at
            .put(&path, json!({
                "emails": [{"value": "some@body.org", "primary": true}], "displayName": "Else",
                "status": "CONFIRMED", "userName": "else", "password": "ignored-here",
            }))
            .await
            .expect(200)
            .json();
        assert_eq!(changed["displayName"], "Else");
        assert_eq!(changed["status"], "CONFIRMED");
        assert!(changed.get("name").is_none(), "the record is replaced: {changed}");
        assert_ne!(changed["meta"]["lastModified"], made["meta"]["lastModified"]);
        assert_eq!(changed["meta"]["created"], made["meta"]["created"]);

        at.delete(&path).await.expect(204);
        at.delete(&path).await.expect(404);
        at.request("get", &path).send().await.expect(404);
        create(&at, user("some@body.org")).await;
    }

    async fn addresses_and_names_are_unique_in_any_case(server) {
        let at = Instance::new(&server, "one").await;
        let mut first = user("A@x.org");
        first["userName"] = json!("Ann");
        create(&at, first).await;
        scim(at.post("cloud_directory/Users", user("a@X.ORG")).await, 409, "uniqueness");
        let mut second = user("b@x.org");
        second["userName"] = json!("aNN");
        scim(at.post("cloud_directory/Users", second.clone()).await, 409, "uniqueness");
        second["userName"] = json!("ben");
        let id = create(&at, second.clone()).await;
        second["userName"] = json!("ANN");
        scim(at.put(&format!("cloud_directory/Users/{id}"), second).await, 409, "uniqueness");
        let other = Instance::new(&server, "two").await;
        create(&other, user("A@x.org")).await;
        assert_eq!(at.get("cloud_directory/Users").await["totalResults"], 2);
    }

    async fn lists_page_and_match_exactly(server) {
        let at = Instance::new(&server, "one").await;
        let mut ids = Vec::new();
        for n in 0..5 {
            let mut body = user(&format!("user{n}@x.org"));
            body["userName"] = json!(format!("name{n}"));
            ids.push(create(&at, body).await);
            server.clock.advance_seconds(1);
        }
        let page = at.get("cloud_directory/Users?startIndex=1&count=2").await;
        let got: Vec<_> = page["Resources"].as_array().unwrap().iter().map(|u| u["id"].clone()).collect();
        assert_eq!(got, [json!(ids[1]), json!(ids[2])]);
        assert_eq!((page["itemsPerPage"].clone(), page["totalResults"].clone()), (json!(2), json!(5)));
        let none = at.get("cloud_directory/Users?count=0").await;
        assert_eq!((none["Resources"].clone(), none["totalResults"].clone()), (json!([]), json!(5)));
        assert_eq!(at.get("cloud_directory/Users?startIndex=9").await["Resources"], json!([]));
        for query in ["USER3@x.org", "Name3", ids[3].as_str()] {
            let found = at.get(&format!("cloud_directory/Users?query={query}")).await;
            assert_eq!(found["totalResults"], 1, "{query}");
            assert_eq!(found["Resources"][0]["id"], json!(ids[3]));
        }
        assert_eq!(at.get("cloud_directory/Users?query=user").await["totalResults"], 0);
        for bad in ["startIndex=-1", "count=x", "count=-5", "startIndex=99999999999999999999", "count=1&count=2"] {
            at.request("get", &format!("cloud_directory/Users?{bad}")).send().await.expect(400);
        }
    }

    async fn malformed_users_are_refused(server) {
        let at = Instance::new(&server, "one").await;
        let emails = json!([{"value": "a@x.org"}]);
        for bad in [
            json!({}),
            json!([]),
            json!({"emails": emails}),
            json!({"emails": emails, "password": "short"}),
            json!({"emails": emails, "password": "A@X.org"}),
            json!({"emails": emails, "password": "x".repeat(1025)}),
            json!({"emails": emails, "password": 12345678}),
            json!({"emails": [], "password": "correct horse"}),
            json!({"emails": "a@x.org", "password": "correct horse"}),
            json!({"emails": [{"value": "nobody"}], "password": "correct horse"}),
            json!({"emails": [{"value": "a b@x.org"}], "password": "correct horse"}),
            json!({"emails": emails, "password": "correct horse", "status": "MAYBE"}),
            json!({"emails": emails, "password": "correct horse", "active": "yes"}),
            json!({"emails": emails, "password": "correct horse", "lockedUntil": "soon"}),
            json!({"emails": emails, "password": "correct horse", "userName": "a\u{0}b"}),
            json!({"emails": emails, "password": "correct horse", "x": "y".repeat(100_001)}),
        ] {
            scim(at.post("cloud_directory/Users", bad).await, 400, "invalidValue");
        }
        for bad in ["", "{", "{\"emails\":1e999}", "\u{0}"] {
            at.request("post", "cloud_directory/Users").body(bad).send().await.expect(400);
        }
        let large = format!("{{\"x\":\"{}\"}}", "y".repeat(1 << 20));
        at.request("post", "cloud_directory/Users").body(large).send().await.expect(413);
        assert_eq!(at.get("cloud_directory/Users").await["totalResults"], 0);
    }

    async fn an_address_stays_and_active_lifts_a_lockout(server) {
        let at = Instance::new(&server, "one").await;
        let mut body = user("a@x.org");
        body["lockedUntil"] = json!(2_000_000_000_000_i64);
        body["userName"] = json!("ann");
        let id = create(&at, body.clone()).await;
        let path = format!("cloud_directory/Users/{id}");
        assert_eq!(at.get(&path).await["lockedUntil"], json!(2_000_000_000_000_i64));
        scim(at.put(&path, user("other@x.org")).await, 400, "invalidValue");
        let still = at.put(&path, user("a@x.org")).await.expect(200).json();
        assert_eq!(still["lockedUntil"], json!(2_000_000_000_000_i64), "left out: stays");
        assert_eq!(still["userName"], "ann", "left out: stays");
        let mut free = user("a@x.org");
        free["active"] = json!(true);
        let free = at.put(&path, free).await.expect(200).json();
        assert!(free.get("lockedUntil").is_none(), "{free}");
        let off = at.put(&path, json!({"emails": [{"value": "a@x.org"}], "active": false})).await.expect(200).json();
        assert_eq!(off["active"], false);
        at.put(&format!("cloud_directory/Users/{NOBODY}"), user("n@x.org")).await.expect(404);
        at.put("cloud_directory/Users/no-uuid", user("n@x.org")).await.expect(404);
    }

    async fn passwords_change(server) {
        let at = Instance::new(&server, "one").await;
        let id = create(&at, user("a@x.org")).await;
        let body = |id: &str, password: &str| json!({"uuid": id, "newPassword": password, "changedIpAddress": "10.0.0.1"});
        let done = at.post("cloud_directory/change_password?language=en", body(&id, "another password")).await;
        assert_eq!(done.expect(200).json()["id"], json!(id));
        scim(at.post("cloud_directory/change_password", body(&id, "short")).await, 400, "invalidValue");
        at.post("cloud_directory/change_password", body(NOBODY, "another password")).await.expect(404);
        at.post("cloud_directory/change_password", body("nobody", "another password")).await.expect(404);
        at.post("cloud_directory/change_password", json!({"uuid": id})).await.expect(400);
    }

    async fn sign_up_may_make_a_profile(server) {
        let at = Instance::new(&server, "one").await;
        let made = at.post("cloud_directory/sign_up?language=en", user("a@x.org")).await.expect(201).json();
        let id = made["id"].as_str().unwrap();
        at.request("get", &format!("cloud_directory/{id}/userinfo")).send().await.expect(404);
        let made = at.post("cloud_directory/sign_up?shouldCreateProfile=true", user("b@x.org")).await.expect(201).json();
        let id = made["id"].as_str().unwrap();
        let info = at.get(&format!("cloud_directory/{id}/userinfo")).await;
        assert_eq!(info["email"], "b@x.org");
        assert_eq!(info["name"], "Some Body");
        assert_eq!(info["identities"][0]["id"], json!(id));
        assert_eq!(info["identities"][0]["provider"], "cloud_directory");
        assert_eq!(info["identities"][0]["idpUserInfo"]["idpType"], "cloud_directory");
        assert_ne!(info["sub"], json!(id));
        scim(at.post("cloud_directory/sign_up", user("A@x.org")).await, 409, "uniqueness");
        scim(at.post("cloud_directory/sign_up", json!({"emails": [{"value": "c@x.org"}], "password": "p"})).await, 400, "invalidValue");
    }

    async fn removal_takes_the_profile_along(server) {
        let at = Instance::new(&server, "one").await;
        let mut made = Vec::new();
        for n in 0..4 {
            let body = user(&format!("u{n}@x.org"));
            let user = at.post("cloud_directory/sign_up?shouldCreateProfile=true", body).await.expect(201).json();
            let id = user["id"].as_str().unwrap().to_owned();
            let sub = at.get(&format!("cloud_directory/{id}/userinfo")).await["sub"].as_str().unwrap().to_owned();
            made.push((id, sub));
        }
        at.delete(&format!("cloud_directory/Users/{}", made[0].0)).await.expect(204);
        at.get(&format!("users/{}/profile", made[0].1)).await;
        at.delete(&format!("cloud_directory/remove/{}", made[1].0)).await.expect(204);
        at.request("get", &format!("users/{}/profile", made[1].1)).send().await.expect(404);
        at.delete(&format!("cloud_directory/remove/{}", made[1].0)).await.expect(404);

        let ids = json!({"ids": [made[2].0, NOBODY, made[2].0]});
        let done = at.post("cloud_directory/bulk_remove", ids).await.expect(200).json();
        assert_eq!(done, json!({"removed": [made[2].0], "notFound": [NOBODY]}));
        at.request("get", &format!("users/{}/profile", made[2].1)).send().await.expect(404);
        for bad in [json!({"ids": []}), json!({"ids": ["x"]}), json!({"ids": vec![NOBODY; 101]}), json!({})] {
            at.post("cloud_directory/bulk_remove", bad).await.expect(400);
        }
        assert_eq!(at.get("cloud_directory/Users").await["totalResults"], 1);
    }

    async fn another_instance_sees_nothing(server) {
        let at = Instance::new(&server, "one").await;
        let id = create(&at, user("a@x.org")).await;
        let other = Instance::new(&server, "two").await;
        let path = format!("cloud_directory/Users/{id}");
        other.request("get", &path).send().await.expect(404);
        other.put(&path, user("a@x.org")).await.expect(404);
        other.delete(&path).await.expect(404);
        let change = json!({"uuid": id, "newPassword": "another password"});
        other.post("cloud_directory/change_password", change).await.expect(404);
        assert_eq!(other.post("cloud_directory/bulk_remove", json!({"ids": [id]})).await.expect(200).json()["removed"], json!([]));
        assert_eq!(at.get("cloud_directory/Users").await["totalResults"], 1);
    }
}

//! Users of federated providers.

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;
use vestibule_web::Limits;

use super::{codes, everyone};
use crate::instance::{Instance, refused};

/// The body of the founding document's import call, as the shell hands it to curl.
const STORY: &str = r#"{ "itemsPerPage": 2, "totalResults": 2, "requestOptions": {}, "users": [ { "id": "7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6", "name": "App ID Google User profile", "email": "your@mail.com", "identities": [ { "provider": "google", "id": "105646725068605084546", "idpUserInfo": { "id": "{ID}", "email": "your@mail.com", "picture": "{profile.jpg}" } } ], "attributes": { "points": 150 } }, { "id": "{userinfo}", "name": "App ID Facebook User profile", "email": "mail@mail.com", "identities": [ { "provider": "facebook", "id": "{id}", "picture": { "data": { "height": 50, "width": 50, "url": "https://{url}.com" } }, "first_name": "AppID", "last_name": "Development" } ], "attributes": { "points": 250 } } ]}"#;

fn google(subject: &str) -> Value {
    json!({"name": subject, "identities": [{"provider": "google", "id": subject}], "attributes": {}})
}

on_each_engine! {
    async fn the_story_works_as_printed(server) {
        let (source, target) = (Instance::new(&server, "source").await, Instance::new(&server, "target").await);
        let done = source.request("post", "users/import").header("Content-Type", "application/json").body(STORY).send().await.expect(200);
        assert_eq!(done.json(), json!({"added": 2, "failed": 0, "failReasons": []}));
        let out = source.request("get", "users/export").header("Accept", "application/json").send().await.expect(200);
        let exported = out.json();
        let mut expected: Value = serde_json::from_str(STORY).unwrap();
        // Only a UUID can be a profile's id; the identity provider's identifiers stay.
        let fresh = exported["users"][1]["id"].clone();
        assert_ne!(fresh, "{userinfo}");
        expected["users"][1]["id"] = fresh;
        assert_eq!(exported.to_string(), expected.to_string(), "member order included");

        // What was exported, whole, into the next instance: the export of the target equals what went in.
        target.request("post", "users/import").body(out.body).send().await.expect(200);
        assert_eq!(target.get("users/export").await.to_string(), exported.to_string());
    }

    async fn everything_a_record_holds_comes_back(server) {
        let at = Instance::new(&server, "one").await;
        at.role("editor", json!([])).await;
        at.role("admin", json!([])).await;
        let body = r#"[{"id":"7ae804f3-0ed3-45f0-bc6b-1c6af868e6d7","name":"N","email":"E@x.org","picture":"p","gender":"g","locale":"en",
            "preferred_username":"u","idp":"saml","hashedIdpId":"h1","hashedEmail":"h2","x-own":{"b":1,"a":[2.50,1e2]},
            "identities":[{"z":1,"provider":"saml","y":null,"id":"ü 1","idpUserInfo":{"attributes":{"n":12345678901234567890123}}},
            {"provider":"google","id":"2"}],"attributes":{"points":150,"f":1.10,"nul":"a\u0000b","o":{}},"roles":["editor","admin"]}]"#;
        let done = at.request("post", "users/import").body(body).send().await.expect(200).json();
        assert_eq!(done["added"], 1, "{done}");
        let text = at.request("get", "users/export").send().await.expect(200).text();
        let record: String = body.replace("\n            ", "").replace(r#""roles":["editor","admin"]"#, r#""roles":["admin","editor"]"#);
        assert_eq!(text, format!(r#"{{"itemsPerPage":1,"totalResults":1,"requestOptions":{{}},"users":{record}}}"#));
    }

    async fn pages_keep_the_order_of_the_file(server) {
        let at = Instance::new(&server, "one").await;
        let users: Vec<Value> = (0..250).map(|n| google(&format!("{}", 250 - n))).collect();
        at.post("users/import", json!({"users": users[..120]})).await.expect(200);
        at.post("users/import", json!({"users": users[120..]})).await.expect(200);
        let all = everyone(&at, "users/export", 37).await;
        let names = |users: &[Value]| users.iter().map(|u| u["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&all), names(&users));
        let first = at.get("users/export").await;
        assert_eq!((first["itemsPerPage"].clone(), first["totalResults"].clone()), (json!(100), json!(250)));
        let asked = at.get("users/export?startIndex=240&count=50").await;
        assert_eq!((asked["itemsPerPage"].clone(), asked["requestOptions"].clone()), (json!(10), json!({"startIndex": 240, "count": 50})));
    }

    async fn some_stay_behind(server) {
        let at = Instance::new(&server, "one").await;
        at.post("users", json!({"idp": "google", "idp-identity": "future@x.org"})).await.expect(201);
        let body = json!({"emails": [{"value": "d@x.org"}], "password": "correct horse"});
        at.post("cloud_directory/sign_up?shouldCreateProfile=true", body).await.expect(201);
        assert_eq!(at.get("users/export").await, json!({"itemsPerPage": 0, "totalResults": 0, "requestOptions": {}, "users": []}));
        let done = at.post("users/import", json!({"users": [
            {"identities": [{"provider": "appid_anon", "id": "1"}]},
            {"identities": [{"provider": "cloud_directory", "id": "1"}]},
            {"identities": []},
            {"name": "nobody"},
        ]})).await.expect(200).json();
        let expected = ["anonymous_user", "directory_user", "no_identity", "no_identity"];
        assert_eq!(codes(&done).into_iter().map(|(_, code)| code).collect::<Vec<_>>(), expected);
    }

    async fn bad_records_fail_alone(server) {
        let at = Instance::new(&server, "one").await;
        let deep = serde_json::from_str::<Value>(&format!("{}{}", "[".repeat(70), "]".repeat(70))).unwrap();
        let users = json!([
            google("a"),
            "text",
            {"identities": {}},
            {"identities": [{"provider": "google"}]},
            {"identities": [{"provider": "google", "id": 7}]},
            {"identities": [{"provider": "google", "id": "x\u{0}"}]},
            {"identities": [{"provider": "google", "id": ""}]},
            {"identities": [{"provider": "g", "id": "1"}, {"provider": "g", "id": "1"}]},
            {"identities": [{"provider": "g", "id": "1"}], "attributes": []},
            {"identities": [{"provider": "g", "id": "1"}], "attributes": {"x": "y".repeat(100_000)}},
            {"identities": [{"provider": "g", "id": "1", "x": "y".repeat(300_000)}]},
            {"identities": [{"provider": "g", "id": "1"}], "roles": ["nope"]},
            {"identities": [{"provider": "g", "id": "1"}], "roles": "nope"},
            {"identities": [{"provider": "g", "id": "1"}], "name": 1},
            {"identities": [{"provider": "g", "id": "1"}], "email": "a\u{0}b"},
            {"identities": [{"provider": "g", "id": "1"}], "attributes": {"deep": deep}},
            {"id": "old-7", "identities": [{"provider": "google", "id": "a"}]},
            null,
            google("b"),
        ]);
        let done = at.post("users/import", json!({"users": users})).await.expect(200).json();
        assert_eq!(done["added"], 2, "{done}");
        let invalid = "invalid_record";
        let expected = [
            invalid, invalid, invalid, invalid, invalid, invalid, invalid, invalid, "profile_too_large", "profile_too_large",
            "unknown_role", invalid, invalid, invalid, invalid, "duplicate_in_file", invalid,
        ];
        let expected: Vec<(u64, String)> = (1..).zip(expected).map(|(n, code)| (n, code.to_owned())).collect();
        assert_eq!(codes(&done), expected);
        assert_eq!(done["failReasons"][15]["originalId"], "old-7");
        assert_eq!(done["failReasons"][15]["idp"], "google");
        let left = at.get("users/export").await;
        let names: Vec<_> = left["users"].as_array().unwrap().iter().map(|u| u["name"].clone()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    async fn bad_files_change_nothing(server) {
        let at = Instance::new(&server, "one").await;
        let whole = json!({"users": [google("a"), google("b")]}).to_string();
        for bad in ["", "{", "[", "null", "7", "{}", "{\"users\":{}}", "{\"users\":null}", &whole[..whole.len() - 3], &format!("{whole}x")] {
            let answer = at.request("post", "users/import").body(bad).send().await;
            refused(answer, 400, "INVALID_REQUEST");
        }
        refused(at.post("users/import?on_conflict=perhaps", json!({"users": [google("a")]})).await, 400, "INVALID_REQUEST");
        assert_eq!(at.get("users/export").await["totalResults"], 0);
        assert_eq!(at.post("users/import", json!({"users": []})).await.expect(200).json()["added"], 0);
    }

    async fn the_body_has_a_limit_of_its_own(server) {
        let server = server.with_limits(Limits { body: 10_000, import_body: 50_000, ..Limits::default() });
        let at = Instance::new(&server, "one").await;
        let users = |n: usize| json!({"users": (0..n).map(|n| google(&format!("user {n}"))).collect::<Vec<_>>()});
        at.post("users/import", users(300)).await.expect(200);
        refused(at.post("users/import", users(3000)).await, 413, "TOO_LARGE");
        assert_eq!(at.get("users/export").await["totalResults"], 300);
    }

    async fn conflicts_follow_the_policy(server) {
        let at = Instance::new(&server, "one").await;
        at.role("r", json!([])).await;
        at.post("users/import", json!({"users": [google("a"), google("b")]})).await.expect(200);
        let before = at.get("users/export").await;
        let again = json!({"users": [
            {"name": "A2", "identities": [{"provider": "google", "id": "a", "new": 1}, {"provider": "saml", "id": "s"}], "attributes": {"x": 1}, "roles": ["r"]},
            {"name": "both", "identities": [{"provider": "google", "id": "b"}, {"provider": "facebook", "id": "a"}]},
            google("c"),
        ]});
        let done = at.post("users/import", again.clone()).await.expect(200).json();
        assert_eq!(done["added"], 1);
        assert_eq!(codes(&done), [(0, "conflict".to_owned()), (1, "conflict".to_owned())]);
        assert_eq!(done["failReasons"][0]["id"], before["users"][0]["id"]);
        let now = at.get("users/export").await;
        assert_eq!(now["users"][0], before["users"][0], "never a silent overwrite");
        assert_eq!(now["users"][1], before["users"][1]);

        let done = at.post("users/import?on_conflict=skip", again.clone()).await.expect(200).json();
        assert_eq!(done, json!({"added": 0, "skipped": 3, "failed": 0, "failReasons": []}));
        assert_eq!(at.get("users/export").await, now);

        let done = at.post("users/import?on_conflict=update", again).await.expect(200).json();
        assert_eq!(done, json!({"added": 0, "updated": 3, "failed": 0, "failReasons": []}));
        let after = at.get("users/export").await;
        assert_eq!(after["totalResults"], 3);
        assert_eq!(after["users"][0], json!({
            "id": before["users"][0]["id"], "name": "A2",
            "identities": [{"provider": "google", "id": "a", "new": 1}, {"provider": "saml", "id": "s"}],
            "attributes": {"x": 1}, "roles": ["r"],
        }));
        let merged = json!({"users": [{"identities": [{"provider": "google", "id": "a"}, {"provider": "google", "id": "b"}]}]});
        let done = at.post("users/import?on_conflict=update", merged).await.expect(200).json();
        assert_eq!(codes(&done), [(0, "ambiguous".to_owned())]);
        assert_eq!(at.get("users/export").await, after);
    }

    async fn a_taken_profile_id_is_given_anew(server) {
        let at = Instance::new(&server, "one").await;
        let mut users = [google("a"), google("b")];
        for user in &mut users {
            user["id"] = json!("7AE804F3-0ed3-45f0-bc6b-1c6af868e6d6");
        }
        assert_eq!(at.post("users/import", json!({"users": users})).await.expect(200).json()["added"], 2);
        let out = at.get("users/export").await;
        assert_eq!(out["users"][0]["id"], "7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6");
        assert_ne!(out["users"][1]["id"], out["users"][0]["id"]);
        let other = Instance::new(&server, "two").await;
        assert_eq!(other.post("users/import", out.clone()).await.expect(200).json()["added"], 2, "instances are apart");
        assert_eq!(other.get("users/export").await, out);
    }

    async fn a_file_is_split_without_loss(server) {
        let source = Instance::new(&server, "source").await;
        let users: Vec<Value> = (0..60).map(|n| google(&format!("user {n}"))).collect();
        source.post("users/import", json!({"users": users})).await.expect(200);
        let all = everyone(&source, "users/export", 25).await;
        let (left, right) = (Instance::new(&server, "left").await, Instance::new(&server, "right").await);
        left.post("users/import", json!({"users": all[..23]})).await.expect(200);
        right.post("users/import", json!(all[23..])).await.expect(200);
        assert_eq!(everyone(&left, "users/export", 100).await, all[..23]);
        assert_eq!(everyone(&right, "users/export", 100).await, all[23..]);
    }
}

//! Claims about people: where each comes from (OpenID Connect Core section 5.1).

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use super::setup::{Client, PASSWORD, decode, parameter};

/// User info, identity token and access token of a sign-in with these parameters.
async fn claims(client: &Client<'_>, who: &str, more: &str) -> (Value, Value, Value) {
    let page = client.authorize(more).await.expect(200);
    let answer = client.submit(&page, who, PASSWORD).await.expect(303);
    let code = parameter(&answer.header("location"), "code");
    let tokens = client.redeem(&code, &[]).await.expect(200).json();
    let info = client.userinfo(&tokens["access_token"]).await;
    let identity = decode(&tokens["id_token"]).1;
    (
        info.expect(200).json(),
        identity,
        tokens["access_token"].clone(),
    )
}

const PROFILE: &str = "scope=openid%20profile%20phone";
const SELF_SAID: [&str; 5] = ["profile", "picture", "website", "gender", "birthdate"];

on_each_engine! {
    async fn the_directory_knows_them(server) {
        let client = Client::new(&server).await;
        let body = json!({
            "userName": "grace", "displayName": "Grace Hopper", "password": PASSWORD, "emails": [{"value": "grace@example.com"}],
            "profileUrl": "https://example.com/grace", "photos": [{"value": "https://example.com/grace.png"}],
            "website": "https://grace.example.com", "gender": "female", "birthdate": "1906-12-09", "phoneNumbers": [{"value": "+1 202 555 0199"}],
        });
        client.instance.post("cloud_directory/Users", body).await.expect(201);
        let (info, ..) = claims(&client, "grace@example.com", PROFILE).await;
        for (name, value) in [
            ("profile", json!("https://example.com/grace")),
            ("picture", json!("https://example.com/grace.png")),
            ("website", json!("https://grace.example.com")),
            ("gender", json!("female")),
            ("birthdate", json!("1906-12-09")),
            ("phone_number", json!("+1 202 555 0199")),
            ("phone_number_verified", json!(false)),
        ] {
            assert_eq!(info[name], value, "{name}: {info}");
        }
        let (plain, identity, _) = claims(&client, "grace@example.com", "scope=openid").await;
        for name in ["profile", "website", "birthdate", "phone_number_verified"] {
            assert_eq!((plain.get(name), identity.get(name)), (None, None), "{name}");
        }
        // {"id_token":{"birthdate":null,"phone_number_verified":null}}
        let asked = "claims=%7B%22id_token%22%3A%7B%22birthdate%22%3Anull%2C%22phone_number_verified%22%3Anull%7D%7D";
        let (_, identity, _) = claims(&client, "grace@example.com", asked).await;
        assert_eq!((&identity["birthdate"], &identity["phone_number_verified"]), (&json!("1906-12-09"), &json!(false)));
    }

    async fn attributes_tell_what_nothing_else_does(server) {
        let client = Client::new(&server).await;
        let (info, _, access) = claims(&client, "ada@example.com", PROFILE).await;
        for name in SELF_SAID.into_iter().chain(["phone_number", "phone_number_verified"]) {
            assert_eq!(info.get(name), None, "{name}");
        }
        let attribute = async |name: &str, value: Value| {
            let path = format!("/api/v1/attributes/{name}");
            server.put(&path).bearer(access.as_str().unwrap()).body(value.to_string()).send().await.expect(200);
        };
        let good = [
            ("profile", "https://example.com/ada"),
            ("picture", "https://example.com/ada.png"),
            ("website", "http://ada.example.com/"),
            ("gender", "female"),
            ("birthdate", "0000-12-10"),
        ];
        for (name, value) in good {
            attribute(name, json!(value)).await;
        }
        // Whom a person is taken for, and where they are reached, no application says.
        for (name, value) in [("email", "evil@example.com"), ("name", "Evil"), ("sub", "evil"), ("email_verified", "true"), ("phone_number", "1"), ("preferred_username", "evil")] {
            attribute(name, json!(value)).await;
        }
        let (info, ..) = claims(&client, "ada@example.com", "scope=openid%20profile%20phone%20email").await;
        for (name, value) in good {
            assert_eq!(info[name], value, "{name}: {info}");
        }
        assert_eq!((&info["email"], info.get("phone_number")), (&json!("ada@example.com"), None));
        assert!(!info.to_string().contains("vil"), "{info}");
        let (plain, ..) = claims(&client, "ada@example.com", "scope=openid").await;
        for name in SELF_SAID {
            assert_eq!(plain.get(name), None, "{name}");
        }
        let long = format!("https://example.com/{}", "x".repeat(2000));
        for bad in [json!("javascript:alert(1)"), json!("ada"), json!("10.12.1815"), json!("1815-13-01"), json!("1815-12-1"), json!(""), json!(7), json!({"a": 1}), json!("\u{7}"), json!(long)] {
            for name in SELF_SAID.into_iter().filter(|name| *name != "gender") {
                attribute(name, bad.clone()).await;
            }
            let word = bad.as_str().is_some_and(|text| !text.is_empty() && text.len() < 100 && text != "\u{7}");
            if !word {
                attribute("gender", bad.clone()).await;
            }
            // Nobody may try a password too often.
            server.clock.advance_seconds(60);
            let (info, ..) = claims(&client, "ada@example.com", PROFILE).await;
            for name in ["profile", "picture", "website", "birthdate"] {
                assert_eq!(info.get(name), None, "{name} {bad}");
            }
            assert!(word || info.get("gender").is_none(), "{bad}: {info}");
        }
        attribute("birthdate", json!("1815")).await;
        let (info, ..) = claims(&client, "ada@example.com", PROFILE).await;
        assert_eq!(info["birthdate"], "1815");
    }
}

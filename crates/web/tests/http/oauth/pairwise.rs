//! People who are called by another name in each sector (OpenID Connect Core section 8).

use serde_json::{Value, json};
use vestibule_testkit::{Elsewhere, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, decode, parameter};

async fn set(client: &Client<'_>, metadata: Value) {
    let path = format!("applications/{}/metadata", client.id);
    client.instance.put(&path, metadata).await.expect(200);
}

fn redirects(host: &str) -> Value {
    json!({"subject_type": "pairwise", "redirect_uris": [format!("https://{host}/cb")]})
}

async fn subject(client: &Client<'_>) -> Value {
    decode(&client.ada().await["id_token"]).1["sub"].clone()
}

on_each_engine! {
    async fn each_sector_has_a_name_of_its_own(server) {
        let client = Client::new(&server).await;
        let public = subject(&client).await;
        let (one, same, other) = (client.another("regularwebapp").await, client.another("regularwebapp").await, client.another("regularwebapp").await);
        set(&one, redirects("one.example.com")).await;
        set(&same, redirects("one.example.com")).await;
        set(&other, redirects("other.example.com")).await;
        let name = subject(&one).await;
        assert_eq!(name.as_str().unwrap().len(), 43);
        assert_eq!(subject(&one).await, name);
        assert_eq!(subject(&same).await, name);
        assert_ne!(subject(&other).await, name);
        assert_eq!(subject(&client).await, public);
        // Another person of the same sector, and another instance.
        client.instance.directory_user("grace@example.com").await;
        let grace = one.password("grace@example.com", PASSWORD).await.expect(200).json();
        assert_ne!(decode(&grace["id_token"]).1["sub"], name);
        let foreign = Client::new(&server).await;
        set(&foreign, redirects("one.example.com")).await;
        assert_ne!(subject(&foreign).await, name);
    }

    async fn nothing_in_tokens_leads_to_the_profile_and_everything_works(server) {
        let client = Client::new(&server).await;
        let public = subject(&client).await;
        let public = public.as_str().unwrap();
        let one = client.another("regularwebapp").await;
        set(&one, redirects("one.example.com")).await;
        let (first, second) = (one.ada().await, one.ada().await);
        let (access, identity) = (decode(&first["access_token"]).1, decode(&first["id_token"]).1);
        assert_eq!(access["sub"], identity["sub"]);
        for claims in [&access, &identity] {
            assert!(!claims.to_string().contains(public) && claims.get("identities").is_none(), "{claims}");
        }
        // What is sealed is another text each time.
        assert_ne!(access["prf"], decode(&second["access_token"]).1["prf"]);
        let info = one.userinfo(&first["access_token"]).await.expect(200).json();
        assert_eq!(info["sub"], identity["sub"]);
        assert!(!info.to_string().contains(public) && info.get("identities").is_none(), "{info}");
        let bearer = first["access_token"].as_str().unwrap();
        server.put("/api/v1/attributes/colour").bearer(bearer).body("blue").send().await.expect(200);
        let theirs = client.instance.get(&format!("users/{public}/profile")).await;
        assert_eq!(theirs["attributes"]["colour"], "blue");
        // Tokens end with what the administrator ends for the profile.
        assert!(one.active(&first["access_token"]).await && one.active(&first["id_token"]).await);
        let people = client.instance.get("cloud_directory/Users").await;
        let changed = json!({"uuid": people["Resources"][0]["id"], "newPassword": "another password"});
        client.instance.post("cloud_directory/change_password", changed).await.expect(200);
        assert!(!one.active(&first["access_token"]).await && !one.active(&first["id_token"]).await);
        one.userinfo(&first["access_token"]).await.expect(401);
    }

    async fn who_is_expected_is_known_by_that_name(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/cloud_directory/sso", json!({"isActive": true, "inactivityTimeoutSeconds": 600})).await.expect(201);
        let one = client.another("regularwebapp").await;
        set(&one, json!({"subject_type": "pairwise", "redirect_uris": [CALLBACK]})).await;
        let page = one.authorize("").await.expect(200);
        let answer = one.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
        let session = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let tokens = one.redeem(&parameter(&answer.header("location"), "code"), &[]).await.expect(200).json();
        let ask = async |more: &str| {
            let path = format!("{}/authorization?client_id={}&redirect_uri={}&response_type=code&prompt=none&{more}", one.base, one.id, CALLBACK);
            server.get(&path).header("cookie", session.clone()).send().await.expect(302).header("location")
        };
        let hint = format!("id_token_hint={}", tokens["id_token"].as_str().unwrap());
        assert!(ask(&hint).await.contains("?code="));
        let name = decode(&tokens["id_token"]).1["sub"].as_str().unwrap().to_owned();
        let claim = |sub: &str| format!("claims=%7B%22id_token%22%3A%7B%22sub%22%3A%7B%22value%22%3A%22{sub}%22%7D%7D%7D");
        assert!(ask(&claim(&name)).await.contains("?code="));
        assert_eq!(parameter(&ask(&claim("somebody")).await, "error"), "login_required");
        // What others call the person leads to no answer: it would tie the two names together.
        let public = decode(&client.ada().await["id_token"]).1["sub"].as_str().unwrap().to_owned();
        assert_eq!(parameter(&ask(&claim(&public)).await, "error"), "login_required");
        let others = client.ada().await["id_token"].as_str().unwrap().to_owned();
        assert_eq!(parameter(&ask(&format!("id_token_hint={others}")).await, "error"), "invalid_request");
        // The hint ends the session as well.
        let path = format!("{}/logout?{hint}", one.base);
        server.get(&path).header("cookie", session.clone()).send().await.expect(200);
        assert_eq!(parameter(&ask("").await, "error"), "login_required");
    }

    async fn several_hosts_need_a_list(server) {
        let client = Client::new(&server).await;
        let elsewhere = Elsewhere::start().await;
        let path = format!("applications/{}/metadata", client.id);
        let two = json!({"subject_type": "pairwise", "redirect_uris": ["https://a.example.com/", "https://b.example.com/"]});
        client.instance.put(&path, two).await.expect(400);
        let listed = |list: &str| json!({
            "subject_type": "pairwise", "redirect_uris": ["https://a.example.com/", "https://b.example.com/"], "sector_identifier_uri": elsewhere.url(list),
        });
        elsewhere.answer("/short", 200, r#"["https://a.example.com/"]"#);
        elsewhere.answer("/odd", 200, r#"{"uris": []}"#);
        elsewhere.answer("/all", 200, r#"["https://a.example.com/", "https://b.example.com/", "https://c.example.com/"]"#);
        for bad in ["/short", "/odd", "/missing"] {
            client.instance.put(&path, listed(bad)).await.expect(400);
        }
        assert_eq!(client.instance.get(&path).await, json!({}));
        client.instance.put(&path, listed("/all")).await.expect(200);
        let one = client.another("regularwebapp").await;
        set(&one, json!({"subject_type": "pairwise", "redirect_uris": ["https://c.example.com/"], "sector_identifier_uri": elsewhere.url("/all")})).await;
        assert_eq!(subject(&client).await, subject(&one).await);
    }
}

//! Refresh tokens of clients that registered themselves: only where they ask for `offline_access` and the person agrees (OpenID Connect
//! Core section 11).

use serde_json::{Value, json};
use vestibule_testkit::{TestResponse, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, decode, field, parameter, refused};

const OFFLINE: &str = "scope=openid%20offline_access&prompt=consent";

/// Lets the instance give refresh tokens and register clients.
async fn open(client: &Client<'_>, registration: Value) {
    let set = client
        .instance
        .put("config/tokens", json!({"refresh": {"enabled": true}}));
    set.await.expect(200);
    let set = client
        .instance
        .put("config/oauth/registration", registration);
    set.await.expect(204);
}

/// A client that registers with these members; its id and secret.
async fn register(client: &Client<'_>, more: Value) -> (String, String) {
    let mut body = json!({"redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let path = format!("{}/register", client.base);
    let made = client.server().post(&path).json(&body).send().await;
    let made = made.expect(201).json();
    let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
    (text("client_id"), text("client_secret"))
}

/// Signs in for a client; the page or the answer after that, and the cookies of the browser.
async fn sign_in(client: &Client<'_>, id: &str, more: &str) -> (TestResponse, String) {
    let path = format!(
        "{}/authorization?client_id={id}&redirect_uri={CALLBACK}&response_type=code&{more}",
        client.base
    );
    let page = client.server().get(&path).send().await.expect(200);
    let cookies = page.header("set-cookie");
    let cookies = cookies.split(';').next().unwrap().to_owned();
    let request = client.submission(&page, "ada@example.com", PASSWORD);
    (request.header("cookie", &*cookies).send().await, cookies)
}

async fn agree(client: &Client<'_>, page: &TestResponse, cookies: &str) -> TestResponse {
    let html = page.text();
    let form = [
        ("context", &*field(&html, "name=\"context\" value=\"")),
        ("decision", "allow"),
    ];
    let request = client.server().post(&field(&html, "action=\"")).form(&form);
    request.header("cookie", cookies).send().await.expect(303)
}

async fn token(
    client: &Client<'_>,
    (id, secret): (&str, &str),
    form: &[(&str, &str)],
) -> TestResponse {
    let path = format!("{}/token", client.base);
    let request = client.server().post(&path).basic(id, secret);
    request.form(form).send().await
}

async fn redeem(client: &Client<'_>, own: (&str, &str), answer: &TestResponse) -> Value {
    let code = parameter(&answer.header("location"), "code");
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
    ];
    token(client, own, &form).await.expect(200).json()
}

on_each_engine! {
    async fn the_person_agrees_to_it(server) {
        let client = Client::new(&server).await;
        open(&client, json!({"enabled": "open"})).await;
        let (id, secret) = register(&client, json!({})).await;
        let own = (id.as_str(), secret.as_str());
        let (page, cookies) = sign_in(&client, &id, "scope=openid").await;
        assert!(!page.text().contains("while you are not signed in"), "{}", page.text());
        let tokens = redeem(&client, own, &agree(&client, &page.expect(200), &cookies).await).await;
        assert_eq!((tokens.get("refresh_token"), &tokens["scope"]), (None, &json!("openid appid_default appid_authenticated")));
        // Agreed to so far is not agreed to this.
        let (page, cookies) = sign_in(&client, &id, "scope=openid%20offline_access").await;
        assert!(page.text().contains("Access while you are not signed in"), "{}", page.text());
        let tokens = redeem(&client, own, &agree(&client, &page.expect(200), &cookies).await).await;
        assert_eq!(tokens["scope"], "openid appid_default appid_authenticated offline_access");
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let renewed = token(&client, own, &form).await.expect(200).json();
        assert_eq!(renewed["scope"], tokens["scope"]);
        assert!(renewed["refresh_token"].is_string() && renewed["refresh_token"] != tokens["refresh_token"]);
        server.clock.advance_seconds(11);
        refused(token(&client, own, &form).await, 400, "invalid_grant");
        // Once agreed to, it holds; asked for, the question is put again.
        let (answer, _) = sign_in(&client, &id, "scope=openid%20offline_access").await;
        assert!(redeem(&client, own, &answer.expect(303)).await["refresh_token"].is_string());
        sign_in(&client, &id, OFFLINE).await.0.expect(200);
        let person = decode(&tokens["id_token"]).1["sub"].as_str().unwrap().to_owned();
        let all = client.instance.get(&format!("users/{person}/consents")).await;
        assert_eq!(all["consents"][0]["scopes"], json!(["openid", "offline_access"]));
    }

    async fn nobody_is_asked_about_what_is_not_given(server) {
        let client = Client::new(&server).await;
        open(&client, json!({"enabled": "open"})).await;
        let discovery = format!("{}/.well-known/openid-configuration", client.base);
        let offered = async || server.get(&discovery).send().await.expect(200).json()["scopes_supported"].as_array().unwrap().contains(&json!("offline_access"));
        assert!(offered().await);
        // A client that is not registered for them, and one that may not ask for the scope.
        for more in [json!({"grant_types": ["authorization_code"]}), json!({"scope": "openid email"})] {
            let (id, secret) = register(&client, more).await;
            let (page, cookies) = sign_in(&client, &id, OFFLINE).await;
            let page = page.expect(200);
            assert!(!page.text().contains("while you are not signed in"), "{}", page.text());
            let tokens = redeem(&client, (&id, &secret), &agree(&client, &page, &cookies).await).await;
            assert_eq!(tokens.get("refresh_token"), None);
            assert!(!tokens["scope"].as_str().unwrap().contains("offline"), "{tokens}");
        }
        // An instance that gives none.
        let (id, _) = register(&client, json!({})).await;
        client.instance.put("config/tokens", json!({"refresh": {"enabled": false}})).await.expect(200);
        assert!(!offered().await);
        let (page, _) = sign_in(&client, &id, OFFLINE).await;
        assert!(!page.expect(200).text().contains("while you are not signed in"));
    }

    async fn without_consent_the_administrator_agrees(server) {
        let client = Client::new(&server).await;
        open(&client, json!({"enabled": "open", "consentRequired": false})).await;
        let (id, secret) = register(&client, json!({})).await;
        let own = (id.as_str(), secret.as_str());
        let (answer, _) = sign_in(&client, &id, "scope=openid%20offline_access").await;
        assert!(redeem(&client, own, &answer.expect(303)).await["refresh_token"].is_string());
        let (answer, _) = sign_in(&client, &id, "scope=openid").await;
        assert_eq!(redeem(&client, own, &answer.expect(303)).await.get("refresh_token"), None);
    }

    async fn applications_of_the_instance_need_not_ask(server) {
        let client = Client::new(&server).await;
        open(&client, json!({"enabled": "off"})).await;
        for scope in ["scope=openid", "scope=openid%20offline_access&prompt=consent", ""] {
            let code = client.code(scope).await;
            let tokens = client.redeem(&code, &[]).await.expect(200).json();
            assert!(tokens["refresh_token"].is_string(), "{scope}");
            assert!(!tokens["scope"].as_str().unwrap().contains("offline"), "{tokens}");
        }
    }
}

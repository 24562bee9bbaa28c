//! Whether people agree that an application which registered itself learns of them.

use serde_json::{Value, json};
use vestibule_testkit::{TestRequest, TestResponse, TestServer, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, decode, field, parameter, refused};

const OWN: &str = "https://rp.example.org/cb";

/// A client that registered itself.
struct Stranger<'a> {
    server: &'a TestServer,
    base: String,
    id: String,
    secret: String,
}

impl<'a> Stranger<'a> {
    async fn new(client: &Client<'a>, more: Value) -> Self {
        client
            .instance
            .put("config/oauth/registration", json!({"enabled": "open"}))
            .await
            .expect(204);
        let mut body = json!({"redirect_uris": [OWN], "client_name": "Reader <b>", "policy_uri": "https://rp.example.org/privacy"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let made = client
            .server()
            .post(&format!("{}/register", client.base))
            .json(&body)
            .send()
            .await
            .expect(201)
            .json();
        Self {
            server: client.server(),
            base: client.base.clone(),
            id: made["client_id"].as_str().unwrap().to_owned(),
            secret: made["client_secret"].as_str().unwrap().to_owned(),
        }
    }

    async fn ask(&self, cookies: &str, more: &str) -> TestResponse {
        let path = format!(
            "{}/authorization?client_id={}&redirect_uri={OWN}&response_type=code&{more}",
            self.base, self.id
        );
        self.server
            .get(&path)
            .header("cookie", cookies)
            .send()
            .await
    }

    /// Signs in; the page after that, and the cookies of the browser.
    async fn sign_in(&self, more: &str) -> (TestResponse, String) {
        let page = self.ask("", more).await.expect(200);
        let html = page.text();
        let browser = cookies(&page);
        let form = [
            ("context", &*field(&html, "name=\"context\" value=\"")),
            ("username", "ada@example.com"),
            ("password", PASSWORD),
        ];
        let next = self
            .server
            .post(&field(&html, "action=\""))
            .header("cookie", browser.clone())
            .form(&form)
            .send()
            .await;
        let held = [browser, cookies(&next)].join("; ");
        (next, held)
    }

    fn decide(&self, page: &TestResponse, cookies: &str, decision: &str) -> TestRequest {
        let html = page.text();
        let action = field(&html, "action=\"");
        assert!(action.ends_with("/consent"), "{action}");
        let form = [
            ("context", &*field(&html, "name=\"context\" value=\"")),
            ("decision", decision),
        ];
        self.server
            .post(&action)
            .header("cookie", cookies)
            .form(&form)
    }

    async fn redeem(&self, answer: &TestResponse) -> Value {
        let code = parameter(&answer.header("location"), "code");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", OWN),
        ];
        self.server
            .post(&format!("{}/token", self.base))
            .basic(&self.id, &self.secret)
            .form(&form)
            .send()
            .await
            .expect(200)
            .json()
    }
}

/// The cookies that an answer sets.
fn cookies(answer: &TestResponse) -> String {
    let all = answer.headers.get_all("set-cookie").iter();
    let pairs = all.map(|value| value.to_str().unwrap().split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}

async fn stay_signed_in(client: &Client<'_>) {
    client
        .instance
        .put(
            "config/cloud_directory/sso",
            json!({"isActive": true, "inactivityTimeoutSeconds": 600}),
        )
        .await
        .expect(201);
}

on_each_engine! {
    async fn a_person_is_asked_once(server) {
        let client = Client::new(&server).await;
        let stranger = Stranger::new(&client, json!({})).await;
        let (page, held) = stranger.sign_in("scope=openid%20email&state=s").await;
        let page = page.expect(200);
        let html = page.text();
        assert!(html.contains("Reader &lt;b&gt;") && html.contains("Your e-mail address") && html.contains("rp.example.org"), "{html}");
        assert!(!html.contains("Your phone number") && html.contains("Privacy policy"), "{html}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self' https://rp.example.org;"), "{policy}");
        let answer = stranger.decide(&page, &held, "allow").send().await.expect(303);
        assert_eq!(parameter(&answer.header("location"), "state"), "s");
        let tokens = stranger.redeem(&answer).await;
        // What was agreed to, and nothing of App ID's own beside it.
        let (access, identity) = (decode(&tokens["access_token"]).1, decode(&tokens["id_token"]).1);
        assert_eq!(access["scope"], "openid appid_default appid_authenticated email");
        // An identity token beside an access token holds no claims of scopes (OpenID Connect Core section 5.4).
        assert!(identity.get("email").is_none() && identity.get("name").is_none() && identity.get("identities").is_none(), "{identity}");
        let info = client.userinfo(&tokens["access_token"]).await.expect(200).json();
        assert_eq!(info["email"], "ada@example.com");
        assert!(info.get("name").is_none() && info.get("identities").is_none(), "{info}");
        server.get("/api/v1/attributes").bearer(tokens["access_token"].as_str().unwrap()).send().await.expect(403);
        // The same again needs no question, less neither; more does.
        for (more, status) in [("scope=openid%20email", 303), ("scope=openid", 303), ("scope=openid%20email%20phone", 200), ("claims=%7B%22userinfo%22%3A%7B%22phone_number%22%3Anull%7D%7D", 200)] {
            stranger.sign_in(more).await.0.expect(status);
        }
    }

    async fn identity_tokens_hold_what_claims_name(server) {
        let client = Client::new(&server).await;
        let stranger = Stranger::new(&client, json!({})).await;
        // {"id_token":{"email":{"essential":true}}}
        let asked = "scope=openid%20profile&claims=%7B%22id_token%22%3A%7B%22email%22%3A%7B%22essential%22%3Atrue%7D%7D%7D";
        let (page, held) = stranger.sign_in(asked).await;
        let page = page.expect(200);
        assert!(page.text().contains("Your e-mail address") && page.text().contains("details of your profile"), "{}", page.text());
        let answer = stranger.decide(&page, &held, "allow").send().await.expect(303);
        let tokens = stranger.redeem(&answer).await;
        let identity = decode(&tokens["id_token"]).1;
        assert_eq!((&identity["email"], identity.get("name")), (&json!("ada@example.com"), None));
        let info = client.userinfo(&tokens["access_token"]).await.expect(200).json();
        assert_eq!((&info["name"], info.get("email")), (&json!("ada@example.com"), None));
    }

    async fn who_does_not_agree_is_not_told_of(server) {
        let client = Client::new(&server).await;
        let stranger = Stranger::new(&client, json!({})).await;
        for decision in ["deny", "", "whatever"] {
            let (page, held) = stranger.sign_in("state=s").await;
            let answer = stranger.decide(&page.expect(200), &held, decision).send().await.expect(303);
            let location = answer.header("location");
            assert_eq!(parameter(&location, "error"), "access_denied");
            assert_eq!(parameter(&location, "state"), "s");
        }
        stranger.sign_in("").await.0.expect(200);
    }

    async fn the_answer_counts_once_and_in_its_browser(server) {
        let client = Client::new(&server).await;
        let stranger = Stranger::new(&client, json!({})).await;
        let (page, held) = stranger.sign_in("").await;
        let page = page.expect(200);
        // Another browser is shown the sign-in form.
        for other in ["", "vestibule-browser=aaaaaaaaaaaaaaaaaaaaaa"] {
            let answer = stranger.decide(&page, other, "allow").send().await.expect(200);
            assert!(answer.text().contains("name=\"password\""));
        }
        stranger.decide(&page, &held, "allow").send().await.expect(303);
        let again = stranger.decide(&page, &held, "allow").send().await.expect(200);
        assert!(again.text().contains("name=\"password\""));
        let (page, held) = stranger.sign_in("prompt=consent").await;
        let page = page.expect(200);
        server.clock.advance_seconds(900);
        let late = stranger.decide(&page, &held, "allow").send().await.expect(200);
        assert!(late.text().contains("name=\"password\""));
        let path = format!("{}/consent", client.base);
        server.post(&path).form(&[("context", "x"), ("decision", "allow")]).send().await.expect(400);
        server.post(&path).form(&[("decision", "allow")]).send().await.expect(400);
    }

    async fn a_session_is_asked_too_but_not_silently(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let stranger = Stranger::new(&client, json!({})).await;
        let page = client.authorize("").await.expect(200);
        let session = cookies(&client.submit(&page, "ada@example.com", PASSWORD).await.expect(303));
        let silent = stranger.ask(&session, "prompt=none").await.expect(302);
        assert_eq!(parameter(&silent.header("location"), "error"), "consent_required");
        let page = stranger.ask(&session, "scope=openid").await.expect(200);
        let held = format!("{session}; {}", cookies(&page));
        let answer = stranger.decide(&page, &held, "allow").send().await.expect(303);
        assert!(decode(&stranger.redeem(&answer).await["id_token"]).1["sid"].is_string());
        stranger.ask(&session, "prompt=none").await.expect(302).header("location").split_once("code=").unwrap();
        // Asked for, the question is put again, without a new sign-in.
        let page = stranger.ask(&session, "prompt=consent").await.expect(200);
        assert!(page.text().contains("/consent\""));
        // Whoever signed out meanwhile has to sign in.
        let held = format!("{session}; {}", cookies(&page));
        client.server().get(&format!("{}/cloud_directory/sso/logout?client_id={}&redirect_uri={}", client.base, client.id, CALLBACK)).header("cookie", session.clone()).send().await.expect(302);
        let answer = stranger.decide(&page, &held, "allow").send().await.expect(200);
        assert!(answer.text().contains("name=\"password\""));
    }

    async fn applications_of_the_instance_do_not_ask(server) {
        let client = Client::new(&server).await;
        client.code("scope=openid%20email").await;
        let stranger = Stranger::new(&client, json!({})).await;
        client.instance.put("config/oauth/registration", json!({"enabled": "open", "consentRequired": false})).await.expect(204);
        stranger.sign_in("").await.0.expect(303);
    }

    async fn what_was_agreed_to_can_be_taken_back(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/tokens", json!({"refresh": {"enabled": true}})).await.expect(200);
        let stranger = Stranger::new(&client, json!({"grant_types": ["authorization_code", "refresh_token"]})).await;
        let (page, held) = stranger.sign_in("scope=openid%20email%20offline_access").await;
        let answer = stranger.decide(&page.expect(200), &held, "allow").send().await.expect(303);
        let tokens = stranger.redeem(&answer).await;
        let person = decode(&tokens["id_token"]).1["sub"].as_str().unwrap().to_owned();
        let path = format!("users/{person}/consents");
        let all = client.instance.get(&path).await;
        assert_eq!(all["consents"].as_array().unwrap().len(), 1);
        assert_eq!((&all["consents"][0]["clientId"], &all["consents"][0]["scopes"]), (&json!(stranger.id), &json!(["openid", "email", "offline_access"])));
        client.instance.delete(&format!("{path}/{}", stranger.id)).await.expect(204);
        client.instance.delete(&format!("{path}/{}", stranger.id)).await.expect(404);
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
        let renewed = server.post(&format!("{}/token", client.base)).basic(&stranger.id, &stranger.secret).form(&refresh).send().await;
        refused(renewed, 400, "invalid_grant");
        client.userinfo(&tokens["access_token"]).await.expect(401);
        stranger.sign_in("scope=openid%20email").await.0.expect(200);
        client.instance.request("get", "users/00000000-0000-4000-8000-000000000000/consents").send().await.expect(404);
    }
}

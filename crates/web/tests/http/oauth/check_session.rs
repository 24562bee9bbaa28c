//! Applications notice that a browser's session is another one (OpenID Connect Session Management 1.0).

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use vestibule_testkit::{Conditions, TestResponse, TestServer, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, decode, field, parameter};

const ORIGIN: &str = "https://app.example.com";

async fn stay_signed_in(client: &Client<'_>) {
    let body = json!({
        "isActive": true, "inactivityTimeoutSeconds": 600, "logoutRedirectUris": ["https://app.example.com/out"],
    });
    let set = client.instance.put("config/cloud_directory/sso", body);
    set.await.expect(201);
}

/// A cookie that an answer sets: its value, and what stands behind it.
#[track_caller]
fn set(answer: &TestResponse, name: &str) -> (String, String) {
    let all = answer.headers.get_all("set-cookie").iter();
    let mut texts = all.map(|value| value.to_str().unwrap());
    let text = texts
        .find_map(|text| text.strip_prefix(&format!("{name}=")))
        .unwrap_or_else(|| panic!("no cookie {name}"));
    let (value, rest) = text.split_once(';').unwrap();
    (value.to_owned(), rest.to_owned())
}

/// What a frame finds, as section 3.2 computes it.
fn frame(client: &str, origin: &str, browser: &str, session_state: &str) -> &'static str {
    let (known, salt) = session_state.split_once('.').expect(session_state);
    let text = format!("{client} {origin} {browser} {salt}");
    let found = URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()));
    match !browser.is_empty() && found == known {
        true => "unchanged",
        false => "changed",
    }
}

/// A person at a browser.
struct Browser<'a> {
    server: &'a TestServer,
    session: String,
    state: String,
}

impl<'a> Browser<'a> {
    async fn sign_in(client: &Client<'a>, more: &str) -> (Self, TestResponse) {
        let page = client.authorize(more).await.expect(200);
        let answer = client.submit(&page, "ada@example.com", PASSWORD).await;
        let guid = &client.instance.guid;
        let browser = Self {
            server: client.server(),
            session: format!(
                "vestibule-session-{guid}={}",
                set(&answer, &format!("vestibule-session-{guid}")).0
            ),
            state: set(&answer, &format!("vestibule-state-{guid}")).0,
        };
        (browser, answer)
    }

    async fn again(&self, client: &Client<'_>, more: &str) -> TestResponse {
        let path = format!(
            "{}/authorization?client_id={}&redirect_uri={CALLBACK}&response_type=code&{more}",
            client.base, client.id
        );
        let request = self.server.get(&path).header("cookie", &self.session);
        request.send().await
    }
}

on_each_engine! {
    async fn the_frame_is_where_browsers_stay_signed_in(server) {
        let client = Client::new(&server).await;
        let discovery = format!("{}/.well-known/openid-configuration", client.base);
        let path = format!("{}/check_session", client.base);
        assert_eq!(server.get(&discovery).send().await.json().get("check_session_iframe"), None);
        server.get(&path).send().await.expect(404);
        let location = {
            let page = client.authorize("scope=openid").await.expect(200);
            client.submit(&page, "ada@example.com", PASSWORD).await.expect(303).header("location")
        };
        assert!(!location.contains("session_state"), "{location}");
        stay_signed_in(&client).await;
        assert_eq!(server.get(&discovery).send().await.json()["check_session_iframe"], format!("http://vestibule.test{path}"));
        let page = server.get(&path).send().await.expect(200);
        let (html, policy) = (page.text(), page.header("content-security-policy"));
        let nonce = field(&html, "<script nonce=\"");
        assert_eq!(policy, format!("default-src 'none'; style-src 'self'; base-uri 'none'; script-src 'nonce-{nonce}'; form-action 'none'; frame-ancestors *"));
        assert!(!page.headers.contains_key("x-frame-options") && !page.headers.contains_key("set-cookie"));
        assert_eq!(field(&html, "data-cookie=\""), format!("vestibule-state-{}", client.instance.guid));
        let other = server.get(&path).send().await.expect(200).text();
        assert_ne!(field(&other, "<script nonce=\""), nonce);
        server.get("/oauth/v4/7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6/check_session").send().await.expect(404);
    }

    async fn answers_tell_of_the_session_until_it_is_another(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let (browser, answer) = Browser::sign_in(&client, "scope=openid&state=s").await;
        let told = parameter(&answer.header("location"), "session_state");
        assert!(!told.contains(' ') && told.len() == 43 + 1 + 22, "{told}");
        assert_eq!(frame(&client.id, ORIGIN, &browser.state, &told), "unchanged");
        // It is that application's, at that origin, and no cookie is nobody's session.
        let other = client.another("regularwebapp").await;
        assert_eq!(frame(&other.id, ORIGIN, &browser.state, &told), "changed");
        assert_eq!(frame(&client.id, "https://evil.example", &browser.state, &told), "changed");
        assert_eq!(frame(&client.id, ORIGIN, "", &told), "changed");
        // The same session at another application, and silently: the same state of the browser.
        let visit = browser.again(&other, "scope=openid&prompt=none").await.expect(302);
        let theirs = parameter(&visit.header("location"), "session_state");
        let name = format!("vestibule-state-{}", client.instance.guid);
        assert_eq!(set(&visit, &name).0, browser.state);
        assert_eq!(frame(&other.id, ORIGIN, &browser.state, &theirs), "unchanged");
        assert_ne!(theirs, told);
        // A new sign-in is another session, even of the same person.
        let (second, answer) = Browser::sign_in(&client, "scope=openid&prompt=login").await;
        assert_eq!(frame(&client.id, ORIGIN, &second.state, &told), "changed");
        let later = parameter(&answer.header("location"), "session_state");
        assert_eq!(frame(&client.id, ORIGIN, &second.state, &later), "unchanged");
        // Signing out takes the state away.
        let path = format!("{}/cloud_directory/sso/logout?client_id={}&redirect_uri={CALLBACK}", client.base, client.id);
        let gone = server.get(&path).header("cookie", &second.session).send().await.expect(302);
        let (value, rest) = set(&gone, &name);
        assert!(value.is_empty() && rest.contains("Max-Age=0"), "{rest}");
        assert_eq!(frame(&client.id, ORIGIN, &value, &later), "changed");
        // What the browser keeps opens nothing and leads to nothing.
        assert!(!second.session.contains(&second.state));
        let planted = format!("vestibule-session-{}={}", client.instance.guid, browser.state);
        let silent = server.get(&format!("{}/authorization?client_id={}&redirect_uri={CALLBACK}&response_type=code&prompt=none", client.base, client.id)).header("cookie", planted).send().await.expect(302);
        assert_eq!(parameter(&silent.header("location"), "error"), "login_required");
    }

    async fn every_way_to_answer_tells_it_and_only_to_who_asks_for_openid(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let (browser, answer) = Browser::sign_in(&client, "").await;
        assert!(!answer.header("location").contains("session_state"));
        let form = browser.again(&client, "scope=openid&response_mode=form_post").await.expect(200).text();
        let told = field(&form, "name=\"session_state\" value=\"");
        assert_eq!(frame(&client.id, ORIGIN, &browser.state, &told), "unchanged");
        let message = browser.again(&client, "scope=openid&response_mode=web_message").await.expect(200).text();
        let told = field(&message, "\"session_state\":\"");
        assert_eq!(frame(&client.id, ORIGIN, &browser.state, &told), "unchanged");
        let signed = browser.again(&client, "scope=openid&response_mode=jwt").await.expect(302).header("location");
        let claims = decode(&json!(parameter(&signed, "response"))).1;
        assert_eq!(frame(&client.id, ORIGIN, &browser.state, claims["session_state"].as_str().unwrap()), "unchanged");
        for silent in ["", "scope=email", "scope=openid&prompt=none&max_age=0"] {
            let location = browser.again(&client, silent).await;
            let location = location.headers.get("location").map(|value| value.to_str().unwrap().to_owned());
            assert!(location.is_none_or(|location| !location.contains("session_state")), "{silent}");
        }
        // An app's own scheme has no origin that could ask.
        let path = format!("applications/{}/metadata", client.id);
        let native = json!({"application_type": "native", "redirect_uris": ["com.example.app:/cb"]});
        client.instance.put(&path, native).await.expect(200);
        let own = format!("{}/authorization?client_id={}&redirect_uri=com.example.app:/cb&response_type=code&scope=openid", client.base, client.id);
        let location = server.get(&own).header("cookie", &browser.session).send().await.expect(302).header("location");
        assert!(location.contains("code=") && !location.contains("session_state"), "{location}");
    }

    async fn over_https_frames_of_other_sites_can_read_it(server) {
        let server = server.restart(Conditions { public_url: Some("https://id.example.com"), ..Conditions::default() }).await;
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let page = client.authorize("scope=openid").await.expect(200);
        let answer = client.submission(&page, "ada@example.com", PASSWORD).header("cookie", page.header("set-cookie").split(';').next().unwrap()).send().await.expect(303);
        let guid = &client.instance.guid;
        let (secret, held) = set(&answer, &format!("__Host-vestibule-session-{guid}"));
        let (state, watched) = set(&answer, &format!("__Host-vestibule-state-{guid}"));
        assert_eq!(held, " Path=/; HttpOnly; Max-Age=600; SameSite=None; Secure");
        assert_eq!(watched, " Path=/; Max-Age=600; SameSite=None; Secure");
        assert_ne!(secret, state);
        let told = parameter(&answer.header("location"), "session_state");
        assert_eq!(frame(&client.id, ORIGIN, &state, &told), "unchanged");
        let html = server.get(&format!("{}/check_session", client.base)).send().await.expect(200).text();
        assert_eq!(field(&html, "data-cookie=\""), format!("__Host-vestibule-state-{guid}"));
        // Every address is of that kind.
        let found = server.get(&format!("{}/.well-known/openid-configuration", client.base)).send().await.expect(200).json();
        let addresses = found.as_object().unwrap().values().filter_map(|value| value.as_str()).filter(|text| text.contains("://"));
        let mut count = 0;
        for address in addresses {
            assert!(address.starts_with("https://id.example.com/") || address == "https://id.example.com", "{address}");
            count += 1;
        }
        assert!(count > 10, "{count}");
    }
}

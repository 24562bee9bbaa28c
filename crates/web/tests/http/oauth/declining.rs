//! A person who was sent to sign in goes back without (RFC 6749 section 4.1.2.1).

use serde_json::json;
use vestibule_testkit::{TestRequest, TestResponse, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, cookie, decode, field, parameter};

/// The form of a page, sent with the button that declines.
fn decline(client: &Client<'_>, page: &TestResponse, cookie: &str) -> TestRequest {
    let html = page.text();
    assert!(html.contains("name=\"decision\" value=\"deny\""), "{html}");
    let form = [
        ("context", &*field(&html, "name=\"context\" value=\"")),
        ("username", ""),
        ("password", ""),
        ("decision", "deny"),
    ];
    let request = client.server().post(&field(&html, "action=\""));
    request.form(&form).header("cookie", cookie)
}

on_each_engine! {
    async fn the_application_is_told_in_each_way(server) {
        let client = Client::new(&server).await;
        let page = client.authorize("scope=openid&state=a%3D%26").await.expect(200);
        let answer = decline(&client, &page, &cookie(&page)).send().await.expect(303);
        let location = answer.header("location");
        assert!(location.starts_with(&format!("{CALLBACK}?error=access_denied&error_description=")), "{location}");
        assert_eq!(parameter(&location, "state"), "a%3D%26");
        let issuer = format!("http://vestibule.test{}", client.base);
        assert_eq!(parameter(&location, "iss"), issuer.replace(':', "%3A").replace('/', "%2F"));
        assert!(!location.contains("code=") && !answer.headers.contains_key("set-cookie"));
        let page = client.authorize("response_mode=form_post&state=s").await.expect(200);
        let html = decline(&client, &page, &cookie(&page)).send().await.expect(200).text();
        assert_eq!(field(&html, "name=\"error\" value=\""), "access_denied");
        assert_eq!(field(&html, "name=\"state\" value=\""), "s");
        assert_eq!(field(&html, "name=\"iss\" value=\""), issuer.replace('/', "&#x2f;"));
        let page = client.authorize("response_mode=web_message&state=s").await.expect(200);
        let html = decline(&client, &page, &cookie(&page)).send().await.expect(200).text();
        assert!(html.contains("\"error\":\"access_denied\"") && html.contains("\"state\":\"s\""), "{html}");
        let page = client.authorize("response_mode=jwt&state=s").await.expect(200);
        let location = decline(&client, &page, &cookie(&page)).send().await.expect(303).header("location");
        let claims = decode(&json!(parameter(&location, "response"))).1;
        assert_eq!((&claims["error"], &claims["state"], &claims["iss"]), (&json!("access_denied"), &json!("s"), &json!(issuer)));
    }

    async fn only_the_browser_that_was_asked_declines(server) {
        let client = Client::new(&server).await;
        let page = client.authorize("").await.expect(200);
        for other in ["", "vestibule-browser=aaaaaaaaaaaaaaaaaaaaaa"] {
            let again = decline(&client, &page, other).send().await.expect(200);
            assert!(again.text().contains("name=\"password\""));
        }
        let path = format!("{}/cloud_directory/sign_in", client.base);
        server.post(&path).form(&[("context", "x"), ("decision", "deny")]).send().await.expect(400);
        server.post(&path).form(&[("decision", "deny")]).send().await.expect(400);
        // Another word is no way out, and who declined may sign in with the same page.
        let html = page.text();
        let form = [("context", &*field(&html, "name=\"context\" value=\"")), ("decision", "allow"), ("username", ""), ("password", "")];
        server.post(&path).form(&form).header("cookie", cookie(&page)).send().await.expect(400);
        decline(&client, &page, &cookie(&page)).send().await.expect(303);
        client.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
        // After a mistake, and long after.
        let mistaken = client.submit(&page, "ada@example.com", "wrong password").await.expect(400);
        decline(&client, &mistaken, &cookie(&page)).send().await.expect(303);
        server.clock.advance_seconds(3600);
        decline(&client, &page, &cookie(&page)).send().await.expect(303);
    }

    async fn a_pushed_request_can_be_declined(server) {
        let client = Client::new(&server).await;
        let form = [("response_type", "code"), ("redirect_uri", CALLBACK), ("state", "pushed")];
        let pushed = client.post("par").form(&form).send().await.expect(201).json();
        let uri = pushed["request_uri"].as_str().unwrap();
        let path = format!("{}/authorization?client_id={}&request_uri={uri}", client.base, client.id);
        let page = server.get(&path).send().await.expect(200);
        let location = decline(&client, &page, &cookie(&page)).send().await.expect(303).header("location");
        assert_eq!((parameter(&location, "error").as_str(), parameter(&location, "state").as_str()), ("access_denied", "pushed"));
    }
}

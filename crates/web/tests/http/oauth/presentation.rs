//! What pages show of an application: its picture, its privacy policy, its terms.

use serde_json::{Value, json};
use vestibule_testkit::{Elsewhere, TestResponse, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, cookie, field};

async fn set(client: &Client<'_>, metadata: Value) {
    let path = format!("applications/{}/metadata", client.id);
    client.instance.put(&path, metadata).await.expect(200);
}

/// Where a page has its picture, if it has one.
fn logo(page: &TestResponse) -> Option<String> {
    let html = page.text();
    let policy = page.header("content-security-policy");
    assert_eq!(
        html.contains("<img "),
        policy.contains("img-src 'self';"),
        "{policy}"
    );
    html.contains("<img ")
        .then(|| field(&html, "class=\"logo\" src=\""))
}

on_each_engine! {
    async fn the_sign_in_page_links_to_policy_and_terms(server) {
        let client = Client::new(&server).await;
        let html = client.authorize("").await.expect(200).text();
        assert!(!html.contains("Privacy policy") && !html.contains("Terms of service"), "{html}");
        set(&client, json!({"policy_uri": "https://app.example.com/privacy?a=1&b=2", "redirect_uris": [CALLBACK]})).await;
        let page = client.authorize("").await.expect(200);
        let html = page.text().replace("&#x2f;", "/");
        assert!(html.contains("<a href=\"https://app.example.com/privacy?a=1&amp;b=2\" rel=\"noopener noreferrer\" target=\"_blank\">Privacy policy</a>"), "{html}");
        assert!(!html.contains("Terms of service"));
        set(&client, json!({"policy_uri": "https://app.example.com/privacy", "tos_uri": "https://app.example.com/terms", "redirect_uris": [CALLBACK]})).await;
        let page = client.authorize("").await.expect(200);
        let again = client.submit(&page, "ada@example.com", "wrong password").await.expect(400);
        for page in [page, again] {
            let html = page.text().replace("&#x2f;", "/");
            assert!(html.contains("href=\"https://app.example.com/privacy\"") && html.contains("href=\"https://app.example.com/terms\""), "{html}");
        }
        for bad in ["javascript:alert(1)", "data:text/html,x", "/terms"] {
            let path = format!("applications/{}/metadata", client.id);
            client.instance.put(&path, json!({"tos_uri": bad})).await.expect(400);
        }
    }

    async fn pictures_come_from_this_service(server) {
        let client = Client::new(&server).await;
        let elsewhere = Elsewhere::start().await;
        assert_eq!(logo(&client.authorize("").await.expect(200)), None);
        elsewhere.answer("/logo", 200, "GIF89a picture");
        set(&client, json!({"logo_uri": elsewhere.url("/logo")})).await;
        let page = client.authorize("").await.expect(200);
        let path = logo(&page).unwrap();
        assert_eq!(path, format!("{}/logos/{}", client.base, client.id));
        assert!(page.text().contains("referrerpolicy=\"no-referrer\"") && !page.text().contains("127.0.0.1"), "{}", page.text());
        assert!(elsewhere.requests().is_empty(), "a page waits for nobody");
        for _ in 0..3 {
            let picture = server.get(&path).send().await.expect(200);
            assert_eq!((picture.header("content-type").as_str(), picture.text().as_str()), ("image/gif", "GIF89a picture"));
            assert_eq!(picture.header("x-content-type-options"), "nosniff");
            assert!(picture.header("content-security-policy").starts_with("default-src 'none'"));
        }
        assert_eq!(elsewhere.requests().len(), 1);
        // An hour later it is another.
        elsewhere.answer("/logo", 200, "GIF89a another");
        server.clock.advance_seconds(3600);
        assert_eq!(server.get(&path).send().await.expect(200).text(), "GIF89a another");
        // Whoever signs in sees it after a mistake too.
        let again = client.submission(&page, "ada@example.com", PASSWORD).header("cookie", cookie(&page)).send().await;
        assert!(again.text().contains("open for too long") && logo(&again).is_some(), "{}", again.text());
        server.get(&format!("{}/logos/nobody", client.base)).send().await.expect(404);
        let foreign = Client::new(&server).await;
        server.get(&format!("{}/logos/{}", foreign.base, client.id)).send().await.expect(404);
    }

    async fn what_is_no_picture_is_not_shown(server) {
        let client = Client::new(&server).await;
        let elsewhere = Elsewhere::start().await;
        elsewhere.answer("/drawing", 200, "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>");
        elsewhere.answer("/page", 200, "<html>");
        elsewhere.answer("/large", 200, format!("GIF89a{}", " ".repeat(70_000)));
        elsewhere.answer("/moved", 302, elsewhere.url("/logo"));
        elsewhere.answer("/logo", 200, "GIF89a");
        let path = format!("{}/logos/{}", client.base, client.id);
        for address in [
            elsewhere.url("/drawing"),
            elsewhere.url("/page"),
            elsewhere.url("/large"),
            elsewhere.url("/moved"),
            elsewhere.url("/missing"),
            elsewhere.at("localhost", "/logo"),
        ] {
            set(&client, json!({"logo_uri": address})).await;
            for _ in 0..2 {
                server.get(&path).send().await.expect(404);
            }
        }
        // Each was asked for once, and what is not of the public internet not at all.
        let seen: Vec<String> = elsewhere.requests().into_iter().map(|(path, _)| path).collect();
        assert_eq!(seen, ["/drawing", "/page", "/large", "/moved", "/missing"]);
        // A minute later a failure may have passed.
        set(&client, json!({"logo_uri": elsewhere.url("/missing")})).await;
        elsewhere.answer("/missing", 200, "GIF89a");
        server.get(&path).send().await.expect(404);
        server.clock.advance_seconds(60);
        server.get(&path).send().await.expect(200);
        // Plain http is for hosts that the operator lists.
        set(&client, json!({"logo_uri": "http://app.example.com/logo"})).await;
        assert_eq!(logo(&client.authorize("").await.expect(200)), None);
        server.get(&path).send().await.expect(404);
    }

    async fn who_registered_itself_shows_its_own_picture_only(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/oauth/registration", json!({"enabled": "open"})).await.expect(204);
        let elsewhere = Elsewhere::start().await;
        elsewhere.answer("/logo", 200, "GIF89a");
        let register = async |redirect: &str| {
            let body = json!({
                "redirect_uris": [redirect], "client_name": "Reader", "logo_uri": elsewhere.url("/logo"),
                "policy_uri": "https://rp.example.org/privacy", "tos_uri": "https://rp.example.org/terms",
            });
            let made = server.post(&format!("{}/register", client.base)).json(&body).send().await.expect(201).json();
            let id = made["client_id"].as_str().unwrap().to_owned();
            let path = format!("{}/authorization?client_id={id}&redirect_uri={redirect}&response_type=code", client.base);
            (server.get(&path).send().await.expect(200), id)
        };
        let (page, id) = register("https://rp.example.org/cb").await;
        assert_eq!(logo(&page), None);
        server.get(&format!("{}/logos/{id}", client.base)).send().await.expect(404);
        assert!(elsewhere.requests().is_empty());
        let own = elsewhere.url("/cb");
        let (page, id) = register(&own).await;
        assert_eq!(logo(&page).unwrap(), format!("{}/logos/{id}", client.base));
        server.get(&format!("{}/logos/{id}", client.base)).send().await.expect(200);
        // Policy, terms and picture are on both pages.
        let consent = client.submit(&page, "ada@example.com", PASSWORD).await.expect(200);
        for page in [page, consent] {
            let html = page.text().replace("&#x2f;", "/");
            assert!(logo(&page).is_some());
            assert!(html.contains("href=\"https://rp.example.org/privacy\"") && html.contains("href=\"https://rp.example.org/terms\""), "{html}");
        }
    }
}

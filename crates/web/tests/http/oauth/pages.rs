//! The sign-in page.

use serde_json::json;
use vestibule_testkit::on_each_engine;

use super::setup::{Client, PASSWORD, cookie, field};

on_each_engine! {
    async fn the_page_is_complete_without_scripts(server) {
        let client = Client::new(&server).await;
        let page = client.authorize("language=de_DE&login_hint=ada%40example.com").await.expect(200);
        let html = page.text();
        assert!(html.contains("<html lang=\"de\" dir=\"ltr\">"), "{html}");
        assert!(html.contains("<h1>Anmelden</h1>") && html.contains("um mit shop fortzufahren"));
        assert!(html.contains("value=\"ada@example.com\"") && !html.contains("<script"));
        let policy = page.header("content-security-policy");
        assert_eq!(policy, "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self' https://app.example.com; frame-ancestors 'none'");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        let style = server.get(&field(&html, "rel=\"stylesheet\" href=\"")).send().await.expect(200);
        assert!(style.header("content-type").starts_with("text/css"));
    }

    async fn what_an_application_sends_is_escaped(server) {
        let client = Client::new(&server).await;
        let page = client.authorize("login_hint=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await.expect(200);
        assert!(!page.text().contains("<script"), "{}", page.text());
    }

    async fn people_read_their_language(server) {
        let client = Client::new(&server).await;
        let path = format!("{}/authorization", client.base);
        for (accepted, lang) in [("ar", "lang=\"ar\" dir=\"rtl\""), ("pt", "lang=\"pt-BR\""), ("xx", "lang=\"en\"")] {
            let page = server.get(&path).header("accept-language", accepted).send().await.expect(400);
            assert!(page.text().contains(lang), "{}", page.text());
        }
    }

    async fn mistakes_come_back_with_the_form(server) {
        let client = Client::new(&server).await;
        let page = client.authorize("").await.expect(200);
        let again = client.submit(&page, "ada@example.com", "wrong password").await.expect(400);
        let html = again.text();
        assert!(html.contains("role=\"alert\"") && html.contains("aria-describedby=\"problem\""), "{html}");
        assert!(html.contains("value=\"ada@example.com\"") && !html.contains("wrong password"));
        let unknown = client.submit(&page, "nobody@example.com", PASSWORD).await.expect(400).text();
        let alert = |html: &str| html.split("role=\"alert\"").nth(1).unwrap().split("</div>").next().unwrap().to_owned();
        assert_eq!(alert(&unknown), alert(&html));
        client.submit(&page, "", "").await.expect(400);
        // The form that came back works.
        let answer = client.submission(&again, "ada@example.com", PASSWORD).header("cookie", cookie(&page)).send().await;
        answer.expect(303);
    }

    async fn names_are_shown_without_what_is_not_seen(server) {
        let client = Client::new(&server).await;
        let path = format!("applications/{}", client.id);
        let name = "\u{200e}Bank \u{202e}knaB\u{2069}";
        let kept = client.instance.put(&path, json!({"name": name})).await.expect(201).json();
        assert_eq!(kept["name"], name);
        let page = client.authorize("").await.expect(200).text();
        assert!(page.contains("Bank knaB"), "{page}");
        assert!(!page.contains(['\u{200e}', '\u{202e}', '\u{2069}']), "{page}");
        let metadata = json!({"client_name": name});
        client.instance.put(&format!("{path}/metadata"), metadata).await.expect(400);
        assert_eq!(client.instance.get(&format!("{path}/metadata")).await.get("client_name"), None);
    }

    async fn too_many_attempts_get_a_kind_word(server) {
        let client = Client::new(&server).await;
        let page = client.authorize("").await.expect(200);
        for _ in 0..11 {
            client.submit(&page, "ada@example.com", "wrong password").await.expect(400);
        }
        let answer = client.submit(&page, "ada@example.com", PASSWORD).await.expect(429);
        assert_eq!(answer.header("retry-after"), "60");
        assert!(answer.text().contains("too many attempts"));
    }

    async fn a_form_works_in_the_browser_it_was_made_for(server) {
        let client = Client::new(&server).await;
        let page = client.authorize("").await.expect(200);
        // Another browser, and none at all: the person has to sign in of their own will.
        let other = cookie(&client.authorize("").await);
        for answer in [
            client.submission(&page, "ada@example.com", PASSWORD).header("cookie", other).send().await,
            client.submission(&page, "ada@example.com", PASSWORD).send().await,
        ] {
            let answer = answer.expect(200);
            assert!(answer.text().contains("open for too long"), "{}", answer.text());
        }
        server.clock.advance_seconds(901);
        let stale = client.submit(&page, "ada@example.com", PASSWORD).await.expect(200);
        let answer = client.submission(&stale, "ada@example.com", PASSWORD).header("cookie", cookie(&page)).send().await;
        answer.expect(303);
    }

    async fn forged_forms_are_refused(server) {
        let client = Client::new(&server).await;
        let foreign = Client::new(&server).await;
        let theirs = field(&foreign.authorize("").await.text(), "name=\"context\" value=\"");
        let path = format!("{}/cloud_directory/sign_in", client.base);
        for context in ["", "x", "AAAA", &theirs] {
            let form = [("context", context), ("username", "ada@example.com"), ("password", PASSWORD)];
            let answer = server.post(&path).form(&form).send().await.expect(400);
            assert!(answer.header("content-type").starts_with("text/html"));
        }
        server.post(&path).form(&[]).send().await.expect(400);
    }

    async fn a_redirect_uri_that_was_taken_off_the_list_is_not_used(server) {
        let client = Client::new(&server).await;
        let page = client.authorize("").await.expect(200);
        client.instance.put("config/redirect_uris", json!({"redirectUris": []})).await;
        client.submit(&page, "ada@example.com", PASSWORD).await.expect(400);
    }

    async fn a_switched_off_directory_has_a_kind_page(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/idps/cloud_directory", json!({"isActive": false})).await.expect(200);
        let page = client.authorize("").await.expect(403);
        assert!(page.text().contains("Sign-in is not available"), "{}", page.text());
    }

    async fn a_window_gets_a_message(server) {
        let spa = Client::new(&server).await.another("singlepageapp").await;
        let query = "response_type=code&response_mode=web_message&state=YWI%3D&redirect_uri=https://spa.example.com\
                     &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
        let path = format!("{}/authorization?client_id={}&{query}", spa.base, spa.id);
        let page = server.get(&path).send().await.expect(200);
        let answer = spa.submit(&page, "ada@example.com", PASSWORD).await.expect(200);
        let html = answer.text();
        let nonce = field(&html, "<script nonce=\"");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains(&format!("script-src 'nonce-{nonce}'; frame-ancestors https://spa.example.com")), "{policy}");
        assert!(html.contains("{\"type\":\"authorization_response\",\"code\":\""), "{html}");
        assert!(html.contains("\"state\":\"YWI=\"}, \"https://spa.example.com\")"), "{html}");
        let silent = server.get(&format!("{path}&prompt=none")).send().await.expect(200).text();
        assert!(silent.contains("\"error\":\"login_required\",\"error_description\":"), "{silent}");
        let hostile = server.get(&format!("{path}&prompt=none").replace("YWI%3D", "%3C/script%3E")).send().await.expect(200).text();
        assert_eq!(hostile.matches("</script>").count(), 1, "{hostile}");
    }
}

//! What conformance plans put into authorization requests, each in a sign-in that ends with tokens (OpenID Connect Core section 3.1.2.1).

use serde_json::{Value, json};
use vestibule_testkit::{TestResponse, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, cookie, decode, field, parameter, refused};

/// Switches single sign-on on.
async fn stay_signed_in(client: &Client<'_>) {
    let body = json!({"isActive": true, "inactivityTimeoutSeconds": 6000});
    let set = client.instance.put("config/cloud_directory/sso", body);
    set.await.expect(201);
}

/// Signs in with a page that was shown: the answer, and the session that the browser holds.
async fn fill_in(client: &Client<'_>, page: &TestResponse) -> (TestResponse, String) {
    let answer = client.submit(page, "ada@example.com", PASSWORD).await;
    let set = answer.header("set-cookie");
    (answer, set.split(';').next().unwrap().to_owned())
}

/// The authorization endpoint for a browser that holds a session.
async fn again(client: &Client<'_>, session: &str, more: &str) -> TestResponse {
    let path = format!(
        "{}/authorization?client_id={}&redirect_uri={CALLBACK}&response_type=code&{more}",
        client.base, client.id
    );
    let request = client.server().get(&path).header("cookie", session);
    request.send().await
}

/// Claims of the identity token for the code of an answer.
async fn identity(client: &Client<'_>, answer: &TestResponse) -> Value {
    let code = parameter(&answer.header("location"), "code");
    let tokens = client.redeem(&code, &[]).await.expect(200).json();
    decode(&tokens["id_token"]).1
}

on_each_engine! {
    async fn what_is_not_understood_does_no_harm(server) {
        let client = Client::new(&server).await;
        for more in [
            "scope=email%20openid",
            "scope=phone%20address%20openid%20profile",
            "scope=openid&display=page",
            "scope=openid&display=popup",
            "scope=openid&display=touch",
            "scope=openid&claims_locales=se",
            "scope=openid&claims_locales=de%20fr",
            "scope=openid&extra=foobar&another=1",
        ] {
            let code = client.code(more).await;
            let tokens = client.redeem(&code, &[]).await.expect(200).json();
            client.userinfo(&tokens["access_token"]).await.expect(200);
        }
    }

    async fn people_read_the_language_that_the_application_asks_for(server) {
        let client = Client::new(&server).await;
        for (locales, lang) in [("de", "lang=\"de\""), ("se%20fr-CA%20de", "lang=\"fr\""), ("se", "lang=\"en\"")] {
            let page = client.authorize(&format!("ui_locales={locales}")).await.expect(200);
            assert!(page.text().contains(lang), "{locales}: {}", page.text());
            client.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
        }
    }

    async fn long_values_come_back_whole(server) {
        let client = Client::new(&server).await;
        for (nonce, state) in [(64, 128), (256, 384), (1000, 2000)] {
            let (nonce, state) = ("n".repeat(nonce), "s".repeat(state));
            let page = client.authorize(&format!("nonce={nonce}&state={state}")).await.expect(200);
            let answer = client.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
            assert_eq!(parameter(&answer.header("location"), "state"), state);
            assert_eq!(identity(&client, &answer).await["nonce"], nonce.as_str());
        }
    }

    async fn only_codes_are_given(server) {
        let client = Client::new(&server).await;
        let query = format!("client_id={}&redirect_uri={CALLBACK}&state=s", client.id);
        for (response_type, error) in [
            ("", "invalid_request"),
            ("&response_type=code%20id_token", "unsupported_response_type"),
            ("&response_type=id_token", "unsupported_response_type"),
            ("&response_type=code%20token", "unsupported_response_type"),
        ] {
            let answer = server.get(&format!("{}/authorization?{query}{response_type}", client.base)).send().await.expect(302);
            let location = answer.header("location");
            assert_eq!((parameter(&location, "error").as_str(), parameter(&location, "state").as_str()), (error, "s"));
            assert!(!location.contains("code=") && !location.contains('#'), "{location}");
        }
        refused(client.post("par").form(&[("redirect_uri", CALLBACK)]).send().await, 400, "invalid_request");
        let hybrid = [("redirect_uri", CALLBACK), ("response_type", "code id_token")];
        refused(client.post("par").form(&hybrid).send().await, 400, "unsupported_response_type");
    }

    async fn a_new_sign_in_is_a_later_one(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let asked = "max_age=10000";
        let (first, session) = fill_in(&client, &client.authorize(asked).await).await;
        let first = identity(&client, &first).await;
        let at = first["auth_time"].as_i64().unwrap();
        server.clock.advance_seconds(5);
        for more in ["prompt=login&max_age=10000", "max_age=1"] {
            let page = again(&client, &session, more).await.expect(200);
            let (answer, _) = fill_in(&client, &page).await;
            let second = identity(&client, &answer).await;
            assert_eq!((second["auth_time"].as_i64(), &second["sub"]), (Some(at + 5), &first["sub"]), "{more}");
        }
        // Without a question it stays what it was.
        for more in [asked, "prompt=none&max_age=10000"] {
            let answer = again(&client, &session, more).await.expect(302);
            assert_eq!(identity(&client, &answer).await["auth_time"], at, "{more}");
        }
    }

    async fn a_session_answers_by_form_too(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client).await;
        let page = client.authorize("response_mode=form_post&state=first%22").await.expect(200);
        let (answer, session) = fill_in(&client, &page).await;
        assert_eq!(field(&answer.expect(200).text(), "name=\"state\" value=\""), "first&quot;");
        for more in ["prompt=none&", "max_age=10000&", ""] {
            let answer = again(&client, &session, &format!("{more}response_mode=form_post&state=second")).await.expect(200);
            let html = answer.text();
            assert_eq!(field(&html, "action=\""), CALLBACK.replace('/', "&#x2f;"));
            assert_eq!(field(&html, "name=\"state\" value=\""), "second");
            assert_eq!(field(&html, "name=\"iss\" value=\""), format!("http://vestibule.test{}", client.base).replace('/', "&#x2f;"));
            client.redeem(&field(&html, "name=\"code\" value=\""), &[]).await.expect(200);
        }
    }

    async fn a_replayed_code_ends_user_info(server) {
        let client = Client::new(&server).await;
        let code = client.code("").await;
        let tokens = client.redeem(&code, &[]).await.expect(200).json();
        client.userinfo(&tokens["access_token"]).await.expect(200);
        server.clock.advance_seconds(30);
        refused(client.redeem(&code, &[]).await, 400, "invalid_grant");
        refused(client.userinfo(&tokens["access_token"]).await, 401, "invalid_token");
    }

    async fn a_registered_query_stays(server) {
        let client = Client::new(&server).await;
        const OWN: &str = "https://own.example.com/cb?dummy1=lorem&dummy2=ipsum";
        let path = format!("applications/{}/metadata", client.id);
        client.instance.put(&path, json!({"redirect_uris": [OWN]})).await.expect(200);
        let escaped = OWN.replace('?', "%3F").replace('&', "%26").replace('=', "%3D");
        let query = format!("client_id={}&redirect_uri={escaped}&response_type=code&state=s", client.id);
        let page = server.get(&format!("{}/authorization?{query}", client.base)).send().await.expect(200);
        let answer = client.submission(&page, "ada@example.com", PASSWORD).header("cookie", cookie(&page)).send().await.expect(303);
        let location = answer.header("location");
        assert!(location.starts_with(&format!("{OWN}&code=")), "{location}");
        assert_eq!(parameter(&location, "state"), "s");
        let code = parameter(&location, "code");
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", OWN)];
        client.token(&form).await.expect(200);
    }

    async fn discovery_says_what_the_plans_ask_for(server) {
        let client = Client::new(&server).await;
        let path = format!("{}/.well-known/openid-configuration", client.base);
        let found = server.get(&path).send().await.expect(200).json();
        let claims = found["claims_supported"].as_array().unwrap();
        for claim in ["sub", "iss", "auth_time", "acr", "name", "email", "email_verified", "phone_number", "phone_number_verified", "address", "birthdate"] {
            assert!(claims.contains(&json!(claim)), "{claim}: {found}");
        }
        let own = found["issuer"].as_str().unwrap();
        let addresses = found.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint") || name.ends_with("_uri"));
        for (name, address) in addresses.filter(|(name, _)| !matches!(name.as_str(), "profiles_endpoint" | "management_endpoint")) {
            assert!(address.as_str().unwrap().starts_with(own), "{name}: {address}");
        }
    }
}

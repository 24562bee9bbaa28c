//! Browsers that stay signed in, and what applications may ask of a sign-in (OpenID Connect Core sections 3.1.2.1, 5.4 and 5.5).

use serde_json::{Value, json};
use vestibule_testkit::{TestResponse, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, decode, field, parameter, refused};

/// Switches single sign-on on.
async fn stay_signed_in(client: &Client<'_>, seconds: i64) {
    let body = json!({
        "isActive": true,
        "inactivityTimeoutSeconds": seconds,
        "logoutRedirectUris": ["https://app.example.com/out"],
    });
    let set = client
        .instance
        .put("config/cloud_directory/sso", body.clone())
        .await;
    assert_eq!(set.expect(201).json(), body);
    assert_eq!(
        client.instance.get("config/cloud_directory/sso").await,
        body
    );
}

/// Signs a person in with the page; the answer.
async fn sign_in(client: &Client<'_>, more: &str, who: &str) -> TestResponse {
    let page = client.authorize(more).await.expect(200);
    client.submit(&page, who, PASSWORD).await.expect(303)
}

/// The session that an answer sets, as a browser sends it back.
fn session(answer: &TestResponse) -> String {
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("vestibule-session-"), "{cookie}");
    assert!(cookie.contains("; Path=/; HttpOnly; Max-Age="), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// What the authorization endpoint answers to a browser with this session.
async fn again(client: &Client<'_>, session: &str, more: &str) -> TestResponse {
    let path = format!(
        "{}/authorization?client_id={}&redirect_uri={CALLBACK}&response_type=code&{more}",
        client.base, client.id
    );
    client
        .server()
        .get(&path)
        .header("cookie", session)
        .send()
        .await
}

/// The error that an application gets.
#[track_caller]
fn error(answer: TestResponse) -> String {
    parameter(&answer.expect(302).header("location"), "error")
}

/// Claims of the identity token for the code of an answer.
async fn identity(client: &Client<'_>, answer: &TestResponse) -> Value {
    let code = parameter(&answer.header("location"), "code");
    let tokens = client.redeem(&code, &[]).await.expect(200).json();
    decode(&tokens["id_token"]).1
}

on_each_engine! {
    async fn nobody_stays_signed_in_unless_it_is_switched_on(server) {
        let client = Client::new(&server).await;
        let answer = sign_in(&client, "", "ada@example.com").await;
        assert!(!answer.headers.contains_key("set-cookie"));
        stay_signed_in(&client, 600).await;
        let held = session(&sign_in(&client, "", "ada@example.com").await);
        again(&client, &held, "").await.expect(302);
        let off = json!({"isActive": false, "inactivityTimeoutSeconds": 600, "logoutRedirectUris": []});
        client.instance.put("config/cloud_directory/sso", off).await.expect(201);
        again(&client, &held, "").await.expect(200);
    }

    async fn a_browser_that_is_signed_in_is_not_asked_again(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client, 600).await;
        let answer = sign_in(&client, "nonce=1", "ada@example.com").await;
        let held = session(&answer);
        let first = identity(&client, &answer).await;
        let other = client.another("regularwebapp").await;
        for more in ["", "prompt=none", "nonce=2&prompt=none&max_age=1000"] {
            let answer = again(&other, &held, more).await.expect(302);
            assert_eq!(session(&answer), held);
            let second = identity(&other, &answer).await;
            assert_eq!((&second["sub"], &second["sid"]), (&first["sub"], &first["sid"]));
        }
        // A cookie of nobody, and one of another instance.
        let foreign = Client::new(&server).await;
        stay_signed_in(&foreign, 600).await;
        assert_eq!(error(again(&foreign, &held, "prompt=none").await), "login_required");
        let (_, secret) = held.split_once('=').unwrap();
        let planted = format!("vestibule-session-{}={secret}", foreign.instance.guid);
        assert_eq!(error(again(&foreign, &planted, "prompt=none").await), "login_required");
        let made_up = format!("vestibule-session-{}={}", client.instance.guid, "A".repeat(43));
        assert_eq!(error(again(&client, &made_up, "prompt=none").await), "login_required");
    }

    async fn a_session_ends_when_it_was_idle_and_is_new_for_each_sign_in(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client, 600).await;
        let held = session(&sign_in(&client, "", "ada@example.com").await);
        for _ in 0..3 {
            server.clock.advance_seconds(590);
            again(&client, &held, "prompt=none").await.expect(302);
        }
        let page = again(&client, &held, "prompt=login").await.expect(200);
        let fresh = client.submission(&page, "ada@example.com", PASSWORD);
        let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
        let fresh = session(&fresh.header("cookie", cookie).send().await.expect(303));
        assert_ne!(fresh, held);
        server.clock.advance_seconds(601);
        assert_eq!(error(again(&client, &held, "prompt=none").await), "login_required");
        assert_eq!(error(again(&client, &fresh, "prompt=none").await), "login_required");
    }

    async fn applications_say_how_fresh_a_sign_in_must_be(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client, 6000).await;
        let answer = sign_in(&client, "max_age=100", "ada@example.com").await;
        let held = session(&answer);
        let at = identity(&client, &answer).await["auth_time"].as_i64().unwrap();
        server.clock.advance_seconds(60);
        let answer = again(&client, &held, "max_age=100").await.expect(302);
        assert_eq!(identity(&client, &answer).await["auth_time"], at);
        let asked = r#"claims=%7B%22id_token%22%3A%7B%22auth_time%22%3A%7B%22essential%22%3Atrue%7D%7D%7D"#;
        let answer = again(&client, &held, asked).await.expect(302);
        assert_eq!(identity(&client, &answer).await["auth_time"], at);
        let answer = again(&client, &held, "").await.expect(302);
        assert_eq!(identity(&client, &answer).await.get("auth_time"), None);
        for more in ["max_age=59", "max_age=0", "prompt=login", "prompt=select_account", "prompt=consent", "prompt=login%20consent"] {
            again(&client, &held, more).await.expect(200);
        }
        assert_eq!(error(again(&client, &held, "max_age=59&prompt=none").await), "login_required");
        for more in ["prompt=none%20login", "prompt=whatever", "max_age=-1", "max_age=x", "claims=x", "response_mode=fragment"] {
            assert_eq!(error(again(&client, &held, more).await), "invalid_request", "{more}");
        }
        assert_eq!(error(again(&client, &held, "request=e30.").await), "request_not_supported");
        assert_eq!(error(again(&client, &held, "request_uri=https://a.example").await), "request_uri_not_supported");
    }

    async fn a_sign_in_of_now_is_asked_for_with_zero(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client, 600).await;
        let held = session(&sign_in(&client, "", "ada@example.com").await);
        again(&client, &held, "max_age=1").await.expect(302);
        again(&client, &held, "max_age=0").await.expect(200);
    }

    async fn who_is_anonymous_has_shown_nothing(server) {
        let client = Client::new(&server).await;
        let answer = client.authorize("idp=appid_anon&acr_values=1&max_age=5").await.expect(302);
        let claims = identity(&client, &answer).await;
        assert_eq!((claims.get("acr"), claims.get("auth_time")), (None, None), "{claims}");
        let needed = "idp=appid_anon&claims=%7B%22id_token%22%3A%7B%22acr%22%3A%7B%22essential%22%3Atrue%2C%22value%22%3A%221%22%7D%7D%7D";
        assert_eq!(error(client.authorize(needed).await), "unmet_authentication_requirements");
    }

    async fn applications_say_whom_they_expect(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client, 100_000).await;
        client.instance.directory_user("bob@example.com").await;
        let ada = client.ada().await;
        let hint = format!("id_token_hint={}", ada["id_token"].as_str().unwrap());
        let held = session(&sign_in(&client, "", "ada@example.com").await);
        let other = session(&sign_in(&client, "", "bob@example.com").await);
        assert!(again(&client, &held, &format!("{hint}&prompt=none")).await.expect(302).header("location").contains("?code="));
        assert_eq!(error(again(&client, &other, &format!("{hint}&prompt=none")).await), "login_required");
        // An expired hint is a hint.
        server.clock.advance_seconds(4000);
        let answer = again(&client, &held, &format!("{hint}&prompt=none")).await.expect(302);
        assert!(answer.header("location").contains("?code="));
        // Somebody else signs in than was expected.
        let page = again(&client, &other, &hint).await.expect(200);
        let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
        let answer = client.submission(&page, "bob@example.com", PASSWORD).header("cookie", cookie).send().await;
        assert_eq!(parameter(&answer.expect(303).header("location"), "error"), "login_required");
        let sub = decode(&ada["id_token"]).1["sub"].as_str().unwrap().to_owned();
        let claims = |sub: &str| format!("prompt=none&claims=%7B%22id_token%22%3A%7B%22sub%22%3A%7B%22value%22%3A%22{sub}%22%7D%7D%7D");
        assert!(again(&client, &held, &claims(&sub)).await.expect(302).header("location").contains("?code="));
        assert_eq!(error(again(&client, &other, &claims(&sub)).await), "login_required");
        let foreign = Client::new(&server).await;
        let foreign = foreign.ada().await;
        for bad in ["x", "a.b.c", foreign["id_token"].as_str().unwrap(), ada["access_token"].as_str().unwrap()] {
            let answer = again(&client, &held, &format!("id_token_hint={bad}")).await;
            assert_eq!(error(answer), "invalid_request", "{bad}");
        }
    }

    async fn signing_out_ends_the_session_and_returns_where_it_may(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client, 600).await;
        let one = session(&sign_in(&client, "", "ada@example.com").await);
        let two = session(&sign_in(&client, "", "ada@example.com").await);
        let out = |held: &str, more: &str| {
            let path = format!("{}/cloud_directory/sso/logout?client_id={}&{more}", client.base, client.id);
            server.get(&path).header("cookie", held).send()
        };
        for bad in ["", "redirect_uri=https://evil.example/", "redirect_uri=https://app.example.com/out%23x"] {
            assert_eq!(out(&one, bad).await.status, 400, "{bad}");
        }
        again(&client, &one, "prompt=none").await.expect(302);
        let gone = out(&one, "redirect_uri=https://app.example.com/out").await.expect(302);
        assert_eq!(gone.header("location"), "https://app.example.com/out");
        assert!(gone.header("set-cookie").contains("=; Path=/; HttpOnly; Max-Age=0;"), "{}", gone.header("set-cookie"));
        assert_eq!(error(again(&client, &one, "prompt=none").await), "login_required");
        assert!(again(&client, &two, "prompt=none").await.expect(302).header("location").contains("?code="));
        // A picture on somebody's page ends no session of another browser.
        let picture = session(&sign_in(&client, "", "ada@example.com").await);
        let path = format!("{}/cloud_directory/sso/logout?client_id={}&all_sessions=true&redirect_uri={CALLBACK}", client.base, client.id);
        server.get(&path).header("cookie", picture).header("sec-fetch-dest", "image").send().await.expect(302);
        assert!(again(&client, &two, "prompt=none").await.expect(302).header("location").contains("?code="));
        let three = session(&sign_in(&client, "", "ada@example.com").await);
        out(&three, &format!("all_sessions=true&redirect_uri={CALLBACK}")).await.expect(302);
        assert_eq!(error(again(&client, &two, "prompt=none").await), "login_required");
    }

    async fn what_ends_a_user_ends_the_sessions(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client, 6000).await;
        let sign = || async { session(&sign_in(&client, "", "ada@example.com").await) };
        let tokens = client.ada().await;
        let user = decode(&tokens["id_token"]).1["identities"][0]["id"].as_str().unwrap().to_owned();
        let held = sign().await;
        let path = format!("cloud_directory/Users/{user}/sso/logout");
        client.instance.request("post", &path).send().await.expect(204);
        assert_eq!(error(again(&client, &held, "prompt=none").await), "login_required");
        assert!(client.active(&tokens["access_token"]).await, "tokens stay");
        let unknown = "cloud_directory/Users/00000000-0000-4000-8000-000000000000/sso/logout";
        client.instance.request("post", unknown).send().await.expect(404);
        let held = sign().await;
        let changed = json!({"uuid": user, "newPassword": PASSWORD});
        client.instance.post("cloud_directory/change_password", changed).await.expect(200);
        assert_eq!(error(again(&client, &held, "prompt=none").await), "login_required");
        let held = sign().await;
        let user = format!("cloud_directory/Users/{user}");
        let mut body = client.instance.get(&user).await;
        body["active"] = json!(false);
        client.instance.put(&user, body).await.expect(200);
        assert_eq!(error(again(&client, &held, "prompt=none").await), "login_required");
    }

    async fn scopes_and_claims_say_what_user_info_shows(server) {
        let client = Client::new(&server).await;
        let body = json!({
            "userName": "grace", "password": PASSWORD, "displayName": "Grace Hopper", "locale": "en-US", "timezone": "America/New_York",
            "name": {"givenName": "Grace", "familyName": "Hopper", "middleName": "Brewster"}, "nickName": "Amazing",
            "emails": [{"value": "grace@example.com", "primary": true}],
            "phoneNumbers": [{"value": "+1 202 555 0100"}, {"value": "+1 202 555 0199", "primary": true}],
            "addresses": [{"formatted": "1 Main St, Arlington", "locality": "Arlington", "country": "US", "postalCode": "22201"}],
        });
        client.instance.post("cloud_directory/Users", body).await.expect(201);
        let info = |more: &'static str| {
            let client = &client;
            async move {
                let answer = sign_in(client, more, "grace@example.com").await;
                let code = parameter(&answer.header("location"), "code");
                let tokens = client.redeem(&code, &[]).await.expect(200).json();
                let info = client.userinfo(&tokens["access_token"]).await.expect(200).json();
                (info, decode(&tokens["id_token"]).1, decode(&tokens["access_token"]).1)
            }
        };
        let (plain, ..) = info("scope=openid").await;
        for absent in ["given_name", "phone_number", "address", "zoneinfo"] {
            assert_eq!(plain.get(absent), None, "{absent}");
        }
        let (all, _, access) = info("scope=openid%20profile%20email%20address%20phone%20unknown").await;
        for (name, value) in [
            ("name", json!("Grace Hopper")),
            ("given_name", json!("Grace")),
            ("family_name", json!("Hopper")),
            ("middle_name", json!("Brewster")),
            ("nickname", json!("Amazing")),
            ("preferred_username", json!("grace")),
            ("zoneinfo", json!("America/New_York")),
            ("locale", json!("en-US")),
            ("email", json!("grace@example.com")),
            ("email_verified", json!(false)),
            ("phone_number", json!("+1 202 555 0199")),
            ("address", json!({"formatted": "1 Main St, Arlington", "locality": "Arlington", "country": "US", "postal_code": "22201"})),
        ] {
            assert_eq!(all[name], value, "{name}");
        }
        assert!(all["updated_at"].is_i64(), "{all}");
        let scope = access["scope"].as_str().unwrap();
        assert!(scope.ends_with(" profile email address phone"), "{scope}");
        // {"userinfo":{"phone_number":null,"nothing":null},"id_token":{"given_name":{"essential":true},"acr":null}}
        let (some, identity, _) = info("claims=%7B%22userinfo%22%3A%7B%22phone_number%22%3Anull%2C%22nothing%22%3Anull%7D%2C%22id_token%22%3A%7B%22given_name%22%3A%7B%22essential%22%3Atrue%7D%2C%22acr%22%3Anull%7D%7D").await;
        assert_eq!((&some["phone_number"], some.get("given_name"), some.get("nothing")), (&json!("+1 202 555 0199"), None, None));
        assert_eq!((&identity["given_name"], &identity["acr"], identity.get("phone_number")), (&json!("Grace"), &json!("1"), None));
        let needed = "claims=%7B%22id_token%22%3A%7B%22acr%22%3A%7B%22essential%22%3Atrue%2C%22value%22%3A%22gold%22%7D%7D%7D";
        assert_eq!(error(client.authorize(needed).await), "unmet_authentication_requirements");
        let (_, identity, _) = info("acr_values=gold%201").await;
        assert_eq!(identity["acr"], "1");
    }

    async fn renewed_tokens_tell_of_the_same_sign_in(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client, 6000).await;
        let lives = json!({"refresh": {"enabled": true, "expires_in": 86400}});
        client.instance.put("config/tokens", lives).await.expect(200);
        let answer = sign_in(&client, "max_age=9&scope=openid%20phone", "ada@example.com").await;
        let code = parameter(&answer.header("location"), "code");
        let first = client.redeem(&code, &[]).await.expect(200).json();
        server.clock.advance_seconds(100);
        let form = [("grant_type", "refresh_token"), ("refresh_token", first["refresh_token"].as_str().unwrap())];
        let second = client.token(&form).await.expect(200).json();
        let (before, after) = (decode(&first["id_token"]).1, decode(&second["id_token"]).1);
        assert_eq!((&before["auth_time"], &before["sid"]), (&after["auth_time"], &after["sid"]));
        assert!(before["auth_time"].is_i64() && before["sid"].is_string());
        assert_eq!(first["scope"], second["scope"]);
    }

    async fn requests_may_be_posted_and_so_may_answers(server) {
        let client = Client::new(&server).await;
        let form = [
            ("client_id", client.id.as_str()),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("response_mode", "form_post"),
            ("state", "\"><script>alert(1)</script>"),
        ];
        let path = format!("{}/authorization", client.base);
        let page = server.post(&path).form(&form).send().await.expect(200);
        let answer = client.submit(&page, "ada@example.com", PASSWORD).await.expect(200);
        let html = answer.text();
        assert_eq!(field(&html, "action=\""), CALLBACK.replace('/', "&#x2f;"));
        let code = field(&html, "name=\"code\" value=\"");
        assert!(!html.contains("<script>alert"), "{html}");
        assert!(html.contains("name=\"iss\""), "{html}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("form-action https://app.example.com;"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        client.redeem(&code, &[]).await.expect(200);
        let silent = form.iter().copied().chain([("prompt", "none")]).collect::<Vec<_>>();
        let html = server.post(&path).form(&silent).send().await.expect(200).text();
        assert_eq!(field(&html, "name=\"error\" value=\""), "login_required");
        assert_eq!(server.post(&path).form(&form[1..]).send().await.status, 400);
        refused(client.redeem("nothing", &[]).await, 400, "invalid_grant");
    }

    async fn an_application_that_knows_the_person_signs_them_out(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client, 6000).await;
        client.instance.directory_user("bob@example.com").await;
        let hint = client.ada().await["id_token"].as_str().unwrap().to_owned();
        let held = session(&sign_in(&client, "", "ada@example.com").await);
        let path = format!("{}/logout", client.base);
        let ask = |held: &str, more: &str| server.get(&format!("{path}?{more}")).header("cookie", held).send();
        let back = "post_logout_redirect_uri=https://app.example.com/out";
        let other = client.another("regularwebapp").await;
        for bad in [
            String::from("id_token_hint=x"),
            String::from(back),
            format!("{back}&client_id=x"),
            format!("id_token_hint={hint}&client_id={}", other.id),
            format!("id_token_hint={hint}&post_logout_redirect_uri=https://evil.example/"),
            format!("id_token_hint={hint}&post_logout_redirect_uri={CALLBACK}"),
            format!("id_token_hint={hint}&post_logout_redirect_uri=https://app.example.com/out/more"),
        ] {
            let answer = ask(&held, &bad).await;
            assert_eq!(answer.status, 400, "{bad}");
            assert!(answer.header("content-type").starts_with("text/html"));
        }
        assert!(again(&client, &held, "prompt=none").await.expect(302).header("location").contains("?code="));
        // An expired hint will do.
        server.clock.advance_seconds(4000);
        let gone = ask(&held, &format!("id_token_hint={hint}&{back}&state=a%20b")).await.expect(302);
        assert_eq!(gone.header("location"), "https://app.example.com/out?state=a%20b");
        assert!(gone.header("set-cookie").contains("Max-Age=0"));
        assert_eq!(error(again(&client, &held, "prompt=none").await), "login_required");
        // Nobody is signed in: there is nothing to ask.
        ask("", &format!("client_id={}&{back}", client.id)).await.expect(302);
        let page = ask("", "").await.expect(200);
        assert!(page.text().contains("You are signed out"), "{}", page.text());
        // By form, as the specification has it too.
        let held = session(&sign_in(&client, "", "ada@example.com").await);
        let form = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://app.example.com/out")];
        server.post(&path).header("cookie", &held).form(&form).send().await.expect(303);
        assert_eq!(error(again(&client, &held, "prompt=none").await), "login_required");
    }

    async fn without_a_hint_the_person_is_asked(server) {
        let client = Client::new(&server).await;
        stay_signed_in(&client, 6000).await;
        client.instance.directory_user("bob@example.com").await;
        let bob = client.password("bob@example.com", PASSWORD).await.expect(200).json();
        let hint = bob["id_token"].as_str().unwrap();
        let held = session(&sign_in(&client, "", "ada@example.com").await);
        let path = format!("{}/logout", client.base);
        let back = format!("post_logout_redirect_uri=https://app.example.com/out&state=s&client_id={}", client.id);
        for more in ["", back.as_str(), &format!("id_token_hint={hint}")] {
            let page = server.get(&format!("{path}?{more}")).header("cookie", &held).send().await.expect(200);
            assert!(page.text().contains("Do you want to sign out"), "{}", page.text());
            let policy = page.header("content-security-policy");
            let allowed = if more.contains("post_logout") { "form-action 'self' https://app.example.com;" } else { "form-action 'self' ;" };
            assert!(policy.contains(allowed) && policy.contains("frame-ancestors 'none'"), "{policy}");
        }
        assert!(again(&client, &held, "prompt=none").await.expect(302).header("location").contains("?code="));
        let page = server.get(&format!("{path}?{back}")).header("cookie", &held).send().await.expect(200);
        let context = field(&page.text(), "name=\"context\" value=\"");
        let browser = page.header("set-cookie").split(';').next().unwrap().to_owned();
        let say = |cookie: String, context: String| {
            let form = [("context", context.as_str())];
            server.post(&path).header("cookie", cookie).form(&form).send()
        };
        // Another browser, and forms that are not ours.
        assert_eq!(say(held.clone(), context.clone()).await.status, 400);
        assert_eq!(say(format!("{held}; {browser}"), String::from("AAAA")).await.status, 400);
        let gone = say(format!("{held}; {browser}"), context).await.expect(303);
        assert_eq!(gone.header("location"), "https://app.example.com/out?state=s");
        assert_eq!(error(again(&client, &held, "prompt=none").await), "login_required");
    }
}

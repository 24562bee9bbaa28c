//! The code flow: authorization request, page, code, tokens.

use serde_json::json;
use vestibule_testkit::on_each_engine;

use super::setup::{CALLBACK, CHALLENGE, Client, PASSWORD, VERIFIER, decode, parameter, refused};

const PKCE: &str =
    "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

on_each_engine! {
    async fn a_person_signs_in_through_the_page(server) {
        let client = Client::new(&server).await;
        let page = client.authorize("state=a%3D%2B%0A%26&nonce=n-1&scope=openid").await.expect(200);
        let answer = client.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
        let location = answer.header("location");
        assert!(location.starts_with(&format!("{CALLBACK}?code=")), "{location}");
        assert_eq!(parameter(&location, "state"), "a%3D%2B%0A%26");
        let body = client.redeem(&parameter(&location, "code"), &[]).await.expect(200).json();
        let (_, identity) = decode(&body["id_token"]);
        assert_eq!(identity["nonce"], "n-1");
        assert_eq!(identity["email"], "ada@example.com");
        assert!(client.active(&body["access_token"]).await);
    }

    async fn a_replayed_code_ends_what_it_gave(server) {
        let client = Client::new(&server).await;
        let refresh = json!({"refresh": {"enabled": true, "expires_in": 86400}});
        client.instance.put("config/tokens", refresh).await.expect(200);
        let code = client.code("").await;
        let body = client.redeem(&code, &[]).await.expect(200).json();
        assert!(client.active(&body["access_token"]).await);
        refused(client.redeem(&code, &[]).await, 400, "invalid_grant");
        assert!(!client.active(&body["access_token"]).await);
        assert!(!client.active(&body["id_token"]).await);
        let renewal = [("grant_type", "refresh_token"), ("refresh_token", body["refresh_token"].as_str().unwrap())];
        refused(client.token(&renewal).await, 400, "invalid_grant");
    }

    async fn of_many_who_show_a_code_at_once_one_wins(server) {
        let client = Client::new(&server).await;
        let code = client.code("").await;
        let show = || client.redeem(&code, &[]);
        let answers: [_; 4] = tokio::join!(show(), show(), show(), show()).into();
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    }

    async fn verifiers_must_match(server) {
        let client = Client::new(&server).await;
        for (asked, verifier) in [
            (PKCE, None),
            (PKCE, Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXx")),
            (PKCE, Some("short")),
            ("", Some(VERIFIER)),
        ] {
            let code = client.code(asked).await;
            let more: Vec<(&str, &str)> = verifier.map(|text| ("code_verifier", text)).into_iter().collect();
            refused(client.redeem(&code, &more).await, 400, "invalid_grant");
            // The code is used up.
            refused(client.redeem(&code, &[("code_verifier", VERIFIER)]).await, 400, "invalid_grant");
        }
        let code = client.code(PKCE).await;
        client.redeem(&code, &[("code_verifier", VERIFIER)]).await.expect(200);
    }

    async fn the_challenge_of_the_javascript_sdk_is_taken(server) {
        let spa = Client::new(&server).await.another("singlepageapp").await;
        // base64(hex(sha256(verifier))), contract/runtime.md section 4.1.1.
        let verifier = "0123456789abcdef0123456789abcdef0123456789ab";
        let challenge = "M2RiMDU3Zjg0NTZmNTQyYzM1ZjExMjMyYjYyYzQwN2VhNWM2N2RkNDliM2FhNDgwNjdiMzQ3NTBlY2U1ZjJjNg%3D%3D";
        let code = spa.code(&format!("code_challenge={challenge}&code_challenge_method=S256")).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
        ];
        // The SDK sends the verifier as a password too.
        let answer = server.post(&format!("{}/token", spa.base)).basic(&spa.id, verifier).form(&form).send().await.expect(200).json();
        assert!(answer.get("refresh_token").is_none());
        assert_eq!(decode(&answer["id_token"]).1["aud"], json!([spa.id]));
    }

    async fn codes_are_bound_to_application_and_redirect_uri(server) {
        let client = Client::new(&server).await;
        let other = client.another("regularwebapp").await;
        let code = client.code("").await;
        refused(other.redeem(&code, &[]).await, 400, "invalid_grant");
        refused(client.redeem(&code, &[]).await, 400, "invalid_grant");
        let code = client.code("").await;
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", "https://spa.example.com")];
        refused(client.token(&form).await, 400, "invalid_grant");
        let code = client.code("").await;
        refused(client.token(&form[..2]).await, 400, "invalid_request");
        server.clock.advance_seconds(301);
        refused(client.redeem(&code, &[]).await, 400, "invalid_grant");
        for junk in ["x", "", &"a".repeat(5000)] {
            let answer = client.redeem(junk, &[]).await;
            assert_eq!(answer.status, 400);
        }
    }

    async fn errors_go_to_the_application_in_the_order_its_sdk_reads(server) {
        let client = Client::new(&server).await;
        for (more, error) in [
            ("code_challenge=x&code_challenge_method=S256", "invalid_request"),
            (&format!("code_challenge={CHALLENGE}&code_challenge_method=plain") as &str, "invalid_request"),
            (&format!("code_challenge={CHALLENGE}"), "invalid_request"),
            ("idp=facebook", "access_denied"),
            ("prompt=none", "login_required"),
        ] {
            let answer = client.authorize(&format!("{more}&state=s")).await.expect(302);
            let location = answer.header("location");
            assert!(location.starts_with(&format!("{CALLBACK}?error={error}&error_description=")), "{location}");
            assert!(location.contains("&state=s&iss=http"), "{location}");
        }
        let query = format!("client_id={}&redirect_uri={CALLBACK}", client.id);
        for (response_type, error) in [("", "invalid_request"), ("token", "unsupported_response_type"), ("sign_up", "unsupported_response_type")] {
            let path = format!("{}/authorization?{query}&response_type={response_type}", client.base);
            let location = server.get(&path).send().await.expect(302).header("location");
            assert_eq!(parameter(&location, "error"), error);
        }
        let spa = client.another("singlepageapp").await;
        let location = spa.authorize("").await.expect(302).header("location");
        assert_eq!(parameter(&location, "error"), "invalid_request");
    }

    async fn unknown_applications_and_foreign_addresses_get_a_page(server) {
        let client = Client::new(&server).await;
        let foreign = Client::new(&server).await;
        for query in [
            String::new(),
            format!("client_id={}&response_type=code", client.id),
            format!("redirect_uri={CALLBACK}&response_type=code"),
            format!("client_id={}&redirect_uri={CALLBACK}&response_type=code", foreign.id),
            format!("client_id=x&redirect_uri={CALLBACK}&response_type=code"),
            format!("client_id={}&redirect_uri=https://evil.example/&response_type=code", client.id),
            format!("client_id={}&redirect_uri=javascript:alert(1)&response_type=code", client.id),
            format!("client_id={}&redirect_uri={CALLBACK}%23x&response_type=code", client.id),
            format!("client_id={}&redirect_uri={CALLBACK}&response_type=code&state=1&state=2", client.id),
        ] {
            let answer = server.get(&format!("{}/authorization?{query}", client.base)).send().await.expect(400);
            assert!(answer.headers.get("location").is_none(), "{query}");
            assert!(answer.header("content-type").starts_with("text/html"));
            assert!(answer.text().contains("<h1>This did not work</h1>"), "{}", answer.text());
        }
        server.get("/oauth/v4/7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6/authorization").send().await.expect(404);
    }

    async fn anonymous_people_sign_in_without_a_page(server) {
        let client = Client::new(&server).await;
        let answer = client.authorize("idp=appid_anon&state=st").await.expect(302);
        let location = answer.header("location");
        assert!(answer.header("content-type").starts_with("text/plain"));
        assert_eq!(answer.text(), format!("Found. Redirecting to {location}"));
        let body = client.redeem(&parameter(&location, "code"), &[]).await.expect(200).json();
        let (_, access) = decode(&body["access_token"]);
        assert_eq!(access["amr"], json!(["appid_anon"]));
        assert!(!access["scope"].as_str().unwrap().contains("appid_authenticated"));
        assert_eq!(body["expires_in"], 2_592_000);
        let token = body["access_token"].as_str().unwrap();
        // The profile goes on with its token, and becomes that of who signs in.
        let again = client.authorize(&format!("idp=appid_anon&appid_access_token={token}")).await.expect(302);
        let more = client.redeem(&parameter(&again.header("location"), "code"), &[]).await.expect(200).json();
        assert_eq!(decode(&more["access_token"]).1["sub"], access["sub"]);
        client.server().put("/api/v1/attributes/cart").bearer(token).body("3").send().await.expect(200);
        let held = client.authorize(&format!("idp=appid_anon&appid_access_token={token}")).await.expect(302);
        server.clock.advance_seconds(1);
        let code = client.code(&format!("appid_access_token={token}")).await;
        let known = client.redeem(&code, &[]).await.expect(200).json();
        // An anonymous code from before is worth nothing: the profile is someone's now.
        refused(client.redeem(&parameter(&held.header("location"), "code"), &[]).await, 400, "invalid_grant");
        assert_eq!(decode(&known["access_token"]).1["sub"], access["sub"]);
        assert!(!client.active(&body["access_token"]).await);
        assert!(!client.active(&more["access_token"]).await);
        let cart = client.server().get("/api/v1/attributes").bearer(known["access_token"].as_str().unwrap()).send().await.expect(200);
        assert_eq!(cart.json(), json!({"cart": 3}));
        // Another anonymous profile is not merged into one that exists.
        let answer = client.authorize("idp=appid_anon").await.expect(302);
        let third = client.redeem(&parameter(&answer.header("location"), "code"), &[]).await.expect(200).json();
        assert_ne!(decode(&third["access_token"]).1["sub"], access["sub"]);
        let form = [
            ("grant_type", "password"),
            ("username", "ada@example.com"),
            ("password", PASSWORD),
            ("appid_access_token", third["access_token"].as_str().unwrap()),
        ];
        let ada = client.token(&form).await.expect(200).json();
        assert_eq!(decode(&ada["access_token"]).1["sub"], access["sub"]);
    }

    async fn anonymous_sign_in_can_be_switched_off(server) {
        let client = Client::new(&server).await;
        let off = json!({"anonymousAccess": {"enabled": false, "expires_in": 86400}});
        client.instance.put("config/tokens", off).await.expect(200);
        let location = client.authorize("idp=appid_anon").await.expect(302).header("location");
        assert_eq!(parameter(&location, "error"), "access_denied");
    }

    async fn signing_out_goes_to_registered_addresses_only(server) {
        let client = Client::new(&server).await;
        let path = |uri: &str| format!("{}/cloud_directory/sso/logout?client_id={}&redirect_uri={uri}", client.base, client.id);
        let answer = server.get(&path(CALLBACK)).send().await.expect(302);
        assert_eq!(answer.header("location"), CALLBACK);
        server.get(&path("https://evil.example/")).send().await.expect(400);
        server.get(&format!("{}/cloud_directory/sso/logout", client.base)).send().await.expect(400);
    }
}

//! Devices without a browser (RFC 8628).

use serde_json::{Value, json};
use vestibule_crypto::jose::{Algorithm, SigningKey};
use vestibule_testkit::{TestResponse, TestServer, on_each_engine};

use super::setup::{Client, PASSWORD, decode, field, refused};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// An application of an instance that lets devices in.
async fn setup(server: &TestServer) -> Client<'_> {
    let client = Client::new(server).await;
    let body = json!({"deviceAuthorization": true});
    client.instance.put("config/oauth", body).await.expect(200);
    client
}

async fn begin(client: &Client<'_>, more: &[(&str, &str)]) -> Value {
    let answer = client.post("device_authorization").form(more).send().await;
    let answer = answer.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

async fn poll(client: &Client<'_>, device: &Value) -> TestResponse {
    client
        .token(&[
            ("grant_type", GRANT),
            ("device_code", device["device_code"].as_str().unwrap()),
        ])
        .await
}

/// The same after the interval.
async fn poll_later(client: &Client<'_>, device: &Value) -> TestResponse {
    client.server().clock.advance_seconds(5);
    poll(client, device).await
}

/// A person with a browser.
struct Person<'a> {
    server: &'a TestServer,
    base: String,
    cookies: Vec<String>,
}

impl<'a> Person<'a> {
    fn new(client: &Client<'a>) -> Self {
        Self {
            server: client.server(),
            base: client.base.clone(),
            cookies: Vec::new(),
        }
    }

    async fn send(&mut self, path: &str, form: &[(&str, &str)]) -> TestResponse {
        let request = self
            .server
            .post(path)
            .header("cookie", self.cookies.join("; "));
        let answer = request.form(form).send().await;
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            self.cookies
                .push(line.split(';').next().unwrap().to_owned());
        }
        answer
    }

    async fn enter(&mut self, code: &str) -> TestResponse {
        let path = format!("{}/device", self.base);
        self.send(&path, &[("user_code", code)]).await
    }

    /// Fills in the form of a page.
    async fn fill(&mut self, page: &TestResponse, more: &[(&str, &str)]) -> TestResponse {
        let html = page.text();
        let context = field(&html, "name=\"context\" value=\"");
        let mut form = vec![("context", context.as_str())];
        form.extend(more);
        self.send(&field(&html, "action=\""), &form).await
    }

    async fn sign_in(&mut self, page: &TestResponse) -> TestResponse {
        let ada = [("username", "ada@example.com"), ("password", PASSWORD)];
        self.fill(page, &ada).await
    }

    /// Enters the code of a device, signs in and answers.
    async fn lets_in(&mut self, device: &Value, decision: &str) -> TestResponse {
        let page = self
            .enter(device["user_code"].as_str().unwrap())
            .await
            .expect(200);
        let page = self.sign_in(&page).await.expect(200);
        self.fill(&page, &[("decision", decision)]).await
    }
}

#[track_caller]
fn is_page(answer: &TestResponse, status: u16, holds: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let policy = answer.header("content-security-policy");
    assert!(
        policy.starts_with(
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'"
        ),
        "{policy}"
    );
    assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
    assert!(answer.text().contains(holds), "{holds}: {}", answer.text());
    assert!(!answer.text().contains("<script"));
}

on_each_engine! {
    async fn who_would_not_sign_in_turns_it_away(server) {
        let client = setup(&server).await;
        let device = begin(&client, &[]).await;
        let mut person = Person::new(&client);
        let page = person.enter(device["user_code"].as_str().unwrap()).await.expect(200);
        let end = person.fill(&page, &[("decision", "deny")]).await.expect(200);
        assert!(!end.text().contains("name=\"password\""));
        refused(poll_later(&client, &device).await, 400, "access_denied");
        // The form is spent.
        let again = person.sign_in(&page).await;
        assert!(again.text().contains("name=\"user_code\""), "{}", again.text());
    }

    async fn somebody_lets_a_device_in(server) {
        let client = setup(&server).await;
        client.instance.put("config/tokens", json!({"refresh": {"enabled": true}})).await.expect(200);
        let device = begin(&client, &[("scope", "openid email")]).await;
        let issuer = format!("http://vestibule.test{}", client.base);
        let code = device["user_code"].as_str().unwrap();
        assert_eq!((code.len(), &code[4..5]), (9, "-"));
        assert_eq!(device["device_code"].as_str().unwrap().len(), 43);
        assert_eq!(device["verification_uri"], format!("{issuer}/device"));
        assert_eq!(device["verification_uri_complete"], format!("{issuer}/device?user_code={code}"));
        assert_eq!((&device["expires_in"], &device["interval"]), (&json!(900), &json!(5)));
        refused(poll(&client, &device).await, 400, "authorization_pending");

        // The page is complete without scripts; a code of the address is filled in and nothing more.
        let path = format!("{}/device?user_code={}&ui_locales=de", client.base, code.to_lowercase());
        let page = server.get(&path).send().await;
        is_page(&page, 200, &format!("value=\"{code}\""));
        assert!(page.text().contains("Gerät verbinden"));

        let mut ada = Person::new(&client);
        let page = ada.enter(&format!(" {} ", code.to_lowercase().replace('-', ""))).await;
        is_page(&page, 200, "to continue to shop");
        is_page(&ada.fill(&page, &[("username", "ada@example.com"), ("password", "wrong")]).await, 400, "role=\"alert\"");
        let page = ada.sign_in(&page).await;
        is_page(&page, 200, &format!("dir=\"ltr\" aria-describedby=\"compare\">{code}<"));
        assert!(page.text().contains("A device wants to sign in to shop as you"));
        assert!(page.text().contains("Your e-mail address") && !page.text().contains("Your phone number"));
        refused(poll_later(&client, &device).await, 400, "authorization_pending");
        is_page(&ada.fill(&page, &[("decision", "allow")]).await, 200, "role=\"status\"");

        let tokens = poll_later(&client, &device).await.expect(200).json();
        let (_, claims) = decode(&tokens["id_token"]);
        assert_eq!((&claims["email"], &claims["aud"]), (&json!("ada@example.com"), &json!([client.id])));
        assert!(tokens["scope"].as_str().unwrap().ends_with(" email"), "{tokens}");
        client.userinfo(&tokens["access_token"]).await.expect(200);
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
        client.token(&refresh).await.expect(200);
        // Once only, for the device and for the person.
        refused(poll_later(&client, &device).await, 400, "invalid_grant");
        is_page(&ada.fill(&page, &[("decision", "deny")]).await, 400, "No device waits");
        is_page(&ada.enter(code).await, 400, "No device waits");
        assert!(client.active(&tokens["access_token"]).await);
    }

    async fn somebody_does_not_want_it(server) {
        let client = setup(&server).await;
        let device = begin(&client, &[]).await;
        let mut ada = Person::new(&client);
        is_page(&ada.lets_in(&device, "deny").await, 200, "Not connected");
        for _ in 0..2 {
            refused(poll_later(&client, &device).await, 400, "access_denied");
        }
        is_page(&ada.enter(device["user_code"].as_str().unwrap()).await, 400, "No device waits");
    }

    async fn who_asks_too_often_waits_longer(server) {
        let client = setup(&server).await;
        let device = begin(&client, &[]).await;
        refused(poll(&client, &device).await, 400, "authorization_pending");
        server.clock.advance_seconds(4);
        refused(poll(&client, &device).await, 400, "slow_down");
        server.clock.advance_seconds(9);
        refused(poll(&client, &device).await, 400, "slow_down");
        server.clock.advance_seconds(15);
        refused(poll(&client, &device).await, 400, "authorization_pending");
        // Another device is not meant.
        let other = begin(&client, &[]).await;
        refused(poll(&client, &other).await, 400, "authorization_pending");
        refused(poll_later(&client, &other).await, 400, "authorization_pending");
    }

    async fn codes_run_out(server) {
        let client = setup(&server).await;
        let device = begin(&client, &[]).await;
        let mut ada = Person::new(&client);
        let code = device["user_code"].as_str().unwrap();
        let page = ada.enter(code).await.expect(200);
        let question = ada.sign_in(&page).await.expect(200);
        let allowed = begin(&client, &[]).await;
        ada.lets_in(&allowed, "allow").await.expect(200);
        server.clock.advance_seconds(900);
        is_page(&ada.enter(code).await, 400, "No device waits");
        is_page(&ada.sign_in(&page).await, 400, "No device waits");
        is_page(&ada.fill(&question, &[("decision", "allow")]).await, 400, "No device waits");
        refused(poll(&client, &device).await, 400, "expired_token");
        refused(poll(&client, &allowed).await, 400, "expired_token");
        server.engine.clean_up().await.unwrap();
        refused(poll_later(&client, &device).await, 400, "expired_token");
        server.clock.advance_seconds(600);
        server.engine.clean_up().await.unwrap();
        refused(poll_later(&client, &device).await, 400, "invalid_grant");
    }

    async fn a_code_is_one_applications_and_one_instances(server) {
        let client = setup(&server).await;
        let other = client.another("regularwebapp").await;
        let elsewhere = setup(&server).await;
        let device = begin(&client, &[]).await;
        refused(poll(&other, &device).await, 400, "invalid_grant");
        refused(poll(&elsewhere, &device).await, 400, "invalid_grant");
        is_page(&Person::new(&elsewhere).enter(device["user_code"].as_str().unwrap()).await, 400, "No device waits");
        Person::new(&client).lets_in(&device, "allow").await.expect(200);
        refused(poll_later(&other, &device).await, 400, "invalid_grant");
        refused(poll(&elsewhere, &device).await, 400, "invalid_grant");
        poll_later(&client, &device).await.expect(200);
        for form in [&[("grant_type", GRANT)][..], &[("grant_type", GRANT), ("device_code", "")]] {
            refused(client.token(form).await, 400, "invalid_request");
        }
        refused(client.token(&[("grant_type", GRANT), ("device_code", "x")]).await, 400, "invalid_grant");
    }

    async fn forms_are_of_one_browser(server) {
        let client = setup(&server).await;
        let device = begin(&client, &[]).await;
        let (mut ada, mut eve) = (Person::new(&client), Person::new(&client));
        let code = device["user_code"].as_str().unwrap();
        let sign_in = eve.enter(code).await.expect(200);
        let page = ada.enter(code).await.expect(200);
        is_page(&ada.sign_in(&sign_in).await, 400, "No device waits");
        let question = ada.sign_in(&page).await.expect(200);
        is_page(&eve.fill(&question, &[("decision", "allow")]).await, 400, "No device waits");
        // The question is not answered with the sealed text of another form, nor with any other.
        let html = question.text();
        let action = field(&html, "action=\"");
        let before = field(&page.text(), "name=\"context\" value=\"");
        for context in [before.as_str(), "", "AAAA", "?"] {
            let answer = ada.send(&action, &[("context", context), ("decision", "allow")]).await;
            assert_eq!(answer.status, 400, "{context}");
            assert!(!answer.text().contains("role=\"status\""));
        }
        refused(poll(&client, &device).await, 400, "authorization_pending");
        ada.fill(&question, &[("decision", "allow")]).await.expect(200);
    }

    async fn who_is_signed_in_is_only_asked(server) {
        let client = setup(&server).await;
        client.instance.put("config/cloud_directory/sso", json!({"isActive": true, "inactivityTimeoutSeconds": 600, "logoutRedirectUris": []})).await.expect(201);
        let told = json!({"backchannel_logout_uri": "https://app.example.com/out"});
        client.instance.put(&format!("applications/{}/metadata", client.id), told).await.expect(200);
        let mut ada = Person::new(&client);
        let first = begin(&client, &[]).await;
        ada.lets_in(&first, "allow").await.expect(200);
        let sid = decode(&poll(&client, &first).await.expect(200).json()["id_token"]).1["sid"].clone();
        let second = begin(&client, &[]).await;
        let question = ada.enter(second["user_code"].as_str().unwrap()).await;
        is_page(&question, 200, "name=\"decision\"");
        ada.fill(&question, &[("decision", "allow")]).await.expect(200);
        assert_eq!(decode(&poll(&client, &second).await.expect(200).json()["id_token"]).1["sid"], sid);
        // Whoever has signed out meanwhile has to sign in again.
        let third = begin(&client, &[]).await;
        let question = ada.enter(third["user_code"].as_str().unwrap()).await;
        server.clock.advance_seconds(601);
        let page = ada.fill(&question, &[("decision", "allow")]).await;
        assert!(page.text().contains("name=\"password\""), "{}", page.text());
        refused(poll(&client, &third).await, 400, "authorization_pending");
    }

    async fn guessing_is_throttled(server) {
        let client = setup(&server).await;
        let device = begin(&client, &[]).await;
        let code = device["user_code"].as_str().unwrap();
        let mut eve = Person::new(&client);
        for n in 0..10 {
            let guess = if n % 2 == 0 { "BBBB-BBBB" } else { "nonsense" };
            is_page(&eve.enter(guess).await, 400, "No device waits");
            // Right codes do not count.
            eve.enter(code).await;
        }
        let blocked = eve.enter(code).await;
        is_page(&blocked, 429, "too many attempts");
        assert_eq!(blocked.header("retry-after"), "60");
        server.clock.advance_seconds(60);
        is_page(&eve.enter(code).await, 200, "name=\"password\"");
        for _ in 0..60 {
            client.post("device_authorization").form(&[]).send().await;
        }
        let answer = client.post("device_authorization").form(&[]).send().await;
        assert_eq!(answer.status, 429);
    }

    async fn who_may_not_sign_in_any_more_gets_nothing(server) {
        let client = setup(&server).await;
        let users = client.instance.get("cloud_directory/Users").await;
        let user = &users["Resources"][0];
        let device = begin(&client, &[]).await;
        Person::new(&client).lets_in(&device, "allow").await.expect(200);
        let path = format!("cloud_directory/Users/{}", user["id"].as_str().unwrap());
        client.instance.put(&path, json!({"emails": user["emails"], "active": false})).await.expect(200);
        refused(poll(&client, &device).await, 400, "invalid_grant");
        refused(poll_later(&client, &device).await, 400, "invalid_grant");
    }

    async fn tokens_of_devices_may_be_bound(server) {
        let client = setup(&server).await;
        let key = SigningKey::generate(Algorithm::ES256, "own").unwrap();
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk()});
        let proof = |jti: &str, path: &str| {
            let claims = json!({"jti": jti, "htm": "POST", "htu": format!("http://vestibule.test{}/{path}", client.base), "iat": server.engine.now().seconds()});
            key.sign(&header, &claims).unwrap()
        };
        let device = begin(&client, &[]).await;
        let form = [("grant_type", GRANT), ("device_code", device["device_code"].as_str().unwrap())];
        let send = |proof: String| client.post("token").header("dpop", proof).form(&form);
        refused(send(proof("1", "token")).send().await, 400, "authorization_pending");
        Person::new(&client).lets_in(&device, "allow").await.expect(200);
        server.clock.advance_seconds(5);
        refused(send(proof("2", "par")).send().await, 400, "invalid_dpop_proof");
        server.clock.advance_seconds(5);
        let tokens = send(proof("3", "token")).send().await.expect(200).json();
        assert_eq!(tokens["token_type"], "DPoP");
        assert_eq!(decode(&tokens["access_token"]).1["cnf"], json!({"jkt": key.verifying_key().thumbprint()}));
        client.instance.put("config/oauth", json!({"deviceAuthorization": true, "dpop": "required"})).await.expect(200);
        let device = begin(&client, &[]).await;
        refused(poll(&client, &device).await, 400, "invalid_request");
    }

    async fn instances_and_applications_choose(server) {
        let client = Client::new(&server).await;
        let discover = async || {
            let path = format!("{}/.well-known/openid-configuration", client.base);
            server.get(&path).send().await.expect(200).json()
        };
        let lists = |found: &Value| found["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT));
        // Off, as it is at first.
        let found = discover().await;
        assert!(found.get("device_authorization_endpoint").is_none() && !lists(&found));
        refused(client.post("device_authorization").form(&[]).send().await, 404, "not_found");
        refused(client.token(&[("grant_type", GRANT), ("device_code", "x")]).await, 400, "unsupported_grant_type");
        let page = server.get(&format!("{}/device", client.base)).send().await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (404, String::from("text/html; charset=utf-8")));
        for path in ["device", "device/sign_in", "device/decision"] {
            assert_eq!(Person::new(&client).send(&format!("{}/{path}", client.base), &[("user_code", "BBBBBBBB")]).await.status, 404);
        }
        client.instance.put("config/oauth", json!({"deviceAuthorization": true})).await.expect(200);
        let found = discover().await;
        assert_eq!(found["device_authorization_endpoint"], format!("{}/device_authorization", found["issuer"].as_str().unwrap()));
        assert!(lists(&found));
        // An application without a secret says that it is on devices; one that says other things is not.
        let tv = client.another("singlepageapp").await;
        let ask = async || server.post(&format!("{}/device_authorization", client.base)).form(&[("client_id", tv.id.as_str())]).send().await;
        refused(ask().await, 400, "unauthorized_client");
        let metadata = format!("applications/{}/metadata", tv.id);
        tv.instance.put(&metadata, json!({"token_endpoint_auth_method": "none", "grant_types": [GRANT]})).await.expect(200);
        let device = ask().await.expect(200).json();
        Person::new(&client).lets_in(&device, "allow").await.expect(200);
        let form = [("grant_type", GRANT), ("device_code", device["device_code"].as_str().unwrap()), ("client_id", &tv.id)];
        let tokens = server.post(&format!("{}/token", client.base)).form(&form).send().await.expect(200).json();
        assert!(tokens.get("refresh_token").is_none());
        client.instance.put(&format!("applications/{}/metadata", client.id), json!({"grant_types": ["authorization_code"]})).await.expect(200);
        refused(client.post("device_authorization").form(&[]).send().await, 400, "unauthorized_client");
        let wrong = server.post(&format!("{}/device_authorization", client.base)).basic(&client.id, "wrong").form(&[]).send().await;
        refused(wrong, 401, "invalid_client");
        let long = "x".repeat(2001);
        let long = server.post(&format!("{}/device_authorization", client.base)).form(&[("client_id", tv.id.as_str()), ("scope", &long)]).send().await;
        refused(long, 400, "invalid_scope");
        // FAPI leaves devices out.
        client.instance.put("config/oauth", json!({"deviceAuthorization": true, "profile": "fapi2", "signingAlgorithm": "ES256"})).await.expect(200);
        assert!(discover().await.get("device_authorization_endpoint").is_none());
    }

    async fn clients_register_for_devices(server) {
        let client = setup(&server).await;
        client.instance.put("config/oauth/registration", json!({"enabled": "open"})).await.expect(204);
        let register = async |body: Value| server.post(&format!("{}/register", client.base)).json(&body).send().await;
        let made = register(json!({"client_name": "TV <b>", "grant_types": [GRANT], "token_endpoint_auth_method": "none"})).await.expect(201).json();
        assert_eq!(made["grant_types"], json!([GRANT]));
        assert!(made.get("response_types").is_none());
        refused(register(json!({"grant_types": [GRANT, "authorization_code"]})).await, 400, "invalid_redirect_uri");
        let id = made["client_id"].as_str().unwrap();
        let form = [("client_id", id), ("scope", "openid appid_readuserattr phone")];
        let device = server.post(&format!("{}/device_authorization", client.base)).form(&form).send().await.expect(200).json();
        let mut ada = Person::new(&client);
        let page = ada.enter(device["user_code"].as_str().unwrap()).await.expect(200);
        let question = ada.sign_in(&page).await;
        is_page(&question, 200, "TV &lt;b&gt;");
        let html = question.text();
        assert!(html.contains("registered itself") && html.contains("Your phone number"));
        assert!(html.contains("Reading what applications keep") && !html.contains("Your e-mail address"));
        ada.fill(&question, &[("decision", "allow")]).await.expect(200);
        let form = [("client_id", id), ("grant_type", GRANT), ("device_code", device["device_code"].as_str().unwrap())];
        let tokens = server.post(&format!("{}/token", client.base)).form(&form).send().await.expect(200).json();
        assert_eq!(tokens["scope"], "openid appid_default appid_authenticated phone appid_readuserattr");
        let sub = decode(&tokens["id_token"]).1["sub"].as_str().unwrap().to_owned();
        let consents = client.instance.get(&format!("users/{sub}/consents")).await;
        assert_eq!(consents["consents"][0]["scopes"], json!(["openid", "phone", "appid_readuserattr"]));
    }
}

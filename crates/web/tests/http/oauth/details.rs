//! Authorization details (RFC 9396).

use serde_json::{Value, json};
use vestibule_testkit::{TestRequest, TestResponse, TestServer, on_each_engine};

use super::setup::{CALLBACK, Client, PASSWORD, cookie, decode, field, parameter, refused};

fn types() -> Value {
    json!([
        {"type": "payment", "title": "Payment", "fields": ["amount", "creditor", "actions"], "required": ["amount"]},
        {"type": "account", "fields": ["actions"]},
    ])
}

fn payment() -> Value {
    json!({"type": "payment", "amount": {"currency": "EUR", "value": "123.50"}, "creditor": "Merchant <b>\u{202e}x", "actions": ["pay", "cancel"]})
}

/// An application of an instance that knows two types and gives refresh tokens.
async fn setup(server: &TestServer) -> Client<'_> {
    let client = Client::new(server).await;
    let body = json!({"authorizationDetailsTypes": types(), "deviceAuthorization": true});
    client.instance.put("config/oauth", body).await.expect(200);
    let body = json!({"refresh": {"enabled": true}});
    client.instance.put("config/tokens", body).await.expect(200);
    client
}

fn encoded(details: &Value) -> String {
    let text = details.to_string();
    let escaped = text.bytes().map(|b| format!("%{b:02X}"));
    format!("authorization_details={}", escaped.collect::<String>())
}

/// The question after the sign-in, and the cookie of the browser.
async fn question(client: &Client<'_>, details: &Value) -> (TestResponse, String) {
    let page = client.authorize(&encoded(details)).await.expect(200);
    let question = client
        .submit(&page, "ada@example.com", PASSWORD)
        .await
        .expect(200);
    (question, cookie(&page))
}

fn decide(
    client: &Client<'_>,
    (page, cookie): &(TestResponse, String),
    decision: &str,
) -> TestRequest {
    let html = page.text();
    let context = field(&html, "name=\"context\" value=\"");
    let form = [("context", context.as_str()), ("decision", decision)];
    let request = client.server().post(&field(&html, "action=\""));
    request.header("cookie", cookie.clone()).form(&form)
}

async fn agreed(client: &Client<'_>, details: &Value) -> String {
    let asked = question(client, details).await;
    let answer = decide(client, &asked, "allow").send().await.expect(303);
    parameter(&answer.header("location"), "code")
}

fn held(tokens: &Value) -> Value {
    decode(&tokens["access_token"]).1["authorization_details"].clone()
}

on_each_engine! {
    async fn people_agree_in_detail_each_time(server) {
        let client = setup(&server).await;
        let details = json!([payment(), {"type": "account", "actions": ["read"]}]);
        let asked = question(&client, &details).await;
        let html = asked.0.text();
        // It is readable, and nothing but text.
        assert!(html.contains("<h2>Payment</h2>") && html.contains("<h2>account</h2>"), "{html}");
        assert!(html.contains("<dt><bdi>amount › value</bdi></dt><dd><bdi>123.50</bdi></dd>"), "{html}");
        assert!(html.contains("Merchant &lt;b&gt;\u{fffd}x"), "{html}");
        assert!(!html.contains("registered itself"));
        let no = decide(&client, &asked, "deny").send().await.expect(303);
        assert_eq!(parameter(&no.header("location"), "error"), "access_denied");
        let code = agreed(&client, &details).await;
        let tokens = client.redeem(&code, &[]).await.expect(200).json();
        assert_eq!(tokens["authorization_details"], details);
        assert_eq!(held(&tokens), details);
        assert!(decode(&tokens["id_token"]).1.get("authorization_details").is_none());
        let seen = client.post("introspect").form(&[("token", tokens["access_token"].as_str().unwrap())]).send().await.expect(200).json();
        assert_eq!(seen, json!({"active": true, "authorization_details": details}));
        // Who is signed in is asked, too.
        client.instance.put("config/cloud_directory/sso", json!({"isActive": true, "inactivityTimeoutSeconds": 600, "logoutRedirectUris": []})).await.expect(201);
        let page = client.authorize("").await.expect(200);
        let signed_in = client.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
        let session = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
        let ask = async |more: &str| {
            let path = format!("{}/authorization?client_id={}&redirect_uri={CALLBACK}&response_type=code&{}{more}", client.base, client.id, encoded(&details));
            server.get(&path).header("cookie", session.clone()).send().await
        };
        assert!(ask("").await.expect(200).text().contains("<h2>Payment</h2>"));
        let silent = ask("&prompt=none").await.expect(302);
        assert_eq!(parameter(&silent.header("location"), "error"), "consent_required");
    }

    async fn the_token_endpoint_narrows(server) {
        let client = setup(&server).await;
        let details = json!([payment(), {"type": "account", "actions": ["read", "write"]}]);
        let code = agreed(&client, &details).await;
        let more = [
            json!([{"type": "account", "actions": ["delete"]}]),
            json!([{"type": "account"}]),
            json!([{"type": "payment", "amount": {"currency": "EUR", "value": "999.00"}}]),
            json!([{"type": "loan"}]),
            json!([]),
            json!("x"),
        ];
        for more in &more {
            refused(client.redeem(&code, &[("authorization_details", &more.to_string())]).await, 400, "invalid_authorization_details");
        }
        let less = json!([{"type": "account", "actions": ["read"]}]);
        let tokens = client.redeem(&code, &[("authorization_details", &less.to_string())]).await.expect(200).json();
        assert_eq!((&tokens["authorization_details"], &held(&tokens)), (&less, &less));
        let renew = async |tokens: &Value, wish: Option<&Value>| {
            let text = wish.map(Value::to_string).unwrap_or_default();
            let form = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap()), ("authorization_details", &text)];
            client.token(&form).await
        };
        for more in &more {
            refused(renew(&tokens, Some(more)).await, 400, "invalid_authorization_details");
        }
        let tokens = renew(&tokens, None).await.expect(200).json();
        assert_eq!(tokens["authorization_details"], details);
        // Types that are known no more are given no more.
        client.instance.put("config/oauth", json!({"authorizationDetailsTypes": [types()[1]]})).await.expect(200);
        let tokens = renew(&tokens, None).await.expect(200).json();
        assert_eq!(held(&tokens), json!([details[1]]));
        refused(renew(&tokens, Some(&json!([payment()]))).await, 400, "invalid_authorization_details");
        // Where nobody is asked nothing is agreed to.
        let plain = [("grant_type", "client_credentials"), ("authorization_details", r#"[{"type":"account","actions":["read"]}]"#)];
        refused(client.token(&plain).await, 400, "invalid_authorization_details");
        let ada = client.ada().await;
        assert!(ada.get("authorization_details").is_none() && held(&ada).is_null());
        refused(renew(&ada, Some(&less)).await, 400, "invalid_authorization_details");
    }

    async fn bad_details_are_refused(server) {
        let client = setup(&server).await;
        let deep = format!("[{{\"type\":\"payment\",\"amount\":{}1{}}}]", "[".repeat(50), "]".repeat(50));
        for bad in [
            "x",
            "{}",
            "[]",
            "[7]",
            r#"[{"actions":["read"]}]"#,
            r#"[{"type":"loan"}]"#,
            r#"[{"type":"payment"}]"#,
            r#"[{"type":"payment","amount":1,"more":2}]"#,
            r#"[{"type":"account","actions":"read"}]"#,
            &deep,
        ] {
            let form = [("response_type", "code"), ("redirect_uri", CALLBACK), ("authorization_details", bad)];
            refused(client.post("par").form(&form).send().await, 400, "invalid_authorization_details");
            refused(client.post("device_authorization").form(&form[2..]).send().await, 400, "invalid_authorization_details");
            let asked = format!("authorization_details={}", bad.bytes().map(|b| format!("%{b:02X}")).collect::<String>());
            let answer = client.authorize(&asked).await.expect(302);
            assert_eq!(parameter(&answer.header("location"), "error"), "invalid_authorization_details", "{bad}");
        }
        let anonymous = client.authorize(&format!("idp=appid_anon&{}", encoded(&json!([payment()])))).await.expect(302);
        assert_eq!(parameter(&anonymous.header("location"), "error"), "invalid_authorization_details");
        for bad in [json!([{"fields": []}]), json!([{"type": "a", "required": ["b"]}]), json!([{"type": "a"}, {"type": "a"}]), json!("a")] {
            client.instance.put("config/oauth", json!({"authorizationDetailsTypes": bad})).await.expect(400);
        }
    }

    async fn instances_and_applications_name_their_types(server) {
        let client = setup(&server).await;
        let path = format!("{}/.well-known/openid-configuration", client.base);
        let found = server.get(&path).send().await.expect(200).json();
        assert_eq!(found["authorization_details_types_supported"], json!(["payment", "account"]));
        let metadata = format!("applications/{}/metadata", client.id);
        client.instance.put(&metadata, json!({"authorization_details_types": ["loan"]})).await.expect(400);
        client.instance.put(&metadata, json!({"authorization_details_types": ["account"]})).await.expect(200);
        let form = |details: &'static str| [("response_type", "code"), ("redirect_uri", CALLBACK), ("authorization_details", details)];
        refused(client.post("par").form(&form(r#"[{"type":"payment","amount":1}]"#)).send().await, 400, "invalid_authorization_details");
        client.post("par").form(&form(r#"[{"type":"account","actions":["read"]}]"#)).send().await.expect(201);
        // Without types the parameter means nothing.
        client.instance.put("config/oauth", json!({})).await.expect(200);
        let found = server.get(&path).send().await.expect(200).json();
        assert!(found.get("authorization_details_types_supported").is_none());
        let code = client.code(&encoded(&json!([payment()]))).await;
        let tokens = client.redeem(&code, &[("authorization_details", "x")]).await.expect(200).json();
        assert!(tokens.get("authorization_details").is_none() && held(&tokens).is_null());
    }

    async fn devices_ask_in_detail(server) {
        let client = setup(&server).await;
        let details = json!([payment()]);
        let device = client.post("device_authorization").form(&[("authorization_details", &details.to_string())]).send().await.expect(200).json();
        let page = server.post(&format!("{}/device", client.base)).form(&[("user_code", device["user_code"].as_str().unwrap())]).send().await.expect(200);
        let browser = cookie(&page);
        let asked = (client.submit(&page, "ada@example.com", PASSWORD).await.expect(200), browser);
        assert!(asked.0.text().contains("<h2>Payment</h2>"));
        decide(&client, &asked, "allow").send().await.expect(200);
        let form = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", device["device_code"].as_str().unwrap())];
        let tokens = client.token(&form).await.expect(200).json();
        assert_eq!((&tokens["authorization_details"], &held(&tokens)), (&details, &details));
    }
}

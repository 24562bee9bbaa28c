//! `config`: families and identity providers.

use serde_json::{Value, json};
use vestibule_testkit::on_each_engine;

use crate::instance::{Instance, refused};

const RSA_2048: &str = include_str!("../fixtures/certificate-rsa-2048.pem");
const RSA_1024: &str = include_str!("../fixtures/certificate-rsa-1024.pem");
const P256: &str = include_str!("../fixtures/certificate-p256.pem");
const KEY_2048: &str = include_str!("../fixtures/public-rsa-2048.pem");
const KEY_1024: &str = include_str!("../fixtures/public-rsa-1024.pem");
const DAY: i64 = 86_400;

fn saml(certificates: Value) -> Value {
    json!({
        "entityID": "https://idp.example.com/metadata",
        "signInUrl": "https://idp.example.com/sso",
        "certificates": certificates,
    })
}

on_each_engine! {
    async fn tokens_left_out_go_back_to_their_defaults(server) {
        let at = Instance::new(&server, "one").await;
        let defaults = json!({
            "idTokenClaims": [],
            "accessTokenClaims": [],
            "access": {"expires_in": 3600},
            "refresh": {"expires_in": 2592000, "enabled": false},
            "anonymousAccess": {"expires_in": 2592000, "enabled": true},
        });
        assert_eq!(at.get("config/tokens").await, defaults);
        let set = at
            .put(
                "config/tokens",
                json!({
                    "idTokenClaims": [{"source": "saml", "sourceClaim": "attributes.uid", "destinationClaim": ""}],
                    "accessTokenClaims": [{"source": "roles", "sourceClaim": ""}],
                    "access": {"expires_in": 600.0},
                    "refresh": {"enabled": true},
                    "anonymousAccess": {"enabled": false},
                    "unknown": true,
                }),
            )
            .await
            .expect(200)
            .json();
        let expected = json!({
            "idTokenClaims": [{"source": "saml", "sourceClaim": "attributes.uid"}],
            "accessTokenClaims": [{"source": "roles"}],
            "access": {"expires_in": 600},
            "refresh": {"expires_in": 2592000, "enabled": true},
            "anonymousAccess": {"expires_in": 2592000, "enabled": false},
        });
        assert_eq!(set, expected);
        assert_eq!(at.get("config/tokens").await, expected);
        for bad in [
            json!({"access": {"expires_in": 299}}),
            json!({"access": {"expires_in": 86401}}),
            json!({"refresh": {"expires_in": 7776001}}),
            json!({"anonymousAccess": {"expires_in": 86399}}),
            json!({"access": {"expires_in": "600"}}),
            json!({"idTokenClaims": [{"source": "elsewhere", "sourceClaim": "x"}]}),
            json!({"idTokenClaims": [{"source": "saml"}]}),
            json!({"idTokenClaims": [{"sourceClaim": "x"}]}),
            json!({"accessTokenClaims": vec![json!({"source": "roles"}); 101]}),
            json!([]),
        ] {
            refused(at.put("config/tokens", bad).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(at.get("config/tokens").await, expected);
        assert_eq!(at.put("config/tokens", json!({})).await.expect(200).json(), defaults);
    }

    async fn switches_of_the_oauth_server_go_back_to_their_defaults(server) {
        let at = Instance::new(&server, "one").await;
        let defaults = json!({
            "profile": "none",
            "signingAlgorithm": "RS256",
            "pushedRequests": "allowed",
            "requestObjects": "off",
            "requestUris": false,
            "jarm": true,
            "dpop": "allowed",
            "dpopNonce": false,
            "mutualTls": "off",
            "jwtAccessTokens": false,
            "deviceAuthorization": false,
            "tokenExchange": false,
            "resources": [],
            "authorizationDetailsTypes": [],
        });
        assert_eq!(at.get("config/oauth").await, defaults);
        let mut expected = defaults.clone();
        expected["profile"] = json!("fapi2");
        expected["signingAlgorithm"] = json!("PS256");
        let set = at.put("config/oauth", json!({"profile": "fapi2", "signingAlgorithm": "PS256", "unknown": 1})).await;
        assert_eq!(set.expect(200).json(), expected);
        assert_eq!(at.get("config/oauth").await, expected);
        let keys = at.get("keys").await;
        for bad in [
            json!({"profile": "fapi2"}),
            json!({"signingAlgorithm": "HS256"}),
            json!({"signingAlgorithm": "none"}),
            json!({"dpop": true}),
            json!({"mutualTls": true}),
            json!({"dpopNonce": "allowed"}),
            json!({"requestUris": "allowed"}),
            json!({"jwtAccessTokens": "yes"}),
            json!({"deviceAuthorization": "allowed"}),
            json!({"tokenExchange": 1}),
            json!({"resources": ["api"]}),
            json!({"authorizationDetailsTypes": [{}]}),
            json!([]),
        ] {
            refused(at.put("config/oauth", bad).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(at.get("config/oauth").await, expected);
        assert_eq!(at.get("keys").await, keys);
        assert_eq!(at.put("config/oauth", json!({})).await.expect(200).json(), defaults);
    }

    async fn redirect_uris_are_replaced(server) {
        let at = Instance::new(&server, "one").await;
        assert_eq!(at.get("config/redirect_uris").await, json!({"redirectUris": []}));
        let uris = json!(["https://app.example.com/cb", "http://localhost:3000/*"]);
        let set = at
            .put("config/redirect_uris", json!({"redirectUris": uris, "trustCloudIAMRedirectUris": true}))
            .await
            .expect(204);
        assert!(set.body.is_empty());
        assert_eq!(at.get("config/redirect_uris").await, json!({ "redirectUris": uris }));
        for bad in [
            json!(["app://cb"]),
            json!(["https://*.example.com/"]),
            json!(["https://app.example.com/cb#f"]),
            json!(["/cb"]),
            json!([""]),
            json!([1]),
            json!("https://app.example.com/cb"),
            json!(vec!["https://app.example.com/"; 1001]),
        ] {
            refused(at.put("config/redirect_uris", json!({ "redirectUris": bad })).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(at.get("config/redirect_uris").await, json!({ "redirectUris": uris }));
        at.put("config/redirect_uris", json!({})).await.expect(204);
        assert_eq!(at.get("config/redirect_uris").await, json!({"redirectUris": []}));
    }

    async fn switches_and_pages(server) {
        let at = Instance::new(&server, "one").await;
        for (path, default, other, bad) in [
            ("users_profile", json!({"isActive": true}), json!({"isActive": false}), json!({})),
            (
                "ui/theme_text",
                json!({"tabTitle": "Login", "footnote": "Powered by Vestibule"}),
                json!({"tabTitle": "Welcome", "footnote": ""}),
                json!({"tabTitle": "x".repeat(201)}),
            ),
            (
                "ui/theme_color",
                json!({"headerColor": "#EEF2F5"}),
                json!({"headerColor": "#012"}),
                json!({"headerColor": "red;background:url(//evil.example)"}),
            ),
            (
                "ui/languages",
                json!({"languages": ["en"]}),
                json!({"languages": ["de", "pt-BR"]}),
                json!({"languages": []}),
            ),
        ] {
            let path = format!("config/{path}");
            assert_eq!(at.get(&path).await, default);
            at.put(&path, other.clone()).await.expect(204);
            assert_eq!(at.get(&path).await, other);
            refused(at.put(&path, bad).await, 400, "INVALID_REQUEST");
            assert_eq!(at.get(&path).await, other);
        }
    }

    async fn cloud_directory_reads_every_spelling_of_off(server) {
        let at = Instance::new(&server, "one").await;
        let path = "config/idps/cloud_directory";
        let mut expected = json!({
            "isActive": true,
            "config": {
                "selfServiceEnabled": true,
                "signupEnabled": true,
                "interactions": {
                    "identityConfirmation": {"accessMode": "FULL", "methods": ["email"]},
                    "welcomeEnabled": true,
                    "resetPasswordEnabled": true,
                    "resetPasswordNotificationEnable": true,
                },
                "identityField": "email",
            },
        });
        assert_eq!(at.get(path).await, expected);
        for off in [json!("OFF"), json!("false"), json!(false)] {
            expected["config"]["interactions"]["identityConfirmation"]["accessMode"] = off;
            let set = at.put(path, expected.clone()).await.expect(200).json();
            expected["config"]["interactions"]["identityConfirmation"]["accessMode"] = json!("OFF");
            assert_eq!(set, expected);
            assert_eq!(at.get(path).await, expected);
        }
        let off = at.put(path, json!({"isActive": false})).await.expect(200).json();
        assert_eq!(off["config"], expected["config"], "config left out stays");
        for bad in [
            json!({"config": {}}),
            json!({"isActive": "yes"}),
            json!({"isActive": true, "config": {"identityField": "phone"}}),
            json!({"isActive": true, "config": {"interactions": {"identityConfirmation": {"accessMode": "MAYBE"}}}}),
            json!({"isActive": true, "config": {"interactions": {"identityConfirmation": {"accessMode": true}}}}),
            json!({"isActive": true, "config": {"interactions": {"identityConfirmation": {"methods": ["sms"]}}}}),
        ] {
            refused(at.put(path, bad).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(at.get(path).await, off);
    }

    async fn the_identity_field_changes_freely_while_the_directory_is_empty(server) {
        let at = Instance::new(&server, "one").await;
        let path = "config/idps/cloud_directory";
        let named = at
            .put(path, json!({"isActive": true, "config": {"identityField": "userName"}}))
            .await
            .expect(200)
            .json();
        assert_eq!(named["config"]["identityField"], "userName");
        let kept = at.put(path, json!({"isActive": true, "config": {"signupEnabled": false}})).await.expect(200).json();
        assert_eq!(kept["config"]["identityField"], "userName", "left out, it stays");
    }

    async fn the_identity_field_is_settled_by_the_first_user(server) {
        let at = Instance::new(&server, "one").await;
        let path = "config/idps/cloud_directory";
        at.directory_user("first@example.com").await;
        let before = at.get(path).await;
        refused(
            at.put(path, json!({"isActive": false, "config": {"identityField": "userName"}})).await,
            400,
            "DIRECTORY_NOT_EMPTY",
        );
        assert_eq!(at.get(path).await, before);
        at.put(path, json!({"isActive": false, "config": {"identityField": "email"}})).await.expect(200);
        let other = Instance::new(&server, "two").await;
        other.put(path, json!({"isActive": true, "config": {"identityField": "userName"}})).await.expect(200);
    }

    async fn social_providers_keep_their_credentials(server) {
        let at = Instance::new(&server, "one").await;
        for provider in ["facebook", "google"] {
            let path = format!("config/idps/{provider}");
            let url = format!("http://vestibule.test/oauth/v4/{}/callback/{provider}", at.guid);
            assert_eq!(at.get(&path).await, json!({"isActive": false, "redirectURL": url}));
            refused(at.put(&path, json!({"isActive": true})).await, 400, "INVALID_REQUEST");
            let credentials = json!({"idpId": "app", "secret": "hush"});
            let set = at
                .put(&path, json!({"isActive": true, "config": credentials, "extra": {"is": "ignored"}}))
                .await
                .expect(200)
                .json();
            assert_eq!(set, json!({"isActive": true, "config": credentials, "redirectURL": url}));
            let off = at.put(&path, json!({"isActive": false})).await.expect(200).json();
            assert_eq!(off, json!({"isActive": false, "config": credentials, "redirectURL": url}));
            for bad in [
                json!({"config": credentials}),
                json!({"isActive": true, "config": {"idpId": "app"}}),
                json!({"isActive": true, "config": {"idpId": "", "secret": "s"}}),
                json!({"isActive": true, "config": {"idpId": "a", "secret": ""}}),
                json!({"isActive": true, "config": {"idpId": "a".repeat(1001), "secret": "s"}}),
                json!({"isActive": true, "config": {"idpId": "a", "secret": "s".repeat(1001)}}),
                json!({"isActive": true, "config": {"idpId": 5, "secret": "s"}}),
            ] {
                let answer = at.put(&path, bad).await;
                assert!(!answer.text().contains("hush"));
                refused(answer, 400, "INVALID_REQUEST");
            }
            assert_eq!(at.get(&path).await, off);
        }
    }

    async fn the_custom_provider_needs_a_strong_key(server) {
        let at = Instance::new(&server, "one").await;
        let path = "config/idps/custom";
        assert_eq!(at.get(path).await, json!({"isActive": false}));
        refused(at.put(path, json!({"isActive": true})).await, 400, "INVALID_REQUEST");
        refused(at.put(path, json!({"isActive": true, "config": {"publicKey": ""}})).await, 400, "INVALID_REQUEST");
        for bad in [KEY_1024, P256, "not a key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
            for active in [true, false] {
                let body = json!({"isActive": active, "config": {"publicKey": bad}});
                refused(at.put(path, body).await, 400, "INVALID_REQUEST");
            }
        }
        assert_eq!(at.get(path).await, json!({"isActive": false}));
        let whole = json!({"isActive": true, "config": {"publicKey": KEY_2048}});
        assert_eq!(at.put(path, whole.clone()).await.expect(200).json(), whole);
        assert_eq!(at.get(path).await, whole);
        let off = at.put(path, json!({"isActive": false})).await.expect(200).json();
        assert_eq!(off["config"]["publicKey"], KEY_2048, "config left out stays");
        let cleared = at.put(path, json!({"isActive": false, "config": {}})).await.expect(200).json();
        assert_eq!(cleared, json!({"isActive": false, "config": {}}));
    }

    async fn saml_is_configured_before_it_is_enabled(server) {
        let at = Instance::new(&server, "one").await;
        let path = "config/idps/saml";
        assert_eq!(at.get(path).await, json!({"isActive": false}));
        refused(at.put(path, json!({"isActive": true})).await, 400, "INVALID_REQUEST");
        let set = at
            .put(path, json!({"isActive": true, "config": saml(json!([RSA_2048]))}))
            .await
            .expect(200)
            .json();
        let config = json!({
            "entityID": "https://idp.example.com/metadata",
            "signInUrl": "https://idp.example.com/sso",
            "certificates": [RSA_2048],
            "displayName": "SAML",
            "authnContext": {
                "class": ["urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"],
                "comparison": "exact",
            },
            "signRequest": false,
            "encryptResponse": false,
            "includeScoping": false,
            "idpInitEnabled": false,
        });
        assert_eq!(set["isActive"], true);
        assert_eq!(set["config"], config);
        assert_eq!(at.get(path).await, json!({"isActive": true, "config": config}));
        let off = at.put(path, json!({"isActive": false})).await.expect(200).json();
        assert_eq!(off["config"], config, "config left out stays");
        assert_eq!(off["validation_data"]["certificates"].as_array().unwrap().len(), 1);
    }

    async fn certificates_are_checked_but_may_be_old(server) {
        let mut at = Instance::new(&server, "one").await;
        let path = "config/idps/saml";
        let bare: String = RSA_2048.lines().filter(|line| !line.starts_with('-')).collect();
        let body = json!({"isActive": true, "config": saml(json!([RSA_2048, bare]))});
        for (days, warning) in [
            (1, Value::Null),
            (3640, json!("The certificate expires within 30 days.")),
            (30, json!("The certificate has expired.")),
        ] {
            server.clock.advance_seconds(days * DAY);
            at.token = server.admin_token().await;
            let answer = at.put(path, body.clone()).await.expect(200).json();
            let checks = answer["validation_data"]["certificates"].as_array().unwrap();
            assert_eq!(checks.len(), 2);
            for (index, check) in checks.iter().enumerate() {
                assert_eq!(check["certificate_index"], index);
                // notAfter of the fixture: 20 November 2036, 22:26:50 UTC.
                assert_eq!(check["expiration_timestamp"], 2_110_832_810_000_i64);
                assert_eq!(check.get("warning").cloned().unwrap_or_default(), warning, "{days}");
            }
        }
        let stored = at.get(path).await;
        for bad in [
            json!([]),
            json!([RSA_2048, RSA_2048, RSA_2048]),
            json!([RSA_1024]),
            json!([P256]),
            json!([KEY_2048]),
            json!([RSA_2048, "x"]),
            json!([""]),
            json!(RSA_2048),
            json!(["A".repeat(20_001)]),
        ] {
            refused(at.put(path, json!({"isActive": true, "config": saml(bad)})).await, 400, "INVALID_REQUEST");
        }
        for (member, bad) in [
            ("entityID", json!("")),
            ("entityID", Value::Null),
            ("signInUrl", json!("javascript:alert(1)")),
            ("signInUrl", json!("idp.example.com")),
            ("authnContext", json!({"comparison": "about"})),
            ("authnContext", json!({"class": ["Password"]})),
            ("signRequest", json!("yes")),
            ("idpRedirectUrl", json!("ftp://app.example.com")),
        ] {
            let mut config = saml(json!([RSA_2048]));
            config[member] = bad;
            refused(at.put(path, json!({"isActive": true, "config": config})).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(at.get(path).await, stored);
    }
}

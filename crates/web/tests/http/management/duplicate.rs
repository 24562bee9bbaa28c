//! `config/duplicate`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use vestibule_engine::config::FAMILIES;
use vestibule_model::{id::TenantId, privilege::ServiceRole};
use vestibule_testkit::{TestServer, on_each_engine};

use crate::instance::{Instance, refused};

const CERTIFICATE: &str = include_str!("../fixtures/certificate-rsa-2048.pem");
const KEY: &str = include_str!("../fixtures/public-rsa-2048.pem");

/// For each family a body that is not its default, to be put at `config/{family}`. A family that is added later and has none here
/// fails the tests that use it.
fn samples() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        (
            "idps/cloud_directory",
            json!({"isActive": false, "config": {"selfServiceEnabled": false, "identityField": "userName"}}),
        ),
        (
            "idps/facebook",
            json!({"isActive": true, "config": {"idpId": "fb", "secret": "fb secret"}}),
        ),
        (
            "idps/google",
            json!({"isActive": false, "config": {"idpId": "g", "secret": "g secret"}}),
        ),
        (
            "idps/custom",
            json!({"isActive": true, "config": {"publicKey": KEY}}),
        ),
        (
            "idps/saml",
            json!({"isActive": true, "config": {
                "entityID": "idp", "signInUrl": "https://idp.example.com", "certificates": [CERTIFICATE],
                "displayName": "Corporate", "idpInitEnabled": true, "idpRedirectUrl": "https://app.example.com",
            }}),
        ),
        (
            "tokens",
            json!({"access": {"expires_in": 900}, "accessTokenClaims": [{"source": "roles"}]}),
        ),
        (
            "oauth",
            json!({"signingAlgorithm": "ES256", "dpop": "required", "dpopNonce": true, "mutualTls": "allowed", "requestUris": true, "jwtAccessTokens": true,
                "deviceAuthorization": true, "tokenExchange": true, "resources": ["https://api.example.com"],
                "authorizationDetailsTypes": [{"type": "payment", "title": "Payment", "fields": ["amount"], "required": ["amount"]}]}),
        ),
        (
            "cloud_directory/sso",
            json!({"isActive": true, "inactivityTimeoutSeconds": 600, "logoutRedirectUris": ["https://app.example.com/out"]}),
        ),
        (
            "oauth/registration",
            json!({"enabled": "initial_token", "consentRequired": false, "most": 10}),
        ),
        ("users_profile", json!({"isActive": false})),
        (
            "redirect_uris",
            json!({"redirectUris": ["https://app.example.com/*"]}),
        ),
        (
            "ui/theme_text",
            json!({"tabTitle": "Welcome", "footnote": "Example Ltd"}),
        ),
        ("ui/theme_color", json!({"headerColor": "#123456"})),
        ("ui/languages", json!({"languages": ["de", "fr"]})),
    ])
}

/// Two instances, the first with every family set.
async fn pair(server: &TestServer) -> (Instance<'_>, Instance<'_>) {
    let source = Instance::new(server, "source").await;
    let target = Instance::new(server, "target").await;
    for (family, body) in samples() {
        let status = source.put(&format!("config/{family}"), body).await.status;
        assert!(status.is_success(), "{family}: {status}");
    }
    (source, target)
}

/// All families as an instance answers them, without what names the instance itself.
async fn configuration(at: &Instance<'_>) -> Map<String, Value> {
    let mut all = Map::new();
    for family in FAMILIES {
        let mut body = at.get(&format!("config/{}", family.name)).await;
        if let Some(members) = body.as_object_mut() {
            members.remove("redirectURL");
        }
        all.insert(family.name.to_owned(), body);
    }
    all
}

/// Everything about an instance that a duplication may touch.
async fn everything(at: &Instance<'_>) -> Value {
    let id = TenantId::parse(&at.guid).unwrap();
    json!({
        "config": configuration(at).await,
        "applications": at.get("applications").await,
        "roles": at.get("roles").await,
        "version": at.server.engine.tenant(id).await.unwrap().version,
    })
}

async fn duplicate(target: &Instance<'_>, source: &Instance<'_>, more: Value) -> Value {
    let mut body = more;
    body["sourceTenantId"] = json!(source.guid);
    target
        .post("config/duplicate", body)
        .await
        .expect(200)
        .json()
}

fn warned(answer: &Value, text: &str) -> bool {
    let warnings = answer["warnings"].as_array().unwrap();
    warnings
        .iter()
        .any(|warning| warning.as_str().unwrap().contains(text))
}

#[test]
fn every_family_has_a_sample() {
    let mut names: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    names.sort_unstable();
    assert_eq!(samples().into_keys().collect::<Vec<_>>(), names);
}

on_each_engine! {
    async fn every_family_is_carried(server) {
        let (source, target) = pair(&server).await;
        let before = configuration(&target).await;
        let wanted = configuration(&source).await;
        for (family, body) in &before {
            assert_ne!(body, &wanted[family], "the sample of {family} is its default");
        }
        for family in FAMILIES {
            let mut expected = configuration(&target).await;
            expected.insert(family.name.to_owned(), wanted[family.name].clone());
            let answer = duplicate(&target, &source, json!({"families": [family.name]})).await;
            assert_eq!(answer["families"], json!({family.name: "created"}));
            assert_eq!(answer.get("applications"), None);
            assert_eq!(answer.get("roles"), None);
            assert_eq!(configuration(&target).await, expected, "{} and nothing else", family.name);
            let again = duplicate(&target, &source, json!({"families": [family.name]})).await;
            assert_eq!(again, json!({"families": {family.name: "unchanged"}, "warnings": []}));
        }
        assert_eq!(configuration(&target).await, wanted);
        // And back: an instance where nothing was set gives its defaults.
        let fresh = Instance::new(&server, "fresh").await;
        let all: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
        let answer = duplicate(&target, &fresh, json!({ "families": all })).await;
        for family in FAMILIES {
            assert_eq!(answer["families"][family.name], "updated", "{}", family.name);
        }
        assert_eq!(configuration(&target).await, before);
    }

    async fn redirect_uris_stay_behind_unless_named(server) {
        let (source, target) = pair(&server).await;
        let answer = duplicate(&target, &source, json!({})).await;
        for family in FAMILIES {
            let outcome = if family.name == "redirect_uris" { "skipped" } else { "created" };
            assert_eq!(answer["families"][family.name], outcome, "{}", family.name);
        }
        assert!(warned(&answer, "redirect_uris stay behind"));
        assert_eq!(target.get("config/redirect_uris").await, json!({"redirectUris": []}));
        let mut wanted = configuration(&source).await;
        wanted.insert(String::from("redirect_uris"), json!({"redirectUris": []}));
        assert_eq!(configuration(&target).await, wanted);
    }

    async fn providers_must_hear_of_the_new_instance(server) {
        let (source, target) = pair(&server).await;
        let answer = duplicate(&target, &source, json!({})).await;
        let base = format!("http://vestibule.test/oauth/v4/{}", target.guid);
        for text in [
            format!("{base}/callback/facebook"),
            format!("{base}/callback/google"),
            format!("must name {base} as their audience"),
            format!("http://vestibule.test/saml2/v1/{}/login-acs", target.guid),
        ] {
            assert!(warned(&answer, &text), "{text} in {answer}");
        }
        assert!(!answer.to_string().contains("secret\""));
        assert!(!answer.to_string().contains(&source.guid));
    }

    async fn a_dry_run_says_the_same_and_changes_nothing(server) {
        let (source, target) = pair(&server).await;
        let shop = source.application("Shop", &["read", "write"]).await;
        source.role("reader", json!([{"application_id": shop, "scopes": ["read"]}])).await;
        target.application("Shop", &["read"]).await;
        let asked = json!({"include": ["applications", "roles"]});
        let before = everything(&target).await;
        let mut dry = asked.clone();
        dry["dryRun"] = json!(true);
        let preview = duplicate(&target, &source, dry).await;
        assert_eq!(everything(&target).await, before);
        assert_eq!(duplicate(&target, &source, asked).await, preview);
        assert_ne!(everything(&target).await, before);
    }

    async fn the_source_and_the_keys_stay_as_they_are(server) {
        let (source, target) = pair(&server).await;
        source.application("Shop", &["read"]).await;
        let before = everything(&source).await;
        let keys_of = |guid: &str| {
            let (engine, id) = (server.engine.clone(), TenantId::parse(guid).unwrap());
            async move {
                let state = engine.tenant(id).await.unwrap();
                state.keys.iter().map(|key| key.kid().to_owned()).collect::<Vec<_>>()
            }
        };
        let keys = keys_of(&target.guid).await;
        duplicate(&target, &source, json!({"include": ["applications", "roles"]})).await;
        assert_eq!(everything(&source).await, before);
        // The algorithm that came along signs with a key of the target's own.
        let (after, other) = (keys_of(&target.guid).await, keys_of(&source.guid).await);
        assert_eq!((keys.len(), after.len()), (1, 2));
        assert!(after.contains(&keys[0]) && after.iter().all(|key| !other.contains(key)));
    }

    async fn applications_get_credentials_of_their_own(server) {
        let source = Instance::new(&server, "source").await;
        let target = Instance::new(&server, "target").await;
        let shop = source.application("Shop", &["write", "read"]).await;
        let page = source
            .post("applications", json!({"name": "Page", "type": "singlepageapp"}))
            .await
            .expect(200)
            .json();
        assert_eq!(page.get("secret"), None);
        let same = target.application("Shop", &["read", "old"]).await;
        let kept = target.get(&format!("applications/{same}")).await;
        let other = target.application("Other", &["x"]).await;
        target.role("holder", json!([{"application_id": same, "scopes": ["old", "read"]}])).await;

        let answer = duplicate(&target, &source, json!({"families": [], "include": ["applications"]})).await;
        assert_eq!(answer["families"], json!({}));
        assert_eq!(
            answer["applications"],
            json!([{"name": "Shop", "outcome": "updated"}, {"name": "Page", "outcome": "created"}])
        );
        assert_eq!(answer.get("roles"), None);
        assert!(warned(&answer, "no scope old"));

        assert_eq!(target.get(&format!("applications/{same}")).await, kept, "client id and secret stay");
        let scopes = target.get(&format!("applications/{same}/scopes")).await;
        assert_eq!(scopes, json!({"scopes": ["write", "read"]}));
        assert_eq!(target.get(&format!("applications/{other}/scopes")).await, json!({"scopes": ["x"]}));
        let all = target.get("applications").await;
        let names: Vec<&Value> = all["applications"].as_array().unwrap().iter().map(|a| &a["name"]).collect();
        assert_eq!(names.len(), 3);
        let copy = all["applications"].as_array().unwrap().iter().find(|a| a["name"] == "Page").unwrap();
        assert_ne!(copy["clientId"], page["clientId"]);
        assert_eq!(copy["type"], "singlepageapp");
        assert_eq!(copy.get("secret"), None);
        let roles = target.get("roles").await;
        assert_eq!(roles["roles"][0]["access"], json!([{"application_id": same, "scopes": ["read"]}]));

        // A new one with a secret: another than the source's.
        let fresh = Instance::new(&server, "fresh").await;
        duplicate(&fresh, &source, json!({"families": [], "include": ["applications"]})).await;
        let all = fresh.get("applications").await;
        let copy = &all["applications"][0];
        let original = source.get(&format!("applications/{shop}")).await;
        assert_eq!(copy["name"], "Shop");
        assert_eq!(copy["secret"].as_str().unwrap().len(), 48);
        assert_ne!(copy["secret"], original["secret"]);
        assert_ne!(copy["clientId"], original["clientId"]);
    }

    async fn roles_follow_the_names_of_applications(server) {
        let source = Instance::new(&server, "source").await;
        let target = Instance::new(&server, "target").await;
        let shop = source.application("Shop", &["read", "write"]).await;
        let desk = source.application("Desk", &["open"]).await;
        let reader = source
            .role("reader", json!([{"application_id": shop, "scopes": ["read"]}, {"application_id": desk, "scopes": ["open"]}]))
            .await;
        source.role("empty", json!([])).await;
        source
            .put(&format!("applications/{desk}/roles"), json!({"roles": {"ids": [reader]}}))
            .await
            .expect(200);
        let there = target.role("reader", json!([])).await;

        let ask = json!({"families": [], "include": ["roles", "applications"]});
        let answer = duplicate(&target, &source, ask.clone()).await;
        assert_eq!(
            answer["roles"],
            json!([{"name": "empty", "outcome": "created"}, {"name": "reader", "outcome": "updated"}])
        );
        let all = target.get("applications").await;
        let id_of = |name: &str| {
            let all = all["applications"].as_array().unwrap();
            all.iter().find(|a| a["name"] == name).unwrap()["clientId"].clone()
        };
        let role = target.get(&format!("roles/{there}")).await;
        assert_eq!(
            role["access"],
            json!([{"application_id": id_of("Shop"), "scopes": ["read"]}, {"application_id": id_of("Desk"), "scopes": ["open"]}])
        );
        let desk_roles = target.get(&format!("applications/{}/roles", id_of("Desk").as_str().unwrap())).await;
        assert_eq!(desk_roles, json!({"roles": [{"id": there, "name": "reader"}]}));

        let again = duplicate(&target, &source, ask).await;
        for part in ["applications", "roles"] {
            for one in again[part].as_array().unwrap() {
                assert_eq!(one["outcome"], "unchanged", "{again}");
            }
        }
        assert_eq!(again["warnings"], json!([]));
    }

    async fn roles_alone_keep_to_what_the_target_has(server) {
        let source = Instance::new(&server, "source").await;
        let target = Instance::new(&server, "target").await;
        let shop = source.application("Shop", &["read", "write"]).await;
        let desk = source.application("Desk", &["open"]).await;
        source
            .role("r", json!([{"application_id": shop, "scopes": ["read", "write"]}, {"application_id": desk, "scopes": ["open"]}]))
            .await;
        let here = target.application("Shop", &["read"]).await;
        let answer = duplicate(&target, &source, json!({"families": [], "include": ["roles"]})).await;
        assert_eq!(answer["roles"], json!([{"name": "r", "outcome": "created"}]));
        assert_eq!(answer.get("applications"), None);
        assert!(warned(&answer, "Desk") && warned(&answer, "loses write"));
        let roles = target.get("roles").await;
        assert_eq!(roles["roles"][0]["access"], json!([{"application_id": here, "scopes": ["read"]}]));
        assert_eq!(target.get("applications").await["applications"].as_array().unwrap().len(), 1);
    }

    async fn applications_of_one_name_are_paired_in_order(server) {
        let source = Instance::new(&server, "source").await;
        let target = Instance::new(&server, "target").await;
        for scope in ["first", "second"] {
            source.application("Twin", &[scope]).await;
            server.clock.advance_seconds(1);
        }
        let ask = json!({"families": [], "include": ["applications"]});
        let answer = duplicate(&target, &source, ask.clone()).await;
        let twin = |outcome: &str| json!({"name": "Twin", "outcome": outcome});
        assert_eq!(answer["applications"], json!([twin("created"), twin("created")]));
        let answer = duplicate(&target, &source, ask).await;
        assert_eq!(answer["applications"], json!([twin("unchanged"), twin("unchanged")]));
    }

    async fn users_settle_the_identity_field_of_the_target(server) {
        let (source, target) = pair(&server).await;
        target.directory_user("first@example.com").await;
        let before = target.get("config/idps/cloud_directory").await;
        let answer = duplicate(&target, &source, json!({})).await;
        assert_eq!(answer["families"]["idps/cloud_directory"], "skipped");
        assert_eq!(answer["families"]["tokens"], "created");
        assert!(warned(&answer, "only while the directory is empty"));
        assert_eq!(target.get("config/idps/cloud_directory").await, before);
        assert_eq!(target.get("config/tokens").await, source.get("config/tokens").await);
        // With the same field on both sides the rest is carried.
        let other = Instance::new(&server, "other").await;
        other.put("config/idps/cloud_directory", json!({"isActive": false})).await.expect(200);
        let answer = duplicate(&target, &other, json!({"families": ["idps/cloud_directory"]})).await;
        assert_eq!(answer, json!({"families": {"idps/cloud_directory": "created"}, "warnings": []}));
    }

    async fn too_many_is_refused_whole(server) {
        let source = Instance::new(&server, "source").await;
        let target = Instance::new(&server, "target").await;
        for i in 0..26 {
            source.role(&format!("s{i}"), json!([])).await;
            target.role(&format!("t{i}"), json!([])).await;
        }
        source.put("config/users_profile", json!({"isActive": false})).await.expect(204);
        let before = everything(&target).await;
        let body = json!({"sourceTenantId": source.guid, "include": ["roles"]});
        refused(target.post("config/duplicate", body).await, 400, "LIMIT_EXCEEDED");
        assert_eq!(everything(&target).await, before);
    }

    async fn bad_requests_change_nothing(server) {
        let (source, target) = pair(&server).await;
        let before = everything(&target).await;
        for body in [
            json!({}),
            json!({"sourceTenantId": "source"}),
            json!({"sourceTenantId": target.guid}),
            json!({"sourceTenantId": source.guid, "families": ["idps/nothing"]}),
            json!({"sourceTenantId": source.guid, "families": ["tokens", "keys"]}),
            json!({"sourceTenantId": source.guid, "families": "tokens"}),
            json!({"sourceTenantId": source.guid, "include": ["users"]}),
            json!({"sourceTenantId": source.guid, "dryRun": "no"}),
        ] {
            refused(target.post("config/duplicate", body).await, 400, "INVALID_REQUEST");
        }
        let unknown = target
            .post("config/duplicate", json!({"sourceTenantId": source.guid, "families": ["x"]}))
            .await
            .expect(400)
            .json();
        for family in FAMILIES {
            assert!(unknown["error_description"].as_str().unwrap().contains(family.name));
        }
        let nowhere = json!({"sourceTenantId": "00000000-0000-4000-8000-000000000000"});
        refused(target.post("config/duplicate", nowhere).await, 404, "NOT_FOUND");
        assert_eq!(everything(&target).await, before);
    }

    async fn the_caller_is_manager_of_both(server) {
        let (source, mut target) = pair(&server).await;
        let before = everything(&target).await;
        let admin = std::mem::take(&mut target.token);
        let body = json!({"sourceTenantId": source.guid});

        // Manager of the target knows nothing of the source.
        target.token = server.token_with_role(&target.guid, ServiceRole::Manager).await;
        refused(target.post("config/duplicate", body.clone()).await, 404, "NOT_FOUND");

        // Manager of the source is nobody at the target.
        target.token = server.token_with_role(&source.guid, ServiceRole::Manager).await;
        refused(target.post("config/duplicate", body.clone()).await, 404, "NOT_FOUND");

        // Writer of the target must not let secrets travel.
        target.token = server.token_with_role(&target.guid, ServiceRole::Writer).await;
        refused(target.post("config/duplicate", body).await, 403, "FORBIDDEN");

        target.token = admin;
        assert_eq!(everything(&target).await, before);
    }
}

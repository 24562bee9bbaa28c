//! `applications/{clientId}/metadata`.

use serde_json::json;
use vestibule_testkit::on_each_engine;

use crate::instance::{Instance, refused};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

on_each_engine! {
    async fn metadata_are_kept_as_they_were_sent(server) {
        let at = Instance::new(&server, "one").await;
        let path = format!("applications/{}/metadata", at.application("shop", &[]).await);
        assert_eq!(at.get(&path).await, json!({}));
        let sent = json!({
            "redirect_uris": ["https://shop.example.com/cb"],
            "post_logout_redirect_uris": ["https://shop.example.com/out"],
            "grant_types": ["authorization_code", "refresh_token"],
            "client_name": "Shop",
            "token_endpoint_auth_method": "client_secret_post",
            "default_max_age": 600,
            "require_auth_time": true,
        });
        let mut more = sent.clone();
        more["client_name#de"] = json!("Laden");
        more["unknown"] = json!([1]);
        assert_eq!(at.put(&path, more).await.expect(200).json(), sent);
        assert_eq!(at.get(&path).await, sent);
        assert_eq!(at.put(&path, json!({})).await.expect(200).json(), json!({}));
        assert_eq!(at.get(&path).await, json!({}));
    }

    async fn bad_metadata_change_nothing(server) {
        let at = Instance::new(&server, "one").await;
        let path = format!("applications/{}/metadata", at.application("shop", &[]).await);
        let sent = json!({"redirect_uris": ["https://shop.example.com/cb"]});
        at.put(&path, sent.clone()).await.expect(200);
        for bad in [
            json!({"redirect_uris": ["https://*.example.com/cb"]}),
            json!({"redirect_uris": ["http://shop.example.com/cb"]}),
            json!({"grant_types": ["implicit"]}),
            json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a"}),
            json!({"tls_client_certificate_bound_access_tokens": true}),
            json!({"token_endpoint_auth_method": "private_key_jwt"}),
            json!({"jwks": {"keys": [{"kty": "RSA", "n": "x", "e": "AQAB", "d": "x"}]}}),
            json!({"client_name": "x".repeat(201)}),
            json!([]),
        ] {
            refused(at.put(&path, bad).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(at.get(&path).await, sent);
        let nobody = format!("applications/{NOBODY}/metadata");
        at.request("get", &nobody).send().await.expect(404);
        refused(at.put(&nobody, json!({})).await, 404, "NOT_FOUND");
    }

    async fn a_browser_app_stays_one(server) {
        let at = Instance::new(&server, "one").await;
        let made = at.post("applications", json!({"name": "page", "type": "singlepageapp"})).await.expect(200).json();
        let path = format!("applications/{}/metadata", made["clientId"].as_str().unwrap());
        for method in ["client_secret_basic", "client_secret_post", "client_secret_jwt"] {
            refused(at.put(&path, json!({"token_endpoint_auth_method": method})).await, 400, "INVALID_REQUEST");
        }
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "x"}]});
        let signs = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": keys});
        refused(at.put(&path, signs).await, 400, "INVALID_REQUEST");
        at.put(&path, json!({"token_endpoint_auth_method": "none"})).await.expect(200);
    }

    async fn a_duplicate_has_the_metadata(server) {
        let (source, target) = (Instance::new(&server, "source").await, Instance::new(&server, "target").await);
        let sent = json!({"redirect_uris": ["https://shop.example.com/cb"]});
        let id = source.application("shop", &[]).await;
        source.put(&format!("applications/{id}/metadata"), sent.clone()).await.expect(200);
        let wanted = json!({"sourceTenantId": source.guid, "include": ["applications"], "families": []});
        target.post("config/duplicate", wanted.clone()).await.expect(200);
        let copies = target.get("applications").await;
        let copy = format!("applications/{}/metadata", copies["applications"][0]["clientId"].as_str().unwrap());
        assert_eq!(target.get(&copy).await, sent);
        // What changed since follows; what did not is left alone.
        source.put(&format!("applications/{id}/metadata"), json!({"client_name": "Shop"})).await.expect(200);
        let again = target.post("config/duplicate", wanted.clone()).await.expect(200).json();
        assert_eq!(again["applications"], json!([{"name": "shop", "outcome": "updated"}]), "{again}");
        assert_eq!(target.get(&copy).await, json!({"client_name": "Shop"}));
        let same = target.post("config/duplicate", wanted).await.expect(200).json();
        assert_eq!(same["applications"], json!([{"name": "shop", "outcome": "unchanged"}]), "{same}");
    }
}

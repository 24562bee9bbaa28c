//! Discovery, keys, client authentication, client credentials, introspection, revocation.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use vestibule_testkit::on_each_engine;

use super::setup::{Client, decode, refused};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

on_each_engine! {
    async fn discovery_lists_what_works(server) {
        let client = Client::new(&server).await;
        let answer = server.get(&format!("{}/.well-known/openid-configuration", client.base)).send().await.expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let found = answer.json();
        let issuer = format!("http://vestibule.test{}", client.base);
        assert_eq!(found["issuer"], issuer);
        for (member, path) in [
            ("authorization_endpoint", "authorization"),
            ("token_endpoint", "token"),
            ("jwks_uri", "publickeys"),
            ("userinfo_endpoint", "userinfo"),
            ("end_session_endpoint", "logout"),
        ] {
            assert_eq!(found[member], format!("{issuer}/{path}"));
        }
        assert_eq!(found["grant_types_supported"], json!(["authorization_code", "password", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"]));
        for (member, all) in [
            ("response_types_supported", json!(["code"])),
            ("subject_types_supported", json!(["public", "pairwise"])),
            ("id_token_signing_alg_values_supported", json!(["RS256", "PS256", "ES256", "EdDSA"])),
            ("userinfo_signing_alg_values_supported", json!(["RS256", "PS256", "ES256", "EdDSA"])),
            ("scopes_supported", json!(["openid", "profile", "email", "address", "phone"])),
        ] {
            assert_eq!(found[member], all, "{member}");
        }
        for member in [
            "backchannel_logout_supported",
            "backchannel_logout_session_supported",
            "frontchannel_logout_supported",
            "frontchannel_logout_session_supported",
            "authorization_response_iss_parameter_supported",
            "claims_parameter_supported",
        ] {
            assert_eq!(found[member], true, "{member}");
        }
        let keys = server.get(&format!("{}/publickeys", client.base)).send().await.expect(200).json();
        let key = &keys["keys"][0];
        assert_eq!((&key["kty"], &key["use"]), (&json!("RSA"), &json!("sig")));
        assert!(key["kid"].as_str().unwrap().starts_with(&format!("appId-{}-", client.instance.guid)), "{key}");
        assert!(key.get("d").is_none() && key.get("p").is_none());
    }

    async fn pages_of_other_origins_may_call(server) {
        let client = Client::new(&server).await;
        for path in ["token", "userinfo", "publickeys", ".well-known/openid-configuration"] {
            let answer = server
                .request("options", &format!("{}/{path}", client.base))
                .header("origin", "https://spa.example.com")
                .header("access-control-request-headers", "x-filter-type")
                .send()
                .await
                .expect(204);
            assert_eq!(answer.header("access-control-allow-origin"), "*");
            assert!(answer.header("access-control-allow-headers").contains("x-filter-type"));
        }
        let refusal = server.post(&format!("{}/token", client.base)).send().await.expect(401);
        assert_eq!(refusal.header("access-control-allow-origin"), "*");
    }

    async fn unknown_instances_are_not_found(server) {
        for path in ["publickeys", ".well-known/openid-configuration"] {
            for tenant in ["7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6", "x", "%00"] {
                server.get(&format!("/oauth/v4/{tenant}/{path}")).send().await.expect(404);
            }
        }
    }

    async fn an_application_gets_a_token_for_itself(server) {
        let client = Client::new(&server).await;
        let answer = client.token(&[GRANT]).await.expect(200);
        assert_eq!(answer.header("cache-control"), "no-store");
        let body = answer.json();
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["access_token", "token_type", "expires_in"]);
        assert_eq!(body["expires_in"], 3600);
        let (header, claims) = decode(&body["access_token"]);
        assert_eq!((&header["alg"], &header["typ"], &header["ver"]), (&json!("RS256"), &json!("JWT"), &json!(4)));
        assert_eq!(claims["aud"], json!([client.id]));
        assert_eq!(claims["tenant"], client.instance.guid);
        assert_eq!(claims["scope"], "appid_default");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
        assert!(client.active(&body["access_token"]).await);
    }

    async fn roles_give_an_application_its_own_scopes_only(server) {
        let client = Client::new(&server).await;
        let other = client.instance.application("other", &["theirs"]).await;
        let path = format!("applications/{}/scopes", client.id);
        client.instance.put(&path, json!({"scopes": ["read", "write"]})).await.expect(200);
        let access = json!([
            {"application_id": client.id, "scopes": ["read"]},
            {"application_id": other, "scopes": ["theirs"]},
        ]);
        let role = client.instance.role("reader", access).await;
        let path = format!("applications/{}/roles", client.id);
        client.instance.put(&path, json!({"roles": {"ids": [role]}})).await.expect(200);
        let body = client.token(&[GRANT]).await.expect(200).json();
        assert_eq!(decode(&body["access_token"]).1["scope"], "appid_default read");
    }

    async fn every_way_to_say_who_calls(server) {
        let client = Client::new(&server).await;
        let path = format!("{}/token", client.base);
        let escaped = client.secret.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F");
        for (scheme, secret) in [("basic", &client.secret), ("BASIC", &client.secret), ("Basic", &escaped)] {
            let text = STANDARD.encode(format!("{}:{secret}", client.id));
            server.post(&path).header("authorization", format!("{scheme} {text}")).form(&[GRANT]).send().await.expect(200);
        }
        let form = [GRANT, ("client_id", client.id.as_str()), ("client_secret", client.secret.as_str())];
        server.post(&path).form(&form).send().await.expect(200);
        server.post(&path).basic(&client.id, &client.secret).json(&json!({"grant_type": "client_credentials"})).send().await.expect(200);
        let multipart = "--b\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--b--\r\n";
        server
            .post(&path)
            .basic(&client.id, &client.secret)
            .header("content-type", "multipart/form-data; boundary=b")
            .body(multipart)
            .send()
            .await
            .expect(200);
    }

    async fn wrong_claims_are_refused_alike(server) {
        let client = Client::new(&server).await;
        let foreign = Client::new(&server).await;
        let path = format!("{}/token", client.base);
        let mut texts = Vec::new();
        for (id, secret) in [
            (client.id.as_str(), "wrong"),
            (&client.id, ""),
            ("7ae804f3-0ed3-45f0-bc6b-1c6af868e6d6", "wrong"),
            ("nobody", "wrong"),
            (&foreign.id, &foreign.secret),
        ] {
            let answer = server.post(&path).basic(id, secret).form(&[GRANT]).send().await;
            assert!(answer.header("www-authenticate").starts_with("Basic"));
            texts.push(refused(answer, 401, "invalid_client"));
        }
        texts.dedup();
        assert_eq!(texts.len(), 1, "{texts:?}");
        for header in ["Bearer x", "Basic", "Basic !!!", "Basic bm9jb2xvbg=="] {
            refused(server.post(&path).header("authorization", header).form(&[GRANT]).send().await, 401, "invalid_client");
        }
        let twice = [GRANT, ("client_secret", client.secret.as_str())];
        refused(server.post(&path).basic(&client.id, &client.secret).form(&twice).send().await, 400, "invalid_request");
    }

    async fn malformed_requests_are_refused(server) {
        let client = Client::new(&server).await;
        refused(client.token(&[]).await, 400, "invalid_request");
        refused(client.token(&[("grant_type", "")]).await, 400, "invalid_request");
        refused(client.token(&[GRANT, GRANT]).await, 400, "invalid_request");
        refused(client.token(&[("grant_type", "implicit")]).await, 400, "unsupported_grant_type");
        for (media, body) in [
            ("application/json", "{"),
            ("application/json", "[]"),
            ("multipart/form-data", "x"),
            ("multipart/form-data; boundary=b", "--b\r\nbroken"),
        ] {
            let answer = client.post("token").header("content-type", media).body(body).send().await;
            refused(answer, 400, "invalid_request");
        }
        let large = client.post("token").body(vec![b'a'; (1 << 20) + 1]).send().await;
        refused(large, 413, "invalid_request");
        client.server().get(&format!("{}/token", client.base)).send().await.expect(405);
    }

    async fn a_browser_app_has_no_credentials_of_its_own(server) {
        let client = Client::new(&server).await.another("singlepageapp").await;
        assert_eq!(client.secret, "");
        refused(client.token(&[GRANT]).await, 400, "unauthorized_client");
        refused(client.password("ada@example.com", "correct horse battery").await, 400, "unauthorized_client");
    }

    async fn only_good_tokens_of_the_instance_are_active(server) {
        let client = Client::new(&server).await;
        let foreign = Client::new(&server).await;
        let token = client.ada().await;
        assert!(client.active(&token["access_token"]).await);
        assert!(client.active(&token["id_token"]).await);
        let theirs = foreign.ada().await;
        assert!(!client.active(&theirs["access_token"]).await);
        let mut broken = token["access_token"].as_str().unwrap().to_owned();
        broken.pop();
        for junk in [broken.as_str(), "x", "a.b.c", "..", &"a".repeat(20_000)] {
            assert!(!client.active(&json!(junk)).await, "{junk}");
        }
        server.clock.advance_seconds(3601);
        assert!(!client.active(&token["access_token"]).await);
        refused(client.post("introspect").form(&[]).send().await, 400, "invalid_request");
        refused(
            server.post(&format!("{}/introspect", client.base)).form(&[("token", "x")]).send().await,
            401,
            "invalid_client",
        );
    }

    async fn a_token_ends_when_its_application_says_so(server) {
        let client = Client::new(&server).await;
        let other = client.another("regularwebapp").await;
        let token = client.ada().await;
        let access = token["access_token"].as_str().unwrap();
        // Another application cannot end it, and does not learn that it exists.
        other.post("revoke").form(&[("token", access)]).send().await.expect(200);
        assert!(client.active(&token["access_token"]).await);
        let answer = client.post("revoke").form(&[("token", access), ("token_type_hint", "refresh_token")]).send().await.expect(200);
        assert!(answer.body.is_empty());
        assert!(!client.active(&token["access_token"]).await);
        client.userinfo(&token["access_token"]).await.expect(401);
        assert!(client.active(&token["id_token"]).await);
        client.post("revoke").form(&[("token", "unknown")]).send().await.expect(200);
        refused(client.post("revoke").form(&[]).send().await, 400, "invalid_request");
    }

    async fn tokens_end_with_their_application(server) {
        let client = Client::new(&server).await;
        let other = client.another("regularwebapp").await;
        let token = client.ada().await;
        assert!(other.active(&token["access_token"]).await);
        client.instance.delete(&format!("applications/{}", client.id)).await.expect(204);
        assert!(!other.active(&token["access_token"]).await);
        other.userinfo(&token["access_token"]).await.expect(401);
        refused(client.token(&[GRANT]).await, 401, "invalid_client");
    }
}

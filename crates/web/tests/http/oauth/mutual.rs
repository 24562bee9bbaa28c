//! Certificates of clients (RFC 8705), which a trusted proxy passes on.

use serde_json::{Value, json};
use vestibule_crypto::{
    certificate::thumbprint,
    dpop::token_hash,
    jose::{Algorithm, SigningKey},
};
use vestibule_testkit::{
    AltName, Certificates, Conditions, Elsewhere, PROXY, TestCertificate, TestRequest,
    TestResponse, TestServer, on_each_engine,
};

use super::setup::{CALLBACK, CHALLENGE, Client, PASSWORD, VERIFIER, decode, parameter, refused};

const MACHINE: (&str, &str) = ("grant_type", "client_credentials");
const VERIFIED: (&str, &str) = ("client-cert-verify", "SUCCESS");

/// A certificate that is good today.
fn certificate(server: &TestServer, subject: &str, names: &[AltName<'_>]) -> TestCertificate {
    let now = server.engine.now().seconds();
    TestCertificate::new(subject, names, (now - 60, now + 86_400))
}

/// A public key beside which a certificate stands.
fn keys(certificates: &[&TestCertificate]) -> Value {
    let key = SigningKey::generate(Algorithm::EdDSA, "own").unwrap();
    let keys = certificates.iter().map(|one| {
        let mut jwk = serde_json::to_value(key.public_jwk()).unwrap();
        jwk["x5c"] = json!([one.x5c()]);
        jwk
    });
    json!({"keys": keys.collect::<Vec<_>>()})
}

async fn offer(client: &Client<'_>, config: Value) {
    client
        .instance
        .put("config/oauth", config)
        .await
        .expect(200);
}

async fn describe(client: &Client<'_>, metadata: Value) {
    let path = format!("applications/{}/metadata", client.id);
    client.instance.put(&path, metadata).await.expect(200);
}

/// `POST` of a form with the certificate of the connection, by way of the trusted proxy.
fn post(
    client: &Client<'_>,
    path: &str,
    shown: &TestCertificate,
    form: &[(&str, &str)],
) -> TestRequest {
    let mut all = vec![("client_id", client.id.as_str())];
    all.extend(form);
    let request = client.server().post(&format!("{}/{path}", client.base));
    over(request, shown).form(&all)
}

fn over(request: TestRequest, shown: &TestCertificate) -> TestRequest {
    request.from(PROXY).header("client-cert", shown.header())
}

async fn userinfo(client: &Client<'_>, token: &Value, shown: &TestCertificate) -> TestResponse {
    let request = client.server().get(&format!("{}/userinfo", client.base));
    let request = request.bearer(token.as_str().unwrap());
    over(request, shown).send().await
}

async fn discovery(client: &Client<'_>) -> Value {
    let path = format!("{}/.well-known/openid-configuration", client.base);
    client.server().get(&path).send().await.expect(200).json()
}

on_each_engine! {
    async fn a_certificate_of_an_authority_says_who_the_client_is(server) {
        let client = Client::new(&server).await;
        offer(&client, json!({"mutualTls": "allowed"})).await;
        let names = [
            AltName::Dns("Shop.Example.com"),
            AltName::Uri("https://shop.example.com/id"),
            AltName::Ip("2001:db8::7".parse().unwrap()),
            AltName::Ip("10.1.2.3".parse().unwrap()),
            AltName::Email("shop@Example.com"),
        ];
        let own = certificate(&server, "CN=Shop,O=Example,C=DE", &names);
        for (member, name, other) in [
            ("tls_client_auth_subject_dn", "cn=shop, o=EXAMPLE, c=de", "CN=Shop,O=Example"),
            ("tls_client_auth_san_dns", "shop.example.com", "example.com"),
            ("tls_client_auth_san_uri", "https://shop.example.com/id", "https://shop.example.com/ID"),
            ("tls_client_auth_san_ip", "2001:DB8:0::7", "2001:db8::8"),
            ("tls_client_auth_san_ip", "10.1.2.3", "10.1.2.4"),
            ("tls_client_auth_san_email", "shop@example.com", "Shop@example.com"),
        ] {
            describe(&client, json!({"token_endpoint_auth_method": "tls_client_auth", member: name})).await;
            let tokens = post(&client, "token", &own, &[MACHINE]).header(VERIFIED.0, VERIFIED.1).send().await.expect(200).json();
            // Nothing was bound: the client did not ask for that.
            assert_eq!(tokens["token_type"], "Bearer");
            assert!(decode(&tokens["access_token"]).1.get("cnf").is_none());
            describe(&client, json!({"token_endpoint_auth_method": "tls_client_auth", member: other})).await;
            let answer = post(&client, "token", &own, &[MACHINE]).header(VERIFIED.0, VERIFIED.1).send().await;
            refused(answer, 401, "invalid_client");
        }
        describe(&client, json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "shop.example.com"})).await;
        let token = post(&client, "token", &own, &[MACHINE]).header(VERIFIED.0, "0").send().await.expect(200).json()["access_token"].clone();
        let form = [("token", token.as_str().unwrap())];
        let seen = post(&client, "introspect", &own, &form).header(VERIFIED.0, VERIFIED.1).send().await.expect(200).json();
        assert_eq!(seen, json!({"active": true}));
        let pushed = [("redirect_uri", CALLBACK), ("response_type", "code")];
        post(&client, "par", &own, &pushed).header(VERIFIED.0, VERIFIED.1).send().await.expect(201);
        refused(post(&client, "revoke", &own, &form).send().await, 401, "invalid_client");
        post(&client, "revoke", &own, &form).header(VERIFIED.0, VERIFIED.1).send().await.expect(200);
        let seen = post(&client, "introspect", &own, &form).header(VERIFIED.0, VERIFIED.1).send().await.expect(200).json();
        assert_eq!(seen, json!({"active": false}));
    }

    async fn certificates_that_do_not_fit_are_refused(server) {
        let client = Client::new(&server).await;
        offer(&client, json!({"mutualTls": "allowed"})).await;
        describe(&client, json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "shop.example.com"})).await;
        let dns = [AltName::Dns("shop.example.com")];
        let own = certificate(&server, "CN=Shop", &dns);
        let send = |shown: &TestCertificate| post(&client, "token", shown, &[MACHINE]);
        send(&own).header(VERIFIED.0, VERIFIED.1).send().await.expect(200);
        // A chain that nobody verified.
        for said in ["FAILED:self-signed certificate", "NONE", "success", ""] {
            refused(send(&own).header(VERIFIED.0, said).send().await, 401, "invalid_client");
        }
        refused(send(&own).send().await, 401, "invalid_client");
        refused(send(&own).header(VERIFIED.0, VERIFIED.1).header(VERIFIED.0, VERIFIED.1).send().await, 401, "invalid_client");
        // Another's certificate, one that is not good yet or no more, and one whose subject is what its other names should be.
        let now = server.engine.now().seconds();
        for other in [
            certificate(&server, "CN=Shop", &[AltName::Dns("evil.example.com")]),
            certificate(&server, "CN=Shop", &[AltName::Dns("*.example.com")]),
            certificate(&server, "CN=Shop", &[AltName::Uri("shop.example.com")]),
            certificate(&server, "CN=shop.example.com", &[]),
            TestCertificate::new("CN=Shop", &dns, (now + 60, now + 3600)),
            TestCertificate::new("CN=Shop", &dns, (now - 3600, now - 1)),
            TestCertificate(vec![0x30, 0]),
        ] {
            refused(send(&other).header(VERIFIED.0, VERIFIED.1).send().await, 401, "invalid_client");
        }
        // Two ways at once, and no client.
        refused(send(&own).header(VERIFIED.0, VERIFIED.1).basic(&client.id, &client.secret).send().await, 401, "invalid_client");
        let nobody = server.post(&format!("{}/token", client.base)).form(&[MACHINE]);
        refused(over(nobody, &own).header(VERIFIED.0, VERIFIED.1).send().await, 401, "invalid_client");
        // The secret is no way in any more.
        refused(client.token(&[MACHINE]).await, 401, "invalid_client");
        // What cannot be read, from the proxy itself.
        for bad in [":AQI:", "x", ":!:", &format!(":{}:", "A".repeat(30_000))] {
            let request = server.post(&format!("{}/token", client.base)).from(PROXY).header("client-cert", bad);
            refused(request.form(&[MACHINE, ("client_id", &client.id)]).send().await, 400, "invalid_request");
        }
        refused(send(&own).header("client-cert", own.header()).header(VERIFIED.0, VERIFIED.1).send().await, 400, "invalid_request");
        // Switched off, certificates are of no use.
        offer(&client, json!({})).await;
        refused(send(&own).header(VERIFIED.0, VERIFIED.1).send().await, 401, "invalid_client");
    }

    async fn only_the_trusted_proxy_is_believed(server) {
        let client = Client::new(&server).await;
        offer(&client, json!({"mutualTls": "allowed"})).await;
        let own = certificate(&server, "CN=Shop", &[]);
        describe(&client, json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": keys(&[&own]), "tls_client_certificate_bound_access_tokens": true})).await;
        let send = || post(&client, "token", &own, &[MACHINE]);
        let bound = send().send().await.expect(200).json();
        for stranger in ["10.0.0.8:443", "127.0.0.1:40000", "[::1]:443", "203.0.113.9:443"] {
            let stranger = stranger.parse().unwrap();
            refused(send().from(stranger).send().await, 401, "invalid_client");
            let forwarded = send().from(stranger).header("x-forwarded-for", "10.0.0.9");
            refused(forwarded.send().await, 401, "invalid_client");
            let request = server.get(&format!("{}/userinfo", client.base)).bearer(bound["access_token"].as_str().unwrap());
            refused(over(request, &own).from(stranger).send().await, 401, "invalid_token");
            // Their headers are not even read.
            let odd = server.post(&format!("{}/token", client.base)).from(stranger).header("client-cert", "x");
            refused(odd.form(&[MACHINE, ("client_id", &client.id)]).send().await, 401, "invalid_client");
        }
        // An address as IPv6 has it is the same one.
        send().from("[::ffff:10.0.0.9]:443".parse().unwrap()).send().await.expect(200);
    }

    async fn clients_may_have_certificates_of_their_own_making(server) {
        let client = Client::new(&server).await;
        offer(&client, json!({"mutualTls": "allowed"})).await;
        let (old, new) = (certificate(&server, "CN=old", &[]), certificate(&server, "CN=new", &[]));
        let metadata = |set: Value| json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": set});
        describe(&client, metadata(keys(&[&old, &new]))).await;
        for shown in [&old, &new] {
            post(&client, "token", shown, &[MACHINE]).send().await.expect(200);
        }
        // The same name is not the same certificate.
        let other = certificate(&server, "CN=old", &[AltName::Dns("a")]);
        refused(post(&client, "token", &other, &[MACHINE]).header(VERIFIED.0, VERIFIED.1).send().await, 401, "invalid_client");
        server.clock.advance_seconds(86_401);
        refused(post(&client, "token", &old, &[MACHINE]).send().await, 401, "invalid_client");
        // At an address of the client, where a new one shows up.
        let fresh = certificate(&server, "CN=fresh", &[]);
        let mut client = client;
        client.instance.token = server.admin_token().await;
        let elsewhere = Elsewhere::start().await;
        elsewhere.answer("/keys", 200, keys(&[&old]).to_string());
        let metadata = json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks_uri": elsewhere.url("/keys")});
        describe(&client, metadata).await;
        refused(post(&client, "token", &fresh, &[MACHINE]).send().await, 401, "invalid_client");
        elsewhere.answer("/keys", 200, keys(&[&old, &fresh]).to_string());
        refused(post(&client, "token", &fresh, &[MACHINE]).send().await, 401, "invalid_client");
        server.clock.advance_seconds(61);
        post(&client, "token", &fresh, &[MACHINE]).send().await.expect(200);
    }

    async fn tokens_are_good_with_their_certificate_only(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/tokens", json!({"refresh": {"enabled": true}})).await.expect(200);
        offer(&client, json!({"mutualTls": "allowed"})).await;
        let (own, other) = (certificate(&server, "CN=own", &[]), certificate(&server, "CN=other", &[]));
        describe(&client, json!({"token_endpoint_auth_method": "client_secret_post", "tls_client_certificate_bound_access_tokens": true})).await;
        let ada = [("grant_type", "password"), ("username", "ada@example.com"), ("password", PASSWORD), ("client_secret", client.secret.as_str())];
        let tokens = post(&client, "token", &own, &ada).send().await.expect(200).json();
        let access = &tokens["access_token"];
        assert_eq!(tokens["token_type"], "Bearer");
        let cnf = json!({"x5t#S256": thumbprint(&own.0)});
        assert_eq!(decode(access).1["cnf"], cnf);
        assert!(decode(&tokens["id_token"]).1.get("cnf").is_none());
        userinfo(&client, access, &own).await.expect(200);
        let stolen = userinfo(&client, access, &other).await;
        assert!(stolen.header("www-authenticate").starts_with("Bearer "));
        refused(stolen, 401, "invalid_token");
        refused(client.userinfo(access).await, 401, "invalid_token");
        let attributes = |shown: &TestCertificate| over(server.get("/api/v1/attributes").bearer(access.as_str().unwrap()), shown);
        attributes(&own).send().await.expect(200);
        refused(attributes(&other).send().await, 401, "invalid_token");
        refused(server.get("/api/v1/attributes").bearer(access.as_str().unwrap()).send().await, 401, "invalid_token");
        let look = [("token", access.as_str().unwrap()), ("client_secret", client.secret.as_str())];
        let seen = post(&client, "introspect", &other, &look).send().await.expect(200).json();
        assert_eq!(seen, json!({"active": true, "token_type": "Bearer", "cnf": cnf}));
        // Nothing is given to who shows no certificate.
        for form in [&ada[..], &[MACHINE, ("client_secret", client.secret.as_str())]] {
            let mut all = vec![("client_id", client.id.as_str())];
            all.extend(form);
            refused(server.post(&format!("{}/token", client.base)).form(&all).send().await, 400, "invalid_request");
        }
        // A client with a secret may change its certificate, as long as there is one.
        let renew = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap()), ("client_secret", client.secret.as_str())];
        let second = post(&client, "token", &other, &renew).send().await.expect(200).json();
        assert_eq!(decode(&second["access_token"]).1["cnf"], json!({"x5t#S256": thumbprint(&other.0)}));
        userinfo(&client, &second["access_token"], &other).await.expect(200);
        // Even where certificates are switched off nothing gets freer.
        offer(&client, json!({})).await;
        refused(post(&client, "token", &own, &ada).send().await, 400, "invalid_request");
        refused(client.userinfo(&second["access_token"]).await, 401, "invalid_token");
        userinfo(&client, &second["access_token"], &other).await.expect(200);
    }

    async fn refresh_tokens_of_public_clients_are_bound(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/tokens", json!({"refresh": {"enabled": true}})).await.expect(200);
        offer(&client, json!({"mutualTls": "allowed"})).await;
        let metadata = json!({
            "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": [CALLBACK], "tls_client_certificate_bound_access_tokens": true,
        });
        describe(&client, metadata).await;
        let (own, other) = (certificate(&server, "CN=own", &[]), certificate(&server, "CN=other", &[]));
        let code = client.code(&format!("code_challenge={CHALLENGE}&code_challenge_method=S256")).await;
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        let first = post(&client, "token", &own, &form).send().await.expect(200).json();
        let renew = |tokens: &Value| vec![("grant_type", String::from("refresh_token")), ("refresh_token", tokens["refresh_token"].as_str().unwrap().to_owned())];
        let send = |form: Vec<(&'static str, String)>, shown: &TestCertificate| {
            let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            post(&client, "token", shown, &form)
        };
        let second = send(renew(&first), &own).send().await.expect(200).json();
        assert_eq!(decode(&second["access_token"]).1["cnf"], json!({"x5t#S256": thumbprint(&own.0)}));
        refused(send(renew(&second), &other).send().await, 400, "invalid_grant");
    }

    async fn a_key_and_a_certificate_bind_together(server) {
        let client = Client::new(&server).await;
        offer(&client, json!({"mutualTls": "required"})).await;
        let own = certificate(&server, "CN=own", &[]);
        let holder = SigningKey::generate(Algorithm::ES256, "own").unwrap();
        let proof = |more: Value| {
            let mut claims = json!({"iat": server.engine.now().seconds(), "htm": "POST", "htu": format!("http://mtls.vestibule.test{}/token", client.base)});
            for (name, value) in more.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": holder.public_jwk()});
            holder.sign(&header, &claims).unwrap()
        };
        let form = [MACHINE, ("client_secret", client.secret.as_str())];
        refused(client.token(&[MACHINE]).await, 400, "invalid_request");
        let plain = post(&client, "token", &own, &form).send().await.expect(200).json();
        assert_eq!(plain["token_type"], "Bearer");
        let ada = [("grant_type", "password"), ("username", "ada@example.com"), ("password", PASSWORD), ("client_secret", client.secret.as_str())];
        let both = post(&client, "token", &own, &ada).header("dpop", proof(json!({"jti": "1"}))).send().await.expect(200).json();
        assert_eq!(both["token_type"], "DPoP");
        let access = both["access_token"].as_str().unwrap();
        let cnf = &decode(&both["access_token"]).1["cnf"];
        assert_eq!(cnf, &json!({"jkt": holder.verifying_key().thumbprint(), "x5t#S256": thumbprint(&own.0)}));
        let shown = |jti: &str| {
            let htu = format!("http://vestibule.test{}/userinfo", client.base);
            let proof = proof(json!({"jti": jti, "htm": "GET", "htu": htu, "ath": token_hash(access)}));
            server.get(&format!("{}/userinfo", client.base)).header("authorization", format!("DPoP {access}")).header("dpop", proof)
        };
        over(shown("2"), &own).send().await.expect(200);
        refused(shown("3").send().await, 401, "invalid_token");
        refused(userinfo(&client, &both["access_token"], &own).await, 401, "invalid_token");
    }

    async fn the_profile_takes_certificates(server) {
        let client = Client::new(&server).await;
        let own = certificate(&server, "CN=own", &[]);
        client.instance.put("config/tokens", json!({"refresh": {"enabled": true}})).await.expect(200);
        offer(&client, json!({"profile": "fapi2", "signingAlgorithm": "ES256", "mutualTls": "allowed"})).await;
        describe(&client, json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": keys(&[&own]), "redirect_uris": [CALLBACK]})).await;
        let found = discovery(&client).await;
        assert_eq!(found["token_endpoint_auth_methods_supported"], json!(["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"]));
        let push = [("redirect_uri", CALLBACK), ("response_type", "code"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256"), ("scope", "openid")];
        refused(client.post("par").form(&push).send().await, 401, "invalid_client");
        let pushed = post(&client, "par", &own, &push).send().await.expect(201).json();
        let query = format!("client_id={}&request_uri={}", client.id, pushed["request_uri"].as_str().unwrap());
        let page = server.get(&format!("{}/authorization?{query}", client.base)).send().await.expect(200);
        let answer = client.submit(&page, "ada@example.com", PASSWORD).await.expect(303);
        let code = parameter(&answer.header("location"), "code");
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        // Neither key nor certificate is shown: by way of the proxy, but without one.
        let mut bare = vec![("client_id", client.id.as_str())];
        bare.extend(form);
        refused(server.post(&format!("{}/token", client.base)).from(PROXY).form(&bare).send().await, 401, "invalid_client");
        let tokens = post(&client, "token", &own, &form).send().await.expect(200).json();
        assert_eq!(decode(&tokens["access_token"]).1["cnf"], json!({"x5t#S256": thumbprint(&own.0)}));
        userinfo(&client, &tokens["access_token"], &own).await.expect(200);
        refused(client.userinfo(&tokens["access_token"]).await, 401, "invalid_token");
        let renew = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
        refused(post(&client, "token", &certificate(&server, "CN=other", &[]), &renew).send().await, 401, "invalid_client");
        let renewed = post(&client, "token", &own, &renew).send().await.expect(200).json();
        assert_eq!(decode(&renewed["access_token"]).1["cnf"], json!({"x5t#S256": thumbprint(&own.0)}));
        // Whoever proves itself otherwise still needs something to bind to.
        let key = SigningKey::generate(Algorithm::ES256, "own").unwrap();
        describe(&client, json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public_jwk()]}})).await;
        let assertion = |jti: &str| {
            let claims = json!({"iss": client.id, "sub": client.id, "aud": format!("http://vestibule.test{}", client.base), "jti": jti, "exp": server.engine.now().seconds() + 60});
            key.sign(&json!({"alg": "ES256", "kid": "own"}), &claims).unwrap()
        };
        let (first, second) = (assertion("1"), assertion("2"));
        let form = |assertion: &'static str| [MACHINE, ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion)];
        let free = server.post(&format!("{}/token", client.base)).form(&form(first.leak())).send().await;
        refused(free, 400, "invalid_request");
        let bound = post(&client, "token", &own, &form(second.leak())).send().await.expect(200).json();
        assert_eq!(decode(&bound["access_token"]).1["cnf"], json!({"x5t#S256": thumbprint(&own.0)}));
    }

    async fn discovery_says_what_certificates_do(server) {
        let client = Client::new(&server).await;
        let names = ["tls_client_certificate_bound_access_tokens", "mtls_endpoint_aliases"];
        let found = discovery(&client).await;
        assert!(names.iter().all(|name| found.get(name).is_none()));
        assert!(!found["token_endpoint_auth_methods_supported"].to_string().contains("tls"));
        offer(&client, json!({"mutualTls": "allowed"})).await;
        let found = discovery(&client).await;
        assert_eq!(found[names[0]], true);
        let base = format!("http://mtls.vestibule.test{}", client.base);
        assert_eq!(found[names[1]], json!({
            "token_endpoint": format!("{base}/token"), "userinfo_endpoint": format!("{base}/userinfo"),
            "introspection_endpoint": format!("{base}/introspect"), "revocation_endpoint": format!("{base}/revoke"),
            "pushed_authorization_request_endpoint": format!("{base}/par"),
        }));
        for name in ["token", "introspection", "revocation"] {
            let methods = found[format!("{name}_endpoint_auth_methods_supported")].as_array().unwrap();
            for method in ["tls_client_auth", "self_signed_tls_client_auth"] {
                assert!(methods.contains(&json!(method)), "{name} {method}");
            }
        }
        offer(&client, json!({"mutualTls": "allowed", "pushedRequests": "off"})).await;
        let found = discovery(&client).await;
        assert!(found[names[1]].get("pushed_authorization_request_endpoint").is_none());
    }

    async fn metadata_need_the_switch_and_the_certificates(server) {
        let client = Client::new(&server).await;
        let path = format!("applications/{}/metadata", client.id);
        let own = certificate(&server, "CN=own", &[]);
        let good = [
            json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a.example"}),
            json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": keys(&[&own])}),
            json!({"tls_client_certificate_bound_access_tokens": true}),
        ];
        for metadata in &good {
            crate::instance::refused(client.instance.put(&path, metadata.clone()).await, 400, "INVALID_REQUEST");
        }
        offer(&client, json!({"mutualTls": "allowed"})).await;
        for metadata in &good {
            assert_eq!(&client.instance.put(&path, metadata.clone()).await.expect(200).json(), metadata);
        }
        let key = SigningKey::generate(Algorithm::EdDSA, "own").unwrap();
        let mut broken = serde_json::to_value(key.public_jwk()).unwrap();
        broken["x5c"] = json!(["AQID"]);
        for bad in [
            json!({"token_endpoint_auth_method": "tls_client_auth"}),
            json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a", "tls_client_auth_san_ip": "10.0.0.1"}),
            json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "Shop"}),
            json!({"token_endpoint_auth_method": "self_signed_tls_client_auth"}),
            json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [key.public_jwk()]}}),
            json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [broken]}}),
        ] {
            crate::instance::refused(client.instance.put(&path, bad).await, 400, "INVALID_REQUEST");
        }
        assert_eq!(client.instance.get(&path).await, good[2]);
        // Clients that register themselves are told the same.
        client.instance.put("config/oauth/registration", json!({"enabled": "open"})).await.expect(204);
        let register = |more: &Value| {
            let mut body = more.clone();
            body["redirect_uris"] = json!([CALLBACK]);
            server.post(&format!("{}/register", client.base)).json(&body)
        };
        let made = register(&good[1]).send().await.expect(201).json();
        assert_eq!(made["token_endpoint_auth_method"], "self_signed_tls_client_auth");
        assert!(made.get("client_secret").is_none());
        offer(&client, json!({})).await;
        refused(register(&good[1]).send().await, 400, "invalid_client_metadata");
    }

    async fn behind_a_proxy_each_address_is_counted_for_itself(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/oauth/registration", json!({"enabled": "open"})).await.expect(204);
        let register = |from: &str, forwarded: &str| {
            let request = server.post(&format!("{}/register", client.base)).from(from.parse().unwrap());
            request.header("x-forwarded-for", forwarded).json(&json!({"redirect_uris": [CALLBACK]}))
        };
        let proxy = PROXY.to_string();
        for _ in 0..20 {
            register(&proxy, "203.0.113.5").send().await.expect(201);
        }
        register(&proxy, "203.0.113.5").send().await.expect(429);
        // Somebody else is let in; what the throttled one writes before the proxy does changes nothing.
        register(&proxy, "203.0.113.6").send().await.expect(201);
        register(&proxy, "198.51.100.1, 203.0.113.5").send().await.expect(429);
        register(&proxy, "203.0.113.6, 203.0.113.5, 10.0.0.9").send().await.expect(429);
        // Who does not come by way of the proxy is counted where they are, whatever they write.
        for n in 0..20 {
            register("203.0.113.7:5000", &format!("192.0.2.{n}")).send().await.expect(201);
        }
        register("203.0.113.7:5000", "192.0.2.100").send().await.expect(429);
        register(&proxy, "203.0.113.7").send().await.expect(429);
        register(&proxy, "192.0.2.1").send().await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_certificates_arrive_none_are_asked_for() {
    let unseen = Conditions {
        certificates: Certificates::Unseen,
        ..Conditions::default()
    };
    let server = TestServer::sqlite_with(unseen).await;
    let client = Client::new(&server).await;
    offer(&client, json!({"mutualTls": "allowed"})).await;
    assert!(
        discovery(&client)
            .await
            .get("tls_client_certificate_bound_access_tokens")
            .is_none()
    );
    let path = format!("applications/{}/metadata", client.id);
    let wished = json!({"tls_client_certificate_bound_access_tokens": true});
    crate::instance::refused(
        client.instance.put(&path, wished).await,
        400,
        "INVALID_REQUEST",
    );
    client.token(&[MACHINE]).await.expect(200);
    // Where they are required nobody gets what would be free.
    offer(&client, json!({"mutualTls": "required"})).await;
    refused(client.token(&[MACHINE]).await, 400, "invalid_request");
}

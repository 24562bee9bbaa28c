//! An instance under the FAPI 2.0 security profile, with clients that sign and tokens that are bound to keys: what its conformance plan
//! sends, good and bad.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};
use vestibule_crypto::{
    dpop::token_hash,
    jose::{Algorithm, SigningKey},
};
use vestibule_testkit::{TestRequest, TestResponse, TestServer, on_each_engine};

use super::setup::{CALLBACK, CHALLENGE, Client, PASSWORD, VERIFIER, decode, parameter, refused};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Where the plan's second client comes back to.
const LOREM: &str = "https://app.example.com/callback?dummy1=lorem&dummy2=ipsum";

static NEXT: AtomicU64 = AtomicU64::new(1);

fn unique() -> String {
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}

/// A client of the plan: its key, and the key that its tokens are bound to.
struct Strict<'a> {
    client: Client<'a>,
    key: SigningKey,
    holder: SigningKey,
}

impl<'a> Strict<'a> {
    /// Two clients of an instance under the profile.
    async fn two(server: &'a TestServer) -> (Self, Self) {
        let client = Client::new(server).await;
        let other = client.another("regularwebapp").await;
        let refresh = json!({"refresh": {"enabled": true}});
        client
            .instance
            .put("config/tokens", refresh)
            .await
            .expect(200);
        let (one, two) = (Self::of(client).await, Self::of(other).await);
        let profile = json!({"profile": "fapi2", "signingAlgorithm": "PS256"});
        one.client
            .instance
            .put("config/oauth", profile)
            .await
            .expect(200);
        (one, two)
    }

    async fn of(client: Client<'a>) -> Self {
        let key = SigningKey::generate(Algorithm::PS256, "own").unwrap();
        let metadata = json!({
            "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public_jwk()]},
            "grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK, LOREM],
        });
        let path = format!("applications/{}/metadata", client.id);
        client.instance.put(&path, metadata).await.expect(200);
        Self {
            client,
            key,
            holder: SigningKey::generate(Algorithm::ES256, "held").unwrap(),
        }
    }

    fn server(&self) -> &'a TestServer {
        self.client.server()
    }

    fn issuer(&self) -> String {
        format!("http://vestibule.test{}", self.client.base)
    }

    fn now(&self) -> i64 {
        self.server().engine.now().seconds()
    }

    /// An assertion with these claims in place of the good ones; those that are `null` are left out.
    fn assertion(&self, more: &Value) -> String {
        let claims = json!({
            "iss": self.client.id, "sub": self.client.id, "aud": self.issuer(), "exp": self.now() + 60, "iat": self.now(), "jti": unique(),
        });
        let header = json!({"alg": self.key.algorithm().name(), "kid": self.key.kid()});
        self.key.sign(&header, &with(claims, more)).unwrap()
    }

    /// A proof for a request, with these claims beside or in place of the good ones.
    fn proof(&self, method: &str, path: &str, more: &Value) -> String {
        prove(&self.holder, &self.claims(method, path), more)
    }

    fn claims(&self, method: &str, path: &str) -> Value {
        json!({"jti": unique(), "htm": method, "htu": format!("{}/{path}", self.issuer()), "iat": self.now()})
    }

    /// `POST` with an assertion.
    fn post(&self, path: &str, assertion: &str, more: &[(&str, &str)]) -> TestRequest {
        let mut form = vec![
            ("client_assertion_type", ASSERTION),
            ("client_assertion", assertion),
        ];
        form.extend(more);
        let path = format!("{}/{path}", self.client.base);
        self.server().post(&path).form(&form)
    }

    /// The token endpoint with a good assertion and a good proof.
    async fn token(&self, form: &[(&str, &str)]) -> TestResponse {
        let request = self.post("token", &self.assertion(&json!({})), form);
        let proof = self.proof("POST", "token", &json!({}));
        request.header("dpop", proof).send().await
    }

    /// Pushes the usual request with these parameters in place of its own.
    fn push(&self, assertion: &str, more: &[(&str, &str)]) -> TestRequest {
        let usual = [
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid email"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
        let mut form: Vec<_> = usual
            .into_iter()
            .filter(|(name, _)| !replaced(name))
            .collect();
        form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        self.post("par", assertion, &form)
    }

    /// What a good push is answered with.
    async fn pushed(&self, more: &[(&str, &str)]) -> String {
        let request = self.push(&self.assertion(&json!({})), more);
        uri(&request.send().await)
    }

    /// Brings a pushed request with what the browser adds, and signs in; where the answer leads.
    async fn bring(&self, uri: &str, more: &str) -> String {
        let path = format!(
            "{}/authorization?client_id={}&request_uri={uri}{more}",
            self.client.base, self.client.id
        );
        let page = self.server().get(&path).send().await.expect(200);
        let answer = self.client.submit(&page, "ada@example.com", PASSWORD).await;
        answer.expect(303).header("location")
    }

    async fn code(&self) -> String {
        let location = self.bring(&self.pushed(&[]).await, "").await;
        parameter(&location, "code")
    }

    async fn redeem(&self, code: &str) -> TestResponse {
        self.token(&redeeming(code)).await
    }

    /// User info with a proof of this key.
    async fn user_info(&self, holder: &SigningKey, token: &Value, scheme: &str) -> TestResponse {
        let token = token.as_str().unwrap();
        let claims = self.claims("GET", "userinfo");
        let proof = prove(holder, &claims, &json!({"ath": token_hash(token)}));
        let path = format!("{}/userinfo", self.client.base);
        let request = self.server().get(&path).header("dpop", proof);
        let authorization = format!("{scheme} {token}");
        request.header("authorization", authorization).send().await
    }
}

fn redeeming(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

fn with(mut claims: Value, more: &Value) -> Map<String, Value> {
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let members = claims.as_object().unwrap().clone().into_iter();
    members.filter(|(_, value)| !value.is_null()).collect()
}

fn prove(holder: &SigningKey, claims: &Value, more: &Value) -> String {
    let alg = holder.algorithm().name();
    let header = json!({"typ": "dpop+jwt", "alg": alg, "jwk": holder.public_jwk()});
    holder.sign(&header, &with(claims.clone(), more)).unwrap()
}

fn uri(answer: &TestResponse) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["request_uri"].as_str().unwrap().to_owned()
}

on_each_engine! {
    async fn the_plan_goes_well(server) {
        let (one, _) = Strict::two(&server).await;
        let location = one.bring(&one.pushed(&[("state", "s"), ("nonce", "n")]).await, "").await;
        assert_eq!(parameter(&location, "state"), "s");
        assert_eq!(parameter(&location, "iss"), one.issuer().replace(':', "%3A").replace('/', "%2F"));
        let tokens = one.redeem(&parameter(&location, "code")).await.expect(200).json();
        let identity = decode(&tokens["id_token"]).1;
        assert_eq!((&identity["nonce"], &identity["aud"]), (&json!("n"), &json!([one.client.id])));
        for scheme in ["DPoP", "dpop", "dPoP"] {
            let info = one.user_info(&one.holder, &tokens["access_token"], scheme).await.expect(200).json();
            assert_eq!((&info["email"], &info["sub"]), (&json!("ada@example.com"), &identity["sub"]));
        }
        refused(one.user_info(&one.key, &tokens["access_token"], "DPoP").await, 401, "invalid_token");
    }

    async fn the_second_client_comes_back_to_an_address_with_a_query(server) {
        let (_, two) = Strict::two(&server).await;
        let location = two.bring(&two.pushed(&[("redirect_uri", LOREM)]).await, "").await;
        assert!(location.starts_with(&format!("{LOREM}&code=")), "{location}");
        let code = parameter(&location, "code");
        let mut form = redeeming(&code);
        form[2] = ("redirect_uri", LOREM);
        two.token(&form).await.expect(200);
    }

    async fn long_values_and_another_order_are_pushed(server) {
        let (one, _) = Strict::two(&server).await;
        for (nonce, state) in [(64, 10), (300, 384)] {
            let (nonce, state) = ("n".repeat(nonce), "s".repeat(state));
            let location = one.bring(&one.pushed(&[("nonce", &nonce), ("state", &state), ("scope", "email openid")]).await, "").await;
            assert_eq!(parameter(&location, "state"), state);
            let tokens = one.redeem(&parameter(&location, "code")).await.expect(200).json();
            assert_eq!(decode(&tokens["id_token"]).1["nonce"], nonce.as_str());
        }
    }

    async fn what_was_pushed_counts_and_nothing_outside(server) {
        let (one, _) = Strict::two(&server).await;
        let outside = "&state=outside&nonce=outside&response_mode=form_post&scope=openid";
        let location = one.bring(&one.pushed(&[("state", "inside"), ("nonce", "inside")]).await, outside).await;
        assert_eq!(parameter(&location, "state"), "inside");
        let tokens = one.redeem(&parameter(&location, "code")).await.expect(200).json();
        assert_eq!(decode(&tokens["id_token"]).1["nonce"], "inside");
        let location = one.bring(&one.pushed(&[]).await, outside).await;
        assert!(!location.contains("state="), "{location}");
        let tokens = one.redeem(&parameter(&location, "code")).await.expect(200).json();
        assert_eq!(decode(&tokens["id_token"]).1.get("nonce"), None);
    }

    async fn what_the_profile_forbids_cannot_be_pushed(server) {
        let (one, _) = Strict::two(&server).await;
        for (bad, error) in [
            (("code_challenge", ""), "invalid_request"),
            (("code_challenge_method", "plain"), "invalid_request"),
            (("code_challenge_method", ""), "invalid_request"),
            (("response_type", "token"), "unsupported_response_type"),
            (("response_type", "code id_token"), "unsupported_response_type"),
            (("response_type", ""), "invalid_request"),
            (("redirect_uri", ""), "invalid_request"),
            (("redirect_uri", "https://app.example.com/callback/other"), "invalid_request"),
            (("request_uri", "urn:ietf:params:oauth:request_uri:x"), "invalid_request"),
        ] {
            let answer = one.push(&one.assertion(&json!({})), &[bad]).send().await;
            assert_eq!(answer.status, 400, "{bad:?}");
            refused(answer, 400, error);
        }
        for method in ["get", "put", "delete"] {
            let answer = server.request(method, &format!("{}/par", one.client.base)).send().await;
            assert_eq!(answer.status, 405, "{method}");
        }
    }

    async fn requests_come_pushed_only(server) {
        let (one, _) = Strict::two(&server).await;
        let answer = one.client.authorize(&format!("scope=openid&state=s&code_challenge={CHALLENGE}&code_challenge_method=S256")).await.expect(302);
        let location = answer.header("location");
        assert_eq!((parameter(&location, "error").as_str(), parameter(&location, "state").as_str()), ("invalid_request", "s"));
    }

    async fn only_good_assertions_are_taken(server) {
        let (one, two) = Strict::two(&server).await;
        let now = one.now();
        for good in [json!({"nbf": now + 8}), json!({"nbf": now - 8}), json!({"iat": null}), json!({"unknown": {"a": [1]}})] {
            one.push(&one.assertion(&good), &[]).send().await.expect(201);
        }
        let bad = [
            json!({"aud": format!("{}/token", one.issuer())}),
            json!({"aud": format!("{}/par", one.issuer())}),
            json!({"aud": [one.issuer()]}),
            json!({"aud": [one.issuer(), format!("{}/token", one.issuer())]}),
            json!({"aud": "https://elsewhere.example"}),
            json!({"aud": null}),
            json!({"sub": null}),
            json!({"iss": null}),
            json!({"exp": now - 300}),
            json!({"exp": null}),
            json!({"nbf": now + 61}),
            json!({"jti": null}),
        ];
        let named = [("client_id", one.client.id.as_str())];
        for claims in &bad {
            for path in ["par", "token"] {
                let answer = match path {
                    "par" => one.push(&one.assertion(claims), &named).send().await,
                    _ => one.post("token", &one.assertion(claims), &redeeming("x")).send().await,
                };
                assert_eq!(answer.status, 401, "{path} {claims}");
                refused(answer, 401, "invalid_client");
            }
        }
        // Another algorithm than the profile's, with a key that the client does have.
        let weak = SigningKey::generate(Algorithm::RS256, "weak").unwrap();
        let path = format!("applications/{}/metadata", one.client.id);
        let metadata = json!({
            "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [one.key.public_jwk(), weak.public_jwk()]},
            "redirect_uris": [CALLBACK],
        });
        one.client.instance.put(&path, metadata).await.expect(200);
        let claims = json!({"iss": one.client.id, "sub": one.client.id, "aud": one.issuer(), "exp": now + 60, "jti": unique()});
        let signed = weak.sign(&json!({"alg": "RS256", "kid": "weak"}), &claims).unwrap();
        refused(one.push(&signed, &[]).send().await, 401, "invalid_client");
        one.push(&one.assertion(&json!({})), &[]).send().await.expect(201);
        // Somebody else's id beside a good assertion.
        let foreign = [("client_id", two.client.id.as_str())];
        refused(one.push(&one.assertion(&json!({})), &foreign).send().await, 401, "invalid_client");
    }

    async fn nobody_gets_tokens_without_an_assertion(server) {
        let (one, two) = Strict::two(&server).await;
        let code = one.code().await;
        let mut form = redeeming(&code).to_vec();
        form.push(("client_id", one.client.id.as_str()));
        let path = format!("{}/token", one.client.base);
        let bare = server.post(&path).form(&form).header("dpop", one.proof("POST", "token", &json!({})));
        refused(bare.send().await, 401, "invalid_client");
        let secret = server.post(&path).basic(&one.client.id, &one.client.secret).form(&redeeming(&code));
        refused(secret.header("dpop", one.proof("POST", "token", &json!({}))).send().await, 401, "invalid_client");
        form.push(("client_assertion_type", ASSERTION));
        refused(server.post(&path).form(&form).send().await, 401, "invalid_client");
        // The code is still good, but not for another client.
        one.redeem(&code).await.expect(200);
        let code = one.code().await;
        refused(two.redeem(&code).await, 400, "invalid_grant");
    }

    async fn who_does_not_ask_for_openid_gets_no_identity_token(server) {
        let (one, _) = Strict::two(&server).await;
        let location = one.bring(&one.pushed(&[("scope", "email")]).await, "").await;
        let tokens = one.redeem(&parameter(&location, "code")).await.expect(200).json();
        let renewed = one.token(&[("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())]).await.expect(200).json();
        for got in [&tokens, &renewed] {
            assert!(got.get("id_token").is_none(), "{got}");
        }
        one.user_info(&one.holder, &tokens["access_token"], "DPoP").await.expect(200);
        let tokens = one.redeem(&one.code().await).await.expect(200).json();
        assert!(tokens["id_token"].is_string());
    }

    async fn codes_do_not_last_and_work_once(server) {
        let (one, _) = Strict::two(&server).await;
        let code = one.code().await;
        server.clock.advance_seconds(59);
        let tokens = one.redeem(&code).await.expect(200).json();
        refused(one.redeem(&code).await, 400, "invalid_grant");
        refused(one.user_info(&one.holder, &tokens["access_token"], "DPoP").await, 401, "invalid_token");
        let code = one.code().await;
        server.clock.advance_seconds(60);
        refused(one.redeem(&code).await, 400, "invalid_grant");
        for verifier in ["", "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong"] {
            let code = one.code().await;
            let mut form = redeeming(&code).to_vec();
            form.pop();
            form.extend((!verifier.is_empty()).then_some(("code_verifier", verifier)));
            refused(one.token(&form).await, 400, "invalid_grant");
        }
    }

    async fn a_proof_at_the_first_step_binds_the_code(server) {
        let (one, two) = Strict::two(&server).await;
        let pushed = async || {
            let proof = one.proof("POST", "par", &json!({}));
            let answer = one.push(&one.assertion(&json!({})), &[]).header("dpop", proof).send().await;
            parameter(&one.bring(&uri(&answer), "").await, "code")
        };
        let tokens = one.redeem(&pushed().await).await.expect(200).json();
        assert_eq!(decode(&tokens["access_token"]).1["cnf"]["jkt"], one.holder.verifying_key().thumbprint());
        let code = pushed().await;
        let proof = prove(&two.holder, &one.claims("POST", "token"), &json!({}));
        let other = one.post("token", &one.assertion(&json!({})), &redeeming(&code)).header("dpop", proof);
        refused(other.send().await, 400, "invalid_grant");
        // The same by name.
        let jkt = one.holder.verifying_key().thumbprint();
        let code = parameter(&one.bring(&one.pushed(&[("dpop_jkt", &jkt)]).await, "").await, "code");
        one.redeem(&code).await.expect(200);
    }

    async fn proofs_may_say_more_and_clocks_may_differ(server) {
        let (one, _) = Strict::two(&server).await;
        let now = one.now();
        for more in [
            json!({"nbf": now - 5, "exp": now + 60}),
            json!({"iat": now - 10}),
            json!({"iat": now + 10}),
            json!({"unknown": "member", "another": {"a": [1, null]}}),
        ] {
            let code = one.code().await;
            let request = one.post("token", &one.assertion(&json!({})), &redeeming(&code));
            let tokens = request.header("dpop", one.proof("POST", "token", &more)).send().await;
            assert_eq!(tokens.expect(200).json()["token_type"], "DPoP", "{more}");
        }
        let code = one.code().await;
        let bare = one.post("token", &one.assertion(&json!({})), &redeeming(&code));
        refused(bare.send().await, 400, "invalid_request");
    }

    async fn refresh_tokens_stay_with_client_and_key(server) {
        let (one, two) = Strict::two(&server).await;
        let tokens = one.redeem(&one.code().await).await.expect(200).json();
        let renewing = |tokens: &Value| tokens["refresh_token"].as_str().unwrap().to_owned();
        let token = renewing(&tokens);
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        let bare = one.post("token", &one.assertion(&json!({})), &form);
        refused(bare.send().await, 400, "invalid_request");
        let mut named = form.to_vec();
        named.push(("client_id", one.client.id.as_str()));
        let proof = one.proof("POST", "token", &json!({}));
        let nobody = server.post(&format!("{}/token", one.client.base)).form(&named).header("dpop", proof);
        refused(nobody.send().await, 401, "invalid_client");
        let second = one.token(&form).await.expect(200).json();
        assert_eq!(second["token_type"], "DPoP");
        one.user_info(&one.holder, &second["access_token"], "DPoP").await.expect(200);
        assert_eq!(decode(&second["id_token"]).1["sub"], decode(&tokens["id_token"]).1["sub"]);
        // Only a key can use it, so it is not replaced; another's attempt does it no harm.
        assert_eq!(second.get("refresh_token"), None);
        refused(two.token(&form).await, 400, "invalid_grant");
        server.clock.advance_seconds(60);
        one.token(&form).await.expect(200);
    }
}

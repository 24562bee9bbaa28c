//! Tokens that are bound to a key (RFC 9449).

use serde_json::{Value, json};
use vestibule_crypto::{
    dpop::token_hash,
    jose::{Algorithm, SigningKey},
};
use vestibule_testkit::{TestRequest, TestResponse, on_each_engine};

use super::setup::{CALLBACK, CHALLENGE, Client, PASSWORD, VERIFIER, decode, parameter, refused};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// An application's key.
struct Holder(SigningKey);

impl Holder {
    fn new() -> Self {
        Self::of(Algorithm::ES256)
    }

    fn of(algorithm: Algorithm) -> Self {
        Self(SigningKey::generate(algorithm, "own").unwrap())
    }

    fn thumbprint(&self) -> String {
        self.0.verifying_key().thumbprint()
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.0.algorithm().name(), "jwk": self.0.public_jwk()})
    }

    /// A good proof of this moment for `POST {base}/token`, with these claims instead of its own.
    fn proof(&self, client: &Client<'_>, more: Value) -> String {
        let mut claims = json!({
            "jti": vestibule_crypto::random::token(&vestibule_crypto::random::SystemRandom::new(), 12),
            "htm": "POST",
            "htu": format!("http://vestibule.test{}/token", client.base),
            "iat": client.server().engine.now().seconds(),
        });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.0.sign(&self.header(), &claims).unwrap()
    }

    /// `GET` of user info with a proof for it.
    async fn user_info(&self, client: &Client<'_>, token: &Value) -> TestResponse {
        let token = token.as_str().unwrap();
        let htu = format!("http://vestibule.test{}/userinfo", client.base);
        let proof = self.proof(
            client,
            json!({"htm": "GET", "htu": htu, "ath": token_hash(token)}),
        );
        present(client, token, &proof).send().await
    }
}

fn present(client: &Client<'_>, token: &str, proof: &str) -> TestRequest {
    client
        .server()
        .get(&format!("{}/userinfo", client.base))
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", proof)
}

/// The token endpoint with a proof.
async fn token(client: &Client<'_>, proof: &str, form: &[(&str, &str)]) -> TestResponse {
    client
        .post("token")
        .header("dpop", proof)
        .form(form)
        .send()
        .await
}

const ADA: [(&str, &str); 3] = [
    ("grant_type", "password"),
    ("username", "ada@example.com"),
    ("password", PASSWORD),
];

on_each_engine! {
    async fn a_bound_token_is_good_with_its_key_only(server) {
        let client = Client::new(&server).await;
        for algorithm in [Algorithm::ES256, Algorithm::PS256, Algorithm::EdDSA] {
            let holder = Holder::of(algorithm);
            let tokens = token(&client, &holder.proof(&client, json!({})), &ADA).await.expect(200).json();
            assert_eq!(tokens["token_type"], "DPoP");
            let access = &tokens["access_token"];
            assert_eq!(decode(access).1["cnf"], json!({"jkt": holder.thumbprint()}));
            assert!(decode(&tokens["id_token"]).1.get("cnf").is_none());
            holder.user_info(&client, access).await.expect(200);
            // As a bearer token it is nothing, whatever comes with it.
            let downgraded = client.userinfo(access).await;
            assert!(downgraded.header("www-authenticate").starts_with("DPoP error=\"invalid_token\", algs=\""));
            refused(downgraded, 401, "invalid_token");
            let other = Holder::new().user_info(&client, access).await;
            refused(other, 401, "invalid_token");
            let seen = client.post("introspect").form(&[("token", access.as_str().unwrap())]).send().await.expect(200).json();
            assert_eq!(seen, json!({"active": true, "token_type": "DPoP", "cnf": {"jkt": holder.thumbprint()}}));
        }
        // And a token that is not bound is no bound one.
        let free = client.ada().await;
        assert_eq!(free["token_type"], "Bearer");
        refused(Holder::new().user_info(&client, &free["access_token"]).await, 401, "invalid_token");
        client.userinfo(&free["access_token"]).await.expect(200);
        let path = format!("{}/.well-known/openid-configuration", client.base);
        let found = server.get(&path).send().await.expect(200).json();
        assert_eq!(found["dpop_signing_alg_values_supported"], json!(["PS256", "ES256", "EdDSA"]));
    }

    async fn proofs_that_do_not_fit_are_refused(server) {
        let client = Client::new(&server).await;
        let (holder, now) = (Holder::new(), server.engine.now().seconds());
        let base = format!("http://vestibule.test{}", client.base);
        for bad in [
            json!({"htm": "GET"}),
            json!({"htm": "post"}),
            json!({"htm": null}),
            json!({"htu": format!("{base}/userinfo")}),
            json!({"htu": format!("https://vestibule.test{}/token", client.base)}),
            json!({"htu": format!("{base}/token/")}),
            json!({"htu": "token"}),
            json!({"iat": now - 61}),
            json!({"iat": now + 61}),
            json!({"iat": "now"}),
            json!({"jti": ""}),
            json!({"jti": "x".repeat(257)}),
            json!({"jti": null}),
        ] {
            let proof = holder.proof(&client, bad.clone());
            let answer = token(&client, &proof, &[GRANT]).await;
            assert_eq!(answer.status, 400, "{bad}");
            refused(answer, 400, "invalid_dpop_proof");
        }
        let good = holder.proof(&client, json!({}));
        let (_, signed) = good.split_once('.').unwrap();
        let headers = [
            json!({"typ": "jwt", "alg": "ES256", "jwk": holder.0.public_jwk()}),
            json!({"typ": "dpop+jwt", "alg": "ES256"}),
            json!({"typ": "dpop+jwt", "alg": "RS256", "jwk": holder.0.public_jwk()}),
            json!({"typ": "dpop+jwt", "alg": "none", "jwk": holder.0.public_jwk()}),
            json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": Holder::new().0.public_jwk()}),
        ];
        let (_, claims) = decode(&json!(good));
        let mut wrong: Vec<String> = headers.iter().map(|header| holder.0.sign(header, &claims).unwrap()).collect();
        let mut private = holder.header();
        private["jwk"]["d"] = json!("AAAA");
        wrong.push(holder.0.sign(&private, &claims).unwrap());
        wrong.extend([format!("x.{signed}"), String::from("x"), format!("{good},{good}"), "x".repeat(9000)]);
        for proof in wrong {
            refused(token(&client, &proof, &[GRANT]).await, 400, "invalid_dpop_proof");
        }
        let twice = client.post("token").header("dpop", &good).header("dpop", &good).form(&[GRANT]).send().await;
        refused(twice, 400, "invalid_dpop_proof");
        // None of these used up the good one. Spelling of the address is of no importance, nor are fractions of seconds.
        token(&client, &good, &[GRANT]).await.expect(200);
        let odd = json!({"htu": format!("HTTP://VESTIBULE.test:80{}/token?x=1", client.base), "iat": now as f64 + 0.5});
        token(&client, &holder.proof(&client, odd), &[GRANT]).await.expect(200);
        // An unknown application learns nothing of its proof.
        let stranger = client.server().post(&format!("{}/token", client.base)).basic(&client.id, "wrong").header("dpop", "x").form(&[GRANT]).send().await;
        refused(stranger, 401, "invalid_client");
    }

    async fn a_proof_works_once(server) {
        let client = Client::new(&server).await;
        let holder = Holder::new();
        let proof = holder.proof(&client, json!({"jti": "one"}));
        let bound = token(&client, &proof, &ADA).await.expect(200).json();
        refused(token(&client, &proof, &[GRANT]).await, 400, "invalid_dpop_proof");
        // The same id under another key is another proof.
        token(&client, &Holder::new().proof(&client, json!({"jti": "one"})), &[GRANT]).await.expect(200);
        let access = bound["access_token"].as_str().unwrap();
        let htu = format!("http://vestibule.test{}/userinfo", client.base);
        let shown = holder.proof(&client, json!({"htm": "GET", "htu": htu, "ath": token_hash(access)}));
        present(&client, access, &shown).send().await.expect(200);
        let again = present(&client, access, &shown).send().await;
        assert!(again.header("www-authenticate").starts_with("DPoP error=\"invalid_dpop_proof\""));
        refused(again, 401, "invalid_dpop_proof");
        // Forgotten when its time has run out, it is refused for its time.
        server.clock.advance_seconds(200);
        server.engine.clean_up().await.unwrap();
        refused(token(&client, &proof, &[GRANT]).await, 400, "invalid_dpop_proof");
    }

    async fn a_proof_is_for_one_token(server) {
        let client = Client::new(&server).await;
        let holder = Holder::new();
        let bound = token(&client, &holder.proof(&client, json!({})), &ADA).await.expect(200).json();
        let access = bound["access_token"].as_str().unwrap();
        let htu = format!("http://vestibule.test{}/userinfo", client.base);
        for ath in [json!(null), json!(token_hash("another")), json!("")] {
            let proof = holder.proof(&client, json!({"htm": "GET", "htu": htu, "ath": ath}));
            refused(present(&client, access, &proof).send().await, 401, "invalid_dpop_proof");
        }
        let bare = client.server().get(&format!("{}/userinfo", client.base)).header("authorization", format!("DPoP {access}"));
        refused(bare.send().await, 401, "invalid_dpop_proof");
        // The attributes API asks for the same.
        let attribute = |method: &'static str, ath: &str| {
            let htu = "http://vestibule.test/api/v1/attributes/a%20b";
            let proof = holder.proof(&client, json!({"htm": method, "htu": htu, "ath": ath}));
            client.server().request(&method.to_ascii_lowercase(), "/api/v1/attributes/a%20b").header("authorization", format!("dpop {access}")).header("dpop", &proof)
        };
        let hash = token_hash(access);
        attribute("PUT", &hash).body("1").send().await.expect(200);
        assert_eq!(attribute("GET", &hash).send().await.expect(200).json(), json!({"a b": 1}));
        refused(attribute("GET", "x").send().await, 401, "invalid_dpop_proof");
        let bearer = client.server().get("/api/v1/attributes").bearer(access).send().await;
        refused(bearer, 401, "invalid_token");
    }

    async fn codes_can_be_for_a_key(server) {
        let client = Client::new(&server).await;
        let holder = Holder::new();
        let asked = format!("dpop_jkt={}", holder.thumbprint());
        let code = client.code(&asked).await;
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
        // A broken proof is not the code's fault.
        refused(token(&client, "x", &form).await, 400, "invalid_dpop_proof");
        let bound = token(&client, &holder.proof(&client, json!({})), &form).await.expect(200).json();
        holder.user_info(&client, &bound["access_token"]).await.expect(200);
        for other in [None, Some(Holder::new())] {
            let code = client.code(&asked).await;
            let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
            let answer = match other {
                Some(other) => token(&client, &other.proof(&client, json!({})), &form).await,
                None => client.token(&form).await,
            };
            refused(answer, 400, "invalid_grant");
        }
        let answer = client.authorize("dpop_jkt=short").await.expect(302);
        assert_eq!(parameter(&answer.header("location"), "error"), "invalid_request");
    }

    async fn browser_applications_bind_their_tokens(server) {
        let client = Client::new(&server).await;
        let spa = client.another("singlepageapp").await;
        let holder = Holder::new();
        let pkce = format!("code_challenge={CHALLENGE}&code_challenge_method=S256");
        let code = spa.code(&pkce).await;
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER), ("client_id", &spa.id)];
        let answer = spa.server().post(&format!("{}/token", spa.base)).header("dpop", holder.proof(&spa, json!({}))).form(&form).send().await;
        let bound = answer.expect(200).json();
        assert_eq!(bound["token_type"], "DPoP");
        holder.user_info(&spa, &bound["access_token"]).await.expect(200);
        refused(spa.userinfo(&bound["access_token"]).await, 401, "invalid_token");
    }

    async fn renewed_tokens_stay_bound(server) {
        let client = Client::new(&server).await;
        client.instance.put("config/tokens", json!({"refresh": {"enabled": true}})).await.expect(200);
        let holder = Holder::new();
        let first = token(&client, &holder.proof(&client, json!({})), &ADA).await.expect(200).json();
        let renew = |tokens: &Value| vec![("grant_type", String::from("refresh_token")), ("refresh_token", tokens["refresh_token"].as_str().unwrap().to_owned())];
        let send = |form: Vec<(&'static str, String)>, proof: Option<String>| {
            let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let request = client.post("token").form(&form);
            match proof {
                Some(proof) => request.header("dpop", &proof),
                None => request,
            }
        };
        let second = send(renew(&first), Some(holder.proof(&client, json!({})))).send().await.expect(200).json();
        assert_eq!(second["token_type"], "DPoP");
        holder.user_info(&client, &second["access_token"]).await.expect(200);
        // An application that keeps a secret may change its key, as long as there is one.
        let other = Holder::new();
        let third = send(renew(&second), Some(other.proof(&client, json!({})))).send().await.expect(200).json();
        other.user_info(&client, &third["access_token"]).await.expect(200);
        refused(send(renew(&third), None).send().await, 400, "invalid_grant");
    }

    async fn instances_may_insist_and_may_do_without(server) {
        let client = Client::new(&server).await;
        let holder = Holder::new();
        client.instance.put("config/oauth", json!({"dpop": "required"})).await.expect(200);
        for form in [&[GRANT][..], &ADA] {
            refused(client.token(form).await, 400, "invalid_request");
            assert_eq!(token(&client, &holder.proof(&client, json!({})), form).await.expect(200).json()["token_type"], "DPoP");
        }
        client.instance.put("config/oauth", json!({"dpop": "off"})).await.expect(200);
        let free = token(&client, "x", &ADA).await.expect(200).json();
        assert_eq!(free["token_type"], "Bearer");
        client.userinfo(&free["access_token"]).await.expect(200);
        let path = format!("{}/.well-known/openid-configuration", client.base);
        let found = server.get(&path).send().await.expect(200).json();
        assert!(found.get("dpop_signing_alg_values_supported").is_none());
    }
}

//! Nonces that proofs of possession must repeat (RFC 9449 sections 8 and 9).

use serde_json::{Value, json};
use vestibule_crypto::{
    dpop::token_hash,
    jose::{Algorithm, SigningKey},
    random,
};
use vestibule_testkit::{Conditions, TestResponse, on_each_engine};

use super::setup::{CALLBACK, Client, refused};

const MACHINE: (&str, &str) = ("grant_type", "client_credentials");

fn proof(client: &Client<'_>, holder: &SigningKey, more: Value) -> String {
    let mut claims = json!({
        "jti": random::token(&random::SystemRandom::new(), 12),
        "htm": "POST",
        "htu": format!("http://vestibule.test{}/token", client.base),
        "iat": client.server().engine.now().seconds(),
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": holder.public_jwk()});
    holder.sign(&header, &claims).unwrap()
}

async fn token(client: &Client<'_>, proof: String, form: &[(&str, &str)]) -> TestResponse {
    client
        .post("token")
        .header("dpop", proof)
        .form(form)
        .send()
        .await
}

/// Insists on being asked for a nonce, and answers it.
#[track_caller]
fn asked(answer: TestResponse, status: u16) -> String {
    let nonce = answer.header("dpop-nonce");
    assert!(
        answer
            .headers
            .get("access-control-expose-headers")
            .is_none_or(|exposed| exposed.to_str().unwrap().contains("dpop-nonce"))
    );
    refused(answer, status, "use_dpop_nonce");
    nonce
}

on_each_engine! {
    async fn proofs_repeat_what_they_were_given(server) {
        let client = Client::new(&server).await;
        let holder = SigningKey::generate(Algorithm::ES256, "own").unwrap();
        // Without the switch nobody is asked, and a nonce of elsewhere does no harm.
        token(&client, proof(&client, &holder, json!({"nonce": "elsewhere"})), &[MACHINE]).await.expect(200);
        client.instance.put("config/oauth", json!({"dpopNonce": true})).await.expect(200);
        let code = client.code("state=s").await;
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
        let first = proof(&client, &holder, json!({}));
        let answer = token(&client, first.clone(), &form).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let nonce = asked(answer, 400);
        for wrong in [json!(""), json!("elsewhere"), json!(nonce.to_lowercase()), json!(null)] {
            assert_eq!(asked(token(&client, proof(&client, &holder, json!({"nonce": wrong})), &form).await, 400), nonce);
        }
        // Neither code nor proof was used up by being asked.
        let bound = token(&client, proof(&client, &holder, json!({"nonce": nonce})), &form).await.expect(200).json();
        assert_eq!(bound["token_type"], "DPoP");
        assert_eq!(asked(token(&client, first, &[MACHINE]).await, 400), nonce);
        // A resource asks with a challenge.
        let access = bound["access_token"].as_str().unwrap();
        let shown = |more: Value| {
            let mut claims = json!({"htm": "GET", "htu": format!("http://vestibule.test{}/userinfo", client.base), "ath": token_hash(access)});
            for (name, value) in more.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let proof = proof(&client, &holder, claims);
            server.get(&format!("{}/userinfo", client.base)).header("authorization", format!("DPoP {access}")).header("dpop", proof)
        };
        let answer = shown(json!({})).send().await;
        assert!(answer.header("www-authenticate").starts_with("DPoP error=\"use_dpop_nonce\", algs=\""));
        assert_eq!(asked(answer, 401), nonce);
        shown(json!({"nonce": nonce})).send().await.expect(200);
        // Who may not do without a proof is not told of nonces, and clients without proofs are left alone.
        client.ada().await;
    }

    async fn nonces_last_two_windows(server) {
        let client = Client::new(&server).await;
        let other = Client::of(crate::instance::Instance::new(&server, "other").await, "regularwebapp").await;
        let holder = SigningKey::generate(Algorithm::ES256, "own").unwrap();
        for one in [&client, &other] {
            one.instance.put("config/oauth", json!({"dpopNonce": true})).await.expect(200);
        }
        let send = async |client: &Client<'_>, nonce: &str| token(client, proof(client, &holder, json!({"nonce": nonce})), &[MACHINE]).await;
        let nonce = asked(send(&client, "").await, 400);
        assert_ne!(asked(send(&other, "").await, 400), nonce);
        assert_ne!(asked(send(&other, &nonce).await, 400), nonce);
        server.clock.advance_seconds(150);
        send(&client, &nonce).await.expect(200);
        let next = asked(send(&client, "").await, 400);
        assert_ne!(next, nonce);
        server.clock.advance_seconds(150);
        let newest = asked(send(&client, &nonce).await, 400);
        send(&client, &next).await.expect(200);
        send(&client, &newest).await.expect(200);
        // Another process of the same service gives and takes the same ones.
        let (path, own) = (format!("{}/token", client.base), (client.id.clone(), client.secret.clone()));
        let again = proof(&client, &holder, json!({"nonce": newest}));
        let node = server.restart(Conditions::default()).await;
        node.post(&path).basic(&own.0, &own.1).header("dpop", again).form(&[MACHINE]).send().await.expect(200);
    }
}

//! A route that signs a token of the usual size and does nothing else, in a process of its own: what the same HTTP stack can do at most.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::{
    error::Unspecified,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use axum::{Json, Router, extract::State, routing::post};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{http::request, load, server::Server};

struct Signer {
    key: Key,
    random: SystemRandom,
}

enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl Signer {
    fn of(algorithm: &str) -> Result<Self> {
        let key = match algorithm {
            "RS256" => RsaKeyPair::generate(KeySize::Rsa2048).map(Key::Rsa),
            "ES256" => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Key::P256),
            _ => bail!("{algorithm} is not signed with"),
        };
        Ok(Self {
            key: key.map_err(|_| anyhow!("cannot make a key"))?,
            random: SystemRandom::new(),
        })
    }

    fn signature(&self, text: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &self.random, text, &mut signature)?;
                Ok(signature)
            }
            Key::P256(key) => Ok(key.sign(&self.random, text)?.as_ref().to_vec()),
        }
    }
}

/// Answers a second of the bare signer.
pub(super) async fn measure(algorithm: &str, connections: usize, time: Duration) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe().context("no program")?);
    command.args(["--signer", algorithm]);
    let server = Server::spawn(command).await?;
    let requests = vec![request(
        "POST",
        "/token",
        &[],
        b"grant_type=client_credentials",
    )];
    let reached = load::run(&server.address, requests, connections, time).await?;
    server.stop().await?;
    Ok(reached.rate)
}

/// Serves until it is told to end.
pub async fn serve(algorithm: &str) -> Result<()> {
    let signer = Arc::new(Signer::of(algorithm)?);
    let router = Router::new().route("/token", post(sign)).with_state(signer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            ended.recv().await;
        })
        .await?;
    Ok(())
}

async fn sign(State(signer): State<Arc<Signer>>) -> Json<Value> {
    let mut token = URL_SAFE_NO_PAD.encode([b'h'; 120]);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string([b'c'; 400], &mut token);
    if let Ok(signature) = signer.signature(token.as_bytes()) {
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
    }
    Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600}))
}

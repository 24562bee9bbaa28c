//! Behind a proxy that passes certificates of clients on (RFC 8705, RFC 9440).

use serde_json::{Value, json};
use vestibule_testkit::TestCertificate;

use crate::process::{Administrator, Service, text};

/// Status and answer of a request for a token with this certificate.
async fn token(
    service: &Service,
    (tenant, client): (&str, &str),
    (header, value): (&str, String),
) -> (u16, Value) {
    let answer = reqwest::Client::new()
        .post(format!("{}/oauth/v4/{tenant}/token", service.url))
        .header(header, value)
        .form(&[("grant_type", "client_credentials"), ("client_id", client)])
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn discovery(service: &Service, tenant: &str) -> Value {
    let path = "/.well-known/openid-configuration";
    let url = format!("{}/oauth/v4/{tenant}{path}", service.url);
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_proxy_that_was_named_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let options = [
        "--trusted-proxies",
        "10.9.8.0/24,127.0.0.1",
        "--client-cert-header",
        "X-Client-Certificate",
        "--mtls-url",
        "https://mtls.example.com",
    ];
    let service = Service::start(folder.path(), &options);
    let administrator = Administrator::sign_in(&service.url).await;
    let call = async |method: &str, path: &str, body: Value| {
        let (status, answer) = administrator.call(method, path, Some(&body)).await.unwrap();
        assert!(status < 300, "{path}: {answer}");
        answer
    };
    let instance = json!({"name": "one", "target": "local", "resource_group": "default", "resource_plan_id": "standard"});
    let tenant = text(
        &call("POST", "/v2/resource_instances", instance).await,
        "guid",
    );
    let base = format!("/management/v4/{tenant}");
    let application = json!({"name": "shop", "type": "regularwebapp"});
    let made = call("POST", &format!("{base}/applications"), application).await;
    let client = text(&made, "clientId");
    call(
        "PUT",
        &format!("{base}/config/oauth"),
        json!({"mutualTls": "allowed"}),
    )
    .await;
    // From 2017 to 2049.
    let own = TestCertificate::new("CN=shop", &[], (1_500_000_000, 2_500_000_000));
    let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "x5c": [own.x5c()]});
    let metadata = json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [key]}});
    call(
        "PUT",
        &format!("{base}/applications/{client}/metadata"),
        metadata,
    )
    .await;
    let found = discovery(&service, &tenant).await;
    let alias = &found["mtls_endpoint_aliases"]["token_endpoint"];
    assert_eq!(
        alias,
        &format!("https://mtls.example.com/oauth/v4/{tenant}/token")
    );
    let who = (tenant.as_str(), client.as_str());
    let good = token(&service, who, ("x-client-certificate", own.header())).await;
    assert_eq!(good.0, 200, "{}", good.1);
    let elsewhere = token(&service, who, ("client-cert", own.header())).await;
    assert_eq!(
        (elsewhere.0, &elsewhere.1["error"]),
        (401, &json!("invalid_client"))
    );
    assert_eq!(service.stop(), Some(0));
    // The same service that trusts nobody.
    let service = Service::start(
        folder.path(),
        &["--client-cert-header", "X-Client-Certificate"],
    );
    let stranger = token(&service, who, ("x-client-certificate", own.header())).await;
    assert_eq!(
        (stranger.0, &stranger.1["error"]),
        (401, &json!("invalid_client"))
    );
    let found = discovery(&service, &tenant).await;
    assert!(found.get("mtls_endpoint_aliases").is_none());
    assert!(
        found
            .get("tls_client_certificate_bound_access_tokens")
            .is_none()
    );
    assert_eq!(service.stop(), Some(0));
}

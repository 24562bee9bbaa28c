//! An instance seen by its administrator.

use serde_json::{Value, json};
use vestibule_testkit::{TestRequest, TestResponse, TestServer};

/// An instance and a token of someone who may do everything with it.
pub struct Instance<'a> {
    pub server: &'a TestServer,
    pub guid: String,
    pub token: String,
}

impl<'a> Instance<'a> {
    /// A new one.
    pub async fn new(server: &'a TestServer, name: &str) -> Self {
        Self {
            server,
            guid: server.create_instance(name).await,
            token: server.admin_token().await,
        }
    }

    /// A request below `/management/v4/{guid}/`.
    pub fn request(&self, method: &str, path: &str) -> TestRequest {
        self.server
            .request(method, &format!("/management/v4/{}/{path}", self.guid))
            .bearer(&self.token)
    }

    /// `GET` that succeeds.
    pub async fn get(&self, path: &str) -> Value {
        self.request("get", path).send().await.expect(200).json()
    }

    /// `POST`.
    pub async fn post(&self, path: &str, body: Value) -> TestResponse {
        self.request("post", path).json(&body).send().await
    }

    /// `PUT`.
    pub async fn put(&self, path: &str, body: Value) -> TestResponse {
        self.request("put", path).json(&body).send().await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> TestResponse {
        self.request("delete", path).send().await
    }

    /// Registers an application with scopes; answers its client id.
    pub async fn application(&self, name: &str, scopes: &[&str]) -> String {
        let made = self
            .post("applications", json!({ "name": name }))
            .await
            .expect(200)
            .json();
        let id = made["clientId"].as_str().expect("a client id").to_owned();
        if !scopes.is_empty() {
            let path = format!("applications/{id}/scopes");
            self.put(&path, json!({ "scopes": scopes }))
                .await
                .expect(200);
        }
        id
    }

    /// Puts a user into the directory.
    pub async fn directory_user(&self, email: &str) {
        let body = json!({"emails": [{"value": email, "primary": true}], "password": "correct horse battery"});
        self.post("cloud_directory/Users", body).await.expect(201);
    }

    /// Makes a role; answers its id.
    pub async fn role(&self, name: &str, access: Value) -> String {
        let made = self
            .post("roles", json!({"name": name, "access": access}))
            .await
            .expect(201)
            .json();
        made["id"].as_str().expect("a role id").to_owned()
    }
}

/// Insists on a refusal by its status and code.
#[track_caller]
pub fn refused(answer: TestResponse, status: u16, code: &str) {
    let answer = answer.expect(status);
    assert_eq!(answer.json()["error_code"], code, "{}", answer.text());
}

//! Flows of more than one request, or whose next request depends on the last answer.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::stage::{CALLBACK, FORM, PASSWORD, Stage, address, text};
use crate::{
    http::{Connection, request},
    load::{Flow, good},
    server::Server,
};

/// A browser that stays signed in asks for a code, and the application redeems it.
pub(super) struct CodeFlow {
    authorization: Vec<u8>,
    token: (String, String),
}

impl CodeFlow {
    /// Signs one person in through the page.
    pub(super) async fn sign_in(server: &Server, stage: &Stage, n: usize) -> Result<Self> {
        let mut connection = Connection::open(&server.address).await?;
        let path = format!(
            "{}/authorization?client_id={}&response_type=code&redirect_uri={CALLBACK}&scope=openid&state=s&nonce=n",
            stage.base, stage.client
        );
        let page = good(connection.call(&request("GET", &path, &[], b"")).await?)?;
        let browser = cookie(page.header("set-cookie"))?;
        let html = String::from_utf8_lossy(&page.body).into_owned();
        let form = format!(
            "context={}&username={}&password={}",
            between(&html, "name=\"context\" value=\"")?,
            address(n).replace('@', "%40"),
            PASSWORD.replace(' ', "+")
        );
        let action = between(&html, "action=\"")?;
        let submit = request(
            "POST",
            action,
            &[FORM, ("Cookie", &browser)],
            form.as_bytes(),
        );
        let answer = connection.call(&submit).await?;
        if answer.status != 303 {
            bail!("signing in answered {}", answer.status);
        }
        let session = cookie(answer.header("set-cookie"))?;
        Ok(Self {
            authorization: request("GET", &path, &[("Cookie", &session)], b""),
            token: (format!("{}/token", stage.base), stage.basic.clone()),
        })
    }
}

impl Flow for CodeFlow {
    async fn step(&mut self, connection: &mut Connection) -> Result<()> {
        let answer = connection.call(&self.authorization).await?;
        let code = answer
            .header("location")
            .and_then(|to| to.split_once("?code="))
            .and_then(|(_, rest)| rest.split('&').next())
            .with_context(|| format!("no code, but {}", answer.status))?;
        let form = format!("grant_type=authorization_code&code={code}&redirect_uri={CALLBACK}");
        let (path, basic) = &self.token;
        let redeem = request(
            "POST",
            path,
            &[FORM, ("Authorization", basic)],
            form.as_bytes(),
        );
        good(connection.call(&redeem).await?)?;
        Ok(())
    }
}

/// An application that uses each refresh token once.
pub(super) struct Refresh {
    next: String,
    token: (String, String),
}

impl Refresh {
    pub(super) fn new(stage: &Stage, tokens: &Value) -> Result<Self> {
        Ok(Self {
            next: text(tokens, "refresh_token")?.to_owned(),
            token: (format!("{}/token", stage.base), stage.basic.clone()),
        })
    }
}

impl Flow for Refresh {
    async fn step(&mut self, connection: &mut Connection) -> Result<()> {
        let form = format!("grant_type=refresh_token&refresh_token={}", self.next);
        let (path, basic) = &self.token;
        let renew = request(
            "POST",
            path,
            &[FORM, ("Authorization", basic)],
            form.as_bytes(),
        );
        let answer = good(connection.call(&renew).await?)?;
        let tokens: Value = serde_json::from_slice(&answer.body).context("not JSON")?;
        self.next = text(&tokens, "refresh_token")?.to_owned();
        Ok(())
    }
}

fn cookie(header: Option<&str>) -> Result<String> {
    let pair = header.and_then(|header| header.split(';').next());
    Ok(pair.context("no cookie")?.to_owned())
}

fn between<'a>(html: &'a str, before: &str) -> Result<&'a str> {
    html.split_once(before)
        .and_then(|(_, rest)| rest.split('"').next())
        .with_context(|| format!("no {before} on the page"))
}

//! The product manager and whoever sells: people with an admin token and HTTP.

#![expect(clippy::indexing_slicing, reason = "a JSON value gives null for what is not there")]

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::sample::{Sample, Tenant};

/// The admin API of one project and environment.
pub(crate) struct Manager {
    http: reqwest::Client,
    project: String,
    environment: String,
    token: String,
}

impl Manager {
    pub(crate) fn new(server: &str, token: &str) -> Self {
        let project = format!("{server}/api/v1/projects/default");
        let environment = format!("{project}/environments/production");
        Self { http: reqwest::Client::new(), project, environment, token: token.to_owned() }
    }

    /// Creates what the sample has: segments and flags, features and plans, and a contract of each tenant.
    pub(crate) async fn load(&self, sample: &Sample) -> Result<()> {
        for segment in &sample.segments {
            self.send(Method::POST, &format!("{}/segments", self.environment), Some(segment))
                .await?;
        }
        for flag in &sample.flags {
            let create = Value::Object(flag.create.clone());
            self.send(Method::POST, &format!("{}/flags", self.project), Some(&create)).await?;
        }
        for flag in &sample.flags {
            if let (Some(state), Some(key)) = (&flag.state, flag.create.get("key")) {
                let key = key.as_str().context("a flag's key is text")?;
                self.merge(key, state).await?;
            }
        }
        for (kind, objects) in [("features", &sample.features), ("plans", &sample.plans)] {
            for object in objects {
                self.send(Method::POST, &format!("{}/{kind}", self.environment), Some(object))
                    .await?;
            }
        }
        let contract =
            |tenant: &Tenant| json!({"key": tenant.key, "plan": tenant.plan, "plan_version": 1});
        let tenants = json!({"tenants": sample.tenants.iter().map(contract).collect::<Vec<_>>()});
        self.send(Method::POST, &format!("{}/tenants", self.environment), Some(&tenants)).await?;
        Ok(())
    }

    /// Merges `state` into the state of a flag.
    async fn merge(&self, flag: &str, state: &Value) -> Result<()> {
        let url = format!("{}/flags/{flag}", self.environment);
        self.patch(&url, state).await?;
        Ok(())
    }

    /// Replaces parts of something, unless somebody else has changed it meanwhile.
    async fn patch(&self, url: &str, parts: &Value) -> Result<Value> {
        let current = self.send(Method::GET, url, None).await?;
        let request = self
            .http
            .patch(url)
            .bearer_auth(&self.token)
            .header("If-Match", format!("\"{}\"", current["version"]))
            .json(parts);
        checked(request.send().await?).await
    }

    /// One of a flag's verbs; gives the revision and the moment its answer arrived.
    pub(crate) async fn verb(
        &self,
        flag: &str,
        verb: &str,
        body: Option<Value>,
    ) -> Result<(u64, Instant)> {
        let method = if verb.starts_with("tenants/") { Method::PUT } else { Method::POST };
        let url = format!("{}/flags/{flag}/{verb}", self.environment);
        let answer = self.send(method, &url, body.as_ref()).await?;
        arrived(&answer)
    }

    /// A change of what a tenant has bought; gives the moment its answer arrived.
    pub(crate) async fn contract(&self, tenant: &str, parts: &Value) -> Result<(u64, Instant)> {
        let answer = self.patch(&format!("{}/tenants/{tenant}", self.environment), parts).await?;
        arrived(&answer)
    }

    /// An exception of a tenant's contract; gives the moment its answer arrived.
    pub(crate) async fn exception(
        &self,
        tenant: &str,
        exception: &Value,
    ) -> Result<(u64, Instant)> {
        let url = format!("{}/tenants/{tenant}/overrides", self.environment);
        let answer = self.send(Method::POST, &url, Some(exception)).await?;
        arrived(&answer)
    }

    /// Gives a user a seat, or tells why there is none: the problem that the server answered.
    pub(crate) async fn seat(&self, tenant: &str, user: &str) -> Result<Result<Value, Value>> {
        let url = format!("{}/tenants/{tenant}/seats/seats/{user}", self.environment);
        let response = self.http.put(&url).bearer_auth(&self.token).send().await?;
        if response.status() == StatusCode::CONFLICT {
            return Ok(Err(response.json().await?));
        }
        Ok(Ok(checked(response).await?))
    }

    pub(crate) async fn explain(&self, flag: &str, context: Value) -> Result<String> {
        let question = json!({"flag": flag, "context": context});
        let url = format!("{}/explain", self.environment);
        let answer = self.send(Method::POST, &url, Some(&question)).await?;
        Ok(answer["text"].as_str().context("an explanation has a text")?.to_owned())
    }

    async fn send(&self, method: Method, url: &str, body: Option<&Value>) -> Result<Value> {
        let request = self.http.request(method, url).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        checked(request.send().await?).await
    }
}

/// The revision that a write has made, and now.
fn arrived(answer: &Value) -> Result<(u64, Instant)> {
    let arrived = Instant::now();
    Ok((answer["revision"].as_u64().context("a write answers with its revision")?, arrived))
}

/// The body of a success; the problem, in its own words, of anything else.
async fn checked(response: Response) -> Result<Value> {
    let (status, url) = (response.status(), response.url().clone());
    let text = response.text().await?;
    if !status.is_success() {
        bail!("{url} answered {status}: {text}");
    }
    Ok(serde_json::from_str(&text)?)
}

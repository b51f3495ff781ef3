use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::DatabaseFile;
use super::api::Server;
use super::local::with_service;
use super::output::{Failure, Output};
use crate::Error;
use crate::service::Fault;
use crate::service::token::{self, Token};
use crate::store::Page;

/// The arguments of `flags-server token`.
#[derive(Args)]
pub(super) struct Tokens {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Common {
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", global = true)]
    reason: Option<String>,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    file: DatabaseFile,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Verb {
    /// Creates a token and prints its secret, once
    Create {
        /// What it is called
        #[arg(long)]
        name: String,
        /// What it is for: `admin` or `sdk`
        #[arg(long)]
        kind: String,
        /// The project of an sdk token's environment
        #[arg(long, value_name = "KEY")]
        project: Option<String>,
        /// The environment of an sdk token
        #[arg(long, value_name = "KEY")]
        environment: Option<String>,
    },
    /// Lists the tokens, revoked ones too, without their secrets
    List,
    /// Revokes a token
    Revoke {
        /// Its id
        id: String,
    },
}

impl Tokens {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let Common { reason, server, file, output } = self.common;
        let api = server.api()?;
        let query: Vec<_> =
            reason.as_deref().map(|reason| ("reason", reason)).into_iter().collect();
        let database = &file.path()?;
        match self.verb {
            Verb::Create { name, kind, project, environment } => {
                let body = json!({"name": name, "kind": kind, "project": project,
                    "environment": environment});
                let created = match api {
                    Some(api) => api.send(Method::POST, "/api/v1/tokens", &query, Some(&body))?,
                    None => {
                        let new = serde_json::from_value(body).map_err(|error| {
                            Error::new(format!("there is no such token: {error}"))
                        })?;
                        let (token, secret) =
                            with_service(database, reason, async |service, author| {
                                service.write(author, |unit| token::create(unit, new)).await
                            })?;
                        let mut shown = show(&token);
                        if let Some(members) = shown.as_object_mut() {
                            members.insert("token".to_owned(), secret.into());
                        }
                        shown
                    }
                };
                Ok(output.print(&created, |created| text(created, "token"))?)
            }
            Verb::List => {
                let tokens: Vec<Value> = match api {
                    Some(api) => list(&api)?,
                    None => with_service(database, None, async |service, _| {
                        let tokens = service.read(|view| token::list(view, &Page::ALL)).await?;
                        Ok::<_, Fault>(tokens.iter().map(show).collect())
                    })?,
                };
                Ok(output.print(&tokens, |tokens| {
                    let lines: Vec<String> = tokens.iter().map(line).collect();
                    lines.join("\n")
                })?)
            }
            Verb::Revoke { id } => {
                let revoked = match api {
                    Some(api) => {
                        api.send(Method::DELETE, &format!("/api/v1/tokens/{id}"), &query, None)?
                    }
                    None => {
                        let token = with_service(database, reason, async |service, author| {
                            service.write(author, move |unit| token::revoke(unit, &id)).await
                        })?;
                        show(&token)
                    }
                };
                Ok(output.print(&revoked, line)?)
            }
        }
    }
}

/// All pages.
fn list(api: &super::api::Api) -> Result<Vec<Value>, Error> {
    let mut tokens = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let query: Vec<_> =
            cursor.as_deref().map(|cursor| ("cursor", cursor)).into_iter().collect();
        let mut page = api.send(Method::GET, "/api/v1/tokens", &query, None)?;
        if let Some(items) = page.get_mut("items").and_then(Value::as_array_mut) {
            tokens.append(items);
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(tokens),
        }
    }
}

fn show(token: &Token) -> Value {
    let Token { stored, environment } = token;
    json!({
        "id": stored.id,
        "name": stored.name,
        "kind": stored.kind.name(),
        "project": environment.as_ref().map(|(project, _)| project),
        "environment": environment.as_ref().map(|(_, environment)| environment),
        "created_at": stored.created_at.to_string(),
        "revoked_at": stored.revoked_at.map(|at| at.to_string()),
    })
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn line(token: &Value) -> String {
    let mut line = ["id", "kind", "project", "environment", "name"]
        .map(|name| text(token, name))
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if token.get("revoked_at").is_some_and(Value::is_string) {
        line.push_str(" (revoked)");
    }
    line
}

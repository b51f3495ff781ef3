use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::DatabaseFile;
use super::api::Server;
use super::local::with_service;
use super::output::{Failure, Output, on_one_line};
use crate::Error;
use crate::database::attach;
use crate::service::Unit;
use crate::service::shown_token::Shown;
use crate::service::token::{self, Token};
use crate::store::{Page, Reach, Store};

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
        /// What it is for: `sdk`, `personal` or `service`
        #[arg(long)]
        kind: String,
        /// What a personal or service token may do: `viewer`, `editor` or `admin`
        #[arg(long)]
        role: Option<String>,
        /// A place that a personal or service token is for, `PROJECT` or `PROJECT/ENVIRONMENT`; may
        /// be said again. Without one it is for everything
        #[arg(long, value_name = "PLACE")]
        scope: Vec<String>,
        /// The project of an sdk token's environment
        #[arg(long, value_name = "KEY")]
        project: Option<String>,
        /// The environment of an sdk token
        #[arg(long, value_name = "KEY")]
        environment: Option<String>,
        /// Which stored tenants an sdk token sees: `all` or `none`
        #[arg(long)]
        tenants: Option<String>,
        /// When it ends, such as 2027-12-31T23:59:59Z; without it, it does not
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// Gives a token another secret and prints it, once
    Rotate {
        /// Its id
        id: String,
        /// How long the one before still works
        #[arg(long, value_name = "SECONDS")]
        overlap_seconds: u32,
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
            Verb::Create { name, kind, role, scope, project, environment, tenants, expires_at } => {
                let places: Vec<Value> = scope.iter().map(|place| said_place(place)).collect();
                let scope = (!places.is_empty()).then_some(places);
                let body = json!({"name": name, "kind": kind, "role": role, "scope": scope,
                    "project": project, "environment": environment, "tenants": tenants,
                    "expires_at": expires_at});
                let created = match api {
                    Some(api) => api.send(Method::POST, &["tokens"], &query, Some(&body))?,
                    None => {
                        let new = serde_json::from_value(body).map_err(|error| {
                            Error::new(format!("there is no such token: {error}"))
                        })?;
                        let (token, secret) =
                            with_service(database, reason, async |service, author| {
                                let create = |unit: &mut Unit<'_>| {
                                    token::create(unit, &Reach::Everything, new)
                                };
                                service.write(author, create).await
                            })?;
                        with_secret(token, secret)
                    }
                };
                Ok(output.print(&created, |created| text(created, "token"))?)
            }
            Verb::Rotate { id, overlap_seconds } => {
                let body = json!({"overlap_seconds": overlap_seconds});
                let rotated = match api {
                    Some(api) => {
                        api.send(Method::POST, &["tokens", &id, "rotate"], &query, Some(&body))?
                    }
                    None => {
                        let (token, secret) =
                            with_service(database, reason, async |service, author| {
                                let rotate = move |unit: &mut Unit<'_>| {
                                    token::rotate(unit, &Reach::Everything, &id, overlap_seconds)
                                };
                                service.write(author, rotate).await
                            })?;
                        with_secret(token, secret)
                    }
                };
                Ok(output.print(&rotated, |rotated| text(rotated, "token"))?)
            }
            Verb::List => {
                let tokens: Vec<Value> = match api {
                    Some(api) => list(&api)?,
                    None => {
                        let store = attach(database)?;
                        let tokens = token::list(&*store.view()?, &Reach::Everything, &Page::ALL)?;
                        tokens.into_iter().map(show).collect()
                    }
                };
                Ok(output.print(&tokens, |tokens| {
                    let lines: Vec<String> = tokens.iter().map(line).collect();
                    lines.join("\n")
                })?)
            }
            Verb::Revoke { id } => {
                let revoked = match api {
                    Some(api) => api.send(Method::DELETE, &["tokens", &id], &query, None)?,
                    None => {
                        let token = with_service(database, reason, async |service, author| {
                            let revoke = move |unit: &mut Unit<'_>| {
                                token::revoke(unit, &Reach::Everything, &id)
                            };
                            service.write(author, revoke).await
                        })?;
                        show(token)
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
        let mut page = api.send(Method::GET, &["tokens"], &query, None)?;
        if let Some(items) = page.get_mut("items").and_then(Value::as_array_mut) {
            tokens.append(items);
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(tokens),
        }
    }
}

/// As the API shows it.
fn show(token: Token) -> Value {
    json!(Shown::from(token))
}

fn with_secret(token: Token, secret: String) -> Value {
    json!(Shown::once(token, secret))
}

/// A place of a scope.
fn said_place(place: &str) -> Value {
    match place.split_once('/') {
        Some((project, environment)) => json!({"project": project, "environment": environment}),
        None => json!({"project": place}),
    }
}

fn text(value: &Value, name: &str) -> String {
    on_one_line(value.get(name).and_then(Value::as_str).unwrap_or_default())
}

fn line(token: &Value) -> String {
    let mut line = ["id", "kind", "role", "project", "environment", "name"]
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

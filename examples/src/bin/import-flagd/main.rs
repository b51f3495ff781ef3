//! Carries the flags of a flagd definitions file over to the API: variant names and values
//! exactly, serving their default variant.
//!
//! flagd's targeting rules (JsonLogic) are not translated: such a flag is created, serves its
//! default variant, and is named at the end. `--strict` makes that an error.

#![forbid(unsafe_code)]
#![expect(clippy::indexing_slicing, reason = "a JSON value gives null for what is not there")]

mod flagd;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use flagd::{Definitions, Imported};

/// Creates the flags of a flagd definitions file in a project.
#[derive(Parser)]
struct Arguments {
    /// The definitions file.
    file: PathBuf,
    /// The address of the server.
    #[arg(long, env = "FLAGS_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// An admin token.
    #[arg(long, env = "FLAGS_ADMIN_TOKEN", hide_env_values = true)]
    token: String,
    /// The project that gets the flags.
    #[arg(long, default_value = "default")]
    project: String,
    /// The environment in which they get flagd's state; elsewhere they stay off.
    #[arg(long, default_value = "production")]
    environment: String,
    /// Fail, before anything is created, if a flag has targeting rules.
    #[arg(long)]
    strict: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let text = std::fs::read_to_string(&arguments.file)
        .with_context(|| format!("reading {}", arguments.file.display()))?;
    let definitions: Definitions = serde_json::from_str(&text)
        .with_context(|| format!("{} is not a flagd file", arguments.file.display()))?;
    // Everything is read before anything is created.
    let flags: Vec<Imported> =
        definitions.flags.into_iter().map(flagd::import).collect::<Result<_>>()?;
    ensure!(!flags.is_empty(), "{} has no flags", arguments.file.display());
    let targeted: Vec<&str> =
        flags.iter().filter(|flag| flag.targeting).map(|flag| flag.key.as_str()).collect();
    if arguments.strict && !targeted.is_empty() {
        bail!("targeting rules are not carried over: {}", targeted.join(", "));
    }

    let api = Api { http: reqwest::Client::new(), arguments: &arguments };
    for flag in &flags {
        let variant = api.carry_over(flag).await.with_context(|| format!("flag `{}`", flag.key))?;
        let variants = flag.variants.as_array().map_or(0, Vec::len);
        println!("{}: {variants} variants, serves `{variant}`", flag.key);
    }
    println!("{} flags carried over, every one answers its default variant", flags.len());
    for key in targeted {
        println!("warning: the targeting rules of `{key}` were not carried over");
    }
    Ok(())
}

struct Api<'a> {
    http: reqwest::Client,
    arguments: &'a Arguments,
}

impl Api<'_> {
    /// Creates a flag, sets its state, and checks what it serves.
    async fn carry_over(&self, flag: &Imported) -> Result<String> {
        let created = self
            .send(
                Method::POST,
                "flags",
                &json!({
                    "key": flag.key,
                    "type": flag.flag_type,
                    "variants": flag.variants,
                    "description": flag.description,
                    "off_variant": flag.default_variant,
                    "fallthrough": flag.default_variant,
                }),
            )
            .await?;
        ensure!(created["variants"] == flag.variants, "the variants were stored otherwise");
        let environment = format!("environments/{}", self.arguments.environment);
        if flag.on {
            let on = format!("{environment}/flags/{}/on?reason=import", flag.key);
            self.send(Method::POST, &on, &Value::Null).await?;
        }
        let question = json!({"flag": flag.key, "context": {}});
        let answer = self.send(Method::POST, &format!("{environment}/evaluate"), &question).await?;
        let expected = flag.variants.as_array().and_then(|variants| {
            variants.iter().find(|v| v["name"] == flag.default_variant.as_str())
        });
        ensure!(
            answer["variant"] == flag.default_variant.as_str()
                && Some(&answer["value"]) == expected.map(|variant| &variant["value"]),
            "it serves {answer}, not its default variant",
        );
        Ok(flag.default_variant.clone())
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let Arguments { url, token, project, .. } = self.arguments;
        let url = format!("{url}/api/v1/projects/{project}/{path}");
        let request = self.http.request(method, url).bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(body) };
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if status == StatusCode::CONFLICT {
            bail!("it exists already, or a key too much like it: {text}");
        }
        ensure!(status.is_success(), "the server answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

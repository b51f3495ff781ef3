//! Carries the flags of a flagd definitions file over to the API: variant names and values
//! exactly, serving their default variant. It may be run again: a flag that is there already with
//! the same variants is left as it is, and one with other variants is an error.
//!
//! flagd's targeting rules (JsonLogic) are not translated: such a flag is created, serves its
//! default variant, and is named at the end. `--strict` makes that an error.

#![forbid(unsafe_code)]
#![expect(clippy::indexing_slicing, reason = "a JSON value gives null for what is not there")]

mod flagd;

use std::collections::BTreeMap;
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
    let environment = format!("environments/{}", arguments.environment);
    if api.ask(Method::GET, &environment, None).await?.is_none() {
        let Arguments { project, environment, .. } = &arguments;
        bail!("there is no environment `{environment}` in a project `{project}`");
    }
    let mut carried_over = 0;
    for flag in &flags {
        let is_new = api.carry_over(flag).await.with_context(|| format!("flag `{}`", flag.key))?;
        let variants = flag.variants.as_array().map_or(0, Vec::len);
        if is_new {
            carried_over += 1;
            let variant = &flag.default_variant;
            let off = if flag.on { "" } else { ", disabled" };
            println!("{}: {variants} variants, serves `{variant}`{off}", flag.key);
        } else {
            println!("{}: {variants} variants, was there already", flag.key);
        }
    }
    println!(
        "{carried_over} of {} flags carried over, each answers its default variant",
        flags.len()
    );
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
    /// Creates a flag, sets its state, and checks what it serves; whether there was none.
    async fn carry_over(&self, flag: &Imported) -> Result<bool> {
        if let Some(present) = self.ask(Method::GET, &format!("flags/{}", flag.key), None).await? {
            ensure!(
                present["type"] == flag.flag_type
                    && by_name(&present["variants"]) == by_name(&flag.variants),
                "there is such a flag, with other variants: {present}",
            );
            return Ok(false);
        }
        let create = json!({
            "key": flag.key,
            "type": flag.flag_type,
            "variants": flag.variants,
            "description": flag.description,
            "off_variant": flag.default_variant,
            "fallthrough": flag.default_variant,
        });
        let created = self.tell("flags", Some(create)).await?;
        ensure!(created["variants"] == flag.variants, "stored otherwise: {created}");
        let environment = format!("environments/{}", self.arguments.environment);
        if flag.on {
            let on = format!("{environment}/flags/{}/on?reason=import", flag.key);
            self.tell(&on, None).await?;
        }
        let question = json!({"flag": flag.key, "context": {}});
        let answer = self.tell(&format!("{environment}/evaluate"), Some(question)).await?;
        ensure!(
            answer["variant"] == flag.default_variant.as_str()
                && by_name(&flag.variants).get(&*flag.default_variant) == Some(&&answer["value"]),
            "it serves {answer}, not its default variant",
        );
        Ok(true)
    }

    async fn tell(&self, path: &str, body: Option<Value>) -> Result<Value> {
        let answer = self.ask(Method::POST, path, body).await?;
        answer.with_context(|| format!("there is no {path}"))
    }

    /// The answer's body; `None` for what is not there.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Option<Value>> {
        let Arguments { url, token, project, .. } = self.arguments;
        let url = format!("{url}/api/v1/projects/{project}/{path}");
        let request = self.http.request(method, &url).bearer_auth(token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        ensure!(status.is_success(), "{url} answered {status}: {text}");
        Ok(Some(serde_json::from_str(&text)?))
    }
}

/// The values of variants, whose order says nothing.
fn by_name(variants: &Value) -> BTreeMap<&str, &Value> {
    let variants = variants.as_array().into_iter().flatten();
    variants.filter_map(|v| Some((v["name"].as_str()?, &v["value"]))).collect()
}

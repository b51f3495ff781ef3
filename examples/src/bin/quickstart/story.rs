//! What happens, in order, with what it took.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::customer;
use crate::manager::Manager;
use crate::process::Process;
use crate::sample::Sample;
use crate::stage::{Stage, milliseconds, say, title};

pub(crate) async fn tell(keep: bool) -> Result<()> {
    let start = Instant::now();
    let sample = Sample::read()?;
    let stage = Stage::new()?;

    title("A server, on an embedded SQLite file");
    let server = stage.server("127.0.0.1:0").await?;
    let admin = token(&server, "FLAGS_ADMIN_TOKEN")?;
    let sdk = token(&server, "FLAGS_SDK_TOKEN")?;
    say(&format!("flags-server listens on {}", server.url));
    let manager = Manager::new(&server.url, &admin);
    let loading = Instant::now();
    manager.load(&sample).await?;
    say(&format!(
        "the sample product is loaded over the API: {} flags, {} segments, {} plans, {} contracts, in {:.0} ms",
        sample.flags.len(),
        sample.segments.len(),
        sample.plans.len(),
        sample.tenants.len(),
        milliseconds(loading),
    ));

    title("A service in two instances, and its tenants");
    let first = stage.service(1, &server.url, &sdk).await?;
    let second = stage.service(2, &server.url, &sdk).await?;
    say(&format!("they listen on {} and {}", first.url, second.url));
    let tenants: Vec<&str> = sample.tenants.iter().map(|t| t.key.as_str()).collect();
    let seen = stage.everyone(&first, &tenants).await?;
    ensure!(seen.dashboards.is_empty() && seen.checkouts.is_empty(), "both features begin off");
    say(&format!("{} tenants were served: {}", tenants.len(), seen.summary()));

    title("The product manager switches `new-dashboard` on for everyone");
    let (revision, answered) = manager.verb("new-dashboard", "on?reason=launch", None).await?;
    let delay = stage.until(&first, "acme", answered, |page| page.new_dashboard).await?;
    say(&format!("revision {revision}; the service's first changed answer came {delay}"));
    let seen = stage.everyone(&first, &tenants).await?;
    ensure!(seen.dashboards.len() == tenants.len(), "everyone has the new dashboard");
    say(&seen.summary());

    title("`new-checkout` goes out step by step");
    manager.verb("new-checkout", "rollout", Some(rollout(0.0))).await?;
    let (revision, _) = manager.verb("new-checkout", "on", None).await?;
    stage.reach(&first, revision).await?;
    let seen = stage.everyone(&first, &tenants).await?;
    ensure!(seen.checkouts.is_empty(), "0 % is nobody");
    say(&format!("on, at 0 %: {}", seen.summary()));

    let open = Some(json!({"variant": "on"}));
    let (_, answered) = manager.verb("new-checkout", "tenants/acme", open).await?;
    let delay = stage.until(&first, "acme", answered, |page| page.new_checkout).await?;
    let seen = stage.everyone(&first, &tenants).await?;
    ensure!(seen.checkouts == BTreeSet::from(["acme".to_owned()]), "acme alone");
    say(&format!("opened to the tenant `acme`, {delay}: {}", seen.summary()));

    let mut before = seen.checkouts;
    for percent in [5.0, 50.0] {
        let (revision, _) = manager.verb("new-checkout", "rollout", Some(rollout(percent))).await?;
        stage.reach(&first, revision).await?;
        let seen = stage.everyone(&first, &tenants).await?;
        ensure!(seen.checkouts.is_superset(&before), "nobody loses what they had");
        ensure!(seen.checkouts.len() > before.len(), "{percent} % is more than before");
        ensure!(seen.checkouts.len() < tenants.len(), "{percent} % is not everyone");
        say(&format!(
            "{percent} % of tenants by hash, and acme: {}; nobody lost it",
            seen.summary()
        ));
        before = seen.checkouts;
    }

    title("Why does `globex` get what it gets?");
    let explanation = manager.explain("new-checkout", json!({"tenant": {"key": "globex"}})).await?;
    ensure!(explanation.contains("bucket of tenant.key"), "the explanation names the bucket");
    for line in explanation.lines() {
        say(line);
    }

    title("The kill switch for `new-dashboard`");
    let (_, answered) = manager.verb("new-dashboard", "off?reason=incident", None).await?;
    let delay = stage.until(&first, "acme", answered, |page| !page.new_dashboard).await?;
    let killed = stage.everyone(&first, &tenants).await?;
    ensure!(killed.dashboards.is_empty(), "nobody has the new dashboard any more");
    say(&format!("{delay}: {}", killed.summary()));

    customer::tell(&stage, &manager, &first).await?;
    let (revision, end_of_trial) = customer::trial(&stage, &manager, &first).await?;

    title("The server stops; the service does not");
    stage.cached(&second, revision).await?;
    let address = server.url.strip_prefix("http://").context("the server speaks HTTP")?.to_owned();
    let url = server.url.clone();
    server.stop().await?;
    say("the server got SIGTERM and has ended");
    let alone = stage.everyone(&first, &tenants).await?;
    ensure!(alone == killed, "the same answers as before");
    say(&format!("instance 1 goes on: {}", alone.summary()));
    second.stop().await?;
    let restarting = Instant::now();
    let second = stage.service(2, &url, &sdk).await?;
    let from_disk = stage.everyone(&second, &tenants).await?;
    ensure!(from_disk == killed, "the same answers from the disk cache");
    say(&format!(
        "instance 2 was restarted without a server, from its disk cache, in {:.0} ms: {}",
        milliseconds(restarting),
        from_disk.summary()
    ));
    say(&format!("it says of itself: {}", stage.health(&second).await?.flags));

    customer::trial_ends(&stage, [&first, &second], end_of_trial).await?;

    title("The server is back, on the same file and port");
    let restarting = Instant::now();
    let server = stage.server(&address).await?;
    say(&format!("ready in {:.0} ms", milliseconds(restarting)));
    let (revision, changed) = manager.verb("new-checkout", "rollout", Some(rollout(100.0))).await?;
    say(&format!("the product manager rolls `new-checkout` out to 100 %: revision {revision}"));
    for (name, instance) in [("instance 1", &first), ("instance 2", &second)] {
        stage.reach(instance, revision).await?;
        let seen = stage.everyone(instance, &tenants).await?;
        ensure!(seen.checkouts.len() == tenants.len(), "100 % is everyone");
        say(&format!(
            "{name} found the server again and has that revision after {:.0} ms: {}",
            milliseconds(changed),
            seen.summary()
        ));
    }
    println!("\nEvery step happened, in {:.1} s.", start.elapsed().as_secs_f64());

    if keep {
        invite(&server, &first, &admin);
        tokio::signal::ctrl_c().await?;
    }
    first.stop().await?;
    second.stop().await?;
    server.stop().await
}

/// A token that a new server prints once, as a line for a shell.
fn token(server: &Process, variable: &str) -> Result<String> {
    let export = format!("export {variable}=");
    let line = server.greeting.iter().find_map(|line| line.strip_prefix(&export));
    let token = line.and_then(|line| line.split_whitespace().next());
    Ok(token.with_context(|| format!("the server printed no {variable}"))?.to_owned())
}

fn rollout(percent: f64) -> serde_json::Value {
    json!({"variant": "on", "percent": percent, "by": "tenant"})
}

fn invite(server: &Process, service: &Process, admin: &str) {
    let environment = format!("{}/api/v1/projects/default/environments/production", server.url);
    println!(
        "\nStill running; Ctrl-C ends it. Try:\n
  curl {service}/tenants/globex
  curl -X POST -H 'Authorization: Bearer {admin}' {environment}/flags/new-dashboard/on
  curl -H 'Authorization: Bearer {admin}' {environment}/flags
  curl -H 'Authorization: Bearer {admin}' -H 'Content-Type: application/json' \\
       {environment}/explain -d '{{\"flag\": \"new-checkout\", \"context\": {{\"tenant\": {{\"key\": \"globex\"}}}}}}'",
        service = service.url,
    );
}

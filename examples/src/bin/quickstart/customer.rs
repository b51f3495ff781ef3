//! One customer's contract: what it grants, an exception, an unpaid invoice.

#![expect(clippy::indexing_slicing, reason = "a JSON value gives null for what is not there")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use flags_client::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::manager::Manager;
use crate::process::Process;
use crate::service::Account;
use crate::stage::{Stage, eventually, milliseconds, say, title};

/// A customer on the plan `team`: three seats, and reports.
const CUSTOMER: &str = "umbrella";

/// A customer on the plan `free`, which has no reports.
const TRYING: &str = "wayne";

/// Tells it.
pub(crate) async fn tell(stage: &Stage, manager: &Manager, service: &Process) -> Result<()> {
    title("A customer on the plan `team` has three seats");
    let account = stage.account(service, CUSTOMER).await?;
    ensure!(account.seats.limit == Some(3), "three seats are in the plan");
    say(&format!("the service knows of `{CUSTOMER}`: {}", told(&account)));
    for user in ["ada", "ben", "cleo"] {
        let seat = manager.seat(CUSTOMER, user).await?;
        let seat = seat.ok().with_context(|| format!("{user} has a seat"))?;
        say(&format!("{user} gets a seat: {} of {} used", seat["used"], seat["limit"]));
    }
    let refused = manager.seat(CUSTOMER, "dora").await?.err().context("three seats are three")?;
    let code = refused["code"].as_str().unwrap_or_default();
    say(&format!("dora does not: {} {code}", refused["status"]));

    title("The contract gets an exception, with a reason and an end");
    let end = in_days(30);
    let exception = json!({
        "feature": "seats", "mode": "at_least", "value": 5, "end": end,
        "contract": "order 4711", "reason": "two interns for a month",
    });
    let (_, answered) = manager.exception(CUSTOMER, &exception).await?;
    let account = until(stage, service, answered, |account| account.seats.limit == Some(5)).await?;
    ensure!(account.seats.until.as_deref() == Some(end.as_str()), "the service knows the end");
    let seat = manager.seat(CUSTOMER, "dora").await?;
    let seat = seat.ok().context("five seats are more than three")?;
    say(&format!("dora gets a seat: {} of {} used", seat["used"], seat["limit"]));

    title("An invoice stays unpaid");
    let (_, answered) = manager.contract(CUSTOMER, &unpaid_since(&in_days(-3))).await?;
    until(stage, service, answered, |account| account.reports.reason == "grace").await?;
    report(stage, service, Method::POST, StatusCode::OK).await?;
    let (_, answered) = manager.contract(CUSTOMER, &unpaid_since(&in_days(-15))).await?;
    until(stage, service, answered, |account| account.reports.reason == "blocked").await?;
    report(stage, service, Method::GET, StatusCode::OK).await?;
    report(stage, service, Method::POST, StatusCode::PAYMENT_REQUIRED).await?;

    title("It is paid");
    let (_, answered) = manager.contract(CUSTOMER, &json!({"subscription": null})).await?;
    until(stage, service, answered, |account| account.reports.reason == "granted").await?;
    report(stage, service, Method::POST, StatusCode::OK).await
}

/// Somebody may try reports, for a few seconds; gives the revision and the end.
pub(crate) async fn trial(
    stage: &Stage,
    manager: &Manager,
    service: &Process,
) -> Result<(u64, Timestamp)> {
    title("A trial that will end while the server is away");
    let end = after(3_000);
    let start = after(-1_000).to_string();
    let trial = json!({"plan": "team", "plan_version": 1, "start": start, "end": end.to_string()});
    let (revision, _) = manager.contract(TRYING, &json!({"trial": trial})).await?;
    eventually("the trial did not reach the service", async || {
        Ok(stage.account(service, TRYING).await?.reports.reason == "trial")
    })
    .await?;
    say(&format!("`{TRYING}` may try `team` until {end}"));
    Ok((revision, end))
}

/// It ends, also where nobody can be asked.
pub(crate) async fn trial_ends(
    stage: &Stage,
    services: [&Process; 2],
    end: Timestamp,
) -> Result<()> {
    for service in services {
        eventually("the trial did not end", async || {
            Ok(stage.account(service, TRYING).await?.reports.reason == "not_in_plan")
        })
        .await?;
        ensure!(after(0) >= end, "a trial lasts to its end");
    }
    say(&format!("the trial of `{TRYING}` has ended in both instances, which nobody told them"));
    Ok(())
}

fn unpaid_since(invoice: &str) -> Value {
    json!({"subscription": {"state": "past_due", "unpaid_since": invoice}})
}

/// Waits until the service goes by a change, and says what it then knows.
async fn until(
    stage: &Stage,
    service: &Process,
    answered: Instant,
    changed: impl Fn(&Account) -> bool,
) -> Result<Account> {
    eventually("the contract did not reach the service", async || {
        Ok(changed(&stage.account(service, CUSTOMER).await?))
    })
    .await?;
    let delay = milliseconds(answered);
    let account = stage.account(service, CUSTOMER).await?;
    say(&format!("{delay:.1} ms after the API's answer: {}", told(&account)));
    Ok(account)
}

/// Asks the service for reports, or to make one.
async fn report(
    stage: &Stage,
    service: &Process,
    method: Method,
    expected: StatusCode,
) -> Result<()> {
    let url = format!("{}/tenants/{CUSTOMER}/reports", service.url);
    let response = stage.http.request(method.clone(), url).send().await?;
    let (status, answer) = (response.status(), response.text().await?);
    ensure!(status == expected, "{method} of reports is {status}: {answer}");
    let answer = match serde_json::from_str::<Value>(&answer) {
        Ok(problem) => {
            let word = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
            format!("{}. {}", word("detail"), word("hint"))
        }
        Err(_) => answer,
    };
    say(&format!("{method} /reports: {status}, {answer}"));
    Ok(())
}

fn told(account: &Account) -> String {
    let Account { seats, reports } = account;
    let until = |until: &Option<String>| match until {
        Some(until) => format!(" until {until}"),
        None => String::new(),
    };
    let limit = seats.limit.map_or_else(|| "no".to_owned(), |limit| limit.to_string());
    format!(
        "{limit} seats ({}{}), reports ({}{})",
        seats.reason,
        until(&seats.until),
        reports.reason,
        until(&reports.until)
    )
}

/// So many days from now.
fn in_days(days: i64) -> String {
    after(days * 86_400_000).to_string()
}

/// So many milliseconds from now.
fn after(milliseconds: i64) -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now + milliseconds)
}

//! What the API says of entitlements.

use std::collections::HashMap;

use flags_client::Timestamp;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::generated::instant;
use crate::server::{ADMIN, TestServer};
use crate::written::path;

/// How many requests are under way at the same time.
const AT_ONCE: usize = 8;

/// Timelines as they were answered, by tenant and feature.
pub(crate) struct Timelines(HashMap<(String, &'static str), Vec<u8>>);

impl Timelines {
    /// Asks for every feature of every tenant.
    pub(crate) async fn asked(
        server: &TestServer,
        tenants: &[&String],
        features: &[&'static str],
    ) -> Self {
        let mut timelines = Self(HashMap::new());
        timelines.add(server, tenants, features).await;
        timelines
    }

    /// Asks for further features. Each is asked for one of the instants at which contracts change, or a
    /// millisecond before or after it.
    pub(crate) async fn add(
        &mut self,
        server: &TestServer,
        tenants: &[&String],
        features: &[&'static str],
    ) {
        let told = &mut self.0;
        let mut instants = (0..).map(|n| Timestamp::from_millis(instant(n / 3) + n % 3 - 1));
        let mut under_way = JoinSet::new();
        for tenant in tenants {
            if under_way.len() == AT_ONCE {
                let answered: Vec<_> = under_way.join_next().await.unwrap().unwrap();
                told.extend(answered);
            }
            let at = path(tenant);
            let asked: Vec<(String, &str, RequestBuilder)> = features
                .iter()
                .zip(&mut instants)
                .map(|(feature, instant)| {
                    let path = format!("{at}/entitlements/{feature}?at={instant}");
                    ((*tenant).clone(), *feature, server.request(Method::GET, &path, ADMIN))
                })
                .collect();
            under_way.spawn(async move {
                let mut answers = Vec::new();
                for (tenant, feature, request) in asked {
                    let answer = request.send().await.unwrap();
                    assert_eq!(answer.status(), 200, "{feature} of {tenant}");
                    answers.push(((tenant, feature), answer.bytes().await.unwrap().to_vec()));
                }
                answers
            });
        }
        while let Some(answered) = under_way.join_next().await {
            told.extend(answered.unwrap());
        }
    }

    /// What is told of a tenant and a feature.
    pub(crate) fn of(&self, tenant: &str, feature: &'static str) -> Told {
        let answer = &self.0[&(tenant.to_owned(), feature)];
        let mut told: Value = serde_json::from_slice(answer).unwrap();
        assert_eq!((&told["tenant"], &told["feature"]), (&tenant.into(), &feature.into()));
        let millis = |text: &Value| Some(Timestamp::parse(text.as_str()?).unwrap().as_millis());
        let at = millis(&told["at"]).unwrap();
        let intervals = told["timeline"].as_array_mut().unwrap().iter_mut();
        let from = |interval: &mut Value| {
            let from = interval.as_object_mut().unwrap().remove("from").unwrap();
            (millis(&from).unwrap_or(i64::MIN), interval.take())
        };
        Told { intervals: intervals.map(from).collect(), at, decision: told["decision"].take() }
    }
}

/// What is told of a tenant and a feature.
pub(crate) struct Told {
    /// Each with the instant from which on it holds.
    intervals: Vec<(i64, Value)>,
    /// The instant that was asked for, and what is told of it.
    pub(crate) at: i64,
    pub(crate) decision: Value,
}

impl Told {
    /// The decision that holds at an instant by the timeline.
    pub(crate) fn interval(&self, now: i64) -> &Value {
        let (_, decision) = self.intervals.iter().rev().find(|(from, _)| *from <= now).unwrap();
        decision
    }
}

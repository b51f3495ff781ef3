//! A population as it is written to a real server, and what was written beside it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use flags_server::Quotas;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::generated::{FEATURES, Generator};
use crate::interpreter::World;
use crate::server::{ADMIN, PRODUCTION, TestServer};

/// How many requests are under way at the same time.
const AT_ONCE: usize = 16;

/// How many tenants a request stores.
const IN_BULK: usize = 1_000;

pub(crate) struct Population {
    server: TestServer,
    generator: Generator,
    /// What is sold; the contract is whichever is looked at.
    pub(crate) world: World,
    pub(crate) contracts: BTreeMap<String, Value>,
    /// Tenants that were deleted.
    pub(crate) gone: Vec<String>,
    sold: Vec<&'static str>,
    plan_versions: u32,
}

/// The key of a tenant; some are such as no path can have as they are.
fn key(number: usize) -> String {
    if number.is_multiple_of(50) { format!("ü {number}/?#%") } else { format!("t{number:05}") }
}

fn encoded(key: &str) -> String {
    key.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() {
            path.push(byte.into());
        } else {
            write!(path, "%{byte:02X}").unwrap();
        }
        path
    })
}

/// Where a tenant is.
pub(crate) fn path(tenant: &str) -> String {
    format!("{PRODUCTION}/tenants/{}", encoded(tenant))
}

impl Population {
    /// A server that sells everything but `theme`, to nobody yet.
    pub(crate) async fn begin(seed: u64) -> Self {
        let many =
            Quotas { admin_requests_per_minute: u32::MAX.try_into().unwrap(), ..Quotas::default() };
        let server = TestServer::start_limited(many).await;
        let mut generator = Generator::new(seed);
        let sold: Vec<&str> =
            FEATURES.map(|(key, _)| key).into_iter().filter(|key| *key != "theme").collect();
        let features: Map<String, Value> =
            sold.iter().map(|key| ((*key).to_owned(), generator.feature(key))).collect();
        let plans = ["free", "pro", "max", "unsold"].map(|key| {
            let versions = [1, 2].map(|version| generator.plan_version(version, &sold));
            (key.to_owned(), json!({"versions": versions}))
        });
        let addons =
            ["pack", "pack-10", "more"].map(|key| (key.to_owned(), generator.addon(&sold)));
        let (plans, addons) = (plans.into_iter().collect(), addons.into_iter().collect());
        let world = World { features, plans, addons, contract: Value::Null };
        let listed = |objects: &Map<String, Value>| -> Vec<Value> {
            objects.iter().map(|(key, said)| with(said, "key", key)).collect()
        };
        let catalogue = json!({"features": listed(&world.features), "plans": listed(&world.plans),
                               "addons": listed(&world.addons)});
        server.post(&format!("{PRODUCTION}/import"), catalogue).await.is(200);
        let (contracts, gone) = Default::default();
        Self { server, generator, world, contracts, gone, sold, plan_versions: 2 }
    }

    pub(crate) fn server(&self) -> &TestServer {
        &self.server
    }

    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.server.stop().await
    }

    fn request(&self, method: Method, path: &str, body: &Value) -> RequestBuilder {
        self.server.request(method, path, ADMIN).header("if-match", "*").json(body)
    }

    fn end(&self, path: &str) -> RequestBuilder {
        self.server.request(Method::DELETE, path, ADMIN).header("if-match", "*")
    }

    /// Stores tenants in bulk, whether they are there or not; overrides and blocks stay.
    pub(crate) async fn store(&mut self, numbers: impl IntoIterator<Item = usize>) {
        let keys: Vec<String> = numbers.into_iter().map(key).collect();
        for keys in keys.chunks(IN_BULK) {
            let mut tenants = Vec::new();
            for key in keys {
                let contract = self.generator.contract(self.plan_versions);
                tenants.push(with(&contract, "key", key));
                let known = self.contracts.entry(key.clone()).or_insert_with(|| json!({}));
                known.as_object_mut().unwrap().extend(contract.as_object().unwrap().clone());
            }
            let body = json!({"tenants": tenants});
            sent(vec![self.request(Method::POST, &format!("{PRODUCTION}/tenants"), &body)]).await;
        }
    }

    /// Deletes tenants.
    pub(crate) async fn delete(&mut self, numbers: impl IntoIterator<Item = usize>) {
        let mut requests = Vec::new();
        for key in numbers.into_iter().map(key) {
            requests.push(self.end(&path(&key)));
            self.contracts.remove(&key).unwrap();
            self.gone.push(key);
        }
        sent(requests).await;
    }

    /// Gives tenants other subscriptions, one by one.
    pub(crate) async fn subscribe(&mut self, numbers: impl IntoIterator<Item = usize>) {
        let mut requests = Vec::new();
        for key in numbers.into_iter().map(key) {
            let subscription = self.generator.subscription();
            let body = json!({"subscription": subscription});
            requests.push(self.request(Method::PATCH, &path(&key), &body));
            self.contracts.get_mut(&key).unwrap()["subscription"] = subscription;
        }
        sent(requests).await;
    }

    /// Gives tenants other exceptions than they have; every fifth keeps one of them, with another window.
    pub(crate) async fn except(&mut self, numbers: impl IntoIterator<Item = usize>) {
        let (mut ended, mut written) = (Vec::new(), Vec::new());
        for (index, key) in numbers.into_iter().map(key).enumerate() {
            let at = format!("{}/overrides", path(&key));
            let mut overrides = self.generator.overrides(&self.sold);
            let known = self.contracts[&key]["overrides"].as_array().cloned().unwrap_or_default();
            let mut kept = None;
            for (place, known) in known.iter().enumerate() {
                let id = known["id"].as_str().unwrap();
                if place == 0 && index.is_multiple_of(5) {
                    // A PUT takes its place.
                    overrides.retain(|exception| exception["id"] != id);
                    if let Some(first) = overrides.first_mut() {
                        first["id"] = json!(id);
                        kept = Some(id.to_owned());
                        continue;
                    }
                }
                ended.push(self.end(&format!("{at}/{id}")));
            }
            for exception in &overrides {
                let mut body = with(exception, "reason", "agreed");
                body["review_at"] = json!("2031-01-01T00:00:00Z");
                let id = exception["id"].as_str().unwrap();
                written.push(match kept.as_deref() == Some(id) {
                    true => self.request(Method::PUT, &format!("{at}/{id}"), &body),
                    false => self.server.request(Method::POST, &at, ADMIN).json(&body),
                });
            }
            self.contracts.get_mut(&key).unwrap()["overrides"] = json!(overrides);
        }
        // Those that go may overlap with those that come.
        sent(ended).await;
        sent(written).await;
    }

    /// Blocks tenants by a lane each, whose block before that goes; every fourth by nobody.
    pub(crate) async fn block(&mut self, numbers: impl IntoIterator<Item = usize>) {
        let mut requests = Vec::new();
        for (index, key) in numbers.into_iter().map(key).enumerate() {
            let block = self.generator.block();
            let lane = block["lane"].as_str().unwrap();
            let known = self.contracts.get_mut(&key).unwrap()["blocks"].take();
            let mut blocks = known.as_array().cloned().unwrap_or_default();
            let at = format!("{}/blocks/{lane}", path(&key));
            let was_there = blocks.iter().any(|known| known["lane"] == lane);
            blocks.retain(|known| known["lane"] != lane);
            if was_there && index.is_multiple_of(4) {
                requests.push(self.end(&at));
            } else {
                let mut body = block.clone();
                body.as_object_mut().unwrap().remove("lane");
                requests.push(self.server.request(Method::PUT, &at, ADMIN).json(&body));
                blocks.push(block);
            }
            self.contracts.get_mut(&key).unwrap()["blocks"] = json!(blocks);
        }
        sent(requests).await;
    }

    /// Sells `theme`, too; other limits are given up otherwise, add-ons have other grants, plans a
    /// third version, and what nobody has is not sold any more.
    pub(crate) async fn sell_otherwise(&mut self) {
        self.sold.push("theme");
        let theme = self.generator.feature("theme");
        let features = format!("{PRODUCTION}/features");
        sent(vec![self.request(Method::POST, &features, &with(&theme, "key", "theme"))]).await;
        self.world.features.insert("theme".to_owned(), theme);
        let mut requests = Vec::new();
        for key in ["seats", "calls"] {
            let feature = self.generator.feature(key);
            let over_limit = json!({"over_limit": feature["over_limit"]});
            requests.push(self.request(Method::PATCH, &format!("{features}/{key}"), &over_limit));
            self.world.features.insert(key.to_owned(), feature);
        }
        let keys: Vec<String> = self.world.addons.keys().cloned().collect();
        for key in keys {
            let addon = self.generator.addon(&self.sold);
            requests.push(self.request(
                Method::PATCH,
                &format!("{PRODUCTION}/addons/{key}"),
                &addon,
            ));
            self.world.addons.insert(key, addon);
        }
        self.plan_versions = 3;
        let plans = format!("{PRODUCTION}/plans");
        for (key, plan) in &mut self.world.plans {
            let version = self.generator.plan_version(3, &self.sold);
            let mut body = version.clone();
            body.as_object_mut().unwrap().remove("version");
            let at = format!("{plans}/{key}/versions");
            requests.push(self.server.request(Method::POST, &at, ADMIN).json(&body));
            plan["versions"].as_array_mut().unwrap().push(version);
        }
        sent(requests).await;
        sent(vec![self.end(&format!("{plans}/unsold"))]).await;
        self.world.plans.remove("unsold").unwrap();
    }

    /// Reads back when tenants came to their plans, which the server says; what else was written is there.
    pub(crate) async fn read_back(&mut self) {
        let mut at = format!("{PRODUCTION}/tenants?limit=500");
        let mut count = 0;
        loop {
            let page = self.server.get(&at).await.is(200);
            for shown in page["items"].as_array().unwrap() {
                let contract = self.contracts.get_mut(shown["key"].as_str().unwrap()).unwrap();
                for name in ["plan", "plan_version", "addons", "trial", "subscription"] {
                    let said =
                        Some(&contract[name]).filter(|said| !said.is_null() && **said != json!([]));
                    assert_eq!(shown.get(name), said, "{shown}");
                }
                contract["plan_since"] = shown["plan_since"].clone();
                count += 1;
            }
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            at = format!("{PRODUCTION}/tenants?limit=500&cursor={cursor}");
        }
        assert_eq!(count, self.contracts.len());
    }
}

/// The same with another member.
fn with(said: &Value, name: &str, value: &str) -> Value {
    let mut said = said.clone();
    said[name] = json!(value);
    said
}

/// Makes requests, all of which succeed, in whatever order.
async fn sent(requests: Vec<RequestBuilder>) {
    let mut under_way = JoinSet::new();
    for request in requests {
        if under_way.len() == AT_ONCE {
            under_way.join_next().await.unwrap().unwrap();
        }
        under_way.spawn(async move {
            let (client, request) = request.build_split();
            let request = request.unwrap();
            let what = format!("{} {}", request.method(), request.url());
            let answer = client.execute(request).await.unwrap();
            let status = answer.status();
            let body = answer.text().await.unwrap();
            assert!(status.is_success(), "{what}: {status}: {body}");
        });
    }
    while let Some(done) = under_way.join_next().await {
        done.unwrap();
    }
}

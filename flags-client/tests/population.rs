//! One population, three answers that are one: what the API says, what a client decides that was there while
//! it was written (a snapshot and what the stream carried after it), what a client decides that came
//! afterwards. And what the rules say, read naively: docs/semantics.md, "What holds at an instant".

#![cfg(test)]

#[path = "population/generated.rs"]
mod generated;
#[path = "../../flags-core/tests/entitlement_oracle/interpreter.rs"]
mod interpreter;
#[path = "../../flags-core/tests/entitlement_oracle/limited.rs"]
mod limited;
#[path = "../../flags-server/tests/server/mod.rs"]
mod server;
#[path = "population/told.rs"]
mod told;
#[path = "population/written.rs"]
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flags_client::testing::{TestClock, TestFlags};
use flags_client::{
    Client, Decision, Feature, FeatureValue, Json, Limit, Options, Ruling, Snapshot, State,
    Timestamp,
};
use generated::{FIRST_MS, boundaries};
use interpreter::World;
use limited::limited;
use serde_json::{Value, json};
use server::{SDK, TestServer};
use told::{Timelines, Told};
use written::Population;

const SEED: u64 = 17;
const SOON: Duration = Duration::from_secs(60);

/// How many tenants are asked for what nobody sells.
const FEW: usize = 200;

const SSO: Feature = Feature::new("sso");
const SIZE: Feature<Limit> = Feature::new("size");
const SEATS: Feature<Limit> = Feature::new("seats");
const CALLS: Feature<Limit> = Feature::new("calls");
const REGIONS: Feature<Options> = Feature::new("regions");
const THEME: Feature<Json> = Feature::new("theme");
const UNSOLD: Feature = Feature::new("unsold");

type Ask = for<'s> fn(&'s Snapshot, &str) -> Decision<'s>;

/// Each feature, how it is asked for, and the limits also as such.
const FEATURES: [(&str, Ask, Option<&Feature<Limit>>); 6] = [
    ("sso", |flags, tenant| flags.entitlement(&SSO, tenant), None),
    ("size", |flags, tenant| flags.entitlement(&SIZE, tenant), Some(&SIZE)),
    ("seats", |flags, tenant| flags.entitlement(&SEATS, tenant), Some(&SEATS)),
    ("calls", |flags, tenant| flags.entitlement(&CALLS, tenant), Some(&CALLS)),
    ("regions", |flags, tenant| flags.entitlement(&REGIONS, tenant), None),
    ("theme", |flags, tenant| flags.entitlement(&THEME, tenant), None),
];

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

async fn connected(server: &TestServer, clock: &TestClock) -> Client {
    let builder = Client::builder(&server.base, SDK).hurried().clock(clock);
    let client = builder.first_snapshot_timeout(SOON).connect().await.unwrap();
    client.ready(SOON).await.unwrap();
    client
}

/// Two parts of a population of 10,000, of which a client has the first one when the second comes.
async fn written(clock: &TestClock) -> (Population, Client) {
    let mut population = Population::begin(SEED).await;
    population.store(0..6_000).await;
    population.except((0..6_000).step_by(30)).await;
    population.block((0..6_000).step_by(20)).await;

    let live = connected(population.server(), clock).await;
    assert_eq!(live.status().counters.changes, 0, "all of it was in the snapshot");
    population.sell_otherwise().await;
    population.store((0..6_000).step_by(7)).await;
    population.store(6_000..10_100).await;
    population.except((0..10_100).step_by(45)).await;
    population.block((0..10_100).step_by(40)).await;
    population.subscribe((1..10_100).step_by(83)).await;
    population.delete((3..10_100).step_by(101)).await;
    population.read_back().await;
    assert_eq!(population.contracts.len(), 10_000);
    live.wait_for(population.server().revision().await, SOON).await.unwrap();
    assert!(live.status().counters.changes > 500, "the second part came by the stream");
    (population, live)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_tenants_are_told_the_same_by_everybody_at_every_boundary() {
    let test = TestFlags::new();
    let clock = test.clock();
    let (mut population, live) = written(clock).await;
    let tenants: Vec<&String> = population.contracts.keys().chain(&population.gone).collect();
    let keys = FEATURES.map(|(key, ..)| key);
    let mut timelines = Timelines::asked(population.server(), &tenants, &keys).await;
    timelines.add(population.server(), &tenants[..FEW], &[UNSOLD.key()]).await;

    // What the API said, the first server did. Its file alone is what the second client comes to hold,
    // and the first one has nobody to ask.
    let (gone, contracts) =
        (std::mem::take(&mut population.gone), std::mem::take(&mut population.contracts));
    let mut world = population.world.clone();
    let server = TestServer::start_in(population.stop().await).await;
    live.wait_until(|status| status.state == State::Stale, SOON).await.unwrap();
    let fresh = connected(&server, clock).await;
    let status = fresh.status();
    assert_eq!((status.counters.changes, &status.position), (0, &live.status().position));
    for client in [&live, &fresh] {
        assert!(client.status().invalid.is_empty(), "{}", client.status());
    }

    let [live, fresh] = [live, fresh].map(|client| client.snapshot());
    let mut compared = Compared { clock, live, fresh, seen: BTreeSet::new(), count: 0 };
    for (index, (tenant, contract)) in contracts.into_iter().enumerate() {
        world.contract = contract;
        for (key, ask, limit) in FEATURES {
            let told = timelines.of(&tenant, key);
            let decided = decided(&world, key, told.at);
            compared.values(&tenant, key, ask, &decided, &told);
            if let Some(feature) = limit {
                compared.limits(&tenant, feature, &world, &decided);
            }
        }
        if index < FEW {
            compared.always(&tenant, &UNSOLD, "feature_unknown", &timelines);
        }
    }
    for tenant in &gone {
        compared.always(tenant, &SSO, "tenant_unknown", &timelines);
        compared.always(tenant, &THEME, "tenant_unknown", &timelines);
    }
    let Compared { seen, count, .. } = compared;
    assert!(count > 500_000, "{count} answers");
    for name in EVERYTHING {
        assert!(seen.contains(name), "{name} does not occur");
    }
}

/// What has to occur, for the rest to mean something.
const EVERYTHING: [&str; 24] = [
    "granted",
    "trial",
    "grace",
    "override_set",
    "override_add",
    "override_at_least",
    "override_at_most",
    "not_in_plan",
    "denied",
    "limit_reached",
    "blocked",
    "expired",
    "tenant_unknown",
    "feature_unknown",
    "billing",
    "fraud",
    "manual",
    "legal",
    "from plan",
    "from addon",
    "from override",
    "limit_reached with full",
    "limit_reached with read_only",
    "limit_reached with none",
];

/// What the rules say of a feature, around every instant at which it may become something else, far from
/// all of them, and at the one that the API was asked for.
fn decided(world: &World, key: &str, asked: i64) -> BTreeMap<i64, Value> {
    let contract = &world.contract;
    let plan = world.plan(&contract["plan"], &contract["plan_version"]);
    let grace = plan.and_then(|plan| plan["grace_ms"].as_i64()).unwrap_or(0);
    let mut boundaries = boundaries(contract, key, grace);
    // What happens some time after a limit was lowered.
    if let Some(grace) =
        world.features.get(key).and_then(|feature| feature["over_limit"]["grace_ms"].as_i64())
    {
        boundaries.extend(boundaries.clone().into_iter().map(|boundary| boundary + grace));
    }
    let around = boundaries.into_iter().flat_map(|boundary| [boundary - 1, boundary, boundary + 1]);
    let far = [0, FIRST_MS + 3_660 * 86_400_000];
    around.chain(far).chain([asked]).map(|now| (now, world.decide(key, now))).collect()
}

/// The answers of both clients, by one clock.
struct Compared<'a> {
    clock: &'a TestClock,
    live: Snapshot,
    fresh: Snapshot,
    seen: BTreeSet<String>,
    count: usize,
}

impl Compared<'_> {
    fn values(
        &mut self,
        tenant: &str,
        key: &str,
        ask: Ask,
        decided: &BTreeMap<i64, Value>,
        told: &Told,
    ) {
        // The last first, as each holds until the next that differs.
        let mut next: Option<(i64, &Value)> = None;
        let mut valid_until = Value::Null;
        for (now, said) in decided.iter().rev() {
            if let Some((from, _)) = next.filter(|(_, later)| *later != said) {
                valid_until = json!(at(from).to_string());
            }
            next = Some((*now, said));
            let mut expected = said.clone();
            expected["valid_until"] = valid_until.clone();

            self.clock.set(at(*now));
            let [live, fresh] = [&self.live, &self.fresh].map(|flags| ask(flags, tenant));
            let what = || format!("{key} of {tenant} at {}", at(*now));
            assert_eq!(live, fresh, "{}", what());
            assert_eq!(serde_json::to_value(live).unwrap(), expected, "{}", what());
            assert_eq!(told.interval(*now), &expected, "{}", what());
            if *now == told.at {
                assert_eq!(told.decision, expected, "{}", what());
            }
            self.count += 1;
            self.see(said);
        }
    }

    fn limits(
        &mut self,
        tenant: &str,
        feature: &Feature<Limit>,
        world: &World,
        decided: &BTreeMap<i64, Value>,
    ) {
        let key = feature.key();
        for (now, said) in decided {
            // Below, at and above what there is, with and without one more.
            let most = said["limit"].as_u64().unwrap_or(4);
            let used = [most.saturating_sub(1), most, most.saturating_add(1)][self.count % 3];
            let requested = self.count as u64 / 3 % 2;
            self.count += 1;

            self.clock.set(at(*now));
            let what = || format!("{key} of {tenant} at {}, {used} + {requested}", at(*now));
            let expected = limited(world, key, used, requested, *now, decided);
            let entitlement = self.live.ruleset().entitlement(tenant, key);
            let whole = entitlement.check_limit(used, requested, at(*now));
            let mut told = serde_json::to_value(whole).unwrap();
            told.as_object_mut().unwrap().remove("valid_until");
            assert_eq!(told, expected, "{}", what());
            let rulings: [Ruling; 2] = [&self.live, &self.fresh]
                .map(|flags| flags.limit(feature, tenant).check_more(used, requested));
            for ruling in rulings {
                let Ruling { access, reason, limit, remaining, valid_until, .. } = ruling;
                let ruled = Decision { access, reason, limit, remaining, valid_until, ..whole };
                assert_eq!(ruled, whole, "{}", what());
            }
            // Until its end it says the same.
            let end = whole.valid_until.map_or(i64::MAX, Timestamp::as_millis);
            let (last, _) = decided.range(..end).next_back().unwrap();
            let at_last = limited(world, key, used, requested, *last, decided);
            assert_eq!(at_last, expected, "{}, until {}", what(), at(end));
            self.see(&expected);
        }
    }

    /// Nothing is granted at any time.
    fn always<T: FeatureValue>(
        &mut self,
        tenant: &str,
        feature: &Feature<T>,
        reason: &str,
        timelines: &Timelines,
    ) {
        let mut expected = interpreter::none(reason);
        expected["valid_until"] = Value::Null;
        let told = timelines.of(tenant, feature.key());
        assert_eq!((told.interval(FIRST_MS), &told.decision), (&expected, &expected));
        for flags in [&self.live, &self.fresh] {
            assert_eq!(serde_json::to_value(flags.entitlement(feature, tenant)).unwrap(), expected);
        }
        self.see(&expected);
    }

    fn see(&mut self, said: &Value) {
        let reason = said["reason"].as_str().unwrap();
        let source = said["source"].as_object().and_then(|source| source.keys().next());
        let lane = said["lane"].as_str().map(str::to_owned);
        let of_limit = (reason == "limit_reached")
            .then(|| format!("limit_reached with {}", said["access"].as_str().unwrap()));
        self.seen.insert(reason.to_owned());
        self.seen.extend(lane.into_iter().chain(of_limit));
        self.seen.extend(source.map(|source| format!("from {source}")));
    }
}

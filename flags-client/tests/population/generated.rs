//! What is sold and what tenants have, made up from a seed: everything that a server takes.

use fastrand::Rng;
use flags_client::Timestamp;
use serde_json::{Map, Value, json};

/// What is sold, by key and the type.
pub(crate) const FEATURES: [(&str, &str); 6] = [
    ("sso", "boolean"),
    ("size", "limit"),
    ("seats", "limit"),
    ("calls", "limit"),
    ("regions", "options"),
    ("theme", "json"),
];

const OPTIONS: [&str; 4] = ["us", "eu", "uk", "ap"];
const PLANS: [&str; 3] = ["free", "pro", "max"];
const ADDONS: [&str; 3] = ["pack", "pack-10", "more"];

/// Contracts change at two dozen instants, so that many change at the same one: from 2100-01-01 on,
/// as what holds in the past is told by what was stored then.
pub(crate) const FIRST_MS: i64 = 4_102_444_800_000;
const INSTANTS: i64 = 24;
/// A day and a bit, so that no instant is a round one.
const STEP_MS: i64 = 86_400_017;

/// One of the instants at which contracts change.
pub(crate) fn instant(number: i64) -> i64 {
    FIRST_MS + number % INSTANTS * STEP_MS
}

fn text(millis: i64) -> Value {
    json!(Timestamp::from_millis(millis).to_string())
}

pub(crate) struct Generator {
    rng: Rng,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed) }
    }

    /// How likely in a hundred.
    fn is(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    pub(crate) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        self.rng.choice(of).unwrap().clone()
    }

    pub(crate) fn feature(&mut self, key: &str) -> Value {
        let policy = self.one(&["block_growth", "read_only", "none"]);
        let over_limit = json!({"policy": policy, "grace_ms": self.rng.i64(0..3) * STEP_MS});
        match key {
            "sso" => json!({"type": "boolean", "combine": "any"}),
            "size" => json!({"type": "limit", "combine": "max"}),
            "seats" => json!({"type": "limit", "combine": "sum", "over_limit": over_limit}),
            "calls" => json!({"type": "limit", "combine": "max", "over_limit": over_limit}),
            "regions" => json!({"type": "options", "combine": "union", "options": OPTIONS}),
            _ => json!({"type": "json", "combine": "priority"}),
        }
    }

    fn amount(&mut self) -> Value {
        self.one(&[
            json!(0),
            json!(1),
            json!(2),
            json!(5),
            json!(40),
            json!(i64::MAX),
            json!("unlimited"),
        ])
    }

    fn options(&mut self) -> Value {
        let mut options = OPTIONS;
        self.rng.shuffle(&mut options);
        json!(options[..self.rng.usize(..=options.len())])
    }

    fn grant(&mut self, kind: &str) -> Value {
        match kind {
            "boolean" => json!(true),
            "limit" => self.amount(),
            "options" => self.options(),
            _ => self.one(&[json!({"dark": true}), json!(1), json!("plain"), json!([1, 2.5])]),
        }
    }

    /// Some of the features, each with a grant of it.
    fn grants(&mut self, sold: &[&str]) -> Value {
        let mut grants = Map::new();
        for (key, kind) in FEATURES {
            if sold.contains(&key) && self.is(60) {
                grants.insert(key.to_owned(), self.grant(kind));
            }
        }
        grants.into()
    }

    pub(crate) fn addon(&mut self, sold: &[&str]) -> Value {
        json!({"grants": self.grants(sold), "priority": self.rng.u32(..3)})
    }

    /// A version of a plan that is there beside the first versions of all.
    pub(crate) fn plan_version(&mut self, version: u32, sold: &[&str]) -> Value {
        let fallback = match self.is(60) {
            true => json!({"plan": self.one(&PLANS), "version": 1}),
            false => Value::Null,
        };
        json!({
            "version": version, "grants": self.grants(sold), "priority": self.rng.u32(..3),
            "grace_ms": self.rng.i64(0..4) * STEP_MS, "after_grace": self.one(&["none", "read_only"]),
            "fallback": fallback,
        })
    }

    fn instant(&mut self) -> i64 {
        instant(self.rng.i64(0..INSTANTS))
    }

    /// Where a window starts and ends, if it does.
    fn window(&mut self) -> (Value, Value) {
        let start = self.is(70).then(|| self.instant());
        let end = self
            .is(70)
            .then(|| start.unwrap_or(FIRST_MS + 8 * STEP_MS) + self.rng.i64(1..12) * STEP_MS);
        (start.map_or(Value::Null, text), end.map_or(Value::Null, text))
    }

    /// What is stored of a tenant in bulk; half of them have a plan and add-ons and nothing else.
    /// Each plan has versions from 1 up to `versions`.
    pub(crate) fn contract(&mut self, versions: u32) -> Value {
        let mut contract =
            json!({"plan": null, "plan_version": null, "trial": null, "subscription": null});
        if self.is(93) {
            contract["plan"] = json!(self.one(&PLANS));
            contract["plan_version"] = json!(self.rng.u32(1..=versions));
        }
        let addons = ADDONS.iter().filter(|_| self.rng.u8(..100) < 25);
        let addons: Vec<&str> = addons.copied().collect();
        let quantity = |addon| json!({"addon": addon, "quantity": self.one(&[1, 2, 3, 1_000_000])});
        contract["addons"] = addons.into_iter().map(quantity).collect();
        if self.is(50) {
            return contract;
        }
        if self.is(50) {
            let start = self.instant();
            let end = start + self.rng.i64(1..12) * STEP_MS;
            contract["trial"] = json!({
                "plan": self.one(&PLANS), "plan_version": self.rng.u32(1..=versions),
                "start": text(start), "end": text(end),
            });
        }
        if self.is(60) {
            contract["subscription"] = self.subscription();
        }
        contract
    }

    pub(crate) fn subscription(&mut self) -> Value {
        let state = self.one(&["active", "past_due", "cancelled"]);
        let mut subscription = json!({"state": state});
        if state == "past_due" {
            subscription["unpaid_since"] = text(self.instant());
        }
        if state == "cancelled" || self.is(30) {
            subscription["ends_at"] = text(self.instant());
        }
        subscription
    }

    pub(crate) fn block(&mut self) -> Value {
        let (start, end) = self.window();
        let lane = self.one(&["billing", "fraud", "manual", "legal"]);
        json!({"lane": lane, "effect": self.one(&["none", "read_only"]), "start": start, "end": end})
    }

    /// Exceptions of one contract, of one feature or two, so that they meet; no two set one at the same
    /// time.
    pub(crate) fn overrides(&mut self, sold: &[&str]) -> Vec<Value> {
        let mut overrides: Vec<Value> = Vec::new();
        let features = [self.one(sold), self.one(sold)];
        for _ in 0..self.rng.u8(1..=7) {
            let feature = self.one(&features);
            let exception = self.exception(feature);
            let is_other = |known: &Value| {
                known["id"] != exception["id"]
                    && (known["mode"] != "set"
                        || exception["mode"] != "set"
                        || known["feature"] != exception["feature"])
            };
            if overrides.iter().all(is_other) {
                overrides.push(exception);
            }
        }
        overrides
    }

    fn exception(&mut self, feature: &str) -> Value {
        let (_, kind) = FEATURES.into_iter().find(|(key, _)| *key == feature).unwrap();
        let mode = match kind {
            "limit" => self.one(&["deny", "set", "add", "at_least", "at_most", "at_most"]),
            "options" => self.one(&["deny", "set", "add", "add", "remove", "remove"]),
            _ => self.one(&["deny", "set"]),
        };
        let value = match (mode, kind) {
            ("deny", _) => Value::Null,
            ("add", "limit") => json!(self.rng.i64(-3..4)),
            ("add" | "remove", _) => self.options(),
            ("set", _) => self.grant(kind),
            _ => self.amount(),
        };
        let (start, end) = self.window();
        let id = format!("c-{}", self.rng.u16(..1_000));
        json!({"id": id, "feature": feature, "mode": mode, "value": value, "start": start, "end": end})
    }
}

/// The instants at which what is said of a feature may become something else, in milliseconds.
pub(crate) fn boundaries(contract: &Value, feature: &str, grace_ms: i64) -> Vec<i64> {
    let mut texts: Vec<&Value> = Vec::new();
    let list = |name: &str| contract[name].as_array().into_iter().flatten();
    let overrides = list("overrides").filter(|exception| exception["feature"] == feature);
    for window in overrides.chain(list("blocks")).chain([&contract["trial"]]) {
        texts.extend([&window["start"], &window["end"]]);
    }
    let subscription = &contract["subscription"];
    texts.extend([
        &subscription["unpaid_since"],
        &subscription["ends_at"],
        &contract["plan_since"],
    ]);
    let millis = |text: &&Value| Some(Timestamp::parse(text.as_str()?).unwrap().as_millis());
    let mut boundaries: Vec<i64> = texts.iter().filter_map(millis).collect();
    let unpaid = millis(&&subscription["unpaid_since"]);
    boundaries.extend(unpaid.map(|unpaid| unpaid + grace_ms));
    boundaries.sort_unstable();
    boundaries.dedup();
    boundaries
}

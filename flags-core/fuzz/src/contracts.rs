//! What is sold, and who has it, out of a fuzzer's bytes.

use flags_core::Timestamp;
use serde_json::{Map, Value, json};

use crate::generator::{Generator, NOW_MS};

pub(crate) const FEATURES: [&str; 4] = ["sso", "seats", "audit", "theme"];
/// Words that conditions ask for, too.
pub(crate) const PLANS: [&str; 3] = ["a", "ab", "abc"];
pub(crate) const ADDONS: [&str; 2] = ["b", "k"];

impl Generator<'_> {
    /// A feature's definition: of each type there is one.
    pub(crate) fn feature(&mut self, key: &str) -> Value {
        let grace_ms = json!(self.below(3_000));
        let policy = json!(self.pick(&["block_growth", "read_only", "none"]));
        let over_limit = self.object([("policy", policy), ("grace_ms", grace_ms)]);
        let (feature_type, combine, options, over_limit) = match key {
            "sso" => ("boolean", "any", json!([]), Value::Null),
            "seats" => ("limit", self.pick(&["max", "sum"]), json!([]), over_limit),
            "audit" => ("options", "union", json!(["read", "export"]), Value::Null),
            _ => ("json", "priority", json!([]), Value::Null),
        };
        self.object([
            ("type", json!(feature_type)),
            ("combine", json!(combine)),
            ("options", options),
            ("over_limit", over_limit),
        ])
    }

    pub(crate) fn plan(&mut self) -> Value {
        let versions = (1..=1 + self.below(2)).map(|version| {
            let grants = self.grants();
            let fallback =
                if self.one_in(2) { self.plan_reference("version") } else { Value::Null };
            let (priority, grace_ms) = (self.below(3), self.below(3_000));
            let after_grace = self.pick(&["none", "read_only"]);
            self.object([
                ("version", json!(version)),
                ("grants", grants),
                ("priority", json!(priority)),
                ("grace_ms", json!(grace_ms)),
                ("after_grace", json!(after_grace)),
                ("fallback", fallback),
            ])
        });
        let versions = Value::Array(versions.collect());
        self.object([("versions", versions)])
    }

    pub(crate) fn addon(&mut self) -> Value {
        let (grants, priority) = (self.grants(), json!(self.below(3)));
        self.object([("grants", grants), ("priority", priority)])
    }

    fn grants(&mut self) -> Value {
        let mut grants = Map::new();
        for feature in FEATURES {
            if self.one_in(2) {
                let grant = self.grant(feature);
                grants.insert(feature.to_owned(), self.or_anything(grant));
            }
        }
        Value::Object(grants)
    }

    fn grant(&mut self, feature: &str) -> Value {
        match feature {
            "sso" => json!(true),
            "seats" if self.one_in(6) => json!("unlimited"),
            "seats" => json!(self.pick(&[0, 1, 5, i64::MAX])),
            "audit" => json!(self.pick(&[&[][..], &["read"], &["export"], &["export", "read"]])),
            _ => json!(self.pick(&["dark", "light"])),
        }
    }

    fn plan_reference(&mut self, version: &'static str) -> Value {
        let (plan, number) = (json!(self.pick(&PLANS)), json!(1 + self.below(2)));
        self.object([("plan", plan), (version, number)])
    }

    /// What a flag requires; mostly nothing.
    pub(crate) fn requires(&mut self) -> Value {
        if !self.one_in(4) {
            return Value::Null;
        }
        let (feature, write) = (json!(self.pick(&FEATURES)), json!(self.one_in(2)));
        self.object([("feature", feature), ("write", write)])
    }

    /// The members of a stored tenant that are its contract.
    pub(crate) fn contract(&mut self) -> Value {
        let plan = match self.one_in(5) {
            true => json!({}),
            false => self.plan_reference("plan_version"),
        };
        let mut contract = match plan {
            Value::Object(plan) => plan,
            _ => Map::new(),
        };
        let mut insert = |name: &str, value| drop(contract.insert(name.to_owned(), value));
        if self.one_in(4) {
            insert("plan_since", instant(self.offset()));
        }
        if self.one_in(4) {
            let start = self.offset();
            let end = start + 1 + self.below(4_000) as i64;
            let (plan, version) = (self.pick(&PLANS), 1 + self.below(2));
            insert(
                "trial",
                self.object([
                    ("plan", json!(plan)),
                    ("plan_version", json!(version)),
                    ("start", instant(start)),
                    ("end", instant(end)),
                ]),
            );
        }
        let addons = ADDONS.into_iter().filter(|_| self.one_in(3)).collect::<Vec<_>>();
        let addons = addons.into_iter().map(|addon| {
            let quantity = json!(1 + self.below(3));
            self.object([("addon", json!(addon)), ("quantity", quantity)])
        });
        insert("addons", addons.collect());
        let ends_at = if self.one_in(2) { instant(self.offset()) } else { Value::Null };
        match self.below(4) {
            0 | 1 => {}
            2 => insert("subscription", self.object([("ends_at", ends_at)])),
            _ => {
                let since = instant(self.offset());
                insert(
                    "subscription",
                    self.object([
                        ("state", json!("past_due")),
                        ("unpaid_since", since),
                        ("ends_at", ends_at),
                    ]),
                );
            }
        }
        insert("overrides", self.overrides());
        if self.one_in(6) {
            let lane = self.pick(&["billing", "fraud", "manual", "legal"]);
            let effect = self.pick(&["none", "read_only"]);
            let (start, end) = self.window();
            let block = self.object([
                ("lane", json!(lane)),
                ("effect", json!(effect)),
                ("start", start),
                ("end", end),
            ]);
            insert("blocks", json!([block]));
        }
        self.or_anything(Value::Object(contract))
    }

    /// Each of these at most once, so that no two set one feature.
    fn overrides(&mut self) -> Value {
        let all = [
            ("sso", "deny", Value::Null),
            ("sso", "set", json!(true)),
            ("seats", "set", json!(3)),
            ("seats", "add", json!(-1)),
            ("seats", "add", json!(i64::MAX)),
            ("seats", "at_least", json!(2)),
            ("seats", "at_most", json!(0)),
            ("audit", "add", json!(["export"])),
            ("audit", "remove", json!(["read"])),
            ("theme", "set", json!("own")),
        ];
        let mut overrides = Vec::new();
        for (number, (feature, mode, value)) in all.into_iter().enumerate() {
            if self.one_in(5) {
                let (start, end) = self.window();
                overrides.push(self.object([
                    ("id", json!(format!("o{number}"))),
                    ("feature", json!(feature)),
                    ("mode", json!(mode)),
                    ("value", value),
                    ("start", start),
                    ("end", end),
                ]));
            }
        }
        Value::Array(overrides)
    }

    fn window(&mut self) -> (Value, Value) {
        let start = self.offset();
        let end = start + 1 + self.below(4_000) as i64;
        let start = if self.one_in(2) { instant(start) } else { Value::Null };
        (start, if self.one_in(2) { instant(end) } else { Value::Null })
    }

    fn offset(&mut self) -> i64 {
        self.below(8_000) as i64 - 4_000
    }
}

fn instant(offset_ms: i64) -> Value {
    json!(Timestamp::from_millis(NOW_MS + offset_ms).to_string())
}

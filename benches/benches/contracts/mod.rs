//! Forty features, four plans and an add-on, and as many tenants as one likes.

use flags_core::{
    ADDON_KIND, Document, Epoch, FEATURE_KIND, Object, PLAN_KIND, Ruleset, TENANT_KIND,
};
use serde_json::{Value, json};

pub(crate) const FEATURES: usize = 40;

/// Every fourth feature is one of each type.
fn feature(number: usize) -> Object {
    let definition = match number % 4 {
        0 | 1 => json!({"type": "boolean", "combine": "any"}),
        2 => json!({"type": "json", "combine": "priority"}),
        _ => json!({"type": "limit", "combine": "sum",
                    "over_limit": {"policy": "read_only", "grace_ms": 604_800_000}}),
    };
    object(FEATURE_KIND, &format!("feature-{number}"), &definition)
}

/// A plan with two versions; the higher grant more.
pub(crate) fn plan(level: usize, edition: usize) -> Object {
    let grants = |version: usize| -> Value {
        let granted = (0..FEATURES).filter(|number| number % 5 <= level);
        let grants = granted.map(|number| {
            let grant = match number % 4 {
                0 | 1 => json!(true),
                2 => json!({"level": level, "edition": edition}),
                _ => json!(5 * (level + version) + edition),
            };
            (format!("feature-{number}"), grant)
        });
        grants.collect()
    };
    let fallback = (level > 0).then(|| json!({"plan": "plan-0", "version": 1}));
    let version = |version: usize| {
        json!({"version": version, "grants": grants(version), "grace_ms": 604_800_000,
               "fallback": fallback})
    };
    let definition = json!({"versions": [version(1), version(2)]});
    object(PLAN_KIND, &format!("plan-{level}"), &definition)
}

fn addon() -> Object {
    object(ADDON_KIND, "seats", &json!({"grants": {"feature-7": 10}}))
}

pub(crate) fn catalogue() -> impl Iterator<Item = Object> {
    (0..FEATURES).map(feature).chain((0..4).map(|level| plan(level, 0))).chain([addon()])
}

pub(crate) fn key(number: usize) -> String {
    format!("tenant-{number:09}")
}

/// Half of them have `plan-1`; one in five has add-ons, one in so many overrides.
#[expect(clippy::indexing_slicing, reason = "members of an object that is made here")]
pub(crate) fn tenant(number: usize, overridden: usize, edition: usize) -> Object {
    let level = if number.is_multiple_of(2) { Some(&1) } else { [0, 2, 3].get(number / 2 % 3) };
    let level = level.copied().unwrap_or_default();
    let country = ["DE", "FR", "US", "GB", "JP"].get(number / 4 % 5);
    let mut definition = json!({
        "attributes": {"country": country, "employees": number % 10_000 + edition},
        "plan": format!("plan-{level}"), "plan_version": 1 + number / 8 % 2,
        "plan_since": "2026-03-01T09:30:00.125Z",
    });
    if number.is_multiple_of(5) {
        definition["addons"] = json!([{"addon": "seats", "quantity": 1 + number % 20}]);
    }
    // Of every plan, as many.
    if (number / 2 + 1).is_multiple_of(overridden) {
        definition["overrides"] = json!([
            {"id": "contract-1", "feature": "feature-7", "mode": "at_least", "value": 50,
             "end": "2027-01-01T00:00:00Z", "contract": "MSA 7"},
            {"id": "promise-2", "feature": "feature-9", "mode": "set", "value": true,
             "start": "2026-02-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
        ]);
    }
    object(TENANT_KIND, &key(number), &definition)
}

#[expect(clippy::expect_used, reason = "a bench that cannot set itself up measures nothing")]
pub(crate) fn object(kind: &str, key: &str, definition: &Value) -> Object {
    Object::new(kind, key, 1, definition).expect("JSON")
}

pub(crate) fn compiled(tenants: usize, overridden: usize) -> Ruleset {
    let tenants = (0..tenants).map(|number| tenant(number, overridden, 0));
    let objects = tenants.chain(catalogue()).collect();
    let document = Document { epoch: Epoch::new("bench"), revision: 1, objects };
    let (ruleset, report) = Ruleset::compile(&document);
    assert!(report.is_clean());
    ruleset
}

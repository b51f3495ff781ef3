//! What a service is told of contracts: exact to the millisecond, with what can be done about a no,
//! and what holds when the client has not heard of its server for long.

#![cfg(test)]

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flags_client::testing::{OverLimit, OverLimitPolicy, TestFlags, TestOverride, TestPackage};
use flags_client::{
    Access, Client, Document, EntitlementReason, EntitlementSource, Entity, Feature, Flag, Granted,
    Json, Lane, Limit, Object, ObjectChange, Options, Remedy, Ruling, Timestamp, Verdict,
    WhenStale,
};
use serde_json::{Value, json};
use support::{Canned, Reserved, Server, reach, until};

const SSO: Feature = Feature::new("sso");
const EXPORTS: Feature = Feature::new("exports");
const SEATS: Feature<Limit> = Feature::new("seats");
const REGIONS: Feature<Options> = Feature::new("regions");
const QUOTA: Feature<Json> = Feature::new("quota");

const NOON: &str = "2026-11-20T12:00:00Z";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn before(instant: Timestamp) -> Timestamp {
    Timestamp::from_millis(instant.as_millis() - 1)
}

/// Access and reason.
fn said(ruling: Ruling) -> (Access, &'static str) {
    (ruling.access, ruling.reason.name())
}

#[test]
fn what_is_to_come_comes_at_its_millisecond() {
    let end = at("2026-12-01T00:00:00Z");
    let acme = || TestFlags::new().tenant("acme").plan("pro");
    let no = Access::None;
    let cases = [
        (acme().limit(&SEATS, 5).trial_until(end), (Access::Full, "trial"), (no, "not_in_plan")),
        (acme().limit(&SEATS, 5).ends_at(end), (Access::Full, "granted"), (no, "expired")),
        (
            acme().without(&SEATS).at_least_until(&SEATS, 50, end),
            (Access::Full, "override_at_least"),
            (no, "not_in_plan"),
        ),
        (
            acme().limit(&SEATS, 5).grace(DAY).past_due_since("2026-11-30T00:00:00Z"),
            (Access::Full, "grace"),
            (no, "blocked"),
        ),
        (
            acme()
                .limit(&SEATS, 5)
                .grace(DAY)
                .read_only_after_grace()
                .past_due_since("2026-11-30T00:00:00Z"),
            (Access::Full, "grace"),
            (Access::ReadOnly, "blocked"),
        ),
    ];
    for (test, until_then, from_then_on) in cases {
        let flags = test.client();
        test.clock().set(before(end));
        let ruling = flags.entitlement(&SEATS, "acme");
        assert_eq!((said(ruling), ruling.valid_until), (until_then, Some(end)));
        assert_eq!(said(flags.limit(&SEATS, "acme").check(1)), until_then);
        test.clock().advance(Duration::from_millis(1));
        assert_eq!(said(flags.entitlement(&SEATS, "acme")), from_then_on);
        assert_eq!(said(flags.limit(&SEATS, "acme").check(1)), from_then_on);
        // A handle with overrides goes by the same clock.
        let handle = flags.overriding([Flag::<bool>::new("any", false).to(true)]);
        assert_eq!(said(handle.entitlement(&SEATS, "acme")), from_then_on);
    }
}

#[test]
fn a_check_asks_for_one_more() {
    let test = TestFlags::new().tenant("acme").limit(&SEATS, 5).tenant("globex").unlimited(&SEATS);
    let flags = test.client();
    let seats = flags.limit(&SEATS, "acme");
    for used in 0..8 {
        assert_eq!(seats.check(used).is_allowed(), used < 5, "{used} are used");
    }
    let fifth = seats.check(4);
    assert_eq!((fifth.limit, fifth.remaining), (Some(Limit::At(5)), Some(Limit::At(1))));
    assert!(seats.check_more(2, 3).is_allowed() && !seats.check_more(2, 4).is_allowed());
    assert!(seats.check_more(u64::MAX, u64::MAX).require_full().is_err());
    assert!(seats.standing(5).is_allowed(), "all five may be used");
    let endless = flags.limit(&SEATS, "globex").check(u64::MAX);
    assert_eq!(
        (said(endless), endless.remaining),
        ((Access::Full, "granted"), Some(Limit::Unlimited))
    );
    let snapshot = flags.snapshot();
    assert_eq!(snapshot.limit(&SEATS, "acme").check(4), fifth);
    assert_eq!(flags.pinned().limit(&SEATS, "acme").check(4), fifth);
}

#[test]
fn after_a_downgrade_the_feature_says_what_is_left() {
    let acme = |policy| {
        let over_limit = OverLimit { policy, grace_ms: 0 };
        let test = TestFlags::new().tenant("acme").limit(&SEATS, 3).over_limit(&SEATS, over_limit);
        let seats = test.client();
        let standing = seats.limit(&SEATS, "acme").standing(7);
        assert!(!seats.limit(&SEATS, "acme").check(7).is_readable(), "no growth in any case");
        standing
    };
    let reached = |access| (access, "limit_reached");
    assert_eq!(said(acme(OverLimitPolicy::BlockGrowth)), reached(Access::Full));
    assert_eq!(said(acme(OverLimitPolicy::ReadOnly)), reached(Access::ReadOnly));
    assert_eq!(said(acme(OverLimitPolicy::None)), reached(Access::None));
    let Verdict::ReadOnly(why) = acme(OverLimitPolicy::ReadOnly).verdict() else {
        panic!("not read-only")
    };
    assert_eq!(why.to_string(), "only reading is allowed: 7 of 3 `seats` are used");
}

#[test]
fn a_refusal_says_what_can_be_done_about_it() {
    let acme = || TestFlags::new().at(NOON).tenant("acme").feature(&SSO).limit(&SEATS, 5);
    let cases = [
        (acme().without(&SSO), Remedy::UpgradePlan, 402, "`sso` is not included"),
        (acme().past_due_since(NOON), Remedy::PayInvoice, 402, "an invoice is unpaid"),
        (
            acme().read_only(Lane::Billing),
            Remedy::PayInvoice,
            402,
            "only reading is allowed: an invoice is unpaid",
        ),
        (acme().ends_at(NOON), Remedy::Renew, 402, "the contract has ended"),
        (acme().blocked(Lane::Fraud), Remedy::AskSupport, 403, "the account is blocked"),
        (acme().denied(&SSO), Remedy::AskSupport, 403, "`sso` is denied"),
    ];
    for (test, remedy, status, text) in cases {
        let refusal = test.client().entitlement(&SSO, "acme").require_full().unwrap_err();
        assert_eq!((refusal.remedy(), refusal.status()), (remedy, status));
        assert_eq!(refusal.to_string(), text);
        assert_eq!(refusal.hint(), remedy.hint());
    }
    let flags = acme().client();
    let unknown = flags.entitlement(&SSO, "globex").require_read().unwrap_err();
    assert_eq!((unknown.remedy(), unknown.status()), (Remedy::AskSupport, 403));
    let refusal = flags.limit(&SEATS, "acme").check_more(4, 2).require_full().unwrap_err();
    let expected = json!({
        "type": "about:blank", "title": "Payment Required", "status": 402,
        "detail": "4 of 5 `seats` are used, and 2 more do not fit",
        "code": "limit_reached", "feature": "seats", "limit": 5, "used": 4, "remaining": 1,
        "remedy": "buy_more", "hint": "Buy more, or use less.",
    });
    assert_eq!(serde_json::to_value(refusal).unwrap(), expected);
}

#[test]
fn a_problem_names_neither_the_tenant_nor_its_plan_nor_who_blocks_it() {
    let test = TestFlags::new().tenant("acme").plan("pro").feature(&SSO).blocked(Lane::Legal);
    let refusal = test.client().entitlement(&SSO, "acme").require_full().unwrap_err();
    let text = serde_json::to_string(&refusal).unwrap();
    assert!(["acme", "pro", "legal"].iter().all(|secret| !text.contains(secret)), "{text}");
}

#[test]
fn a_limit_of_nothing_is_refused_as_one_that_is_reached() {
    let flags = TestFlags::new().tenant("acme").limit(&SEATS, 0).client();
    let ruling = flags.entitlement(&SEATS, "acme");
    assert_eq!(said(ruling), (Access::Full, "granted"), "as the core has it");
    let refusal = ruling.require_read().unwrap_err();
    assert_eq!((refusal.remedy(), refusal.ruling().access), (Remedy::BuyMore, Access::None));
    assert_eq!(refusal.to_string(), "the limit of `seats` is 0");
}

#[test]
fn a_snapshot_lends_values_and_where_they_come_from() {
    let test = TestFlags::new()
        .tenant("acme")
        .plan("pro")
        .options(&REGIONS, &["eu"])
        .json(&QUOTA, json!({"requests": 10}))
        .tenant("globex")
        .plan("pro")
        .options(&REGIONS, &["us", "eu"]);
    let flags = test.client().snapshot();
    let regions = |tenant| match flags.entitlement(&REGIONS, tenant).value {
        Some(Granted::Options(regions)) => regions.iter().collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!((regions("acme"), regions("globex")), (vec!["eu"], vec!["eu", "us"]));
    let quota = flags.entitlement(&QUOTA, "acme");
    assert_eq!(quota.value, Some(Granted::Json(&json!({"requests": 10}))));
    assert_eq!(quota.source, Some(EntitlementSource::Plan { plan: "pro", version: 1 }));
}

#[test]
fn a_feature_of_another_type_than_the_code_says_is_denied() {
    const SWITCH: Feature = Feature::new("seats");
    const COUNT: Feature<Limit> = Feature::new("sso");
    let flags = TestFlags::new().tenant("acme").feature(&SSO).limit(&SEATS, 5).client();
    let invalid = (Access::None, "feature_invalid");
    assert_eq!(said(flags.entitlement(&SWITCH, "acme")), invalid);
    assert_eq!(said(flags.entitlement(&COUNT, "acme")), invalid);
    assert_eq!(said(flags.limit(&COUNT, "acme").check(0)), invalid);
    assert_eq!(flags.snapshot().entitlement(&SWITCH, "acme").value, None);
    // Also where nothing is granted of it, or it is taken away: an age lifts that, and no mistake.
    const AGING: Feature = Feature::new("seats").when_stale(Duration::ZERO, WhenStale::Allow);
    let test = TestFlags::new().last_heard("2000-01-01T00:00:00Z").tenant("acme").without(&SEATS);
    for test in [test.clone(), test.denied(&SEATS)] {
        for feature in [&SWITCH, &AGING] {
            assert_eq!(said(test.client().entitlement(feature, "acme")), invalid);
        }
    }
}

#[test]
fn tests_do_not_share_a_clock() {
    let test =
        || TestFlags::new().at(NOON).tenant("acme").feature(&SSO).ends_at("2026-11-21T00:00:00Z");
    let (early, late) = (test(), test());
    let (here, there, also_there) = (early.client(), late.client(), late.client());
    late.clock().advance(DAY);
    assert!(here.entitlement(&SSO, "acme").is_allowed());
    assert!(!there.entitlement(&SSO, "acme").is_allowed());
    assert!(!also_there.entitlement(&SSO, "acme").is_allowed());
}

#[test]
fn flags_of_a_test_go_by_its_clock_too() {
    const TEXT: Flag<&str> = Flag::new("text", "a");
    const MISSING: Flag<i64> = Flag::new("missing", 7);
    let test = TestFlags::new().flag(&TEXT, "b").tenant("acme").flag(&TEXT, "c");
    let flags = test.client();
    assert_eq!(flags.snapshot().get(&TEXT, &Entity::user("u")).value, "c");
    assert_eq!(flags.get(&MISSING, &Entity::user("u")), 7);
    assert!(flags.status().misused.is_empty());
    assert_eq!(test.usage(&SEATS, "acme"), 0);
}

#[test]
fn a_test_can_say_whatever_a_contract_can() {
    let pack = TestPackage::new("pack").limit(&SEATS, 10).options(&REGIONS, &["us"]);
    let free = TestPackage::new("free").limit(&SEATS, 1).feature(&SSO).json(&QUOTA, json!(1));
    let end = "2027-01-01T00:00:00Z";
    let all = TestFlags::new()
        .at(NOON)
        .tenant("acme")
        .plan("pro")
        .limit(&SEATS, 5)
        .options(&REGIONS, &["eu"])
        .addon(&pack, 3)
        .trial(&free, NOON, end)
        .fallback(&free)
        .ends_at(end)
        .tenant("globex")
        .plan("pro")
        .addon(&pack, 1)
        .except(&SSO, TestOverride::feature().from(end))
        .except(&SEATS, TestOverride::unlimited().until(end))
        .except(&SEATS, TestOverride::limit(7).from(end))
        .except(&REGIONS, TestOverride::remove_options(&["us"]))
        .except(&QUOTA, TestOverride::json(json!(2)))
        .tenant("initech")
        .except(&SSO, TestOverride::deny())
        .except(&REGIONS, TestOverride::options(&["ap", "eu"]))
        .except(&SEATS, TestOverride::at_least(3))
        .read_only_between(Lane::Manual, NOON, end);
    let flags = all.client().snapshot();
    let told = || {
        ["acme", "globex", "initech"].map(|tenant| {
            let seats = flags.entitlement(&SEATS, tenant);
            let regions = match flags.entitlement(&REGIONS, tenant).value {
                Some(Granted::Options(regions)) => regions.iter().count(),
                _ => 0,
            };
            let sso = flags.entitlement(&SSO, tenant);
            (seats.limit, seats.access.name(), regions, sso.reason.name())
        })
    };
    let before = [
        (Some(Limit::At(36)), "full", 2, "trial"),
        (Some(Limit::Unlimited), "full", 0, "not_in_plan"),
        (Some(Limit::At(3)), "read_only", 2, "denied"),
    ];
    assert_eq!(told(), before);
    all.clock().set(end);
    let after = [
        (Some(Limit::At(1)), "full", 0, "granted"),
        (Some(Limit::At(7)), "full", 0, "override_set"),
        (Some(Limit::At(3)), "full", 2, "denied"),
    ];
    assert_eq!(told(), after);
    let quota = flags.entitlement(&QUOTA, "acme");
    assert_eq!(quota.source, Some(EntitlementSource::Plan { plan: "free", version: 1 }));
}

#[test]
#[should_panic = "the add-on `pack` grants two different things"]
fn tenants_share_add_ons() {
    let pack = |seats| TestPackage::new("pack").limit(&SEATS, seats);
    let _ = TestFlags::new().tenant("acme").addon(&pack(1), 1).tenant("globex").addon(&pack(2), 1);
}

#[test]
#[should_panic = "the tenant has the add-on `pack` twice"]
fn an_add_on_has_one_quantity() {
    let pack = TestPackage::new("pack").limit(&SEATS, 1);
    let _ = TestFlags::new().tenant("acme").addon(&pack, 1).addon(&pack, 1);
}

#[test]
#[should_panic = "the tenant `a\u{0}`: "]
fn what_no_server_would_take_fails_the_test() {
    let _ = TestFlags::new().tenant("a\u{0}").client();
}

#[test]
fn without_tenants_nobody_has_anything() {
    for flags in [Client::empty(), TestFlags::new().client()] {
        let ruling = flags.entitlement(&SSO, "acme");
        assert_eq!(said(ruling), (Access::None, "tenant_unknown"));
        assert_eq!(said(flags.limit(&SEATS, "acme").check(0)), (Access::None, "tenant_unknown"));
    }
}

/// What is known of a feature and a tenant, and what the three policies make of it.
#[test]
fn what_is_too_old_is_judged_by_the_policy_of_the_feature() {
    use Access::{Full, None, ReadOnly};
    const KEY: &str = "sso";
    const HOUR: Duration = Duration::from_secs(3600);
    const DENY: Feature = Feature::new(KEY).when_stale(HOUR, WhenStale::Deny);
    const READ: Feature = Feature::new(KEY).when_stale(HOUR, WhenStale::ReadOnly);
    const ALLOW: Feature = Feature::new(KEY).when_stale(HOUR, WhenStale::Allow);
    let begin = || TestFlags::new().at(NOON).last_heard(NOON);
    let acme = || begin().tenant("acme").feature(&SSO);
    let stale = |access| (access, "stale");
    let known = |access, reason| (access, reason);
    let cases = [
        (acme(), known(Full, "granted"), stale(None), stale(ReadOnly), known(Full, "granted")),
        (
            acme().read_only(Lane::Billing),
            known(ReadOnly, "blocked"),
            stale(None),
            known(ReadOnly, "blocked"),
            stale(Full),
        ),
        (
            acme().without(&SSO),
            known(None, "not_in_plan"),
            known(None, "not_in_plan"),
            known(None, "not_in_plan"),
            stale(Full),
        ),
        (
            begin().tenant("globex").feature(&SSO),
            known(None, "tenant_unknown"),
            known(None, "tenant_unknown"),
            known(None, "tenant_unknown"),
            stale(Full),
        ),
    ];
    for (test, now, deny, read, allow) in cases {
        let flags = test.client();
        test.clock().advance(HOUR);
        for feature in [&DENY, &READ, &ALLOW, &SSO] {
            assert_eq!(said(flags.entitlement(feature, "acme")), now, "not a moment too soon");
        }
        test.clock().advance(Duration::from_millis(1));
        let rulings = [&DENY, &READ, &ALLOW, &SSO].map(|f| said(flags.entitlement(f, "acme")));
        assert_eq!(rulings, [deny, read, allow, now]);
    }
    // What was decided against somebody is not undone by an absent server.
    for test in [acme().denied(&SSO), acme().blocked(Lane::Fraud), acme().blocked(Lane::Legal)] {
        test.clock().advance(DAY);
        let ruling = test.client().entitlement(&ALLOW, "acme");
        assert_eq!(ruling.access, None, "{ruling:?}");
        assert_ne!(ruling.reason, EntitlementReason::Stale);
    }
    let test = begin().tenant("acme").limit(&SEATS, 5);
    test.clock().advance(DAY);
    let invalid = test
        .client()
        .entitlement(&Feature::<bool>::new("seats").when_stale(HOUR, WhenStale::Allow), "acme");
    assert_eq!(said(invalid), (None, "feature_invalid"));
}

#[test]
fn a_value_that_is_too_old_is_what_was_known_last() {
    const HOUR: Duration = Duration::from_secs(3600);
    const ALLOW: Feature<Limit> = Feature::new("seats").when_stale(HOUR, WhenStale::Allow);
    const DENY: Feature<Limit> = Feature::new("seats").when_stale(HOUR, WhenStale::Deny);
    const SWITCH: Feature = Feature::new("sso").when_stale(HOUR, WhenStale::Allow);
    let test =
        TestFlags::new().at(NOON).last_heard(NOON).tenant("acme").limit(&SEATS, 5).without(&SSO);
    let flags = test.client();
    test.clock().advance(DAY);
    let sixth = flags.limit(&ALLOW, "acme").check(5);
    assert_eq!((said(sixth), sixth.limit), ((Access::Full, "stale"), Some(Limit::At(5))));
    let unknown = flags.limit(&ALLOW, "globex").check(5);
    assert_eq!((said(unknown), unknown.limit), ((Access::Full, "stale"), None));
    let refusal = flags.limit(&DENY, "acme").check(0).require_read().unwrap_err();
    assert_eq!((refusal.remedy(), refusal.status()), (Remedy::TryLater, 403));
    let Ruling { limit, remaining, .. } = refusal.ruling();
    assert_eq!((limit, remaining), (None, Some(Limit::At(0))), "nothing is granted, nor left");
    let flags = flags.snapshot();
    assert_eq!(flags.entitlement(&SWITCH, "acme").value, Some(Granted::Boolean));
    let denied = flags.entitlement(&DENY, "acme");
    assert_eq!((denied.value, denied.source), (None, None));
}

fn object(kind: &str, key: &str, definition: &Value) -> Object {
    Object::new(kind, key, 2, definition).unwrap()
}

/// A feature, a plan and a tenant that has it, and what is said of the tenant besides.
fn contract(besides: &Value) -> Vec<ObjectChange> {
    let mut tenant = json!({"plan": "pro", "plan_version": 1});
    tenant.as_object_mut().unwrap().extend(besides.as_object().unwrap().clone());
    let versions = json!({"versions": [{"version": 1, "grants": {"exports": true}}]});
    let feature = json!({"type": "boolean", "combine": "any"});
    let objects =
        [("feature", "exports", feature), ("plan", "pro", versions), ("tenant", "acme", tenant)];
    objects.map(|(kind, key, said)| ObjectChange::Upsert(object(kind, key, &said))).into()
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

#[tokio::test]
async fn a_contract_that_arrives_ends_in_time_without_the_server() {
    let server = Server::start().await;
    let client = server.client().await;
    assert_eq!(said(client.entitlement(&EXPORTS, "acme")), (Access::None, "tenant_unknown"));
    let end = now() + 1_000;
    let ends_at = Timestamp::from_millis(end).to_string();
    server.change(contract(&json!({"subscription": {"ends_at": ends_at}})));
    reach(&client, |status| status.position.as_ref().is_some_and(|at| at.revision == 2)).await;
    server.always(Some(Canned::status(503)));
    server.cut();
    let mut seen = [false; 2];
    until("the end of the contract", || {
        let earliest = now();
        let ruling = client.entitlement(&EXPORTS, "acme");
        let latest = now();
        if latest < end {
            assert_eq!(said(ruling), (Access::Full, "granted"));
            seen[0] = true;
        } else if earliest >= end {
            assert_eq!(said(ruling), (Access::None, "expired"));
            seen[1] = true;
        }
        seen[1]
    })
    .await;
    assert!(seen[0], "it was there before");
}

#[tokio::test]
async fn the_age_is_the_time_since_the_server_was_heard() {
    const AGE: Duration = Duration::from_millis(200);
    const AGING: Feature = Feature::new("exports").when_stale(AGE, WhenStale::Deny);
    let server = Server::start().await;
    let client = server.client().await;
    server.change(contract(&json!({})));
    reach(&client, |status| status.position.as_ref().is_some_and(|at| at.revision == 2)).await;
    until("an age without a word", || {
        let ruling = client.entitlement(&AGING, "acme");
        ruling.reason == EntitlementReason::Stale && ruling.access == Access::None
    })
    .await;
    assert!(client.entitlement(&EXPORTS, "acme").is_allowed(), "without an age it holds");
    // Said often, as each is fresh for a moment only.
    until("a heartbeat", || {
        server.say(b":\n\n");
        client.entitlement(&AGING, "acme").is_allowed()
    })
    .await;
}

#[tokio::test]
async fn a_start_from_the_disk_knows_when_the_server_was_heard() {
    const AGING: Feature = Feature::new("exports").when_stale(DAY, WhenStale::Deny);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flags.cache");
    let server = Server::start().await;
    server.change(contract(&json!({})));
    let client = server.builder().cache_file(&file).connect().await.unwrap();
    reach(&client, |status| status.cached.as_ref().is_some_and(|at| at.revision == 2)).await;
    assert!(client.entitlement(&AGING, "acme").is_allowed());
    drop(client);
    server.always(Some(Canned::status(503)));
    let future = SystemTime::now() + 2 * DAY;
    for (number, ago, access) in [(1, DAY / 2, Access::Full), (2, 2 * DAY, Access::None)] {
        // The writer of the client before may still be about to finish.
        let copy = folder.path().join(format!("copy-{number}"));
        std::fs::copy(&file, &copy).unwrap();
        let open = std::fs::OpenOptions::new().write(true).open(&copy).unwrap();
        let heard = SystemTime::now() - ago;
        open.set_modified(heard).unwrap();
        let client = server.builder().cache_file(&copy).connect().await.unwrap();
        let heard = heard.duration_since(UNIX_EPOCH).unwrap().as_millis();
        assert_eq!(client.status().heard.unwrap().as_millis(), i64::try_from(heard).unwrap());
        assert_eq!(client.entitlement(&AGING, "acme").access, access, "{}", client.status());
        assert!(client.entitlement(&EXPORTS, "acme").is_allowed());
        // A file from the future, after a clock that was wrong, is from now.
        let open = std::fs::OpenOptions::new().write(true).open(&copy).unwrap();
        open.set_modified(future).unwrap();
        let client = server.builder().cache_file(&copy).connect().await.unwrap();
        let heard = client.status().heard.unwrap();
        assert!(heard.as_millis() <= now(), "{heard}");
    }
}

#[tokio::test]
async fn who_never_heard_of_a_server_knows_nothing() {
    const NEVER: Feature = Feature::new("exports").when_stale(Duration::MAX, WhenStale::Allow);
    let nobody = format!("http://{}", Reserved::new().addr());
    let builder = Client::builder(nobody, "token").hurried();
    let client = builder.first_snapshot_timeout(Duration::ZERO).connect().await.unwrap();
    assert_eq!(said(client.entitlement(&NEVER, "acme")), (Access::Full, "stale"));
    assert_eq!(said(client.entitlement(&EXPORTS, "acme")), (Access::None, "tenant_unknown"));
}

#[test]
fn a_feature_type_of_a_later_version_is_denied_alone_and_said() {
    let document: Document = serde_json::from_value(json!({
        "epoch": "e", "revision": 1, "objects": [
            {"kind": "feature", "key": "sso", "version": 1, "definition": {"type": "quantum", "combine": "any"}},
            {"kind": "feature", "key": "exports", "version": 1, "definition": {"type": "boolean", "combine": "any"}},
            {"kind": "plan", "key": "pro", "version": 1,
             "definition": {"versions": [{"version": 1, "grants": {"sso": 1, "exports": true}}]}},
            {"kind": "tenant", "key": "acme", "version": 1, "definition": {"plan": "pro", "plan_version": 1}},
        ]
    }))
    .unwrap();
    let client = Client::fixed(&document);
    assert_eq!(said(client.entitlement(&SSO, "acme")), (Access::None, "feature_invalid"));
    assert!(client.entitlement(&EXPORTS, "acme").is_allowed());
    let status = client.status();
    assert_eq!((status.invalid.len(), &*status.invalid[0].key), (1, "sso"));
}

//! `#[derive(Context)]`: what rules can ask of a service's own structs.

#![cfg(test)]

use std::borrow::Cow;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use flags_core::{Attribute, AttributeValue, Context, ContextKey, Entity, JsonContext};

#[track_caller]
fn asked(context: &impl Context, path: &str) -> Option<String> {
    let (kind, name) = path.split_once('.').unwrap();
    match name {
        "key" => context.key(kind).map(String::from),
        name => context.attribute(kind, name).map(|value| value.to_string()),
    }
}

#[track_caller]
fn assert_says(context: &impl Context, facts: &[(&str, &str)]) {
    for (path, expected) in facts {
        assert_eq!(asked(context, path).as_deref(), Some(*expected), "{path}");
    }
}

#[track_caller]
fn assert_silent(context: &impl Context, paths: &[&str]) {
    for path in paths {
        assert_eq!(asked(context, path), None, "{path}");
    }
}

#[derive(Context)]
#[context(kind = "user")]
struct User<'a> {
    #[context(key)]
    id: &'a str,
    email: &'a str,
    #[context(rename = "signup")]
    signed_up_ms: i64,
    roles: Vec<String>,
    beta: Option<bool>,
    r#type: &'static str,
    #[context(skip)]
    _password: &'a str,
}

fn ada() -> User<'static> {
    User {
        id: "u-17",
        email: "ada@example.com",
        signed_up_ms: 1_767_225_600_000,
        roles: vec!["admin".into(), "owner".into()],
        beta: None,
        r#type: "human",
        _password: "secret",
    }
}

#[derive(Context)]
#[context(kind = "tenant")]
struct Tenant {
    #[context(key)]
    id: Option<String>,
    country: String,
}

fn acme() -> Tenant {
    Tenant { id: Some("acme".into()), country: "DE".into() }
}

#[test]
fn a_struct_of_one_kind_is_asked_by_the_names_of_its_fields() {
    assert_says(
        &ada(),
        &[
            ("user.key", "u-17"),
            ("user.email", "\"ada@example.com\""),
            ("user.signup", "1767225600000"),
            ("user.roles", "[\"admin\", \"owner\"]"),
            ("user.type", "\"human\""),
        ],
    );
    assert_says(&User { beta: Some(true), ..ada() }, &[("user.beta", "true")]);
    assert_silent(
        &ada(),
        &[
            "user.beta",
            "user.id",
            "user.signed_up_ms",
            "user._password",
            "tenant.key",
            "tenant.email",
        ],
    );
}

#[test]
fn a_key_may_be_absent() {
    assert_says(&acme(), &[("tenant.key", "acme")]);
    let nobody = Tenant { id: None, ..acme() };
    assert_silent(&nobody, &["tenant.key"]);
    assert_says(&nobody, &[("tenant.country", "\"DE\"")]);
}

#[test]
fn fields_may_belong_to_several_kinds() {
    #[derive(Context)]
    #[context(kind = "user")]
    struct Session {
        #[context(key)]
        user_id: String,
        locale: String,
        #[context(key, kind = "tenant")]
        account_id: String,
        #[context(kind = "tenant", rename = "plan")]
        account_plan: String,
        #[context(kind = "device", key)]
        device: Option<String>,
    }
    let session = Session {
        user_id: "u-17".into(),
        locale: "de".into(),
        account_id: "acme".into(),
        account_plan: "team".into(),
        device: None,
    };
    assert_says(
        &session,
        &[
            ("user.key", "u-17"),
            ("user.locale", "\"de\""),
            ("tenant.key", "acme"),
            ("tenant.plan", "\"team\""),
        ],
    );
    assert_silent(&session, &["device.key", "device.x", "user.plan", "tenant.locale"]);
}

#[test]
fn nested_contexts_are_asked_in_order() {
    #[derive(Context)]
    struct Request<'a> {
        #[context(nested)]
        user: User<'a>,
        #[context(nested)]
        tenant: Option<&'a Tenant>,
        #[context(nested)]
        job: Entity<'a>,
        #[context(key, kind = "device")]
        device_id: &'a str,
        #[context(skip)]
        _body: &'a [u8],
    }
    let tenant = acme();
    let job = [("attempt", 3.into())];
    let request = Request {
        user: ada(),
        tenant: Some(&tenant),
        job: Entity::new("job", "j-1").with(&job),
        device_id: "d-1",
        _body: &[],
    };
    assert_says(
        &request,
        &[
            ("user.key", "u-17"),
            ("user.signup", "1767225600000"),
            ("tenant.key", "acme"),
            ("tenant.country", "\"DE\""),
            ("job.key", "j-1"),
            ("job.attempt", "3"),
            ("device.key", "d-1"),
        ],
    );
    assert_silent(&request, &["user.beta", "job.x", "device.os", "region.key"]);
    assert_silent(&Request { tenant: None, ..request }, &["tenant.key", "tenant.country"]);
}

#[test]
fn of_two_nested_contexts_of_a_kind_the_first_with_a_key_holds() {
    #[derive(Context)]
    struct Pair {
        #[context(nested)]
        first: JsonContext,
        #[context(nested)]
        second: JsonContext,
        #[context(nested)]
        third: JsonContext,
    }
    let read = |json| JsonContext::read(&json).unwrap();
    let pair = Pair {
        first: read(serde_json::json!({"user": {"key": "a", "age": 1}, "job": {"x": 1}})),
        second: read(serde_json::json!({"user": {"key": "b", "age": 2, "seats": 2},
            "job": {"key": "j", "x": 2, "y": 2}})),
        third: read(serde_json::json!({"job": {"key": "k", "z": 3}, "day": {"key": "d", "w": 3}})),
    };
    assert_says(
        &pair,
        &[
            ("user.key", "a"),
            ("user.age", "1"),
            ("job.key", "j"),
            ("job.x", "1"),
            ("job.y", "2"),
            ("day.key", "d"),
            ("day.w", "3"),
        ],
    );
    assert_silent(&pair, &["user.seats", "job.z"]);
}

#[test]
fn kinds_of_the_struct_itself_come_before_nested_ones() {
    #[derive(Context)]
    struct Acting<'a> {
        #[context(nested)]
        account: Tenant,
        #[context(nested)]
        user: User<'a>,
        #[context(key, kind = "tenant")]
        acting_for: &'a str,
    }
    let acting = Acting { account: acme(), user: ada(), acting_for: "hooli" };
    assert_says(&acting, &[("tenant.key", "hooli"), ("user.key", "u-17")]);
    assert_silent(&acting, &["tenant.country"]);
}

#[test]
fn attributes_are_numbers_texts_lists_and_pointers_to_them() {
    #[derive(Context)]
    #[context(kind = "x")]
    struct Everything<'a> {
        #[context(key)]
        key: Cow<'a, str>,
        i8: i8,
        i16: i16,
        i32: i32,
        isize: isize,
        u8: u8,
        u16: u16,
        u32: u32,
        u64: u64,
        above: u64,
        usize: usize,
        f32: f32,
        f64: f64,
        nothing: Option<f64>,
        boxed: Box<str>,
        arc: Arc<str>,
        rc: Rc<String>,
        cow: Cow<'a, str>,
        twice: &'a &'a str,
        array: [&'a str; 2],
        slice: &'a [&'a str],
        strings: &'a [String],
        vec: Vec<&'a str>,
        shared: Arc<[String]>,
        maybe: Option<Box<[String]>>,
        empty: Vec<String>,
    }
    let texts = vec![String::from("a"), "b".into()];
    let everything = Everything {
        key: "k".into(),
        i8: -8,
        i16: -16,
        i32: -32,
        isize: -1,
        u8: 8,
        u16: 16,
        u32: u32::MAX,
        u64: i64::MAX as u64,
        above: i64::MAX as u64 + 1,
        usize: 1,
        f32: 0.5,
        f64: 0.25,
        nothing: None,
        boxed: "boxed".into(),
        arc: "arc".into(),
        rc: Rc::new("rc".into()),
        cow: "cow".into(),
        twice: &"twice",
        array: ["a", "b"],
        slice: &["a", "b"],
        strings: &texts,
        vec: vec!["a", "b"],
        shared: texts.clone().into(),
        maybe: Some(texts.clone().into()),
        empty: Vec::new(),
    };
    assert_says(
        &everything,
        &[
            ("x.key", "k"),
            ("x.i8", "-8"),
            ("x.i16", "-16"),
            ("x.i32", "-32"),
            ("x.isize", "-1"),
            ("x.u8", "8"),
            ("x.u16", "16"),
            ("x.u32", "4294967295"),
            ("x.u64", "9223372036854775807"),
            ("x.usize", "1"),
            ("x.f32", "0.5"),
            ("x.f64", "0.25"),
            ("x.boxed", "\"boxed\""),
            ("x.arc", "\"arc\""),
            ("x.rc", "\"rc\""),
            ("x.cow", "\"cow\""),
            ("x.twice", "\"twice\""),
            ("x.array", "[\"a\", \"b\"]"),
            ("x.slice", "[\"a\", \"b\"]"),
            ("x.strings", "[\"a\", \"b\"]"),
            ("x.vec", "[\"a\", \"b\"]"),
            ("x.shared", "[\"a\", \"b\"]"),
            ("x.maybe", "[\"a\", \"b\"]"),
            ("x.empty", "[]"),
        ],
    );
    assert_silent(&everything, &["x.above", "x.nothing"]);
}

/// A type of the service that is an attribute and one that is a key.
enum Plan {
    Free,
    Team,
}

impl Plan {
    fn name(&self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Team => "team",
        }
    }
}

impl Attribute for Plan {
    fn value(&self) -> Option<AttributeValue<'_>> {
        Some(self.name().into())
    }
}

struct AccountId(String);

impl ContextKey for AccountId {
    fn text(&self) -> Option<&str> {
        Some(&self.0)
    }
}

#[test]
fn types_of_the_service_and_functions_lend_values() {
    fn kind(id: &AccountId) -> &str {
        &id.0
    }
    fn found(id: &Option<AccountId>) -> Option<&str> {
        id.as_ref().map(kind)
    }
    fn first(tags: &[String]) -> Option<&str> {
        tags.first().map(String::as_str)
    }

    #[derive(Context)]
    #[context(kind = "tenant")]
    struct Account {
        #[context(key)]
        id: AccountId,
        plan: Option<Plan>,
        #[context(with = Plan::name)]
        former: Plan,
        #[context(rename = "ipv4", with = IpAddr::is_ipv4)]
        address: IpAddr,
        #[context(with = first)]
        tags: Vec<String>,
        // A function may be called like a parameter of the code that is written.
        #[context(key, kind = "parent", with = kind)]
        parent: AccountId,
        #[context(key, kind = "billed", with = found)]
        billed: Option<AccountId>,
        #[context(kind = "parent", with = <Plan as Default>::default_name)]
        parent_plan: Plan,
    }

    trait Default {
        fn default_name(&self) -> AttributeValue<'_>;
    }
    impl Default for Plan {
        fn default_name(&self) -> AttributeValue<'_> {
            self.name().into()
        }
    }

    let account = Account {
        id: AccountId("acme".into()),
        plan: Some(Plan::Team),
        former: Plan::Free,
        address: [127, 0, 0, 1].into(),
        tags: vec!["eu".into()],
        parent: AccountId("holding".into()),
        billed: None,
        parent_plan: Plan::Free,
    };
    assert_says(
        &account,
        &[
            ("tenant.key", "acme"),
            ("tenant.plan", "\"team\""),
            ("tenant.former", "\"free\""),
            ("tenant.ipv4", "true"),
            ("tenant.tags", "\"eu\""),
            ("parent.key", "holding"),
            ("parent.parent_plan", "\"free\""),
        ],
    );
    assert_silent(&account, &["billed.key"]);
}

#[test]
fn structs_may_have_parameters() {
    #[derive(Context)]
    #[context(kind = "job")]
    struct Job<'a, Id, T: Clone = String, const N: usize = 2>
    where
        Id: Send,
    {
        #[context(key)]
        id: Id,
        payload: Option<&'a T>,
        steps: [&'a str; N],
        #[context(nested)]
        tenant: Owner<Id>,
        #[context(skip)]
        _marker: PhantomData<fn() -> T>,
    }

    /// A context if its contents are a key.
    struct Owner<Id>(Id);

    impl<Id: ContextKey> Context for Owner<Id> {
        fn key(&self, kind: &str) -> Option<&str> {
            if kind == "tenant" { self.0.text() } else { None }
        }
        fn attribute(&self, _: &str, _: &str) -> Option<AttributeValue<'_>> {
            None
        }
    }

    let payload = 7_u8;
    let job = Job {
        id: Arc::<str>::from("j-1"),
        payload: Some(&payload),
        steps: ["a", "b"],
        tenant: Owner("acme".into()),
        _marker: PhantomData,
    };
    assert_says(
        &job,
        &[
            ("job.key", "j-1"),
            ("job.payload", "7"),
            ("job.steps", "[\"a\", \"b\"]"),
            ("tenant.key", "acme"),
        ],
    );
}

#[test]
fn tuple_structs_and_pointers_to_contexts_are_contexts() {
    #[derive(Context)]
    struct UserId(#[context(key, kind = "user")] String);

    #[derive(Context)]
    struct Both<C: ?Sized>(
        #[context(nested)] UserId,
        #[context(kind = "day", key)] &'static str,
        #[context(kind = "day", rename = "of week")] u8,
        #[context(nested)] Arc<C>,
    );

    let both: Both<dyn Context> = Both(UserId("u-17".into()), "d", 3, Arc::new(acme()));
    assert_says(
        &Box::new(&both),
        &[
            ("user.key", "u-17"),
            ("day.key", "d"),
            ("day.of week", "3"),
            ("tenant.country", "\"DE\""),
        ],
    );
}

#[test]
fn the_crate_may_have_another_name() {
    mod flags {
        pub(crate) mod renamed {
            pub(crate) use flags_core::*;
        }
    }

    #[derive(Context)]
    #[context(kind = "user", crate = "flags::renamed")]
    struct Renamed {
        #[context(key)]
        id: &'static str,
        #[context(with = str::len32)]
        name: &'static str,
    }

    trait Len32 {
        fn len32(&self) -> u32;
    }
    impl Len32 for str {
        fn len32(&self) -> u32 {
            self.len() as u32
        }
    }

    assert_says(&Renamed { id: "u-17", name: "Ada" }, &[("user.key", "u-17"), ("user.name", "3")]);
}

/// What the code writes does not depend on what names mean where the struct is.
mod shadowed {
    #![no_implicit_prelude]
    #![deny(missing_docs, unused, unreachable_pub)]
    #![allow(dead_code, non_camel_case_types, reason = "the names are there to be in the way")]

    enum Option {}
    struct str;
    struct Some;
    trait Into {}
    mod core {}
    mod flags_core {}

    /// A context.
    #[derive(::flags_core::Context)]
    #[context(kind = "user")]
    pub(super) struct Shadowed {
        /// Its key.
        #[context(key)]
        pub(super) kind: &'static ::core::primitive::str,
        /// Its name.
        #[context(with = name)]
        pub(super) name: u8,
        /// Its contents.
        #[context(nested)]
        pub(super) found: (),
        /// More.
        #[context(nested)]
        pub(super) more: (),
    }

    fn name(name: &u8) -> u8 {
        *name
    }
}

#[test]
fn the_code_is_hygienic() {
    let shadowed = shadowed::Shadowed { kind: "u-17", name: 3, found: (), more: () };
    assert_says(&shadowed, &[("user.key", "u-17"), ("user.name", "3")]);
}

/// What the derive itself says. What the compiler says of types differs between its versions; that
/// it refuses them is in the examples of [`Attribute`] and [`ContextKey`].
#[test]
fn what_is_wrong_is_said_at_the_field() {
    trybuild::TestCases::new().compile_fail("tests/derive_errors/arguments.rs");
}

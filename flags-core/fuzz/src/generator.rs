//! Definitions and contexts out of a fuzzer's bytes.

use arbitrary::Unstructured;
use flags_core::{Operator, Timestamp};
use serde_json::{Map, Value, json};

use crate::cases::{ADDRESSES, CONTEXT_KEYS, DATES, NETWORKS, PATTERN_ATOMS, VERSIONS, WORDS};
use crate::conditions::truth_of;
use crate::contracts::{ADDONS, FEATURES, PLANS};
use crate::hostile;

/// 2026-01-01T00:00:00Z, which the instants of definitions are near to.
pub(crate) const NOW_MS: i64 = 1_767_225_600_000;

const VARIANTS: [&str; 4] = ["red", "green", "blue", "10%"];

pub(crate) const FLAGS: [&str; 6] = ["f0", "f1", "f2", "f3", "f4", "f5"];
const SEGMENTS: [&str; 3] = ["s0", "s1", "s2"];

/// How far what is made may be from what is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Of the right shape, and within what the oracle can compute.
    Tame,
    /// Now and then any JSON at all stands where something else belongs.
    Wild,
}

/// Makes things up as the bytes say. Bytes that have run out are zeros, and a choice of zero is
/// always the plainest.
pub(crate) struct Generator<'b> {
    bytes: Unstructured<'b>,
    manner: Manner,
}

impl<'b> Generator<'b> {
    pub(crate) fn new(bytes: &'b [u8], manner: Manner) -> Self {
        Self { bytes: Unstructured::new(bytes), manner }
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.bytes.is_empty()
    }

    /// 0 to `count` − 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let last = u32::try_from(count - 1).expect("a small count");
        self.bytes.int_in_range(0..=last).unwrap_or(0) as usize
    }

    /// Never once the bytes have run out.
    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn integer(&mut self) -> i64 {
        match self.below(4) {
            0 => {
                self.pick(&[0, 2, 9_007_199_254_740_992, 9_007_199_254_740_993, i64::MAX, i64::MIN])
            }
            1 => NOW_MS + self.below(7) as i64 - 3,
            2 => self.bytes.arbitrary().map_or(0, |small: i8| small.into()),
            _ => self.bytes.arbitrary().unwrap_or(0),
        }
    }

    /// Finite, and exact times 2²⁰, as the oracle wants it.
    fn float(&mut self) -> f64 {
        match self.below(3) {
            0 => self.pick(&[-1.5, 0.0, -0.0, 2.0, 9_007_199_254_740_992.0, -9.5e18]),
            1 => self.integer() as f64,
            _ => {
                let small: i32 = self.bytes.arbitrary().unwrap_or(0);
                f64::from(small) / f64::from(1 << self.below(20))
            }
        }
    }

    fn number(&mut self) -> Value {
        if self.one_in(2) { json!(self.float()) } else { json!(self.integer()) }
    }

    /// A text of one of the operators' forms, or near to it.
    pub(crate) fn text(&mut self) -> String {
        let text = match self.below(6) {
            0 => self.pick(&WORDS).to_owned(),
            1 => self.pick(&DATES).to_owned(),
            2 => self.version(),
            3 => self.pick(&ADDRESSES).to_owned(),
            4 => self.pick(&CONTEXT_KEYS).to_owned(),
            _ => (0..self.below(6))
                .map(|_| self.pick(&["a", "B", "1", ".", "ß", "ſ", " "]))
                .collect(),
        };
        if self.is_wild(12) { hostile::text(&mut self.bytes) } else { text }
    }

    fn version(&mut self) -> String {
        match self.below(3) {
            0 => return self.near_version(),
            1 => return self.pick(&VERSIONS).to_owned(),
            _ => {}
        }
        let pieces = ["1", "0", "v", ".", "-", "+", "10", "02", "a", "rc"];
        (0..=self.below(8)).map(|_| self.pick(&pieces)).collect()
    }

    /// A version, of few different parts, so that two of them are near to each other.
    pub(crate) fn near_version(&mut self) -> String {
        let number = |generator: &mut Self| generator.pick(&["1", "1", "0", "02", "10"]);
        let mut text = number(self).to_owned();
        for _ in 0..self.below(3) {
            text += &format!(".{}", number(self));
        }
        let parts = ["1", "a", "rc", "0", "02", "10", "1a", "A", "-", "99999999999999999999"];
        for mark in ["-", "+"] {
            if self.one_in(2) {
                text += &format!("{mark}{}", self.pick(&parts));
                for _ in 0..self.below(3) {
                    text += &format!(".{}", self.pick(&parts));
                }
            }
        }
        text
    }

    /// What a pattern may be found in.
    pub(crate) fn haystack(&mut self) -> String {
        let letters = ["a", "b", "1", "ö", " ", "\n", "-", "\u{7f}", "_", "€", "K", "\0"];
        (0..self.below(8)).map(|_| self.pick(&letters)).collect()
    }

    fn date(&mut self) -> String {
        if self.one_in(2) {
            return self.pick(&DATES).to_owned();
        }
        Timestamp::from_millis(NOW_MS + self.below(8_000) as i64 - 4_000).to_string()
    }

    pub(crate) fn pattern(&mut self, depth: usize) -> String {
        let text: String = (0..=self.below(3)).map(|_| self.pick(&PATTERN_ATOMS)).collect();
        if depth == 0 {
            return text;
        }
        match self.below(4) {
            0 => text,
            1 => format!("(?:{text}|{})", self.pattern(depth - 1)),
            2 => {
                let inner = self.pattern(depth - 1);
                format!("{text}(?:{inner}){}", self.pick(&["*", "+", "?", "{2}", "{1,3}"]))
            }
            _ => format!("{text}{}", self.pattern(depth - 1)),
        }
    }

    fn is_wild(&mut self, one_in: usize) -> bool {
        self.manner == Manner::Wild && self.one_in(one_in)
    }

    /// `value`, or what does not belong there.
    pub(crate) fn or_anything(&mut self, value: Value) -> Value {
        if self.is_wild(40) { hostile::json(&mut self.bytes, 4) } else { value }
    }

    /// An object of these members, or of somewhat others.
    pub(crate) fn object<const N: usize>(&mut self, members: [(&str, Value); N]) -> Value {
        let mut object = Map::new();
        for (name, value) in members {
            if !self.is_wild(60) {
                let value = self.or_anything(value);
                object.insert(name.to_owned(), value);
            }
        }
        if self.is_wild(60) {
            let name = hostile::text(&mut self.bytes);
            object.insert(name, hostile::json(&mut self.bytes, 2));
        }
        Value::Object(object)
    }

    fn list(&mut self, most: usize, element: impl Fn(&mut Self) -> Value) -> Value {
        let most = if self.is_wild(40) { most * 30 } else { most };
        let length = self.below(most + 1);
        Value::Array((0..length).map(|_| element(self)).collect())
    }

    fn kind(&mut self) -> &'static str {
        if self.is_wild(30) {
            self.pick(&["", ".", "a.b", "größe", "-", "key"])
        } else {
            self.pick(&["tenant", "user", "device"])
        }
    }

    fn attribute(&mut self, kind: Option<&str>) -> String {
        let kind = kind.unwrap_or_else(|| self.kind()).to_owned();
        if kind == "tenant" && self.one_in(5) {
            return self.pick(&["tenant.$plan", "tenant.$addons", "tenant.$features"]).to_owned();
        }
        format!("{kind}.{}", self.pick(&["x", "y", "key", "x", "y.z"]))
    }

    fn unit(&mut self) -> String {
        if self.one_in(3) { self.attribute(None) } else { self.kind().to_owned() }
    }

    fn values(&mut self, op: Operator) -> Value {
        let texts = |generator: &mut Self, text: fn(&mut Self) -> Value| {
            Value::Array((0..=generator.below(4)).map(|_| text(generator)).collect())
        };
        match op {
            Operator::Exists => json!([]),
            Operator::Equals => json!([self.scalar()]),
            Operator::In => texts(self, Self::scalar),
            Operator::StartsWith | Operator::EndsWith | Operator::Contains => {
                texts(self, |generator| json!(generator.text()))
            }
            Operator::Lt | Operator::Lte | Operator::Gt | Operator::Gte => json!([self.number()]),
            Operator::Between => json!([self.number(), self.number()]),
            Operator::Before | Operator::After => {
                if self.one_in(4) {
                    json!([self.integer()])
                } else {
                    json!([self.date()])
                }
            }
            Operator::SemverEq
            | Operator::SemverLt
            | Operator::SemverLte
            | Operator::SemverGt
            | Operator::SemverGte => json!([self.version()]),
            // To build one takes as long as all else, so mostly there is one.
            Operator::Matches if self.one_in(3) => {
                texts(self, |generator| json!(generator.pattern(2)))
            }
            Operator::Matches => json!([self.pattern(1)]),
            Operator::InCidr => texts(self, |generator| json!(generator.pick(&NETWORKS))),
        }
    }

    fn scalar(&mut self) -> Value {
        match self.below(4) {
            0 | 1 => json!(self.text()),
            2 => self.number(),
            _ => json!(self.one_in(2)),
        }
    }

    fn test(&mut self, kind: Option<&str>) -> Value {
        let op = self.pick(&Operator::ALL);
        let attribute = json!(self.attribute(kind));
        let values = self.values(op);
        let mut test =
            self.object([("attribute", attribute), ("op", json!(op.name())), ("values", values)]);
        let may_ignore_case = matches!(
            op,
            Operator::Equals
                | Operator::In
                | Operator::StartsWith
                | Operator::EndsWith
                | Operator::Contains
        );
        if (may_ignore_case && self.one_in(3)) || self.one_in(60) {
            test["ignore_case"] = json!(true);
        }
        test
    }

    /// `kind` is that of a segment, whose condition asks for nothing else.
    fn condition(&mut self, kind: Option<&str>, depth: usize) -> Value {
        let group = |generator: &mut Self| {
            generator.list(3, |generator| generator.condition(kind, depth - 1))
        };
        let condition = match if depth == 0 { 0 } else { self.below(8) } {
            5 => json!({"all": group(self)}),
            6 => json!({"any": group(self)}),
            7 => json!({"not": self.condition(kind, depth - 1)}),
            4 if kind.is_none() || self.one_in(20) => {
                json!({"segment": self.pick(&["s0", "s1", "s2", "missing"])})
            }
            _ => self.test(kind),
        };
        if self.is_wild(60) {
            let depth = self.below(140);
            return (0..depth).fold(condition, |inner, _| json!({"not": inner}));
        }
        self.or_anything(condition)
    }

    fn salt(&mut self) -> Value {
        if self.one_in(2) { json!(self.pick(&["", "shared", "größe"])) } else { Value::Null }
    }

    /// Mostly a variant that is there.
    fn variant(&mut self, count: usize) -> Value {
        let count = if self.one_in(60) { VARIANTS.len() } else { count };
        json!(self.pick(&VARIANTS[..count]))
    }

    fn serve(&mut self, variants: usize, in_rule: bool) -> Value {
        let serve = match self.below(4) {
            0 | 1 => json!({"variant": self.variant(variants)}),
            2 => {
                let mut left = 100_000;
                let mut weights = Vec::new();
                for _ in 0..self.below(4) {
                    let weight = self.below(left + 1);
                    left -= weight;
                    weights.push(self.weight(variants, weight, in_rule));
                }
                if self.one_in(60) {
                    left += 1;
                }
                weights.push(self.weight(variants, left, in_rule));
                let (by, salt) = (json!(self.unit()), self.salt());
                let bucketing = json!("sip13-1");
                let weights = Value::Array(weights);
                let split = self.object([
                    ("bucketing", bucketing),
                    ("by", by),
                    ("salt", salt),
                    ("weights", weights),
                ]);
                json!({"split": split})
            }
            _ => {
                let from = self.below(100_001);
                let to = from + self.below(100_001 - from);
                let start = NOW_MS + self.below(4_000) as i64 - 2_000;
                let end = start + 1 + self.below(6_000) as i64;
                let instant = |ms: i64| json!(Timestamp::from_millis(ms).to_string());
                let (by, salt) = (json!(self.unit()), self.salt());
                let (variant, rest) = (self.variant(variants), self.variant(variants));
                let ramp = self.object([
                    ("by", by),
                    ("salt", salt),
                    ("variant", variant),
                    ("rest", rest),
                    ("from", json!(from)),
                    ("to", json!(to)),
                    ("start", instant(start)),
                    ("end", instant(end)),
                ]);
                json!({"ramp": ramp})
            }
        };
        self.or_anything(serve)
    }

    fn weight(&mut self, variants: usize, weight: usize, in_rule: bool) -> Value {
        if in_rule && self.one_in(4) {
            return json!({"weight": weight});
        }
        let variant = self.variant(variants);
        self.object([("variant", variant), ("weight", json!(weight))])
    }

    fn value(&mut self, flag_type: &str) -> Value {
        match flag_type {
            "string" => json!(self.text()),
            "boolean" => json!(self.one_in(2)),
            "integer" => json!(self.integer()),
            "float" => json!(self.float()),
            _ if self.manner == Manner::Wild => hostile::json(&mut self.bytes, 2),
            _ => json!({"a": [self.scalar(), null], "b": {"c": self.scalar()}}),
        }
    }

    /// A flag's definition.
    pub(crate) fn flag(&mut self) -> Value {
        let flag_type = self.pick(&["string", "boolean", "integer", "float", "json"]);
        let count = 1 + self.below(VARIANTS.len());
        let variants = (0..count).map(|index| {
            let (name, value) = (json!(VARIANTS[index]), self.value(flag_type));
            self.object([("name", name), ("value", value)])
        });
        let variants = Value::Array(variants.collect());
        let on = json!(!self.one_in(10));
        let off_variant = self.variant(count);
        let salt = self.salt();
        let prerequisites = self.list(2, |generator| {
            let flag = json!(generator.pick(&FLAGS));
            let wanted = generator.list(3, |generator| json!(generator.pick(&VARIANTS)));
            generator.object([("flag", flag), ("variants", wanted)])
        });
        let targets = self.list(2, |generator| {
            let kind = json!(generator.kind());
            let keys = generator.list(3, |generator| json!(generator.context_key()));
            let variant = generator.variant(count);
            generator.object([("kind", kind), ("keys", keys), ("variant", variant)])
        });
        let rules = self.list(3, |generator| {
            let id = format!("r{}", generator.below(200));
            let (when, serve) = (generator.condition(None, 3), generator.serve(count, true));
            generator.object([("id", json!(id)), ("when", when), ("serve", serve)])
        });
        let fallthrough = self.serve(count, false);
        let requires = self.requires();
        let state = self.object([
            ("on", on),
            ("off_variant", off_variant),
            ("salt", salt),
            ("prerequisites", prerequisites),
            ("requires", requires),
            ("targets", targets),
            ("rules", rules),
            ("fallthrough", fallthrough),
        ]);
        self.object([("type", json!(flag_type)), ("variants", variants), ("state", state)])
    }

    /// A segment's definition.
    pub(crate) fn segment(&mut self) -> Value {
        let kind = self.kind();
        let keys =
            |generator: &mut Self| generator.list(3, |generator| json!(generator.context_key()));
        let (included, excluded) = (keys(self), keys(self));
        let when = if self.one_in(2) { self.condition(Some(kind), 2) } else { Value::Null };
        self.object([
            ("kind", json!(kind)),
            ("included", included),
            ("excluded", excluded),
            ("when", when),
        ])
    }

    fn context_key(&mut self) -> String {
        if self.is_wild(20) {
            hostile::text(&mut self.bytes)
        } else {
            self.pick(&CONTEXT_KEYS).to_owned()
        }
    }

    /// Keys to add to a segment or to remove from it.
    pub(crate) fn context_keys(&mut self) -> Vec<String> {
        (0..self.below(4)).map(|_| self.context_key()).collect()
    }

    /// A kind, a key, `needs` and a definition.
    pub(crate) fn object_of_any_kind(
        &mut self,
    ) -> (&'static str, &'static str, Vec<String>, Value) {
        let needs = if self.one_in(30) { vec!["time-travel".to_owned()] } else { Vec::new() };
        match self.below(26) {
            0..=12 => ("flag", self.pick(&FLAGS[..5]), needs, self.flag()),
            13..=16 => ("segment", self.pick(&SEGMENTS), needs, self.segment()),
            17..=20 => ("tenant", self.pick(&CONTEXT_KEYS), needs, self.tenant()),
            21 => {
                let key = self.pick(&FEATURES);
                ("feature", key, needs, self.feature(key))
            }
            22..=23 => ("plan", self.pick(&PLANS), needs, self.plan()),
            24 => ("addon", self.pick(&ADDONS), needs, self.addon()),
            _ => ("horoscope", "f0", needs, json!({})),
        }
    }

    /// A snapshot: a few flags and segments that refer to each other, tenants, and what they have.
    pub(crate) fn environment(&mut self) -> Value {
        let mut objects = Vec::new();
        let mut push = |kind: &str, key: &str, definition: Value, needs: bool| {
            let needs = if needs { json!(["time-travel"]) } else { json!([]) };
            objects.push(json!({"kind": kind, "key": key, "version": objects.len() + 1,
                                "needs": needs, "definition": definition}));
        };
        for key in &FLAGS[..1 + self.below(5)] {
            // Of a flag that says what one condition is, more can be seen than of a whole one.
            let definition = match self.below(2) {
                0 => self.flag(),
                _ => truth_of(&self.condition(None, 1)),
            };
            push("flag", key, definition, self.one_in(40));
        }
        for key in &SEGMENTS[..self.below(3)] {
            push("segment", key, self.segment(), self.one_in(40));
        }
        for key in &CONTEXT_KEYS[..self.below(4)] {
            push("tenant", key, self.tenant(), self.one_in(40));
        }
        for key in FEATURES {
            if !self.one_in(10) {
                push("feature", key, self.feature(key), self.one_in(40));
            }
        }
        for key in &PLANS[..1 + self.below(3)] {
            push("plan", key, self.plan(), self.one_in(40));
        }
        for key in &ADDONS[..self.below(3)] {
            push("addon", key, self.addon(), self.one_in(40));
        }
        json!({"epoch": "e1", "revision": 9, "objects": objects})
    }

    /// A stored tenant.
    fn tenant(&mut self) -> Value {
        let mut attributes = Map::new();
        for name in ["x", "y", "y.z"] {
            let value = match self.below(4) {
                0 => json!(self.text()),
                1 => self.scalar(),
                2 => self.list(3, |generator| json!(generator.text())),
                _ => continue,
            };
            attributes.insert(name.to_owned(), self.or_anything(value));
        }
        let attributes = self.or_anything(Value::Object(attributes));
        let mut tenant = if self.one_in(2) { self.contract() } else { json!({}) };
        match &mut tenant {
            Value::Object(tenant) => drop(tenant.insert("attributes".to_owned(), attributes)),
            _ => tenant = attributes,
        }
        tenant
    }

    /// A context as JSON.
    pub(crate) fn context(&mut self) -> Value {
        let mut context = Map::new();
        for kind in ["tenant", "user", "device"] {
            if self.one_in(6) {
                continue;
            }
            let mut members = Map::new();
            if !self.one_in(6) {
                members.insert("key".to_owned(), json!(self.pick(&CONTEXT_KEYS)));
            }
            for name in ["x", "y", "y.z"] {
                let value = match self.below(6) {
                    0..=2 => json!(self.text()),
                    3 => self.scalar(),
                    4 => self.list(3, |generator| json!(generator.text())),
                    _ => Value::Null,
                };
                members.insert(name.to_owned(), value);
            }
            context.insert(kind.to_owned(), Value::Object(members));
        }
        Value::Object(context)
    }

    pub(crate) fn now_ms(&mut self) -> i64 {
        match self.below(4) {
            0 => NOW_MS,
            1 | 2 => NOW_MS + self.below(8_000) as i64 - 3_000,
            _ => self.integer(),
        }
    }

    pub(crate) fn bytes(&mut self) -> &mut Unstructured<'b> {
        &mut self.bytes
    }
}

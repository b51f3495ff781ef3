//! The only control flow that decides anything. See docs/semantics.md, "Order of evaluation".

use core::cell::Cell;

use crate::condition::{AttributePath, Condition, Derived, Subject, Test, Truth};
use crate::context::{AttributeValue, Context};
use crate::definition::FlagType;
use crate::entitlement::{Access, Entitlement, EntitlementReason, Limit};
use crate::evaluation::{Answer, Evaluation, Reason, SplitOutcome};
use crate::flag::{Flag, FlagKey, FlagValue};
use crate::key_map::hash;
use crate::limits::{
    MAX_ATTRIBUTE_BYTES, MAX_CONTEXT_KEY_BYTES, MAX_FLAGS_PER_ANSWER, MAX_LIST_ELEMENTS,
    MAX_PREREQUISITE_DEPTH, MAX_WORK_PER_ANSWER,
};
use crate::observer::{Asked, Found, Observer, Unobserved};
use crate::outcome::{Decision, Outcome, Why};
use crate::ruleset::{
    Flag as CompiledFlag, FlagBody, FlagRules, Prerequisite, Questions, Requires, Ruleset, Segment,
    Slot, TENANT, Targets, VariantIndex, Variants,
};
use crate::same::same;
use crate::serve::{Serve, Split, Unit};
use crate::time::{Now, Timestamp};
use crate::value::Stored;

// Asking is inlined into the caller as far as the answer is put together: who reads a part of it does
// not pay for the rest.
impl Ruleset {
    /// Asks for a flag of any type.
    ///
    /// For code that knows a flag by its key alone. The value is as the flag has it, and `None` where
    /// a caller has a default. There is no error: [`Evaluation::reason`] says what came in the way.
    ///
    /// It allocates nothing, and its work is bounded: by the limits of definitions and contexts, and
    /// by those of [one answer](crate::docs::limitations#one-answer).
    ///
    /// ```
    /// use flags_core::{Document, Epoch, Reason, Ruleset, Timestamp};
    ///
    /// let (ruleset, _) = Ruleset::compile(&Document::empty(Epoch::new("e1")));
    /// let answer = ruleset.evaluate("exports", &(), Timestamp::from_millis(0));
    /// assert_eq!((answer.value, answer.reason), (None, Reason::FlagNotFound));
    /// ```
    #[inline(always)]
    pub fn evaluate<'r, 'k>(
        &'r self,
        flag: impl Into<FlagKey<'k>>,
        context: &(impl Context + ?Sized),
        now: impl Now,
    ) -> Evaluation<'r> {
        self.decide(flag.into(), None, context, now, Unobserved).evaluation(self.revision())
    }

    /// Asks for a typed flag: the value is the code's default wherever the rules have none.
    ///
    /// Text and JSON are lent by the ruleset, not copied. Otherwise as
    /// [`evaluate`](Self::evaluate).
    ///
    /// ```
    /// use flags_core::{Document, Entity, Flag, Reason, Ruleset, Timestamp};
    ///
    /// const PAGE_SIZE: Flag<i64> = Flag::new("page-size", 50);
    ///
    /// let document: Document = serde_json::from_str(r#"{
    ///     "epoch": "e1", "revision": 1,
    ///     "objects": [{"kind": "flag", "key": "page-size", "version": 1, "definition": {
    ///         "type": "integer",
    ///         "variants": [{"name": "small", "value": 20}, {"name": "large", "value": 200}],
    ///         "state": {
    ///             "on": true, "off_variant": "small", "fallthrough": {"variant": "small"},
    ///             "targets": [{"kind": "tenant", "keys": ["acme"], "variant": "large"}]
    ///         }
    ///     }}]
    /// }"#)?;
    /// let (ruleset, _) = Ruleset::compile(&document);
    /// let answer = ruleset.get(&PAGE_SIZE, &Entity::tenant("acme"), Timestamp::from_millis(0));
    /// assert_eq!((answer.value, answer.variant), (200, Some("large")));
    /// assert_eq!(answer.reason, Reason::TargetMatch);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[inline(always)]
    pub fn get<'r, T: FlagValue>(
        &'r self,
        flag: &Flag<T>,
        context: &(impl Context + ?Sized),
        now: impl Now,
    ) -> Answer<'r, T::Ref<'r>> {
        self.get_or_notice(flag, context, now, |_| ())
    }

    /// [`get`](Self::get), and tells `notice` when the code's default holds because there is no
    /// such flag, or because it is of another type than the code says. Other answers cost nothing
    /// more.
    #[doc(hidden)]
    #[inline(always)]
    pub fn get_or_notice<'r, T: FlagValue>(
        &'r self,
        flag: &Flag<T>,
        context: &(impl Context + ?Sized),
        now: impl Now,
        notice: impl FnOnce(Reason<'static>),
    ) -> Answer<'r, T::Ref<'r>> {
        let decision = self.decide(flag.into(), Some(T::TYPE), context, now, Unobserved);
        let value = read::<T>(&decision);
        let (variant, reason) = match value {
            Some(_) => (decision.variant(), decision.reason()),
            None => (None, misfit(&decision, notice)),
        };
        Answer {
            value: value.unwrap_or_else(|| flag.default_value()),
            variant,
            reason,
            version: decision.version(),
            revision: self.revision(),
        }
    }

    /// The value of [`get_or_notice`](Self::get_or_notice) alone, which costs less.
    #[doc(hidden)]
    #[inline(always)]
    pub fn value_or_notice<'r, T: FlagValue>(
        &'r self,
        flag: &Flag<T>,
        context: &(impl Context + ?Sized),
        now: impl Now,
        notice: impl FnOnce(Reason<'static>),
    ) -> T::Ref<'r> {
        let decision = self.decide(flag.into(), Some(T::TYPE), context, now, Unobserved);
        match read::<T>(&decision) {
            Some(value) => value,
            None => {
                misfit(&decision, notice);
                flag.default_value()
            }
        }
    }

    /// Asks for every flag of the ruleset, for a page or for remote evaluation: each flag's key and
    /// answer, flag by flag as the iterator is driven, in no particular order.
    ///
    /// Nothing is allocated; a caller who wants a list extends one of their own. All answers use
    /// one instant. What bounds one answer bounds each of them.
    ///
    /// ```
    /// use flags_core::{Document, Entity, Evaluation, Ruleset, Timestamp};
    ///
    /// let document: Document = serde_json::from_str(r#"{
    ///     "epoch": "e1", "revision": 1,
    ///     "objects": [{"kind": "flag", "key": "exports", "version": 1, "definition": {
    ///         "type": "boolean",
    ///         "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
    ///         "state": {"on": true, "off_variant": "off", "fallthrough": {"variant": "on"}}
    ///     }}]
    /// }"#)?;
    /// let (ruleset, _) = Ruleset::compile(&document);
    /// let context = Entity::tenant("acme");
    /// let mut answers: Vec<(&str, Evaluation<'_>)> = Vec::with_capacity(100);
    /// answers.extend(ruleset.evaluate_all(&context, Timestamp::from_millis(0)));
    /// assert_eq!((answers[0].0, answers[0].1.variant), ("exports", Some("on")));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn evaluate_all<'r: 'c, 'c>(
        &'r self,
        context: &'c (impl Context + ?Sized),
        now: impl Now,
    ) -> impl Iterator<Item = (&'r str, Evaluation<'r>)> {
        let mut evaluator = Evaluator::new(self, context, now, Unobserved);
        let revision = self.revision();
        self.flags.iter().map(move |(key, flag)| {
            let outcome = evaluator.answer(flag);
            (key, Decision { flag: Some(flag), outcome }.evaluation(revision))
        })
    }

    /// What to answer; `asked_type` is the type that the caller's code expects, if it does.
    #[inline(always)]
    pub(crate) fn decide<'r, C: Context + ?Sized, N: Now, O: Observer>(
        &'r self,
        key: FlagKey<'_>,
        asked_type: Option<FlagType>,
        context: &C,
        now: N,
        observer: O,
    ) -> Decision<'r> {
        let flag = self.flags.find(key.hash, key.key);
        let outcome = match flag {
            None if self.position().is_none() => Outcome::default_because(Why::NotReady),
            None => Outcome::default_because(Why::FlagNotFound),
            Some(flag) if flag.is_other_than(asked_type) => {
                Outcome::default_because(Why::TypeMismatch)
            }
            Some(flag) => match flag.settled {
                Some(outcome) if !O::OBSERVES => outcome,
                _ => self.decide_by_rules(flag, context, now, observer),
            },
        };
        Decision { flag, outcome }
    }

    /// Not inlined: it is large.
    #[inline(never)]
    fn decide_by_rules<'r, C: Context + ?Sized, N: Now, O: Observer>(
        &'r self,
        flag: &'r CompiledFlag,
        context: &C,
        now: N,
        observer: O,
    ) -> Outcome {
        Evaluator::new(self, context, now, observer).answer(flag)
    }
}

/// What is served, if it is of the type that the code says.
#[inline(always)]
fn read<'r, T: FlagValue>(decision: &Decision<'r>) -> Option<T::Ref<'r>> {
    T::read(Stored(decision.served()?.value()?))
}

/// Why the code's default holds; tells of the reasons that the code can do something about.
#[inline(always)]
fn misfit<'r>(decision: &Decision<'r>, notice: impl FnOnce(Reason<'static>)) -> Reason<'r> {
    // Something is served, but cannot be read.
    let reason = match decision.outcome.variant {
        Some(_) => Reason::TypeMismatch,
        None => decision.reason(),
    };
    match reason {
        Reason::FlagNotFound => notice(Reason::FlagNotFound),
        Reason::TypeMismatch => notice(Reason::TypeMismatch),
        _ => {}
    }
    reason
}

struct Evaluator<'r, 'a, C: ?Sized, N, O> {
    ruleset: &'r Ruleset,
    context: &'a C,
    now: CachedNow<N>,
    observer: O,
    flags_left: u32,
    /// Negative once an answer has taken more work than it may; then no list is looked at and no
    /// attribute searched.
    work_left: i64,
    /// The attribute that was asked for last: rules often ask for the same one in a row.
    asked: Option<(&'r AttributePath, Subject<'a>)>,
}

/// The prerequisites of a flag are deeper or more than an answer may take: only a cycle or
/// definitions that no server accepts get here.
struct Exhausted;

/// What a serve came to.
enum Choice {
    Variant(VariantIndex, Option<u32>),
    GoOn,
    UnitMissing,
}

impl<'r: 'a, 'a, C: Context + ?Sized, N: Now, O: Observer> Evaluator<'r, 'a, C, N, O> {
    #[inline]
    fn new(ruleset: &'r Ruleset, context: &'a C, now: N, observer: O) -> Self {
        let now = CachedNow { source: now, instant: Cell::new(None) };
        Self { ruleset, context, now, observer, flags_left: 0, work_left: 0, asked: None }
    }

    /// What is served to the caller.
    #[inline]
    fn answer(&mut self, flag: &'r CompiledFlag) -> Outcome {
        self.flags_left = MAX_FLAGS_PER_ANSWER;
        self.work_left = MAX_WORK_PER_ANSWER.into();
        match self.flag(flag, 0) {
            Ok(outcome) if self.work_left >= 0 => outcome,
            _ => Outcome::default_because(Why::FlagInvalid),
        }
    }

    #[inline]
    fn flag(&mut self, flag: &'r CompiledFlag, depth: usize) -> Result<Outcome, Exhausted> {
        let left = self.flags_left.checked_sub(1);
        self.flags_left = left.filter(|_| depth <= MAX_PREREQUISITE_DEPTH).ok_or(Exhausted)?;
        match flag.settled {
            Some(outcome) if !O::OBSERVES => Ok(outcome),
            _ if depth == 0 => self.unsettled(flag, depth),
            _ => self.nested(flag, depth),
        }
    }

    /// Not inlined: here the recursion goes round.
    #[inline(never)]
    fn nested(&mut self, flag: &'r CompiledFlag, depth: usize) -> Result<Outcome, Exhausted> {
        self.unsettled(flag, depth)
    }

    #[inline]
    fn unsettled(&mut self, flag: &'r CompiledFlag, depth: usize) -> Result<Outcome, Exhausted> {
        match &flag.body {
            FlagBody::Rules(rules) => self.rules(&flag.variants, rules, depth),
            FlagBody::Overridden | FlagBody::Invalid => {
                let invalid = || Outcome::default_because(Why::FlagInvalid);
                Ok(flag.settled.unwrap_or_else(invalid))
            }
        }
    }

    /// The first step that decides, from "off" on.
    #[inline]
    fn rules(
        &mut self,
        variants: &'r Variants,
        flag: &'r FlagRules,
        depth: usize,
    ) -> Result<Outcome, Exhausted> {
        let serve = |variant, why| Ok(Outcome { variant: Some(variant), why });
        self.observer.found(Asked::State, Found::Truth(flag.on.into()));
        if !flag.on {
            return serve(flag.off_variant, Why::Disabled);
        }
        if let Some(questions) = &flag.questions
            && let Some(outcome) = self.questions(variants, flag.off_variant, questions, depth)?
        {
            return Ok(outcome);
        }
        self.observer.enter(Asked::Fallthrough);
        let (variant, split) = match self.serve(variants, &flag.fallthrough) {
            Choice::Variant(variant, bucket) => (variant, bucket.map(SplitOutcome::Bucket)),
            Choice::GoOn | Choice::UnitMissing => {
                (flag.off_variant, Some(SplitOutcome::UnitMissing))
            }
        };
        self.observer.leave(Found::variant(Some(variants.served(variant))));
        serve(variant, Why::Fallthrough(split))
    }

    /// The first of the prerequisites, what is required, targets and rules that decides.
    fn questions(
        &mut self,
        variants: &'r Variants,
        off_variant: VariantIndex,
        questions: &'r Questions,
        depth: usize,
    ) -> Result<Option<Outcome>, Exhausted> {
        let decided = |variant, why| Ok(Some(Outcome { variant: Some(variant), why }));
        for (place, prerequisite) in (0..).zip(&questions.prerequisites) {
            if !self.prerequisite(prerequisite, depth)? {
                return decided(off_variant, Why::PrerequisiteFailed(place));
            }
        }
        if let Some(requires) = &questions.requires
            && let Err(reason) = self.entitled(requires)
        {
            return decided(off_variant, Why::NotEntitled(reason));
        }
        if !questions.targets.is_empty() {
            let target = self.target(&questions.targets);
            let found = target.map(|index| variants.served(index));
            self.observer.found(Asked::Targets, Found::variant(found));
            if let Some(variant) = target {
                return decided(variant, Why::TargetMatch);
            }
        }
        let (first, mut known) = self.first_rule(questions);
        let rules = questions.rules.get(usize::from(first)..).unwrap_or_default();
        for (place, rule) in (first..).zip(rules) {
            self.observer.enter(Asked::Rule { id: &rule.id });
            let holds = core::mem::take(&mut known) || self.truth(&rule.when) == Truth::True;
            if holds && let Choice::Variant(variant, bucket) = self.serve(variants, &rule.serve) {
                self.observer.leave(Found::variant(Some(variants.served(variant))));
                return decided(variant, Why::RuleMatch(place, bucket));
            }
            self.observer.leave(Found::Nothing);
        }
        Ok(None)
    }

    /// The first rule that need be tried, and whether it is known to hold: one look at a table that
    /// says in which lists a value is answers all the first rules that ask for such a list.
    #[inline]
    fn first_rule(&mut self, questions: &'r Questions) -> (u16, bool) {
        let Some(lists) = questions.leading_lists.as_ref().filter(|_| !O::OBSERVES) else {
            return (0, false);
        };
        self.look_up(&lists.path);
        match &self.asked {
            Some((_, subject)) => subject.first_of(lists),
            None => (0, false),
        }
    }

    #[inline]
    fn prerequisite(
        &mut self,
        prerequisite: &'r Prerequisite,
        depth: usize,
    ) -> Result<bool, Exhausted> {
        self.observer.enter(Asked::Prerequisite {
            flag: &prerequisite.key,
            variants: &prerequisite.variants,
        });
        let satisfied = match self.ruleset.flags.get(prerequisite.flag) {
            Some(flag) => {
                let outcome = self.flag(flag, depth + 1)?;
                let served = Decision { flag: Some(flag), outcome }.served();
                !matches!(outcome.why, Why::Disabled | Why::FlagInvalid)
                    && served.is_some_and(|served| served.is_one_of(&prerequisite.variants))
            }
            None => false,
        };
        self.observer.leave(Found::Truth(satisfied.into()));
        Ok(satisfied)
    }

    /// Whether the tenant of the context is entitled to what a flag requires, or why not.
    #[inline(never)]
    fn entitled(&mut self, requires: &Requires) -> Result<(), EntitlementReason> {
        let Requires { feature, hash, write } = requires;
        let entitlement = self
            .key(TENANT)
            .map_or(Entitlement::none(EntitlementReason::TenantUnknown), |tenant| {
                self.ruleset.entitlement_of(tenant, *hash, feature)
            });
        let decision = entitlement.check(|| self.now.get());
        let least = if *write { Access::Full } else { Access::ReadOnly };
        let is_entitled = decision.access >= least && decision.limit != Some(Limit::At(0));
        let (access, reason, write) = (decision.access, decision.reason, *write);
        let asked = Asked::Requires { feature, write, access, reason };
        self.observer.found(asked, Found::Truth(is_entitled.into()));
        if is_entitled { Ok(()) } else { Err(reason) }
    }

    /// The variant of the first target, in the order of the definition, that holds the key of its
    /// kind.
    fn target(&self, targets: &[Targets]) -> Option<VariantIndex> {
        let entries = targets.iter().filter_map(|targets| {
            let key = self.key(&targets.kind)?;
            targets.keys.get(hash(key), key)
        });
        entries.min_by_key(|entry| entry.place).map(|entry| entry.variant)
    }

    /// Not inlined: it is large, and asked for in two places.
    #[inline(never)]
    fn serve(&mut self, variants: &'r Variants, serve: &'r Serve) -> Choice {
        let Split { unit, shares } = match serve {
            Serve::Variant(variant) => return Choice::Variant(*variant, None),
            Serve::Split(split) => split,
        };
        let Some(bucket) = self.bucket(unit) else {
            self.observer.found(Asked::Unit { unit, stored: false }, Found::UnitMissing);
            return Choice::UnitMissing;
        };
        let share = shares.choose(bucket, || self.now.get());
        if O::OBSERVES {
            let variant = share.variant.and_then(|variant| variants.served(variant).name());
            let asked = Asked::Unit { unit, stored: self.is_stored(&unit.path) };
            self.observer.found(asked, Found::Bucket { bucket, share, variant });
        }
        share.variant.map_or(Choice::GoOn, |variant| Choice::Variant(variant, Some(bucket)))
    }

    /// The bucket of a unit: of a string no longer than a key by its bytes, of an integer by its
    /// decimal text; anything else is missing.
    #[inline]
    fn bucket(&self, unit: &Unit) -> Option<u32> {
        match self.attribute(&unit.path)? {
            AttributeValue::String(text) if text.len() <= MAX_CONTEXT_KEY_BYTES => {
                Some(unit.salt.bucket(text.as_bytes()))
            }
            AttributeValue::Integer(integer) => {
                Some(unit.salt.bucket(itoa::Buffer::new().format(integer).as_bytes()))
            }
            _ => None,
        }
    }

    #[inline]
    fn truth(&mut self, condition: &'r Condition) -> Truth {
        match condition {
            Condition::Attribute { path, test, searches } => {
                let truth = self.test(path, test, *searches);
                let value = self.asked.as_ref().and_then(|(_, subject)| subject.value);
                let stored = self.is_stored(path);
                let asked = Asked::Attribute { path, test, value, stored };
                self.observer.found(asked, Found::Truth(truth));
                truth
            }
            group => self.truth_of_others(group),
        }
    }

    /// Recursion is bounded by the depth that compiling allows.
    #[inline(never)]
    fn truth_of_others(&mut self, condition: &'r Condition) -> Truth {
        match condition {
            Condition::All(conditions) => {
                self.observer.enter(Asked::All);
                let mut truth = Truth::True;
                for condition in conditions {
                    match self.truth(condition) {
                        Truth::True => {}
                        Truth::Unknown => truth = Truth::Unknown,
                        Truth::False => {
                            truth = Truth::False;
                            break;
                        }
                    }
                }
                self.observer.leave(Found::Truth(truth));
                truth
            }
            Condition::Any(conditions) => {
                self.observer.enter(Asked::Any);
                let mut truth = Truth::False;
                for condition in conditions {
                    match self.truth(condition) {
                        Truth::False => {}
                        Truth::Unknown => truth = Truth::Unknown,
                        Truth::True => {
                            truth = Truth::True;
                            break;
                        }
                    }
                }
                self.observer.leave(Found::Truth(truth));
                truth
            }
            Condition::Not(condition) => {
                self.observer.enter(Asked::Not);
                let truth = self.truth(condition).negated();
                self.observer.leave(Found::Truth(truth));
                truth
            }
            Condition::Segment { slot, key } => {
                self.observer.enter(Asked::Segment { key });
                let truth = self.segment(*slot);
                self.observer.leave(Found::Truth(truth));
                truth
            }
            Condition::Attribute { .. } => self.truth(condition),
        }
    }

    #[inline]
    fn test(&mut self, path: &'r AttributePath, test: &'r Test, searches: u16) -> Truth {
        // Of one ruleset, equal paths are one.
        if !self.asked.as_ref().is_some_and(|(asked, _)| core::ptr::eq(*asked, path)) {
            self.look_up(path);
        }
        let Some((_, subject)) = &self.asked else {
            return Truth::Unknown;
        };
        if let Some(work) = subject.work(searches) {
            self.work_left -= work;
            if self.work_left < 0 {
                return Truth::Unknown;
            }
        }
        test.holds(subject, || self.now.get())
    }

    #[inline(never)]
    fn look_up(&mut self, path: &'r AttributePath) {
        self.asked = Some((path, Subject::new(self.attribute(path))));
    }

    fn segment(&mut self, slot: Slot) -> Truth {
        let Some(Segment::Members(members)) = self.ruleset.segments.get(slot) else {
            return Truth::Unknown;
        };
        let Some(key) = self.key(&members.kind) else {
            return Truth::Unknown;
        };
        if members.excluded.contains(key) {
            return Truth::False;
        }
        if members.included.contains(key) {
            return Truth::True;
        }
        members.when.as_ref().map_or(Truth::False, |condition| self.truth(condition))
    }

    /// What the context says of an attribute, where that is something a condition may see.
    #[inline(always)]
    fn attribute(&self, path: &AttributePath) -> Option<AttributeValue<'a>> {
        match &path.name {
            None => self.key(&path.kind).map(AttributeValue::String),
            Some(name) => self.named_attribute(path, name),
        }
    }

    /// What the context says, or else what is stored of the tenant that it names.
    fn named_attribute(&self, path: &AttributePath, name: &str) -> Option<AttributeValue<'a>> {
        if let Some(derived) = path.derived {
            return self.derived_attribute(derived);
        }
        match self.own_attribute(path, name) {
            None if !self.ruleset.tenants.is_empty() => self.stored_attribute(path, name),
            own => own,
        }
    }

    fn own_attribute(&self, path: &AttributePath, name: &str) -> Option<AttributeValue<'a>> {
        self.context.attribute(&path.kind, name).filter(|value| match value {
            AttributeValue::Float(float) => float.is_finite(),
            AttributeValue::String(text) => text.len() <= MAX_ATTRIBUTE_BYTES,
            AttributeValue::List(texts) => {
                let add = |sum: usize, text: &str| sum.saturating_add(text.len());
                texts.len() <= MAX_LIST_ELEMENTS && texts.iter().fold(0, add) <= MAX_ATTRIBUTE_BYTES
            }
            AttributeValue::Boolean(_) | AttributeValue::Integer(_) => true,
        })
    }

    #[inline(never)]
    fn stored_attribute(&self, path: &AttributePath, name: &str) -> Option<AttributeValue<'a>> {
        if !same(&path.kind, TENANT) {
            return None;
        }
        self.ruleset.tenants.attribute(self.key(TENANT)?, name)
    }

    /// What a contract says, which no context can.
    #[inline(never)]
    fn derived_attribute(&self, derived: Derived) -> Option<AttributeValue<'a>> {
        let now = || self.now.get().as_millis();
        self.ruleset.tenants.derived(self.key(TENANT)?, derived, now)
    }

    /// Whether what there is of an attribute is stored; for observers alone.
    fn is_stored(&self, path: &AttributePath) -> bool {
        let is_stored = |name: &str| match path.derived {
            Some(derived) => self.derived_attribute(derived).is_some(),
            None => {
                self.own_attribute(path, name).is_none()
                    && self.stored_attribute(path, name).is_some()
            }
        };
        O::OBSERVES && path.name.as_deref().is_some_and(is_stored)
    }

    #[inline(always)]
    fn key(&self, kind: &str) -> Option<&'a str> {
        let key = self.context.key(kind)?;
        (1..=MAX_CONTEXT_KEY_BYTES).contains(&key.len()).then_some(key)
    }
}

/// One instant for a whole answer, read only if a rule asks for it.
struct CachedNow<N> {
    source: N,
    instant: Cell<Option<Timestamp>>,
}

impl<N: Now> CachedNow<N> {
    fn get(&self) -> Timestamp {
        let instant = self.instant.get().unwrap_or_else(|| self.source.now());
        self.instant.set(Some(instant));
        instant
    }
}

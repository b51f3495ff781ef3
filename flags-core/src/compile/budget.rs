use alloc::format;

use crate::diagnostic::Diagnostics;
use crate::limits::{
    MAX_CONDITIONS, MAX_PATTERNS_TOTAL_BYTES, MAX_SEARCHES, MAX_SEGMENT_CONDITIONS,
    MAX_SEGMENT_REFERENCES, MAX_SEGMENT_SEARCHES,
};

/// What the conditions of one object may cost an evaluation, all together: without it, an object
/// within every other limit could take seconds to answer for a long attribute.
#[derive(Debug)]
pub(super) struct Budget {
    object: &'static str,
    conditions: Allowance,
    searches: Allowance,
    references: Allowance,
    pattern_bytes: Allowance,
}

#[derive(Debug)]
struct Allowance {
    most: usize,
    spent: usize,
}

impl Allowance {
    const fn of(most: usize) -> Self {
        Self { most, spent: 0 }
    }

    /// Whether this is what goes beyond it: only the first is told.
    fn spend(&mut self, amount: usize) -> bool {
        let before = self.spent;
        self.spent = before.saturating_add(amount);
        before <= self.most && self.spent > self.most
    }
}

impl Budget {
    pub(super) const fn of_a_flag() -> Self {
        Self {
            object: "flag",
            conditions: Allowance::of(MAX_CONDITIONS),
            searches: Allowance::of(MAX_SEARCHES),
            references: Allowance::of(MAX_SEGMENT_REFERENCES),
            pattern_bytes: Allowance::of(MAX_PATTERNS_TOTAL_BYTES),
        }
    }

    pub(super) const fn of_a_segment() -> Self {
        Self {
            object: "segment",
            conditions: Allowance::of(MAX_SEGMENT_CONDITIONS),
            searches: Allowance::of(MAX_SEGMENT_SEARCHES),
            // That it has none at all is told otherwise.
            references: Allowance::of(usize::MAX),
            pattern_bytes: Allowance::of(MAX_PATTERNS_TOTAL_BYTES),
        }
    }

    pub(super) fn condition(&mut self, d: &mut Diagnostics) {
        if self.conditions.spend(1) {
            self.report("conditions, groups and references counted", self.conditions.most, d);
        }
    }

    pub(super) fn searches(&mut self, amount: usize, d: &mut Diagnostics) {
        if self.searches.spend(amount) {
            self.report(
                "searches: values of `contains` and `matches`, and other conditions that ignore \
                 case or ask for versions or networks",
                self.searches.most,
                d,
            );
        }
    }

    pub(super) fn reference(&mut self, d: &mut Diagnostics) {
        if self.references.spend(1) {
            self.report("references to segments", self.references.most, d);
        }
    }

    /// Whether another pattern may be built: building is what costs.
    pub(super) fn has_room_for_patterns(&self) -> bool {
        self.pattern_bytes.spent <= self.pattern_bytes.most
    }

    /// A pattern that was built, or one that was given up, which took as long as any.
    pub(super) fn pattern(&mut self, bytes: Option<usize>, d: &mut Diagnostics) {
        let Some(bytes) = bytes else {
            self.pattern_bytes.spent = usize::MAX;
            return;
        };
        if self.pattern_bytes.spend(bytes) {
            let most = self.pattern_bytes.most / 1024;
            d.report(
                "too_many",
                format!(
                    "with this pattern, all those of the {} take more than {most} KiB",
                    self.object
                ),
            );
        }
    }

    fn report(&self, what: &str, most: usize, d: &mut Diagnostics) {
        d.report("too_many", format!("a {} has at most {most} {what}", self.object));
    }
}

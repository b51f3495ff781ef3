//! How an evaluation can be watched without being another evaluation.

use smol_str::SmolStr;

use crate::condition::{AttributePath, Test, Truth};
use crate::context::AttributeValue;
use crate::entitlement::{Access, EntitlementReason};
use crate::ruleset::Served;
use crate::serve::{Share, Unit};

/// Hears of every step of an evaluation. [`Unobserved`] costs nothing.
pub(crate) trait Observer {
    /// Whether it wants to hear of steps whose outcome is known beforehand.
    const OBSERVES: bool = true;

    /// A step with steps of its own begins.
    fn enter(&mut self, asked: Asked<'_>);

    /// The step that began last ends.
    fn leave(&mut self, found: Found<'_>);

    /// A step without steps of its own.
    fn found(&mut self, asked: Asked<'_>, found: Found<'_>);
}

/// What a step asks.
pub(crate) enum Asked<'a> {
    State,
    Prerequisite {
        flag: &'a str,
        variants: &'a [SmolStr],
    },
    /// The access to a feature that is required, and the reason of that.
    Requires {
        feature: &'a str,
        write: bool,
        access: Access,
        reason: EntitlementReason,
    },
    Targets,
    Rule {
        id: &'a str,
    },
    Fallthrough,
    All,
    Any,
    Not,
    Segment {
        key: &'a str,
    },
    Attribute {
        path: &'a AttributePath,
        test: &'a Test,
        value: Option<AttributeValue<'a>>,
        /// The value is that of the stored tenant.
        stored: bool,
    },
    Unit {
        unit: &'a Unit,
        /// As of an attribute.
        stored: bool,
    },
}

/// What a step comes to.
pub(crate) enum Found<'a> {
    Truth(Truth),
    Variant(&'a str),
    Bucket {
        bucket: u32,
        share: Share,
        /// The name of the share's variant.
        variant: Option<&'a str>,
    },
    /// No target or rule decides.
    Nothing,
    /// The context lacks the unit of a split.
    UnitMissing,
}

impl<'a> Found<'a> {
    #[inline]
    pub(crate) fn variant(served: Option<Served<'a>>) -> Self {
        served.and_then(Served::name).map_or(Self::Nothing, Self::Variant)
    }
}

impl<O: Observer> Observer for &mut O {
    const OBSERVES: bool = O::OBSERVES;

    fn enter(&mut self, asked: Asked<'_>) {
        (**self).enter(asked);
    }

    fn leave(&mut self, found: Found<'_>) {
        (**self).leave(found);
    }

    fn found(&mut self, asked: Asked<'_>, found: Found<'_>) {
        (**self).found(asked, found);
    }
}

pub(crate) struct Unobserved;

impl Observer for Unobserved {
    const OBSERVES: bool = false;

    #[inline]
    fn enter(&mut self, _asked: Asked<'_>) {}

    #[inline]
    fn leave(&mut self, _found: Found<'_>) {}

    #[inline]
    fn found(&mut self, _asked: Asked<'_>, _found: Found<'_>) {}
}

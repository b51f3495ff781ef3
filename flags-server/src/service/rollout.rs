//! Rolling a variant out by percentage.

use flags_core::{Bucketing, Field, FlagState, Serve, Shape, Split, TOTAL_WEIGHT, Text, Weight};

use super::fault::Fault;
use super::model::State;
use super::precondition::Precondition;
use super::publish::Unit;
use super::state::{Path, Place};
use crate::store::View;

/// What is asked for.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Rollout {
    pub(crate) variant: String,
    pub(crate) percent: f64,
    pub(crate) by: Option<String>,
    #[serde(default)]
    pub(crate) replace: bool,
}

/// The form of a [`Rollout`].
pub(crate) static ROLLOUT: Shape = Shape::Object(&[
    Field::required("variant", &Shape::Text(&Text::VARIANT_NAME))
        .says("The variant that gets the share."),
    Field::required("percent", &Shape::Within(0..=100, &Shape::Number))
        .says("Its share in per cent, with up to three decimals; the off variant gets the rest."),
    Field::optional("by", &Shape::Text(&Text::UNIT)).says(
        "The unit that is drawn for, such as `tenant`; of the present split where there is one.",
    ),
    Field::optional("replace", &Shape::Boolean)
        .says("Whether a split by another unit, or between other variants, may be replaced."),
]);

pub(crate) fn roll_out(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    rollout: Rollout,
) -> Result<State, Fault> {
    let (place, after) = wanted(unit.tx, path, precondition, rollout)?;
    place.save(unit, "flag_state.rollout", after)
}

/// What the state of the flag is to be.
pub(super) fn wanted(
    view: &dyn View,
    path: &Path,
    precondition: &Precondition,
    rollout: Rollout,
) -> Result<(Place, FlagState), Fault> {
    let place = Place::find(view, path, precondition)?;
    let weight = weight_of(rollout.percent)?;
    let off = &place.state.off_variant;
    place.needs_variant(&rollout.variant)?;
    if rollout.variant == *off {
        let message = format!("`{off}` is the off variant, which everybody else gets");
        return Err(Fault::at("/variant", "off_variant", message));
    }
    let present = Present::of(&place.state.fallthrough);
    let by = match (rollout.by, &present) {
        (Some(by), _) => by,
        (None, Some(present)) => present.by.to_owned(),
        (None, None) => {
            let message =
                "`by` is missing, such as `\"by\": \"tenant\"`: there is no split yet that says it";
            return Err(Fault::at("", "missing_field", message));
        }
    };
    let variants = [&*rollout.variant, &**off];
    if let Some(present) = &present
        && !rollout.replace
        && (unit_of(present.by) != unit_of(&by) || !present.shares(variants))
    {
        return Err(Fault::RolloutConflict(format!(
            "the present split is of {} by `{}`: another one moves those who have their variant by \
             it; say `\"replace\": true` if that is meant",
            present.named(),
            present.by
        )));
    }
    let salt = present.and_then(|present| present.salt.cloned());
    let share = |name: &str, weight| Weight { variant: Some(name.to_owned()), weight };
    let [variant, rest] = variants;
    let weights = vec![share(variant, weight), share(rest, TOTAL_WEIGHT - weight)];
    let split = Split { bucketing: Bucketing::default(), by, salt, weights };
    let after = FlagState { fallthrough: Serve::Split(split), ..place.state.clone() };
    place.check(view, &after).map_err(into_body)?;
    Ok((place, after))
}

/// The present split or ramp of the fallthrough.
struct Present<'a> {
    by: &'a str,
    salt: Option<&'a String>,
    variants: Vec<&'a str>,
}

impl<'a> Present<'a> {
    fn of(serve: &'a Serve) -> Option<Self> {
        match serve {
            Serve::Variant(_) => None,
            Serve::Split(split) => Some(Self {
                by: &split.by,
                salt: split.salt.as_ref(),
                variants: split.weights.iter().filter_map(|w| w.variant.as_deref()).collect(),
            }),
            Serve::Ramp(ramp) => Some(Self {
                by: &ramp.by,
                salt: ramp.salt.as_ref(),
                variants: vec![&ramp.variant, &ramp.rest],
            }),
        }
    }

    /// Whether it has these variants in this order, so that a share grows out of its neighbour.
    fn shares(&self, variants: [&str; 2]) -> bool {
        self.variants == variants
    }

    fn named(&self) -> String {
        let named: Vec<String> = self.variants.iter().map(|name| format!("`{name}`")).collect();
        named.join(" and ")
    }
}

/// `tenant` and `tenant.key` are the same unit.
fn unit_of(by: &str) -> &str {
    by.strip_suffix(".key").unwrap_or(by)
}

/// A percentage as a weight, in steps of 0.001 %.
fn weight_of(percent: f64) -> Result<u32, Fault> {
    const STEPS_PER_PERCENT: f64 = 1_000.0;
    if !(0.0..=100.0).contains(&percent) {
        return Err(Fault::at("/percent", "out_of_range", "a percentage is 0 to 100"));
    }
    let steps = (percent * STEPS_PER_PERCENT).round();
    // The float nearest to a number of three decimals is what dividing gives; no other is.
    if steps / STEPS_PER_PERCENT != percent {
        let message = "a percentage has at most three decimals";
        return Err(Fault::at("/percent", "out_of_range", message));
    }
    // Between 0 and 100,000 by the check above.
    Ok(steps as u32)
}

/// The request has a `by` where the state has a split; nothing else of it can be wrong here.
fn into_body(fault: Fault) -> Fault {
    let Fault::Invalid(mut faults) = fault else {
        return fault;
    };
    for found in &mut faults {
        let by = found.pointer == "/fallthrough/split/by";
        found.pointer = if by { "/by".to_owned() } else { String::new() };
    }
    Fault::Invalid(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_exact_to_three_decimals() {
        for (percent, weight) in [
            (0.0, 0),
            (0.001, 1),
            (0.29, 290),
            (33.333, 33_333),
            (99.999, 99_999),
            (100.0, 100_000),
        ] {
            assert_eq!(weight_of(percent).unwrap(), weight, "{percent}");
        }
        for percent in [-0.001, 100.001, 0.0005, 12.3456, f64::NAN, f64::INFINITY] {
            assert!(weight_of(percent).is_err(), "{percent}");
        }
    }
}

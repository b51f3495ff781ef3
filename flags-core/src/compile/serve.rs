use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::flag::VariantNames;
use super::{Linker, attribute_path};
use crate::bucket::Salt;
use crate::definition as said;
use crate::diagnostic::Diagnostics;
use crate::limits::TOTAL_WEIGHT;
use crate::serve::{Ramp, Serve, Shares, Split, Unit};
use crate::time::Timestamp;

/// Where something is served: only a rule has a next one to go on to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ServeIn {
    Rule,
    Fallthrough,
}

pub(super) fn compile_serve(
    serve: &said::Serve,
    flag_salt: &str,
    names: &VariantNames<'_>,
    place: ServeIn,
    linker: &mut dyn Linker,
    d: &mut Diagnostics,
) -> Serve {
    match serve {
        said::Serve::Variant(name) => Serve::Variant(d.at("variant", |d| names.index(name, d))),
        said::Serve::Split(split) => Serve::Split(
            d.at("split", |d| compile_split(split, flag_salt, names, place, linker, d)),
        ),
        said::Serve::Ramp(ramp) => {
            let ramp = d.at("ramp", |d| compile_ramp(ramp, flag_salt, names, linker, d));
            Serve::Split(ramp)
        }
    }
}

fn compile_split(
    split: &said::Split,
    flag_salt: &str,
    names: &VariantNames<'_>,
    place: ServeIn,
    linker: &mut dyn Linker,
    d: &mut Diagnostics,
) -> Split {
    let salt = split.salt.as_deref().unwrap_or(flag_salt);
    let unit = compile_unit(&split.by, Salt::new(split.bucketing, salt), linker, d);
    let mut end = 0_u32;
    let mut shares = Vec::with_capacity(split.weights.len());
    d.at("weights", |d| {
        for (index, entry) in split.weights.iter().enumerate() {
            end = end.saturating_add(entry.weight);
            let variant = d.at(index, |d| match &entry.variant {
                Some(name) => Some(d.at("variant", |d| names.index(name, d))),
                None => {
                    if place == ServeIn::Fallthrough {
                        d.report(
                            "missing_field",
                            "`variant` is missing: after the fallthrough there is no next rule",
                        );
                    }
                    None
                }
            });
            shares.push((end, variant));
        }
        if end != TOTAL_WEIGHT {
            let total: u64 = split.weights.iter().map(|entry| u64::from(entry.weight)).sum();
            d.report(
                "weights_total",
                format!("the weights add up to {total}, not to {TOTAL_WEIGHT} (1000 is 1 %)"),
            );
        }
    });
    Split { unit, shares: Shares::new(&shares) }
}

fn compile_ramp(
    ramp: &said::Ramp,
    flag_salt: &str,
    names: &VariantNames<'_>,
    linker: &mut dyn Linker,
    d: &mut Diagnostics,
) -> Split {
    let salt = ramp.salt.as_deref().unwrap_or(flag_salt);
    let unit = compile_unit(&ramp.by, Salt::new(ramp.bucketing, salt), linker, d);
    if ramp.to > TOTAL_WEIGHT {
        d.at("to", |d| d.report("out_of_range", format!("a share is at most {TOTAL_WEIGHT}")));
    }
    if ramp.from > ramp.to {
        d.at("from", |d| {
            d.report("out_of_range", "the share grows: `from` is at most `to`");
        });
    }
    let start = d.at("start", |d| instant(&ramp.start, d));
    let end = d.at("end", |d| instant(&ramp.end, d));
    if let (Some(start), Some(end)) = (start, end)
        && start >= end
    {
        d.at("end", |d| d.report("out_of_range", "`end` has to be after `start`"));
    }
    let nowhere = Timestamp::from_millis(0);
    let ramp = Ramp {
        variant: d.at("variant", |d| names.index(&ramp.variant, d)),
        rest: d.at("rest", |d| names.index(&ramp.rest, d)),
        from: ramp.from,
        to: ramp.to,
        start: start.unwrap_or(nowhere),
        end: end.unwrap_or(nowhere),
    };
    Split { unit, shares: Shares::Ramp(Box::new(ramp)) }
}

fn instant(text: &str, d: &mut Diagnostics) -> Option<Timestamp> {
    let instant = Timestamp::parse(text);
    if instant.is_none() {
        d.report("invalid_time", "expected RFC 3339, such as `2026-11-20T12:00:00Z`");
    }
    instant
}

fn compile_unit(by: &str, salt: Salt, linker: &mut dyn Linker, d: &mut Diagnostics) -> Unit {
    Unit { path: d.at("by", |d| attribute_path(by, true, linker, d)), salt }
}

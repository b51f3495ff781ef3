use core::cmp::Ordering;

use serde::Serialize;

use crate::context::AttributeValue;

/// An integer or a finite float; they compare by value, exactly.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
pub(crate) enum Number {
    Integer(i64),
    Float(f64),
}

impl Number {
    pub(super) fn of(value: AttributeValue<'_>) -> Option<Self> {
        match value {
            AttributeValue::Integer(value) => Some(Self::Integer(value)),
            AttributeValue::Float(value) => Some(Self::Float(value)),
            _ => None,
        }
    }

    /// Exactly, by value.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            // No NaN gets here: definitions are JSON, attributes are checked.
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Self::Integer(a), Self::Float(b)) => compare_exactly(a, b),
            (Self::Float(a), Self::Integer(b)) => compare_exactly(b, a).reverse(),
        }
    }
}

/// Compares without rounding the integer, as `a as f64` would from 2⁵³ on.
fn compare_exactly(a: i64, b: f64) -> Ordering {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if b >= TWO_TO_63 {
        return Ordering::Less;
    }
    if b < -TWO_TO_63 {
        return Ordering::Greater;
    }
    let whole = b as i64;
    a.cmp(&whole).then_with(|| {
        let fraction = b - whole as f64;
        0.0_f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_floats_compare_by_value_without_rounding() {
        let integer = Number::Integer;
        let float = Number::Float;
        for (a, b, expected) in [
            (integer(1), float(1.0), Ordering::Equal),
            (integer(1), float(1.5), Ordering::Less),
            (integer(-1), float(-1.5), Ordering::Greater),
            (integer((1 << 53) + 1), float(9_007_199_254_740_992.0), Ordering::Greater),
            (integer(i64::MAX), float(9_223_372_036_854_775_807.0), Ordering::Less),
            (integer(i64::MIN), float(-9_223_372_036_854_775_808.0), Ordering::Equal),
            (integer(i64::MIN), float(-1e300), Ordering::Greater),
            (integer(0), float(-0.0), Ordering::Equal),
            (integer(0), float(5e-324), Ordering::Less),
        ] {
            assert_eq!(a.compare(b), expected, "{a:?} {b:?}");
            assert_eq!(b.compare(a), expected.reverse(), "{b:?} {a:?}");
        }
    }
}

//! What a flag can serve.

use alloc::boxed::Box;

use smol_str::SmolStr;

use crate::same::same;
use crate::value::OwnedValue;

/// The place of a variant in its flag's list, which is no longer than
/// [`MAX_VARIANTS`](crate::MAX_VARIANTS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VariantIndex(pub(crate) u8);

impl VariantIndex {
    pub(crate) const FIRST: Self = Self(0);
}

/// The variants of a flag: names apart from values, because few who ask read both.
#[derive(Debug)]
pub(crate) struct Variants {
    values: Values,
    /// In the order of the values; an override may lack one.
    names: Box<[SmolStr]>,
}

#[derive(Debug)]
enum Values {
    /// In place, one bit each: most flags are switches.
    Booleans(u64),
    Others(Box<[OwnedValue]>),
}

// What `Values::Booleans` stand for. Constants, so that who inlines a question sees what they are.
const NO: &OwnedValue = &OwnedValue::Boolean(false);
const YES: &OwnedValue = &OwnedValue::Boolean(true);
const BOTH: &[OwnedValue] = &[OwnedValue::Boolean(false), OwnedValue::Boolean(true)];

/// A variant, of which nothing is read before somebody asks for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'r> {
    variants: &'r Variants,
    index: VariantIndex,
}

impl Variants {
    pub(crate) fn new(values: Box<[OwnedValue]>, names: Box<[SmolStr]>) -> Self {
        let mut bits = 0;
        for (index, value) in values.iter().enumerate() {
            match value {
                OwnedValue::Boolean(value) if index < u64::BITS as usize => {
                    bits |= u64::from(*value) << index;
                }
                _ => return Self { values: Values::Others(values), names },
            }
        }
        Self { values: Values::Booleans(bits), names }
    }

    /// Of a flag that serves nothing.
    pub(crate) fn none() -> Self {
        Self { values: Values::Others(Box::default()), names: Box::default() }
    }

    #[inline]
    pub(crate) fn served(&self, index: VariantIndex) -> Served<'_> {
        Served { variants: self, index }
    }

    /// The name of the first variant of a value.
    pub(crate) fn name_of(&self, value: &OwnedValue) -> Option<&SmolStr> {
        let mut indices = (0..=u8::MAX).map(VariantIndex).zip(&self.names);
        let found = indices.find(|(index, _)| self.served(*index).value() == Some(value));
        found.map(|(_, name)| name)
    }

    /// The values; of switches, those that a switch can have.
    pub(crate) fn values(&self) -> &[OwnedValue] {
        match &self.values {
            Values::Booleans(_) => BOTH,
            Values::Others(values) => values,
        }
    }

    /// Those values that are not the same for every flag.
    pub(crate) fn values_mut(&mut self) -> &mut [OwnedValue] {
        match &mut self.values {
            Values::Booleans(_) => &mut [],
            Values::Others(values) => values,
        }
    }
}

impl<'r> Served<'r> {
    /// Compiling sees to it that there is one.
    #[inline]
    pub(crate) fn value(self) -> Option<&'r OwnedValue> {
        match &self.variants.values {
            Values::Booleans(bits) => {
                let is_true = bits.wrapping_shr(self.index.0.into()) & 1 == 1;
                Some(if is_true { YES } else { NO })
            }
            Values::Others(values) => values.get(usize::from(self.index.0)),
        }
    }

    #[inline]
    pub(crate) fn name(self) -> Option<&'r str> {
        self.variants.names.get(usize::from(self.index.0)).map(SmolStr::as_str)
    }

    #[inline]
    pub(crate) fn is_one_of(self, names: &[SmolStr]) -> bool {
        self.name().is_some_and(|name| names.iter().any(|one| same(one, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    #[test]
    fn each_variant_has_its_name_and_value_also_where_there_are_many() {
        for count in [1_u16, 2, 64, 65, 256] {
            let values: Vec<_> =
                (0..count).map(|index| OwnedValue::Boolean(index % 3 == 0)).collect();
            let names = (0..count).map(|index| SmolStr::from(format!("v{index}"))).collect();
            let variants = Variants::new(values.clone().into(), names);
            for (index, value) in (0..=u8::MAX).zip(&values) {
                let served = variants.served(VariantIndex(index));
                assert_eq!(served.value(), Some(value));
                assert_eq!(served.name(), Some(&*format!("v{index}")));
            }
            assert_eq!(variants.name_of(&OwnedValue::Boolean(true)).map(|n| &**n), Some("v0"));
        }
    }

    #[test]
    fn a_flags_variants_are_small() {
        assert!(size_of::<Variants>() <= 32, "{} bytes", size_of::<Variants>());
    }
}

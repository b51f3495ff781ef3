//! What is stored of one tenant as text: where its contract is, and then the attributes, a name and a
//! value, one after the other.
//!
//! The contract is a letter and what follows from it. A name is its number, or 0 and itself. A value is a letter and what follows from it. Numbers are
//! ASCII in a form of their own, so that everything can stand among texts.

use alloc::string::String;

use crate::context::{AttributeValue, JsonAttribute, PackedStrings, Strings};
use crate::entitlement::{Place, PlanSince};
use crate::key_map::{KeyTable, Length, hash};
use crate::same::same;

/// Most names that get a number, in all tenants together. Numbers are given out for good: names
/// that come and go must not add up.
const MAX_NUMBERED_NAMES: usize = 1_000;

/// Writes what is before the attributes.
pub(super) fn write_contract(place: Place, plan_since: Option<i64>) -> String {
    let mut record = String::new();
    match (place, plan_since) {
        (Place::Package(number), None) => write_number('p', number, &mut record),
        (Place::Package(number), Some(instant)) => {
            write_number('s', number, &mut record);
            let mut bits = String::new();
            write_integer(instant, &mut bits);
            Length::write_text(&bits, &mut record);
        }
        (Place::Special(number), _) => write_number('o', number, &mut record),
        (Place::Broken, _) => record.push('b'),
    }
    record
}

fn write_number(letter: char, number: u32, record: &mut String) {
    record.push(letter);
    Length(number as usize).write(record);
}

/// Where the contract is, and when the tenant came to its plan, as far as the record knows.
#[inline]
pub(super) fn contract(record: &str) -> (Place, PlanSince<'_>) {
    let place = match record.as_bytes() {
        // Nearly all.
        [b'p' | b's', number, ..] if Length::is_all(*number) => Place::Package((*number).into()),
        _ => Reader { record, at: 0 }.place(),
    };
    let plan_since = match record.as_bytes().first() {
        Some(b's') => PlanSince::Stored(record, plan_since),
        _ => PlanSince::Known(None),
    };
    (place, plan_since)
}

/// When the tenant came to its plan, of a record that knows.
fn plan_since(record: &str) -> Option<i64> {
    let mut reader = Reader { record, at: 0 };
    reader.place();
    reader.length();
    reader.integer()
}

/// Writes attributes behind what is there; a name that has no number gets one.
pub(super) fn write_attributes(
    attributes: &[(&str, JsonAttribute<&str>)],
    names: &mut KeyTable<u32>,
    record: &mut String,
) {
    for (name, value) in attributes {
        write_name(name, names, record);
        match value {
            JsonAttribute::Boolean(boolean) => record.push(if *boolean { 't' } else { 'f' }),
            JsonAttribute::Integer(integer) => {
                record.push('i');
                write_integer(*integer, record);
            }
            JsonAttribute::Float(float) => {
                record.push('d');
                // Most floats are short, and end in zeros.
                write_bits(float.to_bits().swap_bytes(), record);
            }
            JsonAttribute::String(text) => {
                record.push('s');
                Length::write_text(text, record);
            }
            JsonAttribute::List(texts) => {
                let mut packed = String::new();
                Length(texts.len()).write(&mut packed);
                texts.iter().for_each(|text| Length::write_text(text, &mut packed));
                record.push('l');
                Length::write_text(&packed, record);
            }
        }
    }
}

fn write_name(name: &str, names: &mut KeyTable<u32>, record: &mut String) {
    let hash = hash(name);
    let known = names.get(hash, name).copied();
    let number = known.or_else(|| {
        let number = names.len() as u32 + 1;
        let numbered = names.len() < MAX_NUMBERED_NAMES && !names.is_crowded();
        (numbered && names.insert(hash, name, number).is_ok()).then_some(number)
    });
    match number {
        Some(number) => Length(number as usize).write(record),
        None => {
            Length(0).write(record);
            Length::write_text(name, record);
        }
    }
}

/// Small ones of both signs are short.
fn write_integer(integer: i64, record: &mut String) {
    write_bits((integer << 1 ^ integer >> 63) as u64, record);
}

/// Six bits to a character, the lowest first; all but the last are marked.
fn write_bits(mut bits: u64, record: &mut String) {
    while bits >= 0x40 {
        record.push(char::from(0x40 | (bits & 0x3f) as u8));
        bits >>= 6;
    }
    record.push(char::from(bits as u8));
}

/// The value of a name, by its number if it has one.
pub(super) fn find<'r>(
    record: &'r str,
    number: Option<u32>,
    name: &str,
) -> Option<AttributeValue<'r>> {
    let mut reader = Reader { record, at: 0 };
    if reader.place() != Place::Broken && record.as_bytes().first() == Some(&b's') {
        reader.text()?;
    }
    while reader.at < record.len() {
        let is_it = match reader.length() {
            0 => same(reader.text()?, name),
            other => number.is_some_and(|number| number as usize == other),
        };
        let value = reader.value()?;
        if is_it {
            return Some(value);
        }
    }
    None
}

struct Reader<'r> {
    record: &'r str,
    at: usize,
}

impl<'r> Reader<'r> {
    fn length(&mut self) -> usize {
        let (Length(length), prefix) = Length::read(self.record.as_bytes(), self.at);
        self.at += prefix;
        length
    }

    fn text(&mut self) -> Option<&'r str> {
        let length = self.length();
        let text = self.record.get(self.at..self.at + length)?;
        self.at += length;
        Some(text)
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.record.as_bytes().get(self.at).copied();
        self.at += 1;
        byte
    }

    fn bits(&mut self) -> Option<u64> {
        let (mut bits, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x3f).checked_shl(shift)?;
            shift += 6;
            if byte & 0x40 == 0 {
                return Some(bits);
            }
        }
    }

    fn integer(&mut self) -> Option<i64> {
        let bits = self.bits()?;
        Some((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    fn place(&mut self) -> Place {
        match self.byte() {
            Some(b'p' | b's') => Place::Package(self.length() as u32),
            Some(b'o') => Place::Special(self.length() as u32),
            _ => Place::Broken,
        }
    }

    fn value(&mut self) -> Option<AttributeValue<'r>> {
        Some(match self.byte()? {
            b't' => AttributeValue::Boolean(true),
            b'f' => AttributeValue::Boolean(false),
            b'i' => AttributeValue::Integer(self.integer()?),
            b'd' => AttributeValue::Float(f64::from_bits(self.bits()?.swap_bytes())),
            b's' => AttributeValue::String(self.text()?),
            b'l' => AttributeValue::List(Strings::Packed(PackedStrings::new(self.text()?))),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    #[test]
    fn a_contract_is_found_as_it_was_written() {
        let places =
            [Place::Package(0), Place::Package(u32::MAX), Place::Special(500), Place::Broken];
        for place in places {
            for instant in [None, Some(0), Some(1_795_176_000_000), Some(i64::MIN), Some(i64::MAX)]
            {
                let mut record = write_contract(place, instant);
                let attributes = [("yes", JsonAttribute::Boolean(true))];
                write_attributes(&attributes, &mut KeyTable::default(), &mut record);
                let (found, plan_since) = contract(&record);
                assert_eq!(found, place);
                let kept = matches!(place, Place::Package(_));
                assert_eq!(plan_since.instant(), instant.filter(|_| kept));
                let yes = find(&record, Some(1), "yes");
                assert!(matches!(yes, Some(AttributeValue::Boolean(true))), "{record:?}");
            }
        }
    }

    #[test]
    fn every_value_is_read_as_it_was_written() {
        let long = "ö".repeat(8_000);
        let many: Vec<&str> = (0..1_000).map(|i| if i % 2 == 0 { "" } else { "eu" }).collect();
        let mut attributes = Vec::from([
            ("yes", JsonAttribute::Boolean(true)),
            ("no", JsonAttribute::Boolean(false)),
            ("text", JsonAttribute::String("DE")),
            ("none", JsonAttribute::String("")),
            ("long", JsonAttribute::String(&long)),
            ("list", JsonAttribute::List(Vec::from(["a", "", "größe"]))),
            ("empty", JsonAttribute::List(Vec::new())),
            ("many", JsonAttribute::List(many)),
        ]);
        let integers = [0, 1, -1, 63, 64, -65, 1 << 40, i64::MAX, i64::MIN];
        let floats = [0.0, -0.0, 0.5, 1e300, f64::MIN_POSITIVE, f64::MAX];
        let names: Vec<_> = (0..15).map(|i| format!("number-{i}")).collect();
        let numbers = integers.into_iter().map(JsonAttribute::Integer);
        let numbers = numbers.chain(floats.into_iter().map(JsonAttribute::Float));
        attributes.extend(names.iter().map(|name| &**name).zip(numbers));
        // With numbers for the names, and without.
        let mut full = KeyTable::default();
        for index in 0..MAX_NUMBERED_NAMES {
            let name = format!("other-{index}");
            full.insert(hash(&name), &name, index as u32 + 1).unwrap();
        }
        for mut names in [KeyTable::default(), full] {
            let mut record = write_contract(Place::Package(2_000), Some(-1));
            write_attributes(&attributes, &mut names, &mut record);
            for (name, value) in &attributes {
                let number = names.get(hash(name), name).copied();
                match (find(&record, number, name).unwrap(), value) {
                    (AttributeValue::Boolean(a), JsonAttribute::Boolean(b)) => assert_eq!(a, *b),
                    (AttributeValue::Integer(a), JsonAttribute::Integer(b)) => assert_eq!(a, *b),
                    (AttributeValue::Float(a), JsonAttribute::Float(b)) => {
                        assert_eq!(a.to_bits(), b.to_bits());
                    }
                    (AttributeValue::String(a), JsonAttribute::String(b)) => assert_eq!(a, *b),
                    (AttributeValue::List(a), JsonAttribute::List(b)) => {
                        assert_eq!(a.len(), b.len());
                        assert!(a.iter().eq(b.iter().copied()), "{name}");
                    }
                    (found, _) => panic!("{name} is {found}"),
                }
            }
            assert!(find(&record, None, "other").is_none());
            assert!(names.len() <= MAX_NUMBERED_NAMES);
        }
    }
}

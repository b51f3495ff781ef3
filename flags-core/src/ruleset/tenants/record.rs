//! The attributes of one tenant as text: a name and a value, one after the other.
//!
//! A name is its number, or 0 and itself. A value is a letter and what follows from it. Numbers are
//! ASCII in a form of their own, so that everything can stand among texts.

use alloc::string::String;

use crate::context::{AttributeValue, JsonAttribute, PackedStrings, Strings};
use crate::key_map::{KeyTable, Length, hash};
use crate::same::same;

/// Most names that get a number, in all tenants together. Numbers are given out for good: names
/// that come and go must not add up.
const MAX_NUMBERED_NAMES: usize = 1_000;

/// Writes a record; a name that has no number gets one.
pub(super) fn write(
    attributes: &[(&str, JsonAttribute<&str>)],
    names: &mut KeyTable<u32>,
) -> String {
    let mut record = String::new();
    for (name, value) in attributes {
        write_name(name, names, &mut record);
        match value {
            JsonAttribute::Boolean(boolean) => record.push(if *boolean { 't' } else { 'f' }),
            JsonAttribute::Integer(integer) => {
                record.push('i');
                // Small ones of both signs are short.
                write_bits((integer << 1 ^ integer >> 63) as u64, &mut record);
            }
            JsonAttribute::Float(float) => {
                record.push('d');
                // Most floats are short, and end in zeros.
                write_bits(float.to_bits().swap_bytes(), &mut record);
            }
            JsonAttribute::String(text) => {
                record.push('s');
                write_text(text, &mut record);
            }
            JsonAttribute::List(texts) => {
                let mut packed = String::new();
                Length(texts.len()).write(&mut packed);
                texts.iter().for_each(|text| write_text(text, &mut packed));
                record.push('l');
                write_text(&packed, &mut record);
            }
        }
    }
    record
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
            write_text(name, record);
        }
    }
}

fn write_text(text: &str, record: &mut String) {
    Length(text.len()).write(record);
    record.push_str(text);
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

    fn value(&mut self) -> Option<AttributeValue<'r>> {
        Some(match self.byte()? {
            b't' => AttributeValue::Boolean(true),
            b'f' => AttributeValue::Boolean(false),
            b'i' => {
                let bits = self.bits()?;
                AttributeValue::Integer((bits >> 1) as i64 ^ -((bits & 1) as i64))
            }
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
            let record = write(&attributes, &mut names);
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

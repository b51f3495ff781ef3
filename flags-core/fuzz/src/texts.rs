//! Instants, addresses, networks and letters against what others have written well.

use std::net::IpAddr;

use flags_core::{AttributeValue, PlainJson, Position, Timestamp, folded_key, is_key};
use serde_json::{Value, json};

use crate::conditions::{Conditions, asks};
use crate::split::split;

/// Any two texts are instants, addresses and networks or not, as docs/semantics.md says, with jiff
/// and the standard library as judges; and ignoring case compares them as the crate regex does.
pub fn texts(bytes: &[u8]) {
    let [a, b, now_ms] = &split(bytes);
    instants(a, b, now_ms.parse().unwrap_or(0));
    addresses(a, b);
    letters(a, b);
    numbers(a);
    if let Ok(position) = a.parse::<Position>() {
        assert_eq!(position.to_string().parse(), Ok(position));
    }
    assert_eq!(is_key(&folded_key(a)), is_key(a) && !folded_key(a).starts_with('_'));
}

fn instants(a: &str, b: &str, now_ms: i64) {
    let instant = instant(a);
    assert_eq!(Timestamp::parse(a).map(Timestamp::as_millis), instant, "{a:?}");
    if let Some(read) = Timestamp::parse(a) {
        // One that is before the year 0 or after 9999 in UTC is written as a number.
        let written = read.to_string();
        assert!(Timestamp::parse(&written).is_none_or(|again| again == read), "{a:?} {written:?}");
    }
    let conditions =
        [asks("before", json!([b])), asks("after", json!([b])), asks("after", json!(["now"]))];
    let conditions = Conditions::new(&conditions);
    let found = AttributeValue::String(a);
    let than = if b == "now" { Some(now_ms) } else { self::instant(b) };
    assert_eq!([0, 1].map(|index| conditions.is_valid(index)), [than.is_some(); 2], "{b:?}");
    if let Some(than) = than {
        assert_eq!(conditions.truth(0, found, now_ms), instant.map(|i| i < than), "{a:?} {b:?}");
        assert_eq!(conditions.truth(1, found, now_ms), instant.map(|i| i > than), "{a:?} {b:?}");
    }
    assert_eq!(conditions.truth(2, found, now_ms), instant.map(|i| i > now_ms), "{a:?}");
}

/// RFC 3339 by its form, with the days counted by jiff.
fn instant(text: &str) -> Option<i64> {
    let form = text.is_ascii().then_some(text)?;
    let (date, rest) = form.split_at_checked(10)?;
    let time = rest.strip_prefix(['T', 't'])?;
    let (time, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let (time, offset) = time.split_at_checked(time.len().checked_sub(6)?)?;
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            let offset = offset.strip_prefix(['+', '-'])?;
            let (hours, minutes) = offset.split_once(':')?;
            (time, sign * (digits(hours, 2, 23)? * 60 + digits(minutes, 2, 59)?))
        }
    };
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, Some(fraction)),
        None => (time, None),
    };
    if fraction.is_some_and(|f| f.is_empty() || !f.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let millis: String = fraction.unwrap_or("").chars().chain("000".chars()).take(3).collect();
    let [hour, minute, second] = parts(time, ':', [2, 2, 2], [23, 59, 60])?;
    let [year, month, day] = parts(date, '-', [4, 2, 2], [9_999, 12, 31])?;
    let date = jiff::civil::Date::new(year as i16, month as i8, day as i8).ok()?;
    let days = date.since(jiff::civil::date(1970, 1, 1)).expect("days between two dates");
    let seconds = (hour * 60 + minute - offset) * 60 + second.min(59);
    Some(i64::from(days.get_days()) * 86_400_000 + seconds * 1_000 + millis.parse::<i64>().ok()?)
}

fn parts(text: &str, mark: char, lengths: [usize; 3], most: [i64; 3]) -> Option<[i64; 3]> {
    let parts: Vec<&str> = text.split(mark).collect();
    let [a, b, c] = *parts else { return None };
    Some([
        digits(a, lengths[0], most[0])?,
        digits(b, lengths[1], most[1])?,
        digits(c, lengths[2], most[2])?,
    ])
}

fn digits(text: &str, length: usize, most: i64) -> Option<i64> {
    let are_digits = text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    are_digits.then(|| text.parse().ok())?.filter(|number| *number <= most)
}

fn addresses(a: &str, b: &str) {
    let condition = asks("in_cidr", json!([b]));
    let conditions = Conditions::new(&[condition]);
    let network = network(b);
    assert_eq!(conditions.is_valid(0), network.is_some(), "{b:?}");
    let Some(network) = network else {
        return;
    };
    let found = conditions.truth(0, AttributeValue::String(a), 0);
    assert_eq!(found, bits(a).map(|bits| bits.starts_with(&network)), "{a:?} in {b:?}");
}

/// The family and the bits; an IPv4-mapped address is IPv4.
fn bits(text: &str) -> Option<String> {
    let bits =
        |octets: &[u8]| octets.iter().map(|octet| format!("{octet:08b}")).collect::<String>();
    let address: IpAddr = text.parse().ok()?;
    Some(match address.to_canonical() {
        IpAddr::V4(v4) => format!("4{}", bits(&v4.octets())),
        IpAddr::V6(v6) => format!("6{}", bits(&v6.octets())),
    })
}

/// What the bits of an address in it begin with.
fn network(text: &str) -> Option<String> {
    let Some((base, length)) = text.split_once('/') else {
        return bits(text);
    };
    let of_base: IpAddr = base.parse().ok()?;
    let parsed: usize = length.parse().ok()?;
    if parsed.to_string() != length {
        return None;
    }
    // Of a network that is larger than that of all mapped addresses, the base is no IPv4 address.
    let (bits, length) = match of_base {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() && parsed < 96 => return None,
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => (bits(base)?, parsed - 96),
        _ => (bits(base)?, parsed),
    };
    let (network, host) = bits.split_at_checked(1 + length)?;
    (!host.contains('1')).then(|| network.to_owned())
}

/// A float in JSON is the nearest to what is written, as Rust reads it.
fn numbers(text: &str) {
    if let Ok(PlainJson(Value::Number(number))) = serde_json::from_str(text)
        && number.is_f64()
    {
        assert_eq!(number.as_f64(), text.trim().parse().ok(), "{text:?}");
    }
}

fn letters(a: &str, b: &str) {
    let ignoring = |op: &str| {
        let mut condition = asks(op, json!([b]));
        condition["ignore_case"] = json!(true);
        condition
    };
    let operators = ["equals", "in", "starts_with", "ends_with", "contains"];
    let conditions = Conditions::new(&operators.map(ignoring));
    let exact = Conditions::new(&operators.map(|op| asks(op, json!([b]))));
    let found = AttributeValue::String(a);
    let exactly = [a == b, a == b, a.starts_with(b), a.ends_with(b), a.contains(b)];
    for (index, expected) in exactly.into_iter().enumerate() {
        assert_eq!(exact.truth(index, found, 0), Some(expected), "{a:?} {operators:?} {b:?}");
    }
    let literal = regex::escape(b);
    for (index, (before, after)) in
        [("^", "$"), ("^", "$"), ("^", ""), ("", "$"), ("", "")].into_iter().enumerate()
    {
        let regex = regex::Regex::new(&format!("(?si){before}(?:{literal}){after}"));
        let expected = regex.expect("a literal").is_match(a);
        let truth = conditions.truth(index, found, 0);
        assert_eq!(truth, Some(expected), "{a:?} {} {b:?} ignoring case", operators[index]);
    }
}

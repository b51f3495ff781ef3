//! What each operator says of one value, by other means than the core: everything is read anew
//! from the JSON, and what others have written well is asked.

use std::net::IpAddr;

use serde_json::Value;

use super::{order, text};

/// How often a condition reads the whole of an attribute.
pub(super) fn searches(op: &str, values: &[Value], ignore_case: bool) -> usize {
    match op {
        "contains" | "matches" => values.len(),
        "in_cidr" => 1,
        op if op.starts_with("semver_") => 1,
        _ => usize::from(ignore_case),
    }
}

/// Whether an operator applies to strings.
pub(super) fn takes_strings(op: &str, values: &[Value]) -> bool {
    match op {
        "equals" | "in" => values.iter().any(Value::is_string),
        "lt" | "lte" | "gt" | "gte" | "between" => false,
        _ => true,
    }
}

/// One value, not a list, against an operator.
pub(super) fn single(
    op: &str,
    found: &Value,
    values: &[Value],
    ignore_case: bool,
    now_ms: i64,
) -> Option<bool> {
    let first = || values.first().expect("the operator has its values");
    let number_against = |value: &Value| found.is_number().then(|| order(found, value));
    let version_against =
        || Some(version(found.as_str()?)?.cmp_precedence(&version(text(first()))?));
    let instant_against = || Some(instant(found)?.cmp(&instant_value(first(), now_ms)));
    match op {
        "equals" | "in" => {
            let same_type: Vec<&Value> = values
                .iter()
                .filter(|value| {
                    (value.is_string() && found.is_string())
                        || (value.is_number() && found.is_number())
                        || (value.is_boolean() && found.is_boolean())
                })
                .collect();
            (!same_type.is_empty()).then(|| {
                same_type.iter().any(|value| match found {
                    Value::Number(_) => order(found, value).is_eq(),
                    Value::String(found) => search("^", text(value), "$", found, ignore_case),
                    _ => *value == found,
                })
            })
        }
        "starts_with" | "ends_with" | "contains" => {
            let found = found.as_str()?;
            let (before, after) = match op {
                "starts_with" => ("^", ""),
                "ends_with" => ("", "$"),
                _ => ("", ""),
            };
            Some(values.iter().any(|value| search(before, text(value), after, found, ignore_case)))
        }
        "lt" => Some(number_against(first())?.is_lt()),
        "lte" => Some(number_against(first())?.is_le()),
        "gt" => Some(number_against(first())?.is_gt()),
        "gte" => Some(number_against(first())?.is_ge()),
        "between" => Some(number_against(first())?.is_ge() && number_against(&values[1])?.is_le()),
        "before" => Some(instant_against()?.is_lt()),
        "after" => Some(instant_against()?.is_gt()),
        "semver_eq" => Some(version_against()?.is_eq()),
        "semver_lt" => Some(version_against()?.is_lt()),
        "semver_lte" => Some(version_against()?.is_le()),
        "semver_gt" => Some(version_against()?.is_gt()),
        "semver_gte" => Some(version_against()?.is_ge()),
        "matches" => {
            let found = found.as_str()?;
            Some(values.iter().any(|value| pattern(text(value)).is_match(found)))
        }
        "in_cidr" => {
            let found = address(found.as_str()?)?;
            Some(values.iter().any(|value| found.starts_with(&network(text(value)))))
        }
        other => panic!("the oracle does not know `{other}`"),
    }
}

/// `before` and `after` are the anchors. The crate regex knows Unicode's simple folding from a table
/// of its own.
fn search(before: &str, value: &str, after: &str, found: &str, ignore_case: bool) -> bool {
    if ignore_case {
        let pattern = format!(r"(?si){before}{}{after}", regex::escape(value));
        return regex::Regex::new(&pattern).expect("a literal").is_match(found);
    }
    let (value, found) = (value.as_bytes(), found.as_bytes());
    match (before, after) {
        ("^", "$") => value == found,
        ("^", _) => found.starts_with(value),
        (_, "$") => found.ends_with(value),
        _ => value.is_empty() || found.windows(value.len()).any(|window| window == value),
    }
}

/// Patterns work on characters, and their classes are ASCII.
fn pattern(text: &str) -> regex::Regex {
    let ascii = [
        (r"\w", "[0-9A-Za-z_]"),
        (r"\W", "[^0-9A-Za-z_]"),
        (r"\d", "[0-9]"),
        (r"\D", "[^0-9]"),
        (r"\s", r"[\t\n\x0B\f\r ]"),
        (r"\b", r"(?-u:\b)"),
    ];
    let text = ascii.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    regex::Regex::new(&text).expect("a pattern")
}

/// An attribute that is an instant, in milliseconds.
fn instant(value: &Value) -> Option<i128> {
    let text = match value {
        Value::Number(number) => return number.as_i64().map(i128::from),
        value => value.as_str()?,
    };
    // What jiff accepts beyond RFC 3339 has not this form.
    let rfc3339 =
        r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,32})?([Zz]|[+-]([01]\d|2[0-3]):\d{2})$";
    if !pattern(rfc3339).is_match(text) {
        return None;
    }
    let instant: jiff::Timestamp = text.parse().ok()?;
    Some(instant.as_nanosecond().div_euclid(1_000_000))
}

fn instant_value(value: &Value, now_ms: i64) -> i128 {
    match value {
        Value::String(now) if now == "now" => now_ms.into(),
        value => instant(value).expect("an instant"),
    }
}

/// A version, brought into the strict form.
fn version(text: &str) -> Option<semver::Version> {
    let form = r"^[vV]?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?$";
    let parts = pattern(form).captures(text)?;
    let part = |group: usize| parts.get(group).map(|part| part.as_str());
    let without_zeros = |identifier: &str| match identifier.parse::<u64>() {
        Ok(number) => number.to_string(),
        Err(_) => identifier.to_owned(),
    };
    let mut strict = (1..=3)
        .map(|group| without_zeros(part(group).unwrap_or("0")))
        .collect::<Vec<_>>()
        .join(".");
    if let Some(pre_release) = part(4) {
        let identifiers: Vec<_> = pre_release.split('.').map(without_zeros).collect();
        strict += &format!("-{}", identifiers.join("."));
    }
    if let Some(build) = part(5) {
        strict += &format!("+{build}");
    }
    semver::Version::parse(&strict).ok()
}

/// The bits of an address, after its family: an IPv4-mapped address is of the other.
fn address(text: &str) -> Option<String> {
    let bits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:08b}")).collect::<String>();
    Some(match text.parse().ok()? {
        IpAddr::V4(v4) => format!("4{}", bits(&v4.octets())),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => format!("4{}", bits(&v4.octets())),
            None => format!("6{}", bits(&v6.octets())),
        },
    })
}

/// What the bits of an address in the network begin with.
fn network(text: &str) -> String {
    let Some((base, length)) = text.split_once('/') else {
        return address(text).expect("an address");
    };
    let mut bits = address(base).expect("an address");
    let length: usize = length.parse().expect("a length");
    let of_family = if bits.starts_with('4') && base.contains(':') { length - 96 } else { length };
    bits.truncate(1 + of_family);
    bits
}

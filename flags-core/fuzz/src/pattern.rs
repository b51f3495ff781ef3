//! Patterns against the crate regex.

use flags_core::AttributeValue;
use regex::{Regex, bytes};
use serde_json::json;

use crate::conditions::{Conditions, asks, problems};
use crate::generator::{Generator, Manner};
use crate::split::split;

/// Any text is refused as a pattern in time, or found where the crate regex finds it: by bytes and
/// with ASCII classes in a text of ASCII, and by characters in any other.
pub fn pattern(bytes: &[u8]) {
    let [pattern, text] = &match bytes {
        // Put together of what patterns are made of.
        [b'\0', rest @ ..] => {
            let mut generator = Generator::new(rest, Manner::Tame);
            [generator.pattern(3), generator.haystack()]
        }
        texts => split(texts).map(|text| text.into_owned()),
    };
    let condition = asks("matches", json!([pattern]));
    let problems = problems(&condition);
    let known = ["invalid_pattern", "pattern_too_large"];
    assert!(problems.iter().all(|code| known.contains(&&**code)), "{pattern:?}: {problems:?}");
    let conditions = Conditions::new(&[condition]);
    assert_eq!(conditions.is_valid(0), problems.is_empty(), "{pattern:?}");
    if !problems.is_empty() {
        return;
    }
    let ascii: String = text.chars().filter(char::is_ascii).collect();
    let oracle = bytes::RegexBuilder::new(pattern).unicode(false).build();
    let oracle = oracle.unwrap_or_else(|error| panic!("{pattern:?} is no pattern: {error}"));
    let found = conditions.truth(0, AttributeValue::String(&ascii), 0);
    assert_eq!(found, Some(oracle.is_match(ascii.as_bytes())), "{pattern:?} in {ascii:?}");
    let found = conditions.truth(0, AttributeValue::String(text), 0);
    if let Some(oracle) = of_characters(pattern) {
        assert_eq!(found, Some(oracle.is_match(text)), "{pattern:?} in {text:?}");
    }
}

/// The same for characters: regex knows them only with the classes of Unicode, so classes are
/// spelled out. `None` where a flag may be `i`, which is of ASCII alone in ours.
fn of_characters(pattern: &str) -> Option<Regex> {
    let flags = pattern.split("(?").skip(1).map(|rest| rest.split([')', ':']).next().unwrap_or(""));
    if flags
        .into_iter()
        .any(|flags| flags.contains(|c: char| c == 'i' || c.is_whitespace() || c == '#'))
    {
        return None;
    }
    let mut spelled = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            spelled.push(c);
            continue;
        }
        match rest.next()? {
            'w' => spelled += "[0-9A-Za-z_]",
            'W' => spelled += "[^0-9A-Za-z_]",
            's' => spelled += r"[\t\n\x0B\f\r\x20]",
            'S' => spelled += r"[^\t\n\x0B\f\r\x20]",
            'd' => spelled += "[0-9]",
            'D' => spelled += "[^0-9]",
            // Followed by `{start}` it is another assertion.
            'b' => match rest.as_str() {
                after if after.starts_with("{start}") || after.starts_with("{end}") => {
                    let name: String = rest.by_ref().take_while(|c| *c != '}').collect();
                    spelled += &format!(r"(?-u:\b{name}}})");
                }
                after if after.trim_start().starts_with('{') => return None,
                _ => spelled += r"(?-u:\b)",
            },
            bound @ ('<' | '>') => spelled += &format!(r"(?-u:\{bound})"),
            other => spelled.extend(['\\', other]),
        }
    }
    let regex = Regex::new(&spelled);
    Some(regex.unwrap_or_else(|error| panic!("{pattern:?} is no pattern of characters: {error}")))
}

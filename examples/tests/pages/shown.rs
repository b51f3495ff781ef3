//! Compares an answer with the one that a page shows.
//!
//! A page shows the times and ids of the day on which it was written. A reader's are others, but
//! they tell the same story: what is one time or one id on the page has to be one here, and what
//! a command names stands for what the reader has in its place. `…` stands for anything: as a
//! value, as a part of a text, and for further members or elements.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use flags_client::Timestamp;
use regex::{Captures, Regex};
use serde_json::Value;

const ANYTHING: &str = "…";
const TIME: &str = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z";
const ID: &str = r"\b[0-9a-f]{32}\b";

static VARYING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("(?<time>{TIME})|(?<id>{ID})|(?<any>…)")).unwrap());

/// What stands for what, as far as the page has been read.
#[derive(Default)]
pub(crate) struct Reading {
    /// Times of the page that an answer told of, and the reader's.
    happened: BTreeMap<i64, i64>,
    /// Times of the page that a command put into the future, and the reader's.
    planned: BTreeMap<i64, i64>,
    ids: BTreeMap<String, String>,
}

impl Reading {
    /// A script of the page with the reader's times and ids.
    pub(crate) fn put_into(&mut self, script: &str) -> Result<String, String> {
        let mut unknown = None;
        let script = VARYING.replace_all(script, |found: &Captures<'_>| {
            let text = &found[0];
            if found.name("time").is_some() {
                return self.time_of_command(millis(text));
            }
            self.ids.get(text).cloned().unwrap_or_else(|| {
                unknown = Some(format!("no answer has shown `{text}`"));
                String::new()
            })
        });
        let script = script.into_owned();
        unknown.map_or(Ok(script), Err)
    }

    /// A time of the past means what had happened by then; one of the future is as far away.
    fn time_of_command(&mut self, page: i64) -> String {
        let latest = self.happened.last_key_value().map_or(i64::MIN, |(latest, _)| *latest);
        let own = if let Some(own) = self.planned.get(&page) {
            *own
        } else if page <= latest {
            *self.happened.range(..=page).next_back().expect("nothing had happened by then").1
        } else {
            let own = (now() + (page - latest)) / 1_000 * 1_000;
            self.planned.insert(page, own);
            own
        };
        Timestamp::from_millis(own).to_string()
    }

    pub(crate) fn compare_json(&mut self, shown: &str, own: &str) -> Result<(), String> {
        let shown = serde_json::from_str(&spelled_out(shown));
        let shown = shown.map_err(|error| format!("what is shown is not JSON: {error}"))?;
        let own = serde_json::from_str(own);
        let own = own.map_err(|error| format!("the answer is not JSON: {error}"))?;
        self.value(&shown, &own, "")
    }

    pub(crate) fn compare_text(&mut self, shown: &str, own: &str) -> Result<(), String> {
        self.text(shown.trim_end(), own.trim_end(), "")
    }

    fn value(&mut self, shown: &Value, own: &Value, at: &str) -> Result<(), String> {
        match (shown, own) {
            (Value::String(shown), _) if shown == ANYTHING => Ok(()),
            (Value::String(shown), Value::String(own)) => self.text(shown, own, at),
            (Value::Array(shown), Value::Array(own)) => {
                let (shown, more) = match shown.split_last() {
                    Some((last, shown)) if last == ANYTHING => (shown, true),
                    _ => (&shown[..], false),
                };
                if own.len() < shown.len() || (!more && own.len() > shown.len()) {
                    return Err(format!("at {at}: there are {} elements", own.len()));
                }
                let mut pairs = shown.iter().zip(own).enumerate();
                pairs.try_for_each(|(index, (shown, own))| {
                    self.value(shown, own, &format!("{at}/{index}"))
                })
            }
            (Value::Object(shown), Value::Object(own)) => {
                for (name, shown) in shown.iter().filter(|(name, _)| *name != ANYTHING) {
                    let at = format!("{at}/{name}");
                    let own = own.get(name).ok_or_else(|| format!("at {at}: there is nothing"))?;
                    self.value(shown, own, &at)?;
                }
                let hidden = own.keys().find(|name| !shown.contains_key(*name));
                match hidden.filter(|_| !shown.contains_key(ANYTHING)) {
                    Some(name) => Err(format!("at {at}/{name}: this is not shown")),
                    None => Ok(()),
                }
            }
            _ if shown == own => Ok(()),
            _ => Err(format!("at {at}: {shown} is shown, and it is {own}")),
        }
    }

    fn text(&mut self, shown: &str, own: &str, at: &str) -> Result<(), String> {
        let (mut pattern, mut end) = ("^".to_owned(), 0);
        let mut varying = Vec::new();
        for found in VARYING.captures_iter(shown) {
            let place = found.get_match();
            pattern.push_str(&regex::escape(&shown[end..place.start()]));
            end = place.end();
            pattern.push_str(&match &found {
                found if found.name("time").is_some() => format!("({TIME})"),
                found if found.name("id").is_some() => format!("({ID})"),
                _ => "(?s:(.*?))".to_owned(),
            });
            varying.push(found);
        }
        pattern.push_str(&regex::escape(&shown[end..]));
        pattern.push('$');
        let differs = || format!("at {at}: {shown:?} is shown, and it is {own:?}");
        let own = Regex::new(&pattern).unwrap().captures(own).ok_or_else(differs)?;
        for (place, found) in varying.iter().enumerate() {
            let (shown, own) = (&found[0], &own[place + 1]);
            let same = if found.name("time").is_some() {
                let (shown, own) = (millis(shown), millis(own));
                match self.planned.get(&shown) {
                    Some(planned) => *planned == own,
                    None => *self.happened.entry(shown).or_insert(own) == own,
                }
            } else {
                found.name("id").is_none()
                    || self.ids.entry(shown.to_owned()).or_insert_with(|| own.to_owned()) == own
            };
            if !same {
                return Err(format!("at {at}: {shown} was another one before, and it is {own}"));
            }
        }
        Ok(())
    }

    /// That the page's times have the order in which things happen.
    pub(crate) fn in_order(&self) -> Result<(), String> {
        let mut before = (&i64::MIN, &i64::MIN);
        for (page, own) in &self.happened {
            if own < before.1 {
                let page = [*before.0, *page].map(|page| Timestamp::from_millis(page).to_string());
                return Err(format!("{} and {} are in the wrong order", page[0], page[1]));
            }
            before = (page, own);
        }
        Ok(())
    }
}

fn millis(time: &str) -> i64 {
    Timestamp::parse(time).unwrap_or_else(|| panic!("{time} is no time")).as_millis()
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// JSON with each `…` outside of texts as the string that [`Reading::value`] knows.
fn spelled_out(shown: &str) -> String {
    let mut out = String::new();
    let (mut nesting, mut in_text, mut escaped) = (Vec::new(), false, false);
    // The last character that says something, to tell a name from a value.
    let mut before = ' ';
    for c in shown.chars() {
        match c {
            '"' if !escaped => in_text = !in_text,
            '{' | '[' if !in_text => nesting.push(c),
            '}' | ']' if !in_text => drop(nesting.pop()),
            _ => {}
        }
        if c == '…' && !in_text {
            let is_name = nesting.last() == Some(&'{') && before != ':';
            out.push_str(if is_name { "\"…\": \"…\"" } else { "\"…\"" });
        } else {
            out.push(c);
        }
        escaped = in_text && c == '\\' && !escaped;
        if !c.is_whitespace() {
            before = c;
        }
    }
    out
}

/// The comparison can fail.
#[test]
fn what_differs_is_found() {
    fn compare(shown: &str, own: &str) -> Result<(), String> {
        Reading::default().compare_json(shown, own)
    }
    for (shown, own) in [
        (r#"{"a": 1, …}"#, r#"{"a": 1, "b": 2}"#),
        (r#"{"a": …}"#, r#"{"a": {"b": 2}}"#),
        (r#"{"a": "…"}"#, r#"{"a": [1]}"#),
        (r#"[1, …]"#, "[1, 2, 3]"),
        (r#"[{"a": "x"}, …]"#, r#"[{"a": "x"}]"#),
        (r#""until … today""#, r#""until noon today""#),
        (
            r#"["2026-11-17T09:00:00Z", "2026-11-17T09:00:00.000Z"]"#,
            r#"["2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"]"#,
        ),
    ] {
        assert_eq!(compare(shown, own), Ok(()), "{shown} {own}");
    }
    for (shown, own) in [
        (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#),
        (r#"{"a": 1, "b": 2, …}"#, r#"{"a": 1}"#),
        (r#"{"a": 1, …}"#, r#"{"a": 2}"#),
        ("[1]", "[1, 2]"),
        ("[1, 2, …]", "[1]"),
        (r#""until … today""#, r#""until noon""#),
        (r#""2026-11-17T09:00:00Z""#, r#""soon""#),
        (
            r#"["2026-11-17T09:00:00Z", "2026-11-17T09:00:00Z"]"#,
            r#"["2027-01-01T00:00:00Z", "2027-01-01T00:00:01Z"]"#,
        ),
        ("1", "not JSON"),
    ] {
        assert!(compare(shown, own).is_err(), "{shown} {own}");
    }
}

/// A command names a time or an id of the page, and means the reader's.
#[test]
fn commands_are_told_with_the_readers_own() {
    let mut reading = Reading::default();
    let id = |digit: &str| digit.repeat(32);
    let shown = format!(r#"["2026-11-17T09:00:00Z", "2026-11-17T12:00:00Z", "{}"]"#, id("a"));
    let own = format!(r#"["2027-01-01T00:00:00Z", "2027-01-01T00:00:01Z", "{}"]"#, id("b"));
    reading.compare_json(&shown, &own).unwrap();
    assert_eq!(reading.put_into(&id("a")).unwrap(), id("b"));
    assert!(reading.put_into(&id("c")).is_err());
    assert_eq!(reading.put_into("at=2026-11-17T10:15:00Z").unwrap(), "at=2027-01-01T00:00:00Z");
    let future = reading.put_into("2026-11-18T12:00:00Z").unwrap();
    assert!(millis(&future) > now() + 86_000_000, "{future}");
    assert_eq!(reading.compare_json(r#""2026-11-18T12:00:00Z""#, &format!("{future:?}")), Ok(()));
    assert_eq!(reading.in_order(), Ok(()));
    let shown = r#"["2026-11-17T13:00:00Z"]"#;
    reading.compare_json(shown, r#"["2027-01-01T00:00:00.500Z"]"#).unwrap();
    assert!(reading.in_order().is_err());
}

//! A key in sentences, where only its letters tell that it is one.

use serde_json::Value;

use super::{MARKER, Subject};

impl Subject {
    /// Takes the key out of what a problem says in sentences; whether there was anything.
    pub(crate) fn redact_problem(&self, problem: &mut Value) -> bool {
        let mut touched = false;
        if let Value::Object(members) = problem {
            for (name, value) in members.iter_mut() {
                touched |= match (&**name, &mut *value) {
                    ("detail" | "message", Value::String(text)) => match self.redact_text(text) {
                        Some(redacted) => {
                            *text = redacted;
                            true
                        }
                        None => false,
                    },
                    ("errors", Value::Array(errors)) => {
                        let each = errors.iter_mut().map(|error| self.redact_problem(error));
                        each.fold(false, |any, one| any | one)
                    }
                    _ => false,
                };
            }
        }
        touched
    }

    /// Out of a sentence; where the key is there as a word of its own.
    pub(crate) fn redact_text(&self, text: &str) -> Option<String> {
        // What stands for a key that is gone already is no word.
        let parts = text.split(MARKER).map(|part| (self.replace_words(part), part));
        let parts: Vec<_> = parts.collect();
        let is_there = parts.iter().any(|(replaced, _)| replaced.is_some());
        let text = |(replaced, part): (Option<String>, &str)| replaced.unwrap_or(part.to_owned());
        is_there.then(|| parts.into_iter().map(text).collect::<Vec<_>>().join(MARKER))
    }

    fn replace_words(&self, text: &str) -> Option<String> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let mut redacted = String::new();
        let mut rest = 0;
        for (index, found) in text.match_indices(&*self.key) {
            let (before, after) = (text.get(..index)?, text.get(index + found.len()..)?);
            if before.ends_with(is_part) || after.starts_with(is_part) {
                continue;
            }
            redacted.push_str(text.get(rest..index)?);
            redacted.push_str(MARKER);
            rest = index + found.len();
        }
        redacted.push_str(text.get(rest..)?);
        (rest > 0).then_some(redacted)
    }

    /// Out of all texts of a document that was made for somebody to read; whether there was anything.
    pub(crate) fn redact_texts(&self, document: &mut Value) -> bool {
        match document {
            Value::String(text) => match self.redact_text(text) {
                Some(redacted) => {
                    *text = redacted;
                    true
                }
                None => false,
            },
            Value::Array(items) => {
                items.iter_mut().fold(false, |touched, item| touched | self.redact_texts(item))
            }
            Value::Object(members) => {
                members.values_mut().fold(false, |touched, item| touched | self.redact_texts(item))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_goes_from_the_sentences_of_a_problem() {
        let subject = Subject { kind: "user".into(), key: "invalid".into() };
        let error = |message| json!({"pointer": "/invalid", "code": "invalid", "message": message});
        let problem = |text| json!({"code": "invalid", "detail": text, "errors": [error(text)]});
        let mut said = problem("`invalid` is twice");
        assert!(subject.redact_problem(&mut said));
        assert_eq!(said, problem("`[erased]` is twice"));
        assert!(!subject.redact_problem(&mut said));
    }

    #[test]
    fn a_key_goes_from_a_sentence_as_a_word() {
        let subject = Subject { kind: "user".into(), key: "u-1".into() };
        let text = "asked by u-1, not u-17 or su-1 (u-1)";
        let expected = "asked by [erased], not u-17 or su-1 ([erased])";
        assert_eq!(subject.redact_text(text).unwrap(), expected);
        assert_eq!(subject.redact_text("u-17"), None);
        assert_eq!(subject.redact_text(""), None);
        for key in ["erased", "[erased", "]"] {
            let subject = Subject { kind: "user".into(), key: key.into() };
            let redacted = subject.redact_text(&format!("for [erased], and for {key}")).unwrap();
            assert_eq!(redacted, "for [erased], and for [erased]");
            assert_eq!(subject.redact_text(&redacted), None);
        }
    }
}

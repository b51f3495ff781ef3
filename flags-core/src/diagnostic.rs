//! What is wrong with a definition, where, and in which words.

use alloc::format;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_DIAGNOSTICS, MAX_POINTER_TOKEN_CHARS};

/// One problem of a definition.
///
/// `pointer` is a JSON pointer ([RFC 6901]) into the document that was checked, `code` a stable
/// identifier for programs, `message` a sentence for people.
///
/// ```
/// use flags_core::{FlagDefinition, check_flag};
///
/// let flag: FlagDefinition = serde_json::from_value(serde_json::json!({
///     "type": "boolean",
///     "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
///     "state": {"on": true, "off_variant": "of", "fallthrough": {"variant": "on"}},
/// }))?;
/// let problems = check_flag(&flag);
/// assert_eq!(problems[0].pointer, "/state/off_variant");
/// assert_eq!(problems[0].code, "unknown_variant");
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Where, as a JSON pointer; empty for the document as a whole.
    pub pointer: String,
    /// Which kind of problem, in `snake_case`; part of the API.
    pub code: String,
    /// The problem in words; not part of the API.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.pointer {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

/// Collects diagnostics while a document is walked.
///
/// Their pointers grow at the front while the walk comes back up: where nothing is wrong, which is
/// nearly everywhere, a pointer costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    found: alloc::vec::Vec<Diagnostic>,
}

impl Diagnostics {
    /// Runs `walk` one level deeper, at the member or element `token`.
    pub(crate) fn at<T>(
        &mut self,
        token: impl fmt::Display,
        walk: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = self.found.len();
        let result = walk(self);
        if let Some(deeper @ [_, ..]) = self.found.get_mut(before..) {
            let token = pointer_token(&token);
            deeper.iter_mut().for_each(|found| found.pointer.insert_str(0, &token));
        }
        result
    }

    /// Reports a problem where the walk stands.
    pub(crate) fn report(&mut self, code: &str, message: impl Into<String>) {
        if self.found.len() >= MAX_DIAGNOSTICS {
            return;
        }
        self.found.push(Diagnostic {
            pointer: String::new(),
            code: code.into(),
            message: message.into(),
        });
    }

    /// Takes over what was found elsewhere, as found where the walk stands.
    pub(crate) fn extend(&mut self, found: impl IntoIterator<Item = Diagnostic>) {
        let room = MAX_DIAGNOSTICS.saturating_sub(self.found.len());
        self.found.extend(found.into_iter().take(room));
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn into_vec(self) -> alloc::vec::Vec<Diagnostic> {
        self.found
    }
}

/// One step of a pointer, with the slash before it.
#[cold]
fn pointer_token(token: &impl fmt::Display) -> String {
    let token = format!("{token}");
    // A name is anything that a document may hold, and stands in many pointers.
    let (shown, cut) = match token.char_indices().nth(MAX_POINTER_TOKEN_CHARS) {
        Some((end, _)) => (token.get(..end).unwrap_or_default(), "…"),
        None => (&*token, ""),
    };
    format!("/{}{cut}", shown.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_nest_and_escape() {
        let mut diagnostics = Diagnostics::default();
        diagnostics.at("a/b", |d| {
            d.at(3, |d| d.at("~", |d| d.report("x", "y")));
            d.report("x", "between");
            d.at(4, |d| d.report("x", "y"));
        });
        diagnostics.report("x", "top");
        let found = diagnostics.into_vec();
        let pointers: alloc::vec::Vec<&str> = found.iter().map(|found| &*found.pointer).collect();
        assert_eq!(pointers, ["/a~1b/3/~0", "/a~1b", "/a~1b/4", ""]);
    }

    #[test]
    fn what_is_told_is_bounded() {
        let mut diagnostics = Diagnostics::default();
        let name = "ü".repeat(100_000);
        for _ in 0..2_000 {
            diagnostics.at(&name, |d| d.at("x", |d| d.report("x", "y")));
        }
        let found = diagnostics.into_vec();
        assert_eq!(found.len(), MAX_DIAGNOSTICS);
        let expected = alloc::format!("/{}…/x", "ü".repeat(MAX_POINTER_TOKEN_CHARS));
        assert_eq!(found[0].pointer, expected);
    }
}

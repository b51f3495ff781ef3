//! What people write for people to read: names, owners, tags, descriptions, reasons.

use flags_core::{Diagnostic, Text};

use super::fault::diagnostic;
use crate::limits::{MAX_DESCRIPTION_BYTES, MAX_NAME_BYTES, MAX_REASON_BYTES, MAX_TAG_BYTES};

/// The name of anything, and the owner of a flag.
pub(crate) const NAME: Text = Text::new(is_line, LINE).bytes(0, MAX_NAME_BYTES);

/// A tag of a flag.
pub(crate) const TAG: Text = Text::new(is_line, LINE).bytes(0, MAX_TAG_BYTES);

/// Why something is written.
pub(crate) const REASON: Text = Text::new(is_line, LINE).bytes(0, MAX_REASON_BYTES);

/// A reason that cannot be left out.
pub(crate) const WORDS: Text =
    Text::new(|text| is_line(text) && !is_blank(text), WITH_WORDS).bytes(1, MAX_REASON_BYTES);

/// What a flag is for.
pub(crate) const DESCRIPTION: Text = Text::new(is_text, LINES).bytes(0, MAX_DESCRIPTION_BYTES);

const LINE: &str = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$";
/// A line in which something stands that is neither a space nor what a line has not.
const WITH_WORDS: &str = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028-\u202f\u205f\u2066-\u2069\u3000][^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$";
const LINES: &str =
    r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$";

/// What is wrong with a text of this kind.
pub(crate) fn faults(
    pointer: &str,
    what: &str,
    kind: &Text,
    text: &str,
) -> impl Iterator<Item = Diagnostic> + use<> {
    let most = kind.most_bytes();
    let long = (text.len() > most)
        .then(|| diagnostic(pointer, "limit_exceeded", format!("{what} has at most {most} bytes")));
    let formless = (!kind.has_form(text))
        .then(|| diagnostic(pointer, "invalid_text", format!("{what} has no control characters")));
    long.into_iter().chain(formless)
}

/// Whether a text stays where it is shown: it moves no cursor, begins no line, and does not turn the
/// direction of what stands beside it.
fn is_line(text: &str) -> bool {
    !text.contains(breaks_out)
}

/// The same of a text that may have several lines, and tabs.
fn is_text(text: &str) -> bool {
    !text.contains(|char| breaks_out(char) && !matches!(char, '\n' | '\r' | '\t'))
}

/// Whether a text says nothing.
pub(crate) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Control characters, and what Unicode has like them for lines and directions.
pub(crate) fn breaks_out(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_stays_where_it_is_shown() {
        for (text, line, lines) in [
            ("", true, true),
            ("Ana's čaj, 50 % 🙂", true, true),
            ("שלום\u{200f}", true, true),
            ("a\nb\tc\r\n", false, true),
            ("a\0b", false, false),
            ("\u{1b}[2J", false, false),
            ("a\u{7f}", false, false),
            ("a\u{9b}2J", false, false),
            ("a\u{2028}b", false, false),
            ("a\u{202e}b", false, false),
            ("a\u{2066}b", false, false),
        ] {
            assert_eq!((is_line(text), is_text(text)), (line, lines), "{text:?}");
        }
    }
}

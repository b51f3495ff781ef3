//! What people write for people to read: names, owners, tags, descriptions, reasons.

use flags_core::Diagnostic;

use super::fault::diagnostic;
use crate::limits::{MAX_DESCRIPTION_BYTES, MAX_NAME_BYTES};

/// Whether a text stays where it is shown: it moves no cursor, begins no line, and does not turn the
/// direction of what stands beside it.
pub(crate) fn is_line(text: &str) -> bool {
    !text.contains(breaks_out)
}

/// The same of a text that may have several lines, and tabs.
pub(crate) fn is_text(text: &str) -> bool {
    !text.contains(|char| breaks_out(char) && !matches!(char, '\n' | '\r' | '\t'))
}

/// What is wrong with a `name` and a `description`.
pub(super) fn text_faults(name: Option<&str>, description: Option<&str>) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    for (pointer, what, text, maximum, is_right) in [
        ("/name", "a name", name, MAX_NAME_BYTES, is_line as fn(&str) -> bool),
        ("/description", "a description", description, MAX_DESCRIPTION_BYTES, is_text),
    ] {
        let text = text.unwrap_or_default();
        if text.len() > maximum {
            let message = format!("{what} has at most {maximum} bytes");
            faults.push(diagnostic(pointer, "limit_exceeded", message));
        }
        if !is_right(text) {
            let message = format!("{what} has no control characters");
            faults.push(diagnostic(pointer, "invalid_text", message));
        }
    }
    faults
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

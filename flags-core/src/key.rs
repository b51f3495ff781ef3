//! The grammar of keys and names, checked in one place.

use alloc::string::String;

use crate::limits::{MAX_CONTEXT_KEY_BYTES, MAX_KEY_BYTES, MAX_VARIANT_NAME_BYTES};

/// Whether `key` may name a flag, a segment, a project or an environment:
/// `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
///
/// ```
/// assert!(flags_core::is_key("new-checkout"));
/// assert!(!flags_core::is_key("-new"));
/// assert!(!flags_core::is_key("neu für alle"));
/// ```
#[must_use]
pub fn is_key(key: &str) -> bool {
    let mut bytes = key.bytes();
    key.len() <= MAX_KEY_BYTES
        && bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// The form in which two keys of one kind must differ: lower case, `.` and `-` as `_`.
///
/// Names derived from keys, such as environment variables, are then unique too.
///
/// ```
/// assert_eq!(flags_core::folded_key("New-Checkout.v2"), "new_checkout_v2");
/// ```
#[must_use]
pub fn folded_key(key: &str) -> String {
    key.chars()
        .map(|c| match c {
            '.' | '-' => '_',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

/// Whether `name` may name a variant: 1 to 128 bytes without control characters, not `.` or `..`.
///
/// ```
/// assert!(flags_core::is_variant_name("10%"));
/// assert!(!flags_core::is_variant_name(""));
/// ```
#[must_use]
pub fn is_variant_name(name: &str) -> bool {
    is_free_text(name, MAX_VARIANT_NAME_BYTES)
}

/// Whether `key` may identify a user, a tenant or any other context: 1 to 512 bytes without
/// control characters, not `.` or `..`.
///
/// ```
/// assert!(flags_core::is_context_key("ada@example.com"));
/// assert!(!flags_core::is_context_key(".."));
/// ```
#[must_use]
pub fn is_context_key(key: &str) -> bool {
    is_free_text(key, MAX_CONTEXT_KEY_BYTES)
}

fn is_free_text(text: &str, max_bytes: usize) -> bool {
    (1..=max_bytes).contains(&text.len())
        && text != "."
        && text != ".."
        && !text.chars().any(char::is_control)
}

/// Whether `kind` may name a kind of context: the grammar of keys without the dot, which
/// separates a kind from an attribute in `tenant.country`.
pub(crate) fn is_kind(kind: &str) -> bool {
    is_key(kind) && !kind.contains('.')
}

/// Whether `text` is a kind and the name of an attribute, such as `tenant.country`.
pub(crate) fn is_attribute(text: &str) -> bool {
    let parts = text.split_once('.');
    parts.is_some_and(|(kind, name)| is_kind(kind) && (1..=MAX_KEY_BYTES).contains(&name.len()))
}

/// Whether lots can be drawn for `text`: a kind, or an attribute.
pub(crate) fn is_unit(text: &str) -> bool {
    is_kind(text) || is_attribute(text)
}

/// Whether `name` may name an attribute that is stored: 1 to 128 bytes, not `key`, and nothing that
/// begins with `$`.
pub(crate) fn is_attribute_name(name: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&name.len()) && name != "key" && !name.starts_with('$')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn keys_follow_the_grammar_to_its_last_byte() {
        for good in ["a", "0", "A.b_c-d", &"x".repeat(128)] {
            assert!(is_key(good), "{good}");
        }
        for bad in ["", ".a", "_a", "-a", "a b", "a/b", "é", &"x".repeat(129)] {
            assert!(!is_key(bad), "{bad}");
        }
    }

    #[test]
    fn names_and_context_keys_are_free_text_within_their_length() {
        for good in ["10%", "ünïcode", "a b", "...", &"n".repeat(128)] {
            assert!(is_variant_name(good), "{good}");
            assert!(is_context_key(good), "{good}");
        }
        for bad in ["", ".", "..", "a\nb", "a\u{7f}", "\u{85}"] {
            assert!(!is_variant_name(bad), "{bad:?}");
            assert!(!is_context_key(bad), "{bad:?}");
        }
        assert!(!is_variant_name(&"n".repeat(129)));
        assert!(is_context_key(&"n".repeat(512)));
        assert!(!is_context_key(&format!("{}é", "n".repeat(511))));
    }
}

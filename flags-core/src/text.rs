//! What texts may be: how each kind of them is checked, beside how that is described.

use crate::condition::Version;
use crate::key::{
    is_attribute, is_attribute_name, is_context_key, is_key, is_kind, is_unit, is_variant_name,
};
use crate::limits::{
    MAX_CONTEXT_KEY_BYTES, MAX_CONTRACT_REFERENCE_BYTES, MAX_KEY_BYTES, MAX_VARIANT_NAME_BYTES,
    MAX_VERSION_BYTES,
};
use crate::time::Timestamp;

/// A kind of text: the function that checks it, and the same as a JSON Schema says it. That the two agree
/// is tested.
///
/// ```
/// use flags_core::Text;
///
/// assert!(Text::KEY.fits("new-checkout") && !Text::KEY.fits("new checkout"));
/// assert_eq!(Text::KEY.pattern(), "^[A-Za-z0-9][A-Za-z0-9._-]*$");
///
/// // A service that builds on the core has kinds of its own.
/// const COLOR: Text = Text::new(|text| text.bytes().all(|b| b.is_ascii_hexdigit()), "^[0-9A-Fa-f]*$")
///     .bytes(6, 6);
/// assert!(COLOR.fits("ff8800") && !COLOR.fits("ff88"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Text {
    form: fn(&str) -> bool,
    pattern: &'static str,
    format: &'static str,
    least_bytes: usize,
    most_bytes: usize,
    exceptions: &'static [&'static str],
}

impl Text {
    /// The key of a flag, a segment, a project, an environment or something that is sold, an option of a
    /// feature, and the id of a rule or an override.
    pub const KEY: Self = Self::new(is_key, "^[A-Za-z0-9][A-Za-z0-9._-]*$").bytes(1, MAX_KEY_BYTES);

    /// A kind of context, such as `tenant`: a key without a dot.
    pub const KIND: Self =
        Self::new(is_kind, "^[A-Za-z0-9][A-Za-z0-9_-]*$").bytes(1, MAX_KEY_BYTES);

    /// The key of a user, a tenant or any other context.
    pub const CONTEXT_KEY: Self =
        Self::new(is_context_key, PRINTABLE).bytes(1, MAX_CONTEXT_KEY_BYTES).except(DOTS);

    /// The name of a variant.
    pub const VARIANT_NAME: Self =
        Self::new(is_variant_name, PRINTABLE).bytes(1, MAX_VARIANT_NAME_BYTES).except(DOTS);

    /// A kind and the name of an attribute, such as `tenant.country`.
    pub const ATTRIBUTE: Self =
        Self::new(is_attribute, r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}\.[\s\S]{1,128}$")
            .bytes(3, 2 * MAX_KEY_BYTES + 1);

    /// What a split draws lots for: a kind, such as `tenant`, or an attribute.
    pub const UNIT: Self =
        Self::new(is_unit, r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}(\.[\s\S]{1,128})?$")
            .bytes(1, 2 * MAX_KEY_BYTES + 1);

    /// The name of an attribute of a stored tenant.
    pub const ATTRIBUTE_NAME: Self =
        Self::new(is_attribute_name, "^[^$]").bytes(1, MAX_KEY_BYTES).except(&["key"]);

    /// An instant in RFC 3339.
    pub const TIME: Self =
        Self::new(|text| Timestamp::parse(text).is_some(), "").written_as("date-time");

    /// What the operators of versions compare with.
    pub const VERSION: Self = Self::new(
        |text| Version::parse(text).is_some(),
        r"^[vV]?[0-9]+(\.[0-9]+){0,2}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$",
    )
    .bytes(1, MAX_VERSION_BYTES);

    /// Where an override of a contract is agreed, in one line.
    pub const CONTRACT_REFERENCE: Self =
        Self::new(|text| !text.contains(char::is_control), PRINTABLE)
            .bytes(1, MAX_CONTRACT_REFERENCE_BYTES);

    /// Texts of any length for which `form` holds; of those, `pattern` matches the same, by ECMA 262.
    #[must_use]
    pub const fn new(form: fn(&str) -> bool, pattern: &'static str) -> Self {
        let (least_bytes, most_bytes) = (0, usize::MAX);
        Self { form, pattern, format: "", least_bytes, most_bytes, exceptions: &[] }
    }

    /// Those of them that have from `least` to `most` bytes.
    #[must_use]
    pub const fn bytes(self, least: usize, most: usize) -> Self {
        Self { least_bytes: least, most_bytes: most, ..self }
    }

    /// Those of them that are none of `exceptions`.
    #[must_use]
    pub const fn except(self, exceptions: &'static [&'static str]) -> Self {
        Self { exceptions, ..self }
    }

    /// The same, which is a `format` that JSON Schema knows.
    #[must_use]
    pub const fn written_as(self, format: &'static str) -> Self {
        Self { format, ..self }
    }

    /// Whether `text` is of this kind.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        (self.least_bytes..=self.most_bytes).contains(&text.len())
            && !self.exceptions.contains(&text)
            && self.has_form(text)
    }

    /// Whether `text` is, but for its length and the exceptions.
    #[must_use]
    pub fn has_form(&self, text: &str) -> bool {
        (self.form)(text)
    }

    /// What such texts match; empty where nothing is said.
    #[must_use]
    pub const fn pattern(&self) -> &'static str {
        self.pattern
    }

    /// The format of JSON Schema that they have; empty where they have none.
    #[must_use]
    pub const fn format(&self) -> &'static str {
        self.format
    }

    /// How many bytes such a text has at least …
    #[must_use]
    pub const fn least_bytes(&self) -> usize {
        self.least_bytes
    }

    /// … and at most; `usize::MAX` where there is no limit.
    #[must_use]
    pub const fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    /// Texts of that form which are none.
    #[must_use]
    pub const fn exceptions(&self) -> &'static [&'static str] {
        self.exceptions
    }
}

/// Text without control characters.
const PRINTABLE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

/// What names nothing in a path.
const DOTS: &[&str] = &[".", ".."];

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use proptest::prelude::*;

    use super::*;

    /// Kinds of texts with texts that are nearly of that kind.
    const KINDS: [(Text, &str); 9] = [
        (Text::KEY, r"[A-Za-z0-9._-]{0,3}[A-Za-z0-9._ é\n-]?[A-Za-z0-9]{0,126}"),
        (Text::KIND, r"[A-Za-z0-9_-]{0,3}[A-Za-z0-9._ é\n-]?[A-Za-z0-9]{0,126}"),
        (Text::CONTEXT_KEY, r"[a.\x00-\xa0\u{2028}]{0,4}(x{508,512})?"),
        (Text::VARIANT_NAME, r"[a.\x00-\xa0\u{2028}]{0,4}(x{124,128})?"),
        (Text::CONTRACT_REFERENCE, r"[a.\x00-\xa0\u{2028}]{0,4}(x{196,200})?"),
        (Text::ATTRIBUTE, r"[A-Za-z_-]{0,3}(a{125,128})?[.é]?[a.$\n]{0,2}(b{125,128})?"),
        (Text::UNIT, r"[A-Za-z_-]{0,3}(a{125,128})?[.é]?[a.$\n]{0,2}(b{125,128})?"),
        (Text::ATTRIBUTE_NAME, r"key|[$ke\n]{0,4}(y{123,128})?"),
        (Text::VERSION, r"[vV]?([0-9]{0,2}[.+-]?){0,4}([a-z0-9-]{1,2}[.+]?){0,3}(0{250,256})?"),
    ];

    /// The same as a schema says it, in characters.
    fn described(kind: &Text, text: &str) -> bool {
        let pattern = regex::Regex::new(kind.pattern()).unwrap();
        (kind.least_bytes()..=kind.most_bytes()).contains(&text.chars().count())
            && !kind.exceptions().contains(&text)
            && pattern.is_match(text)
    }

    /// Lengths are checked in bytes, of which a text may have more than characters.
    fn agrees(kind: &Text, text: &str) -> Result<(), TestCaseError> {
        let (described, fits) = (described(kind, text), kind.fits(text));
        let same = if text.is_ascii() || text.len() <= 128 {
            described == fits
        } else {
            described || !fits
        };
        prop_assert!(
            same,
            "{:?}: {text:?} is described: {described}, fits: {fits}",
            kind.pattern()
        );
        Ok(())
    }

    fn texts(
        of: impl Fn(&Text, &'static str) -> BoxedStrategy<String>,
    ) -> impl Strategy<Value = (Text, String)> {
        let each = KINDS.map(|(kind, near)| (Just(kind), of(&kind, near)).boxed());
        proptest::strategy::Union::new(each)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_is_nearly_of_a_kind_is_described_as_it_is_checked(
            (kind, text) in texts(|_, near| prop_oneof![4 => near, 1 => any::<String>()].boxed())
        ) {
            agrees(&kind, &text)?;
        }

        #[test]
        fn what_a_pattern_matches_is_described_as_it_is_checked(
            (kind, text) in texts(|kind, _| {
                let pattern = kind.pattern().trim_start_matches('^').trim_end_matches('$');
                proptest::string::string_regex(pattern).unwrap().boxed()
            })
        ) {
            agrees(&kind, &text)?;
        }
    }

    #[test]
    fn each_kind_has_texts_and_others() {
        for (kind, good, bad) in [
            (Text::KEY, "a.b", "a b"),
            (Text::KIND, "tenant", "a.b"),
            (Text::CONTEXT_KEY, "...", ".."),
            (Text::VARIANT_NAME, "10 %", "a\n"),
            (Text::CONTRACT_REFERENCE, "..", ""),
            (Text::ATTRIBUTE, "tenant.a.b\n", "tenant"),
            (Text::UNIT, "tenant", "tenant."),
            (Text::ATTRIBUTE_NAME, "keys", "key"),
            (Text::TIME, "2026-11-20T12:00:00Z", "2026-11-20"),
            (Text::VERSION, "v1.2-rc.1+b", "1.2.3.4"),
        ] {
            assert!(kind.fits(good) && !kind.fits(bad), "{}", kind.pattern());
        }
    }
}

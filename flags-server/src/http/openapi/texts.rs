//! That texts of requests are described as they are checked.

use flags_core::Text;
use jsonschema::Validator;
use proptest::prelude::*;
use proptest::string::string_regex;

use crate::http::audit::ACTOR;
use crate::http::sdk_telemetry::INSTANCE_NAME;
use crate::schema;
use crate::service::audit::ACTION;
use crate::service::erase::ERASABLE;
use crate::service::text::{DESCRIPTION, NAME, REASON, TAG, WORDS};

/// Kinds of texts, with texts that are nearly of that kind.
const KINDS: [(Text, &str); 11] = [
    (NAME, r"[a\x00-\xa0\u{2020}-\u{2070}]{0,3}(x{196,200})?"),
    (TAG, r"[a\x00-\xa0\u{2020}-\u{2070}]{0,3}(x{60,64})?"),
    (REASON, r"[a\x00-\xa0\u{2020}-\u{2070}]{0,3}(x{996,1000})?"),
    (WORDS, r"[a \x00-\xa0\u{1680}\u{2000}-\u{2070}\u{3000}\u{feff}]{0,3}(x{996,1000})?"),
    (DESCRIPTION, r"[a\n\r\t\x00-\xa0\u{2020}-\u{2070}]{0,3}(x{9996,10000})?"),
    (INSTANCE_NAME, r"[ -~é]{0,2}(x{62,64})?"),
    (ERASABLE, r"\[erased\]|\.{0,3}|[a\x00-\xa0]{0,3}(x{508,512})?"),
    (
        ACTOR,
        r"server|operator|[0-9a-g]{31,33}|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    ),
    (ACTION, r"[a-z_]{1,3}[.]?[a-z_]{0,3}|erase|prune|restore|restored"),
    (
        Text::TIME,
        r"[0-2][0-9]{3}-[01][0-9]-[0-3][0-9][T ]?[0-2][0-9]:[0-6][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:?[0-6][0-9])?",
    ),
    (Text::VERSION, r"[vV]?([0-9]{0,2}[.+-]?){0,4}([a-z0-9-]{1,2}[.+]?){0,3}(0{250,256})?"),
];

fn validator(kind: &Text) -> Validator {
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options.build(&schema::text(kind).to_value()).unwrap()
}

/// Lengths are checked in bytes, of which a text may have more than characters.
fn agrees(kind: &Text, text: &str) -> Result<(), TestCaseError> {
    let (described, fits) = (validator(kind).is_valid(&text.into()), kind.fits(text));
    let is_exact = text.is_ascii() || text.len() <= kind.most_bytes();
    let same = if is_exact { described == fits } else { described || !fits };
    prop_assert!(same, "{kind:?}: {text:?} is described: {described}, fits: {fits}");
    Ok(())
}

fn texts(
    of: impl Fn(&Text, &'static str) -> BoxedStrategy<String>,
) -> impl Strategy<Value = (Text, String)> {
    proptest::strategy::Union::new(KINDS.map(|(kind, near)| (Just(kind), of(&kind, near)).boxed()))
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
        (kind, text) in texts(|kind, near| match kind.pattern().strip_prefix('^') {
            Some(pattern) => string_regex(pattern.trim_end_matches('$')).unwrap().boxed(),
            None => near.boxed(),
        })
    ) {
        agrees(&kind, &text)?;
    }
}

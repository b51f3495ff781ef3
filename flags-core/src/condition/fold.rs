//! Ignoring case: Unicode simple case folding, character by character, so that nothing has to be
//! stored while evaluating.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use core::hash::Hasher;

use hashbrown::HashTable;
use icu_casemap::CaseMapper;
use siphasher::sip::SipHasher13;

/// The character that CaseFolding.txt gives with status C or S, or the character itself.
#[inline]
pub(crate) fn fold(c: char) -> char {
    if c.is_ascii() { c.to_ascii_lowercase() } else { CaseMapper::new().simple_fold(c) }
}

pub(crate) fn folded(text: &str) -> impl DoubleEndedIterator<Item = char> {
    text.chars().map(fold)
}

pub(crate) fn to_folded(text: &str) -> Box<str> {
    folded(text).collect::<String>().into()
}

/// Texts that are looked up by their folded form, in one probe.
#[derive(Debug, Default)]
pub(crate) struct FoldedSet {
    texts: HashTable<Box<str>>,
    /// The most characters of a text in the set: of a longer one no more is read.
    longest: usize,
}

impl FoldedSet {
    /// Adds a text, unless one with the same folded form is there.
    pub(crate) fn insert(&mut self, text: &str) {
        if !self.contains(text) {
            let text = to_folded(text);
            self.longest = self.longest.max(text.chars().count());
            let hash = hash(&text, usize::MAX).unwrap_or_default();
            self.texts.insert_unique(hash, text, |t| self::hash(t, usize::MAX).unwrap_or_default());
        }
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        hash(text, self.longest).is_some_and(|hash| {
            self.texts.find(hash, |known| known.chars().eq(folded(text))).is_some()
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The folded forms, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }
}

/// The hash of the folded form, `None` for more than `longest` characters.
fn hash(text: &str, longest: usize) -> Option<u64> {
    let mut hasher = SipHasher13::new();
    for (index, c) in folded(text).enumerate() {
        if index >= longest {
            return None;
        }
        hasher.write_u32(c.into());
    }
    Some(hasher.finish())
}

/// A text that is looked for within others after folding, in time linear in the other's length
/// whatever they are (Knuth, Morris, Pratt).
#[derive(Debug)]
pub(crate) struct Needle {
    /// Folded.
    text: Box<str>,
    /// Its characters, each with how many characters before it begin the needle again: where to
    /// go on when the next one differs.
    chars: Box<[(char, u32)]>,
}

impl Needle {
    pub(crate) fn new(text: &str) -> Self {
        let text = to_folded(text);
        let mut chars = vec![('\0', 0); text.chars().count()].into_boxed_slice();
        let mut matched = 0;
        for (index, c) in text.chars().enumerate() {
            if let Some(entry) = chars.get_mut(index) {
                *entry = (c, matched);
            }
            if index > 0 {
                matched = advance(&chars, matched, c);
            }
        }
        Self { text, chars }
    }

    /// The folded form.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        let mut matched = 0;
        self.chars.is_empty()
            || folded(text).any(|c| {
                matched = advance(&self.chars, matched, c);
                matched as usize == self.chars.len()
            })
    }
}

/// How many characters of the needle match after `c`, where `matched` did before it.
#[inline]
fn advance(needle: &[(char, u32)], mut matched: u32, c: char) -> u32 {
    loop {
        match needle.get(matched as usize) {
            Some((expected, _)) if *expected == c => return matched + 1,
            Some((_, before)) if matched > 0 => matched = *before,
            _ => return 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// Another version of Unicode changes what equals what: say which, in docs/semantics.md and in
    /// the changelog.
    #[test]
    fn the_table_is_that_of_unicode_18() {
        let folding = ('\0'..=char::MAX).filter(|c| fold(*c) != *c);
        assert_eq!(folding.count(), 1_533);
        let hash = ('\0'..=char::MAX).fold(SipHasher13::new(), |mut hasher, c| {
            hasher.write_u32(fold(c).into());
            hasher
        });
        assert_eq!(hash.finish(), 6_539_538_606_760_863_243);
    }

    /// regex-syntax has the classes of characters that fold alike in a table of its own.
    #[test]
    fn what_folds_alike_is_what_regex_syntax_says() {
        use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
        let bicameral = ('\0'..='\u{2FFF}')
            .chain('\u{A640}'..='\u{ABFF}')
            .chain('\u{FB00}'..='\u{FFFF}')
            .chain('\u{10400}'..='\u{10FFF}')
            .chain('\u{118A0}'..='\u{118DF}')
            .chain('\u{16E40}'..='\u{16E7F}')
            .chain('\u{1E900}'..='\u{1E9FF}');
        let mut later = Vec::new();
        for c in bicameral {
            let mut alike = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
            alike.case_fold_simple();
            for range in alike.iter() {
                for other in range.start()..=range.end() {
                    assert_eq!(fold(c), fold(other), "{c} {other}");
                }
            }
            let holds_its_folding = alike.iter().any(|r| (r.start()..=r.end()).contains(&fold(c)));
            if !holds_its_folding {
                later.push(c);
            }
        }
        // Its Unicode is 16.0: these came with 17.0 and 18.0.
        assert_eq!(
            later.into_iter().collect::<String>(),
            "\u{A7CE}\u{A7D2}\u{A7D4}\u{A7DD}\u{A7E2}\u{AB6C}\u{AB6D}"
        );
    }

    #[test]
    fn folding_is_simple_and_has_no_language() {
        for (from, to) in [
            ("STRASSE", "strasse"),
            ("Straße", "straße"),
            ("ẞ", "ß"),
            ("İIıi", "İiıi"),
            ("ΣΑΣς", "σασσ"),
            ("\u{212A}", "k"),
            ("ꭰᏸ", "ᎠᏰ"),
            ("Ǆǅǆ", "ǆǆǆ"),
            ("ﬁ", "ﬁ"),
        ] {
            assert_eq!(&*to_folded(from), to);
        }
    }

    #[test]
    fn a_set_knows_a_text_in_any_case() {
        let mut set = FoldedSet::default();
        for text in ["Größe", "GRÖSSE", "größe", "", "\u{212A}"] {
            set.insert(text);
        }
        assert_eq!(set.iter().count(), 4);
        for (text, is_there) in [
            ("GRÖẞE", true),
            ("grösse", true),
            ("k", true),
            ("", true),
            ("grö", false),
            ("kk", false),
        ] {
            assert_eq!(set.contains(text), is_there, "{text}");
        }
        assert!(!FoldedSet::default().contains(""));
    }

    proptest! {
        #[test]
        fn a_needle_is_found_where_the_folded_text_contains_it(
            needle in "[abAB]{0,6}|[aä]{0,3}",
            text in "[abABäÄ]{0,24}",
        ) {
            let expected = to_folded(&text).contains(&*to_folded(&needle));
            prop_assert_eq!(Needle::new(&needle).is_in(&text), expected);
        }
    }
}

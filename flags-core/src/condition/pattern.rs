//! Patterns as dense automata: a search neither allocates nor locks, and takes time linear in the
//! text. What they cost is paid when they are built, under limits.
//!
//! Classes are ASCII whatever the host's other crates turn on (Unicode's `\w` alone takes 343 KB),
//! but a pattern works on characters: what would match a byte of one matches the whole of it.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::{Input, MatchKind};
use regex_syntax::ast::{self, Ast};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{
    self, Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition,
};

use crate::limits::{
    MAX_PATTERN_AUTOMATON_BYTES, MAX_PATTERN_BUILD_BYTES, MAX_PATTERN_BYTES, MAX_PATTERN_DEPTH,
    MAX_PATTERN_PROGRAM_BYTES,
};

#[derive(Debug)]
pub(crate) struct Pattern {
    text: Box<str>,
    automaton: dense::DFA<Vec<u32>>,
    /// What it came to while it was built, the automaton included.
    built_bytes: usize,
}

/// Why a pattern is not one for us, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotAPattern {
    Wrong(String),
    TooLarge(String),
}

impl Pattern {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn built_bytes(&self) -> usize {
        self.built_bytes
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        // The automaton gives up on nothing: it has no byte to quit at, and starts unanchored.
        matches!(self.automaton.try_search_fwd(&Input::new(text).earliest(true)), Ok(Some(_)))
    }
}

/// A pattern that is understood, before the costly part.
pub(crate) struct Parsed<'t> {
    text: &'t str,
    hir: Hir,
}

impl<'t> Parsed<'t> {
    pub(crate) fn new(text: &'t str) -> Result<Self, NotAPattern> {
        if text.len() > MAX_PATTERN_BYTES {
            let message = format!("a pattern is at most {MAX_PATTERN_BYTES} bytes");
            return Err(NotAPattern::TooLarge(message));
        }
        let mut parser = ast::parse::ParserBuilder::new();
        let ast = parser.nest_limit(MAX_PATTERN_DEPTH).build().parse(text).map_err(|error| {
            if matches!(error.kind(), ast::ErrorKind::NestLimitExceeded(_)) {
                let message = format!("a pattern nests at most {MAX_PATTERN_DEPTH} deep");
                return NotAPattern::TooLarge(message);
            }
            wrong(error.kind(), error.span())
        })?;
        ast::visit(&ast, OnlyOurs)?;
        let mut translator = TranslatorBuilder::new().unicode(false).utf8(false).build();
        let hir = translator.translate(text, &ast).map_err(|error| match error.kind() {
            hir::ErrorKind::UnicodeNotAllowed => wrong(
                "`[…]` holds ASCII characters only, write `(ä|ö)`, and there is no `\\p`",
                error.span(),
            ),
            kind => wrong(kind, error.span()),
        })?;
        Ok(Self { text, hir: of_characters(hir)? })
    }

    pub(crate) fn build(self) -> Result<Pattern, NotAPattern> {
        let too_large = || {
            NotAPattern::TooLarge(
                "the pattern is too costly: fewer or smaller repetitions make it cheaper".into(),
            )
        };
        let nfa = thompson::Config::new()
            .utf8(false)
            .which_captures(thompson::WhichCaptures::None)
            .nfa_size_limit(Some(MAX_PATTERN_PROGRAM_BYTES));
        let nfa = thompson::Compiler::new()
            .configure(nfa)
            .build_from_hir(&self.hir)
            .map_err(|_| too_large())?;
        let dfa = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            // Whether there is a match is asked, not where: any will do, the earliest.
            .match_kind(MatchKind::All)
            .dfa_size_limit(Some(MAX_PATTERN_AUTOMATON_BYTES))
            .determinize_size_limit(Some(MAX_PATTERN_BUILD_BYTES));
        let automaton =
            dense::Builder::new().configure(dfa).build_from_nfa(&nfa).map_err(|_| too_large())?;
        let built_bytes = nfa.memory_usage() + automaton.memory_usage();
        Ok(Pattern { text: self.text.into(), automaton, built_bytes })
    }
}

fn wrong(what: impl core::fmt::Display, span: &ast::Span) -> NotAPattern {
    NotAPattern::Wrong(format!("{what} (at byte {})", span.start.offset))
}

/// Refuses what would make a match depend on Unicode's tables, or on bytes.
struct OnlyOurs;

impl OnlyOurs {
    fn flags(flags: &ast::Flags) -> Result<(), NotAPattern> {
        let is_unicode =
            |item: &&ast::FlagsItem| item.kind == ast::FlagsItemKind::Flag(ast::Flag::Unicode);
        match flags.items.iter().find(is_unicode) {
            Some(item) => Err(wrong("there is no flag `u`: classes are ASCII", &item.span)),
            None => Ok(()),
        }
    }

    fn literal(literal: &ast::Literal) -> Result<(), NotAPattern> {
        if literal.byte().is_some_and(|byte| !byte.is_ascii()) {
            let what = "a pattern works on characters, not on bytes: write `\\u{…}`";
            return Err(wrong(what, &literal.span));
        }
        Ok(())
    }
}

impl ast::Visitor for OnlyOurs {
    type Output = ();
    type Err = NotAPattern;

    fn finish(self) -> Result<(), NotAPattern> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), NotAPattern> {
        match ast {
            Ast::Flags(set) => Self::flags(&set.flags),
            Ast::Group(group) => group.flags().map_or(Ok(()), Self::flags),
            Ast::Literal(literal) => Self::literal(literal),
            Ast::Assertion(assertion) => match assertion.kind {
                // True between the bytes of a character, where there is nothing.
                ast::AssertionKind::NotWordBoundary
                | ast::AssertionKind::WordBoundaryStartHalf
                | ast::AssertionKind::WordBoundaryEndHalf => {
                    Err(wrong("there is no `\\B`, nor halves of `\\b`", &assertion.span))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), NotAPattern> {
        match item {
            ast::ClassSetItem::Literal(literal) => Self::literal(literal),
            ast::ClassSetItem::Range(range) => {
                Self::literal(&range.start)?;
                Self::literal(&range.end)
            }
            _ => Ok(()),
        }
    }
}

/// Puts characters for bytes. A class that holds a byte beyond ASCII comes of a `.` or a negation,
/// and so holds all of them: it stands for every character beyond ASCII.
///
/// Recursion is bounded by the depth that parsing allows.
fn of_characters(hir: Hir) -> Result<Hir, NotAPattern> {
    let all = |hirs: Vec<Hir>| hirs.into_iter().map(of_characters).collect::<Result<Vec<_>, _>>();
    Ok(match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(Class::Bytes(bytes)) if !bytes.is_ascii() => {
            let ascii = bytes.iter().filter(|range| range.start() <= 0x7F).map(|range| {
                ClassUnicodeRange::new(range.start().into(), range.end().min(0x7F).into())
            });
            let beyond = ClassUnicodeRange::new('\u{80}', char::MAX);
            let ranges = ascii.chain(core::iter::once(beyond));
            Hir::class(Class::Unicode(ClassUnicode::new(ranges)))
        }
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(
            look @ (Look::Start
            | Look::End
            | Look::StartLF
            | Look::EndLF
            | Look::StartCRLF
            | Look::EndCRLF
            | Look::WordAscii
            | Look::WordStartAscii
            | Look::WordEndAscii),
        ) => Hir::look(look),
        HirKind::Look(look) => {
            return Err(NotAPattern::Wrong(format!("`{}` is not supported", look.as_char())));
        }
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(of_characters(*repetition.sub)?),
            ..repetition
        }),
        HirKind::Capture(capture) => of_characters(*capture.sub)?,
        HirKind::Concat(parts) => Hir::concat(all(parts)?),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)?),
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    /// Patterns of every construct that the rewriting to characters touches.
    fn patterns() -> impl Strategy<Value = String> {
        const ATOMS: [&str; 20] = [
            "a",
            "b",
            "ö",
            "€",
            "_",
            ".",
            "(?s:.)",
            "[^a]",
            "[^ab]",
            "[a-z]",
            "[^a&&[^b]]",
            r"\w",
            r"\W",
            r"\s",
            r"\S",
            r"\d",
            r"\D",
            r"\b",
            "^",
            "$",
        ];
        prop::sample::select(&ATOMS).prop_map(String::from).prop_recursive(4, 12, 3, |inner| {
            const REPEAT: [&str; 5] = ["*", "+", "?", "{2}", "{1,3}"];
            prop_oneof![
                4 => prop::collection::vec(inner.clone(), 1..4).prop_map(|all| all.concat()),
                1 => prop::collection::vec(inner.clone(), 1..4)
                    .prop_map(|any| format!("(?:{})", any.join("|"))),
                1 => (inner.clone(), prop::sample::select(&REPEAT))
                    .prop_map(|(inner, repeat)| format!("(?:{inner}){repeat}")),
                1 => inner.prop_map(|inner| format!("(?i:{inner})")),
            ]
        })
    }

    /// The same for the crate regex, which knows characters but has classes of Unicode.
    fn with_ascii_classes(pattern: &str) -> regex::Regex {
        let ascii = [
            (r"\w", "[0-9A-Za-z_]"),
            (r"\W", "[^0-9A-Za-z_]"),
            (r"\s", r"[\t\n\x0B\f\r ]"),
            (r"\S", r"[^\t\n\x0B\f\r ]"),
            (r"\d", "[0-9]"),
            (r"\D", "[^0-9]"),
            (r"\b", r"(?-u:\b)"),
        ];
        let pattern = ascii.iter().fold(pattern.to_string(), |p, (from, to)| p.replace(from, to));
        regex::Regex::new(&pattern).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn the_crate_regex_agrees_on_characters(
            text in patterns(),
            attributes in prop::collection::vec("[abA_1 ö€\n🦀]{0,6}", 8),
        ) {
            let ours = match pattern(&text) {
                // Repetitions of whole characters add up.
                Err(NotAPattern::TooLarge(_)) => return Ok(()),
                ours => ours.unwrap(),
            };
            let oracle = with_ascii_classes(&text);
            for attribute in &attributes {
                let expected = oracle.is_match(attribute);
                prop_assert_eq!(ours.is_in(attribute), expected, "{} in {:?}", text, attribute);
            }
        }
    }

    fn pattern(text: &str) -> Result<Pattern, NotAPattern> {
        Parsed::new(text)?.build()
    }

    #[test]
    fn patterns_work_on_characters_with_ascii_classes() {
        for (text, attribute, expected) in [
            ("b", "abc", true),
            ("^b", "abc", false),
            ("", "", true),
            ("^$", "", true),
            ("^.$", "ö", true),
            ("^.$", "öö", false),
            ("^.{2}$", "ö€", true),
            ("^.$", "\n", false),
            ("(?s)^.$", "\n", true),
            ("^[^a]$", "€", true),
            ("^[^a]$", "a", false),
            ("^(?:[^a]|a)$", "🦀", true),
            ("^[^a&&[^b]]$", "ß", true),
            ("^[[^a]&&b]$", "ß", false),
            (r"^\W$", "ö", true),
            (r"^\w$", "ö", false),
            (r"^\S+\s\D$", "ö ö", true),
            (r"\d", "٣", false),
            (r"\s", "\u{A0}", false),
            ("ö+$", "aöö", true),
            ("^(ä|ö)$", "ö", true),
            ("(?i)ÄB", "äb", false),
            ("(?i)ÄB", "Äb", true),
            ("(?i)k", "\u{212A}", false),
            ("(?i)[k-s]", "ſ", false),
            (r"\u{F6}", "ö", true),
            (r"\bö\b", "ö", false),
            (r"\ba\b", "öaö", true),
            (r"\<a\>", "öaö", true),
            ("a$", "a\n", false),
            ("(?m)a$", "a\nb", true),
            ("(?mR)a$", "a\r\nb", true),
            ("(?x) a b # ab", "ab", true),
            ("(?P<name>a)(?<other>b)", "ab", true),
            ("[^\\s\\S]", "a", false),
            ("a{0}", "", true),
        ] {
            assert_eq!(pattern(text).unwrap().is_in(attribute), expected, "{text} in {attribute}");
        }
    }

    #[test]
    fn what_is_refused_is_refused_in_words() {
        for (text, message) in [
            ("a(", "unclosed group (at byte 1)"),
            (
                "[ä]",
                "`[…]` holds ASCII characters only, write `(ä|ö)`, and there is no `\\p` (at byte 1)",
            ),
            (
                r"\pL",
                "`[…]` holds ASCII characters only, write `(ä|ö)`, and there is no `\\p` (at byte 0)",
            ),
            (
                r"[\p{Greek}]",
                "`[…]` holds ASCII characters only, write `(ä|ö)`, and there is no `\\p` (at byte 1)",
            ),
            ("(?u)a", "there is no flag `u`: classes are ASCII (at byte 2)"),
            ("(?-u:a)", "there is no flag `u`: classes are ASCII (at byte 3)"),
            (r"\xFF", "a pattern works on characters, not on bytes: write `\\u{…}` (at byte 0)"),
            (
                r"[\x00-\xFF]",
                "a pattern works on characters, not on bytes: write `\\u{…}` (at byte 6)",
            ),
            (r"a\B", "there is no `\\B`, nor halves of `\\b` (at byte 1)"),
            (r"\b{start-half}", "there is no `\\B`, nor halves of `\\b` (at byte 0)"),
            (r"(a)\1", "backreferences are not supported (at byte 3)"),
            (
                "(?=a)",
                "look-around, including look-ahead and look-behind, is not supported (at byte 0)",
            ),
        ] {
            assert_eq!(
                pattern(text).unwrap_err(),
                NotAPattern::Wrong(message.to_string()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_costs_too_much_is_refused_by_its_limit() {
        let deep = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(pattern(&deep(30)).is_ok());
        for text in [
            deep(40),
            deep(250),
            "a".repeat(513),
            "a".repeat(10_000_000),
            "(a{1000}){1000}".into(),
            "[a-z]{500}.*{500}".into(),
            "(a|b)*a(a|b){14}".into(),
            ".{1,100}x.{1,100}y".into(),
            "x{100}{100}{100}{100}{100}".into(),
        ] {
            let refused = pattern(&text);
            let shown: String = text.chars().take(40).collect();
            assert!(matches!(refused, Err(NotAPattern::TooLarge(_))), "{shown}: {refused:?}");
        }
    }
}

//! Texts that the operators are near to; the generator varies them.

pub(crate) const CONTEXT_KEYS: [&str; 6] = ["acme", "globex", "initech", "größe", "u-1", "10%"];

pub(crate) const WORDS: [&str; 17] = [
    "",
    "a",
    "ab",
    "abc",
    "b",
    "DE",
    "de",
    "De",
    "ö",
    "größe",
    "GRÖẞE",
    "GRÖSSE",
    "k",
    "\u{212A}",
    "ΟΔΟΣ",
    "οδος",
    "xDEx größe",
];

pub(crate) const DATES: [&str; 12] = [
    "2025-12-31T23:59:59.9999Z",
    "2026-01-01T00:00:00Z",
    "2026-01-01t01:00:01+01:00",
    "2026-01-01T00:00:01.0009z",
    "1969-12-31T23:59:59.9999Z",
    "2016-12-31T23:59:60Z",
    "now",
    "2026-01-01",
    "2026-01-01T00:00:00+0100",
    "2026-02-29T00:00:00Z",
    "2024-02-29T00:00:00-23:59",
    "2026-01-01 00:00:00Z",
];

pub(crate) const VERSIONS: [&str; 14] = [
    "1",
    "v1.0.0+b",
    "1.0.0-rc.1",
    "1-rc.02",
    "1.0.0-rc.x",
    "1.0.0--",
    "1.10",
    "0.9.1",
    "2026.01.05",
    "",
    "1.0.0.0",
    "1.0-",
    "latest",
    "V2-a+a",
];

pub(crate) const ADDRESSES: [&str; 9] = [
    "10.0.0.0",
    "10.1.2.3",
    "::ffff:10.1.2.3",
    "::1",
    "2001:db8::ffff",
    "11.0.0.0",
    "10.1",
    "fe80::1%eth0",
    "10.1.2.3/32",
];

pub(crate) const NETWORKS: [&str; 12] = [
    "10.0.0.0/8",
    "10.1.2.3",
    "10.1.2.2/31",
    "0.0.0.0/0",
    "::ffff:10.0.0.0/104",
    "::/0",
    "::/127",
    "2001:db8::/112",
    "::1",
    "10.1.2.3/8",
    "::ffff:0:0/95",
    "10.0.0.0/33",
];

/// What patterns are made of that the oracle can rewrite for the crate regex.
pub(crate) const PATTERN_ATOMS: [&str; 18] = [
    "a", "b", "ö", ".", "^", "$", "[^a]", "[a-z0-9]", r"\w", r"\W", r"\d", r"\D", r"\s", r"\b",
    "-", "(?s:.)", r"\.", "[^ab]",
];

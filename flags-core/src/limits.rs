//! Every bound the core enforces, with its unit.

/// Longest key of a flag, segment, project or environment, in bytes.
pub const MAX_KEY_BYTES: usize = 128;

/// Longest variant name, in bytes.
pub const MAX_VARIANT_NAME_BYTES: usize = 128;

/// Longest key of a user, a tenant or any other kind of context, in bytes.
pub const MAX_CONTEXT_KEY_BYTES: usize = 512;

/// Longest string attribute, in bytes; a longer one is *unknown* to every condition.
pub const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024;

/// Most elements of a list attribute; a longer list is *unknown* to every condition.
pub const MAX_LIST_ELEMENTS: usize = 1_000;

/// Most values of `starts_with`, `ends_with` and `contains`, which are tried one by one.
pub const MAX_TEXT_VALUES: usize = 1_000;

/// How deep `all`, `any` and `not` may nest, in groups.
pub const MAX_CONDITION_DEPTH: usize = 8;

/// Most rules of one flag.
pub const MAX_RULES: usize = 100;

/// Most variants of one flag.
pub const MAX_VARIANTS: usize = 256;

/// Most prerequisites that one flag names itself.
pub const MAX_PREREQUISITES: usize = 32;

/// Longest chain of prerequisites below one flag, in flags.
pub const MAX_PREREQUISITE_DEPTH: usize = 16;

/// Most flags evaluated for one answer: the flag asked for and its prerequisites, counted each
/// time one is asked.
pub const MAX_FLAGS_PER_ANSWER: u32 = 256;

/// Most diagnostics of one document; what is wrong beyond is not told.
pub const MAX_DIAGNOSTICS: usize = 1_000;

/// Most characters of one name in the pointer of a diagnostic; the rest is `…`.
pub(crate) const MAX_POINTER_TOKEN_CHARS: usize = 200;

/// Most characters of what serde says of one value that cannot be decoded; the rest is `…`.
pub(crate) const MAX_DECODE_ERROR_CHARS: usize = 500;

/// The whole of a split, in steps of 0.001 %.
pub const TOTAL_WEIGHT: u32 = 100_000;

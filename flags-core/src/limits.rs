//! Every bound the core enforces, with its unit.

/// Longest key of a flag, segment, project or environment, longest id of a rule, and longest name
/// of a kind or an attribute, in bytes.
pub const MAX_KEY_BYTES: usize = 128;

/// Longest variant name, in bytes.
pub const MAX_VARIANT_NAME_BYTES: usize = 128;

/// Longest key of a user, a tenant or any other kind of context, in bytes; in a context, a longer
/// one counts as absent.
pub const MAX_CONTEXT_KEY_BYTES: usize = 512;

/// Longest string attribute, in bytes; a longer one counts as absent.
pub const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024;

/// Most elements of a list attribute; a longer list counts as absent, and so does one whose strings
/// have more than [`MAX_ATTRIBUTE_BYTES`] together.
pub const MAX_LIST_ELEMENTS: usize = 1_000;

/// Most attributes of one stored tenant.
pub const MAX_TENANT_ATTRIBUTES: usize = 64;

/// Most bytes of the names and the texts of one stored tenant together.
pub const MAX_TENANT_BYTES: usize = 16 * 1024;

/// Most values of one `starts_with` or `ends_with`.
pub const MAX_TEXT_VALUES: usize = 1_000;

/// Longest version, in bytes; a longer text is not a version.
pub const MAX_VERSION_BYTES: usize = 256;

/// Most patterns of one `matches`.
pub const MAX_PATTERNS: usize = 10;

/// Longest pattern of `matches`, in bytes.
pub const MAX_PATTERN_BYTES: usize = 512;

/// How deep a pattern may nest: groups, repetitions and classes.
pub(crate) const MAX_PATTERN_DEPTH: u32 = 32;

/// Largest automaton of a pattern, in bytes.
pub(crate) const MAX_PATTERN_AUTOMATON_BYTES: usize = 256 * 1024;

/// Largest program that an automaton is made from, in bytes.
pub(crate) const MAX_PATTERN_PROGRAM_BYTES: usize = 64 * 1024;

/// Most memory besides while an automaton is made, in bytes: with the program's size this bounds
/// how long it takes.
pub(crate) const MAX_PATTERN_BUILD_BYTES: usize = 64 * 1024;

/// Most bytes of all automata of one object, with what they are built from.
pub(crate) const MAX_PATTERNS_TOTAL_BYTES: usize = 1024 * 1024;

/// Most conditions of one flag: groups and references to segments count too.
pub const MAX_CONDITIONS: usize = 1_000;

/// Most searches of one flag: values of `contains` and of `matches`, and other conditions that
/// ignore case or ask for versions or networks. Each may read the whole of an attribute, which has
/// up to [`MAX_ATTRIBUTE_BYTES`].
pub const MAX_SEARCHES: usize = 250;

/// Most references to segments of one flag, each counted each time: each costs what the segment
/// does.
pub const MAX_SEGMENT_REFERENCES: usize = 100;

/// Most conditions of one segment.
pub const MAX_SEGMENT_CONDITIONS: usize = 100;

/// Most searches of one segment.
pub const MAX_SEGMENT_SEARCHES: usize = 25;

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

/// Most work of one answer, in units: 16 for each element of a list that a condition looks at, one
/// for each 64 bytes of its texts, and one for each byte that a search reads. All are counted
/// beforehand, for the whole list and the
/// whole attribute. Beyond it, the flag asked for answers
/// [`FlagInvalid`](crate::Reason::FlagInvalid). A flag within its other limits takes less; with the
/// segments and prerequisites that it refers to, it can take more.
pub const MAX_WORK_PER_ANSWER: u32 = 1 << 25;

/// What looking at an element of a list takes of [`MAX_WORK_PER_ANSWER`].
pub(crate) const WORK_PER_ELEMENT: u32 = 16;

/// How many bytes of a text one unit of [`MAX_WORK_PER_ANSWER`] stands for where they are read once.
pub(crate) const BYTES_PER_WORK: u32 = 64;

/// Most diagnostics of one definition or body that is checked; what is wrong beyond is not told.
pub const MAX_DIAGNOSTICS: usize = 1_000;

/// Most characters of one name in the pointer of a diagnostic; the rest is `…`.
pub(crate) const MAX_POINTER_TOKEN_CHARS: usize = 200;

/// Most characters of what serde says of one value that cannot be decoded; the rest is `…`.
pub(crate) const MAX_DECODE_ERROR_CHARS: usize = 500;

/// The whole of a split, in steps of 0.001 %: what its weights add up to, and how many buckets there
/// are.
pub const TOTAL_WEIGHT: u32 = 100_000;

/// Most options of one feature.
pub const MAX_FEATURE_OPTIONS: usize = 256;

/// Most versions of one plan.
pub const MAX_PLAN_VERSIONS: usize = 1_000;

/// Most features that one version of a plan, or an add-on, grants.
pub const MAX_GRANTS: usize = 1_000;

/// Longest grace, of an unpaid invoice and of a limit that is exceeded, in milliseconds: 3,660 days.
pub const MAX_GRACE_MS: u64 = 3_660 * 86_400_000;

/// Most of one add-on that a tenant has.
pub const MAX_ADDON_QUANTITY: u32 = 1_000_000;

/// Most add-ons of one tenant, each of them in a quantity.
pub const MAX_TENANT_ADDONS: usize = 100;

/// Most overrides in the contract of one tenant.
pub const MAX_TENANT_OVERRIDES: usize = 256;

/// Longest reference of an override to the contract that it is part of, in bytes.
pub const MAX_CONTRACT_REFERENCE_BYTES: usize = 200;

/// Most blocks of one tenant.
pub const MAX_TENANT_BLOCKS: usize = 64;

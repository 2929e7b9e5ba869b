//! Bounds of the language, with their units.

/// A definition's text, in bytes.
pub const DEFINITION_BYTES_MAX: usize = 1_048_576;
/// How long a JSONata expression may take where others wait behind it, in milliseconds.
pub const JSONATA_BRIEF_MS: u64 = 2;
/// Nesting of a JSON document.
pub const JSON_DEPTH_MAX: usize = 128;
/// Unicode characters of a state's name.
pub const STATE_NAME_CHARS_MAX: usize = 80;
/// Unicode characters of a variable's name.
pub const VARIABLE_NAME_CHARS_MAX: usize = 80;
/// Iterations of an inline Map that run at once.
pub const MAP_CONCURRENCY_MAX: u32 = 40;
/// Values that one path evaluation may visit before it fails.
pub const PATH_STEPS_MAX: u32 = 1_000_000;
/// Nested intrinsic calls in one field.
pub const INTRINSIC_DEPTH_MAX: usize = 10;
/// Findings of one severity that a definition's diagnostics hold.
pub const DIAGNOSTICS_MAX: usize = 1_000;
/// The largest timeout, heartbeat, literal wait and retry interval, in seconds; also the most retry attempts.
pub const TIMEOUT_SECONDS_MAX: u32 = 99_999_999;
/// `MaxDelaySeconds` of a retrier, in seconds (366 days).
pub const RETRY_DELAY_SECONDS_MAX: u32 = 31_622_400;
/// `MaxConcurrency` that a definition may ask for; what runs at once is bounded by `MAP_CONCURRENCY_MAX`.
pub const MAP_CONCURRENCY_LITERAL_MAX: u32 = 2_147_483_647;
/// Filters, arguments and literals inside one another in one path.
pub const PATH_NESTING_MAX: usize = 32;
/// Levels of one evaluation of a path, in the document and in its filters together: each costs frames of the stack.
pub const PATH_DEPTH_MAX: usize = 512;
/// Names, brackets and functions of one path, those inside its filters included.
pub const PATH_SEGMENTS_MAX: usize = 256;
/// A compiled pattern (`=~ /…/`), in bytes.
pub const PATH_PATTERN_BYTES_MAX: usize = 1 << 17;
/// Patterns of one path.
pub const PATH_PATTERNS_MAX: usize = 32;
/// Strings with patterns in one definition.
pub const DEFINITION_PATTERNS_MAX: usize = 500;
/// What one evaluation may make, in bytes of its JSON text. Payloads have a smaller limit of their own; this one keeps
/// a short expression from filling the memory before that is asked.
pub const EVALUATION_BYTES_MAX: usize = 16 << 20;
/// Text of all findings of a definition together, in bytes.
pub const DIAGNOSTICS_BYTES_MAX: usize = 4 << 20;
/// Items that `States.ArrayRange` makes.
pub const ARRAY_RANGE_ITEMS_MAX: i64 = 1_000;
/// Characters that `States.Base64Encode` and `States.Base64Decode` take.
pub const BASE64_CHARS_MAX: usize = 10_000;
/// Characters that `States.Hash` takes.
pub const HASH_CHARS_MAX: usize = 10_000;
/// A Wait state's delay, in seconds: below this.
pub const WAIT_SECONDS_END: i64 = 1 << 31;
/// `And`, `Or` and `Not` inside one another.
pub const RULE_NESTING_MAX: usize = 64;
/// Nested evaluations inside one JSONata expression; a recursive function takes about three of them per call, so this
/// allows about a hundred calls inside one another.
pub const JSONATA_DEPTH_MAX: usize = 302;
/// What AWS lets a JSONata expression hold, in bytes.
pub const JSONATA_MEMORY_BYTES_MAX: usize = 6_990_256;
/// What an item of an array counts for in `JSONATA_MEMORY_BYTES_MAX`: `[1..873782]` is the longest range that passes.
pub const JSONATA_ITEM_BYTES: usize = 8;
/// Time that one JSONata expression may take, in milliseconds.
pub const JSONATA_TIMEOUT_MS_MAX: u64 = 5_000;
